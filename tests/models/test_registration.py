"""Models of users are found by name in Python, by commands and by the registries, and cannot take the place of ours."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import brain2music as b2m
from brain2music.embeddings import EmbeddingSpace
from brain2music.models import plugins
from brain2music.models.abilities import abilities_of
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.codec_parts.codes import Codes
from brain2music.models.codecs import list_codecs
from brain2music.models.embedders import list_embedders
from brain2music.models.generators import Generator, list_generators

from .registries import kept_registries

MODULE = """
import numpy as np
import brain2music as b2m

b2m.get_embedder("logmel")  # a module of models may ask for models itself

def make(window_s, step_s):
    return b2m.FunctionEmbedder("of-a-file", lambda window: np.array([window.mean()]), 1, 8000, window_s, step_s)

b2m.register_embedder("of-a-file", make, description="The mean of a window")
"""


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    with kept_registries():
        yield


def peak_and_level(window: np.ndarray) -> np.ndarray:
    return np.array([np.abs(window).max(), np.sqrt(np.mean(window**2))])


def make_levels(window_s: float, step_s: float) -> b2m.FunctionEmbedder:
    return b2m.FunctionEmbedder("levels", peak_and_level, 2, 8000, window_s, step_s)


def test_a_function_sees_each_window_of_the_sound(rng: np.random.Generator) -> None:
    b2m.register_embedder("levels", make_levels, description="Peak and level", window_s=2.0)
    sound = rng.normal(0, 0.1, 5 * 8000).astype(np.float32)
    found = b2m.get_embedder("levels", step_s=1.0).embed(sound, 8000)
    windows = [sound[first * 8000 : (first + 2) * 8000] for first in range(4)]
    np.testing.assert_allclose(found, [peak_and_level(window) for window in windows], rtol=1e-6)
    assert found.dtype == np.float32


def test_sound_is_resampled_and_mixed_for_the_function() -> None:
    seen = []
    embedder = b2m.FunctionEmbedder("seen", lambda window: np.array([seen.append(window) or 0.0]), 1, 8000, 1.0, 1.0)
    embedder.embed(np.ones((2, 44100), np.float32), 44100)
    assert [window.shape for window in seen] == [(8000,)]


@pytest.mark.parametrize(
    ("function", "said"),
    [(lambda window: np.zeros(3), r"shape \(3,\) for a window, not \(2,\)"), (lambda window: [np.nan, 0], "NaN")],
)
def test_what_a_function_may_not_return(function, said: str) -> None:
    embedder = b2m.FunctionEmbedder("wrong", function, 2, 8000, 1.0, 1.0)
    with pytest.raises(b2m.InputError, match=said):
        embedder.embed(np.ones(8000, np.float32), 8000)


def test_an_embedder_is_listed_found_and_replaced() -> None:
    b2m.register_embedder("levels", make_levels, description="Peak and level", window_s=2.0)
    assert "Peak and level" in next(str(entry) for entry in list_embedders() if entry.name == "levels")
    assert b2m.get_embedder("levels").space.window_s == 2.0
    b2m.register_embedder("levels", make_levels, window_s=3.0)
    assert b2m.get_embedder("levels").space.window_s == 3.0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("logmel", "is an embedding of brain2music"),
        ("log-mel", "share its output files with logmel"),
        ("My Levels", "cannot be the name"),
        ("levels@0.5", "cannot be the name"),
        ("a/b", "cannot be the name"),
    ],
)
def test_names_that_are_refused(name: str, said: str) -> None:
    with pytest.raises(b2m.InputError, match=said):
        b2m.register_embedder(name, make_levels)
    assert name not in EMBEDDINGS or name == "logmel"


def test_an_embedder_of_another_name_is_refused() -> None:
    b2m.register_embedder("loudness", make_levels)
    with pytest.raises(b2m.InputError, match="registered as loudness calls itself levels"):
        b2m.get_embedder("loudness")


def test_what_is_no_embedder_is_refused() -> None:
    b2m.register_embedder("nothing", lambda window_s, step_s: None)
    with pytest.raises(b2m.InputError, match="make of nothing returned NoneType, which is no embedder"):
        b2m.get_embedder("nothing")


@pytest.mark.parametrize(
    ("register", "make", "said"),
    [
        (b2m.register_embedder, lambda: None, r"make\(window_s, step_s\): too many positional arguments"),
        (partial(b2m.register_embedder, depth=0.5), make_levels, r"make\(window_s, step_s, depth\)"),
        (b2m.register_codec, lambda kbps: None, r"make\(\): missing a required argument"),
        (b2m.register_generator, lambda: None, r"make\(device\): too many"),
    ],
)
def test_a_make_of_other_arguments_is_refused(register: Callable[..., None], make: object, said: str) -> None:
    with pytest.raises(b2m.InputError, match=said):
        register("mine", make)


@pytest.mark.parametrize(
    ("get", "kind"), [(b2m.get_embedder, "embedder"), (b2m.get_codec, "codec"), (b2m.get_generator, "generator")]
)
def test_an_unknown_name_says_how_models_are_registered(get: Callable[[str], object], kind: str) -> None:
    says = rf"there is no (embedding|codec|generator) 'mine'.*register_{kind} in \$BRAIN2MUSIC_PLUGINS"
    with pytest.raises(b2m.InputError, match=says):
        get("mine")


def test_a_depth_reaches_the_model() -> None:
    asked = []

    def make(window_s: float, step_s: float, depth: float) -> b2m.FunctionEmbedder:
        asked.append(depth)
        return b2m.FunctionEmbedder("layers", peak_and_level, 2, 8000, window_s, step_s)

    b2m.register_embedder("layers", make, depth=0.5)
    b2m.get_embedder("layers")
    b2m.get_embedder("layers@0.25")
    assert asked == [0.5, 0.25]


def test_a_module_that_the_environment_names_is_imported_by_commands(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.setenv(plugins.VARIABLE, str(tmp_path / "mine.py"))
    command = [sys.executable, "-c", "from brain2music.cli import main; main()", "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "The mean of a window" in done.stdout
    assert b2m.get_embedder("of-a-file").embed(np.ones(8000, np.float32), 8000).tolist() == [[1.0]]


def test_modules_are_found_by_import_name_too(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "mine_by_name.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "mine_by_name")
    assert b2m.get_embedder("of-a-file").space.dims == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine.py", "raise RuntimeError('no such card')", "RuntimeError: no such card"),
        ("gone.py", None, "there is no such module of models"),
        ("not_a_module", None, "cannot be imported"),
    ],
)
def test_a_module_at_fault_is_named(tmp_path: Path, monkeypatch, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    monkeypatch.setenv(plugins.VARIABLE, str(tmp_path / name) if name.endswith(".py") else name)
    for _ in range(2):  # the second time as well
        with pytest.raises(b2m.InputError, match=said):
            b2m.get_embedder("logmel")


class Halves:
    """A codec that halves the level, for want of anything better."""

    name, sample_rate, channels, kbps = "halves", 8000, 1, 128.0

    def encode(self, waveform: np.ndarray, sample_rate: int) -> Codes:
        return Codes(self.name, (np.atleast_1d(waveform) / 2)[:, None], len(waveform))

    def decode(self, codes: Codes) -> np.ndarray:
        return codes.values.T.astype(np.float32)


def test_a_codec_is_found_and_listed(tmp_path: Path) -> None:
    b2m.register_codec("halves", Halves, description="half as loud")
    codec = b2m.get_codec("halves")
    assert codec.decode(codec.encode(np.ones(4, np.float32), 8000)).tolist() == [[0.5] * 4]
    assert any(line.startswith("halves") and "half as loud" in line for line in list_codecs())
    with pytest.raises(b2m.InputError, match="is a codec of brain2music"):
        b2m.register_codec("soundstream-small", Halves)


class Silence:
    name, sha256, sample_rate = "silence", "none", 8000
    space = EmbeddingSpace("logmel", "1", "none", 96, 10.0, 1.5, 16000)

    def generate(self, embedding=None, text=None, *, seconds=15.0, seed=0, n_samples=1, first_item=0):
        return []


def test_a_generator_is_found() -> None:
    b2m.register_generator("silence", lambda device: Silence())
    assert isinstance(b2m.get_generator("silence"), Generator)
    assert any(line.startswith("silence ") and line.endswith("Generator: Registered") for line in list_generators())
    with pytest.raises(b2m.InputError, match="neither a codec nor a vocoder"):
        b2m.get_generator("silence", vocoder="hifigan")


def test_a_generator_without_abilities_has_those_of_its_methods_and_arguments() -> None:
    class Editing(Silence):
        def generate(self, embedding=None, like=None, *, seconds=15.0, steps=None, **more):
            return []

        def extend(self, sound, seconds, *, text=None, seed=0, guidance=None, steps=None, progress=None):
            return sound

    found = abilities_of(Editing())
    assert (found.conditions, found.edits, found.settings) == (("embedding", "sound"), ("continue",), ("steps",))
    assert abilities_of(Silence()).edits == abilities_of(Silence()).settings == ()
