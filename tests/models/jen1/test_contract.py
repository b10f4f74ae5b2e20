"""JEN-1 keeps to what every generator and editor does."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.models.jen1 import JEN1

from ..adapters.contract import EditorContract, GeneratorContract
from .conftest import music
from .test_model import embedder

__all__ = ["embedder"]  # embeds recordings in the space of the toy


class TestJEN1(GeneratorContract, EditorContract):
    @pytest.fixture
    def generator(self, model: JEN1) -> JEN1:
        return model

    guidances = (0.0, 1.0, 3.0)
    rounding = 0.02  # the phases of Griffin-Lim magnify it


def test_two_gaps_are_filled_from_what_is_kept(model: JEN1) -> None:
    rate = model.sample_rate
    recording = music(4.0, rate=rate)[None]
    other = recording.copy()
    for start, stop in ((1.0, 1.5), (2.5, 3.0)):
        other[:, round(start * rate) : round(stop * rate)] = 0.5
    made = [model.fill((each, rate), [(2.5, 3.0), (1.0, 1.5)], seed=1)[0] for each in (recording, other)]
    assert made[0].waveform.tobytes() == made[1].waveform.tobytes()
    assert made[0].source["gap_s"] == [[1.0, 1.5], [2.5, 3.0]]
    changed = np.abs(made[0].waveform - recording)[0] > 0
    assert changed[round(1.0 * rate) : round(1.5 * rate)].mean() > 0.9
    assert changed[round(2.5 * rate) : round(3.0 * rate)].mean() > 0.9
    assert not changed[round(1.52 * rate) : round(2.48 * rate)].any()


def test_an_embedding_drives_what_is_filled_and_what_follows(model: JEN1) -> None:
    rate = model.sample_rate
    recording = (music(2.5, rate=rate), rate)
    vectors = np.random.default_rng(0).standard_normal((2, model.space.dims)).astype(np.float32)
    filled = [model.fill(recording, [(1.0, 1.5)], embedding=vector)[0].waveform for vector in vectors]
    assert np.abs(filled[0] - filled[1]).max() > 1e-3
    ends = [model.extend(recording, 1.0, **given).waveform for given in ({}, {"embedding": vectors[0]})]
    assert np.abs(ends[0] - ends[1]).max() > 1e-3
    with pytest.raises(InputError, match="2 embeddings for one recording"):
        model.extend(recording, 1.0, embedding=vectors[:, None])
    with pytest.raises(InputError, match="not both"):
        model.fill(recording, [(1.0, 2.0)], embedding=vectors[0], text="slow piano")
