"""MusicCoCa: Google's joint embedding of music and text, after MuLan, and its twelve tokens.

It comes with Magenta RealTime 2 (https://github.com/magenta/magenta-realtime) as five TFLite graphs and a SentencePiece
model. A clip of 10 s at 16 kHz, or a text, becomes 768 numbers; a residual quantizer makes 12 tokens of 1024 of them,
coarse ones first, which Magenta RealTime 2 is conditioned on. Licence of the weights: CC-BY-4.0, Google.
"""

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from ..._utils.errors import Brain2MusicWarning, InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from .hub_windows import each_window, split_window
from .lite_graph import LiteGraph
from .magenta_files import ENCODER, MAPPER, MUSICCOCA, PREPROCESSOR, QUANTIZER, TEXT_ENCODER, VOCABULARY
from .named_files import NamedFiles

DIMS, N_LEVELS, CODEBOOK_SIZE = 768, 12, 1024
SAMPLE_RATE, CLIP_S = 16_000, 10.0
CLIP = 160_000
_FEATURES = 992 * 128
_LONGEST_TEXT = 128
_PREFIX = 1
_VERSION = "1"


class MusicCoCaEmbedder:
    """Embedder of sound and text with MusicCoCa.

    Windows of less than 10 s are followed by silence up to 10 s, as in the published code; longer ones are split into
    pieces of 10 s whose plain mean is taken. Vectors are as the graphs give them, without scaling. A text passes
    through the *mapper*, which moves it to where sounds are, as the vendor's own generation does.

    Parameters
    ----------
    weights : NamedFiles, optional
        Source of the graphs.
    window_s : float, default 10.0
        Seconds of sound per vector.
    step_s : float, default 1.5
        Seconds between vectors.
    mapper : bool, default True
        Whether texts pass through the mapper, which the oldest bundles lack.
    mapper_seed : int, default 0
        Seed of the mapper's noise; 0 is the vendor's.
    n_threads : int, default 1
        Threads that compute.

    Raises
    ------
    InputError
        A file or the package that runs them is missing, or a file is not the graph that its name says.
    """

    def __init__(
        self,
        weights: NamedFiles = MUSICCOCA,
        window_s: float = CLIP_S,
        step_s: float = 1.5,
        mapper: bool = True,
        mapper_seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        self.weights, self.mapper, self.mapper_seed, self.n_threads = weights, mapper, mapper_seed, n_threads
        self._preprocessor = self._graph(PREPROCESSOR, ((np.float32, CLIP),), (np.float32, _FEATURES))
        self._encoder = self._graph(ENCODER, ((np.float32, _FEATURES),), (np.float32, DIMS))
        digest = weights.digest((PREPROCESSOR, ENCODER))
        self.space = EmbeddingSpace("musiccoca", _VERSION, digest, DIMS, window_s, step_s, SAMPLE_RATE)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 768"]:
        """Embed a waveform at any sample rate, mono or stereo.

        Parameters
        ----------
        waveform : array of shape (samples,) or (channels, samples)
            The sound.
        sample_rate : int
            Its sample rate in Hz.

        Returns
        -------
        ndarray of float32, of shape (windows, 768)
            One vector per window.
        """
        rows = []
        for window in each_window(waveform, sample_rate, self.space):
            pieces = split_window(window, SAMPLE_RATE, CLIP_S)
            rows.append(np.mean([self._embed_clip(piece) for piece in pieces], axis=0, dtype=np.float32))
        return np.stack(rows)

    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts 768"]:
        """Embed texts, one by one; each is in lower case, and cut after 127 pieces of words, which is warned of.

        Parameters
        ----------
        texts : str or sequence of str
            Descriptions of music.

        Returns
        -------
        ndarray of float32, of shape (texts, 768)
            One vector per text.

        Raises
        ------
        InputError
            A text is empty, or a file of the text side is not here.
        """
        listed = as_texts(texts)
        return np.stack([self._embed_text(text) for text in listed]) if listed else np.zeros((0, DIMS), np.float32)

    def tokens(self, vectors: Float32[np.ndarray, "items 768"], levels: int = N_LEVELS) -> Int32[np.ndarray, "items q"]:
        """Quantise vectors: the nearest codes by distance, level after level, so that their length matters.

        Parameters
        ----------
        vectors : ndarray of float32, of shape (items, 768)
            Vectors of this space.
        levels : int, default 12
            How many of the 12 levels to keep, the coarsest first.

        Returns
        -------
        ndarray of int32, of shape (items, levels)
            Ids from 0 to 1023.

        Raises
        ------
        InputError
            There are no such levels, or the graph gives no such ids.
        """
        if not 1 <= levels <= N_LEVELS:
            raise InputError(f"MusicCoCa has no {levels} levels of tokens", hint=f"choose 1 to {N_LEVELS}")
        rows = [self._quantizer.run(row)[:levels] for row in vectors]
        found = np.stack(rows).astype(np.int32) if rows else np.zeros((0, levels), np.int32)
        return check_tokens(found)

    @property
    def tokens_sha256(self) -> str:
        """Digest of the quantizer."""
        return self.weights.digest((QUANTIZER,))

    @cached_property
    def sound_length(self) -> float:
        """Mean length of the vectors of three reference sounds, to which predicted vectors are brought."""
        lengths = [np.linalg.norm(self._embed_clip(sound)) for sound in _reference_sounds()]
        return float(np.mean(lengths))

    def _graph(
        self, name: str, inputs: tuple[tuple[type[np.generic], int], ...], output: tuple[type[np.generic], int]
    ) -> LiteGraph:
        return LiteGraph(self.weights.path(name), "MusicCoCa", inputs, output, self.weights.again, self.n_threads)

    @cached_property
    def _quantizer(self) -> LiteGraph:
        return self._graph(QUANTIZER, ((np.float32, DIMS),), (np.int32, N_LEVELS))

    @cached_property
    def _text_encoder(self) -> LiteGraph:
        inputs: tuple[tuple[type[np.generic], int], ...] = ((np.int32, _LONGEST_TEXT), (np.float32, _LONGEST_TEXT))
        return self._graph(TEXT_ENCODER, inputs, (np.float32, DIMS))

    @cached_property
    def _mapper(self) -> LiteGraph:
        return self._graph(MAPPER, ((np.float32, DIMS), (np.float32, DIMS)), (np.float32, DIMS))

    @cached_property
    def _vocabulary(self) -> Any:
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError:
            what = "texts of MusicCoCa need sentencepiece"
            raise InputError(what, hint="run `pip install 'brain2music[magenta]'`") from None
        file = self.weights.path(VOCABULARY)
        try:
            return SentencePieceProcessor(model_file=str(file))
        except (RuntimeError, OSError):
            what = "this is not a model of SentencePiece"
            raise InputError(what, file, self.weights.again) from None

    def _embed_clip(self, clip: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "768"]:
        features = self._preprocessor.run(np.pad(clip, (0, CLIP - len(clip))))
        vector = self._encoder.run(features[:_FEATURES])[:DIMS]
        if not np.isfinite(vector).all():
            raise InputError("MusicCoCa gives no finite vector of this sound", hint="look for NaN in it")
        return vector

    def _embed_text(self, text: str) -> Float32[np.ndarray, "768"]:
        pieces = self._vocabulary.encode(text.lower())
        if len(pieces) > _LONGEST_TEXT - 1:
            what = f"a text of {len(pieces)} pieces of words is cut after {_LONGEST_TEXT - 1}: {text[:40]!r}"
            warnings.warn(what, Brain2MusicWarning, stacklevel=3)
        ids = np.zeros(_LONGEST_TEXT, np.int32)
        used = [_PREFIX, *pieces[: _LONGEST_TEXT - 1]]
        ids[: len(used)] = used
        paddings = (np.arange(_LONGEST_TEXT) >= len(used)).astype(np.float32)
        vector = self._text_encoder.run(ids, paddings)[:DIMS]
        if not self.mapper:
            return vector
        noise = np.random.RandomState(self.mapper_seed).randn(DIMS).astype(np.float32)
        mapped = self._mapper.run(vector, noise)[:DIMS]
        return mapped / np.float32(max(float(np.linalg.norm(mapped)), 1e-30))


def check_tokens(tokens: np.ndarray) -> Int32[np.ndarray, "items q"]:
    """Check tokens of MusicCoCa: whole numbers from 0 to 1023, (items, levels).

    Parameters
    ----------
    tokens : ndarray of int, of shape (items, levels)
        Tokens, the coarsest level first.

    Returns
    -------
    ndarray of int32, of shape (items, levels)
        The same.

    Raises
    ------
    InputError
        They are no such numbers.
    """
    values = np.asarray(tokens)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer) or not 1 <= values.shape[1] <= N_LEVELS:
        what = f"{values.dtype} of the shape {values.shape} are no tokens of MusicCoCa"
        raise InputError(what, hint=f"give whole numbers of the shape (items, 1 to {N_LEVELS})")
    if values.size and not (values.min() >= 0 and values.max() < CODEBOOK_SIZE):
        what = f"tokens from {values.min()} to {values.max()} are none of MusicCoCa"
        raise InputError(what, hint=f"give 0 to {CODEBOOK_SIZE - 1}")
    return values.astype(np.int32)


def _reference_sounds() -> list[Float32[np.ndarray, " samples"]]:
    """A chord, noise in beats, and a rising tone, 10 s each."""
    time = np.arange(CLIP) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 277.2, 329.6)) / 6
    beats = 0.2 * np.random.default_rng(0).standard_normal(CLIP) * (time % 0.5 < 0.1)
    sweep = 0.3 * np.sin(2 * np.pi * (100 * time + 100 * time**2))
    return [sound.astype(np.float32) for sound in (np.asarray(chord), beats, sweep)]
