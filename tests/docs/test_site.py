"""The check of the built site finds dead links, and the pages that are written by hand keep up with the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import check_site
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [
    path
    for path in DOCS.rglob("*.md")
    if not {"_build", "_generated", "examples"} & set(path.relative_to(DOCS).parts) and path.name != "benchmarks.md"
]
"""The pages that are written by hand."""
HOSTS = {"arxiv.org", "doi.org", "filesystem-spec.readthedocs.io", "nilearn.github.io"}
"""Where links of the written pages lead; ``make linkcheck`` opens them."""
OTHERS = {
    *("--array", "--cpus-per-task", "--mem", "--time", "--nthreads", "--nworkers"),
    *("--exclusive", "--mem-per-cpu", "--ntasks", "--scheduler-file"),
    *("--force-reinstall", "--no-deps", "--recorded"),
}
"""Options on the written pages that are of Slurm, Dask, pip and recipes."""
FINDERS = {"Finding", "StimulusError", "_attempt", "error", "read_json_object", "report", "several", "warning"}
"""Functions that take the code of a finding."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text('<a href="page.html#here">x</a><a href="https://arxiv.org/abs/1">y</a>')
    (tmp_path / "page.html").write_text('<p id="here">z</p><a href="index.html">back</a><img src="a.png">')
    (tmp_path / "a.png").write_bytes(b"")
    return tmp_path


def faults(site: Path) -> list[str]:
    """What is wrong besides the names that this small site does not have."""
    return [fault for fault in check_site.site_faults(site) if "has no place" not in fault]


def test_a_sound_site_has_no_faults(site: Path) -> None:
    assert faults(site) == []


@pytest.mark.parametrize(
    "link",
    ["gone.html", "page.html#gone", "#gone", "../../outside.html", "htps://arxiv.org", "https://nowhere", "folder/"],
)
def test_dead_links_are_found(site: Path, link: str) -> None:
    (site / "third.html").write_text(f'<a href="{link}">x</a>')
    assert faults(site) == [f"third.html: link to {link}"]


@pytest.mark.parametrize("tag", ['<script src="https://cdn.example.org/x.js">', '<img src="gone.png">'])
def test_what_a_page_loads_is_in_the_site(site: Path, tag: str) -> None:
    (site / "third.html").write_text(tag)
    assert len(faults(site)) == 1


def test_public_names_without_a_place_are_found(site: Path) -> None:
    told = check_site.site_faults(site)
    assert "brain2music.decoding.Decoder: has no place on any page" in told
    (site / "third.html").write_text('<dt id="brain2music.decoding.Decoder">')
    assert len(check_site.site_faults(site)) == len(told) - 1


def outside_links(path: Path) -> Iterator[str]:
    yield from re.findall(r"https?://[^\s)>\"`\]}]+", path.read_text(encoding="utf-8"))


def test_links_out_of_the_manual_are_known_and_well_formed() -> None:
    found = {link.rstrip(".,;") for path in WRITTEN for link in outside_links(path)}
    assert {urlsplit(link).scheme for link in found} <= {"https"}
    assert {urlsplit(link).netloc for link in found} <= HOSTS


def codes() -> set[str]:
    """The codes of all findings, as the sources give them."""
    found = set()
    for folder in ("study", "brain", "pipeline"):
        for path in sorted((ROOT / "src" / "brain2music" / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                values: list[ast.expr] = []
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in FINDERS:
                    values = node.args[:2]
                elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("code", "LEAK"):
                    values = [each for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
                texts = [each.value for each in values if isinstance(each, ast.Constant)]
                found |= {
                    text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text)
                }
    return found - {"error", "warning"}


def test_every_code_of_a_finding_is_explained() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    assert len(codes()) > 90
    assert codes() <= set(re.findall(r"`([a-z0-9-]+)`", page))


def test_options_that_the_written_pages_name_exist() -> None:
    import command_pages

    known = {name for each in command_pages.commands() for option in each.options for name in option.opts}
    known |= {name for each in command_pages.commands() for option in each.options for name in option.secondary_opts}
    known |= {"--help", "--version", "--debug"}
    for path in WRITTEN:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", path.read_text(encoding="utf-8")))
        assert named <= known | OTHERS, (path.name, named - known)
