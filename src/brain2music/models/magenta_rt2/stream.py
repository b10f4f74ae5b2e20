"""Sound of frames in blocks, decoded as they come with the frames around them, so that they join without a seam."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Int32

from .graphs import Graphs

BEFORE, AFTER = 16, 2
"""Frames that are decoded again before a block, and those after it that have to be known."""
LOUDNESS = np.float32(0.5)
"""What the vendor's code multiplies sound by before it is clipped."""


class BlockDecoder:
    """Decoder of frames that arrive one after the other.

    Parameters
    ----------
    graphs : Graphs
        The model.
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self._codes: list[Int32[np.ndarray, 12]] = []
        self._done = 0  # frames among them that were decoded

    def add(self, codes: Int32[np.ndarray, "12"]) -> None:
        """Add the codes of the next frame."""
        self._codes.append(codes)

    def block(self, n_frames: int) -> Float32[np.ndarray, "channels samples"]:
        """Sound of the next frames, after which at least one more is known; two make it exact."""
        stop = self._done + n_frames
        assert stop < len(self._codes), "the codec looks one frame ahead"
        start = max(0, self._done - BEFORE)
        wave = self.graphs.decode(np.stack(self._codes[start : stop + AFTER]))
        samples = self.graphs.sizes.frame_samples
        found = wave[:, (self._done - start) * samples : (stop - start) * samples]
        kept = max(0, stop - BEFORE)
        self._codes, self._done = self._codes[kept:], stop - kept
        return np.clip(LOUDNESS * found, -1.0, 1.0)


def decode_in_blocks(
    graphs: Graphs, codes: Int32[np.ndarray, "frames 12"], block: int = 250
) -> Iterator[Float32[np.ndarray, "channels samples"]]:
    """Decode all frames but the last, which the codec looks ahead at, in blocks of 10 s.

    Parameters
    ----------
    graphs : Graphs
        The model.
    codes : ndarray of int32, of shape (frames, 12)
        Codes of a piece.
    block : int, default 250
        Frames of a block.

    Yields
    ------
    ndarray of float32, of shape (channels, samples)
        Blocks of the sound.
    """
    decoder = BlockDecoder(graphs)
    for row in codes:
        decoder.add(row)
    left = len(codes) - 1
    while left > 0:
        yield decoder.block(min(block, left))
        left -= min(block, left)
