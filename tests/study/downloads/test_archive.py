"""Archives from elsewhere: whole ones are unpacked as zipfile does, evil and damaged ones are refused as a whole."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brain2music import InputError
from brain2music.study.downloads.archive import list_members, unpack

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def make(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, body in files.items():
            opened.writestr(name, body)
    return path


def unpacked(archive: Path, folder: Path) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    unpack(archive, folder, list_members(archive), lambda done, total: None)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", METHODS)
def test_files_are_those_of_the_archive(method: int, tmp_path: Path, rng: np.random.Generator) -> None:
    files = {"a/b/c.mp3": rng.bytes(100_000), "empty": b"", "names with ü/ä b.csv": b"x" * 1000}
    archive = make(tmp_path / "a.zip", files, method)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.mkdir("folder")
    assert unpacked(archive, tmp_path / "out") == files


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "C:/evil", "~/evil", "a/.git/hooks/evil", "nul", "a\nb"]
)
def test_paths_that_lead_elsewhere_refuse_the_archive(name: str, tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"good": b"x", name: b"evil"})
    with pytest.raises(InputError, match="leads out of the folder or is no plain name"):
        unpacked(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as opened:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(entry, "/etc/passwd")


def bomb(path: Path) -> None:
    make(path, {"zeros": bytes(200 << 20)})


def sharing(path: Path) -> None:
    """Two entries of one file's bytes, as in bombs that do not nest."""
    body = bytearray(make(path, {"aaaa": b"x" * 1000, "bbbb": b"y" * 1000}, zipfile.ZIP_STORED).read_bytes())
    second = body.rindex(b"PK\x01\x02")
    struct.pack_into("<I", body, second + 42, 0)
    path.write_bytes(bytes(body))


def encrypted(path: Path) -> None:
    body = bytearray(make(path, {"a": b"x"}).read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(body))


def twice(path: Path) -> None:
    make(path, {"Song.mp3": b"x", "song.mp3": b"y"})


def in_a_file(path: Path) -> None:
    make(path, {"a": b"x", "a/b": b"y"})


def other_method(path: Path) -> None:
    body = bytearray(make(path, {"a": b"x" * 100}).read_bytes())
    struct.pack_into("<H", body, body.index(b"PK\x01\x02") + 10, 95)
    path.write_bytes(bytes(body))


@pytest.mark.parametrize(
    ("evil", "says"),
    [
        (link, "a link or a device"),
        (bomb, "is implausible: .* would become 209.7 MB"),
        (sharing, "share bytes"),
        (encrypted, "is encrypted"),
        (twice, "two files there are called"),
        (in_a_file, "in a folder that is a file"),
        (other_method, "method 95"),
        (lambda path: path.write_bytes(b"<html><title>Busy</title></html>"), "no intact zip archive"),
        (lambda path: path.write_bytes(b""), "no intact zip archive"),
    ],
)
def test_evil_archives_are_refused(evil: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    evil(tmp_path / "a.zip")
    with pytest.raises(InputError, match=says):
        list_members(tmp_path / "a.zip")


def test_damage_is_found_and_what_was_unpacked_before_stays(tmp_path: Path, rng: np.random.Generator) -> None:
    files = {"a": rng.bytes(1000), "b": rng.bytes(1000)}
    body = bytearray(make(tmp_path / "a.zip", files, zipfile.ZIP_STORED).read_bytes())
    body[body.index(files["b"]) + 500] ^= 1
    (tmp_path / "a.zip").write_bytes(bytes(body))
    with pytest.raises(InputError, match="b in the archive is damaged"):
        unpacked(tmp_path / "a.zip", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a": files["a"]}


def test_a_size_that_is_not_true_is_found(tmp_path: Path) -> None:
    """An entry that promises fewer bytes than it has is not unpacked beyond them, and its checksum fails."""
    body = bytearray(make(tmp_path / "a.zip", {"a": b"x" * 100_000}).read_bytes())
    struct.pack_into("<I", body, body.index(b"PK\x01\x02") + 24, 10)
    (tmp_path / "a.zip").write_bytes(bytes(body))
    with pytest.raises(InputError, match="damaged"):
        unpacked(tmp_path / "a.zip", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_unpacking_continues(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"a": b"new a", "b": b"new b"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"old a")  # of the same size: taken for unpacked
    (tmp_path / "out" / "b").write_bytes(b"b")
    assert unpacked(archive, tmp_path / "out") == {"a": b"old a", "b": b"new b"}


def test_links_in_the_folder_are_not_followed_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="a link leads from"):
        unpacked(make(tmp_path / "a.zip", {"a/b": b"x"}), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_room_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make(tmp_path / "a.zip", {"a": bytes(10_000)})
    monkeypatch.setattr("brain2music.study.downloads.archive.free_bytes", lambda _: 100)
    with pytest.raises(InputError, match=r"10\.0 kB are to be unpacked, and 100 bytes are free"):
        unpacked(archive, tmp_path / "out")


def test_archives_that_are_truncated_at_any_byte_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("a", rng.bytes(500))
    whole = buffer.getvalue()
    for size in range(0, len(whole), 37):
        (tmp_path / "a.zip").write_bytes(whole[:size])
        with pytest.raises(InputError, match="no intact zip archive"):
            list_members(tmp_path / "a.zip")
