"""SoundStream and the autoencoder: rates, sizes, causality, masking, folders."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_text
from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig, mask_frames
from brain2music.models.autoencoder.whitening import LatentWhitening
from brain2music.models.codec_parts.layers import Upsample
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

_MEGABYTES = 1e6


@pytest.mark.parametrize(
    ("size", "stride", "kbps"), [("small", 480, 6.0), ("paper", 480, 6.0), ("paper-320", 320, 6.0)]
)
def test_rates_are_the_papers(size: str, stride: int, kbps: float) -> None:
    config = SoundStreamConfig.size(size)
    assert (config.hop_length, config.kbps) == (stride, kbps)
    assert config.n_quantizers * config.codebook_size == (8 if size == "paper-320" else 12) * 1024


def test_the_small_models_fit_fifteen_megabytes_in_half_precision(tmp_path: Path) -> None:
    models = (SoundStream(SoundStreamConfig.size("small")), Autoencoder(AutoencoderConfig.size("small")))
    for model in models:
        folder = model.save_pretrained(tmp_path / type(model).__name__, half=True)
        assert (folder / "model.safetensors").stat().st_size < 15 * _MEGABYTES


@pytest.mark.parametrize("samples", [1, 479, 480, 1000])
def test_soundstream_gives_back_the_length_it_was_given(soundstream: SoundStream, samples: int) -> None:
    wave = torch.randn(2, 1, samples)
    assert soundstream(wave).wave.shape == wave.shape
    assert soundstream.encode(wave).shape == (2, 4, -(-samples // 480))


def test_encode_and_decode_are_the_forward_pass(soundstream: SoundStream) -> None:
    wave = torch.randn(1, 1, 4800)
    whole = soundstream(wave)
    codes = soundstream.encode(wave)
    assert torch.equal(codes, whole.codes)
    torch.testing.assert_close(soundstream.decode(codes), whole.wave, atol=1e-5, rtol=0)


def test_soundstream_looks_one_frame_ahead_at_most(soundstream: SoundStream) -> None:
    """Perturbing one sample changes nothing before its own frame, and does change that frame."""
    wave = torch.randn(1, 1, 4800)
    moved = wave.clone()
    moved[..., 2000] += 5.0
    latents = soundstream.latents(torch.cat([wave, moved]))
    decoded = soundstream.decoder(latents)
    frame = 2000 // 480
    first = (decoded[0] - decoded[1])[0].abs().gt(1e-6).nonzero()[0].item()
    assert frame * 480 <= first < (frame + 1) * 480
    assert torch.equal(latents[0, :, :frame], latents[1, :, :frame])
    assert soundstream.latency_samples == 480


def test_gradient_of_an_output_sample_ends_with_its_frame(soundstream: SoundStream) -> None:
    wave = torch.randn(1, 1, 4800, requires_grad=True)
    soundstream.decoder(soundstream.latents(wave))[0, 0, 2500].backward()
    reached = wave.grad[0, 0].nonzero().max().item()
    assert reached == (2500 // 480 + 1) * 480 - 1


def test_a_transposed_convolution_is_torchs_own() -> None:
    layer = Upsample(3, 2, 4)
    x = torch.randn(1, 3, 6)
    whole = torch.nn.functional.conv_transpose1d(x, layer.weight, layer.bias, stride=4)
    assert torch.equal(layer(x), whole[..., :24])


def test_every_weight_of_soundstream_gets_a_gradient() -> None:
    model = SoundStream(replace(SoundStreamConfig.size("tiny"), film=True, activation="snake")).train()
    given = model(torch.randn(2, 1, 4800), denoise=torch.tensor([True, False]))
    (given.wave.square().mean() + given.commitment).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_the_denoising_switch_reaches_the_latents() -> None:
    model = SoundStream(replace(SoundStreamConfig.size("tiny"), film=True)).eval()
    wave = torch.randn(1, 1, 960)
    on, off = torch.tensor([True]), torch.tensor([False])
    assert torch.equal(model.latents(wave, on), model.latents(wave, off))  # as it starts
    torch.nn.init.normal_(model.film.weight)
    assert not torch.equal(model.latents(wave, on), model.latents(wave, off))
    assert torch.equal(model.latents(wave), model.latents(wave, off))


def test_a_soundstream_without_the_switch_refuses_it(soundstream: SoundStream) -> None:
    with pytest.raises(ValueError, match="denoising switch"):
        soundstream.encode(torch.randn(1, 1, 480), denoise=torch.tensor([True]))


def test_hop_and_latent_rate_must_agree() -> None:
    """The paper's 320 samples at 48 kHz are 150 Hz, not the 125 Hz it states."""
    with pytest.raises(ValueError, match="150 latents per second, not 125"):
        AutoencoderConfig(patch=20, strides=(4, 4))
    assert AutoencoderConfig(patch=20, strides=(4, 4), latent_rate=150).hop_length == 320


