"""Scores of two folders of sound as files and as text."""

from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .._utils.destinations import require_folder
from .._utils.files import digest_file, write_json, write_table
from .pairs import SoundPair
from .records import scores_table, write_scores
from .score import METRICS, Score

SHOWN = ["metric", "judge", "value", "low", "high", "chance", "p", "n", "candidates", "detail"]
"""Columns of the TSV, before the meaning of the metric."""


def write_sound_scores(
    folder: Path, pairs: Sequence[SoundPair], scores: Sequence[Score], *, seed: int, n_permutations: int
) -> tuple[Path, Path, Path]:
    """Write the scores as JSON and TSV, the pairs, and what they were made from.

    Returns
    -------
    tuple of Path
        ``scores.json`` (:func:`read_scores` reads it), ``scores.tsv`` and ``pairs.tsv`` in the folder; beside them is
        ``scores_provenance.json``.

    Raises
    ------
    InputError
        There is a file of that name, or the folder cannot be written to.
    """
    import pandas as pd

    require_folder(folder)
    files = folder / "scores.json", folder / "scores.tsv", folder / "pairs.tsv"
    write_scores(files[0], scores)
    table = scores_table(scores)[SHOWN]
    write_table(files[1], table.assign(meaning=table["metric"].map(METRICS)))
    rows = [(pair.name, pair.reference.as_posix(), made.as_posix(), pair.genre) for pair in pairs for made in pair.made]
    write_table(files[2], pd.DataFrame(rows, columns=["name", "reference", "made", "genre"]))
    sounds = [file for pair in pairs for file in (pair.reference, *pair.made)]
    provenance = {
        "generated_by": f"brain2music {__version__}",
        "seed": seed,
        "n_permutations": n_permutations,
        "judges": sorted({str(score.judge) for score in scores}),
        "sounds": {file.as_posix(): digest_file(file) for file in sounds},
    }
    write_json(folder / "scores_provenance.json", provenance)
    return files


def table_text(scores: Sequence[Score]) -> str:
    """The scores as a table for a terminal, one line each, with what the columns mean below.

    Examples
    --------
    >>> from brain2music.metrics import Score
    >>> from brain2music.metrics.sound_tables import table_text
    >>> score = Score(
    ...     stage="compare", metric="top1", condition="given", embedding="", subject="", judge="yamnet",
    ...     value=0.5, low=0.4, high=0.6, chance=0.1, p=0.001, n=10, candidates=10,
    ... )
    >>> print(table_text([score]).splitlines()[1])
    top1    yamnet  0.500  0.400 to 0.600   0.100  0.001   10
    """
    rows = [("metric", "judge", "value", "95 % interval", "chance", "p", "n")]
    for score in scores:
        interval = "–" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}"
        p = "–" if score.p is None else f"{score.p:.3f}" if score.p >= 0.001 else f"{score.p:.0e}"
        name = score.metric if score.group == "all" else f"{score.metric} ({score.group})"
        rows.append((name, score.judge or "–", f"{score.value:.3f}", interval, f"{score.chance:.3f}", p, f"{score.n}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)
