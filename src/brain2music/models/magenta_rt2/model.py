"""Magenta RealTime 2 as a generator: from an embedding of MusicCoCa, a text or a sound, also while it plays.

Google's "Magenta RealTime 2" (https://github.com/magenta/magenta-realtime). The decoded vector is quantised to tokens
of MusicCoCa, which condition every frame; they may change from frame to frame, so that music follows a scan::

    embedding ─► 12 tokens ─► frames of 12 codes, one after the other ─► SpectroStream ─► 48 kHz stereo
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int32

from ..._utils.errors import InputError
from ..._utils.files import digest_text
from ...audio.sound import Reconstruction
from ...embeddings.embeddings import Embeddings
from ..abilities import ConditionKind, EditKind
from ..adapters.adapted import Conditioning, Draw
from ..adapters.adapted_editor import AdaptedEditor, Gaps, Made
from ..adapters.magenta_files import MAGENTA_RT2, QUANTIZER
from ..adapters.musiccoca import N_LEVELS, MusicCoCaEmbedder, check_tokens
from ..adapters.named_files import NamedFiles
from ..embedding_input import EmbeddingInput
from ..generator_parts.prompts import check_seed
from .abilities import ABILITIES
from .conditioning import conditioning_vector
from .frames import FrameLoop, SamplingOptions
from .graphs import Graphs
from .stream import AFTER, BlockDecoder, decode_in_blocks

GUIDANCE = 3.0
"""The vendor's strength of guidance by style."""
_VERSION = "1"


