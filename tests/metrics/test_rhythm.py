"""Pulse, tempo and onsets of clicks, noise, and composed music whose tempo is known."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.metrics import rhythm, tempi_agree
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.render import render_piece


def clicks(tempo: float, seconds: float, sample_rate: int) -> np.ndarray:
    wave = np.zeros(round(seconds * sample_rate), np.float32)
    for beat in np.arange(0, seconds, 60 / tempo):
        first = round(beat * sample_rate)
        wave[first : first + sample_rate // 100] = 0.5
    return wave


@pytest.mark.parametrize(("tempo", "sample_rate"), [(90.0, 22_050), (120.0, 44_100), (150.0, 16_000)])
def test_clicks_have_a_strong_pulse_at_their_tempo(tempo: float, sample_rate: int) -> None:
    found = rhythm(clicks(tempo, 12.0, sample_rate), sample_rate)
    assert found.pulse > 0.9
    assert found.onsets_per_s == pytest.approx(tempo / 60, rel=0.1)
    assert tempi_agree(np.array([found.tempo]), np.array([tempo]))[0]


def test_noise_has_none_and_silence_nothing(rng: np.random.Generator) -> None:
    assert rhythm(rng.standard_normal(12 * 22_050).astype(np.float32), 22_050).pulse < 0.25
    assert rhythm(np.zeros(5 * 22_050, np.float32), 22_050) == (0.0, 0.0, 0.0, 0.0)
    assert rhythm(np.full(5 * 22_050, 0.5, np.float32), 22_050).onsets_per_s < 1


def test_level_and_channels_do_not_matter(rng: np.random.Generator) -> None:
    wave = clicks(110.0, 8.0, 22_050) + 0.01 * rng.standard_normal(8 * 22_050).astype(np.float32)
    mono, stereo, quiet = (rhythm(each, 22_050) for each in (wave, np.stack([wave, wave]), 0.1 * wave))
    assert mono == stereo
    assert quiet.pulse == pytest.approx(mono.pulse, abs=0.02)
    assert quiet.tempo == mono.tempo


def test_composed_disco_keeps_its_tempo() -> None:
    pieces = [compose_piece("disco", np.random.default_rng([5, number]), 12.0) for number in range(4)]
    found = [rhythm(render_piece(piece, 22_050), 22_050) for piece in pieces]
    assert np.median([each.pulse for each in found]) > 0.5
    agree = tempi_agree(np.array([each.tempo for each in found]), np.array([piece.tempo for piece in pieces]))
    assert agree.mean() >= 0.75


def test_tempi_agree_in_octaves_only() -> None:
    reference = np.full(6, 100.0)
    assert tempi_agree(np.array([107.0, 50.0, 190.0, 150.0, 0.0, 25.0]), reference).tolist() == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert not tempi_agree(np.array([100.0]), np.array([0.0]))[0]


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.0 s of sound have no measurable pulse"):
        rhythm(np.ones(22_050, np.float32), 22_050)
