"""Bridges between embedding spaces: they find a planted map, say what is lost, and drive a generator behind them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.audio.sound import Reconstruction
from brain2music.cli import app
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.metrics.bridging import PairedSounds, build_bridge, measure_bridge, score_bridge
from brain2music.models.abilities import Abilities
from brain2music.models.bridges import Bridge, BridgedGenerator
from brain2music.models.registration import FunctionEmbedder, register_embedder, register_generator
from tests.models.registries import kept_registries

A = EmbeddingSpace("space-a", "1", "a" * 64, 12, 10.0, 1.5, 16000)
B = EmbeddingSpace("space-b", "1", "b" * 64, 8, 10.0, 1.5, 16000)


class Echo:
    """A generator whose sound is the embedding that it was given."""

    name, sha256, sample_rate, space = "echo", "c" * 64, 8000, B
    abilities = Abilities(("embedding", "text"), 8000)

    def generate(
        self, embedding=None, text=None, like=None, *, seconds=15.0, seed=0, n_samples=1, first_item=0, guidance=None
    ):
        if text is not None:
            return [Reconstruction(np.ones((1, 8), np.float32), 8000, {"text": text})]
        assert isinstance(embedding, Embeddings)
        self.space.require_same_means(embedding.space)
        return [
            Reconstruction(row[None], 8000, {"item": first_item + number, "draw": draw, "embedding": "space-b"})
            for number, row in enumerate(embedding.mean)
            for draw in range(n_samples)
        ]


@pytest.fixture
def sounds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """80 songs in two parts each; the second space is a linear function of the first."""
    songs = np.repeat(rng.normal(size=(80, 12)), 2, axis=0) + 0.3 * rng.normal(size=(160, 12))
    wanted = songs @ rng.normal(size=(12, 8)) * np.linspace(0.1, 3, 8) + 5.0
    return songs.astype(np.float32), wanted.astype(np.float32), np.repeat(np.arange(80), 2)


def paired(sounds: tuple[np.ndarray, np.ndarray, np.ndarray]) -> PairedSounds:
    return PairedSounds(A, B, sounds[0], sounds[1], tuple(map(str, sounds[2])))


def test_it_is_ridge_regression_of_standardised_dimensions(sounds, rng) -> None:
    given, wanted, songs = sounds
    noisy = (wanted + rng.normal(size=wanted.shape)).astype(np.float32)
    bridge = Bridge.fit(A, B, given, noisy, songs)
    standard = (given - given.mean(0)) / given.std(0)
    alphas = np.logspace(-1, 8, 20)
    peer = RidgeCV(alphas, alpha_per_target=True).fit(standard, noisy).predict(standard)
    relative = np.abs(bridge(given) - peer).max(axis=0) / noisy.std(axis=0)
    assert relative.max() < 0.05  # folds choose a neighbouring penalty for some targets


def test_held_out_songs_are_told_through_it_as_well_as_the_map_allows(sounds, rng) -> None:
    loss = measure_bridge(paired(sounds))
    assert loss.n == 80
    assert loss.bridged > 0.95
    assert loss.bridged_low < loss.bridged < loss.bridged_high
    assert loss.direct == pytest.approx(loss.bridged, abs=0.01)
    unrelated = rng.normal(size=(160, 12)).astype(np.float32), *sounds[1:]
    lost = measure_bridge(paired(unrelated))
    assert abs(lost.bridged - lost.chance) < 0.1
    assert lost.direct > 0.95
    assert abs(lost.correlation) < 0.1


def test_a_bridge_is_scored_on_other_music(sounds) -> None:
    given, wanted, songs = sounds
    bridge = Bridge.fit(A, B, given[:100], wanted[:100], songs[:100])
    other = PairedSounds(A, B, given[100:], wanted[100:], tuple(map(str, songs[100:])))
    loss = score_bridge(bridge, other)
    assert loss.n == 30
    assert loss.bridged > 0.95
    assert loss.correlation > 0.95


def test_a_curved_map_needs_the_nonlinear_kind(rng: np.random.Generator) -> None:
    given = rng.normal(size=(400, 3)).astype(np.float32)
    source = replace(A, dims=3)
    curved = np.stack([given[:, 0] * given[:, 1], given[:, 1] ** 2, np.abs(given[:, 2])] * 2, axis=1)
    target, songs = replace(B, dims=6), np.arange(400)
    train, test = slice(0, 350), slice(350, 400)
    errors = {}
    for kind in ("linear", "nonlinear", "auto"):
        bridge = Bridge.fit(source, target, given[train], curved[train], songs[train], kind)
        errors[kind] = float(((bridge(given[test]) - curved[test]) ** 2).mean() / curved[test].var(axis=0).mean())
        assert bridge.kind == ("linear" if kind == "linear" else "nonlinear")
    assert errors["linear"] > 0.9
    assert errors["nonlinear"] < 0.5
    assert errors["auto"] == errors["nonlinear"]


def test_vectors_have_the_length_of_their_space_where_it_has_one(sounds) -> None:
    given, wanted, songs = sounds
    unit = 3 * wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(Bridge.fit(A, B, given, unit, songs)(given), axis=1), 3, rtol=1e-5)
    assert Bridge.fit(A, B, given, wanted, songs).length is None


def test_a_constant_dimension_is_left_out(sounds) -> None:
    given, wanted, songs = sounds
    flat = given.copy()
    flat[:, 3] = 7.0
    bridge = Bridge.fit(A, B, flat, wanted, songs)
    moved = flat.copy()
    moved[:, 3] = 1e6
    np.testing.assert_array_equal(bridge(flat), bridge(moved))


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
def test_it_is_saved_and_read_whole(sounds, tmp_path: Path, kind) -> None:
    bridge = replace(Bridge.fit(A, B, *sounds, kind=kind), card={"songs": 80})
    read = Bridge.from_pretrained(bridge.save_pretrained(tmp_path / "bridge"))
    np.testing.assert_array_equal(read(sounds[0]), bridge(sounds[0]))
    assert (read.source, read.target, read.card, read.sha256) == (A, B, {"songs": 80}, bridge.sha256)
    (tmp_path / "bridge" / "model.safetensors").write_bytes(b"0" * 100)
    with pytest.raises(InputError, match="damaged"):
        Bridge.from_pretrained(tmp_path / "bridge")


def test_too_few_songs_are_refused(sounds) -> None:
    with pytest.raises(InputError, match="cannot be fitted to 7 songs"):
        Bridge.fit(A, B, sounds[0][:14], sounds[1][:14], sounds[2][:14])


def test_a_generator_behind_it_takes_the_other_space(sounds) -> None:
    bridge = Bridge.fit(A, B, *sounds)
    crossed = BridgedGenerator(Echo(), bridge)
    assert crossed.space == A
    embeddings = Embeddings(sounds[0][:3, None], ("x", "y", "z"), replace(A, step_s=3.0))
    made = crossed.generate(embeddings, n_samples=2, first_item=4)
    np.testing.assert_allclose(made[2].waveform[0], bridge(sounds[0])[1], rtol=1e-5)
    assert [piece.source["item"] for piece in made] == [4, 4, 5, 5, 6, 6]
    assert made[0].source["embedding"] == "space-a"
    assert made[2].source["name"] == "y"
    assert made[0].source["bridge"] == "space-a to space-b"
    assert made[0].source["bridge_sha256"] == bridge.sha256
    assert crossed.generate(text="a piano")[0].source == {"text": "a piano"}
    moved = Bridge.fit(A, B, sounds[0], 2 * sounds[1], sounds[2])
    assert BridgedGenerator(Echo(), moved).sha256 != crossed.sha256


def test_the_terms_of_the_space_it_leads_from_bind_what_is_made_across_it(sounds) -> None:
    bridge = Bridge.fit(replace(A, name="muq-mulan"), B, *sounds)
    crossed = BridgedGenerator(Echo(), bridge)
    assert not crossed.abilities.commercial
    assert crossed.generate(sounds[0][0])[0].source["licence"] == "CC-BY-NC-4.0 (MuQ-MuLan)"
    assert "licence" not in crossed.generate(text="a piano")[0].source


def test_the_command_generates_across_a_bridge(sounds, tmp_path: Path) -> None:
    bridge = Bridge.fit(A, B, *sounds)
    np.save(tmp_path / "decoded.npy", sounds[0][:2])
    command = ["generate", "--embedding-file", str(tmp_path / "decoded.npy"), "--rows", "items", "--generator", "echo"]
    command += ["--bridge", str(bridge.save_pretrained(tmp_path / "bridge")), "-o", str(tmp_path / "made.wav")]
    with kept_registries():
        register_generator("echo", lambda device: Echo())
        done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    source = json.loads((tmp_path / "made-2.json").read_text())["source"]
    assert source["bridge_sha256"] == bridge.sha256
    assert source["embedding"] == "space-a"


def test_what_only_the_generator_knows_passes_across(sounds) -> None:
    class InTime(Echo):
        abilities = replace(Echo.abilities, settings=("tempo",))

        def generate(self, *given, tempo: float = 100.0, **more) -> list:
            return [replace(each, source={**each.source, "tempo": tempo}) for each in super().generate(*given, **more)]

    bridge, embeddings = Bridge.fit(A, B, *sounds), Embeddings(sounds[0][:1, None], ("x",), A)
    assert BridgedGenerator(InTime(), bridge).generate(embeddings, tempo=150.0)[0].source["tempo"] == 150.0
    with pytest.raises(InputError, match=r"echo\+bridge takes no tempo"):
        BridgedGenerator(Echo(), bridge).generate(embeddings, tempo=150.0)


def test_the_steps_of_a_model_are_chosen_across_it(sounds) -> None:
    class InSteps(Echo):
        abilities = replace(Echo.abilities, settings=("steps",))

        def generate(self, *given, steps: int = 9, **more) -> list:
            return [replace(each, source={**each.source, "steps": steps}) for each in super().generate(*given, **more)]

    crossed = BridgedGenerator(InSteps(), Bridge.fit(A, B, *sounds))
    assert crossed.generate(sounds[0][0], steps=4)[0].source["steps"] == 4
    assert crossed.generate(text="a piano", steps=4)[0].source == {"text": "a piano", "steps": 4}
    with pytest.raises(InputError, match="takes no tempo"):
        crossed.generate(sounds[0][0], tempo=100.0)


def test_wrong_spaces_are_refused_by_name(sounds) -> None:
    bridge = Bridge.fit(A, B, *sounds)
    with pytest.raises(InputError, match=r"of space-b \(b{12}\), the generator takes space-a"):
        BridgedGenerator(Echo(), bridge).generate(Embeddings(sounds[1][:1, None], ("x",), B))
    back = Bridge.fit(B, A, sounds[1], sounds[0], sounds[2])
    with pytest.raises(InputError, match=r"the bridge leads to space-a .* but echo takes space-b") as refused:
        BridgedGenerator(Echo(), back)
    assert "brain2music models bridge space-b space-b MUSIC OUT" in str(refused.value)
    with pytest.raises(InputError, match="of space-b"):
        bridge.transform(Embeddings(sounds[1][:1, None], ("x",), B))
    assert bridge.transform(Embeddings(sounds[0][:4].reshape(2, 2, 12), ("x", "y"), A)).data.shape == (2, 2, 8)


@pytest.fixture
def music(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Twelve songs of noise, each of one colour, one that is too short, and one that is no sound."""
    folder = tmp_path / "music"
    folder.mkdir()
    for song in range(12):
        noise = rng.normal(size=8000 * 4)
        band = np.fft.irfft(np.fft.rfft(noise) * np.exp(-(((np.linspace(0, 12, len(noise) // 2 + 1)) - song) ** 2)))
        write_audio(folder / f"{song:02}.wav", (0.3 * band / np.abs(band).max()).astype(np.float32), 8000)
    write_audio(folder / "short.wav", np.full(8000, 0.1, np.float32), 8000)
    (folder / "broken.wav").write_bytes(b"nothing")
    return folder


def bands(window: np.ndarray, count: int = 12) -> np.ndarray:
    """Energy in equal bands of the spectrum."""
    return np.log1p([np.abs(part).mean() for part in np.array_split(np.fft.rfft(window), count)]).astype(np.float32)


@pytest.fixture
def two_embeddings() -> Iterator[None]:
    """Two embeddings under the names fine and coarse."""
    with kept_registries():
        for name, dims in (("fine", 12), ("coarse", 6)):

            def make(window_s: float, step_s: float, name: str = name, dims: int = dims) -> FunctionEmbedder:
                return FunctionEmbedder(name, partial(bands, count=dims), dims, 8000, window_s, step_s)

            register_embedder(name, make, window_s=2.0, step_s=1.0)
        yield


@pytest.mark.usefixtures("two_embeddings")
def test_the_command_builds_one_and_says_what_is_lost(music: Path, tmp_path: Path) -> None:
    command = ["models", "bridge", "fine", "coarse", str(music), str(tmp_path / "out"), "--part-s", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "identification through the bridge" in done.output
    assert "chance 0.5, 12 songs" in done.output
    bridge = Bridge.from_pretrained(tmp_path / "out")
    assert (bridge.source.name, bridge.target.name) == ("fine", "coarse")
    assert set(bridge.card["left_out"]) == {"short.wav", "broken.wav"}
    assert bridge.card["identification"]["n"] == bridge.card["songs"] == 12
    assert bridge.card["identification"]["bridged"] > 0.7
    assert bridge.card["parts"] == 24
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "is there already" in str(again.exception)
    inside_a_file = CliRunner().invoke(app, [*command[:4], str(music), str(music / "00.wav" / "out")])
    assert "not a folder to write into" in str(inside_a_file.exception)


@pytest.mark.usefixtures("two_embeddings")
def test_what_cannot_be_a_bridge_is_refused(music: Path) -> None:
    with pytest.raises(InputError, match="both sides of the bridge are coarse"):
        build_bridge("coarse", "coarse", music)
    with pytest.raises(InputError, match=r"needs 10 songs of 8 s or more, and there are 0; of 14 left out"):
        build_bridge("fine", "coarse", music, part_s=4.0)
    with pytest.raises(InputError, match=r"two parts of 61 s are more than the 120 s .* parts of 60 s or less"):
        build_bridge("fine", "coarse", music, part_s=61.0)
    with pytest.raises(InputError, match=r"elsewhere: there is no such folder"):
        build_bridge("fine", "coarse", music / "elsewhere")
    with pytest.raises(InputError, match="genre-onehot embeds labels or captions, not sound"):
        build_bridge("fine", "genre-onehot", music)


@pytest.mark.usefixtures("two_embeddings")
def test_songs_of_one_name_in_several_folders_are_told_apart(music: Path) -> None:
    for album in ("a", "b"):
        (music / album).mkdir()
        write_audio(music / album / "01.wav", np.full(8000, 0.1, np.float32), 8000)
    left_out = build_bridge("fine", "coarse", music, part_s=2.0).card["left_out"]
    assert set(left_out) == {"short.wav", "broken.wav", "a/01.wav", "b/01.wav"}
    assert left_out["b/01.wav"] == "it lasts 1.0 s"


@pytest.mark.usefixtures("two_embeddings")
def test_too_few_songs_are_refused_before_any_is_embedded(music: Path) -> None:
    for file in sorted(music.glob("0*.wav"))[:3]:
        file.unlink()
    embedded = []
    with pytest.raises(InputError, match=r"there are 9; of 2 left out, broken\.wav"):
        build_bridge("fine", "coarse", music, part_s=2.0, progress=lambda *done: embedded.append(done))
    assert not embedded
