"""Codecs as embeddings: the mean of what their decoders are given."""

import os

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.codec_average import CodecAverage, FrameCodec
from brain2music.models.embedders import get_embedder, list_embedders
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

NAMES = ["soundstream-avg", "encodec-avg", "dac-avg"]
RATES = {"soundstream-avg": 24000, "encodec-avg": 24000, "dac-avg": 16000}


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    """Tiny random checkpoints of every codec."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("codecs")
    torch.manual_seed(0)
    SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(folder / "soundstream-avg")
    encodec = transformers.EncodecConfig(
        target_bandwidths=[1.5, 3.0], num_filters=2, hidden_size=16, codebook_size=16, upsampling_ratios=[8, 5, 4, 2],
        num_lstm_layers=1, kernel_size=3, last_kernel_size=3,
    )  # fmt: skip
    transformers.EncodecModel(encodec).save_pretrained(folder / "encodec-avg")
    dac = transformers.DacConfig(
        encoder_hidden_size=4, decoder_hidden_size=32, downsampling_ratios=[2, 4, 8], upsampling_ratios=[8, 4, 2],
        n_codebooks=3, codebook_size=16, codebook_dim=4, sampling_rate=16000,
    )  # fmt: skip
    transformers.DacModel(dac).save_pretrained(folder / "dac-avg")
    return folder


@pytest.fixture
def here(codecs, monkeypatch):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(codecs))
    return codecs


@pytest.mark.parametrize("name", NAMES)
def test_a_window_is_the_mean_of_its_frames(here, rng, name):
    embedder = get_embedder(name, window_s=1.0, step_s=0.5)
    assert isinstance(embedder, CodecAverage)
    sample_rate = embedder.space.sample_rate
    assert sample_rate == RATES[name]
    sound = rng.standard_normal(2 * sample_rate).astype(np.float32) / 10
    found = embedder.embed(sound, sample_rate)
    assert found.shape == (3, embedder.space.dims)
    np.testing.assert_array_equal(found, embedder.embed(sound, sample_rate))
    frames = embedder.codec.frames(sound[sample_rate // 2 : sample_rate // 2 + sample_rate])
    np.testing.assert_allclose(found[1], frames.mean(axis=0), atol=1e-5)
    assert embedder.embed(sound[:100], sample_rate).shape == (1, embedder.space.dims)


@pytest.mark.parametrize("name", NAMES)
def test_decoders_take_the_frames(here, rng, name):
    """What is averaged is what the codec's own decoder makes its sound of."""
    codec = get_embedder(name).codec
    sound = rng.standard_normal(codec.sample_rate).astype(np.float32) / 10
    given = torch.from_numpy(codec.frames(sound)).T[None]
    model, wave = codec._model, torch.from_numpy(sound)[None, None]
    with torch.no_grad():
        if name == "soundstream-avg":
            ours, theirs = model.decoder(given), model.decode(model.encode(wave))
        elif name == "encodec-avg":
            encoded = model.encode(wave, bandwidth=3.0)
            ours, theirs = model.decoder(given), model.decode(encoded.audio_codes, encoded.audio_scales).audio_values
        else:
            ours, theirs = model.decoder(given).squeeze(1), model(wave).audio_values
    length = min(ours.shape[-1], theirs.shape[-1])
    torch.testing.assert_close(ours[..., :length], theirs[..., :length], atol=1e-5, rtol=1e-4)


def test_our_soundstream_ships(monkeypatch, rng):
    """Without a folder of one's own, the shipped codec is averaged."""
    monkeypatch.delenv("BRAIN2MUSIC_MODELS", raising=False)
    embedder = get_embedder("soundstream-avg", window_s=1.0, step_s=1.0)
    assert embedder.space.dims == SoundStream.from_pretrained("soundstream-small").config.dim
    assert embedder.embed(rng.standard_normal(24000).astype(np.float32) / 10, 24000).shape == (1, embedder.space.dims)


def test_another_encodec_is_refused(tmp_path, monkeypatch):
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(num_filters=2, hidden_size=16, codebook_size=16, audio_channels=2, normalize=True)
    EncodecModel(config).save_pretrained(tmp_path / "encodec-avg")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match="encodec_24khz"):
        get_embedder("encodec-avg")


@pytest.mark.real_data
def test_lyra_from_its_own_files(real_data, tmp_path, monkeypatch, rng):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=r"google/lyra.*lyra-avg"):
        get_embedder("lyra-avg")
    os.symlink(real_data / "lyra_v2", tmp_path / "lyra-avg")
    assert next(line for line in list_embedders() if line.name == "lyra-avg").available
    embedder = get_embedder("lyra-avg", window_s=1.0, step_s=0.5)
    assert isinstance(embedder.codec, FrameCodec)
    sound = rng.standard_normal(32000).astype(np.float32) / 10
    found = embedder.embed(sound, 16000)
    assert found.shape == (3, 64)
    np.testing.assert_array_equal(found[1:2], embedder.embed(sound[8000:24000], 16000))


def test_lyra_that_is_no_model(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    (tmp_path / "lyra-avg").mkdir()
    (tmp_path / "lyra-avg" / "soundstream_encoder.tflite").write_bytes(b"no model")
    with pytest.raises(InputError, match="not a TFLite model"):
        get_embedder("lyra-avg")
