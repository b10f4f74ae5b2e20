"""The beat clock: exact phases, tempi from embeddings, and a stage that follows it and does without it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.audio.beats import track_beats
from brain2music.models.generator_parts.clock import (
    CODES,
    LEVELS,
    PHASES,
    UNKNOWN,
    clock_at,
    count_beats,
    echoed_clock,
    hide_clock,
    steady_clock,
    tracked_clock,
    with_echoes,
    without_clock,
)
from brain2music.models.generator_parts.metronome import Metronome
from brain2music.models.generator_parts.pace import Pace
from brain2music.models.musiclm.condition import Condition, Conditioner
from brain2music.models.musiclm.config import stage_configs
from brain2music.models.musiclm.folder import write_config
from brain2music.models.musiclm.initialise import initialise_from
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.sampling import Sampling
from brain2music.models.musiclm.stage import MusicLMStage

from .conftest import SPACE, WORDS

RATE = 50.0


def clocked(seed: int = 0) -> MusicLMStage:
    torch.manual_seed(seed)
    return MusicLMStage(stage_configs("tiny", "single", replace(WORDS, clock=True))["acoustic"]).eval()


def whole_clock(frames: int, tempo: float, items: int = 1) -> torch.Tensor:
    """The clock of a tempo; far faster than music, so that a crop of a second has echoes."""
    clock = with_echoes(steady_clock(frames, RATE, tempo, 4), tempo, 4, RATE)
    return torch.from_numpy(np.stack([clock] * items))


def condition(conditioner: Conditioner, items: int = 2) -> Condition:
    return conditioner(torch.randn(items, 8, generator=torch.Generator().manual_seed(3)))


def test_a_steady_clock_counts_beats_and_bars() -> None:
    clock = steady_clock(200, RATE, tempo=60.0, beats_per_bar=3)
    assert clock.shape == (LEVELS, 200)
    assert clock[0, :50].tolist() == [int(PHASES * frame / 50) for frame in range(50)]
    assert [clock[1, 50 * second] for second in range(4)] == [0, 1, 2, 0]
    assert len(set(clock[2].tolist())) == 1
    assert steady_clock(1, RATE, 120.0, 4)[2] - steady_clock(1, RATE, 60.0, 4)[2] == 12
    assert clock.max() < CODES


def test_the_slowest_and_fastest_tempi_have_codes() -> None:
    assert 0 <= steady_clock(1, RATE, 40.0, 4)[2, 0] < steady_clock(1, RATE, 230.0, 4)[2, 0] < UNKNOWN


def test_a_tracked_clock_is_that_of_the_beats_and_goes_on_beyond_them() -> None:
    beats = 0.3 + 0.5 * np.arange(6)
    clock = tracked_clock(beats, 250, RATE)
    same = clock_at((np.arange(250) / RATE - 0.3) / 0.5 + 10, 120.0, None)
    near = np.minimum((clock[0] - same[0]) % PHASES, (same[0] - clock[0]) % PHASES)
    assert near.max() <= 1
    assert set(clock[1]) == {UNKNOWN}
    assert set(clock[2]) == set(same[2])


def test_music_without_a_pulse_has_no_clock() -> None:
    noise = np.random.default_rng(0).standard_normal(8 * 22_050).astype(np.float32)
    assert track_beats(noise, 22_050) is None
    assert set(tracked_clock(None, 10, RATE).flat) == {UNKNOWN}


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_clicks_are_tracked(rate: int) -> None:
    clicks = np.zeros(10 * rate, np.float32)
    clicks[:: rate // 2] = 1.0
    beats = track_beats(clicks, rate)
    assert beats is not None
    assert 60 / np.median(np.diff(beats)) == pytest.approx(120, rel=0.03)
    _, tempo = count_beats(beats, np.array([0.0, 60.0]))
    assert tempo[1] == pytest.approx(120, rel=0.03)


def test_hiding_hides_all_or_only_the_bar() -> None:
    clock = torch.zeros(4000, LEVELS, 2, dtype=torch.long)
    torch.manual_seed(0)
    hidden = hide_clock(clock, torch.arange(4000) < 2000, (0.1, 0.5, 0.2))
    whole = (hidden == UNKNOWN).all(dim=(1, 2))
    assert float(whole[:2000].float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(whole[2000:].float().mean()) == pytest.approx(0.1, abs=0.03)
    rest = hidden[~whole]
    assert not (rest[:, [0, 2]] == UNKNOWN).any()
    assert float((rest[:, 1] == UNKNOWN).all(dim=1).float().mean()) == pytest.approx(0.2, abs=0.04)


def test_no_clock_is_the_unknown_clock(conditioner: Conditioner) -> None:
    stage, codes = clocked(), torch.randint(32, (2, 4, 20), generator=torch.Generator().manual_seed(0))
    clock = whole_clock(20, 750.0, 2)
    given = condition(conditioner)
    with torch.inference_mode():
        without, unknown = stage(given, None, codes), stage(given, without_clock(clock), codes)
        known = stage(given, clock, codes)
    assert torch.allclose(without, unknown, atol=1e-6)
    assert not torch.allclose(known, without, atol=1e-3)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_sampling_follows_the_clock_and_is_reproducible(conditioner: Conditioner, guidance: float) -> None:
    stage, given = clocked(), condition(conditioner, 1)

    def sample(tempo: float) -> torch.Tensor:
        clock = whole_clock(20, tempo)
        return stage.sample(given, clock, 20, Sampling(1.0, guidance=guidance), torch.Generator().manual_seed(0))

    assert torch.equal(sample(600.0), sample(600.0))
    assert not torch.equal(sample(600.0), sample(400.0))


def test_echoes_are_one_beat_two_beats_and_a_bar_before() -> None:
    clock = with_echoes(steady_clock(10, RATE, 120.0, 3), 120.0, 3, RATE)
    assert clock[LEVELS:, 0].tolist() == [25, 50, 75]
    assert not with_echoes(tracked_clock(None, 10, RATE), None, None, RATE)[LEVELS:].any()


def with_loud_echoes() -> MusicLMStage:
    stage = clocked()
    torch.nn.init.normal_(stage.lift_echoes.weight, std=0.3)
    return stage


def test_no_later_code_moves_an_earlier_prediction(conditioner: Conditioner) -> None:
    stage, given, clock = with_loud_echoes(), condition(conditioner, 1), whole_clock(20, 500.0)
    codes = torch.randint(32, (1, 4, 20), generator=torch.Generator().manual_seed(0))
    changed = codes.clone()
    changed[:, :, 12:] = (changed[:, :, 12:] + 7) % 32
    with torch.inference_mode():
        before, after = stage.logits(given, clock, codes), stage.logits(given, clock, changed)
    for level in range(4):  # a step later each: the delay pattern
        assert torch.equal(before[:, level, : 13 - level], after[:, level, : 13 - level])
    assert not torch.allclose(before[:, :, 18:], after[:, :, 18:], atol=1e-3)


def test_step_by_step_predictions_are_those_of_the_whole(conditioner: Conditioner) -> None:
    stage, given, clock = with_loud_echoes(), condition(conditioner, 2), whole_clock(20, 500.0, 2)
    codes = torch.randint(32, (2, 4, 20), generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []

    def choice(step: int, logits: torch.Tensor) -> torch.Tensor:
        seen.append(logits)
        frames = (step - torch.arange(4)).clamp(0, 19)
        return codes[:, torch.arange(4), frames]

    made = stage.step_through(given, clock, 20, choice)
    assert torch.equal(made, codes)
    with torch.inference_mode():
        whole = stage.logits(given, clock, codes)
    for level in range(4):
        stepwise = torch.stack([seen[frame + level][:, level] for frame in range(20)], dim=1)
        assert torch.allclose(stepwise, whole[:, level], atol=1e-4)


def test_a_stage_that_begins_at_one_without_a_clock_predicts_what_that_did(
    conditioner: Conditioner, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    old = MusicLMStage(stage_configs("tiny", "single", WORDS)["acoustic"]).eval()
    old.save_pretrained(tmp_path / "acoustic")
    conditioner.save(tmp_path)
    write_config(tmp_path, "single", "codec-tiny", "0" * 64, {})
    new = clocked(seed=6)
    initialise_from(tmp_path, {"acoustic": new}, conditioner, torch.randn(10, 8))
    codes = torch.randint(32, (2, 4, 20), generator=torch.Generator().manual_seed(0))
    clock = whole_clock(20, 500.0, 2)
    given = condition(conditioner)
    with torch.inference_mode():
        assert torch.allclose(new(given, clock, codes), old(given, None, codes), atol=1e-5)


def test_pace_finds_tempo_and_metre_of_embeddings_that_hold_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tempi, metres = np.exp2(rng.uniform(np.log2(60), np.log2(200), 300)), rng.choice([3.0, 4.0, np.nan], 300)
    octaves = np.log2(tempi)
    facts = np.stack([np.cos(2 * np.pi * octaves), np.sin(2 * np.pi * octaves), octaves, metres == 3, metres == 4])
    vectors = facts.T @ rng.standard_normal((5, 16)) + 0.01 * rng.standard_normal((300, 16))
    Pace.fit(vectors[:200], tempi[:200], metres[:200]).save(tmp_path)
    found = Pace.load(tmp_path)(vectors[200:])
    error = np.abs(np.log2([each.bpm for each in found]) - octaves[200:])
    assert np.median(error) < 0.05
    known = np.isfinite(metres[200:])
    right = np.array([each.beats_per_bar for each in found])[known] == metres[200:][known]
    assert right.mean() > 0.95


def test_a_metronome_keeps_the_tempo_asked_for_and_changes_it_between_sections(conditioner: Conditioner) -> None:
    stage = clocked()
    pace = Pace(np.zeros((8, 4), np.float32), np.array([1, 0, 7, 1], np.float32), np.array([4]))
    metronome = Metronome(stage.config.frame_rate, pace, partial(echoed_clock, frame_rate=stage.config.frame_rate))
    given = condition(conditioner, 1).vector
    asked, fitting = metronome.clock([given], 100, 60.0), metronome.clock([given], 100, None)
    assert asked is not None
    assert fitting is not None
    assert int((asked[0, 0].diff() < 0).sum()) == 1  # 100 frames are 2 s: beats at 0 and 1
    assert int((fitting[0, 0].diff() < 0).sum()) == 4  # 128 beats per minute
    tracked = metronome.follow(np.arange(8) * 0.25, 100, 1)
    assert tracked is not None
    assert int((tracked[0, 0].diff() < 0).sum()) in (7, 8)
    assert set(tracked[0, 1].tolist()) == {UNKNOWN}


def test_tempi_are_checked_and_said(conditioner: Conditioner, codec: Path, single: MusicLM) -> None:
    from brain2music.models.codecs import get_token_codec

    vector = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    with pytest.raises(InputError, match=r"no beat clock.*musiclm-small or jen1-small"):
        single.generate(vector, seconds=1.0, tempo=100.0)
    pace = Pace(np.zeros((8, 4), np.float32), np.array([1, 0, 7, 1], np.float32), np.array([4]))
    model = MusicLM({"acoustic": clocked()}, conditioner, None, get_token_codec(str(codec), 4), pace=pace)
    with pytest.raises(InputError, match="40 to 230"):
        model.generate(vector, seconds=1.0, tempo=20.0)
    (fitting,) = model.generate(vector, seconds=1.0)
    (asked,) = model.generate(vector, seconds=1.0, tempo=90.0)
    assert (fitting.source["tempo"], fitting.source["beats_per_bar"]) == (128.0, 4)
    assert asked.source["tempo"] == 90.0
    assert not np.array_equal(fitting.waveform, asked.waveform)
    assert SPACE.dims == 8
