"""Make the page of measurements from ``benchmarks/results/*.json``: ``python benchmarks/render.py [--check]``.

Seven tables in ``docs/benchmarks.md``, one number per cell, every number from a row of :mod:`_results`. What is
measured in which table, and what each table asks, is said here; a column or a group without values is left out.
``--check`` writes nothing and exits with 1 if the page is not up to date.
"""

import argparse
import json
import re
import string
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from _results import FOLDER

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of the page: what it asks, the results that it shows under headings, and figures (file, caption)."""

    title: str
    asks: str
    groups: dict[str, str]
    figures: tuple[tuple[str, str], ...] = ()


TABLES = (
    Table(
        "Truth and real data",
        "Does the pipeline find what is known to be there, and nothing where there is nothing? Values are to be read "
        "against the bar and the chance level in the same row.",
        {
            "design": "The events of ds003720",
            "designs": "Studies of other designs, and another TR",
            "natsound165": "Real responses of low rank (natsound165), decoded in folds",
            "surprisal": "Expectation beside a tagger (real responses, and a simulated listener)",
            "recorded_study": "Simulated brain, real events, recorded music",
            "quick_seeds": "Simulated studies of the demo's size",
            "simulated_snr": "Simulated responses at the strength of published ones",
            "bad_input": "Input at fault",
            "wild": "Cases met by users",
            "cache": "Steps that run again after a change of settings",
        },
    ),
    Table(
        "Decoding",
        "What does each option of decoding, each kind of embedding and each alignment between subjects add? "
        "Identification has chance one half, and options are to be compared within a group only.",
        {
            "ablations": "Options, on real responses (natsound165) and on simulated ones (the demo's design)",
            "between_subject": "Between subjects (simulated)",
            "embedding_kinds": "Kinds of embedding (simulated, the design of ds003720)",
        },
    ),
    Table(
        "Encoding and statistics",
        "Are p values, false discoveries and noise ceilings what they claim to be? Shares of null studies are to be as "
        "near to the level as the bar says; all studies here are simulated.",
        {
            "simulated_truth": "Planted truth (simulated, the design of ds003720)",
            "null": "Null studies of plain arrays (simulated; the brain knows nothing of the music)",
            "power": "Curves of power (simulated)",
            "null_folds": "Null studies scored in folds (simulated; the brain knows nothing of the music)",
        },
    ),
    Table(
        "Linear maps and whole runs",
        "How long do the fits and the commands take, and how much memory? The peer is measured in the same run, and "
        "the ratio is the peer's value over ours unless the row says otherwise.",
        {
            "ridge": "Cross-validated ridge beside himalaya (simulated data)",
            "masking": "Reading responses beside nilearn",
            "motion": "Head motion, planted and undone (the brain is simulated)",
            "predict": "Predictions by saved models (random numbers of the size of a whole brain)",
            "decode_run": "A run's decoding (simulated, the design of ds003720)",
            "whole": "The two commands",
            "web_load": "The application under load, and killed",
            "web_hostile": "The application under hostile input",
        },
        (
            (
                "ridge-growth.png",
                "Time of cross-validated ridge as each size is doubled twice: a straight line is a power "
                "law, and its slope the exponent in the table.",
            ),
        ),
    ),
    Table(
        "Search, galleries and embeddings",
        "Is search exact or nearly so and fast, does a gallery survive being killed, and does the joint space of music "
        "and text hold what it is used for? Speed is in seconds of music per second of clock.",
        {
            "search": "Search (synthetic vectors)",
            "gallery_kill": "Galleries that are killed and built twice at once (synthetic vectors)",
            "embed_speed": "Embedding of recorded music",
            "mulan": "Music and text in mulan-small, on pieces that no training used",
            "bridge": "Bridges between embedding spaces, on songs that no fit has seen",
        },
    ),
    Table(
        "Codecs and generation",
        "How near do codecs come to the original, how fast are they, and does generated music follow what it is asked "
        "for? It is identified among all pieces by a model that never conditioned it, with chance one half.",
        {
            "codec": "Codecs on recorded music that no training used, compared at 24 kHz mono",
            "codec_speed": "Speed of codecs, two threads",
            "sampler": "Speed of the sampler",
            "frames": "The frame loop of Magenta RealTime 2, on toy graphs",
            "adherence": "What musiclm-small makes (the brain is simulated)",
            "pulse": "The pulse of what musiclm-small makes",
            "text_adherence": "What musiclm-small makes of texts",
            "colour": "The colour of what musiclm-small makes",
        },
        (
            (
                "sampler-scaling.png",
                "Tokens per second of the cached sampler and of MusicGen's at the same size, by batch and by length.",
            ),
        ),
    ),
    Table(
        "JEN-1",
        "Does jen1-small write what it is asked for, fill gaps and continue so that it belongs, and keep what was "
        "retrieved? Ratios over baselines are better below 1.",
        {
            "adherence_jen1": "What jen1-small makes of embeddings",
            "inpaint": "Gaps and continuations",
            "pulse_jen1": "The pulse of what jen1-small makes",
            "text_adherence_jen1": "What jen1-small makes of texts",
            "anchored": "Music from what was retrieved (simulated brain)",
            "anchored_musiclm": "The same by musiclm-small, which continues what was retrieved",
            "jen1_speed": "Speed and memory",
            "jen1_ablation": "The parts of JEN-1, one added to the others (small models of 500 steps)",
        },
    ),
)
COLUMNS = {
    "value": "value",
    "unit": "unit",
    "low": "low",
    "high": "high",
    "peer": "peer",
    "ratio": "ratio",
    "bar": "bar",
    "met": "met",
    "n": "n",
    "note": "note",
}
INTRODUCTION = """\
# Measurements

