"""Ids are injective, patterns are inverses, and windows cover time as the paper says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brain2music.models.generator_parts.windows import windows
from brain2music.models.musiclm.config import STAGES, stage_configs
from brain2music.models.musiclm.patterns import arrange, collect, layout
from brain2music.models.musiclm.tokens import SPECIALS, Family, TokenSpace

SPACE = TokenSpace((Family("condition", 12, 1024), Family("semantic", 1, 1024), Family("acoustic", 12, 1024)))


def test_every_code_has_an_id_of_its_own_and_specials_lie_outside() -> None:
    found = {}
    for family in SPACE.families:
        grid = torch.arange(family.codebook_size).expand(family.n_quantizers, family.codebook_size)
        for level, row in enumerate(SPACE.encode(family.name, grid).tolist()):
            for code, token in enumerate(row):
                assert token not in found
                found[token] = (family.name, level, code)
    assert len(found) == 25 * 1024 == SPACE.n_codes
    assert all(SPACE.decode(token) == what for token, what in found.items())
    specials = [SPACE.special(name) for name in SPECIALS]
    assert not set(specials) & set(found)
    assert [SPACE.decode(token)[0] for token in specials] == list(SPECIALS)
    assert max(specials) == SPACE.size - 1


def test_encoding_later_levels_alone_gives_the_same_ids() -> None:
    grid = torch.randint(1024, (2, 12, 5))
    whole = SPACE.encode("acoustic", grid)
    assert torch.equal(whole[:, 4:], SPACE.encode("acoustic", grid[:, 4:], first_quantizer=4))
    with pytest.raises(ValueError, match="12 quantizers"):
        SPACE.encode("acoustic", grid, first_quantizer=1)


@given(st.sampled_from(["flattened", "delay", "parallel"]), st.integers(1, 6), st.integers(1, 9))
def test_patterns_are_inverses(pattern: str, levels: int, frames: int) -> None:
    table = layout(pattern, levels, frames)
    grid = torch.arange(2 * levels * frames).view(2, levels, frames)
    assert torch.equal(collect(arrange(grid, table, -1), table), grid)
    assert (table.code >= 0).sum() == levels * frames
    steps = {"flattened": levels * frames, "delay": frames + levels - 1, "parallel": frames}[pattern]
    assert len(table.code) == len(table.frame) == steps
    if pattern == "flattened":  # row-major: the levels of a frame one after the other
        assert torch.equal(arrange(grid, table, -1)[..., 0], grid.transpose(1, 2).flatten(1))


@given(st.sampled_from(["flattened", "delay", "parallel"]), st.integers(1, 6), st.integers(1, 9))
def test_patterns_never_predict_a_lower_level_after_a_higher_one(pattern: str, levels: int, frames: int) -> None:
    step = layout(pattern, levels, frames).step
    assert (step[:, 1:] > step[:, :-1]).all()
    assert (step[1:] >= step[:-1]).all() if pattern == "parallel" else (step[1:] > step[:-1]).all()


def test_the_papers_sequences() -> None:
    assert {name: config.sequence for name, config in stage_configs("paper").items()} == {
        "semantic": 762,
        "coarse": 2262,
        "fine": 1800,
    }
    for size in ("tiny", "small", "paper"):
        found = stage_configs(size)
        assert tuple(found) == STAGES["three"]
        assert [found[name].crop_s for name in STAGES["three"]] == [30, 10, 3]
        assert [found[name].temperature for name in STAGES["three"]] == [1.0, 0.95, 0.4]
        assert found["fine"].condition == ()


def test_long_music_advances_by_fifteen_seconds_behind_a_prefix_of_fifteen() -> None:
    found = windows(total=25 * 75, crop=25 * 30, stride=25 * 15)
    assert [(w.start / 25, w.first / 25, w.stop / 25) for w in found] == [
        (0, 0, 30),
        (15, 30, 45),
        (30, 45, 60),
        (45, 60, 75),
    ]


def test_no_window_of_a_story_spans_two_sections() -> None:
    found = windows(total=100, crop=40, stride=20, section=30)
    assert [(w.first, w.stop, w.section) for w in found] == [(0, 30, 0), (30, 50, 1), (50, 60, 1), (60, 80, 2), (80, 90, 2), (90, 100, 3)]  # fmt: skip  # noqa: E501
    assert all(w.stop - w.start <= 40 for w in found)


@given(st.integers(0, 200), st.integers(1, 50), st.integers(0, 60))
def test_windows_fill_everything_once(total: int, crop: int, known: int) -> None:
    found = windows(total, crop, max(1, crop // 2), known)
    filled = [frame for window in found for frame in range(window.first, window.stop)]
    assert filled == list(range(known, total))
    assert all(0 <= w.start <= w.first < w.stop for w in found)
