"""Recordings continued by Magenta RealTime 2, with toys of the encoder of its codec."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.models.adapters.adapted import Draw
from brain2music.models.magenta_rt2 import MagentaRT2
from brain2music.models.magenta_rt2.codec_encoder import quantise
from brain2music.models.magenta_rt2.conditioning import conditioning_vector
from brain2music.models.magenta_rt2.frames import FrameLoop

from . import toy_magenta, toy_tflite
from .contract import EditorContract, GeneratorContract, differ
from .toy_magenta import CODEBOOK

STYLES = np.random.default_rng(0).standard_normal((2, 768)).astype(np.float32)
FRAME = 1920


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("magenta")
    toy_tflite.musiccoca(root / "musiccoca")
    toy_magenta.codec_encoder(toy_magenta.magenta(root / "magenta-rt2"))
    return root


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(folder))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))


@pytest.fixture(scope="module")
def model(folder: Path) -> MagentaRT2:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAIN2MUSIC_MODELS", str(folder))
        made = MagentaRT2(n_threads=1)
        made.tokens(STYLES)  # opens all graphs
        made.embedder.embed(np.ones(160000, np.float32), 16000)
    return made


class TestMagentaRT2WithItsEncoder(GeneratorContract):
    guidances = (0.0, 3.0)

    @pytest.fixture
    def generator(self, model: MagentaRT2) -> MagentaRT2:
        return model

    def test_a_recording_is_continued_and_kept(self, generator: MagentaRT2) -> None:
        EditorContract.test_it_is_an_editor(EditorContract(), generator)
        EditorContract.test_a_recording_is_continued_and_kept(EditorContract(), generator)
        with pytest.raises(InputError, match="fills no gaps in recordings"):
            generator.fill((recording(48000), 48000), [(1.0, 2.0)])


def recording(rate: int, channels: int = 2, seconds: float = 3.0, seed: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))).astype(np.float32)


def test_frames_that_are_forced_are_as_if_they_had_been_drawn(model: MagentaRT2) -> None:
    style = conditioning_vector(model.tokens(STYLES[:1])[0], 3.0)
    drawn = FrameLoop(model.graphs, model.sampling, Draw(0, 0, 0).numpy())
    drawn.set_style(style)
    before = np.stack([drawn.step() for _ in range(toy_magenta.WINDOW + 4)])
    forced = FrameLoop(model.graphs, model.sampling, Draw(0, 0, 0).numpy())
    forced.rng.bit_generator.state = drawn.rng.bit_generator.state
    forced.set_style(style)
    forced.force(before)
    assert forced.n_frames == drawn.n_frames
    after = np.stack([drawn.step() for _ in range(6)])
    assert np.array_equal(after, np.stack([forced.step() for _ in range(6)]))


@pytest.mark.parametrize("extra", [0, 700])
def test_what_follows_is_drawn_after_the_codes_of_the_recording(model: MagentaRT2, extra: int) -> None:
    """Against the loop as it is described: the last whole frames, those drawn after them, all decoded together."""
    sound, new = recording(48000, seconds=2.0)[:, : 40 * FRAME + extra], 5 * FRAME
    encoder = model.graphs.codec_encoder
    assert encoder is not None
    before = encoder.encode(sound[:, extra:])
    assert before.shape == (40, 12)
    loop = FrameLoop(model.graphs, model.sampling, Draw(4, 0, 0).numpy())
    loop.set_style(conditioning_vector(model.tokens(STYLES[:1])[0], 3.0))
    loop.force(before)
    codes = np.concatenate([before, np.stack([loop.step() for _ in range(6)])])
    expected = np.clip(0.5 * model.graphs.decode(codes), -1, 1)
    (condition,) = model.conditions("embedding", STYLES[0])
    silent = np.pad(sound, ((0, 0), (0, new)))
    made, origin = model.remake(silent, [(sound.shape[1], silent.shape[1])], condition, Draw(4, 0, 0), None)
    np.testing.assert_allclose(made[:, extra:], expected, atol=1e-6)
    assert made.shape == silent.shape
    assert origin["known_frames"] == 40


def test_the_recording_the_style_and_the_seed_decide_what_follows(model: MagentaRT2) -> None:
    def after(seed: int = 0, style: int = 0, sound: int = 1) -> np.ndarray:
        given = recording(48000, seed=sound)
        return model.extend((given, 48000), 1.0, embedding=STYLES[style], seed=seed).waveform[:, given.shape[1] :]

    assert after().tobytes() == after().tobytes()
    for other in (after(seed=1), after(style=1), after(sound=2)):
        assert differ(after(), other) > 1e-2


def test_a_recording_keeps_its_rate_and_channels_and_says_what_it_is_continued_by(model: MagentaRT2) -> None:
    sound = recording(22050, channels=1, seconds=25.0)
    piece = model.extend((sound, 22050), 2.0, text="disco funk", seed=3)
    assert (piece.sample_rate, piece.waveform.shape) == (22050, (1, 27 * 22050))
    assert np.array_equal(piece.waveform[:, : sound.shape[1]], sound)
    assert piece.source["known_frames"] == 20 * 25  # further back its windows do not reach
    assert piece.source["text"] == "disco funk"
    assert piece.source["licence"] == "CC-BY-4.0"
    whole = model.extend((sound[:, : 22050 * 2], 22050), 0.5)
    assert whole.source["like"] == "what is kept"
    for seconds in (0.0, -1.0, float("inf"), float("nan"), 601.0):
        with pytest.raises(InputError, match="cannot continue a recording by"):
            model.extend((sound, 22050), seconds)
    with pytest.raises(InputError, match="cannot be continued"):
        model.extend((sound[:, :9000], 22050), 1.0)


def test_without_the_encoder_nothing_is_continued(folder: Path, tmp_path: Path, model: MagentaRT2) -> None:
    assert model.abilities.edits == ("continue",)
    digest = model.sha256
    file = folder / "magenta-rt2/onnx/spectrostream_encoder.onnx"
    moved = shutil.move(file, tmp_path / "moved.onnx")
    try:
        plain = MagentaRT2(embedder=model.embedder, n_threads=1)
        assert plain.abilities.edits == ()
        assert plain.sha256 != digest
        with pytest.raises(InputError, match="continues no recordings"):
            plain.extend((recording(48000), 48000), 1.0)
    finally:
        shutil.move(moved, file)


@pytest.fixture
def encoder_of(folder: Path, tmp_path: Path, model: MagentaRT2) -> Callable[..., MagentaRT2]:
    """The model with another encoder."""
    shutil.copytree(folder / "magenta-rt2", tmp_path / "models" / "magenta-rt2")

    def take(monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Any]) -> MagentaRT2:
        monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
        write(tmp_path / "models" / "magenta-rt2")
        return MagentaRT2(embedder=model.embedder, n_threads=1)

    return take


def test_encoders_of_either_layout_and_output_are_told_apart(
    encoder_of: Callable[..., MagentaRT2], monkeypatch: pytest.MonkeyPatch, model: MagentaRT2
) -> None:
    sound = recording(48000, seconds=0.4)
    plain = model.graphs.codec_encoder
    assert plain is not None
    codes = plain.encode(sound)
    first = encoder_of(monkeypatch, lambda own: toy_magenta.codec_encoder(own, channels_last=False))
    assert first.graphs.codec_encoder is not None
    assert np.array_equal(first.graphs.codec_encoder.encode(sound), codes)
    ready = encoder_of(monkeypatch, lambda own: toy_magenta.codec_encoder(own, "codes"))
    assert ready.graphs.codec_encoder is not None
    found = ready.graphs.codec_encoder.encode(sound)
    assert found.shape == (10, 12)
    assert 0 <= found.min() < found.max() < CODEBOOK
    assert not np.array_equal(found, codes)


def test_graphs_that_are_no_encoder_are_told(
    encoder_of: Callable[..., MagentaRT2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(name: str) -> Callable[[Path], Any]:
        return lambda own: shutil.copy(own / f"onnx/{name}.onnx", own / "onnx/spectrostream_encoder.onnx")

    with pytest.raises(InputError, match=r"no encoder of stereo sound: embeddings tensor\(float\) \[1, 'F', 4\]"):
        encoder_of(monkeypatch, put("spectrostream_decoder"))
    with pytest.raises(InputError, match=r"no encoder of stereo sound: prev tensor\(int64\)"):
        encoder_of(monkeypatch, put("temporal_step"))
    with pytest.raises(InputError, match="not an ONNX graph that can be run"):
        encoder_of(monkeypatch, lambda own: (own / "onnx/spectrostream_encoder.onnx").write_bytes(b"no graph"))


def test_vectors_are_quantised_level_after_level() -> None:
    rng = np.random.default_rng(2)
    sizes = np.array([1.5, 0.6, 0.25, 0.1], np.float32)
    table = rng.standard_normal((4, 256, 3)).astype(np.float32) * sizes[:, None, None]
    vectors = rng.standard_normal((30, 3)).astype(np.float32)
    codes, left = quantise(vectors, table), vectors.copy()
    for level, book in enumerate(table):
        nearest = [int(np.argmin(((book - row) ** 2).sum(axis=1))) for row in left]
        assert codes[:, level].tolist() == nearest
        left -= book[nearest]
    assert np.linalg.norm(left) < 0.05 * np.linalg.norm(vectors)
