"""MuQ (Zhu et al. 2025, arXiv 2501.01108) with its published weights, without its package and torchaudio.

24 kHz sound -> 128 mel bands in decibels at 100 Hz -> two residual convolutions to 25 Hz -> a conformer. In the
checkpoint all names begin with ``model.``: ``conv``, ``conformer`` and, as buffers, window and mel filters.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ..w2v_bert.conformer import Conformer, ConformerSize
from .hub_weights import HubWeights, read_config, weight_files
from .hub_windows import best_device, each_window

SAMPLE_RATE, N_FFT = 24000, 2048
_SHORTEST_S = 0.2
_VERSION = "1"
_ACTIVATIONS: dict[str, Literal["silu", "gelu"]] = {"swish": "silu", "silu": "silu", "gelu": "gelu"}
ONLY_TRAINING = (
    *("model.linear.", "model.cls_token", "model.quantizer", "model.rvq.", "model.recon_proj."),
    *("model.conformer.pos_conv_embed.", "model.conformer.embed_positions."),
)
"""Beginnings of the names of tensors that the encoder does not use."""


class MuqEmbedder:
    """Embedder of mean hidden states of MuQ at a relative depth, like :class:`.hidden_states.HiddenStateEmbedder`.

    Raises
    ------
    InputError : the weights are missing, damaged, or not of MuQ.
    """

    def __init__(self, name: str, weights: HubWeights, window_s: float, step_s: float, depth: float) -> None:
        self.device = best_device()
        folder = weights.folder()
        self.model = Muq(read_config(folder))
        load_tensors(self.model, read_tensors(folder), folder, skip=ONLY_TRAINING, within="model.")
        self.model.to(self.device).eval()
        self.depth = depth
        self.space = EmbeddingSpace(name, _VERSION, weights.digest(), self.model.width, window_s, step_s, SAMPLE_RATE)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, dims)."""
        return np.stack([self._embed_window(w) for w in each_window(waveform, sample_rate, self.space, _SHORTEST_S)])

    @torch.inference_mode()
    def _embed_window(self, window: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        states = self.model(torch.from_numpy(window)[None].to(self.device))
        return states[round(self.depth * (len(states) - 1))][0].mean(0).cpu().numpy()


class Muq(nn.Module):
    """Encoder of MuQ.

    Parameters
    ----------
    config : the published ``config.json``; :class:`InputError` where a size is missing or unsupported.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        try:
            inner, stat = config["w2v2_config"], config["stat"]
            self.hop_length, self.width = int(config.get("hop_length", 240)), int(config.get("encoder_dim", 1024))
            n_mels, channels = int(config.get("n_mels", 128)), int(config.get("conv_dim", 512))
            self.mean, self.std = float(stat["melspec_2048_mean"]), float(stat["melspec_2048_std"])
            size = ConformerSize(
                self.width,
                int(config.get("encoder_depth", 12)),
                int(inner["num_attention_heads"]),
                int(inner["intermediate_size"]),
                int(inner.get("conv_depthwise_kernel_size", 31)),
                _ACTIVATIONS[inner.get("hidden_act", "swish")],
                norm="batch",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not MuQ's configuration ({error})", None, "download the model again") from None
        if int(config.get("label_rate", 25)) != 25 or inner.get("position_embeddings_type", "rotary") != "rotary":
            raise InputError("this MuQ does not have frames at 25 Hz and rotary positions", None, "take another")
        self.preprocessor_melspec_2048 = MelDecibels(n_mels, self.hop_length)
        self.conv = _Subsampling(n_mels, channels, self.width)
        self.conformer = Conformer(size)

    def forward(self, sound: Float[Tensor, "batch samples"]) -> list[Float[Tensor, "batch frames width"]]:
        """Hidden states of sound at 24 kHz before the first block and after each, at 25 Hz."""
        mel = self.preprocessor_melspec_2048(sound)[..., :-1]
        return self.conformer(self.conv((mel - self.mean) / self.std))


class MelDecibels(nn.Module):
    """Mel spectrogram in decibels, equal to MelSpectrogram and AmplitudeToDB of torchaudio.

    The mel scale is that of HTK, filters are not normalised, and edges are reflected. Filters and window are loaded
    from the checkpoint.
    """

    mel_stft: Any

    def __init__(self, n_mels: int, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.mel_stft = nn.Module()
        self.mel_stft.spectrogram, self.mel_stft.mel_scale = nn.Module(), nn.Module()
        self.mel_stft.spectrogram.register_buffer("window", torch.hann_window(N_FFT))
        self.mel_stft.mel_scale.register_buffer("fb", htk_filters(SAMPLE_RATE, N_FFT, n_mels))

    def forward(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch mels frames"]:
        """10 log10 of the power in each band, from -100 dB."""
        window, filters = self.mel_stft.spectrogram.window, self.mel_stft.mel_scale.fb
        spectrum = torch.stft(sound, N_FFT, self.hop_length, window=window, pad_mode="reflect", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return 10 * torch.log10((filters.T @ power).clamp_min(1e-10))


def htk_filters(sample_rate: int, n_fft: int, n_mels: int) -> Float[Tensor, "bins mels"]:
    """Triangular filters of unit height from 0 Hz to half the sample rate, equally spaced on HTK's mel scale."""
    top = 2595.0 * np.log10(1.0 + sample_rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, n_mels + 2) / 2595.0) - 1.0)
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32))


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read all tensors in a model's folder, by name; :class:`InputError` when a file is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: dict[str, Tensor] = {}
    for file in weight_files(folder):
        try:
            state |= load_file(file)
        except SafetensorError as error:
            raise InputError(f"this is not a safetensors file ({error})", file, "download the model again") from None
    return state


def load_tensors(
    module: nn.Module, state: dict[str, Tensor], folder: Path, skip: tuple[str, ...] = (), within: str = ""
) -> None:
    """Load the tensors whose names begin with ``within`` into a module, except those that begin with ``skip``.

    Raises
    ------
    InputError : a tensor is missing, unknown, or of another shape.
    """
    tensors = {
        name.removeprefix(within): value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if name.startswith(within) and not name.startswith(skip)
    }
    try:
        missing, unexpected = module.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        what = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"the weights do not fit ({what})", folder, "download the model again") from None
    missing = [name for name in missing if "mel_stft" not in name]
    if wrong := missing or unexpected:
        what = "lack" if missing else "hold an unknown"
        raise InputError(f"the weights {what} {within}{wrong[0]}", folder, "download the model again")


class _Subsampling(nn.Module):
    def __init__(self, n_mels: int, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(_Residual(1, channels), _Residual(channels, channels))
        self.linear = nn.Linear(channels * n_mels // 4, width)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch fewer width"]:
        return self.linear(self.conv(mel[:, None]).permute(0, 3, 1, 2).flatten(2))


class _Residual(nn.Module):
    """Residual block of two convolutions, the first with stride 2, and a convolution of stride 2 as the shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)
        self.conv3, self.bn3 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(maps)))))
        return functional.relu(inner + self.bn3(self.conv3(maps)))
