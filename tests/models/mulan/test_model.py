"""The towers and the model: shapes, unit vectors, saved and read again, windows averaged, spectrograms masked."""

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json, write_json
from brain2music.audio.mel import mel_filters
from brain2music.models.mulan.feature_extractor import DIMS
from brain2music.models.mulan.minilm import POOLED
from brain2music.models.mulan.model import SIZES, MuLan, MuLanConfig
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder
from brain2music.models.mulan.spectrogram import FRAMES, Masking, cut_windows, mulan_log_mel, spec_augment
from brain2music.models.mulan.towers import ResNet

TOWERS = ("musicnn", "resnet50", "ast")


def windows(model: MuLan, count: int) -> torch.Tensor:
    shape = (count, DIMS) if model.reads_features else (count, FRAMES, model.config.mels)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tower", TOWERS)
def test_both_sides_are_unit_vectors_and_survive_the_disk(tower, tmp_path):
    torch.manual_seed(0)
    model = MuLan(SIZES[tower, "tiny"])
    model.standardise(torch.randn(50, POOLED) + 1, torch.randn(50, DIMS) - 1)
    model.save_pretrained(tmp_path)
    again = MuLan.from_pretrained(tmp_path)
    model.load_state_dict(again.state_dict())
    model.eval()
    heard, read = windows(model, 3), torch.randn(3, POOLED)
    torch.testing.assert_close(again.audio(heard), model.audio(heard), rtol=0, atol=1e-6)
    for side in (again.audio(heard), again.text(read)):
        assert side.shape == (3, 128)
        torch.testing.assert_close(side.norm(dim=1), torch.ones(3))
    assert again.config == model.config


def test_the_paper_sizes_are_those_of_the_papers():
    """ResNet-50 has 25.6 M weights, 2.0 M of them its classifier and 6 thousand less for one channel; AST-B 87 M."""
    resnet = sum(weight.numel() for weight in ResNet().parameters())
    assert resnet == 25_557_032 - (2048 * 1000 + 1000) - 2 * 64 * 49
    with torch.device("meta"):
        tower = MuLan(SIZES["ast", "paper"]).audio_tower
    assert sum(weight.numel() for weight in tower.parameters()) == pytest.approx(86.2e6, rel=0.02)
    assert SIZES["resnet50", "paper"].mels == 64
    assert SIZES["ast", "paper"].mels == 128


def test_the_temperature_begins_at_a_tenth_and_stays_warm():
    model = MuLan(SIZES["musicnn", "tiny"])
    assert model.temperature.item() == pytest.approx(0.1)
    model.log_temperature.data.fill_(-100.0)
    assert model.temperature.item() == pytest.approx(0.01)


@pytest.mark.parametrize("renormalise", [True, False])
def test_windows_are_averaged(renormalise):
    model = MuLan(MuLanConfig(width=8, text_width=8, renormalise=renormalise))
    vectors = torch.nn.functional.normalize(torch.randn(2, 5, 128), dim=-1)
    found = model.average(vectors)
    expected = vectors.mean(1)
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True) if renormalise else expected)


@pytest.mark.parametrize("tower", TOWERS)
def test_sound_is_embedded_in_windows(tower, tmp_path, sounds, musicnn_folder):
    MuLan(SIZES[tower, "tiny"]).save_pretrained(tmp_path)
    embedder = MuLanEmbedder(tmp_path, 10.0, 1.0)
    sound = np.tile(sounds["beats"], 3)
    found = embedder.embed(sound[: 12 * 16000], 16000)
    assert found.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(sound[16000 : 11 * 16000], 16000)[0], found[1], atol=0.05)
    assert embedder.embed(sound[:1600], 16000).shape == (1, 128)
    assert (embedder.space.dims, embedder.space.window_s, len(embedder.space.sha256)) == (128, 10.0, 64)


def test_spectrogram_towers_hear_ten_seconds(tmp_path):
    MuLan(SIZES["resnet50", "tiny"]).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="10 s"):
        MuLanEmbedder(tmp_path, 5.0, 1.0)


def test_other_folders_are_refused(tmp_path):
    MuLan(SIZES["musicnn", "tiny"]).save_pretrained(tmp_path)
    config = read_json(tmp_path / "config.json")
    for change, reason in (
        ({"model": "clap"}, "not the configuration of a MuLan"),
        ({"features": "0"}, "features of version 0"),
        ({"width": 32}, "cannot be read"),
        ({"colour": "red"}, "cannot be read"),
    ):
        write_json(tmp_path / "config.json", config | change)
        with pytest.raises(InputError, match=reason):
            MuLan.from_pretrained(tmp_path)


def test_the_spectrogram_is_librosas(sounds):
    librosa = pytest.importorskip("librosa")
    sound = sounds["chord"]
    power = np.abs(librosa.stft(sound, n_fft=512, hop_length=160, win_length=400, pad_mode="constant")) ** 2
    expected = np.log(mel_filters(16000, 512, 64) @ power + 1e-5).T[:500]
    np.testing.assert_allclose(mulan_log_mel(sound, 64).numpy(), expected, atol=1e-3)


def test_short_windows_are_repeated():
    frames = torch.arange(30.0)[:, None]
    (window,) = cut_windows(frames, [0.1])
    assert window.shape == (FRAMES, 1)
    assert window[:21, 0].tolist() == [*range(10, 30), 10]


def test_masks_differ_and_have_a_limit():
    torch.manual_seed(0)
    plain = torch.randn(40, 200, 64)
    masked = spec_augment(plain, Masking(bands=8, frames=20, stripes=2))
    hidden = masked != plain
    whole_bands, whole_frames = hidden.all(1).sum(1), hidden.all(2).sum(1)
    assert int(whole_bands.max()) <= 16
    assert int(whole_frames.max()) <= 40
    assert len(set(whole_bands.tolist())) > 3
    assert 0 < float(hidden.float().mean()) < 0.5
    values = masked[0][hidden[0]]
    torch.testing.assert_close(values, plain[0].mean().expand_as(values))
