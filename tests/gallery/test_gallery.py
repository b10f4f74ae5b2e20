"""Searching a gallery: identity, centring, spaces, filters, damage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json, write_json
from brain2music.gallery import Gallery, build_gallery

from .conftest import Bands


@pytest.fixture
def gallery(music: Path, tmp_path: Path, embedder: Bands) -> Gallery:
    table = tmp_path / "table.tsv"
    table.write_text("file\tartist\tlicence\nrock/a.wav\tAnn\tCC-BY-4.0\nrock/b.wav\tBob\tCC-BY-SA-3.0\n")
    return build_gallery(music, tmp_path / "out", embedder, metadata=table)


def test_a_gallery_is_printed_on_one_line(gallery: Gallery) -> None:
    assert repr(gallery) == f"<Gallery {gallery.root}: 9 tracks, {gallery.space.name} of the first 15 s>"


def test_a_track_retrieves_itself(gallery: Gallery) -> None:
    hits = gallery.nearest(np.array(gallery.vectors), 3, space=gallery.space)
    np.testing.assert_array_equal(hits.indices[:, 0], range(9))
    np.testing.assert_allclose(hits.cosines[:, 0], 1, atol=1e-6)
    assert (np.diff(hits.cosines, axis=1) <= 0).all()


@pytest.mark.parametrize("plain", [True, False])
def test_cosines_are_those_of_the_definition(plain: bool, gallery: Gallery, rng: np.random.Generator) -> None:
    queries = (gallery.vectors[:4] + rng.normal(size=(4, 8))).astype(np.float32)
    centre = 0 if plain else gallery.mean.astype(float)
    a, b = queries - centre, gallery.vectors - centre
    cosines = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    hits = gallery.nearest(queries, 9, space=gallery.space, **({"centre": 0.0} if plain else {}))
    np.testing.assert_allclose(hits.cosines, np.sort(cosines, axis=1)[:, ::-1], atol=1e-5)
    np.testing.assert_array_equal(hits.indices[:, 0], cosines.argmax(axis=1))


def test_centring_takes_the_shared_mean_out(gallery: Gallery) -> None:
    queries = np.array(gallery.vectors)
    plain = gallery.nearest(queries, 9, space=gallery.space, centre=0.0).cosines
    centred = gallery.nearest(queries, 9, space=gallery.space).cosines
    assert plain.min() > 0.9
    assert centred.min() < 0


def test_another_space_is_refused(gallery: Gallery) -> None:
    other = replace(gallery.space, sha256="f" * 64)
    with pytest.raises(InputError, match="differ in sha256"):
        gallery.nearest(np.array(gallery.vectors), space=other)


def test_filters_bound_what_is_found(gallery: Gallery) -> None:
    def tracks(**conditions: list[str]) -> set[str]:
        where = gallery.select(**conditions)
        hits = gallery.nearest(np.array(gallery.vectors[:2]), 9, space=gallery.space, where=where)
        assert hits.indices.shape == (2, where.sum())
        return set(gallery.tracks["track"].iloc[hits.indices[0]])

    assert tracks(licences=["cc-by*"]) == {"rock/a", "rock/b"}
    assert tracks(licences=["CC-BY-4.0"]) == {"rock/a"}
    assert tracks(genres=["rock"]) == {"rock/a", "rock/b", "rock/c"}
    assert tracks(genres=["Rock"], exclude_artists=["ann"]) == {"rock/b", "rock/c"}
    assert tracks(artists=["Bob"]) == {"rock/b"}
    assert tracks(exclude=["blues/*", "rock/a"]) == {
        "album/x",
        "album/y",
        "rock/b",
        "rock/c",
        "tango/tango.01",
    }
    with pytest.raises(InputError, match="no track passes"):
        tracks(genres=["polka"])


def test_hits_become_a_table(gallery: Gallery) -> None:
    table = gallery.ranked(gallery.nearest(np.array(gallery.vectors[3:5]), 2, space=gallery.space))
    assert table["query"].tolist() == [0, 0, 1, 1]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    assert table["track"].iloc[[0, 2]].tolist() == gallery.tracks["track"].iloc[3:5].tolist()
    assert Path(table["path"].iloc[0]).is_file()
    assert {"title", "artist", "genre", "licence", "start_s", "duration_s", "cosine"} <= set(table.columns)


def test_an_opened_gallery_equals_the_built_one(gallery: Gallery) -> None:
    opened = Gallery.open(gallery.folder)
    np.testing.assert_array_equal(opened.vectors, gallery.vectors)
    assert opened.space == gallery.space
    with pytest.raises(ValueError, match="read-only"):
        opened.vectors[0, 0] = 1


def test_queries_that_are_not_finite_are_refused(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="not finite"):
        gallery.nearest(np.full((1, 8), np.nan, np.float32), space=gallery.space)


@pytest.mark.parametrize("name", ["vectors.safetensors", "tracks.parquet"])
@pytest.mark.parametrize("kept", [0, 5, 100])
def test_damage_is_named(name: str, kept: int, gallery: Gallery) -> None:
    file = gallery.folder / "index-0001" / name
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match="cannot be read") as caught:
        Gallery.open(gallery.folder)
    assert caught.value.file == file


def test_what_is_not_a_gallery_is_named(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a gallery"):
        Gallery.open(tmp_path)
    description = gallery.folder / "gallery.json"
    write_json(description, {**read_json(description), "format": 99})
    with pytest.raises(InputError, match="gallery format 99 is not 3"):
        Gallery.open(gallery.folder)
