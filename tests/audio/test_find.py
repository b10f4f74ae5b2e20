"""Finding sound files: links, circles, hidden and unread files, names that are not UTF-8."""

import os
from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.find import (
    AGAIN,
    DANGLING,
    HIDDEN,
    SPECIAL,
    UNREAD,
    describe_passed_over,
    find_audio,
    scan_folder,
)
from brain2music.audio.paths import as_path, as_text


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def names(files: list[Path], folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    music, store = tmp_path / "music", tmp_path / "store"
    touch(music / "a.wav", store / "objects" / "x.wav", store / "album" / "deep" / "y.mp3")
    (music / "b.wav").symlink_to(store / "objects" / "x.wav")
    (music / "album").symlink_to(store / "album")
    assert names(find_audio(music), music) == ["a.wav", "album/deep/y.mp3", "b.wav"]


def test_every_folder_is_read_once_by_its_own_name(tmp_path: Path) -> None:
    music = tmp_path / "music"
    touch(music / "rock" / "live" / "a.wav", tmp_path / "other" / "b.wav")
    links = {"all": music, "up": tmp_path, "aa": music / "rock", "rock/round": music / "rock", "rock/live/back": ".."}
    for name, target in links.items():
        (music / name).symlink_to(target)
    (music / "one").symlink_to(tmp_path / "other")
    (music / "two").symlink_to(tmp_path / "other")
    found = scan_folder(music)
    assert names(found.files, music) == ["one/b.wav", "rock/live/a.wav"]
    assert found.passed_over == sorted((music / name, AGAIN) for name in (*links, "two"))


def test_what_is_passed_over_is_kept_with_its_reason(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.wav", "._a.wav", "b.xyz", "c.xyz", "d", ".git/x.wav", "out/e.wav")))
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "self.wav").symlink_to("self.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    found = scan_folder(tmp_path, leave_out=[tmp_path / "out"])
    assert names(found.files, tmp_path) == ["a.wav"]
    reasons = {path.name: why for path, why in found.passed_over}
    assert reasons.pop("self.wav").startswith(UNREAD)
    unread = "whose suffix .xyz is not read"
    assert reasons == {
        **{"._a.wav": HIDDEN, ".git": HIDDEN, "gone.wav": DANGLING, "pipe.wav": SPECIAL},
        **{"b.xyz": unread, "c.xyz": unread, "d": "without a suffix"},
    }
    told = describe_passed_over(found.passed_over, tmp_path, names=1)
    assert "2 whose suffix .xyz is not read (b.xyz, …)" in told
    assert "1 a link that leads nowhere (gone.wav)" in told


def test_a_folder_of_other_files_says_what_it_holds(tmp_path: Path) -> None:
    touch(tmp_path / "a.xyz")
    with pytest.raises(InputError, match=r"no sound files \(passed over: 1 whose suffix \.xyz is not read \("):
        find_audio(tmp_path)


def test_names_that_are_not_utf8_are_found_and_can_be_shown(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/mod\x85.wav", "wb"):
        pass
    (file,) = find_audio(tmp_path)
    assert os.fsencode(file.name) == b"mod\x85.wav"
    assert as_text(file.name) == r"mod\x85.wav"
    assert as_path(as_text(file)) == file
    assert as_text("Ölung.wav") == "Ölung.wav"
    named = tmp_path / r"mod\x85.wav"
    named.touch()
    assert as_path(named) == named
