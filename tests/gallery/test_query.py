"""Asking by example."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.embeddings import Embeddings, save_embeddings
from brain2music.gallery import Gallery, build_gallery, search_like, search_text, search_vector
from brain2music.models.embedders import get_embedder

from .conftest import Bands


@pytest.fixture
def gallery(music: Path, tmp_path: Path, embedder: Bands) -> Gallery:
    return build_gallery(music, tmp_path / "out", embedder, seconds=2.0)


def test_a_recording_finds_itself(gallery: Gallery, embedder: Bands) -> None:
    found = search_like(gallery, Path(gallery.tracks["path"].iloc[4]), 3, embedder)
    assert found["track"].iloc[0] == gallery.tracks["track"].iloc[4]
    assert found["cosine"].iloc[0] == pytest.approx(1, abs=1e-6)
    assert list(found["rank"]) == [1, 2, 3]


def test_the_registrys_embedder_is_taken_by_default(music: Path, tmp_path: Path) -> None:
    built = build_gallery(music, tmp_path / "out", get_embedder("logmel", 2.0, 0.5))
    other_step = get_embedder("logmel", 2.0, 1.0)
    for embedder in (None, other_step):  # means over windows meet, whatever the step between them
        found = search_like(built, Path(built.tracks["path"].iloc[2]), 1, embedder)
        assert found["track"].tolist() == [built.tracks["track"].iloc[2]]
    with pytest.raises(InputError, match="differ in window_s"):
        search_like(built, Path(built.tracks["path"].iloc[2]), 1, get_embedder("logmel", 1.0, 0.5))


def test_vectors_in_a_file_find_their_tracks(gallery: Gallery, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", gallery.vectors[5])
    assert search_vector(gallery, tmp_path / "one.npy", 2)["track"].iloc[0] == gallery.tracks["track"].iloc[5]
    np.save(tmp_path / "two.npy", gallery.vectors[[7, 1]].astype(np.float64))
    found = search_vector(gallery, tmp_path / "two.npy", 1)
    assert found["track"].tolist() == gallery.tracks["track"].iloc[[7, 1]].tolist()
    assert found["query"].tolist() == [0, 1]


def test_embeddings_in_a_file_find_their_tracks_in_their_space(gallery: Gallery, tmp_path: Path) -> None:
    vectors = np.stack([gallery.vectors[[7, 1]] - 0.1, gallery.vectors[[7, 1]] + 0.1], axis=1)
    save_embeddings(tmp_path / "two.parquet", Embeddings(vectors, ("a", "b"), gallery.space))
    found = search_vector(gallery, tmp_path / "two.parquet", 1)
    assert found["track"].tolist() == gallery.tracks["track"].iloc[[7, 1]].tolist()
    other = replace(gallery.space, sha256="0" * 64)
    save_embeddings(tmp_path / "other.parquet", Embeddings(vectors, ("a", "b"), other))
    with pytest.raises(InputError, match="differ in sha256"):
        search_vector(gallery, tmp_path / "other.parquet")


def test_nothing_is_like_silence(gallery: Gallery, tmp_path: Path, embedder: Bands) -> None:
    write_audio(tmp_path / "silence.wav", np.zeros(32000), 16000)
    with pytest.raises(InputError, match=r"silence\.wav: what is read of it is silent"):
        search_like(gallery, tmp_path / "silence.wav", 1, embedder)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.zeros((2, 5)), r"shape \(2, 5\), the gallery 8 dims"),
        (np.zeros((0, 8)), "shape"),
        (np.full(8, np.nan), "not finite"),
        (np.array(["a"] * 8), "not an array of numbers"),
        (np.array([None] * 8), "not a numpy array"),
    ],
)
def test_files_at_fault_are_named(value: np.ndarray, what: str, gallery: Gallery, tmp_path: Path) -> None:
    np.save(tmp_path / "query.npy", value)
    with pytest.raises(InputError, match=what) as caught:
        search_vector(gallery, tmp_path / "query.npy")
    assert caught.value.file == tmp_path / "query.npy"


def test_missing_and_other_files_are_named(gallery: Gallery, tmp_path: Path, embedder: Bands) -> None:
    (tmp_path / "text.npy").write_text("text")
    with pytest.raises(InputError, match=r"not a numpy array of numbers\. Save it"):
        search_vector(gallery, tmp_path / "text.npy")
    with pytest.raises(InputError, match="missing"):
        search_vector(gallery, tmp_path / "none.npy")
    with pytest.raises(InputError, match="missing"):
        search_like(gallery, tmp_path / "none.wav", 1, embedder)


def test_spaces_are_compared_by_their_weights(gallery: Gallery) -> None:
    class Other(Bands):
        space = replace(Bands.space, sha256="0" * 64)

    with pytest.raises(InputError, match="differ in sha256"):
        search_like(gallery, Path(gallery.tracks["path"].iloc[0]), 1, Other())


class _Words:
    """Text beside :class:`Bands`: a text is the number of a track, and lies where that track does."""

    space = Bands.space

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return np.stack([self.vectors[int(text)] for text in texts])


def test_a_text_finds_what_lies_nearest_by_plain_cosine(gallery: Gallery) -> None:
    found = search_text(gallery, "5", 3, _Words(np.asarray(gallery.vectors)))
    assert found["track"].iloc[0] == gallery.tracks["track"].iloc[5]
    unit = gallery.vectors / np.linalg.norm(gallery.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found["cosine"], np.sort(unit @ unit[5])[::-1][:3], atol=1e-5)


def test_a_gallery_of_sound_alone_cannot_be_asked_by_text(music: Path, tmp_path: Path) -> None:
    built = build_gallery(music, tmp_path / "out", get_embedder("logmel", 2.0, 0.5))
    with pytest.raises(InputError, match=r"logmel embeds sound only.*mulan-small"):
        search_text(built, "calm jazz", 3)
