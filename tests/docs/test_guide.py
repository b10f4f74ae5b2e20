"""The user guide is right: its blocks run, its links lead somewhere, and what is not run has a reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brain2music.models.catalogue import EMBEDDINGS

from ..models.registries import kept_registries
from .guide_material import NAMES, make_material, make_small
from .guide_pages import EXECUTED, GUIDE, NOT_EXECUTED, blocks, commands, execute, parse

PAGES = sorted(path for path in GUIDE.glob("*.md"))
_LINK = re.compile(r"\]\((?P<file>[^)#:\s]*\.md)?(?:#(?P<anchor>[\w-]+))?\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)

needs_mulan = pytest.mark.skipif(
    not EMBEDDINGS["mulan-small"].available(), reason="the wheels of musicnn and of the sentence encoder are needed"
)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    make_material(folder)
    return folder


@pytest.fixture
def reader(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A reader's folder, as the working folder, with the material in it."""
    for name in NAMES:
        (tmp_path / name).symlink_to(material / name)
    make_small(monkeypatch, material)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with kept_registries():
        yield tmp_path


@needs_mulan
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_page_run(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(page, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_are_of_known_kinds_and_what_is_not_run_has_a_reason(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = list(blocks(page))
    assert len(found) == len(re.findall("^```", text, re.MULTILINE)) / 2
    assert {block.kind for block in found} <= {*EXECUTED, *NOT_EXECUTED}
    allowed = {"python": {"", "not run"}, "console": {"", "parsed only"}}
    for block in found:
        assert block.directive in allowed.get(block.kind, {""}), f"{page.name}:{block.line}"
    assert text.count("<!--") == sum(bool(block.directive) for block in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_headings(page: Path) -> None:
    for link in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / link["file"]).resolve() if link["file"] else page
        assert target.is_file(), link[0]
        if link["anchor"]:
            assert link["anchor"] in anchors(target), link[0]


def test_the_index_lists_every_page() -> None:
    listed = next(block.text for block in blocks(GUIDE / "index.md") if block.kind == "{toctree}").split()
    assert {f"{name}.md" for name in listed[2:]} == {page.name for page in PAGES} - {"index.md"}


def test_pages_show_python_and_commands() -> None:
    for page in PAGES:
        kinds = {block.kind for block in blocks(page)}
        assert page.stem == "index" or {"python", "console"} <= kinds, page.name


@pytest.mark.parametrize("command", ["run A B participant --no-such-option", "rum", "encode", "run A B nobody"])
def test_parsing_refuses_what_a_shell_would_refuse(command: str) -> None:
    with pytest.raises(Exception, match=r"No such option|there is no command|Missing parameter|is not one of"):
        parse(command.split())


def test_continued_commands_are_one() -> None:
    found = commands("$ brain2music run A \\\n    B\noutput\n$ export X=1\n")
    assert [command.split() for command in found] == [["brain2music", "run", "A", "B"], ["export", "X=1"]]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and code hosts make them."""
    titles = (title["title"].lower() for title in _HEADING.finditer(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}
