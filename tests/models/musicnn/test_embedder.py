"""musicnn equals a reference computed by another road, in any company, and repeats to the bit."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.io import read_audio
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder, musicnn_log_mel
from brain2music.models.musicnn.network import MusicnnNetwork

from .reference import random_variables, reference, variables_by_layout

KINDS = ("mean_pool", "max_pool", "penultimate", "tags")


def test_network_equals_reference_for_random_weights(rng, sounds):
    variables = random_variables(rng)
    assert min(variables[f"batch_normalization_{number}/gamma"].min() for number in range(1, 6)) < 0
    ours = MusicnnNetwork(variables)(musicnn_log_mel(sounds["beats"]), [0, 94])
    theirs = reference(variables, sounds["beats"], [0, 94])
    for kind, expected in zip(KINDS, theirs, strict=True):
        np.testing.assert_allclose(getattr(ours, kind).numpy(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_every_feature_equals_reference(musicnn_folder, sounds, model):
    embedder = MusicnnEmbedder(model, folder=musicnn_folder)
    variables = variables_by_layout(musicnn_folder / f"{model.upper()}_musicnn/.data-00000-of-00001")
    for sound in sounds.values():
        for kind, expected in zip(KINDS, reference(variables, sound, [0, 94]), strict=True):
            ours = embedder.features(sound, 16000, kind)
            np.testing.assert_allclose(ours[0], expected.mean(axis=0), atol=1e-4, rtol=1e-4)
    assert embedder.tags(sound, 16000).shape == (1, 50)


@pytest.mark.real_data
@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_tags_equal_reference_on_recorded_music(musicnn_folder, real_data, model):
    embedder = MusicnnEmbedder(model, window_s=3.0, folder=musicnn_folder)
    variables = variables_by_layout(musicnn_folder / f"{model.upper()}_musicnn/.data-00000-of-00001")
    for file in sorted((real_data / "recorded").glob("*.ogg"))[::40]:
        sound, sample_rate = read_audio(file, sample_rate=16000, start=5.0, duration=3.02)
        np.testing.assert_allclose(
            embedder.tags(sound, sample_rate), reference(variables, sound, [0])[3], atol=1e-4, rtol=0
        )


def test_windows_average_the_patches_inside_them(musicnn_folder, rng):
    loudness = np.linspace(0, 1, 15 * 16000, dtype=np.float32)
    sound = rng.standard_normal(15 * 16000).astype(np.float32) * loudness
    embedder = MusicnnEmbedder("mtt", folder=musicnn_folder)
    whole = embedder.embed(sound, 16000)
    patches = embedder.network(musicnn_log_mel(sound), [round(93.75 * k) for k in range(8)]).mean_pool.numpy()
    assert whole.shape == (4, 753)
    assert whole.dtype == np.float32
    for window in range(4):
        np.testing.assert_array_equal(whole[window], patches[window : window + 5].mean(axis=0))


@pytest.mark.parametrize(("window_s", "windows"), [(3.0, 9), (5.0, 7), (10.0, 4), (15.0, 1)])
def test_number_of_windows_of_a_clip(musicnn_folder, window_s, windows):
    embedder = MusicnnEmbedder("msd", window_s=window_s, folder=musicnn_folder)
    _, starts = embedder.prepare(np.zeros(15 * 22050, np.float32), 22050)
    assert len(starts) == windows
    assert embedder.space.window_s == window_s


def test_short_sound_is_repeated_to_a_patch(musicnn_folder, sounds):
    embedder = MusicnnEmbedder("mtt", folder=musicnn_folder)
    short = sounds["sweep"][:32000]
    repeated = np.concatenate([short, short])[: 187 * 256]
    np.testing.assert_array_equal(embedder.embed(short, 16000), embedder.embed(repeated, 16000))
    assert embedder.embed(short[:10], 16000).shape == (1, 753)


def test_same_bits_again_in_any_company_and_place_in_memory(musicnn_folder, sounds):
    embedder = MusicnnEmbedder("mtt", folder=musicnn_folder)
    first = {name: embedder.embed(sound, 16000) for name, sound in sounds.items()}
    for name in reversed(sounds):
        shifted = np.empty(len(sounds[name]) + 1, np.float32)[1:]
        shifted[:] = sounds[name]
        np.testing.assert_array_equal(embedder.embed(shifted, 16000), first[name])
    again = MusicnnEmbedder("mtt", folder=musicnn_folder)
    assert again.space == embedder.space
    np.testing.assert_array_equal(again.embed(sounds["chord"], 16000), first["chord"])


def test_a_patch_does_not_depend_on_the_patches_beside_it(rng):
    network = MusicnnNetwork(random_variables(rng))
    frames = musicnn_log_mel(rng.standard_normal(40 * 16000).astype(np.float32))
    starts = [*range(0, 1700, 94), 1999, 2100]  # more than are worked out together, not all of them overlapping alike
    together = network(frames, starts)
    for row in (0, 1, 15, 16, 17, 19, 20):
        alone = network(frames[starts[row] : starts[row] + 187], [0])
        for feature, of_all in zip(alone, together, strict=True):
            np.testing.assert_array_equal(of_all[row], feature[0])


def test_tags_are_those_of_the_package(musicnn_folder):
    mtt = MusicnnEmbedder("mtt", folder=musicnn_folder)
    msd = MusicnnEmbedder("msd", folder=musicnn_folder)
    assert mtt.tag_names[:2] == ("guitar", "classical")
    assert msd.tag_names[:2] == ("rock", "pop")
    assert len(set(mtt.tag_names)) == len(set(msd.tag_names)) == 50
    assert mtt.space.sha256 != msd.space.sha256


def test_the_package_is_never_imported(musicnn_folder):
    code = (
        "import sys, numpy\n"
        "from brain2music.models.embedders import get_embedder\n"
        "get_embedder('musicnn-mtt').embed(numpy.zeros(48000, numpy.float32), 16000)\n"
        "assert not {'musicnn', 'tensorflow', 'librosa'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.real_data
def test_tags_hear_what_a_recording_is(musicnn_folder, real_data):
    embedder = MusicnnEmbedder("mtt", folder=musicnn_folder)
    stimuli = real_data / "natsound165/wav"

    def top(pattern: str) -> set[str]:
        (file,) = stimuli.glob(pattern)
        tags = embedder.tags(*read_audio(file))[0]
        return {embedder.tag_names[tag] for tag in np.argsort(tags)[-5:]}

    assert "piano" in top("*_piano.wav")
    assert {"violin", "strings", "classical"} <= top("*_violin.wav")
    assert "guitar" in top("*_guitar.wav")
    assert "drums" in top("*_drum_solo.wav")


def test_damaged_weights_are_refused(musicnn_folder, tmp_path):
    folder = tmp_path / "musicnn"
    shutil.copytree(musicnn_folder / "MTT_musicnn", folder / "MTT_musicnn")
    shutil.copy(musicnn_folder / "configuration.py", folder)
    data = folder / "MTT_musicnn/.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.raises(InputError, match="has 9464596 of its 9465596 bytes") as caught:
        MusicnnEmbedder("mtt", folder=folder)
    assert caught.value.file == data
    data.unlink()
    with pytest.raises(InputError, match="models pull musicnn"):
        MusicnnEmbedder("mtt", folder=folder)


def test_tag_names_that_are_not_there(musicnn_folder, tmp_path):
    shutil.copytree(musicnn_folder / "MTT_musicnn", tmp_path / "MTT_musicnn")
    (tmp_path / "configuration.py").write_text("SR = 16000\n")
    with pytest.raises(InputError, match="no tag names"):
        MusicnnEmbedder("mtt", folder=tmp_path)


def test_weights_of_another_network_are_refused(rng):
    variables = random_variables(rng)
    variables["dense/kernel"] = variables["dense/kernel"][:-1]
    with pytest.raises(ValueError, match="dense/kernel"):
        MusicnnNetwork(variables)


def test_windows_shorter_than_the_network_reads_are_refused(musicnn_folder):
    with pytest.raises(InputError, match="3 s or more"):
        MusicnnEmbedder("mtt", window_s=1.5, folder=musicnn_folder)


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.array([0.0, np.nan], np.float32)])
def test_sound_that_cannot_be_embedded(musicnn_folder, sound):
    with pytest.raises(InputError, match="samples"):
        MusicnnEmbedder("mtt", folder=musicnn_folder).embed(sound, 16000)
