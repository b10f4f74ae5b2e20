"""TFLite graphs that are put together op by op, and a MusicCoCa of them with the published shapes."""

import io
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl

_TYPES = {np.dtype(np.float32): tfl.TensorType.FLOAT32, np.dtype(np.int32): tfl.TensorType.INT32}
TEXTS = ["a jazz piano trio", "disco funk", "slow calm piano", "fast drums and bass", "a string quartet"]


class Graph:
    """A graph under construction; tensors are numbers."""

    def __init__(self) -> None:
        self.model = tfl.ModelT()
        self.model.version, self.model.description = 3, b"toy"
        self.model.buffers, self.model.operatorCodes = [tfl.BufferT()], []
        self.part = tfl.SubGraphT()
        self.part.tensors, self.part.operators, self.part.inputs, self.part.outputs = [], [], [], []

    def tensor(self, shape: tuple[int, ...], dtype: Any = np.float32, name: str = "", value: Any = None) -> int:
        tensor = tfl.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), _TYPES[np.dtype(dtype)], 0
        tensor.name = (name or f"t{len(self.part.tensors)}").encode()
        if value is not None:
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value, dtype=dtype).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.part.tensors.append(tensor)
        return len(self.part.tensors) - 1

    def given(self, shape: tuple[int, ...], dtype: Any = np.float32, name: str = "") -> int:
        self.part.inputs.append(self.tensor(shape, dtype, name))
        return self.part.inputs[-1]

    def constant(self, value: Any, dtype: Any = np.float32) -> int:
        array = np.asarray(value, dtype)
        return self.tensor(array.shape, dtype, value=array)

    def op(
        self,
        name: str,
        inputs: list[int],
        shape: tuple[int, ...],
        dtype: Any = np.float32,
        options: str = "",
        **sets: Any,
    ) -> int:
        code = tfl.OperatorCodeT()
        code.builtinCode = getattr(tfl.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator = tfl.OperatorT()
        operator.opcodeIndex, operator.inputs = len(self.model.operatorCodes), inputs
        operator.outputs = [self.tensor(shape, dtype)]
        if options:
            operator.builtinOptionsType = getattr(tfl.BuiltinOptions, options)
            operator.builtinOptions = getattr(tfl, f"{options}T")()
            for key, value in sets.items():
                setattr(operator.builtinOptions, key, value)
        self.model.operatorCodes.append(code)
        self.part.operators.append(operator)
        return operator.outputs[0]

    def dense(self, given: int, weight: np.ndarray, bias: np.ndarray | None = None) -> int:
        inputs = [given, self.constant(weight), -1 if bias is None else self.constant(bias)]
        return self.op("FULLY_CONNECTED", inputs, (1, len(weight)), options="FullyConnectedOptions")

    def save(self, file: Path, output: int) -> None:
        self.part.outputs = [output]
        self.model.subgraphs = [self.part]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        file.write_bytes(bytes(builder.Output()))


def musiccoca(folder: Path, seed: int = 0, mapper: bool = True) -> Path:
    """A MusicCoCa whose vectors follow the sound and the text, with the shapes and names of the published one."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)

    graph = Graph()
    sound = graph.given((1, 160000), name="waveform")
    begin, size = graph.constant([0, 0], np.int32), graph.constant([1, 126976], np.int32)
    cut = graph.op("SLICE", [sound, begin, size], (1, 126976), options="SliceOptions")
    rows = graph.constant([1, 992, 128], np.int32)
    frames = graph.op("RESHAPE", [cut, rows], (1, 992, 128), options="ReshapeOptions", newShape=[1, 992, 128])
    power = graph.op("SQUARE", [frames], (1, 992, 128))
    graph.save(folder / "audio_preprocessor.tflite", power)

    graph = Graph()
    features = graph.given((1, 992, 128))
    axis = graph.constant([2], np.int32)
    loudness = graph.op("MEAN", [features, axis], (1, 992), options="ReducerOptions", keepDims=False)
    floor = graph.op("ADD", [loudness, graph.constant(np.full((1,), 1e-3))], (1, 992), options="AddOptions")
    logs = graph.op("LOG", [floor], (1, 992))
    # with a bias that takes the usual loudness away, so that vectors of sounds point in many directions
    weight = rng.standard_normal((768, 992)).astype(np.float32) / 1300
    graph.save(folder / "music_encoder.tflite", graph.dense(logs, weight, 4.0 * weight.sum(axis=1)))

    graph = Graph()
    vector = graph.given((1, 768), name="quantize_inputs:0")
    weight = 3 * rng.standard_normal((12, 768)).astype(np.float32)
    shares = graph.op("LOGISTIC", [graph.dense(vector, weight)], (1, 12))
    scaled = graph.op("MUL", [shares, graph.constant(np.full((1,), 1023.0))], (1, 12), options="MulOptions")
    ids = graph.op(
        "CAST", [scaled], (1, 12), np.int32, "CastOptions",
        inDataType=tfl.TensorType.FLOAT32, outDataType=tfl.TensorType.INT32,
    )  # fmt: skip
    shape = graph.constant([12, 1], np.int32)
    column = graph.op("RESHAPE", [ids, shape], (12, 1), np.int32, "ReshapeOptions", newShape=[12, 1])
    graph.save(folder / "pretrained_vector_quantizer.tflite", column)

    graph = Graph()
    tokens = graph.given((1, 128), np.int32, "serving_default_ids:0")
    paddings = graph.given((1, 128), name="serving_default_paddings:0")
    numbers = graph.op(
        "CAST", [tokens], (1, 128), options="CastOptions",
        inDataType=tfl.TensorType.INT32, outDataType=tfl.TensorType.FLOAT32,
    )  # fmt: skip
    used = graph.op("SUB", [graph.constant(np.ones((1,))), paddings], (1, 128), options="SubOptions")
    kept = graph.op("MUL", [numbers, used], (1, 128), options="MulOptions")
    both = graph.op("ADD", [kept, used], (1, 128), options="AddOptions")
    weight = rng.standard_normal((768, 128)).astype(np.float32) / 10
    graph.save(folder / "text_encoder.tflite", graph.dense(both, weight))

    if mapper:
        graph = Graph()
        text = graph.given((1, 768), name="serving_default_args_0:0")
        noise = graph.given((1, 768), name="serving_default_args_1:0")
        graph.save(folder / "mapper.tflite", graph.op("ADD", [text, noise], (1, 768), options="AddOptions"))
    (folder / "spm.model").write_bytes(vocabulary())
    return folder


def vocabulary() -> bytes:
    """A SentencePiece model of a few words."""
    from sentencepiece import SentencePieceTrainer

    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3), model_writer=written, vocab_size=40, hard_vocab_limit=False,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, minloglevel=2,
    )  # fmt: skip
    return written.getvalue()
