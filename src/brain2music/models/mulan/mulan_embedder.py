"""A trained MuLan as an embedder of sound and text, for the registry."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ..._utils.files import digest_file, digest_text
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ...embeddings.windows import mono_at, n_windows, window_starts
from ...study.study import Clip
from .feature_extractor import FeatureExtractor
from .minilm import sentence_encoder
from .model import WEIGHTS, MuLan
from .spectrogram import SAMPLE_RATE, cut_windows, mulan_log_mel
from .tag_map import digest_tag_map

_VERSION = "1"
_BATCH = 32


class MuLanEmbedder:
    """Embedder of sound and text with MuLan.

    Vectors of sound and text are of unit length and in one space. ``get_embedder("mulan-small")`` makes that of the
    shipped model.

    Parameters
    ----------
    folder : Path
        Folder of the model (:meth:`MuLan.save_pretrained`).
    window_s : float, default 10.0
        Seconds of sound per vector; models are trained with 10 s.
    step_s : float, default 1.0
        Seconds between vectors.
    name : str, default "mulan-small"
        Name of the embedding space.

    Attributes
    ----------
    model : MuLan
        The model.
    space : EmbeddingSpace
        Space of the vectors.

    Raises
    ------
    InputError
        The model or a frozen model of it is missing, or a network on log-mel windows is to read other windows than 10
        s.

    Examples
    --------
    An untrained model on log-mel windows, saved and used for 11 s of sound:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.models.mulan import MuLan, MuLanConfig, MuLanEmbedder
    >>> MuLan(MuLanConfig("ast", width=16, layers=1, heads=1, mels=128, text_width=16)).save_pretrained(Path("model"))
    >>> embedder = MuLanEmbedder(Path("model"), name="untrained")
    >>> embedder.embed(0.1 * np.sin(np.arange(11 * 16000)), 16000).shape  # windows, dims
    (2, 128)
    """

    def __init__(self, folder: Path, window_s: float = 10.0, step_s: float = 1.0, name: str = "mulan-small") -> None:
        self.model = MuLan.from_pretrained(folder)
        self._extractor = FeatureExtractor(window_s, step_s) if self.model.reads_features else None
        if self._extractor is None and window_s != 10.0:
            raise InputError(f"{name} reads windows of 10 s, not {window_s:g} s", hint="leave the window as it is")
        features_digest = self._extractor.musicnn.space.sha256 if self._extractor else ""
        digest = digest_text(digest_file(Path(folder) / WEIGHTS) + features_digest)
        self.space = EmbeddingSpace(name, _VERSION, digest, self.model.config.dims, window_s, step_s, SAMPLE_RATE)

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
            Vectors of unit length.
        """
        if self._extractor is not None:
            return self.embed_features(self._extractor(waveform, sample_rate))
        sound = mono_at(waveform, sample_rate, SAMPLE_RATE)
        if len(sound) < SAMPLE_RATE // 100:
            sound = np.resize(sound, SAMPLE_RATE // 100)
        starts = window_starts(len(sound) / SAMPLE_RATE, self.space.window_s, self.space.step_s)
        return self._audio(cut_windows(mulan_log_mel(sound, self.model.config.mels), starts))

    def embed_features(self, features: Float32[np.ndarray, "windows features"]) -> Float32[np.ndarray, "windows dims"]:
        """Embed windows from their features (:class:`.feature_extractor.FeatureExtractor`)."""
        return self._audio(torch.from_numpy(features))

    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """Embed texts.

        Parameters
        ----------
        texts : str or sequence of str
            English texts.

        Returns
        -------
        ndarray of float32, of shape (texts, dims)
            Vectors of unit length.

        Raises
        ------
        InputError
            A text is empty or unknown, or the sentence encoder is not installed.
        """
        return mulan_text_vectors(self.model, texts)

    def average(self, vectors: Float32[np.ndarray, "windows dims"]) -> Float32[np.ndarray, " dims"]:
        """Average the vectors of a sound's windows, re-normalised where the model's configuration says so."""
        return self.model.average(torch.from_numpy(vectors)).numpy()

    def _audio(self, windows: torch.Tensor) -> Float32[np.ndarray, "windows dims"]:
        with torch.inference_mode():
            return torch.cat([self.model.audio(part) for part in windows.split(_BATCH)]).numpy()


class MuLanTextEmbedder:
    """Embedder of captions (MuLan_text of Brain2Music): the text tower's vector, repeated over a clip's windows.

    Parameters
    ----------
    folder, window_s, step_s : as for :class:`MuLanEmbedder`; window and step only set the number of windows.
    """

    def __init__(self, folder: Path, window_s: float = 15.0, step_s: float = 1.5) -> None:
        self.model = MuLan.from_pretrained(folder)
        digest = digest_text(digest_file(Path(folder) / WEIGHTS) + digest_tag_map(Path(folder)))
        self.space = EmbeddingSpace("mulan-text", _VERSION, digest, self.model.config.dims, window_s, step_s, 0)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Always raise :class:`InputError`: a caption cannot be read from sound."""
        raise InputError("mulan-text reads a clip's caption, not its sound", hint="choose mulan-small for sound")

    def label(self, clip: Clip) -> Float32[np.ndarray, "windows dims"]:
        """Embed a clip's caption: (windows, 128), unit rows; :class:`InputError` where it has none."""
        if not clip.caption:
            raise InputError(f"clip {clip.name} has no caption", hint="give captions with the study's stimuli")
        try:
            vector = mulan_text_vectors(self.model, [clip.caption])
        except InputError as error:
            raise InputError(f"the caption of clip {clip.name}: {error.what}", error.file, error.hint) from None
        return np.repeat(vector, n_windows(clip.duration, self.space.window_s, self.space.step_s), axis=0)


def mulan_text_vectors(model: MuLan, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
    """Embed texts with a MuLan, by its map where it has one.

    Raises
    ------
    InputError : a text is empty or unknown, or the encoder is not here.
    """
    encoder, texts = sentence_encoder(), as_texts(texts)
    encoder.require_known(texts)
    pooled = torch.from_numpy(encoder.pooled(texts))
    with torch.inference_mode():
        vectors = model.text(pooled)
        return (vectors if model.tag_map is None else model.tag_map(pooled, vectors)).numpy()
