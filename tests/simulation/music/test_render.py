"""Rendered pieces and corpora: sound, length, level, layout, resuming, independence of tracks."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pretty_midi
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.io import duration_of, read_audio
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.render import LEVEL, PEAK, midi_bytes, render_piece, write_corpus

SMALL = {"blues": 1, "metal": 2}


def piece_of(genre, seed=0, seconds=4.0):
    return compose_piece(genre, np.random.default_rng(seed), seconds)


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_sounds_at_a_sane_level_and_exact_length(genre):
    waveform = render_piece(piece_of(genre), 16000)
    rms, peak = np.sqrt(np.mean(waveform**2)), np.abs(waveform).max()
    assert waveform.shape == (64000,)
    assert peak <= PEAK + 1e-6
    assert rms == pytest.approx(LEVEL, rel=1e-3) or peak == pytest.approx(PEAK, rel=1e-3)
    assert (np.abs(waveform.reshape(8, -1)).max(axis=1) > 0.01).sum() >= 7
    assert abs(waveform[-1]) < 1e-4


def test_rendering_repeats_bit_for_bit_and_follows_the_notes():
    waveform = render_piece(piece_of("jazz"))
    np.testing.assert_array_equal(waveform, render_piece(piece_of("jazz")))
    assert not np.array_equal(waveform, render_piece(piece_of("jazz", seed=1)))


def test_a_note_sounds_at_its_pitch():
    """The spectrum of a rendered lone flute peaks at the composed pitch."""
    piece = piece_of("classical")
    flute = next(track for track in piece.tracks if not track.is_drum)
    note = flute.notes[0]._replace(start=0.0, end=2.0, pitch=69, velocity=100)
    lone = replace(piece, seconds=2.0, tracks=(replace(flute, program=73, notes=(note,)),))
    waveform = render_piece(lone, 22050)
    spectrum = np.abs(np.fft.rfft(waveform[4410:33075]))
    assert np.argmax(spectrum) * 22050 / 28665 == pytest.approx(440, rel=0.01)


def test_the_midi_file_holds_the_notes():
    piece = piece_of("country")
    midi = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(piece)))
    assert midi.get_tempo_changes()[1][0] == pytest.approx(piece.tempo, rel=1e-3)
    for track, part in zip(piece.tracks, midi.instruments, strict=True):
        assert (part.program, part.is_drum) == (track.program, track.is_drum)
        assert sorted(note.pitch for note in part.notes) == sorted(note.pitch for note in track.notes)
        starts = sorted(note.start for note in track.notes)
        np.testing.assert_allclose(sorted(note.start for note in part.notes), starts, atol=1e-3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    calls = []
    truth = write_corpus(folder, SMALL, seed=3, seconds=3.0, n_jobs=1, progress=lambda *done: calls.append(done))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    return folder, pd.read_csv(truth, sep="\t")


def test_a_corpus_has_gtzans_layout_and_a_truth_table(corpus):
    folder, truth = corpus
    wavs = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.wav"))
    assert wavs == ["blues/blues.00000.wav", "metal/metal.00000.wav", "metal/metal.00001.wav"]
    assert list(truth["track"]) == ["blues.00000", "metal.00000", "metal.00001"]
    assert all(duration_of(folder / path) == 3.0 for path in wavs)
    assert {"genre", "instruments", "tempo", "key", "mode", "mood", "caption", "seed"} <= set(truth.columns)
    assert not truth.isna().any().any()


def test_the_truth_is_of_the_piece_that_sounds(corpus):
    folder, truth = corpus
    for row in truth.itertuples():
        index, number = list(GENRES).index(row.genre), int(row.track.split(".")[1])
        rng = np.random.default_rng(np.random.SeedSequence([3, index, number]).spawn(2)[0])
        piece = compose_piece(row.genre, rng, 3.0)
        assert (row.tempo, row.key, row.mode, row.mood) == (piece.tempo, piece.key, piece.mode, piece.mood)
        assert row.instruments.split("; ") == list(piece.instruments)
        waveform, _ = read_audio(folder / row.genre / f"{row.track}.wav")
        np.testing.assert_allclose(waveform, render_piece(piece), atol=1 / 2**15)


def test_a_corpus_resumes_repeats_and_grows_without_changing(corpus, tmp_path):
    folder, truth = corpus
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "truth.tsv").unlink()
    (copy / "metal/metal.00000.wav").unlink()
    kept = (copy / "blues/blues.00000.wav").stat().st_mtime_ns
    again = pd.read_csv(write_corpus(copy, {"blues": 1, "metal": 3}, seed=3, seconds=3.0, n_jobs=1), sep="\t")
    pd.testing.assert_frame_equal(again.iloc[:3], truth)
    assert (copy / "blues/blues.00000.wav").stat().st_mtime_ns == kept
    for path in folder.rglob("*.wav"):
        assert (copy / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert (copy / "metal/metal.00002.wav").is_file()


@pytest.mark.slow
def test_several_processes_write_the_same_corpus(corpus, tmp_path):
    folder, truth = corpus
    again = pd.read_csv(write_corpus(tmp_path / "two", SMALL, seed=3, seconds=3.0, n_jobs=2), sep="\t")
    pd.testing.assert_frame_equal(again, truth)
    for path in folder.rglob("*.wav"):
        assert (tmp_path / "two" / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_corpora_of_different_seeds_share_no_piece(corpus, tmp_path):
    _, truth = corpus
    other = pd.read_csv(write_corpus(tmp_path, SMALL, seed=4, seconds=3.0, n_jobs=1), sep="\t")
    assert not set(zip(truth["tempo"], truth["key"], strict=True)) & set(zip(other["tempo"], other["key"], strict=True))


def test_what_would_mix_corpora_is_refused(corpus, tmp_path):
    folder, _ = corpus
    with pytest.raises(InputError, match="other settings"):
        write_corpus(folder, SMALL, seed=5, seconds=3.0, n_jobs=1)
    (tmp_path / "rock").mkdir()
    (tmp_path / "rock/mine.wav").touch()
    with pytest.raises(InputError, match="not a composed corpus"):
        write_corpus(tmp_path, SMALL, seed=3, seconds=3.0, n_jobs=1)
    assert not (tmp_path / "corpus.json").exists()


@pytest.mark.parametrize(("counts", "seed", "told"), [({"polka": 1}, 0, "polka"), (1, -1, "seed"), (1, 2**32, "seed")])
def test_impossible_orders_are_refused_before_anything_is_written(tmp_path, counts, seed, told):
    with pytest.raises(InputError, match=told):
        write_corpus(tmp_path / "new", counts, seed=seed, n_jobs=1)
    assert not (tmp_path / "new").exists()
