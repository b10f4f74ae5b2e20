"""Look through a built manual for links that lead nowhere and public names that have no place: SITE_FOLDER.

Exit code 1 and a line per fault. Links out of the site are checked for their form only; ``make linkcheck`` opens them.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from public_names import home_of, modules, rooms

LOADED = {"script": "src", "img": "src", "audio": "src", "source": "src", "link": "href", "iframe": "src"}
"""Elements that load something when a page is opened."""


class Page(HTMLParser):
    """The links of a page, what it loads, and the places in it that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an element says."""
        values = {name: value for name, value in attrs if value}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") != "canonical":
            self.loaded.append(values[LOADED[tag]])


def site_faults(site: Path) -> list[str]:
    """A line per dead link, per thing loaded from elsewhere, and per public name without a place."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in _pages(site)}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: link to {link}" for link in page.links if _is_dead(link, path, pages)]
        found += [f"{name}: loads {link}" for link in page.loaded if _is_outside(link) or _is_dead(link, path, pages)]
    anchors = set().union(*(page.anchors for page in pages.values()))
    wanted = {
        home_of(public).path
        for names in rooms().values()
        for public in names
        if f"{public.module}.{public.name}" not in modules()
    }
    return found + [f"{name}: has no place on any page" for name in sorted(wanted - anchors)]


def outside_links(site: Path) -> set[str]:
    """The links out of a site."""
    pages = (Page(path.read_text(encoding="utf-8")) for path in _pages(site))
    return {link for page in pages for link in page.links if _is_outside(link)}


def _pages(site: Path) -> list[Path]:
    """The pages of a site; the theme's templates are among its static files."""
    return [path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] != "_static"]


def _is_outside(link: str) -> bool:
    return bool(urlsplit(link).netloc)


def _is_dead(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto", "javascript"):
        return False
    if parts.scheme or parts.netloc:
        return parts.scheme not in ("https", "http") or "." not in parts.netloc
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return True
    anchor = unquote(parts.fragment)
    return bool(anchor) and target in pages and anchor not in pages[target].anchors


if __name__ == "__main__":
    faults = site_faults(Path(sys.argv[1]).resolve())
    print("\n".join(faults) if faults else "no dead link, and every public name has a place")
    sys.exit(bool(faults))
