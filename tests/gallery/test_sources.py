"""Several folders in one gallery: what is added, what leaves, what moves, and that contents decide."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import Brain2MusicWarning
from brain2music.gallery import Gallery, build_gallery

from .conftest import Bands, write_tone


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with files of the same names."""
    for number, name in enumerate(["A/x.wav", "A/sub/y.wav", "B/x.wav", "B/sub/y.wav", "B/z.wav"]):
        write_tone(tmp_path / name, 300 + 500 * number)
    return tmp_path / "A", tmp_path / "B"


def of_its_file(gallery: Gallery) -> None:
    """Every track's vector is that of the file at its path."""
    for row, path in enumerate(gallery.tracks["path"]):
        waveform, rate = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(gallery.vectors[row], Bands().embed(waveform, rate).mean(axis=0))


def test_a_second_folder_is_added_and_equal_names_stay_apart(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    build_gallery(folders[0], tmp_path / "out", embedder)
    both = build_gallery(folders[1], tmp_path / "out", embedder)
    assert list(both.tracks["track"]) == ["sub/y", "x", "B/sub/y", "B/x", "B/z"]
    assert embedder.calls == 5
    of_its_file(both)
    again = build_gallery(folders[0], tmp_path / "out", embedder)
    pd.testing.assert_frame_equal(again.tracks, both.tracks)
    assert embedder.calls == 5


def test_folders_of_one_name_get_more_of_their_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(folders[1], tmp_path / "C" / "B")
    for folder in (*folders, tmp_path / "C" / "B"):
        gallery = build_gallery(folder, tmp_path / "out", Bands())
    assert list(gallery.tracks["track"])[5:] == ["C/B/sub/y", "C/B/x", "C/B/z"]
    of_its_file(gallery)


def test_only_what_is_gone_from_the_folder_leaves_and_that_is_said(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    for folder in folders:
        build_gallery(folder, tmp_path / "out", embedder)
    (folders[0] / "x.wav").unlink()
    (folders[1] / "x.wav").unlink()
    with pytest.warns(Brain2MusicWarning, match=r"1 removed, for their files are gone \(.*/B/x\.wav\)"):
        gallery = build_gallery(folders[1], tmp_path / "out", embedder)
    assert list(gallery.tracks["track"]) == ["sub/y", "x", "B/sub/y", "B/z"]
    with pytest.warns(Brain2MusicWarning, match=r"1 removed, for their files are gone \(.*/A/x\.wav\)"):
        gallery = build_gallery(folders[1], tmp_path / "out", embedder, prune=True)
    assert list(gallery.tracks["track"]) == ["sub/y", "B/sub/y", "B/z"]


def test_a_folder_that_is_gone_stays_until_it_is_pruned(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    for folder in folders:
        build_gallery(folder, tmp_path / "out", embedder)
    shutil.rmtree(folders[0])
    with pytest.warns(Brain2MusicWarning, match="2 whose folder is gone, stay as they were; --prune removes them"):
        assert len(build_gallery(folders[1], tmp_path / "out", embedder)) == 5
    assert len(build_gallery(folders[1], tmp_path / "out", embedder, prune=True)) == 3


def test_a_folder_that_moved_keeps_its_tracks_and_their_ids(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    for folder in folders:
        before = build_gallery(folder, tmp_path / "out", embedder)
    folders[0].rename(tmp_path / "elsewhere")
    after = build_gallery(tmp_path / "elsewhere", tmp_path / "out", embedder)
    assert list(after.tracks["track"]) == list(before.tracks["track"])
    assert embedder.calls == 5
    of_its_file(after)


def test_a_folder_inside_another_holds_the_same_tracks(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    for folder in (folders[0], tmp_path / "A" / "sub", folders[0]):
        gallery = build_gallery(folder, tmp_path / "out", embedder)
        assert sorted(Path(path).name for path in gallery.tracks["path"]) == ["x.wav", "y.wav"]
        of_its_file(gallery)
    assert embedder.calls == 2


def test_files_that_changed_places_change_vectors(folders: tuple[Path, Path], tmp_path: Path, embedder: Bands) -> None:
    one, other = folders[0] / "x.wav", folders[0] / "sub" / "y.wav"
    for file in (one, other):
        os.utime(file, (1, 1))
    assert one.stat().st_size == other.stat().st_size
    build_gallery(folders[0], tmp_path / "out", embedder)
    one.rename(tmp_path / "t")
    other.rename(one)
    (tmp_path / "t").rename(other)
    of_its_file(build_gallery(folders[0], tmp_path / "out", embedder))
    shutil.copyfile(folders[1] / "x.wav", one)  # in place: the same inode, size and time of change
    os.utime(one, (1, 1))
    of_its_file(build_gallery(folders[0], tmp_path / "out", embedder))
    assert embedder.calls == 3


def test_equal_contents_are_embedded_once(folders: tuple[Path, Path], tmp_path: Path, embedder: Bands) -> None:
    shutil.copy(folders[0] / "x.wav", folders[0] / "copy.wav")
    (folders[0] / "link.wav").symlink_to("x.wav")
    gallery = build_gallery(folders[0], tmp_path / "out", embedder, keep_windows=True)
    assert embedder.calls == 2
    assert list(gallery.tracks["track"]) == ["copy", "link", "sub/y", "x"]
    np.testing.assert_array_equal(gallery.windows(0), gallery.windows(3))
    of_its_file(gallery)


def test_what_cannot_be_read_this_time_stays(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_gallery(folders[0], tmp_path / "out", embedder)
    scandir, opened = os.scandir, Path.open

    def failing_folder(path: str | Path) -> object:
        if str(path).endswith("/sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", failing_folder)
        with pytest.warns(Brain2MusicWarning, match="1 whose files cannot be read this time, stay as they were"):
            assert len(build_gallery(folders[0], tmp_path / "out", embedder)) == 2

    def failing_file(path: Path, *args: Any, **kwargs: Any) -> object:
        if path.name == "x.wav":
            raise OSError(5, "Input/output error")
        return opened(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing_file)
        with pytest.warns(Brain2MusicWarning, match="1 whose files cannot be read this time, stay as they were"):
            assert len(build_gallery(folders[0], tmp_path / "out", embedder)) == 2
    assert embedder.calls == 2


def test_corrected_titles_arrive_without_embedding_and_last(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    table = tmp_path / "table.tsv"
    table.write_text('file\ttitle\tlicence\nx.wav\t"Heroes"\tCC0\n')
    build_gallery(folders[0], tmp_path / "out", embedder, metadata=table)
    build_gallery(folders[1], tmp_path / "out", embedder)
    table.write_text('file\ttitle\tlicence\nx.wav\t"Heroes" (live)\tCC-BY-4.0\n')
    gallery = build_gallery(folders[0], tmp_path / "out", embedder)  # the table is that of the last time
    tracks = gallery.tracks.set_index("track")
    assert tracks.loc["x", ["title", "licence"]].tolist() == ['"Heroes" (live)', "CC-BY-4.0"]
    assert tracks.loc["B/x", ["title", "licence"]].tolist() == ["x", "unknown"]
    table.unlink()
    with pytest.warns(Brain2MusicWarning, match="titles and licences stay as they were"):
        gallery = build_gallery(folders[0], tmp_path / "out", embedder)
    pd.testing.assert_frame_equal(gallery.tracks.set_index("track"), tracks)
    assert embedder.calls == 5


def test_what_was_passed_over_is_said_and_listed_for_every_folder(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = folders[0] / "out"  # in the music itself: never looked into
    (folders[0] / "cover.jpg").touch()
    (folders[1] / "._x.wav").touch()
    (folders[1] / "bad.wav").write_text("no sound")
    with pytest.warns(Brain2MusicWarning, match=r"passed over: 1 whose suffix \.jpg is not read \(cover\.jpg\)"):
        build_gallery(folders[0], out, Bands())
    with pytest.warns(Brain2MusicWarning) as warned:
        build_gallery(folders[1], out, Bands())
    messages = [str(warning.message) for warning in warned]
    assert messages[0] == "passed over: 1 hidden (._x.wav)"
    assert messages[1].startswith("1 sound files could not be embedded (bad.wav: ")
    rejected = pd.read_csv(out / "rejected.tsv", sep="\t")
    assert list(rejected["path"]) == ["._x.wav", "bad.wav", "cover.jpg"]
    assert [Path(source).name for source in rejected["source"]] == ["B", "B", "A"]


def test_excluded_tracks_leave_and_a_pattern_of_none_is_warned_of(
    folders: tuple[Path, Path], tmp_path: Path, embedder: Bands
) -> None:
    build_gallery(folders[1], tmp_path / "out", embedder)
    with pytest.warns(Brain2MusicWarning) as warned:
        gallery = build_gallery(folders[1], tmp_path / "out", embedder, exclude=["z.wav", "sub/", "nothing*"])
    assert list(gallery.tracks["track"]) == ["x"]
    messages = " ".join(str(warning.message) for warning in warned)
    assert "no sound file is meant by exclude 'nothing*'" in messages
    assert "2 removed, for their files are left out now" in messages
