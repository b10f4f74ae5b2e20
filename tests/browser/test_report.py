"""The pages of a report, opened as files in a real browser: read, heard, and printed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from brain2music._utils.files import write_json
from brain2music.listening import TestDesign, analyse_answers
from brain2music.pipeline.outputs import Outputs
from brain2music.report.page import build_report
from brain2music.report.replicate import replicate
from tests.browser.conftest import SIZES, check_page, new_context
from tests.listening.listeners import judge
from tests.report.conftest import write_run
from tests.web.conftest import add_generated

pytestmark = pytest.mark.browser

PAPER_PX = 980
"""Width of what is printed on paper across (letter; A4 is wider), without margins of 1 cm, at 96 pixels an inch."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two subjects with generated music and listeners, with all its pages; one with its sounds in it."""
    root = write_run(tmp_path_factory.mktemp("report") / "out", subjects=("001", "002"), embeddings=("mulan-small",))
    add_generated(Outputs(root), "001", "mulan-small")
    store = judge(root / "answers.sqlite", 6, 0.8, design=TestDesign(("2afc",), n_trials=8, n_catch=2))
    write_json(Outputs(root).listening_analysis, analyse_answers(store.answers()).to_json())
    store.close()
    build_report(root, embed_sounds=True)
    replicate(root)
    return root


@pytest.fixture(params=SIZES)
def reader(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """Somebody who opens files, without a network; nothing may be said by the console or asked of a server."""
    context, said = new_context(chromium, request.param), []
    page = context.new_page()
    page.on("console", lambda each: said.append(f"{each.type}: {each.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda asked: said.extend([] if asked.url.startswith(("file:", "data:")) else [asked.url]))
    page.size = request.param  # type: ignore[attr-defined]
    yield page
    assert said == []
    context.close()


@pytest.mark.parametrize("name", ["index", "sub-001", "replicate"])
def test_a_page_is_accessible_and_fits_the_screen(report: Path, reader: Page, name: str) -> None:
    reader.goto((report / f"{name}.html").as_uri())
    for details in reader.locator("details").all():
        details.evaluate("each => { each.open = true; }")
    check_page(reader, f"report-{name}", reader.size)  # type: ignore[attr-defined]
    assert reader.locator("h1").count() == 1
    assert reader.title().endswith("(simulated)")


def test_a_sound_within_the_page_plays_and_others_stop(report: Path, reader: Page) -> None:
    reader.goto((report / "sub-001.html").as_uri())
    players = reader.locator("audio")
    expect(players.first).to_have_attribute("src", re.compile("^data:audio/mpeg"))
    for number in (0, 1):
        players.nth(number).evaluate("audio => audio.play()")
        reader.wait_for_function(f"() => document.querySelectorAll('audio')[{number}].currentTime > 0")
    assert reader.evaluate("() => document.querySelectorAll('audio')[0].paused")


@pytest.mark.parametrize("name", ["index", "sub-001", "replicate"])
def test_a_page_prints(report: Path, chromium: Browser, tmp_path: Path, name: str) -> None:
    context = new_context(chromium, "phone")  # dark, and printed in dark on white all the same
    page = context.new_page()
    page.goto((report / f"{name}.html").as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": PAPER_PX, "height": 700})
    colours = page.evaluate(
        "() => { const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]; }"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.locator("audio:visible, .filter:visible, nav:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX, json.dumps(wide(page))
    made = page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True, print_background=True, tagged=True)
    context.close()
    assert made.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", made)
    assert box is not None
    assert float(box[1]) > float(box[2])  # across, as tables are wide
    assert b"/StructTreeRoot" in made  # tagged, for readers aloud


def wide(page: Page) -> list[str]:
    """What is wider than the paper."""
    found: list[str] = page.evaluate(
        "most => [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > most)"
        ".map(each => each.tagName + '.' + each.className).slice(0, 8)",
        PAPER_PX,
    )
    return found
