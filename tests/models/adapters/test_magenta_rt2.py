"""Magenta RealTime 2 on toy graphs with the published inputs and outputs."""

import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.adapters.adapted import Draw
from brain2music.models.generators import get_generator
from brain2music.models.magenta_rt2 import MagentaRT2, SamplingOptions
from brain2music.models.magenta_rt2.conditioning import conditioning_vector
from brain2music.models.magenta_rt2.frames import FrameLoop
from brain2music.models.magenta_rt2.stream import decode_in_blocks

from . import toy_magenta, toy_tflite
from .contract import GeneratorContract, check_absent, check_digest, differ

STYLES = np.random.default_rng(0).standard_normal((4, 768)).astype(np.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("magenta")
    toy_tflite.musiccoca(root / "musiccoca")
    toy_magenta.magenta(root / "magenta-rt2")
    return root


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(folder))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))


@pytest.fixture(scope="session")
def model(folder: Path) -> MagentaRT2:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAIN2MUSIC_MODELS", str(folder))
        made = MagentaRT2(n_threads=1)
        made.embedder.embed_text("disco funk")  # opens all graphs
        made.tokens(STYLES)
    return made


class TestMagentaRT2(GeneratorContract):
    guidances = (0.0, 1.0, 3.0)
    lengths = (0.04, 1.0, 2.04)
    texts = ("a jazz piano trio", "disco funk")
    foreign = ("jax", "magenta_rt", "tensorflow")

    @pytest.fixture
    def generator(self, model: MagentaRT2) -> MagentaRT2:
        return model


def reference_codes(model: MagentaRT2, conditions: list[np.ndarray], seed: int) -> np.ndarray:
    """The loop as it is described, without haste: the whole vocabulary masked, the caches cut after every frame."""
    graphs, options, rng = model.graphs, model.sampling, np.random.default_rng([seed, 0, 0])
    caches = [np.zeros((2, 1, 0, 2, 3), np.float32)] * 4
    previous, codes = [0] * 12, []
    for condition in conditions:
        (source,) = graphs.encoder.run(None, {"cond": condition})
        names = ("self_k", "self_v", "cross_k", "cross_v")
        given: dict[str, Any] = {
            "prev": np.array([[previous]]),
            "source": source,
            **dict(zip(names, caches, strict=True)),
        }
        out, *caches = graphs.temporal_step.run(None, given)
        caches = [cache[:, :, -toy_magenta.WINDOW :] for cache in caches]
        noise = rng.gumbel(size=(12, options.top_k))
        keys = values = np.zeros((1, 1, 0, 2, 3), np.float32)
        frame = []
        for level in range(12):
            logits, keys, values = graphs.depth_step.run(None, {"depth_input": out, "depth_k": keys, "depth_v": values})
            row = logits[0, 0].copy()
            row[: 6 + 1024 * level] = row[6 + 1024 * (level + 1) :] = -1e9
            likely = sorted(np.argsort(row)[::-1][: options.top_k])
            scores = [row[each] + options.temperature * noise[level, rank] for rank, each in enumerate(likely)]
            frame.append(int(likely[int(np.argmax(scores))]))
            out = (graphs.token_table[frame[-1]] * np.sqrt(8.0)).astype(np.float32)[None, None]
        previous = frame
        codes.append([(each - 6) % 1024 for each in frame])
    return np.array(codes)


def test_the_loop_draws_the_codes_of_a_plain_reference(model: MagentaRT2) -> None:
    first, second = (conditioning_vector(row, 3.0) for row in model.tokens(STYLES[:2]))
    conditions = [first] * 8 + [second] * 8
    loop = FrameLoop(model.graphs, model.sampling, Draw(4, 0, 0).numpy())
    found = []
    for condition in conditions:
        loop.set_style(condition)
        found.append(loop.step())
    codes = np.stack(found)
    assert np.array_equal(codes, reference_codes(model, conditions, 4))
    assert len({tuple(row) for row in codes.tolist()}) == 16
    assert codes.min() >= 0
    assert codes.max() < 1024
    other = reference_codes(model, [first] * 16, 4)
    assert np.array_equal(other[:8], codes[:8])
    assert not np.array_equal(other[8:], codes[8:])


@pytest.mark.parametrize(
    "options",
    [SamplingOptions(0.0), SamplingOptions(1.1, 1024), SamplingOptions(1.1, 128), SamplingOptions(1.3, 40, 1.0)],
)
def test_settings_of_sampling_decide_the_codes(model: MagentaRT2, options: SamplingOptions) -> None:
    def codes(how: SamplingOptions, seed: int = 0) -> np.ndarray:
        loop = FrameLoop(model.graphs, how, Draw(seed, 0, 0).numpy())
        loop.set_style(conditioning_vector(model.tokens(STYLES[:1])[0], 3.0))
        return np.stack([loop.step() for _ in range(4)])

    assert not np.array_equal(codes(options), codes(SamplingOptions()))
    assert np.array_equal(codes(options), codes(options))
    assert np.array_equal(codes(options), codes(options, seed=1)) == (options.temperature == 0.0)