<!-- Made by `python benchmarks/render.py` from `benchmarks/results/*.json`; do not edit. -->

Every number is a row that a script of `benchmarks/` wrote, or that was carried over from the table that was kept by
hand before; then the commit is the one that recorded it. *low* and *high* bound an interval of ninety-five per cent,
*bar* is what was set before measuring (of the ratio, where there is one), *met* says whether it was reached, and *n* is
how many clips, voxels, seeds, studies or tests the value is of. The letter at the end leads to the command, processor,
commit and date below the table. An empty cell means that the row has no such number. Earlier values and failed attempts
are in the diary, `dev/log.md`.
"""


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is not up to date")
    page = render_page(FOLDER)
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} is not up to date: run `python benchmarks/render.py`")


def render_page(folder: Path) -> str:
    """The whole page in Markdown, from the results in a folder."""
    return "\n".join([INTRODUCTION, *(render_table(table, folder) for table in TABLES)])


def render_table(table: Table, folder: Path) -> str:
    """A table with its question, figures, and where its numbers are from."""
    found = {heading: read_rows(folder / f"{name}.json") for name, heading in table.groups.items()}
    rows = [row for group in found.values() for row in group]
    columns = {key: title for key, title in COLUMNS.items() if any(row[key] not in (None, "") for row in rows)}
    letters = dict(zip(dict.fromkeys(map(origin_of, rows)), names_of_origins(), strict=False))
    lines = [f"## {table.title}", "", table.asks, ""]
    lines += [in_cells("what", *columns.values(), "from"), in_cells("---", *("---" for _ in columns), "---")]
    for heading, group in found.items():
        if group:
            lines.append(in_cells(f"**{heading}**", *("" for _ in columns), ""))
        for row in group:
            lines.append(in_cells(row["question"], *(cell_of(row[key]) for key in columns), letters[origin_of(row)]))
    for file, caption in table.figures:
        lines += ["", f"![{caption}](../benchmarks/figures/{file})", "", f"*{caption}*"]
    lines += ["", "Where these are from:", ""]
    lines += [f"* {letter}: {', '.join(origin)}" for origin, letter in letters.items()]
    return "\n".join(lines) + "\n"


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of results, with whether each met its bar; none where there is no file."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [row | {"met": {True: "yes", False: "**no**", None: ""}[met_bar(row)]} for row in rows]


def met_bar(row: Row) -> bool | None:
    """Whether the ratio, or else the value, is what the bar asks for; ``None`` if the bar is no condition."""
    asked = row["ratio"] if row["ratio"] is not None else row["value"]
    if asked is None:
        return None
    if found := re.fullmatch(r"([≥≤<>]) (\S+)", row["bar"]):
        bar = float(found[2])
        return {"≥": asked >= bar, "≤": asked <= bar, "<": asked < bar, ">": asked > bar}[found[1]]
    if found := re.fullmatch(r"(\S+) to (\S+)", row["bar"]):
        return float(found[1]) <= asked <= float(found[2])
    if found := re.fullmatch(r"(?:all )?(\d+)", row["bar"]):
        return bool(asked == float(found[1]))
    return None


def cell_of(value: Any) -> str:
    """A number with four significant digits, or words."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def origin_of(row: Row) -> tuple[str, ...]:
    """Command, processor, commit and date of a row, as they are shown."""
    cores = f"{row['cores']} cores" if row["cores"] else ""
    return tuple(filter(None, (f"`{row['command']}`", row["processor"], cores, f"`{row['commit']}`", row["date"])))


def names_of_origins() -> list[str]:
    """Letters: a to z, then aa, ab and so on."""
    letters = string.ascii_lowercase
    return [*letters, *map("".join, product(letters, letters))]


def in_cells(*cells: str) -> str:
    """A line of a table; a bar within a cell does not end it."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    main()
