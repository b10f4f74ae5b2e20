"""Notes, chords and beats of sounds whose notes are known, and their agreement against mir_eval."""

import mir_eval
import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.metrics import Beats, Notes, find_beats, find_notes, recognise_chords
from brain2music.metrics.beats import beat_agreement, require_mir_eval, tempo_agreement
from brain2music.metrics.notes import (
    CHORD_NAMES,
    chord_agreement,
    chroma_agreement,
    key_agreement,
    melody_agreement,
    note_judge,
)

RATE = 22_050
SCALE = (60, 64, 67, 72)


def tones(pitches: list[tuple[int, ...]], seconds: float = 1.0) -> np.ndarray:
    """Notes with harmonics, one chord after the other."""
    time = np.arange(round(seconds * RATE)) / RATE
    parts = []
    for chord in pitches:
        hz = [440 * 2 ** ((pitch - 69) / 12) for pitch in chord]
        sound = sum(np.sin(2 * np.pi * k * f * time) / k**2 for f in hz for k in (1, 2, 3))
        parts.append(sound * np.exp(-time) * np.minimum(1, 50 * time))
    wave = np.concatenate(parts)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.fixture(scope="module", params=["basic-pitch", "librosa"])
def scale(request: pytest.FixtureRequest) -> Notes:
    """A C major arpeggio, by either judge."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "librosa":
            patch.setattr("brain2music.metrics.notes.PACKAGE", "not_installed_anywhere")
        assert note_judge() == request.param
        return find_notes(tones([(pitch,) for pitch in SCALE]), RATE)


def test_a_scale_is_found(scale: Notes) -> None:
    middles = [5 + 10 * number for number in range(4)]
    assert [round(scale.melody[each]) % 12 for each in middles] == [pitch % 12 for pitch in SCALE]
    assert [int(scale.chroma[each].argmax()) for each in middles] == [pitch % 12 for pitch in SCALE]
    assert melody_agreement(scale, scale) == pytest.approx(1.0)
    assert [each(scale, scale) for each in (chroma_agreement, key_agreement)] == pytest.approx([1.0, 1.0])


def test_chords_of_a_progression_are_recognised() -> None:
    played = [(48, 60, 64, 67), (45, 57, 60, 64), (41, 57, 60, 65), (43, 59, 62, 67)]
    notes = find_notes(tones(played, 2.0), RATE)
    assert [CHORD_NAMES[notes.chords[10 + 20 * number]] for number in range(4)] == ["C:maj", "A:min", "F:maj", "G:maj"]


def test_templates_and_silence() -> None:
    rows = np.zeros((3, 12))
    rows[0, [2, 6, 9]] = rows[1, [4, 7, 11]] = 1
    assert [CHORD_NAMES[each] for each in recognise_chords(rows.repeat(6, axis=0))[::6]] == ["D:maj", "E:min", "N"]


def test_agreement_of_chords_is_mir_evals(rng: np.random.Generator) -> None:
    chords = rng.integers(25, size=(2, 40))
    first, second = (Notes(np.zeros((40, 12)), np.zeros(40), each) for each in chords)
    labels = [[CHORD_NAMES[each] for each in row] for row in chords]
    compared = mir_eval.chord.majmin(labels[1], labels[0])
    assert chord_agreement(first, second) == pytest.approx(mir_eval.chord.weighted_accuracy(compared, np.ones(40)))
    assert chord_agreement(first, first) == 1.0


def test_agreement_of_melodies_is_mir_evals(rng: np.random.Generator) -> None:
    true = np.where(rng.random(50) < 0.7, rng.uniform(50, 80, 50), 0.0)
    made = np.where(rng.random(50) < 0.8, true + rng.choice([0.0, 12.0, 0.3, 1.0], 50), 0.0)
    first, second = (Notes(np.zeros((50, 12)), each, np.zeros(50, int)) for each in (made, true))
    by_loop = [a > 0 and abs((a - b + 6) % 12 - 6) < 0.5 for a, b in zip(made, true, strict=True) if b > 0]
    assert melody_agreement(first, second) == pytest.approx(np.mean(by_loop))
    assert melody_agreement(first, Notes(np.zeros((50, 12)), np.zeros(50), np.zeros(50, int))) == 0.0


def test_chroma_of_silence_agrees_with_silence_only() -> None:
    silent, note = np.zeros((4, 12)), np.eye(12)[:4]
    nothing, some = (Notes(each, np.zeros(4), np.zeros(4, int)) for each in (silent, note))
    assert (chroma_agreement(nothing, nothing), chroma_agreement(nothing, some)) == (1.0, 0.0)
    assert key_agreement(nothing, some) == 0.0


@pytest.mark.parametrize("tempo", [100.0])
def test_beats_of_clicks(tempo: float) -> None:
    wave = np.zeros(12 * RATE, np.float32)
    times = np.arange(0.5, 11.9, 60 / tempo)
    wave[(times * RATE).astype(int)] = 1.0
    found, true = find_beats(wave, RATE), Beats(times, tempo)
    assert beat_agreement(found, true) > 0.9
    assert beat_agreement(found, true) == pytest.approx(mir_eval.beat.f_measure(times, found.times))
    detected = mir_eval.tempo.detection(np.array([tempo, tempo]), 0.5, np.array([found.tempo] * 2))
    assert tempo_agreement(found, true) == float(detected[1]) == 1.0
    assert beat_agreement(found, Beats(times + 15 / tempo, tempo)) < 0.1


def test_silence_has_no_beat() -> None:
    nothing = find_beats(np.zeros(5 * RATE), RATE)
    assert (len(nothing.times), nothing.tempo) == (0, 0.0)
    assert beat_agreement(nothing, nothing) == tempo_agreement(nothing, nothing) == 0.0


def test_a_missing_package_is_named() -> None:
    with pytest.raises(InputError, match=r"Pip install 'brain2music\[score\]'"):
        require_mir_eval("no_such_part")
