"""TFLite graphs with fixed shapes, whose tensors are told apart by type and position, never by name."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..._utils.errors import InputError


class LiteGraph:
    """A TFLite file that is ready to run.

    Parameters
    ----------
    file : Path
        The TFLite file.
    title : str
        Model that it belongs to, for errors.
    inputs : sequence of (type, int)
        Type and number of values of each input. Inputs of different types are told apart by type, others by position.
    output : (type, int)
        Type of the first output, and the least number of its values.
    hint : str
        What to do where the file is not this graph.
    n_threads : int, default 1
        Threads that compute.

    Raises
    ------
    InputError
        The package that runs it is not installed, the file is no TFLite model, or has other inputs or outputs.
    """

    def __init__(
        self,
        file: Path,
        title: str,
        inputs: tuple[tuple[type[np.generic], int], ...],
        output: tuple[type[np.generic], int],
        hint: str,
        n_threads: int = 1,
    ) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            what = f"{title} needs ai-edge-litert, which runs TFLite models"
            raise InputError(what, hint="run `pip install 'brain2music[magenta]'`") from None
        try:
            self._graph: Any = Interpreter(str(file), num_threads=n_threads)
            self._graph.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"this is not a TFLite model that can be run ({reason})", file, hint) from None
        self._lock = Lock()
        self._inputs = self._matched(inputs, file, title, hint)
        found = self._graph.get_output_details()
        if not found or found[0]["dtype"] != output[0] or np.prod(found[0]["shape"]) < output[1]:
            raise InputError(f"{_words(found)} are not the outputs of this graph of {title}", file, hint)
        self._output = found[0]["index"]

    def run(self, *values: np.ndarray) -> np.ndarray:
        """Compute the first output, flat, of inputs in the order in which they were described."""
        with self._lock:  # an interpreter holds its inputs, and training asks from several threads
            for (index, shape, dtype), value in zip(self._inputs, values, strict=True):
                self._graph.set_tensor(index, np.ascontiguousarray(value, dtype=dtype).reshape(shape))
            self._graph.invoke()
            return self._graph.get_tensor(self._output).ravel().copy()

    def _matched(
        self, wanted: tuple[tuple[type[np.generic], int], ...], file: Path, title: str, hint: str
    ) -> list[tuple[int, tuple[int, ...], Any]]:
        """Index, shape and type of each input, in the order in which they are described."""
        found = list(self._graph.get_input_details())
        matched = []
        for dtype, count in wanted:
            fits = [each for each in found if each["dtype"] == dtype and np.prod(each["shape"]) == count]
            if not fits:
                described = ", ".join(f"{kind.__name__} × {size}" for kind, size in wanted)
                what = f"{_words(self._graph.get_input_details())} are not the inputs of this graph of {title}"
                raise InputError(f"{what} ({described})", file, hint)
            found.remove(fits[0])
            matched.append((fits[0]["index"], tuple(int(size) for size in fits[0]["shape"]), dtype))
        return matched


def _words(tensors: Any) -> str:
    """Tensors in words: name, type and shape."""
    words = [f"{each['name']} {np.dtype(each['dtype']).name} {[int(n) for n in each['shape']]}" for each in tensors]
    return ", ".join(words) or "no tensors"