def test_a_style_has_its_numbers(model: MagentaRT2) -> None:
    vector = conditioning_vector(np.arange(6, dtype=np.int32), 3.0, drums=True)[0, 0]
    assert vector[:6].tolist() == [7, 8, 9, 10, 11, 12]
    assert set(vector[6:140].tolist()) == {6}
    assert vector[140:].tolist() == [8, 20 + 7, 10 + 7, 2 + 7]
    codes = [conditioning_vector(np.zeros(12, np.int32), guidance)[0, 0, 141] - 7 for guidance in (-1.0, 0.0, 7.0)]
    assert codes == [0, 5, 40]
    with pytest.raises(InputError, match=r"guidance of 7.5 is none"):
        model.generate(STYLES[0], seconds=0.2, guidance=7.5)


def test_styles_of_six_levels_leave_the_rest_unknown(model: MagentaRT2) -> None:
    six = MagentaRT2(embedder=model.embedder, levels=6, n_threads=1)
    assert np.array_equal(six.tokens(STYLES), model.tokens(STYLES)[:, :6])
    assert six.sha256 != model.sha256
    pieces = [each.generate(STYLES[0], seconds=0.4)[0] for each in (six, model)]
    assert differ(*(piece.waveform for piece in pieces)) > 1e-3
    assert len(pieces[0].source["tokens"]) == 6


def test_predicted_vectors_are_brought_to_the_length_of_sounds(model: MagentaRT2) -> None:
    unit = STYLES / np.linalg.norm(STYLES, axis=1, keepdims=True)
    length = model.embedder.sound_length
    assert np.array_equal(model.tokens(0.2 * unit), model.embedder.tokens((length * unit).astype(np.float32)))
    given = MagentaRT2(embedder=model.embedder, vector_length="given", n_threads=1)
    assert np.array_equal(given.tokens(0.2 * unit), model.embedder.tokens((0.2 * unit).astype(np.float32)))
    own = MagentaRT2(embedder=model.embedder, vector_length=2.0, n_threads=1)
    assert np.array_equal(own.tokens(0.2 * unit), model.embedder.tokens((2.0 * unit).astype(np.float32)))
    with pytest.raises(InputError, match="length -1"):
        MagentaRT2(embedder=model.embedder, vector_length=-1.0)


def test_texts_and_sounds_are_quantised_as_they_are_embedded(model: MagentaRT2) -> None:
    texts = ["a jazz piano trio", "disco funk"]
    made = model.generate(text=texts, seconds=0.4)
    assert [piece.source["tokens"] for piece in made] == model.embedder.tokens(
        model.embedder.embed_text(texts)
    ).tolist()
    assert [piece.source["text"] for piece in made] == texts
    sound = (0.2 * np.random.default_rng(3).standard_normal(12 * 16000).astype(np.float32), 16000)
    (like,) = model.generate(like=[sound], seconds=0.4)
    mean = model.embedder.embed(*sound).mean(axis=0, keepdims=True)
    assert like.source["tokens"] == model.embedder.tokens(mean)[0].tolist()


def test_tokens_are_taken_and_nothing_else_for_them(model: MagentaRT2) -> None:
    tokens = model.tokens(STYLES[:2])
    pieces = model.generate_from_tokens(tokens, 0.4, seed=2)
    for piece, vector, item in zip(pieces, STYLES, (0, 1), strict=False):
        (same,) = model.generate(vector, seconds=0.4, seed=2, first_item=item)
        assert np.array_equal(piece.waveform, same.waveform)
    for wrong in (tokens + 1024, tokens.astype(np.float32), STYLES[0], tokens[0]):
        with pytest.raises((InputError, TypeError), match=r"tokens"):
            model.generate_from_tokens(wrong, 0.4)


def test_loudness_and_start_are_those_of_the_vendor(model: MagentaRT2) -> None:
    loop = FrameLoop(model.graphs, model.sampling, Draw(0, 0, 0).numpy())
    loop.set_style(conditioning_vector(model.tokens(STYLES[:1])[0], 3.0))
    codes = np.stack([loop.step() for _ in range(26)])
    raw = model.graphs.decode(codes)
    assert raw.shape == (2, 25 * 1920)
    (piece,) = model.generate(STYLES[0], seconds=1.0)
    assert np.allclose(piece.waveform, np.clip(0.5 * raw, -1, 1), atol=1e-6)
    assert piece.source["gain"] == 1.0
    assert piece.source["licence"] == "CC-BY-4.0"
    assert piece.source["commercial"] is True


def test_blocks_join_as_the_whole(model: MagentaRT2) -> None:
    codes = np.random.default_rng(1).integers(0, 1024, (60, 12)).astype(np.int32)
    whole = np.clip(0.5 * model.graphs.decode(codes), -1, 1)
    for block in (1, 7, 59):
        joined = np.concatenate(list(decode_in_blocks(model.graphs, codes, block)), axis=1)
        assert np.allclose(joined, whole, atol=1e-6)


