"""The gallery of examples: what a reader relies on in each, without running it (the manual's build does that)."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib.style
import pytest

import brain2music as b2m

EXAMPLES = Path(__file__).parents[2] / "examples"
PLOTS = sorted(EXAMPLES.glob("plot_*.py"))
HEADER = (EXAMPLES / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
MOST_LINES = 170


def constant_text(node: ast.AST) -> str:
    """All constant text in a part of a program, that of f-strings included."""
    parts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return " ".join(parts)


def calls(statements: list[ast.stmt]) -> list[ast.Call]:
    return [each for statement in statements for each in ast.walk(statement) if isinstance(each, ast.Call)]


def figures(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """The statements that lead to each ``plt.show()``, from the one before."""
    drawn: list[ast.stmt] = []
    for statement in tree.body:
        drawn.append(statement)
        if any(ast.unparse(each.func) == "plt.show" for each in calls([statement])):
            yield drawn
            drawn = []


def titles(statements: list[ast.stmt]) -> str:
    """The text of the titles of a figure and of its axes, and of the lists from which loops take them."""
    named = [each for each in calls(statements) if re.search(r"\.(set_title|suptitle)$", ast.unparse(each.func))]
    loops = [each.iter for at in statements for each in ast.walk(at) if isinstance(each, ast.For)]
    return " ".join(constant_text(each) for each in [*named, *loops])


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_an_example_has_a_title_and_tells_a_story(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert set(lines[1]) == {"="}
    assert len(lines[1]) == len(lines[0])
    assert re.search("simulated|composed", " ".join(lines[3:]))
    told = re.findall(r"^# %%\n# \S", text, flags=re.MULTILINE)
    assert len(told) >= 3, "say what each part is about"
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_every_figure_says_that_it_is_simulated_and_what_its_axes_are(path: Path) -> None:
    drawn = list(figures(ast.parse(path.read_text(encoding="utf-8"))))
    assert drawn
    for number, statements in enumerate(drawn):
        assert re.search("simulated|composed", titles(statements), re.IGNORECASE), f"figure {number}"
        used = "\n".join(map(ast.unparse, statements))
        assert re.search("[xy]label|colorbar|plot_stat_map", used), f"figure {number}"


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_an_example_uses_public_names_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            if ast.unparse(node.value) == "b2m":
                assert node.attr in b2m.__all__, node.attr
            if ast.unparse(node.value) == "b2m.metrics":
                assert node.attr in b2m.metrics.__all__, node.attr
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brain2music"):
            public = importlib.import_module(str(node.module)).__all__
            assert {alias.name for alias in node.names} <= set(public)


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_an_example_runs_in_any_folder_and_leaves_nothing_there(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    assert [each for each in strings if re.match(r"/\w|~|https?:", each)] == []
    paths = {ast.unparse(each) for each in calls(tree.body) if ast.unparse(each.func) in ("Path", "open")}
    assert paths <= {"Path(mkdtemp())"}


def test_the_gallery_lists_every_example_once() -> None:
    listed = re.findall(r"<sphx_glr_examples_(plot_\w+\.py)>", HEADER)
    assert sorted(listed) == [path.name for path in PLOTS]
    assert len(PLOTS) >= 11


def test_examples_share_one_style() -> None:
    for path in PLOTS:
        assert 'plt.style.use("brain2music.figures")' in path.read_text(encoding="utf-8"), path.name
    with matplotlib.style.context("brain2music.figures"):
        assert matplotlib.rcParams["axes.titlelocation"] == "left"
