"""Chords, keys, voicings and scales against what any harmony book says; rhythm notation and swing."""

import numpy as np
import pytest

from brain2music.simulation.music.genres import GENRES, MOODS
from brain2music.simulation.music.instruments import DRUMS, INSTRUMENTS, KITS
from brain2music.simulation.music.plan import Bar
from brain2music.simulation.music.rhythm import hits, patterns_for_meter, swing_beat
from brain2music.simulation.music.theory import (
    SCALES,
    TONICS,
    chord_of,
    key_name,
    nearest_pitch,
    scale_pitches,
    voicing,
)

BAR = Bar(0, 8.0, "verse", 0, False, "I", ())


@pytest.mark.parametrize(
    ("numeral", "tonic", "tones"),
    [
        ("I", "C", ["C", "E", "G"]),
        ("V7", "C", ["G", "B", "D", "F"]),
        ("ii7", "C", ["D", "F", "A", "C"]),
        ("bVII", "A", ["G", "B", "D"]),
        ("iidim", "A", ["B", "D", "F"]),
        ("ii7b5", "A", ["B", "D", "F", "A"]),
        ("#ivdim7", "C", ["F#", "A", "C", "Eb"]),
        ("Imaj7", "Eb", ["Eb", "G", "Bb", "D"]),
        ("bVI5", "E", ["C", "G"]),
        ("iv6", "C", ["F", "Ab", "C", "D"]),
    ],
)
def test_roman_numerals(numeral, tonic, tones):
    assert [TONICS[pc] for pc in chord_of(numeral, TONICS.index(tonic)).pitch_classes] == tones


@pytest.mark.parametrize("wrong", ["H7", "VIII", "Imaj13", ""])
def test_what_is_no_numeral_is_refused(wrong):
    with pytest.raises(ValueError, match=r"not a Roman numeral|unknown quality"):
        chord_of(wrong, 0)


def test_modes_have_the_third_their_key_is_named_by():
    assert key_name(9, "dorian") == "A minor"
    assert key_name(6, "mixolydian") == "F# major"
    assert {key_name(0, mode) for mode in SCALES} == {"C major", "C minor"}


def test_voicings_hold_the_chord_near_the_center():
    for center in range(50, 70):
        chord = chord_of("V7", 3)
        tones = voicing(chord, center)
        assert {tone % 12 for tone in tones} == set(chord.pitch_classes)
        assert all(center - 6 <= tone < center + 6 for tone in tones)
        assert tones == tuple(sorted(tones))


def test_nearest_and_ladder():
    assert nearest_pitch(61, (0, 4, 7)) == 60
    assert nearest_pitch(40, (0,), low=50, high=70) == 60
    assert scale_pitches(0, SCALES["major"], 60, 72) == (60, 62, 64, 65, 67, 69, 71, 72)


def test_hits_of_a_pattern():
    found = hits("x..X....o.......", BAR, 4, np.random.default_rng(0))
    assert [(hit.beat, hit.gap, hit.mark) for hit in found] == [(8.0, 0.75, "x"), (8.75, 1.25, "X"), (10.0, 2.0, "o")]


def test_two_bar_patterns_alternate_and_waltzes_take_three_beats():
    rng = np.random.default_rng(0)
    pattern = "x..............." + "....x..........."
    assert [hit.beat for hit in hits(pattern, BAR, 4, rng)] == [8.0]
    assert [hit.beat for hit in hits(pattern, BAR._replace(place=1), 4, rng)] == [9.0]
    assert [hit.beat for hit in hits("....x.......x...", BAR, 3, rng)] == [9.0]


def test_fitting_prefers_patterns_of_the_metre():
    rhythms = ["stab x.......x.......", "stab ....x...x..."]
    assert patterns_for_meter(rhythms, 3) == rhythms[1:]
    assert patterns_for_meter(rhythms, 4) == rhythms[:1]
    assert patterns_for_meter(rhythms[:1], 3) == rhythms[:1]


def test_swing_moves_the_offbeat_only_and_keeps_order():
    assert swing_beat(1.5, 2 / 3, 1.0) == pytest.approx(1 + 2 / 3)
    assert swing_beat(2.25, 0.6, 0.5) == pytest.approx(2.3)
    beats = np.arange(0, 8, 0.125)
    for swing in (0.5, 0.6, 0.67):
        moved = np.array([swing_beat(beat, swing, 1.0) for beat in beats.tolist()])
        np.testing.assert_array_equal(moved[::8], beats[::8])
        assert (np.diff(moved) > 0).all()
    np.testing.assert_allclose([swing_beat(beat, 0.5, 1.0) for beat in beats.tolist()], beats)


def test_the_table_of_genres_is_gtzan_and_names_only_what_exists():
    gtzan = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
    assert list(GENRES) == gtzan
    for style in GENRES.values():
        assert set(style.moods) <= set(MOODS)
        assert set(style.modes) <= set(SCALES)
        assert set(style.kits) <= set(KITS)
        layers = [layer.split() for voice in style.drums.values() for option in voice for layer in option.split(" + ")]
        assert {drum for drum, *_ in filter(None, layers)} <= set(DRUMS)
        for role in style.roles.values():
            assert set(role.instruments) <= set(INSTRUMENTS)
        for numerals in (*style.major, *style.minor):
            assert all(chord_of(numeral, 0) for bar in numerals.split() for numeral in bar.split("-"))


def test_every_rhythm_in_the_table_is_one_or_two_bars():
    for style in GENRES.values():
        drums = [layer for voice in style.drums.values() for option in voice for layer in option.split(" + ") if layer]
        parts = [text for role in style.roles.values() for text in role.styles.values() if "-" not in text]
        assert {len(text.split()[1]) for text in (*drums, *parts)} <= {12, 16, 32}
