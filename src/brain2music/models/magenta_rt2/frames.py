"""The frame loop of Magenta RealTime 2: twelve codes a frame, 25 frames a second, without an end.

A temporal transformer reads the codes of the frame before and the style; a depth transformer then predicts twelve
codes, one after the other. Both keep keys and values: the temporal one of a window of frames, so that music of any
length takes the same memory.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from ..._utils.errors import InputError
from .graphs import CACHES, Graphs


@dataclass(frozen=True)
class SamplingOptions:
    """How codes are drawn.

    Attributes
    ----------
    temperature : float, default 1.3
        Weight of the noise; 0 takes the likeliest code. The vendor's defaults are 1.3 and 40; its listening tests used
        1.1 and 128.
    top_k : int, default 40
        How many of the likeliest codes are drawn from.
    embedding_scale : float or None, default None
        What the table of token embeddings is multiplied by; default the root of its width, as in the PyTorch code.

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> from brain2music.models.magenta_rt2 import SamplingOptions
    >>> SamplingOptions(temperature=0.0).top_k
    40
    """

    temperature: float = 1.3
    top_k: int = 40
    embedding_scale: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 100.0:
            raise InputError(f"the temperature is {self.temperature:g}", hint="choose 0 to 100")
        if self.top_k < 1:
            raise InputError(f"the codes are drawn from {self.top_k}", hint="choose 1 or more")


class FrameLoop:
    """Frames of one piece, each drawn after those before it.

    Parameters
    ----------
    graphs : Graphs
        The model.
    options : SamplingOptions
        How codes are drawn.
    rng : numpy.random.Generator
        Source of the noise, of this piece alone.
    """

    def __init__(self, graphs: Graphs, options: SamplingOptions, rng: np.random.Generator) -> None:
        sizes = graphs.sizes
        self.graphs, self.options, self.rng = graphs, options, rng
        self.n_frames = 0
        layers, heads, dims = sizes.temporal
        self._caches = {name: np.zeros((layers, 1, 0, heads, dims), np.float32) for name in CACHES}
        layers, heads, dims = sizes.depth
        self._no_depth = np.zeros((layers, 1, 0, heads, dims), np.float32)
        self._previous = np.zeros((1, 1, sizes.n_codes), np.int64)
        self._source: Float32[np.ndarray, "1 1 encoder"] | None = None
        self._condition: Int64[np.ndarray, "1 1 144"] | None = None
        scale = math.sqrt(sizes.width) if options.embedding_scale is None else options.embedding_scale
        self._scale = np.float32(scale)
        self._first_ids = sizes.n_reserved + sizes.codebook_size * np.arange(sizes.n_codes)
        self._k = min(options.top_k, sizes.codebook_size)
        self._step_outputs = ["out", *(f"new_{name}" for name in CACHES)]
        self._depth_outputs = ["logits", "new_depth_k", "new_depth_v"]

    def set_style(self, condition: Int64[np.ndarray, "1 1 144"]) -> None:
        """Condition the frames that follow; it takes over as the window of the temporal transformer fills."""
        if self._condition is not None and np.array_equal(condition, self._condition):
            return
        self._condition = condition
        self._source = self.graphs.encoder.run(["source"], {"cond": condition})[0]

    def step(self) -> Int32[np.ndarray, "12"]:
        """Draw the codes of the next frame.

        Returns
        -------
        ndarray of int32, of shape (12,)
            Codes of the codec, from 0 to 1023.
        """
        ids = self._draw_frame(self._advance())
        self._previous = ids[None, None]
        return (ids - self._first_ids).astype(np.int32)

    def force(self, codes: Int32[np.ndarray, "frames 12"]) -> None:
        """Take the next frames as given in place of drawing them; what is drawn after them continues them.

        Parameters
        ----------
        codes : ndarray of int32, of shape (frames, 12)
            Codes of the codec, from 0 to 1023.
        """
        for ids in codes.astype(np.int64) + self._first_ids:
            self._advance()
            self._previous = ids[None, None]

    def _advance(self) -> Float32[np.ndarray, "1 1 width"]:
        """Read the frame before and the style, in the caches too; what the next frame is drawn from."""
        assert self._source is not None, "a style is set first: there is none by default"
        given = {"prev": self._previous, "source": self._source, **self._caches}
        out, *caches = self.graphs.temporal_step.run(self._step_outputs, given)
        window = self.graphs.sizes.window
        for name, cache in zip(CACHES, caches, strict=True):
            self._caches[name] = cache if cache.shape[2] <= window else np.ascontiguousarray(cache[:, :, -window:])
        self.n_frames += 1
        found: Float32[np.ndarray, "1 1 width"] = out
        return found

    def _draw_frame(self, out: Float32[np.ndarray, "1 1 width"]) -> Int64[np.ndarray, "12"]:
        """Ids of a frame, one after the other; the depth transformer begins anew in each frame."""
        ids = np.empty(self.graphs.sizes.n_codes, np.int64)
        step, table, scale = self.graphs.depth_step.run, self.graphs.token_table, self._scale
        noise = self.rng.gumbel(size=(len(ids), self._k)).astype(np.float32) if self.options.temperature else None
        given: dict[str, Any] = {"depth_input": out, "depth_k": self._no_depth, "depth_v": self._no_depth}
        size = self.graphs.sizes.codebook_size
        for level, first in enumerate(self._first_ids):
            logits, given["depth_k"], given["depth_v"] = step(self._depth_outputs, given)
            row = logits[0, 0, first : first + size]
            ids[level] = first + self._draw(row, None if noise is None else noise[level])
            given["depth_input"] = (table[ids[level]] * scale)[None, None]
        return ids

    def _draw(self, logits: Float32[np.ndarray, " codes"], noise: Float32[np.ndarray, " k"] | None) -> int:
        """A code: the largest of logits and noise, among the likeliest codes in the order of their numbers."""
        if noise is None:
            return int(logits.argmax())
        if self._k == len(logits):
            return int((logits + self.options.temperature * noise).argmax())
        likely = np.argpartition(logits, -self._k)[-self._k :]
        likely.sort()
        return int(likely[(logits[likely] + np.float32(self.options.temperature) * noise).argmax()])
