"""JEN-1's tasks: a third of the batch each, masks of their own for every item, and modes as in the paper."""

import pytest
import torch

from brain2music.models.jen1.tasks import TaskMix, continuation_mask, inpainting_mask

FRAMES = 200


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_task_has_a_third_of_the_batch_and_its_mode() -> None:
    parts = {part.causal: part for part in TaskMix().divide(12, FRAMES, generator())}
    assert sorted(parts[False].rows + parts[True].rows) == list(range(12))
    kinds = {causal: [_kind(mask[0]) for mask in part.mask] for causal, part in parts.items()}
    assert kinds[False].count("nothing") == kinds[True].count("nothing") == 2
    assert len(kinds[False]) == len(kinds[True]) == 6
    assert set(kinds[True]) == {"nothing", "beginning"}


def test_masks_are_contiguous_of_20_to_80_percent_and_of_each_item() -> None:
    for make in (inpainting_mask, continuation_mask):
        masks = torch.stack([make(FRAMES, rng) for rng in [generator()] for _ in range(500)])
        missing = (masks == 0).sum(1)
        assert missing.min() >= 0.2 * FRAMES
        assert missing.max() <= 0.8 * FRAMES
        assert missing.min() < 0.25 * FRAMES
        assert missing.max() > 0.75 * FRAMES
        changes = masks.diff(dim=1).abs().sum(1)
        assert (changes <= 2).all()
        assert len(set(map(tuple, masks.tolist()))) > 100
    batch = TaskMix().divide(48, FRAMES, generator())
    for part in batch:
        known = [tuple(mask[0].tolist()) for mask in part.mask if mask.any()]
        assert len(set(known)) > len(known) / 2


def test_a_continuation_lacks_its_end() -> None:
    mask = continuation_mask(FRAMES, generator())
    known = int(mask.sum())
    assert torch.equal(mask, (torch.arange(FRAMES) < known).float())


@pytest.mark.parametrize("left_out", ["causal", "inpainting", "continuation"])
def test_parts_that_are_left_out_do_not_occur(left_out: str) -> None:
    parts = TaskMix(**{left_out: False}).divide(12, FRAMES, generator())
    kinds = [(_kind(mask[0]), part.causal) for part in parts for mask in part.mask]
    assert len(kinds) == 12
    causal_text = kinds.count(("nothing", True))
    expected = {"causal": 0, "inpainting": 4, "continuation": 4}[left_out]
    assert causal_text == expected
    assert any(kind == "beginning" and causal for kind, causal in kinds) == (left_out != "continuation")
    gaps = [kind for kind, causal in kinds if not causal and kind != "nothing"]
    assert bool(gaps) == (left_out != "inpainting")


def _kind(mask: torch.Tensor) -> str:
    if not mask.any():
        return "nothing"
    return "beginning" if mask[0] == 1 and mask.diff().abs().sum() == 1 else "around"
