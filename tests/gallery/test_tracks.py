"""Metadata tables, genres from folders, ids, exclusions."""

from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.gallery.tracks import list_tracks

from .conftest import write_tone


def table(folder: Path, text: str, name: str = "table.tsv") -> Path:
    (folder / name).write_text(text, encoding="utf-8-sig")
    return folder / name


def test_metadata_is_found_by_path_stem_or_name(music: Path, tmp_path: Path) -> None:
    rows = "File\tTitle\tlicense\nblues/blues.00000.wav\tOne\tCC-BY\n"
    rows += "blues/blues.00001\tTwo\tCC0\nx.wav\tX\t\ny\t\tMIT\n"
    tracks = list_tracks(music, table(tmp_path, rows)).tracks.set_index("track")
    assert tracks.loc["blues/blues.00000", ["title", "licence", "genre"]].tolist() == [
        "One",
        "CC-BY",
        "blues",
    ]
    assert tracks.loc["blues/blues.00001", ["title", "licence"]].tolist() == ["Two", "CC0"]
    assert tracks.loc["album/x", ["title", "licence"]].tolist() == ["X", "unknown"]
    assert tracks.loc["album/y", ["title", "licence"]].tolist() == ["y", "MIT"]
    assert tracks.loc["rock/a", ["title", "licence", "artist"]].tolist() == ["a", "unknown", ""]


def test_a_csv_may_give_genre_and_artist(music: Path, tmp_path: Path) -> None:
    rows = 'file,artist,genre\nrock/a.wav,"Doe, J.",surf\n'
    tracks = list_tracks(music, table(tmp_path, rows, "table.csv")).tracks.set_index("track")
    assert tracks.loc["rock/a", ["artist", "genre"]].tolist() == ["Doe, J.", "surf"]
    assert tracks.loc["rock/b", "genre"] == "rock"


def test_files_that_would_share_an_id_keep_their_suffix(music: Path) -> None:
    write_tone(music / "rock" / "a.flac", 640)
    tracks = list(list_tracks(music).tracks["track"])
    assert {"rock/a.flac", "rock/a.wav", "rock/b"} <= set(tracks)
    assert len(tracks) == len(set(tracks))


def test_excluded_by_id_path_or_pattern(music: Path) -> None:
    tracks = set(list_tracks(music, exclude=["blues/*", "rock/a", "album/x.wav"]).tracks["track"])
    assert tracks == {"rock/b", "rock/c", "tango/tango.01", "album/y"}
    write_tone(music / "album" / "z [live].wav", 500)
    assert "album/z [live]" not in set(list_tracks(music, exclude=["album/z [live]"]).tracks["track"])
    with pytest.raises(InputError, match="every sound file is excluded"):
        list_tracks(music, exclude=["*"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sound\ttitle\nrock/a.wav\tA\n", "no column 'file'"),
        ("file\ttitle\nrock/q.wav\tA\n", "names none of the folder's sound files"),
        ("file\ttitle\nrock/a.wav\tA\nrock/a.wav\tB\n", "'rock/a.wav' is listed twice"),
        ("", "cannot be read"),
    ],
)
def test_tables_at_fault_are_named(text: str, what: str, music: Path, tmp_path: Path) -> None:
    file = table(tmp_path, text)
    with pytest.raises(InputError, match=what) as caught:
        list_tracks(music, file)
    assert caught.value.file == file


def test_a_single_sound_file_is_no_corpus(music: Path) -> None:
    with pytest.raises(InputError, match="a sound file, not a folder"):
        list_tracks(music / "rock" / "a.wav")


def test_an_absent_table_and_an_absent_folder_are_named(music: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file is missing"):
        list_tracks(music, tmp_path / "none.tsv")
    with pytest.raises(InputError, match="no such folder"):
        list_tracks(tmp_path / "none")
