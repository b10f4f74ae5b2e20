"""Our generators as they are listed: what is read from a folder is what the loaded model says of itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_arrays, write_arrays
from brain2music.audio.sound import licence_words
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.models.embedders import pull
from brain2music.models.generators import get_generator, list_generators
from brain2music.models.jen1 import JEN1, DiffusionConfig, OmniUNet, UNetConfig
from brain2music.models.jen1.latents import open_latents
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.own_generators import read_abilities
from brain2music.models.terms import FREE
from brain2music.weights import find


def line_of(name: str) -> str:
    return next(line for line in list_generators() if line.startswith(f"{name} "))


def describe_jen1(folder: Path, **changes: object) -> Path:
    settings = {"model": "JEN1", "codec": "jen1-autoencoder-small", "frame_rate": 125.0, "text": None}
    settings |= {"space": {"name": "any"}, **changes}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def test_the_folder_of_musiclm_small_says_what_the_model_says() -> None:
    assert read_abilities(find("musiclm-small")) == MusicLM.from_pretrained("musiclm-small").abilities


@pytest.mark.parametrize("text", [None, {"name": "letters", "dims": 12}])
def test_a_jen1_has_the_format_of_its_codec(tmp_path: Path, text: dict[str, object] | None) -> None:
    space = EmbeddingSpace("any", "1", "none", 128, 10.0, 1.0, 24000)
    latents = open_latents("jen1-autoencoder-small", None)
    network = OmniUNet(UNetConfig.size("tiny", latent_dim=128))
    model = JEN1(network, DiffusionConfig(), latents, space, None if text is None else "letters")
    assert (model.abilities.sample_rate, model.abilities.channels) == (48000, 2)
    assert ("text" in model.abilities.conditions) == (text is not None)
    folder = describe_jen1(tmp_path / "own", frame_rate=latents.sample_rate / latents.hop_length, text=text)
    assert read_abilities(folder) == model.abilities


def test_the_terms_of_the_space_bind_what_a_jen1_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    describe_jen1(tmp_path / "of-muq", space={"name": "muq-mulan"})
    assert "results: CC-BY-NC-4.0 (MuQ-MuLan), not for commercial use" in line_of("of-muq")
    space = EmbeddingSpace("muq-mulan", "1", "none", 128, 10.0, 1.0, 24000)
    network = OmniUNet(UNetConfig.size("tiny", latent_dim=128))
    model = JEN1(network, DiffusionConfig(), open_latents("jen1-autoencoder-small", None), space, None)
    (piece,) = model.generate(np.ones(128), seconds=1.0, steps=1)
    assert licence_words(piece.source) == "CC-BY-NC-4.0 (MuQ-MuLan), not for commercial use"


def test_the_terms_of_the_space_bind_what_a_musiclm_makes(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(find("musiclm-small"), tmp_path / "of-muq"))
    arrays, about = read_arrays(folder / "condition.safetensors")
    about["space"]["name"] = "muq-mulan"
    write_arrays(folder / "condition.safetensors", arrays, about)
    model = MusicLM.from_pretrained(folder)
    assert not model.abilities.commercial
    assert read_abilities(folder) == model.abilities
    saved = model.generate(np.ones(128), seconds=1.0)[0].save(tmp_path / "piece.wav").with_suffix(".json")
    assert json.loads(saved.read_text())["licence"] == "CC-BY-NC-4.0 (MuQ-MuLan), not for commercial use"
    assert read_abilities(find("musiclm-small")).terms == FREE


def test_ours_are_listed_with_the_facts_of_the_public_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    assert line_of("musiclm-small").startswith("musiclm-small          here    Generator: MusicLM, ours")
    for fact in (
        "Takes embedding, text, sound; edits: continue; makes 22.05 kHz mono of 1 to 600 s; results: yours;",
        "GB of memory; a GPU helps. Weights: part of brain2music, ",
        " MB",
    ):
        assert fact in line_of("musiclm-small")
    describe_jen1(tmp_path / "of-mine")
    assert line_of("of-mine").split()[1] == "here"
    assert "edits: fill, continue; makes 48 kHz stereo of 1 to 600 s; results: yours" in line_of("of-mine")
    assert str(tmp_path / "of-mine") in line_of("of-mine")


def test_one_that_is_not_trained_is_listed_with_the_command_that_trains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brain2music.weights.SHIPPED", tmp_path)
    monkeypatch.setattr("brain2music.models.sources.SHIPPED", tmp_path)
    command = "`brain2music train jen1 LATENTS OUT`"
    assert line_of("jen1-small").startswith("jen1-small             absent  Generator: JEN-1, ours")
    assert f"Weights: {command}, then copy OUT/model to $BRAIN2MUSIC_MODELS/jen1-small" in line_of("jen1-small")
    for use in (get_generator, pull):
        with pytest.raises(InputError, match="there is no trained jen1-small here") as refused:
            use("jen1-small")
        assert command in str(refused.value)


@pytest.mark.parametrize("changes", [{"codec": "gone"}, {"frame_rate": "fast"}, {"codec": None}])
def test_one_that_cannot_be_used_is_listed_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    describe_jen1(tmp_path / "broken", **changes)
    assert "It cannot be used: " in line_of("broken")
