"""Mel tokens: what the quantizer says, in whole vectors, saved and loaded, at the bits that are stated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music.cli import app
from brain2music.cli.codec import DEFAULT
from brain2music.models.codec_parts.codes import Codec, Codes, TokenCodec
from brain2music.models.codecs import get_token_codec
from brain2music.models.mel_tokens.griffin_lim import GriffinLim
from brain2music.models.mel_tokens.hifigan import SAMPLE_RATE, GeneratorShape, HiFiGANGenerator, hifigan_log_mel
from brain2music.models.mel_tokens.model import MelTokenCodec, MelTokens, MelTokensConfig

TINY = GeneratorShape(channels=8, strides=(8, 8, 4), kernels=(16, 16, 8), block_kernels=(3,), dilations=(1,))


@pytest.fixture(scope="module")
def fitted() -> tuple[MelTokens, torch.Tensor]:
    torch.manual_seed(0)
    mels = (torch.randn(400, 4) @ torch.randn(4, 80) - 5).split(100)
    model = MelTokens(MelTokensConfig(frames_per_token=2, n_quantizers=5, codebook_size=32))
    model.fit(mels, iterations=5)
    return model.eval(), mels[0]


@pytest.fixture
def codec(fitted) -> MelTokenCodec:
    torch.manual_seed(0)
    return MelTokenCodec(fitted[0], "mel-tokens", generator=HiFiGANGenerator(TINY))


def test_every_level_brings_the_decoded_mel_nearer(fitted):
    model, mel = fitted
    ids = model.encode(mel)
    assert ids.shape == (50, 5)
    errors = [float((model.decode(ids[:, :n]) - mel).square().mean()) for n in range(1, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * float(mel.var(dim=0).mean())


def test_an_odd_frame_repeats_itself_to_a_whole_vector(fitted):
    model, mel = fitted
    np.testing.assert_array_equal(model.encode(mel[:7]), model.encode(torch.cat([mel[:7], mel[6:7]])))


def test_the_stated_bits_are_those_of_the_codes(codec, rng):
    wave = (0.1 * rng.standard_normal((1, 22_050))).astype(np.float32)
    codes = codec.encode(wave, 22_050)
    assert isinstance(codec, Codec)
    assert codes.values.size * 5 / 1000 == pytest.approx(codec.kbps, rel=0.03)  # the end is filled up to a whole vector
    assert MelTokensConfig().kbps < 6.0
    assert codec.decode(codes).shape == wave.shape


def test_sound_is_that_of_the_decoded_mel(codec, fitted, rng):
    wave = (0.1 * rng.standard_normal((1, 5000))).astype(np.float32)
    codes = replace(codec.encode(wave, 22_050), loudness=None)  # as the vocoder gives it
    mel = fitted[0].decode(fitted[0].encode(hifigan_log_mel(wave[0]).T))
    with torch.inference_mode():
        expected = codec.vocoder.generator(mel.T[None])[0, :, :5000].numpy()
    np.testing.assert_allclose(codec.decode(codes), expected, atol=1e-6)


def test_fewer_quantizers_are_the_first_of_all_and_take_fewer_bits(codec, fitted, rng):
    wave = (0.1 * rng.standard_normal((1, 5000))).astype(np.float32)
    coarse = MelTokenCodec(fitted[0], "mel-tokens", n_quantizers=2, generator=HiFiGANGenerator(TINY))
    assert isinstance(coarse, TokenCodec)
    codes = coarse.encode(wave, 22_050)
    np.testing.assert_array_equal(codes.values, codec.encode(wave, 22_050).values[:, :2])
    assert coarse.kbps == pytest.approx(codec.kbps * 2 / 5)
    assert coarse.codebooks.shape == (2, 32, 160)
    assert coarse.decode(codes).shape == (1, 5000)
    with pytest.raises(InputError, match="5 quantizers, not 6"):
        MelTokenCodec(fitted[0], "mel-tokens", n_quantizers=6)


def test_griffin_lim_sings_in_time_and_pitch_with_nothing_installed():
    """A click stays where it was, and a chord keeps its notes; unknown vocoders are named."""
    codec = get_token_codec("mel-tokens-6k", vocoder="griffin-lim")
    click = np.zeros((1, 22_050), np.float32)
    click[0, 11_000] = 1
    heard = codec.decode(codec.encode(click, 22_050))
    assert heard.shape == click.shape
    assert abs(int(np.abs(heard[0]).argmax()) - 11_000) < 64
    time = np.arange(22_050) / 22_050
    chord = sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in (440, 660)).astype(np.float32)[None]
    spectrum = np.abs(np.fft.rfft(codec.decode(codec.encode(chord, 22_050))[0]))
    loudest = np.argsort(spectrum)[-20:]
    assert all(min(abs(int(hz) - each) for hz in loudest) < 25 for each in (440, 660))
    with pytest.raises(InputError, match="no vocoder 'flute'"):
        get_token_codec("mel-tokens-6k", vocoder="flute")


def test_a_saved_model_gives_the_same_tokens(fitted, tmp_path):
    model, mel = fitted
    loaded = MelTokens.from_pretrained(model.save_pretrained(tmp_path / "m"))
    np.testing.assert_array_equal(loaded.encode(mel), model.encode(mel))
    np.testing.assert_array_equal(loaded.decode(loaded.encode(mel)), model.decode(model.encode(mel)))


@pytest.mark.parametrize("values", [np.full((3, 5), 32), np.zeros((3, 6), int), np.zeros((3, 5)), np.full((3, 5), -1)])
def test_codes_of_another_codec_are_refused(codec, values):
    with pytest.raises(InputError, match="not codes of mel-tokens"):
        codec.decode(Codes(codec.name, values, 700))


def test_codes_are_decoded_by_the_codec_that_they_name_even_where_they_would_fit(codec):
    values = np.zeros((3, 5), np.int16)
    assert codec.decode(Codes(codec.name, values, 700)).shape == (1, 700)
    with pytest.raises(InputError, match="codes of soundstream-small, not of"):
        codec.decode(Codes("soundstream-small", values, 700))


def test_the_default_of_the_command_ships(tmp_path: Path) -> None:
    """`encode` and `decode` with nothing chosen: mel tokens, with the vocoder that `make` installs."""
    sound = tmp_path / "tone.wav"
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    soundfile.write(sound, 0.3 * np.sin(2 * np.pi * 440 * time), SAMPLE_RATE)
    codes, made, run = tmp_path / "a.safetensors", tmp_path / "b.wav", CliRunner().invoke
    done = run(app, ["encode", str(sound), "-o", str(codes)], catch_exceptions=False)
    assert f"{DEFAULT} at 5.59863 kbps" in done.output
    run(app, ["decode", str(codes), "-o", str(made)], catch_exceptions=False)
    assert abs(soundfile.info(made).duration - 0.5) < 0.02


@pytest.mark.parametrize("cuts", [(7, 300, 1), (22_050,) * 3, (1023, 1, 60_000)])
def test_blocks_give_the_tokens_of_the_whole(codec, fitted, rng, cuts):
    wave = (0.1 * rng.standard_normal((1, sum(cuts)))).astype(np.float32)
    ends = np.cumsum(cuts)
    blocks = [wave[:, end - size : end] for size, end in zip(cuts, ends, strict=True)]
    found = np.concatenate(list(codec.encode_blocks(iter(blocks))))
    whole = fitted[0].encode(hifigan_log_mel(wave[0]).T).numpy()
    assert found.shape == whole.shape
    assert (found == whole).mean() > 0.999


def test_the_networks_sound_of_blocks_is_that_of_the_whole(codec, rng):
    values = rng.integers(0, 32, (150, 5)).astype(np.int16)
    whole = codec.vocoder.decode(Codes("mel-hifigan", codec.spectrogram(Codes("", values, 0)), 300 * 256))
    found = np.concatenate(list(codec.decode_blocks(iter([values[:70], values[70:71], values[71:]]))), axis=1)
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_griffin_lim_goes_on_from_stretch_to_stretch_without_a_seam():
    """A glide of 12 s: where stretches meet, its spectrogram is met as well as elsewhere, and no sample jumps."""
    time = np.arange(12 * SAMPLE_RATE) / SAMPLE_RATE
    wave = 0.3 * np.sin(2 * np.pi * (200 * time + 40 * time**2)).astype(np.float32)
    mel = hifigan_log_mel(wave).T.numpy()
    found = np.concatenate(list(GriffinLim().blocks(np.array_split(mel, 7))), axis=1)[0]
    assert found.shape == (len(mel) * 256,)
    errors = np.abs(hifigan_log_mel(found).exp().T.numpy() - np.exp(mel)).mean(axis=1)
    at = slice(850, 875)
    assert errors[at].mean() < 1.5 * np.median(errors)
    steps = np.abs(np.diff(found))
    assert steps[860 * 256 - 3000 : 860 * 256 + 3000].max() <= steps.max()
    assert (
        np.corrcoef(np.abs(np.fft.rfft(found[: 9 * SAMPLE_RATE])), np.abs(np.fft.rfft(wave[: 9 * SAMPLE_RATE])))[0, 1]
        > 0.9
    )