@pytest.mark.parametrize("samples", [1, 384, 1000])
def test_the_autoencoder_gives_back_the_length_it_was_given(autoencoder: Autoencoder, samples: int) -> None:
    wave = torch.randn(2, 2, samples)
    assert autoencoder(wave).shape == wave.shape
    assert autoencoder.encode(wave).shape == (2, 8, -(-samples // 384))


def test_masking_takes_five_percent_of_frames_in_training_only(autoencoder: Autoencoder) -> None:
    torch.manual_seed(0)
    masked = mask_frames(torch.ones(4, 8, 5000), 0.05)
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(masked.amin(1), masked.amax(1))  # whole frames
    assert (masked == 0).float().mean().item() == pytest.approx(0.05, abs=0.01)
    wave = torch.randn(1, 2, 38400)
    assert torch.equal(autoencoder(wave), autoencoder(wave))
    autoencoder.train()
    assert not torch.equal(autoencoder(wave), autoencoder(wave))


@pytest.mark.parametrize("causal", [True, False])
def test_only_a_causal_autoencoder_ignores_what_comes(causal: bool) -> None:
    torch.manual_seed(0)
    model = Autoencoder(replace(AutoencoderConfig.size("tiny"), causal=causal)).eval()
    wave = torch.randn(1, 2, 38400)
    moved = wave.clone()
    moved[..., 384 * 50 :] += 5.0
    before = (model(wave) - model(moved))[..., : 384 * 50].abs().max()
    assert (before < 1e-6) == causal


@pytest.mark.parametrize("half", [False, True])
def test_soundstream_survives_its_folder(soundstream: SoundStream, tmp_path: Path, half: bool) -> None:
    again = SoundStream.from_pretrained(soundstream.save_pretrained(tmp_path, half))
    wave = torch.randn(1, 1, 4800)
    assert again.config == soundstream.config
    torch.testing.assert_close(again.latents(wave), soundstream.latents(wave), atol=5e-3 if half else 0, rtol=0)
    assert not any(name.endswith(("sums", "counts")) for name in _names(tmp_path / "model.safetensors"))


def test_the_autoencoder_keeps_its_whitening(autoencoder: Autoencoder, tmp_path: Path) -> None:
    latents = autoencoder.encode(torch.randn(1, 2, 38400))
    autoencoder.whitening = LatentWhitening(8, 5)
    autoencoder.whitening.update(latents)
    again = Autoencoder.from_pretrained(autoencoder.save_pretrained(tmp_path))
    assert torch.equal(again.whitening(latents), autoencoder.whitening(latents))


def test_a_folder_of_another_model_is_refused(soundstream_folder: Path) -> None:
    with pytest.raises(InputError, match="not a Autoencoder"):
        Autoencoder.from_pretrained(soundstream_folder)


def test_damaged_weights_are_refused(soundstream_folder: Path) -> None:
    weights = soundstream_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="weights do not fit"):
        SoundStream.from_pretrained(soundstream_folder)


@pytest.mark.parametrize("wrong", [{"dim": None}, {"strides": "abc"}, {"dim": -1}, {"rare": float("nan")}])
def test_settings_of_wrong_types_and_sizes_are_refused(soundstream_folder: Path, wrong: dict[str, object]) -> None:
    file = soundstream_folder / "config.json"
    write_text(file, json.dumps({**json.loads(file.read_text()), **wrong}))
    with pytest.raises(InputError, match="no SoundStream can be made of these settings") as error:
        SoundStream.from_pretrained(soundstream_folder)
    assert error.value.file == file


def test_missing_weights_and_unknown_models_are_refused(soundstream_folder: Path) -> None:
    (soundstream_folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="weights are missing"):
        SoundStream.from_pretrained(soundstream_folder)
    with pytest.raises(InputError, match="no model 'nothing-of-the-kind'"):
        SoundStream.from_pretrained("nothing-of-the-kind")


def _names(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return list(file.keys())
