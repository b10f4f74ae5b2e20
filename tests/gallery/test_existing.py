"""Damage: what a build finds broken it makes again, says so, and never takes over."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.gallery import Gallery, build_gallery
from brain2music.gallery.storage import Store

from .conftest import Bands, write_tone


@pytest.fixture
def built(music: Path, tmp_path: Path) -> Path:
    """A gallery of two folders."""
    write_tone(tmp_path / "more" / "x.wav", 3700)
    build_gallery(music, tmp_path / "out", Bands(), keep_windows=True)
    build_gallery(tmp_path / "more", tmp_path / "out", Bands(), keep_windows=True)
    return tmp_path / "out"


def flip(file: Path, place: int) -> None:
    contents = bytearray(file.read_bytes())
    contents[place] ^= 1
    file.write_bytes(contents)


def same(one: Gallery, other: Gallery) -> None:
    pd.testing.assert_frame_equal(one.tracks, other.tracks)
    np.testing.assert_array_equal(one.vectors, other.vectors)
    for row in range(len(one)):
        np.testing.assert_array_equal(one.windows(row), other.windows(row))


@pytest.mark.parametrize("name", ["windows.safetensors", "vectors.safetensors", "tracks.parquet"])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_a_damaged_index_is_made_again(name: str, how: str, built: Path, music: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "whole")
    file = built / "index-0002" / name
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-50])
    elif how == "flipped":
        flip(file, -60)
    else:
        file.unlink()
    with pytest.raises(InputError):
        Gallery.open(built, check=True)
    embedder = Bands()
    with pytest.warns(Brain2MusicWarning, match=f"damaged, and made again: {name}"):
        mended = build_gallery(music, built, embedder, keep_windows=True)
    same(mended, Gallery.open(tmp_path / "whole"))
    same(Gallery.open(built, check=True), mended)
    assert embedder.calls == (0 if name == "vectors.safetensors" else 10)


def test_damage_never_gets_a_good_digest(built: Path, music: Path) -> None:
    whole = Gallery.open(built)
    before = np.array(whole.vectors)
    flip(built / "index-0002" / "windows.safetensors", -60)
    write_tone(music / "rock" / "new.wav", 3900)
    with pytest.warns(Brain2MusicWarning, match="made again"):
        more = build_gallery(music, built, Bands(), keep_windows=True)
    rows = [list(more.tracks["track"]).index(track) for track in whole.tracks["track"]]
    np.testing.assert_array_equal(more.vectors[rows], before)


@pytest.mark.parametrize("text", ["", '{"format": 3, "se', "[" * 100_000])
def test_a_damaged_description_is_made_again(text: str, built: Path, music: Path) -> None:
    (built / "gallery.json").write_text(text)
    with pytest.raises(InputError):
        Gallery.open(built)
    with pytest.warns(Brain2MusicWarning, match=r"gallery\.json is damaged; tracks of other folders have to be built"):
        assert len(build_gallery(music, built, Bands(), keep_windows=True)) == 9
    Gallery.open(built, check=True)


def test_what_is_not_a_gallery_is_left_alone(music: Path, tmp_path: Path) -> None:
    for text in ("not ours", '{"name": "mine"}', "[1]"):
        (tmp_path / "gallery.json").write_text(text)
        with pytest.raises(InputError):
            build_gallery(music, tmp_path, Bands())
        assert (tmp_path / "gallery.json").read_text() == text


def as_format_2(out: Path, music: Path) -> None:
    """Make a gallery what the format before made: files known by size and time, no sources."""
    tracks = pd.read_parquet(out / "index-0001" / "tracks.parquet")
    tracks.drop(columns=["source", "sha256"]).assign(modified_ns=1).to_parquet(out / "index-0001" / "tracks.parquet")
    description = json.loads((out / "gallery.json").read_text())
    description |= {"format": 2, "music": str(music)}
    del description["sources"]
    description["files"]["tracks.parquet"]["bytes"] = (out / "index-0001" / "tracks.parquet").stat().st_size
    (out / "gallery.json").write_text(json.dumps(description))


def test_a_gallery_of_the_format_before_is_read_and_embedded_anew(music: Path, tmp_path: Path) -> None:
    out, embedder = tmp_path / "out", Bands()
    new = build_gallery(music, out, embedder)
    as_format_2(out, music)
    old = Gallery.open(out)
    assert list(old.tracks["path"]) == list(new.tracks["path"])
    np.testing.assert_array_equal(old.vectors, new.vectors)
    with pytest.raises(InputError, match="of an earlier format"):
        build_gallery(music / "rock", out, embedder)
    with pytest.warns(Brain2MusicWarning, match="all are embedded again"):
        again = build_gallery(music, out, embedder)
    assert embedder.calls == 18
    pd.testing.assert_frame_equal(again.tracks, new.tracks)
    assert Store(out).names() == ["gallery.json", "index-0002", "rejected.tsv"]


def test_a_damaged_copy_of_object_storage_is_fetched_again(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.rm("/mended", recursive=True) if memory.exists("/mended") else None
    embedder = Bands()
    whole = build_gallery(music, "memory://mended/gallery", embedder)
    (copy,) = (tmp_path / "cache").rglob("*.safetensors")
    copied = copy.read_bytes()
    flip(copy, -1)
    build_gallery(music, "memory://mended/gallery", embedder)
    assert copy.read_bytes() == copied
    memory.pipe_file("/mended/gallery/index-0001/vectors.safetensors", copied[:-4])
    copy.unlink()
    with pytest.warns(Brain2MusicWarning, match="made again: vectors"):
        again = build_gallery(music, "memory://mended/gallery", embedder)
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    assert embedder.calls == 18
