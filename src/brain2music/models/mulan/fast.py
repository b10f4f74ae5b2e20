"""musicnn's front end as matrix products in half precision: three times as fast on thousands of hours of music.

The widest convolutions have one input channel, which CPUs compute slowly; unfolded into matrices they run at the speed
of bfloat16 products, where the CPU has them. The features differ from the exact ones by less than those of pieces of
one style: good enough for training, never used to embed.
"""

import copy

from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from ..musicnn.network import PATCH_FRAMES, MaxBlock, MusicnnNetwork


def with_fast_front_end(network: MusicnnNetwork) -> MusicnnNetwork:
    """Copy a network and replace its front end with a fast one, for CPUs."""
    fast = copy.deepcopy(network)
    fast._front = [_UnfoldedConvolution(block) for block in network._front]  # type: ignore[misc]
    return fast


class _UnfoldedConvolution:
    """A block of the front end whose convolution is a matrix product over unfolded patches."""

    def __init__(self, block: MaxBlock) -> None:
        self._block = block
        kernel = block._kernel[:, 0]
        self._length, self._height = kernel.shape[1:]
        self._matrix = kernel.flatten(1).T.contiguous().bfloat16()

    def __call__(self, patch: Float32[Tensor, "187 96"]) -> Float32[Tensor, "channels 187"]:
        block = self._block
        padded = functional.pad(patch, block._padding).bfloat16().contiguous()
        width = padded.shape[1]
        frames, places = len(padded) - self._length + 1, width - self._height + 1
        shape = (places, frames, self._length, self._height)
        unfolded = padded.as_strided(shape, (1, width, width, 1)).reshape(places * frames, -1)
        maxima = (unfolded @ self._matrix).unflatten(0, (places, frames)).amax(0).float().T
        return functional.relu(block._sign * maxima + block._bias) * block._scale + block._shift

    def patches(self, frames: Float32[Tensor, "frames 96"], starts: list[int]) -> list[Float32[Tensor, "channels 187"]]:
        """Outputs of the patches that begin at ``starts``, each computed by itself."""
        return [self(frames[start : start + PATCH_FRAMES]) for start in starts]
