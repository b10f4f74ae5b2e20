"""EnCodec and DAC as transformers itself computes them, on tiny random checkpoints loaded as real ones are."""

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.adapters.codecs import DAC, EnCodec, fit_length
from brain2music.models.codec_parts.codes import Codec

transformers = pytest.importorskip("transformers")
RATE = 24_000


@pytest.fixture(scope="module")
def encodec_folder(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.EncodecConfig(
        num_filters=4,
        hidden_size=16,
        codebook_dim=16,
        codebook_size=32,
        num_lstm_layers=1,
        target_bandwidths=[1.5, 3.0],
    )
    model = transformers.EncodecModel(config)
    for name, buffer in model.named_buffers():
        if name.endswith("codebook.embed"):
            buffer.normal_()
    folder = tmp_path_factory.mktemp("models") / "encodec-24khz"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dac_folder(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=32,
        downsampling_ratios=[2, 4, 8],
        upsampling_ratios=[8, 4, 2],
        n_codebooks=3,
        codebook_size=64,
        sampling_rate=RATE,
    )
    folder = tmp_path_factory.mktemp("models") / "dac-44khz"
    transformers.DacModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def wave(rng):
    return (0.1 * rng.standard_normal((1, RATE // 2 + 13))).astype(np.float32)


def test_encodec_is_what_transformers_computes(encodec_folder, wave):
    codec = EnCodec.from_pretrained(encodec_folder, bandwidth=3.0)
    model = transformers.EncodecModel.from_pretrained(encodec_folder).eval()
    with torch.inference_mode():
        expected = model.encode(torch.from_numpy(wave)[None], bandwidth=1.5).audio_codes
        sound = model.decode(expected, [None]).audio_values[0].numpy()
    codec.bandwidth = 1.5
    codes = codec.encode(wave, RATE)
    np.testing.assert_array_equal(codes.values, expected[0, 0].T.numpy())
    np.testing.assert_array_equal(codec.decode(codes), sound[:, : wave.shape[1]])
    assert isinstance(codec, Codec)


def test_encodec_states_the_bits_it_takes(encodec_folder, wave):
    codec = EnCodec(transformers.EncodecModel.from_pretrained(encodec_folder), bandwidth=3.0)
    codes = codec.encode(wave, RATE)
    assert codes.values.shape[1] == codec.n_quantizers
    assert codec.kbps == pytest.approx(RATE / 320 * codec.n_quantizers * 5 / 1000)
    assert len(codes.values) == -(-wave.shape[1] // 320)


def test_encodec_refuses_other_bandwidths_and_chunked_checkpoints(encodec_folder):
    model = transformers.EncodecModel.from_pretrained(encodec_folder)
    with pytest.raises(InputError, match=r"no bandwidth of 6 kbps\. Choose one of \[1\.5, 3\.0\]"):
        EnCodec(model, bandwidth=6.0)
    model.config.normalize = True
    with pytest.raises(InputError, match="normalised chunks"):
        EnCodec(model, bandwidth=3.0)


def test_a_checkpoint_of_the_models_folder_is_found_by_its_name(encodec_folder, monkeypatch):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(encodec_folder.parent))
    assert EnCodec.from_pretrained(bandwidth=1.5).model.config.codebook_size == 32


@pytest.mark.parametrize(("codec", "repo"), [(EnCodec, "facebook/encodec_24khz"), (DAC, "descript/dac_44khz")])
def test_absent_weights_are_named_with_the_command_that_gets_them(codec, repo, monkeypatch, tmp_path):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=f"cannot be loaded from {tmp_path / 'none'}.*hf download {repo}"):
        codec.from_pretrained(tmp_path / "none")


def test_dac_is_what_transformers_computes(dac_folder, wave):
    codec = DAC.from_pretrained(dac_folder)
    model = transformers.DacModel.from_pretrained(dac_folder).eval()
    padded = np.pad(wave, ((0, 0), (0, -wave.shape[1] % 64)))
    with torch.inference_mode():
        expected = model.encode(torch.from_numpy(padded)[None]).audio_codes
        sound = model.decode(audio_codes=expected).audio_values.reshape(-1).numpy()
    codes = codec.encode(wave, RATE)
    np.testing.assert_array_equal(codes.values, expected[0].T.numpy())
    back = codec.decode(codes)
    assert back.shape == wave.shape
    shared = min(len(sound), wave.shape[1])
    np.testing.assert_array_equal(back[0, :shared], sound[:shared])
    assert codec.kbps == pytest.approx(RATE / 64 * 3 * 6 / 1000)
    assert isinstance(codec, Codec)


def test_encoders_give_latents_frame_by_frame(encodec_folder, dac_folder, wave):
    frames = EnCodec.from_pretrained(encodec_folder, bandwidth=3.0).latents(wave, RATE)
    assert frames.shape == (-(-wave.shape[1] // 320), 16)
    codec = DAC.from_pretrained(dac_folder)
    assert codec.latents(wave, RATE).shape == (len(codec.encode(wave, RATE).values), codec.model.config.hidden_size)


@pytest.mark.slow
def test_random_encodec_is_the_same_each_time_and_leaves_the_global_generator_alone(wave):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = EnCodec.random()
    assert torch.rand(1) == expected
    codes = first.encode(wave, RATE)
    np.testing.assert_array_equal(EnCodec.random().encode(wave, RATE).values, codes.values)
    assert first.kbps == 6.0
    assert len(np.unique(codes.values)) > 8
    assert first.decode(codes).std() > 0


def test_decoded_sound_is_cut_or_filled_to_its_length():
    sound = np.arange(4, dtype=np.float32)[None]
    np.testing.assert_array_equal(fit_length(sound, 3), sound[:, :3])
    np.testing.assert_array_equal(fit_length(sound, 6), [[0, 1, 2, 3, 0, 0]])
