"""Expectation as a feature: how surprising every moment of a piece is to MusicLM, and how unsure it was.

Surprisal and entropy of a model of music along a piece predict brain responses to it (Kern et al. 2022, eLife
11:e80935). Here they are those of MusicLM's codes without a condition, so that only the piece's own past tells what to
expect.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import digest_text
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.windows import mono_at, window_starts
from ..generator_parts.windows import windows
from .condition import Condition
from .model import MusicLM
from .stage import MusicLMStage

LEVEL_RMS = 0.13210295550519335
"""Root mean square that every piece is brought to: the level of clips in a study by default."""
SILENT_RMS = 1e-5
_VERSION = "2"


class Expectation(NamedTuple):
    """What a model expected of every code of a piece, in bits.

    Attributes
    ----------
    surprisal : ndarray of float32, of shape (frames, quantizers)
        Negative log-probability of the code that came.
    entropy : ndarray of float32, of shape (frames, quantizers)
        Entropy of the distribution of codes before it came.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.models.musiclm import Expectation
    >>> Expectation(np.ones((43, 8), np.float32), np.ones((43, 8), np.float32)).surprisal.shape
    (43, 8)
    """

    surprisal: Float32[np.ndarray, "frames quantizers"]
    entropy: Float32[np.ndarray, "frames quantizers"]


class MusicLMSurprisal:
    """Embedder of expectation: per quantizer, mean surprisal, mean entropy and deviation of surprisal of a window.

    Parameters
    ----------
    model : MusicLM
        A MusicLM of a single stage, such as ``musiclm-small``.
    window_s : float, default 3.0
        Seconds of sound per vector.
    step_s : float, default 1.5
        Seconds between vectors.
    name : str, default "musiclm-surprisal"
        Name of the embedding space.

    Attributes
    ----------
    space : EmbeddingSpace
        Space of the vectors, three dimensions per quantizer.

    Raises
    ------
    InputError
        The model has several stages.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music import get_generator
    >>> from brain2music.models.musiclm import MusicLMSurprisal
    >>> embedder = MusicLMSurprisal(get_generator("musiclm-small"))
    >>> embedder.embed(np.sin(np.arange(6 * 8000) / 5), 8000).shape  # windows, dims
    (3, 24)
    """

    def __init__(
        self, model: MusicLM, window_s: float = 3.0, step_s: float = 1.5, name: str = "musiclm-surprisal"
    ) -> None:
        stage = model.stages.get("acoustic")
        if stage is None:
            raise InputError("surprisal needs a MusicLM of a single stage", hint="choose musiclm-small")
        self.model, self._stage = model, stage
        self.frame_rate = model.sample_rate / model.codec.hop_length
        dims = 3 * stage.config.n_quantizers
        digest = digest_text(_digest_of(stage) + model.codec.name)
        self.space = EmbeddingSpace(name, _VERSION, digest, dims, window_s, step_s, model.sample_rate)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform.

        Parameters
        ----------
        waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
            Mono or stereo samples, as for :func:`brain2music.audio.as_waveform`.
        sample_rate : int
            Sample rate in Hz.

        Returns
        -------
        ndarray of float32, of shape (windows, dims)
            Bits: mean surprisal, mean entropy, and deviation of surprisal, of every quantizer.
        """
        found = self.expectation(waveform, sample_rate)
        seconds = len(found.surprisal) / self.frame_rate
        rows = []
        for start in window_starts(seconds, self.space.window_s, self.space.step_s):
            first = min(round(start * self.frame_rate), len(found.surprisal) - 1)
            last = max(first + 1, round((start + self.space.window_s) * self.frame_rate))
            surprisal, entropy = found.surprisal[first:last], found.entropy[first:last]
            rows.append(np.concatenate([surprisal.mean(axis=0), entropy.mean(axis=0), surprisal.std(axis=0)]))
        return np.stack(rows)

    @torch.inference_mode()
    def expectation(self, waveform: AnyWaveform, sample_rate: int) -> Expectation:
        """Compute surprisal and entropy along a piece, at one level: loud music surprises no more than the same softly.

        Every frame is expected from the codes before it, as many as the stage reads; those of the first frames from
        little, which their entropy shows.

        Parameters
        ----------
        waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
            Mono or stereo samples.
        sample_rate : int
            Sample rate in Hz.

        Returns
        -------
        Expectation
            Surprisal and entropy in bits, one row per frame of the codec (43 per second for ``musiclm-small``).
        """
        sound = _at_level(mono_at(waveform, sample_rate, self.model.sample_rate))
        config = self._stage.config
        codes = self.model.encode_audio(sound)[: config.n_quantizers].to(self.model.device)
        parts = list(self._parts(codes))
        return Expectation(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _parts(self, codes: Int[Tensor, "quantizers frames"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        config = self._stage.config
        nothing = _no_condition(config.condition_quantizers, config.condition_dims).to(self.model.device)
        for window in windows(codes.shape[1], config.frames, round(config.stride_s * config.frame_rate)):
            part = codes[None, :, window.start : window.stop]
            log_p = self._stage.logits(nothing, None, part)[0].float().log_softmax(dim=-1)
            surprisal = -log_p.gather(2, part[0, :, :, None])[..., 0]
            entropy = -(log_p.exp() * log_p).sum(dim=-1)
            new = slice(window.first - window.start, None)
            yield tuple((each.T[new] / np.log(2)).cpu().numpy() for each in (surprisal, entropy))


def _at_level(sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
    """The sound at the level that studies present clips at unless they say otherwise; silence as it is."""
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if sound.size else 0.0
    return sound * np.float32(LEVEL_RMS / rms) if rms > SILENT_RMS else sound


def _no_condition(levels: int, dims: int) -> Condition:
    return Condition(
        torch.zeros(1, levels, dtype=torch.long), torch.zeros(1, dims), torch.zeros(1, 2, dtype=torch.bool)
    )


def _digest_of(stage: MusicLMStage) -> str:
    """Digest of a stage's weights, as they are in memory."""
    from ..._utils.files import digest_array

    return digest_text("".join(digest_array(each.cpu().numpy()) for _, each in sorted(stage.state_dict().items())))
