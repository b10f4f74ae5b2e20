"""A real Chromium, phone and desktop, on a server of a run; a console that stays empty, and axe-core.

Debian's package is used (``apt-get install chromium``), or what ``$CHROMIUM`` names. Where there is none, the tests
fail and say so: they are not skipped.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from brain2music.audio import write_audio
from brain2music.gallery import build_gallery
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import Outputs
from brain2music.web import WebSettings
from tests.report.conftest import write_run
from tests.web.conftest import DESIGN, Served, add_generated, plugin, save_encoder, served

__all__ = ["plugin"]

SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--mute-audio"),
]
WAIT_MS = 120_000
"""What a machine that does other things may take; a journey waits no longer than it has to."""
expect.set_options(timeout=WAIT_MS)
SCREENSHOTS = os.environ.get("BRAIN2MUSIC_SCREENSHOTS")
"""Folder in which every journey leaves pictures of what it saw."""


def check_page(page: Page, name: str, size: str) -> None:
    """Nothing wider than the screen and no serious violation of accessibility; and a picture."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{size}.png", full_page=True)
    width, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= screen, f"the page is {width} pixels wide on a screen of {screen}"
    violations = Axe().run(page).response["violations"]
    serious = [each for each in violations if each["impact"] in ("serious", "critical")]
    assert not serious, [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in serious]


@dataclass
class Visitor:
    """A page of one size on a server, and everything that its console said."""

    page: Page
    served: Served
    size: str
    said: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.served.address + path)
        return self.page

    def check(self, name: str) -> None:
        """Nothing wider than the screen, no serious violation of accessibility, an empty console; and a picture."""
        check_page(self.page, name, self.size)
        assert self.said == []


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("there is no Chromium: apt-get install chromium, or name one in $CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that has all there is to try: a gallery that texts search, beeps for music, and an encoder."""
    folder, rng = tmp_path_factory.mktemp("site"), np.random.default_rng(0)
    root = write_run(folder / "out", embeddings=("mulan-small", "logmel"), dims=128, seconds=2.0)
    add_generated(Outputs(root), "001", "mulan-small")
    save_encoder(root)
    for number in range(3):
        write_audio(folder / "music" / f"track{number}.wav", rng.uniform(-0.1, 0.1, 16_000 * 11), 16_000)
    build_gallery(folder / "music", folder / "gallery", get_embedder("mulan-small", 10.0, 5.0))
    with served(
        WebSettings(root, gallery=str(folder / "gallery"), design=DESIGN, generator="beeper", inpainter="beeper")
    ) as running:
        running.state.require_test()
        yield running


def new_context(chromium: Browser, size: str) -> BrowserContext:
    """A phone in the dark, or a desktop in the light."""
    width, height = SIZES[size]
    phone = size == "phone"
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        has_touch=phone,
        is_mobile=phone,
        color_scheme="dark" if phone else "light",
    )
    context.set_default_timeout(WAIT_MS)
    return context


@pytest.fixture(params=SIZES)
def visitor(request: pytest.FixtureRequest, chromium: Browser, site: Served) -> Iterator[Visitor]:
    """Somebody with a phone, and somebody with a desktop; each with cookies of their own."""
    context = new_context(chromium, request.param)
    visitor = Visitor(context.new_page(), site, request.param)
    visitor.page.on("console", lambda each: visitor.said.append(f"{each.type}: {each.text}"))
    visitor.page.on("pageerror", lambda error: visitor.said.append(f"error: {error}"))
    visitor.page.on("request", lambda asked: visitor.said.extend(_elsewhere(asked.url, site.address)))
    yield visitor
    context.close()


def _elsewhere(url: str, address: str) -> list[str]:
    return [] if url.startswith((address, "data:", "blob:")) else [f"asked another server: {url}"]
