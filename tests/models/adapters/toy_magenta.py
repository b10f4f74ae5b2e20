"""A Magenta RealTime 2 of ONNX graphs with the published inputs and outputs, small enough to cost nothing.

All that the graphs are given has a part in what they give: codes, style, every cache and its length, and neighbours of
a frame in the decoder.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, ENCODER, LAYERS, HEADS, DIMS, WINDOW, VALUES = 8, 6, 2, 2, 3, 5, 4
N_CODES, CODEBOOK, RESERVED, DEPTH_LAYERS = 12, 1024, 6, 1
VOCABULARY = RESERVED + N_CODES * CODEBOOK
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
CACHE = [LAYERS, 1, "T", HEADS, DIMS]
DEPTH_CACHE = [DEPTH_LAYERS, 1, "t", HEADS, DIMS]


class OnnxGraph:
    """A graph under construction; values are names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind: str, *given: str, name: str = "", **attributes: object) -> str:
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [name], **attributes))
        return name

    def dense(self, given: str, weight: np.ndarray) -> str:
        return self.op("MatMul", given, self.constant(weight.astype(np.float32)))

    def reshape(self, given: str, *shape: int) -> str:
        return self.op("Reshape", given, self.constant(np.array(shape, np.int64)))

    def save(
        self, file: Path, inputs: dict[str, tuple[int, list]], outputs: dict[str, list], made_of: int = FLOAT
    ) -> None:
        given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
        made = [helper.make_tensor_value_info(name, made_of, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, "toy", given, made, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 10
        onnx.checker.check_model(model)
        file.write_bytes(model.SerializeToString())


def magenta(folder: Path, seed: int = 0) -> Path:
    """Write configuration, graphs and tables, as the hub has them."""
    rng = np.random.default_rng(seed)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    config = {
        **{"model_type": "magenta_rt2", "size": "toy", "sample_rate": 48000, "frames_per_second": 25},
        **{"num_codebooks": N_CODES, "codebook_size": CODEBOOK, "num_reserved_tokens": RESERVED},
        **{"vocab_size": VOCABULARY, "model_dims": WIDTH, "encoder_model_dims": ENCODER},
        "temporal": {"num_layers": LAYERS, "num_heads": HEADS, "dim_per_head": DIMS, "max_past": WINDOW - 1},
        "depth": {"num_layers": DEPTH_LAYERS, "num_heads": HEADS, "dim_per_head": DIMS},
        **{"quantizer_shape": [64, CODEBOOK, VALUES], "embedding_shape": [VOCABULARY, WIDTH]},
        "conditioning": {"musiccoca_rvq": 12, "num_notes": 128, "num_drums": 1, "num_cfg": 3, "cond_offset": 7},
    }
    (folder / "config.json").write_text(json.dumps(config))
    encoder(rng).save(folder / "onnx/encoder.onnx", {"cond": (INT, [1, 1, 144])}, {"source": [1, 1, ENCODER]})
    caches = dict.fromkeys(("self_k", "self_v", "cross_k", "cross_v"), (FLOAT, CACHE))
    temporal_step(rng).save(
        folder / "onnx/temporal_step.onnx",
        {"prev": (INT, [1, 1, N_CODES]), **caches, "source": (FLOAT, [1, 1, ENCODER])},
        {"out": [1, 1, WIDTH], **{f"new_{name}": [*CACHE[:2], "U", *CACHE[3:]] for name in caches}},
    )
    grown = [*DEPTH_CACHE[:2], "u", *DEPTH_CACHE[3:]]
    depth_step(rng).save(
        folder / "onnx/depth_step.onnx",
        {"depth_input": (FLOAT, [1, 1, WIDTH]), "depth_k": (FLOAT, DEPTH_CACHE), "depth_v": (FLOAT, DEPTH_CACHE)},
        {"logits": [1, 1, VOCABULARY], "new_depth_k": grown, "new_depth_v": grown},
    )
    decoder(rng).save(
        folder / "onnx/spectrostream_decoder.onnx",
        {"embeddings": (FLOAT, [1, "F", VALUES])},
        {"waveform": [1, "N", 2]},
    )
    table = rng.standard_normal((VOCABULARY, WIDTH)) / np.sqrt(WIDTH)
    table.astype(np.float16).tofile(folder / "onnx/token_embedding_fp16.bin")
    rng.standard_normal((64, CODEBOOK, VALUES)).astype(np.float16).tofile(folder / "onnx/quantizer_fp16.bin")
    return folder


def encoder(rng: np.random.Generator) -> OnnxGraph:
    graph = OnnxGraph()
    numbers = graph.op("Cast", "cond", to=FLOAT)
    centred = graph.op("Div", graph.op("Sub", numbers, graph.constant(np.float32(7))), graph.constant(np.float32(100)))
    weight = rng.standard_normal((144, ENCODER)) / 4
    weight[:12] /= 8
    weight[-4:] *= 12  # strengths of guidance are small numbers
    graph.op("Tanh", graph.dense(centred, weight), name="source")
    return graph


def temporal_step(rng: np.random.Generator) -> OnnxGraph:
    graph = OnnxGraph()
    table = graph.constant(rng.standard_normal((VOCABULARY, WIDTH)).astype(np.float32))
    axes = graph.constant(np.array([2], np.int64))
    before = graph.op("ReduceMean", graph.op("Gather", table, "prev"), axes, keepdims=0)  # (1, 1, width)
    style = graph.dense("source", 2 * rng.standard_normal((ENCODER, WIDTH)))
    state = graph.op("Tanh", graph.op("Add", before, style))
    found = [state, style]
    for name in ("self_k", "self_v", "cross_k", "cross_v"):
        of = style if name.startswith("cross") else state
        new = graph.dense(of, rng.standard_normal((WIDTH, LAYERS * HEADS * DIMS)))
        entry = graph.reshape(new, LAYERS, 1, 1, HEADS, DIMS)
        whole = graph.op("Concat", name, entry, axis=2, name=f"new_{name}")
        mean = graph.op("ReduceMean", whole, axes, keepdims=0)
        flat = graph.reshape(mean, 1, 1, LAYERS * HEADS * DIMS)
        found.append(graph.dense(flat, rng.standard_normal((LAYERS * HEADS * DIMS, WIDTH))))
    graph.op("Tanh", graph.op("Sum", *found), name="out")
    return graph


def depth_step(rng: np.random.Generator) -> OnnxGraph:
    graph = OnnxGraph()
    axes = graph.constant(np.array([2], np.int64))
    found = ["depth_input"]
    for name in ("depth_k", "depth_v"):
        new = graph.dense("depth_input", rng.standard_normal((WIDTH, DEPTH_LAYERS * HEADS * DIMS)))
        entry = graph.reshape(new, DEPTH_LAYERS, 1, 1, HEADS, DIMS)
        whole = graph.op("Concat", name, entry, axis=2, name=f"new_{name}")
        total = graph.reshape(graph.op("ReduceSum", whole, axes, keepdims=0), 1, 1, DEPTH_LAYERS * HEADS * DIMS)
        found.append(graph.dense(total, rng.standard_normal((DEPTH_LAYERS * HEADS * DIMS, WIDTH)) / 2))
    state = graph.op("Tanh", graph.op("Sum", *found))
    logits = graph.dense(state, 4 * rng.standard_normal((WIDTH, VOCABULARY)) / np.sqrt(WIDTH))
    graph.op("Identity", logits, name="logits")
    return graph


def decoder(rng: np.random.Generator) -> OnnxGraph:
    """A filter over five frames before, the frame and the one after: as many frames of sound as frames but one."""
    graph = OnnxGraph()
    channels_first = graph.op("Transpose", "embeddings", perm=[0, 2, 1])
    kernel = graph.constant((rng.standard_normal((3840, VALUES, 7)) / 14).astype(np.float32))
    samples = graph.op("Conv", channels_first, kernel, kernel_shape=[7], pads=[5, 0])
    last = graph.op("Transpose", samples, perm=[0, 2, 1])
    graph.op("Reshape", last, graph.constant(np.array([1, -1, 2], np.int64)), name="waveform")
    return graph


def codec_encoder(folder: Path, gives: str = "vectors", channels_last: bool = True, seed: int = 0) -> Path:
    """Write an encoder of the codec: every frame's samples by a matrix, to vectors or to codes."""
    rng, graph = np.random.default_rng(seed), OnnxGraph()
    sound = "sound" if channels_last else graph.op("Transpose", "sound", perm=[0, 2, 1])
    frames = graph.reshape(sound, 1, -1, 3840)
    vectors = graph.dense(frames, rng.standard_normal((3840, VALUES)) / 4)
    if gives == "codes":
        spread = graph.dense(vectors, 50 * rng.standard_normal((VALUES, 64)))
        whole = graph.op("Cast", graph.op("Abs", spread), to=INT)
        graph.op("Mod", whole, graph.constant(np.array(CODEBOOK, np.int64)), name=gives)
    else:
        graph.op("Identity", vectors, name=gives)
    shape = [1, "N", 2] if channels_last else [1, 2, "N"]
    kind = INT if gives == "codes" else FLOAT
    width = 64 if gives == "codes" else VALUES
    file = folder / "onnx/spectrostream_encoder.onnx"
    graph.save(file, {"sound": (FLOAT, shape)}, {gives: [1, "F", width]}, kind)
    return file
