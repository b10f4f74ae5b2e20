"""ONNX graphs of Magenta RealTime 2 and its tables, checked before they are used.

Inputs and outputs are known by their names. A graph that has others is refused with the list of what it has.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import InputError
from ..._utils.files import read_json
from ..adapters.magenta_files import CODE_TABLE, CODEC_ENCODER, CONFIG, TOKEN_TABLE
from ..adapters.named_files import NamedFiles
from .codec_encoder import CodecEncoder
from .sessions import describe_tensors, open_session, session_options

CACHES = ("self_k", "self_v", "cross_k", "cross_v")
_STEP_INPUTS = {"prev": 3, **dict.fromkeys(CACHES, 5), "source": 3}
_ROLES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "encoder": ({"cond": 3}, {"source": 3}),
    "temporal_step": (_STEP_INPUTS, {"out": 3, **{f"new_{cache}": 5 for cache in CACHES}}),
    "depth_step": (
        {"depth_input": 3, "depth_k": 5, "depth_v": 5},
        {"logits": 3, "new_depth_k": 5, "new_depth_v": 5},
    ),
    "spectrostream_decoder": ({"embeddings": 3}, {"waveform": 3}),
}
"""Graph -> (input -> rank, output -> rank)."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model, from its ``config.json``.

    Attributes
    ----------
    sample_rate, frame_rate : int
        Of the sound, and frames per second.
    n_codes, codebook_size, n_reserved : int
        Codes of a frame, their number of values, and ids before them.
    width : int
        Of token embeddings.
    temporal, depth : (int, int, int)
        Layers, heads and dimensions of a head, of both transformers.
    window : int
        Steps that the temporal caches keep.
    code_table : (int, int, int)
        Shape of the table of the codec: levels, values, dimensions.
    """

    sample_rate: int
    frame_rate: int
    n_codes: int
    codebook_size: int
    n_reserved: int
    width: int
    temporal: tuple[int, int, int]
    depth: tuple[int, int, int]
    window: int
    code_table: tuple[int, int, int]

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return self.n_reserved + self.n_codes * self.codebook_size

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return self.sample_rate // self.frame_rate

    @classmethod
    def read(cls, file: Path) -> "Sizes":
        """Read ``config.json``; :class:`InputError` where it is not that of this model."""
        config = read_json(file)
        try:
            temporal, depth = (config[name] for name in ("temporal", "depth"))
            shape = [int(size) for size in config["quantizer_shape"]]
            return cls(
                sample_rate=int(config["sample_rate"]),
                frame_rate=int(config["frames_per_second"]),
                n_codes=int(config["num_codebooks"]),
                codebook_size=int(config["codebook_size"]),
                n_reserved=int(config["num_reserved_tokens"]),
                width=int(config["model_dims"]),
                temporal=_three(temporal),
                depth=_three(depth),
                window=int(temporal["max_past"]) + 1,
                code_table=(shape[0], shape[1], shape[2]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            what = f"this is not the configuration of Magenta RealTime 2 ({error})"
            raise InputError(what, file, "fetch the model again") from None


class Graphs:
    """The four graphs and two tables, and the encoder of the codec where it is here.

    Parameters
    ----------
    weights : NamedFiles
        Where they are.
    device : str, default "cpu"
        "cpu", or "cuda" with the package onnxruntime-gpu.
    n_threads : int, optional
        Threads that compute; default as many as there are cores.

    Raises
    ------
    InputError
        A file, or the package that runs them, is missing, or a file is not what its name says.
    """

    def __init__(self, weights: NamedFiles, device: str = "cpu", n_threads: int | None = None) -> None:
        self.sizes = Sizes.read(weights.path(CONFIG))
        hint = weights.again
        options = session_options(device, n_threads)
        sessions = {name: _open(weights.path(f"onnx/{name}.onnx"), name, hint, **options) for name in _ROLES}
        self.encoder, self.temporal_step, self.depth_step, self.decoder = (sessions[name] for name in _ROLES)
        sizes = self.sizes
        self.token_table = _table(weights.path(TOKEN_TABLE), (sizes.vocabulary, sizes.width), hint)
        self.code_table = _table(weights.path(CODE_TABLE), sizes.code_table, hint)[: sizes.n_codes]
        if len(self.code_table) < sizes.n_codes or self.code_table.shape[1] != sizes.codebook_size:
            what = f"a table of {self.code_table.shape} for {sizes.n_codes} codes of {sizes.codebook_size}"
            raise InputError(what, weights.path(CODE_TABLE), hint)
        self.codec_encoder: CodecEncoder | None = None
        if (file := weights.folder() / CODEC_ENCODER).is_file():
            aside = "take one of the published encoders of SpectroStream, or move the file away"
            self.codec_encoder = CodecEncoder(file, self.code_table, sizes.frame_samples, aside, **options)

    def decode(self, codes: np.ndarray) -> Float32[np.ndarray, "channels samples"]:
        """Decode codes (frames, 12): sound of all frames but the last, for the codec looks one frame ahead.

        What the decoder gives in place of a frame before the first is left out; samples are as the graph gives them.
        """
        embedded = np.zeros((1, len(codes), self.code_table.shape[2]), np.float32)
        for level, table in enumerate(self.code_table):
            embedded[0] += table[codes[:, level]]
        wave = self.decoder.run(["waveform"], {"embeddings": embedded})[0][0]
        missing = len(codes) * self.sizes.frame_samples - len(wave)
        if missing == 0:  # with the warm-up, as in the vendor's Python code
            wave = wave[self.sizes.frame_samples :]
        elif missing != self.sizes.frame_samples:
            raise InputError(f"the decoder of magenta-rt2 gave {len(wave)} samples of {len(codes)} frames")
        return np.ascontiguousarray(wave.T, dtype=np.float32)


def _three(sizes: dict[str, Any]) -> tuple[int, int, int]:
    layers, heads, dims = (int(sizes[name]) for name in ("num_layers", "num_heads", "dim_per_head"))
    return layers, heads, dims


def _open(file: Path, name: str, hint: str, **options: Any) -> Any:
    """Open a graph and check its inputs and outputs."""
    session = open_session(file, hint, **options)
    for wanted, found in zip(_ROLES[name], (session.get_inputs(), session.get_outputs()), strict=True):
        ranks = {each.name: len(each.shape) for each in found}
        if any(ranks.get(role) != rank for role, rank in wanted.items()):
            what = f"this is not the {name} of magenta-rt2: it has {describe_tensors(found)}, not {', '.join(wanted)}"
            raise InputError(what, file, hint)
    return session


def _table(file: Path, shape: tuple[int, ...], hint: str) -> Float32[np.ndarray, "..."]:
    """A table of half-precision numbers."""
    wanted = 2 * int(np.prod(shape))
    if (size := file.stat().st_size) != wanted:
        raise InputError(f"this table has {size} bytes, not {wanted} of {list(shape)}", file, hint)
    table = np.fromfile(file, np.float16).reshape(shape).astype(np.float32)
    if not np.isfinite(table).all():
        raise InputError("this table holds values that are not finite", file, hint)
    return table
