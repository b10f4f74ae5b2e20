"""Folds that hold out every clip once."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.study.folds import group_k_fold


def test_folds_hold_out_every_clip_once_and_keep_labels_together():
    artists = [f"artist{i // 3}" for i in range(31)]
    folds = list(group_k_fold(31, 5, seed=1, groups=artists))
    assert sorted(np.concatenate(folds)) == list(range(31))
    fold_of = {clip: k for k, fold in enumerate(folds) for clip in fold}
    assert all(len({fold_of[i] for i in range(31) if artists[i] == label}) == 1 for label in artists)
    assert max(map(len, folds)) - min(map(len, folds)) <= 3
    with pytest.raises(InputError, match="11 clips or groups of clips cannot make 12 folds"):
        list(group_k_fold(31, 12, seed=1, groups=artists))
