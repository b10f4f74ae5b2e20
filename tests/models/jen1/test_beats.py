"""The beat clock of the diffusion model, and echoes."""

import numpy as np
import pytest
import torch

from brain2music.models.generator_parts.clock import LEVELS, PHASES, UNKNOWN
from brain2music.models.jen1.beats import Echoes, SamePlaces, clock_of, without_beat
from brain2music.models.jen1.condition import DiffusionCondition

RATE = 20.0


def clock(tempo: float, beats_per_bar: int | None, frames: int = 200) -> torch.Tensor:
    count = np.arange(frames) / RATE * tempo / 60
    return torch.from_numpy(clock_of(count, tempo, beats_per_bar))[None]


def test_a_clock_counts_beats_and_bars() -> None:
    codes = clock(60.0, 3)[0]  # 20 frames a beat
    assert codes[0, :20].tolist() == [int(frame / 20 * PHASES) for frame in range(20)]
    assert codes[1, ::20].tolist() == [beat % 3 for beat in range(10)]
    assert len(set(codes[2].tolist())) == 1
    assert codes[3, 0] == codes[3, 60] == 1
    assert codes[3].max() <= 3 * PHASES


def test_where_there_is_no_tempo_nothing_is_known() -> None:
    codes = torch.from_numpy(clock_of(np.zeros(7, np.float32), None, None))
    assert torch.equal(codes, without_beat(1, 7, torch.device("cpu"))[0])
    places = SamePlaces.of(codes[None], causal=False)
    assert not places.of_beat.any()
    assert not places.of_bar.any()


@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_what_repeats_stands_out_and_noise_does_not(beats_per_bar: int) -> None:
    places = SamePlaces.of(clock(60.0, beats_per_bar), causal=False)
    noise = torch.randn(1, 400, 200, generator=torch.Generator().manual_seed(0))
    averaged = torch.einsum("bts,bcs->bct", places.of_beat, noise)
    assert float(averaged.std()) == pytest.approx(1.0, abs=0.05)
    every_beat = torch.zeros(1, 1, 200)
    every_beat[:, :, ::20] = 1.0
    raised = torch.einsum("bts,bcs->bct", places.of_beat, every_beat)
    assert float(raised[0, 0, 0]) == pytest.approx(np.sqrt(10), rel=1e-5)  # ten beats
    once_a_bar = torch.zeros(1, 1, 200)
    once_a_bar[:, :, :: 20 * beats_per_bar] = 1.0
    of_bar = torch.einsum("bts,bcs->bct", places.of_bar, once_a_bar)
    assert float(of_bar[0, 0, 0]) == pytest.approx(np.sqrt(np.ceil(10 / beats_per_bar)), rel=1e-5)
    assert float(of_bar[0, 0, 20]) == 0.0


def test_causal_echoes_are_of_the_past() -> None:
    places = SamePlaces.of(clock(120.0, 4), causal=True)
    for weights in places:
        assert not weights.triu(1).any()


def test_echoes_begin_as_nothing_and_hear_other_beats_once_trained() -> None:
    torch.manual_seed(0)
    echoes, places = Echoes(6), SamePlaces.of(clock(60.0, 4), causal=False)
    x = torch.randn(1, 6, 200)
    assert torch.equal(echoes(x, places), x)
    torch.nn.init.normal_(echoes.beat.weight)
    moved = x.clone()
    moved[:, :, 40] += torch.randn(6)
    changed = (echoes(moved, places) - echoes(x, places)).abs().sum(dim=(0, 1)) > 1e-6
    assert torch.nonzero(changed)[:, 0].tolist() == list(range(0, 200, 20))


def test_the_clock_is_hidden_dropped_and_cut_with_its_condition() -> None:
    codes = clock(120.0, 4).expand(400, -1, -1)
    null = DiffusionCondition.null(400, 8, 4)
    shown = torch.ones(400, 2, dtype=torch.bool)
    condition = DiffusionCondition(null.text, null.words, null.embedding, shown, codes)
    hidden = condition.hidden().clock
    assert hidden is not None
    assert set(hidden[:, :LEVELS].unique().tolist()) == {UNKNOWN}
    torch.manual_seed(0)
    dropped = condition.dropped((0.5, 0.0, 0.0), (0.0, 1.0, 0.5))
    assert dropped.clock is not None
    without = (dropped.clock[:, 0] == UNKNOWN).all(dim=1)
    assert torch.equal(without, ~dropped.shown.any(dim=1))
    assert 0.3 < float((dropped.clock[~without, 1] == UNKNOWN).all(dim=1).float().mean()) < 0.7
    part = condition.during(3, 9).clock
    assert part is not None
    assert torch.equal(part, codes[:, :, 3:9])
    assert condition[[0, 1]].during(0, 5).clock.shape == (2, 4, 5)
