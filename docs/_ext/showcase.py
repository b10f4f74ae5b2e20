"""The showcase: the report of a simulated study, made when the manual is built, and its figures for the first page.

The run is kept in ``_build/showcase``, so that later builds take it as it is; ``make clean`` removes it.
"""

import re
import shutil
import warnings
from pathlib import Path
from string import Template
from urllib.parse import unquote

from sphinx.application import Sphinx

FOLDER = "showcase"
"""Of the report in the site."""
EMBEDDING = "mulan-small"
TRACKS_PER_GENRE, FIRST_TRACK = 2, 1000
"""Of the gallery: past the numbers of the study's own recordings."""
SHOWN = ("Identification matrix", "Identification by genre")
"""How the descriptions of the figures begin that the first page shows."""


def make_run(root: Path) -> Path:
    """Simulate a study, decode it, retrieve music and map voxels; what is there already is taken as it is."""
    music, gallery, out = (root / name for name in ("music", "gallery", "run"))
    if (out / "index.html").is_file():
        return out
    import brain2music as b2m
    from brain2music.simulation.music import write_corpus

    study = b2m.simulate_study(design="small")  # in the cache, where the examples find it too
    write_corpus(music, TRACKS_PER_GENRE, seed=0, first=FIRST_TRACK)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "passed over", b2m.Brain2MusicWarning)  # what is beside the music
        b2m.build_gallery(music, gallery, b2m.get_embedder(EMBEDDING))
    b2m.run(study, out, embeddings=[EMBEDDING], galleries=[gallery], decoder="selected+whitened")
    return out


def figures_of(page: str) -> list[str]:
    """The figures of a report's page that the first page of the manual shows, as inline SVG."""
    drawn = re.findall(r"<svg [^>]*role=\"img\".*?</svg>", page, flags=re.DOTALL)
    return [next(each for each in drawn if f'aria-label="{beginning}' in each) for beginning in SHOWN]


def write(app: Sphinx, config: object) -> None:
    """Make the run, and write what the pages include of it."""
    source = Path(app.srcdir)
    out = make_run(source / "_build" / FOLDER)
    page = next(out.glob("sub-*.html"))
    figures = "".join(figures_of(page.read_text(encoding="utf-8")))
    words = {"folder": FOLDER, "embedding": EMBEDDING, "tracks": 10 * TRACKS_PER_GENRE, "subject": page.name}
    (source / "_generated").mkdir(exist_ok=True)
    for name in ("report_figures.html", "showcase.html"):
        template = Template((source / "_templates" / name).read_text(encoding="utf-8"))
        (source / "_generated" / name).write_text(template.substitute(words, figures=figures), encoding="utf-8")


def copy_report(app: Sphinx, problem: Exception | None) -> None:
    """Put the report into the site: its pages, and what they play and link to."""
    if problem is not None or app.builder.format != "html":
        return
    out, site = Path(app.srcdir) / "_build" / FOLDER / "run", Path(app.outdir) / FOLDER
    for page in out.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        for name in {page.name, *map(unquote, re.findall(r'(?:href|src)="([^"#:?]+)"', text))}:
            if (out / name).is_file():
                (site / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(out / name, site / name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    app.connect("build-finished", copy_report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
