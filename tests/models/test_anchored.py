"""Anchored generation: results that begin at what was retrieved, and say how near to it they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.audio.sound import Reconstruction
from brain2music.gallery.anchors import anchors_from
from brain2music.gallery.build import build_gallery
from brain2music.models.anchored import (
    Anchor,
    AnchoredGenerator,
    choose,
    encoding_likelihood,
    vary_sound,
    waveform_correlation,
)
from brain2music.models.embedders import get_embedder
from brain2music.models.generators import Generator
from brain2music.models.jen1.config import UNetConfig
from brain2music.models.jen1.diffusion import DiffusionConfig
from brain2music.models.jen1.latents import LatentCodec
from brain2music.models.jen1.model import JEN1
from brain2music.models.jen1.unet import OmniUNet

from .jen1.conftest import DIM, RATE, latents, music

__all__ = ["latents"]  # a fixture
SECONDS = 3.0


@pytest.fixture(scope="module")
def model(latents: LatentCodec) -> JEN1:
    """A network that predicts zeros: clean latents are the noisy ones, scaled, and little noise changes little."""
    torch.manual_seed(0)
    space = get_embedder("logmel").space
    network = OmniUNet(UNetConfig.size("tiny", DIM, 12, space.dims))
    diffusion = DiffusionConfig(sampling_steps=3, window_s=4.0, stride_s=2.0, guidance=1.0)
    return JEN1(network, diffusion, latents, space, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for number in range(3):
        write_audio(folder / f"{number}.wav", music(4.0, number) * (1 + number) / 4, RATE)
    return folder


def retrieve_from(folder: Path):
    def retrieve(vectors: np.ndarray) -> Sequence[Sequence[Anchor]]:
        return [[Anchor(folder / f"{first(row)}.wav", 0.9), Anchor(folder / "2.wav", 0.8)] for row in vectors]

    return retrieve


def first(vector: np.ndarray) -> int:
    return int(np.argmax(vector[:2]))


VECTORS = np.eye(96, dtype=np.float32)[:2, None]


@pytest.mark.parametrize("how", ["vary", "inpaint", "continue"])
def test_every_kind_gives_pieces_of_the_length_that_name_their_anchor(model: JEN1, folder: Path, how: str) -> None:
    anchored = AnchoredGenerator(model, retrieve_from(folder), how)
    assert isinstance(anchored, Generator)
    made = anchored.generate(VECTORS, seconds=SECONDS, n_samples=2, first_item=5)
    assert [each.source["anchor"] for each in made] == ["0.wav", "2.wav", "1.wav", "2.wav"]
    assert [each.source["item"] for each in made] == [5, 5, 6, 6]
    assert all(each.waveform.shape == (1, round(SECONDS * RATE)) for each in made)
    assert all(-1 <= each.source["anchor_similarity"] <= 1 for each in made)
    assert all(0 <= each.source["anchor_correlation"] <= 1 for each in made)
    again = anchored.generate(VECTORS[1:], seconds=SECONDS, n_samples=2, first_item=6)
    np.testing.assert_allclose(again[0].waveform, made[2].waveform, atol=1e-3)


def test_the_less_noise_the_nearer_to_the_anchor(model: JEN1, folder: Path) -> None:
    near = [
        AnchoredGenerator(model, retrieve_from(folder), "vary", strength).generate(VECTORS[:1], seconds=SECONDS)[0]
        for strength in (0.02, 1.0)
    ]
    similarities = [each.source["anchor_similarity"] for each in near]
    assert similarities[0] > 0.97
    assert similarities[0] > similarities[1]


def test_a_filled_anchor_keeps_its_ends(model: JEN1, folder: Path) -> None:
    anchored = AnchoredGenerator(model, lambda _: [[Anchor(folder / "0.wav", 0.9)]], "inpaint")
    made = anchored.generate(VECTORS[:1], seconds=SECONDS)[0]
    sound, _ = Anchor(folder / "0.wav", 0.9).sound(SECONDS)
    quarter = round(0.7 * SECONDS / 4 * RATE)
    assert np.array_equal(made.waveform[0, :quarter], sound[:quarter])
    assert np.array_equal(made.waveform[0, -quarter:], sound[-quarter:])
    assert made.source["anchor_correlation"] > 0.3


def test_what_is_filled_lies_between_the_beginning_of_one_anchor_and_the_end_of_the_next(
    model: JEN1, folder: Path
) -> None:
    made = AnchoredGenerator(model, retrieve_from(folder), "inpaint").generate(VECTORS[:1], seconds=SECONDS)[0]
    (first, _), (last, _) = (Anchor(folder / name, 0.9).sound(SECONDS) for name in ("0.wav", "2.wav"))
    quarter = round(0.7 * SECONDS / 4 * RATE)
    assert np.array_equal(made.waveform[0, :quarter], first[:quarter])
    assert np.array_equal(made.waveform[0, -quarter:], last[-quarter:])
    assert (made.source["anchor"], made.source["anchor_after"]) == ("0.wav", "2.wav")


@pytest.mark.parametrize(("how", "edit"), [("inpaint", "fill"), ("continue", "extend")])
def test_what_is_new_is_asked_for_by_the_embedding(
    model: JEN1, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str, edit: str
) -> None:
    asked, real = [], getattr(model, edit)
    monkeypatch.setattr(model, edit, lambda *args, embedding, **how: asked.append(embedding) or real(*args, **how))
    AnchoredGenerator(model, retrieve_from(folder), how).generate(VECTORS, seconds=SECONDS)
    np.testing.assert_allclose(asked, VECTORS[:, 0])


def test_digests_tell_apart_what_decides_the_result(model: JEN1, folder: Path) -> None:
    retrieve = retrieve_from(folder)
    made = [
        AnchoredGenerator(model, retrieve, "vary", 0.5),
        AnchoredGenerator(model, retrieve, "vary", 0.6),
        AnchoredGenerator(model, retrieve, "continue", 0.5),
        AnchoredGenerator(model, retrieve, "vary", 0.5, "another gallery"),
    ]
    assert len({each.sha256 for each in made}) == 4
    assert made[0].sha256 == AnchoredGenerator(model, retrieve, "vary", 0.5).sha256


def test_what_cannot_be_done_is_told(model: JEN1, folder: Path) -> None:
    class OnlyGenerates:
        name, sha256, sample_rate, space = "other", "0", RATE, model.space
        abilities = model.abilities

        def generate(self, **_: object) -> list[Reconstruction]:
            return []

    retrieve = retrieve_from(folder)
    with pytest.raises(InputError, match="other cannot vary"):
        AnchoredGenerator(OnlyGenerates(), retrieve, "vary")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="strength is 0"):
        AnchoredGenerator(model, retrieve, "vary", 0.0)
    with pytest.raises(InputError, match="retrieved by an embedding"):
        AnchoredGenerator(model, retrieve).generate(text="slow piano")
    with pytest.raises(InputError, match="nothing was retrieved"):
        AnchoredGenerator(model, lambda vectors: [[] for _ in vectors]).generate(VECTORS, seconds=SECONDS)
    with pytest.raises(InputError, match="longer than a window"):
        vary_sound(model, (music(6.0), RATE), torch.ones(96), 0.5)


def test_a_gallery_finds_anchors_and_none_that_are_excluded(model: JEN1, folder: Path, tmp_path: Path) -> None:
    gallery = build_gallery(folder, tmp_path / "gallery", get_embedder("logmel"))
    vectors = np.asarray(gallery.vectors, dtype=np.float32)
    found = anchors_from(gallery, 2)(vectors)
    assert [Path(each[0].file).name for each in found] == [Path(path).name for path in gallery.tracks["path"]]
    assert all(each[0].similarity > 0.999 and len(each) == 2 for each in found)
    without = anchors_from(gallery, 1, exclude=[gallery.tracks["track"][0]])(vectors)
    assert Path(without[0][0].file).name != Path(gallery.tracks["path"][0]).name
    made = AnchoredGenerator(model, anchors_from(gallery), "vary", 0.05).generate(vectors[:1, None], seconds=SECONDS)
    assert made[0].source["anchor_similarity"] > 0.95


def test_the_likeliest_piece_is_chosen_by_the_response_alone() -> None:
    embedder = get_embedder("logmel")
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((96, 20))
    pieces = [Reconstruction(music(3.0, seed)[None] * (seed + 1) / 4, RATE) for seed in range(4)]
    features = np.stack([embedder.embed(each.waveform[0], RATE).mean(axis=0) for each in pieces])
    for target in range(4):
        response = features[target] @ weights + 0.01 * rng.standard_normal(20)
        likelihood = encoding_likelihood(lambda rows: rows @ weights, embedder, response, np.full(20, 0.1))
        chosen, values = choose(pieces, likelihood)
        assert np.array_equal(chosen.waveform, pieces[target].waveform)
        assert int(np.argmax(values)) == target
        assert chosen.source["chosen_among"] == 4


def test_copies_correlate_and_other_music_does_not() -> None:
    one, other = music(3.0, 0), music(3.0, 1)
    assert waveform_correlation((one, RATE), (np.roll(one, 500) * 0.3, RATE)) > 0.9
    assert waveform_correlation((one, RATE), (other, RATE)) < 0.6
    assert waveform_correlation((one, RATE), (np.zeros(RATE, np.float32), RATE)) == 0.0