class MagentaRT2(AdaptedEditor):
    """Generator of endless stereo music from MusicCoCa's tokens, on ONNX graphs.

    It continues recordings where the encoder of its codec is beside the other graphs.

    Parameters
    ----------
    weights : NamedFiles, optional
        Source of the graphs and tables.
    embedder : MusicCoCaEmbedder, optional
        Embedder and quantizer; default MusicCoCa in windows of 10 s.
    device : str, default "cpu"
        "cpu", or "cuda" with the package onnxruntime-gpu.
    sampling : SamplingOptions, optional
        How codes are drawn; default as the vendor's.
    levels : int, default 12
        Levels of tokens that condition it, the coarsest first: 12 in the vendor's Python, 6 in its programs.
    vector_length : {"sound", "given"} or float, default "sound"
        Length that an embedding is brought to before it is quantised by distance, because a predicted vector is shorter
        than those of sounds: the mean length of three reference sounds, the vector's own, or a number, such as the mean
        length of the embeddings that a decoder was fitted to. Texts and sounds are quantised as they are embedded.
    n_threads : int, optional
        Threads that compute; default as many as there are cores.

    Raises
    ------
    InputError
        A file or package is missing, or a file is not what its name says.

    References
    ----------
    https://github.com/magenta/magenta-realtime; ONNX graphs of https://huggingface.co/magenta-community.

    Examples
    --------
    >>> from brain2music.models.magenta_rt2 import MagentaRT2
    >>> generator = MagentaRT2()  # doctest: +SKIP
    >>> generator.generate(decoded, seconds=15.0)[0].save("piece.flac")  # doctest: +SKIP
    >>> generator.follow(decoded.data[0]).save("follows.flac")  # doctest: +SKIP
    >>> MagentaRT2(levels=13)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: MusicCoCa has no 13 levels of tokens. Choose 1 to 12.
    """

    window_s = math.inf
    context_s = 20.0  # about as far back as its windows reach, layer upon layer

    def __init__(
        self,
        weights: NamedFiles = MAGENTA_RT2,
        embedder: MusicCoCaEmbedder | None = None,
        device: str = "cpu",
        sampling: SamplingOptions | None = None,
        levels: int = N_LEVELS,
        vector_length: Literal["sound", "given"] | float = "sound",
        n_threads: int | None = None,
    ) -> None:
        if not 1 <= levels <= N_LEVELS:
            raise InputError(f"MusicCoCa has no {levels} levels of tokens", hint=f"choose 1 to {N_LEVELS}")
        if not isinstance(vector_length, str) and not 0.0 < vector_length < math.inf:
            raise InputError(f"a vector cannot be brought to the length {vector_length:g}", hint="choose more than 0")
        self.embedder = MusicCoCaEmbedder() if embedder is None else embedder
        self.weights, self.graphs = weights, Graphs(weights, device, n_threads)
        edits: tuple[EditKind, ...] = () if self.graphs.codec_encoder is None else ("continue",)
        super().__init__("magenta-rt2", replace(ABILITIES, edits=edits), self.embedder.space, device)
        self.sampling = SamplingOptions() if sampling is None else sampling
        self.levels, self.vector_length, self.checkpoint = levels, vector_length, weights.repo
        if self.graphs.sizes.sample_rate != ABILITIES.sample_rate:
            raise InputError(f"this model makes {self.graphs.sizes.sample_rate} Hz", weights.folder(), "take another")

    @property
    def sha256(self) -> str:
        """Digest of all that decides its outputs."""
        beside = [file for file in self.weights.optional if (self.weights.folder() / file).is_file()]
        own = self.weights.digest((*self.weights.files, *beside))
        settings = f"{self.sampling} {self.levels} {self.vector_length} {_VERSION}"
        return digest_text(f"{own} {self.embedder.weights.digest((QUANTIZER,))} {settings}")

    def conditions(
        self, kind: ConditionKind, embedding: Any = None, text: Any = None, like: Any = None, rows: Any = None
    ) -> list[Conditioning]:
        """Check and read what pieces are made from; texts are embedded by MusicCoCa's text side."""
        if kind != "text":
            return super().conditions(kind, embedding, text, like, rows)
        texts = self.texts(text)
        vectors = self.embedder.embed_text(texts)
        return [
            Conditioning("text", vector=vector, text=each, origin={"text": each})
            for vector, each in zip(vectors, texts, strict=True)
        ]

    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make one piece; see :meth:`.adapted.AdaptedGenerator.make`."""
        assert condition.vector is not None
        tokens = self.tokens(condition.vector[None], condition.kind == "embedding")[0]
        loop = self._loop(draw)
        loop.set_style(conditioning_vector(tokens, GUIDANCE if guidance is None else guidance))
        count = math.ceil(seconds * self.graphs.sizes.frame_rate - 1e-6) + 1
        codes = np.stack([loop.step() for _ in range(count)])
        return np.concatenate(list(decode_in_blocks(self.graphs, codes)), axis=1), self._origin(tokens, guidance)

    def remake(
        self,
        sound: Float32[np.ndarray, "channels samples"],
        gaps: Gaps,
        condition: Conditioning,
        draw: Draw,
        guidance: float | None,
    ) -> tuple[Made, dict[str, Any]]:
        """Continue a sound; see :meth:`.adapted_editor.AdaptedEditor.remake`."""
        assert condition.vector is not None
        assert self.graphs.codec_encoder is not None
        (known, stop), hop = gaps[0], self.graphs.sizes.frame_samples
        first = known % hop  # frames end where the recording ends
        before = self.graphs.codec_encoder.encode(sound[:, first:known])
        tokens = self.tokens(condition.vector[None], condition.kind == "embedding")[0]
        loop = self._loop(draw)
        loop.set_style(conditioning_vector(tokens, GUIDANCE if guidance is None else guidance))
        loop.force(before)
        count = math.ceil((stop - known) / hop) + 1
        codes = np.stack([*before, *(loop.step() for _ in range(count))])
        made = np.concatenate(list(decode_in_blocks(self.graphs, codes)), axis=1)
        return np.pad(made, ((0, 0), (first, 0))), {**self._origin(tokens, guidance), "known_frames": len(before)}

    def tokens(
        self, vectors: Float32[np.ndarray, "items 768"], predicted: bool = True
    ) -> Int32[np.ndarray, "items levels"]:
        """Quantise vectors of MusicCoCa to the tokens that condition the music.

        Parameters
        ----------
        vectors : ndarray of float32, of shape (items, 768)
            Vectors.
        predicted : bool, default True
            Whether they are brought to ``vector_length`` first.

        Returns
        -------
        ndarray of int32, of shape (items, levels)
            Tokens.
        """
        if predicted and self.vector_length != "given":
            length = self.embedder.sound_length if self.vector_length == "sound" else float(self.vector_length)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = (vectors * (length / np.maximum(lengths, 1e-30))).astype(np.float32)
        return self.embedder.tokens(vectors, self.levels)

    def generate_from_tokens(
        self, tokens: Int32[np.ndarray, "items levels"], seconds: float = 15.0, seed: int = 0
    ) -> list[Reconstruction]:
        """Generate music from tokens of MusicCoCa.

        Parameters
        ----------
        tokens : ndarray of int, of shape (items, levels)
            Tokens from 0 to 1023, the coarsest level first.
        seconds : float, default 15.0
            Duration of each piece in seconds.
        seed : int, default 0
            Seed of the random numbers.

        Returns
        -------
        list of Reconstruction
            One piece per item.
        """
        checked = check_tokens(tokens)
        seconds = self.abilities.check_seconds(self.name, seconds)
        check_seed(seed)
        made = []
        for item, row in enumerate(checked):
            draw, loop = Draw(seed, item, 0), self._loop(Draw(seed, item, 0))
            loop.set_style(conditioning_vector(row, GUIDANCE))
            count = math.ceil(seconds * self.graphs.sizes.frame_rate - 1e-6) + 1
            codes = np.stack([loop.step() for _ in range(count)])
            wave = np.concatenate(list(decode_in_blocks(self.graphs, codes)), axis=1)
            condition = Conditioning("embedding", origin={"embedding": self.embedder.space.name})
            made.append(self.piece(wave, seconds, draw, "generate", None, condition, self._origin(row, None)))
        return made

    def follow(
        self,
        embedding: Embeddings | Float[np.ndarray, "windows 768"],
        step_s: float | None = None,
        seconds: float | None = None,
        *,
        seed: int = 0,
        item: int = 0,
        sample: int = 0,
        guidance: float | None = None,
    ) -> Reconstruction:
        """Make one piece whose style changes with the windows of an embedding: music that follows a scan.

        Parameters
        ----------
        embedding : Embeddings or ndarray, of shape (windows, 768)
            Vectors of one item, window after window.
        step_s : float, optional
            Seconds of music of each window; default the step between windows of the space of the embeddings.
        seconds : float, optional
            Duration of the piece; default that of all windows. The last style is held where they end before.
        seed, item, sample : int, default 0
            What the noise depends on.
        guidance : float, optional
            Strength of guidance by style, 0 to 7; default 3.

        Returns
        -------
        Reconstruction
            The piece; its origin has the tokens of every window.

        Raises
        ------
        InputError
            The embeddings are of another space, or of several items.
        """
        assert self.space is not None
        space = None
        if isinstance(embedding, Embeddings):
            if len(embedding.data) != 1:
                raise InputError(f"{len(embedding.data)} items cannot be followed by one piece", hint="give one")
            given, space = embedding.data[0], embedding.space
        else:
            given = np.asarray(embedding)
        vectors = EmbeddingInput(self.space).check(given, space).numpy()
        step_s = float((space or self.space).step_s if step_s is None else step_s)
        check_seed(seed)
        seconds = self.abilities.check_seconds(self.name, step_s * len(vectors) if seconds is None else seconds)
        rows = self.tokens(vectors)
        held = chain(rows, repeat(rows[-1]))
        wave = np.zeros((self.channels, 0), np.float32)
        draw = Draw(seed, item, sample)
        for block in self._blocks(held, step_s, draw, guidance):
            wave = np.concatenate([wave, block], axis=1)
            if wave.shape[1] >= round(seconds * self.sample_rate):
                break
        condition = Conditioning("embedding", origin={"embedding": self.space.name, "step_s": step_s})
        more = self._origin(rows[0], guidance) | {"tokens": rows.tolist()}
        return self.piece(wave, seconds, draw, "follow", guidance, condition, more)

    def stream(
        self,
        styles: Iterable[Float[np.ndarray, " 768"] | None],
        step_s: float = 1.5,
        *,
        seed: int = 0,
        item: int = 0,
        sample: int = 0,
        guidance: float | None = None,
    ) -> Iterator[Float32[np.ndarray, "channels samples"]]:
        """Make music while styles arrive, block after block, without an end: for an experiment that is running.

        The next style is asked for when the block before it was taken, and the block is complete as soon as its frames
        are drawn. What is yielded is the same as a piece of :meth:`follow`.

        Parameters
        ----------
        styles : iterable of ndarray of shape (768,), or None
            Vectors of this space; None keeps the style before. There is no default: the first is a vector.
        step_s : float, default 1.5
            Seconds of music of each style, 0.04 or more, such as a TR.
        seed, item, sample, guidance
            As for :meth:`follow`.

        Yields
        ------
        ndarray of float32, of shape (2, samples)
            Sound at 48 kHz; blocks are of ``step_s`` seconds to the nearest frame of 0.04 s.

        Raises
        ------
        InputError
            A style is no vector of the space, or the first is missing.
        """
        assert self.space is not None
        check_seed(seed)
        taken = EmbeddingInput(self.space)

        def rows() -> Iterator[Int32[np.ndarray, " levels"]]:
            row = None
            for style in styles:
                if style is not None:
                    row = self.tokens(taken.check(style).numpy())[0]
                if row is None:
                    raise InputError("the stream begins without a style", hint="give a vector first")
                yield row

        yield from self._blocks(rows(), step_s, Draw(seed, item, sample), guidance)

    def _blocks(
        self, rows: Iterable[Int32[np.ndarray, " levels"]], step_s: float, draw: Draw, guidance: float | None
    ) -> Iterator[Float32[np.ndarray, "channels samples"]]:
        """Blocks of sound, each of whose frames are drawn under the tokens of its row."""
        frame_rate = self.graphs.sizes.frame_rate
        if not step_s * frame_rate >= 1.0 - 1e-6:
            raise InputError(f"a style cannot last {step_s:g} s", hint=f"choose {1 / frame_rate:g} s or more")
        loop, decoder = self._loop(draw), BlockDecoder(self.graphs)
        done = 0
        for number, row in enumerate(rows, 1):
            loop.set_style(conditioning_vector(row, GUIDANCE if guidance is None else guidance))
            stop = round(number * step_s * frame_rate)
            while loop.n_frames < stop + AFTER:
                decoder.add(loop.step())
            if stop > done:
                yield decoder.block(stop - done)
            done = stop

    def _loop(self, draw: Draw) -> FrameLoop:
        return FrameLoop(self.graphs, self.sampling, draw.numpy())

    def _origin(self, tokens: Sequence[int] | Int32[np.ndarray, " levels"], guidance: float | None) -> dict[str, Any]:
        sampling = {"temperature": self.sampling.temperature, "top_k": self.sampling.top_k}
        sampling["guidance"] = GUIDANCE if guidance is None else float(guidance)
        return {"sampling": sampling, "tokens": [int(token) for token in tokens], "loudness": 0.5}


def open_magenta_rt2(device: str = "cpu") -> MagentaRT2:
    """Load Magenta RealTime 2 (small) with the vendor's settings.

    Parameters
    ----------
    device : str, default "cpu"
        Device on which it computes.

    Returns
    -------
    MagentaRT2
        The generator.

    Raises
    ------
    InputError
        A file or package is missing; the command that gets it is named.
    """
    return MagentaRT2(device=device)
