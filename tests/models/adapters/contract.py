"""What every generator has to keep to, as tests that those of an adapter inherit.

A class of tests of an adapter derives from :class:`GeneratorContract` (and :class:`EditorContract`), and gives a
fixture ``generator`` made of toy weights whose zeros are redrawn, without which faults do not show.
"""

import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.sound import Reconstruction
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.models.abilities import Abilities
from brain2music.models.generator_protocols import Editor, Generator
from brain2music.models.generators import get_generator

LICENCE_KEYS = ("licence", "commercial")


def waves(pieces: Sequence[Reconstruction]) -> list[np.ndarray]:
    return [piece.waveform for piece in pieces]


def differ(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of two sounds, relative to the louder one's peak."""
    peak = max(float(np.abs(first).max()), float(np.abs(second).max()), 1e-30)
    return float(np.abs(first - second).max()) / peak


def block_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


class GeneratorContract:
    """Tests of a generator; settings of a subclass are below."""

    seconds: ClassVar[float] = 1.0
    lengths: ClassVar[tuple[float, ...]] = (1.0, 2.04)
    """Durations that are made exactly."""
    guidances: ClassVar[tuple[float | None, ...]] = (None,)
    """Guidances at each of which two conditions have to differ, and whose sounds have to differ."""
    texts: ClassVar[tuple[str, str]] = ("slow piano", "fast drums")
    unit: ClassVar[bool] = True
    """Whether the length of a vector means nothing."""
    foreign: ClassVar[tuple[str, ...]] = ()
    """Packages of the model's authors, which must not be imported."""
    least: ClassVar[float] = 1e-3
    """How far two sounds differ at least, relative to the peak."""
    rounding: ClassVar[float] = 1e-5
    """How far the same piece differs at most when it is computed beside others."""

    @pytest.fixture
    def generator(self) -> Generator:
        raise NotImplementedError

    def two(self, generator: Generator) -> dict[str, Any]:
        """Two items to make music of: embeddings, or texts where the generator takes none."""
        if generator.space is None:
            return {"text": list(self.texts)}
        vectors = np.random.default_rng(5).standard_normal((2, generator.space.dims)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return {"embedding": Embeddings(vectors[:, None], ("one", "two"), generator.space)}

    def one(self, generator: Generator, item: int = 0) -> dict[str, Any]:
        both = self.two(generator)
        if "text" in both:
            return {"text": both["text"][item]}
        return {"embedding": both["embedding"].mean[item]}

    def test_it_speaks_the_protocol(self, generator: Generator) -> None:
        assert isinstance(generator, Generator)
        abilities = generator.abilities
        assert isinstance(abilities, Abilities)
        assert generator.name
        assert generator.sha256
        assert ("embedding" in abilities.conditions) == (generator.space is not None)
        assert abilities.sample_rate == generator.sample_rate
        assert abilities.licence
        if abilities.edits:
            assert hasattr(generator, "extend") or hasattr(generator, "fill")

    def test_two_conditions_give_different_sounds(self, generator: Generator) -> None:
        for guidance in self.guidances:
            first, second = generator.generate(**self.two(generator), seconds=self.seconds, guidance=guidance)
            assert differ(first.waveform, second.waveform) > self.least, guidance

    def test_guidance_is_not_ignored(self, generator: Generator) -> None:
        made = [
            generator.generate(**self.one(generator), seconds=self.seconds, guidance=guidance)[0].waveform
            for guidance in self.guidances
        ]
        for number, (first, second) in enumerate(pairwise(made)):
            assert differ(first, second) > self.least, self.guidances[number : number + 2]

    def test_a_seed_gives_the_same_bytes_and_another_seed_others(self, generator: Generator) -> None:
        asked = {**self.one(generator), "seconds": self.seconds}
        first, again, other = (generator.generate(**asked, seed=seed)[0].waveform for seed in (3, 3, 4))
        assert first.tobytes() == again.tobytes()
        assert differ(first, other) > self.least

    def test_a_piece_is_the_same_alone_and_among_others(self, generator: Generator) -> None:
        both = waves(generator.generate(**self.two(generator), seconds=self.seconds, seed=2, n_samples=2))
        assert len(both) == 4
        assert differ(both[0], both[1]) > self.least
        (alone,) = waves(generator.generate(**self.one(generator), seconds=self.seconds, seed=2))
        assert differ(alone, both[0]) < self.rounding
        made = generator.generate(**self.one(generator, 1), seconds=self.seconds, seed=2, n_samples=2, first_item=1)
        assert [differ(one, other) < self.rounding for one, other in zip(waves(made), both[2:], strict=True)] == [
            True,
            True,
        ]

    def test_another_space_is_refused_by_name(self, generator: Generator) -> None:
        if (space := generator.space) is None:
            with pytest.raises(InputError, match="makes no music from an embedding"):
                generator.generate(embedding=np.ones(8, np.float32), seconds=self.seconds)
            return
        vectors = np.ones((1, 1, space.dims), np.float32)
        others: tuple[EmbeddingSpace, ...] = (
            replace(space, name="another-space"),
            replace(space, version="another"),
            replace(space, sha256="f" * 64),
        )
        for other in others:
            with pytest.raises(InputError, match=f"the embedding is of {other.name}"):
                generator.generate(embedding=Embeddings(vectors, ("a",), other), seconds=self.seconds)
        with pytest.raises(InputError, match=f"where {space.name} has {space.dims} dimensions"):
            generator.generate(embedding=np.ones(space.dims + 1, np.float32), seconds=self.seconds)

    def test_what_is_no_vector_is_told(self, generator: Generator) -> None:
        if generator.space is None:
            return
        vector = np.ones(generator.space.dims, np.float32)
        for wrong in (vector * np.nan, vector * 0, vector[:0]):
            with pytest.raises(InputError):
                generator.generate(embedding=wrong, seconds=self.seconds)

    def test_the_length_of_a_vector_means_nothing(self, generator: Generator) -> None:
        if generator.space is None or not self.unit:
            return
        vector = self.one(generator)["embedding"]
        first, second = (
            generator.generate(embedding=scale * vector, seconds=self.seconds)[0].waveform for scale in (1.0, 7.0)
        )
        assert differ(first, second) < 1e-4

    def test_exactly_one_condition_is_taken_and_others_are_told(self, generator: Generator) -> None:
        one = self.one(generator)
        given = {"embedding": np.ones(4), "text": "a text", "like": (np.zeros(16000, np.float32), 16000)}
        with pytest.raises(InputError, match="give"):
            generator.generate(seconds=self.seconds)
        second = "text" if "embedding" in one else "like"
        if "JEN1" not in type(generator).__name__:  # which takes a text beside an embedding
            with pytest.raises(InputError, match=r"(?i)exactly one"):
                generator.generate(**one, **{second: given[second]}, seconds=self.seconds)
        taken = {"sound": "like", "melody": "like"}
        able = {taken.get(kind, kind) for kind in generator.abilities.conditions}
        for argument in given.keys() - able:
            with pytest.raises(InputError, match=r"(?i)give "):
                generator.generate(**{argument: given[argument]}, seconds=self.seconds)

    def test_lengths_are_exact_and_limits_are_told(self, generator: Generator) -> None:
        abilities = generator.abilities
        for seconds in self.lengths:
            (piece,) = generator.generate(**self.one(generator), seconds=seconds)
            assert piece.waveform.shape[1] == round(seconds * generator.sample_rate)
        longest = abilities.longest_s if abilities.fixed_s is None else abilities.fixed_s
        for seconds in (0.0, -1.0, float("nan"), abilities.shortest_s / 2, longest + 1):
            if seconds == float("inf"):
                continue
            with pytest.raises(InputError, match=r"s of music|no number"):
                generator.generate(**self.one(generator), seconds=seconds)

    def test_numbers_out_of_range_are_told(self, generator: Generator) -> None:
        one = self.one(generator)
        for wrong in ({"seed": -1}, {"n_samples": 0}, {"guidance": -0.5}, {"guidance": float("nan")}):
            with pytest.raises(InputError):
                generator.generate(**one, seconds=self.seconds, **wrong)  # type: ignore[arg-type]

    def test_settings_that_it_does_not_have_are_told(self, generator: Generator) -> None:
        asked = {**self.one(generator), "seconds": self.seconds}
        wrong: dict[str, tuple[Any, str]] = {"steps": (0, "0 sampling steps"), "tempo": (20.0, "beat")}
        if "steps" not in generator.abilities.settings:
            wrong["steps"] = (3, "samples without steps")
        if "tempo" not in generator.abilities.settings:
            wrong["tempo"] = (100.0, "takes no tempo")
        for setting, (value, match) in wrong.items():
            with pytest.raises(InputError, match=match):
                generator.generate(**asked, **{setting: value})

    def test_sound_is_as_declared_and_says_where_it_is_from(self, generator: Generator) -> None:
        (piece,) = generator.generate(**self.one(generator), seconds=self.seconds, seed=6)
        assert piece.sample_rate == generator.abilities.sample_rate
        assert piece.waveform.dtype == np.float32
        assert len(piece.waveform) == generator.abilities.channels
        assert 0 < np.abs(piece.waveform).max() <= 1.0
        assert np.std(piece.waveform) > 1e-4 * np.abs(piece.waveform).max()
        source = piece.source
        assert source["seed"] == 6
        assert (source["item"], source["draw"]) == (0, 0)
        assert source["checkpoint_sha256"] == generator.sha256
        assert {"generator", "checkpoint", "version"} <= source.keys()

    def test_nothing_foreign_is_imported_and_the_network_is_left_alone(
        self, generator: Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        block_sockets(monkeypatch)
        generator.generate(**self.one(generator), seconds=self.seconds)
        assert [name for name in self.foreign if name in sys.modules] == []


class EditorContract:
    """Tests of a generator that edits; ``generator`` as for :class:`GeneratorContract`."""

    recording_s: ClassVar[float] = 4.0
    region: ClassVar[tuple[float, float]] = (1.5, 2.5)

    @pytest.fixture
    def generator(self) -> Generator:
        raise NotImplementedError

    def recording(self, rate: int, channels: int = 2) -> np.ndarray:
        time = np.arange(round(self.recording_s * rate)) / rate
        tones = [np.sin(2 * np.pi * (220 + 40 * c) * time) * (1 + np.sin(6 * time)) / 5 for c in range(channels)]
        return np.stack(tones).astype(np.float32)

    def test_it_is_an_editor(self, generator: Any) -> None:
        assert isinstance(generator, Editor)

    def test_a_region_is_filled_and_the_rest_is_kept(self, generator: Any) -> None:
        rate = generator.sample_rate
        recording = self.recording(rate)
        made = generator.fill((recording, rate), [self.region], seed=1, n_samples=2)
        assert len(made) == 2
        first, last = (round(second * rate) for second in self.region)
        seam = round(0.011 * rate)
        for piece in made:
            assert piece.sample_rate == rate
            assert piece.waveform.shape == recording.shape
            assert np.array_equal(piece.waveform[:, : first - seam], recording[:, : first - seam])
            assert np.array_equal(piece.waveform[:, last + seam :], recording[:, last + seam :])
            assert differ(piece.waveform[:, first:last], recording[:, first:last]) > 0.01
            for edge in (first - seam, first, last, last + seam):
                near = piece.waveform[:, edge - rate // 20 : edge + rate // 20]
                step = np.abs(np.diff(piece.waveform[:, edge - 2 : edge + 2])).max()
                assert step < 2 * np.sqrt(np.mean(near**2)) + 1e-3
        assert differ(*(piece.waveform[:, first:last] for piece in made)) > 1e-3
        again = generator.fill((recording, rate), [self.region], seed=1)[0]
        assert again.waveform.tobytes() == made[0].waveform.tobytes()

    def test_edits_say_how_far_they_are_and_which_settings_they_lack(self, generator: Any) -> None:
        rate, calls = generator.sample_rate, list[tuple[int, int]]()
        recording = (self.recording(rate), rate)
        generator.fill(recording, [self.region], n_samples=2, progress=lambda *call: calls.append(call))
        assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
        assert {total for _, total in calls} == {len(calls)}
        assert len(calls) >= 2
        calls.clear()
        generator.extend(recording, 1.0, progress=lambda *call: calls.append(call))
        assert calls[-1] == (len(calls), len(calls))
        steps, match = (0, "0 sampling") if "steps" in generator.abilities.settings else (3, "without steps")
        for edit in (
            lambda: generator.fill(recording, [self.region], steps=steps),
            lambda: generator.extend(recording, 1.0, steps=steps),
        ):
            with pytest.raises(InputError, match=match):
                edit()

    def test_regions_that_cannot_be_filled_are_told(self, generator: Any) -> None:
        rate = generator.sample_rate
        recording = (self.recording(rate), rate)
        for regions in ([], [(2.0, 2.0)], [(1.0, 1.001)], [(-1.0, 1.0)], [(1.0, 99.0)], [(1.0, 2.0), (1.5, 3.0)]):
            with pytest.raises(InputError):
                generator.fill(recording, regions)

    def test_a_recording_is_continued_and_kept(self, generator: Any) -> None:
        rate = generator.sample_rate
        recording = self.recording(rate)
        piece = generator.extend((recording, rate), 2.0, seed=1)
        assert piece.sample_rate == rate
        assert piece.waveform.shape[1] == recording.shape[1] + 2 * rate
        assert np.array_equal(piece.waveform[:, : recording.shape[1]], recording)
        assert np.abs(piece.waveform[:, recording.shape[1] :]).max() > 0


def check_absent(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *named: str) -> None:
    """Where no weights are here, one line names what is missing (``named``: hub id, command)."""
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "no-models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))
    block_sockets(monkeypatch)
    with pytest.raises(InputError) as caught:
        get_generator(name)
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in named if word not in line] == [], line


def check_digest(load: Callable[[], Generator], files: Sequence[Path], change: Callable[[Path], None]) -> None:
    """The digest of a generator changes with every file that decides what it makes; files are put back."""
    own = load().sha256
    assert load().sha256 == own
    for file in files:
        content = file.read_bytes()
        change(file)
        assert load().sha256 != own, file.name
        file.write_bytes(content)
