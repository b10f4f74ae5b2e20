"""The encoder of SpectroStream: frames of codes of a recording, so that music goes on where the recording ends.

The ONNX graphs that are taken by default have none; others are published with one, whose names of inputs and outputs
are not. A graph is therefore known by its types and shapes, and refused where these leave a doubt.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from ..._utils.errors import InputError
from .sessions import describe_tensors, open_session


class CodecEncoder:
    """Encoder of sound to the codes that the decoder of Magenta RealTime 2 takes.

    Parameters
    ----------
    file : Path
        ONNX graph from sound, float32 of shape (1, samples, 2) or (1, 2, samples), to whole numbers of shape (1,
        frames, levels), or to vectors of shape (1, frames, dims), which are quantised here.
    code_table : ndarray of float32, of shape (levels, values, dims)
        Codebooks of the codec, the coarsest first.
    frame_samples : int
        Samples of a frame.
    hint : str
        What to do where the graph is not right.
    **options
        Of the session of onnxruntime.

    Raises
    ------
    InputError
        The file is no graph, or not one of this kind.
    """

    def __init__(
        self,
        file: Path,
        code_table: Float32[np.ndarray, "levels values dims"],
        frame_samples: int,
        hint: str,
        **options: Any,
    ) -> None:
        self.file, self.code_table, self.frame_samples, self.hint = file, code_table, frame_samples, hint
        self.session = open_session(file, hint, **options)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        sound = [each for each in inputs if _is_sound(each)]
        codes = [each for each in outputs if "int" in each.type and len(each.shape) == 3]
        vectors = [each for each in outputs if each.type == "tensor(float)" and len(each.shape) == 3]
        if len(inputs) != 1 or len(sound) != 1 or len(codes or vectors) != 1:
            what = (
                f"this graph is no encoder of stereo sound: {describe_tensors(inputs)} to {describe_tensors(outputs)}"
            )
            raise InputError(what, file, hint)
        self._input, self._output = sound[0].name, (codes or vectors)[0].name
        self._channels_last = sound[0].shape[2] == 2
        self._gives_codes = bool(codes)

    def encode(self, wave: Float32[np.ndarray, "2 samples"]) -> Int32[np.ndarray, "frames levels"]:
        """Encode whole frames of sound.

        Parameters
        ----------
        wave : ndarray of float32, of shape (2, samples)
            Stereo sound at the rate of the model, of a whole number of frames.

        Returns
        -------
        ndarray of int32, of shape (frames, levels)
            Codes of each frame.

        Raises
        ------
        InputError
            The graph gives another number of frames, or values that are no codes.
        """
        n_frames, (levels, values, dims) = wave.shape[1] // self.frame_samples, self.code_table.shape
        given = np.ascontiguousarray(wave.T if self._channels_last else wave, np.float32)[None]
        (made,) = self.session.run([self._output], {self._input: given})
        wanted = levels if self._gives_codes else dims
        fits = made.shape[2] >= levels if self._gives_codes else made.shape[2] == dims
        if made.shape[1] != n_frames or not fits:
            what = f"this encoder made {made.shape[1:]} of {n_frames} frames, not ({n_frames}, {wanted})"
            raise InputError(what, self.file, self.hint)
        codes = made[0, :, :levels] if self._gives_codes else quantise(made[0], self.code_table)
        if codes.min(initial=0) < 0 or codes.max(initial=0) >= values:
            what = f"this encoder made codes from {codes.min()} to {codes.max()}, not 0 to {values - 1}"
            raise InputError(what, self.file, self.hint)
        return codes.astype(np.int32)


def quantise(
    vectors: Float32[np.ndarray, "frames dims"], code_table: Float32[np.ndarray, "levels values dims"]
) -> Int32[np.ndarray, "frames levels"]:
    """Quantise vectors level after level: the nearest codeword of each codebook to what is left of the vector.

    Parameters
    ----------
    vectors : ndarray of float32, of shape (frames, dims)
        Vectors of the codec's encoder.
    code_table : ndarray of float32, of shape (levels, values, dims)
        Codebooks, the coarsest first.

    Returns
    -------
    ndarray of int32, of shape (frames, levels)
        Codes, whose codewords add up to about the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.array([[[0.0], [4.0]], [[-1.0], [1.0]]], np.float32)
    >>> quantise(np.array([[3.2], [0.9]], np.float32), table).tolist()
    [[1, 0], [0, 1]]
    """
    left, codes = vectors.copy(), np.empty((len(vectors), len(code_table)), np.int32)
    for level, table in enumerate(code_table):
        distances = (table**2).sum(axis=1) - 2.0 * left @ table.T
        codes[:, level] = distances.argmin(axis=1)
        left -= table[codes[:, level]]
    return codes


def _is_sound(tensor: Any) -> bool:
    """Whether a tensor can be stereo sound: one of its two last axes, and one alone, has the length 2."""
    shape: Sequence[Any] = tensor.shape
    return tensor.type == "tensor(float)" and len(shape) == 3 and (shape[1] == 2) != (shape[2] == 2)