def test_music_follows_the_windows_of_an_embedding(model: MagentaRT2) -> None:
    piece = model.follow(STYLES, 0.5, seed=3)
    assert piece.waveform.shape == (2, 4 * 24000)
    assert piece.source["tokens"] == model.tokens(STYLES).tolist()
    held = model.follow(np.stack([STYLES[0], STYLES[0], STYLES[2], STYLES[3]]), 0.5, seed=3)
    same = slice(0, round(0.4 * 48000))
    assert np.array_equal(piece.waveform[:, same], held.waveform[:, same])
    assert differ(piece.waveform[:, 24000:48000], held.waveform[:, 24000:48000]) > 1e-3
    embeddings = Embeddings(STYLES[None], ("clip",), model.space)
    again = model.follow(embeddings, seed=3, seconds=7.0)
    assert again.seconds == 7.0
    assert again.source["step_s"] == model.space.step_s == 1.5
    with pytest.raises(InputError, match="2 items cannot be followed"):
        model.follow(Embeddings(STYLES[:, None][:2], ("a", "b"), model.space))
    with pytest.raises(InputError, match=r"cannot last 0.01 s"):
        model.follow(STYLES, 0.01)


def test_a_stream_has_no_end_and_takes_styles_as_they_come(model: MagentaRT2) -> None:
    asked = []

    def styles() -> Any:
        for number in range(10**9):
            asked.append(number)
            yield None if number % 2 else STYLES[(number // 2) % 4]

    stream = model.stream(styles(), 0.1, seed=5)
    blocks = [next(stream)]
    assert asked == [0]  # a block is complete with the style that it is made under
    blocks += list(islice(stream, 7))
    assert len(asked) == 8
    assert sum(block.shape[1] for block in blocks) == round(8 * 0.1 * 48000) // 1920 * 1920
    rows = STYLES[[0, 0, 1, 1, 2, 2, 3, 3]]
    followed = model.follow(rows, 0.1, seconds=0.8, seed=5)
    assert np.array_equal(np.concatenate(blocks, axis=1), followed.waveform)
    assert all(np.abs(block).max() <= 1.0 for block in blocks)
    with pytest.raises(InputError, match="begins without a style"):
        next(model.stream([None]))
    with pytest.raises(InputError, match="NaN"):
        next(model.stream([STYLES[0] * np.nan]))


def test_absent_weights_name_the_hub_and_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    check_absent("magenta-rt2", monkeypatch, tmp_path, "google/magenta-realtime-2", "brain2music models pull musiccoca")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "half"))
    shutil.copytree(folder / "musiccoca", tmp_path / "half" / "musiccoca")
    with pytest.raises(InputError, match=r"magenta-community/magenta-rt-onnx-small.*models pull magenta-rt2.*1.7 GB"):
        get_generator("magenta-rt2")


def test_files_that_are_not_right_are_told(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, tmp_path / "models")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    own = tmp_path / "models" / "magenta-rt2"

    def said(file: str, content: bytes) -> str:
        kept = (own / file).read_bytes()
        (own / file).write_bytes(content)
        with pytest.raises(InputError) as caught:
            get_generator("magenta-rt2")
        (own / file).write_bytes(kept)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    depth = (own / "onnx/depth_step.onnx").read_bytes()
    assert "not the temporal_step of magenta-rt2: it has depth_input" in said("onnx/temporal_step.onnx", depth)
    assert "not an ONNX graph that can be run" in said("onnx/encoder.onnx", depth[: len(depth) // 2])
    assert "this table has 100 bytes" in said("onnx/quantizer_fp16.bin", b"\x00" * 100)
    assert "pickle" in said("onnx/token_embedding_fp16.bin", b"\x80\x02}q\x00.")
    assert "not the configuration of Magenta RealTime 2" in said("config.json", b'{"sample_rate": 48000}')
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime.*pip install 'brain2music\[magenta\]'"):
        get_generator("magenta-rt2")


def test_the_digest_is_of_all_that_decides(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, tmp_path / "models")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    own = tmp_path / "models"

    def change(file: Path) -> None:
        if file.suffix == ".bin":
            np.fromfile(file, np.float16)[::-1].tofile(file)
        else:
            (toy_tflite.musiccoca if file.suffix == ".tflite" else toy_magenta.magenta)(tmp_path / "other", 1)
            shutil.copy(tmp_path / "other" / (file.name if file.suffix == ".tflite" else f"onnx/{file.name}"), file)

    files = [own / "musiccoca" / "pretrained_vector_quantizer.tflite"]
    files += [own / "magenta-rt2" / "onnx" / name for name in ("depth_step.onnx", "quantizer_fp16.bin")]
    check_digest(lambda: get_generator("magenta-rt2"), files, change)
