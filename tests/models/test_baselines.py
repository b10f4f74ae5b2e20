"""Windows, mel spectrograms and the baselines, against the paper's table, librosa and plain statistics."""

import librosa
import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.mel import mel_filters, mel_spectrogram
from brain2music.embeddings.windows import n_windows, window_starts
from brain2music.models.baselines import GTZAN_GENRES, GenreOneHot, LogMel, MfccChroma
from brain2music.study.study import Clip


@pytest.mark.parametrize(("window_s", "windows"), [(1.5, 10), (3.0, 9), (5.0, 7), (10.0, 4), (15.0, 1), (30.0, 1)])
@pytest.mark.parametrize("missing", [0.0, 0.001, 0.019])
def test_windows_of_a_clip_are_those_of_the_paper(window_s, windows, missing):
    assert n_windows(15.0 - missing, window_s, 1.5) == windows


def test_a_clip_that_really_is_shorter_has_fewer_windows():
    assert n_windows(14.4, 10.0, 1.5) == 3
    assert window_starts(13.0, 10.0, 1.5) == [0.0, 1.5, 3.0]


@pytest.mark.parametrize(("sample_rate", "n_fft", "n_mels"), [(16000, 512, 96), (22050, 2048, 128), (44100, 1024, 40)])
def test_mel_filters_equal_librosa(sample_rate, n_fft, n_mels):
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_allclose(mel_filters(sample_rate, n_fft, n_mels), expected, atol=1e-9, rtol=1e-5)
    high = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, norm=None)
    np.testing.assert_allclose(mel_filters(sample_rate, n_fft, n_mels, unit_area=False), high, atol=1e-6)


@pytest.mark.parametrize("samples", [100, 16000, 16001])
def test_mel_spectrogram_equals_librosa(rng, samples):
    sound = rng.standard_normal(samples).astype(np.float32)
    padded = np.pad(sound, 256)
    expected = librosa.feature.melspectrogram(y=padded, sr=16000, n_fft=512, hop_length=256, n_mels=96, center=False).T
    ours = mel_spectrogram(sound, 16000, 512, 256, 96).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=1e-4)


def test_logmel_is_the_mean_over_each_window(rng):
    sound = rng.standard_normal(4 * 16000).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=sound, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    frames = np.log10(10000 * mel.T + 1)
    ours = LogMel(window_s=2.0, step_s=1.0).embed(sound, 16000)
    expected = [frames[first:last].mean(axis=0) for first, last in ((0, 125), (62, 188), (125, 250))]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_mfcc_chroma_hears_timbre_and_pitch():
    time = np.arange(2 * 22050) / 22050
    pitches = {"C": 523.25, "A": 440.0}
    tone = {pitch: np.sin(2 * np.pi * hertz * time).astype(np.float32) for pitch, hertz in pitches.items()}
    embedder = MfccChroma(window_s=1.0, step_s=1.0)
    vectors = {pitch: embedder.embed(sound, 22050) for pitch, sound in tone.items()}
    assert vectors["C"].shape == (2, 64)
    assert {pitch: int(vector[0, 20:32].argmax()) for pitch, vector in vectors.items()} == {"C": 0, "A": 9}
    mfcc = librosa.feature.mfcc(y=tone["C"], sr=22050, n_mfcc=20).T
    np.testing.assert_allclose(vectors["C"][0, :20], mfcc[:43].mean(axis=0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(vectors["C"][0, 32:52], mfcc[:43].std(axis=0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("embedder", [LogMel(), MfccChroma()], ids=lambda embedder: embedder.space.name)
def test_baselines_repeat_to_the_bit_and_take_any_length(embedder, sounds):
    for length in (1, 1000, 80000):
        vectors = embedder.embed(sounds["beats"][:length], 16000)
        assert vectors.shape == (1, embedder.space.dims)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        np.testing.assert_array_equal(embedder.embed(sounds["beats"][:length].copy(), 16000), vectors)


def test_genre_is_one_hot_and_repeated_over_windows():
    clip = Clip("hiphop.00001", 0.0, 15.0, genre="Hip-Hop")
    np.testing.assert_array_equal(GenreOneHot().label(clip), np.eye(10, dtype=np.float32)[[4]])
    assert GTZAN_GENRES[4] == "hiphop"
    assert GenreOneHot(window_s=10.0).label(clip).shape == (4, 10)


def test_spaces_of_other_genres_do_not_meet():
    with pytest.raises(InputError, match="differ in sha256"):
        GenreOneHot().space.require_same(GenreOneHot(genres=("a",) * 10).space)


def test_a_genre_that_is_none_of_them():
    with pytest.raises(InputError, match="polka"):
        GenreOneHot().label(Clip("x", 0.0, 15.0, genre="polka"))
    with pytest.raises(InputError, match="label, not its sound"):
        GenreOneHot().embed(np.zeros(10, np.float32), 16000)
