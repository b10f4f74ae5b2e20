"""Composed pieces: their notes agree with their stated properties."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.simulation.music.caption import make_caption, make_captions
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.instruments import DRUMS, INSTRUMENTS
from brain2music.simulation.music.theory import SCALES, TONICS, chord_of

SEEDS = range(6)


@cache
def piece_of(genre, seed=0, seconds=30.0):
    return compose_piece(genre, np.random.default_rng(seed), seconds)


@pytest.fixture(params=GENRES)
def pieces(request):
    return [piece_of(request.param, seed) for seed in SEEDS]


def pitched(piece):
    return [note for track in piece.tracks if not track.is_drum for note in track.notes]


def tonic_of(piece):
    return TONICS.index(piece.key.split()[0])


def test_notes_lie_within_the_piece_and_the_instruments(pieces):
    for piece in pieces:
        assert piece.tempo == pytest.approx(np.clip(piece.tempo, *GENRES[piece.genre].tempo))
        for track in piece.tracks:
            low, high = (0, 127) if track.is_drum else INSTRUMENTS[track.instrument][1:]
            drum_keys = set(DRUMS.values())
            for note in track.notes:
                assert 0 <= note.start < note.end <= piece.seconds
                assert 1 <= note.velocity <= 127
                assert note.pitch in drum_keys if track.is_drum else low <= note.pitch <= high, track.instrument


def test_no_note_is_struck_while_it_sounds(pieces):
    for piece in pieces:
        for track in piece.tracks:
            for pitch in {note.pitch for note in track.notes}:
                same = [note for note in track.notes if note.pitch == pitch]
                assert all(a.end <= b.start for a, b in pairwise(same))


def test_music_sounds_throughout(pieces):
    for piece in pieces:
        sounding = np.zeros(int(piece.seconds), bool)
        for track in piece.tracks:
            for note in track.notes:
                sounding[int(note.start) : int(np.ceil(note.end))] = True
        assert sounding.mean() > 0.9
        assert len(piece.tracks) >= 2


def test_notes_are_mostly_in_key(pieces):
    for piece in pieces:
        tonic = tonic_of(piece)
        chords = {numeral for section in piece.sections for bar in section.chords for numeral in bar.split("-")}
        tones = {(tonic + step) % 12 for step in SCALES[piece.mode]}
        tones |= {pitch_class for numeral in chords for pitch_class in chord_of(numeral, tonic).pitch_classes}
        assert np.mean([note.pitch % 12 in tones for note in pitched(piece)]) > 0.85


def test_the_tonic_can_be_recovered_from_the_notes():
    """The transposition of the mode's scale and tonic triad that fits the notes' durations best (of twelve)."""
    right = []
    for genre in GENRES:
        for seed in SEEDS:
            piece = piece_of(genre, seed)
            weights = np.zeros(12)
            for note in pitched(piece):
                weights[note.pitch % 12] += note.end - note.start
            profile = np.isin(np.arange(12), SCALES[piece.mode]) + np.isin(np.arange(12), (0, 7)) * 1.0
            fits = [float(np.dot(np.roll(profile, tonic), weights)) for tonic in range(12)]
            right.append(int(np.argmax(fits)) == tonic_of(piece))
    assert np.mean(right) > 0.75


def test_the_tempo_can_be_recovered_from_the_notes():
    """Onsets gather on the grids of quarter, eighth and sixteenth notes more than at any other tempo near."""
    for genre in GENRES:
        for seed in SEEDS:
            piece = piece_of(genre, seed)
            onsets = np.array([note.start for track in piece.tracks for note in track.notes])
            tempi = piece.tempo * np.arange(0.8, 1.2, 0.002)
            turns = np.exp(2j * np.pi * np.outer(tempi / 60, onsets))
            gathered = sum(np.abs((turns**grid).mean(axis=1)) for grid in (1, 2, 4))
            assert tempi[np.argmax(gathered)] == pytest.approx(piece.tempo, rel=0.005), (genre, seed)


def test_sections_fill_the_piece_in_order(pieces):
    for piece in pieces:
        assert piece.sections[0].start == 0
        assert piece.sections[-1].end == pytest.approx(piece.seconds)
        assert all(a.end == pytest.approx(b.start) for a, b in pairwise(piece.sections))
        assert len({section.label for section in piece.sections}) >= 2


def test_the_same_seed_gives_the_same_piece_and_another_seed_another(pieces):
    again = compose_piece(pieces[0].genre, np.random.default_rng(0), 30.0)
    assert again is not pieces[0]
    assert again == pieces[0]
    assert len({piece.tracks for piece in pieces}) == len(pieces)
    assert len({(piece.tempo, piece.key, piece.mode) for piece in pieces}) == len(pieces)
    assert len({piece.instruments for piece in pieces}) >= len(pieces) - 1


def test_any_length_can_be_asked_for():
    for seconds in (2.0, 15.0, 95.0):
        piece = piece_of("pop", seconds=seconds)
        assert seconds - 2.5 < max(note.end for track in piece.tracks for note in track.notes) <= seconds


def test_an_unknown_genre_is_refused():
    with pytest.raises(InputError, match="polka"):
        piece_of("polka")


def test_genres_differ_as_they_should():
    """Facts about the styles that a listener would name, over several pieces of each."""
    some = {genre: [piece_of(genre, seed) for seed in SEEDS] for genre in GENRES}

    def mean(genre, fact):
        return float(np.mean([fact(piece) for piece in some[genre]]))

    def onsets(piece):
        return sum(len(track.notes) for track in piece.tracks)

    def has_drums(piece):
        return any(track.is_drum for track in piece.tracks)

    assert mean("classical", has_drums) < 0.4 < mean("rock", has_drums)
    assert mean("reggae", lambda piece: piece.tempo) < 92 < mean("disco", lambda piece: piece.tempo)
    assert mean("metal", onsets) > 1.5 * mean("hiphop", onsets)
    assert mean("jazz", lambda piece: piece.swing) > 0.6 > mean("metal", lambda piece: piece.swing)
    guitars = [piece for piece in some["metal"] if "distorted guitar" in piece.instruments]
    assert len(guitars) == len(SEEDS)


def test_captions_say_only_what_is_true(pieces):
    everything = sorted(INSTRUMENTS, key=len, reverse=True)
    for seed, piece in enumerate(pieces):
        for text in make_captions(piece, np.random.default_rng(seed), 8):
            assert piece.genre.replace("hiphop", "hip-hop") in text.lower()
            rest = text.lower()
            named = [
                name for name in everything if name.lower() in rest and not (rest := rest.replace(name.lower(), ""))
            ]
            assert set(named) <= set(piece.instruments)
            if "BPM" in text or "beats per minute" in text:
                assert str(round(piece.tempo)) in text
            if " major" in text or " minor" in text:
                assert any(word in text for word in (piece.key, f"A {piece.key.split()[1]} key", piece.mode))


def test_captions_differ_and_repeat_with_the_seed():
    piece = piece_of("jazz")
    texts = make_captions(piece, np.random.default_rng(1), 12)
    assert len(set(texts)) == 12
    assert texts[0] == make_caption(piece, np.random.default_rng(1))
    assert all(text.endswith(".") and ".." not in text and text[0].isupper() for text in texts)
