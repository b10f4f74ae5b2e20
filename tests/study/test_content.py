"""Pages, pointers and links in place of content are told from content, with the command that fetches it."""

from pathlib import Path

import pytest

from brain2music import InputError
from brain2music.brain.volumes import open_image
from brain2music.study import Stimuli, check_study, read_study
from brain2music.study.content import foreign_content
from brain2music.study.study import Clip

from .tiny_study import SCANS, TinyStudy

KEY = "MD5E-s513884512--11926b3fc3f033f00b7c7ca1d3a74543.nii"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in &amp; continue</title></head></html>"
RUN = "task-Training_run-01"


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy(tmp_path / "bids")


def link(path: Path) -> None:
    """Make a link as git-annex does, to content that is not here."""
    path.unlink(missing_ok=True)
    path.symlink_to(f"../../.git/annex/objects/VK/Xz/{KEY}/{KEY}")


def of(path: Path) -> tuple[str, str, str]:
    found = foreign_content(path)
    assert found is not None
    return found.kind, found.what, found.hint


@pytest.mark.parametrize(
    ("text", "name", "kind", "says"),
    [
        (f"/annex/objects/{KEY}\n", "a.nii", "annex", "a pointer to content that git-annex has not fetched"),
        (f"../../.git/annex/objects/VK/Xz/{KEY}/{KEY}", "a.nii", "annex", "a pointer"),
        (LFS, "a.wav", "lfs", "git LFS has not fetched"),
        (PAGE, "a.nii.gz", "page", "a web page (Sign in & continue), saved under that name"),
        (f"\ufeff\n {PAGE}", "a.tsv", "page", "a web page"),
        ('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "a.nii", "page", "a web page (NoSuchKey)"),
        ('{"message": "Too many requests"}', "a.npy", "page", "an error message of a server (Too many requests)"),
        ('{"errors": [{"message": "Forbidden"}]}', "a.nii", "page", "Forbidden"),
        ("", "a.nii", "empty", "the file is empty"),
    ],
)
def test_what_is_no_content(text: str, name: str, kind: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = of(tmp_path / name)
    assert found[0] == kind
    assert says in found[1]
    assert found[2]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("onset\tduration\n0\t15\n", "a.tsv"),
        ('{"RepetitionTime": 1.5, "error": "none"}', "a.json"),
        ('{"RepetitionTime": 1.5}', "a.txt"),
        ('<?xml version="1.0"?><GIFTI/>', "a.surf.gii"),
        ("{ not JSON", "a.nii"),
        ("<b>", "a.tsv"),
        ("annex/objects", "README"),
    ],
)
def test_content_is_left_alone(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert foreign_content(tmp_path / name) is None


def test_the_command_is_that_of_the_data_set(tmp_path: Path) -> None:
    image = tmp_path / "my study" / "sub-01" / "func" / "a_bold.nii"
    image.parent.mkdir(parents=True)
    link(image)
    assert of(image)[2] == f"run `datalad get '{image}'`"
    (tmp_path / "my study" / ".git").mkdir()
    root = tmp_path / "my study"
    assert of(image)[2] == f"run `git -C '{root}' annex get sub-01/func/a_bold.nii`"
    (root / ".datalad").mkdir()
    assert of(image)[2] == f"run `datalad get -d '{root}' '{image}'`"
    image.unlink()
    image.write_text(LFS)
    assert of(image)[2] == f"run `git -C '{root}' lfs pull --include sub-01/func/a_bold.nii`"


def test_other_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.nii").symlink_to(tmp_path / "gone")
    assert "where nothing is" in of(tmp_path / "a.nii")[1]
    assert foreign_content(tmp_path / "no such file") is None


def test_images_that_were_not_fetched_are_named_with_one_command(tiny: TinyStudy) -> None:
    (tiny.root / ".datalad").mkdir()
    (tiny.root / ".git").mkdir()
    for name in SCANS:
        link(tiny.image(name))
    findings = check_study(tiny.root)
    missing = [each for each in findings if each.code == "image-missing"]
    assert {each.file for each in missing} == {tiny.image(name) for name in SCANS}
    assert all(f"datalad get -d {tiny.root} {each.file}" in each.hint for each in missing)
    (together,) = [each for each in findings if each.code == "content-unfetched"]
    assert together.what.startswith("3 files are links or pointers")
    assert together.hint == f"run `datalad get -d {tiny.root} {tiny.func}`"
    with pytest.raises(InputError, match="content that git-annex has not fetched"):
        read_study(tiny.root)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (f"/annex/objects/{KEY}\n", "image-missing", "git-annex"),
        (LFS, "image-missing", "git LFS"),
        (PAGE, "image-unreadable", "a web page (Sign in & continue), saved under that name"),
    ],
)
def test_what_stands_in_place_of_an_image_is_said(text: str, code: str, says: str, tiny: TinyStudy) -> None:
    tiny.image(RUN).write_text(text)
    (found,) = [each for each in check_study(tiny.root) if each.file == tiny.image(RUN)]
    assert (found.code, found.severity) == (code, "error")
    assert says in found.what
    with pytest.raises(InputError, match=r"git|page"):
        open_image(tiny.image(RUN))


@pytest.mark.parametrize("text", [f"/annex/objects/{KEY}\n", PAGE, ""], ids=["pointer", "page", "link"])
def test_tables_and_sidecars_too(text: str, tiny: TinyStudy) -> None:
    for path, code in ((tiny.events(RUN), "table-unreadable"), (tiny.sidecar(RUN), "sidecar-invalid")):
        before = path.read_text()
        if text:
            path.write_text(text)
        else:
            link(path)
        (found,) = [each for each in check_study(tiny.root) if each.file == path and each.code == code]
        assert "git-annex" in found.what or "a web page" in found.what
        path.unlink()
        path.write_text(before)


@pytest.mark.parametrize(("text", "code"), [(LFS, "audio-missing"), (PAGE, "audio-unreadable"), ("", "audio-missing")])
def test_recordings_too(text: str, code: str, tiny: TinyStudy) -> None:
    if text:
        tiny.track(1).write_text(text)
    else:
        link(tiny.track(1))
    found = [each for each in check_study(tiny.root) if each.file == tiny.track(1)]
    assert [each.code for each in found] == [code]
    with pytest.raises(InputError) as caught:
        Stimuli(tiny.root / "stimuli").waveform(Clip("jazz.00001", 0.5, 3.5, "jazz"))
    assert caught.value.what == found[0].what


def test_a_study_with_content_has_no_such_findings(tiny: TinyStudy) -> None:
    assert [each for each in check_study(tiny.root) if "unfetched" in each.code] == []
