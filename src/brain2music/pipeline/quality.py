"""Reliability of a subject's data, by run and as a whole, with a verdict in words.

Of images, before cleaning: temporal signal-to-noise ratio, DVARS, spikes. Of responses to repeated clips: correlation
between repeats, split halves, noise ceilings.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import pandas as pd

from .._utils.errors import Brain2MusicWarning
from .._utils.progress import progress
from ..brain.confound_strategy import LeftOut
from ..brain.quality import RunQuality
from ..brain.reliability import repeat_reliability, split_half_reliability
from ..brain.responses import Responses, SplitResponses
from ..brain.run_facts import run_names, run_qualities, volumes_left_out
from ..brain.source import Source
from ..encoding.alignment import Windows
from ..encoding.ceiling import response_ceiling
from ..encoding.significance import fdr

Grade = Literal["good", "fair", "poor", "unknown"]

WHOLE = "all"
"""The row of the subject as a whole."""
TOP = 95
"""Percentile over voxels that stands for the responsive ones, beside the median over all."""
SPIKES = (0.05, 0.2)
"""Shares of scans that are spikes, from which a run is fair, and from which it is poor."""
TSNR = (25.0, 10.0)
"""Temporal signal-to-noise ratios below which a run is fair, and below which it is poor."""
RELIABLE_SHARE = 0.01
"""Share of voxels whose repeats agree, below which responses are fair; they are poor where there is none."""
MOST_WINDOWS = 12
"""Windows of a clip at most, in which the noise ceiling is measured."""
_WORST: dict[Grade, int] = {"unknown": 0, "good": 1, "fair": 2, "poor": 3}


@dataclass(frozen=True)
class Agreement:
    """Agreement between responses to repeats of the same clips, over voxels: medians and the 95th percentile.

    ``reliable`` is the share of voxels whose repeats agree (false discovery rate 0.05).
    """

    repeats: int
    clips: int
    repeat_r: float
    repeat_r_top: float
    split_half: float
    split_half_top: float
    ceiling: float
    ceiling_top: float
    reliable: float


def quality_table(source: Source, subject: str, responses: SplitResponses) -> pd.DataFrame:
    """Measure the reliability of a subject's data; one row for the subject, then one for each run.

    Parameters
    ----------
    source : the study; images are read only where their cleaned runs are not kept.
    responses : of the subject; the test responses are those with repeats, if there are such.

    Returns
    -------
    DataFrame
        With the columns of :data:`brain2music.pipeline.outputs.QUALITY`.
    """
    train, test = responses
    scored = train if test is None else test
    images: dict[str, tuple[str, RunQuality]] = {}
    with progress(f"measure the images of sub-{subject}"):
        for run, quality in run_qualities(source, subject, scored.space):
            images[run.name] = (run.split, quality)
    agreement = measure_agreement(scored)
    names = run_names(source, subject, test is not None)
    by_run = {name: measure_agreement(scored[scored.runs == number]) for number, name in enumerate(names)}
    lost = volumes_left_out(source, subject)
    rows = [_row(WHOLE, WHOLE, [each for _, each in images.values()], agreement, list(lost.values()))]
    rows += [
        _row(name, split, [each], by_run.get(name), [lost[name]] if name in lost else [])
        for name, (split, each) in images.items()
    ]
    return pd.DataFrame(rows)


def say_verdict(subject: str, table: pd.DataFrame) -> None:
    """Warn of a subject whose data are not good, and of the runs that are poor."""
    whole, runs = table.iloc[0], table.iloc[1:]
    poor = [f"{run.run} ({run.verdict})" for run in runs[runs["grade"] == "poor"].itertuples()]
    if whole["grade"] in ("fair", "poor") or poor:
        text = f"the data of sub-{subject} are {whole['verdict']}"
        text += f"; poor runs: {', '.join(poor[:3])}" if poor else ""
        warnings.warn(text, Brain2MusicWarning, stacklevel=2)


def measure_agreement(responses: Responses) -> Agreement | None:
    """Measure how far responses to repeats agree, scan by scan; None where clips were not repeated equally often."""
    repeats = responses.repeats
    if repeats is None or len(repeats) < 2 or len(responses) < 2:
        return None
    length = ceil(responses.n_scans / MOST_WINDOWS)  # of one scan, but for long clips
    found = response_ceiling(responses, Windows(length, length, responses.n_scans // length))
    assert found is not None
    between, halves = repeat_reliability(responses), split_half_reliability(responses)
    return Agreement(
        len(repeats),
        len(responses),
        *_spread(between),
        *_spread(halves),
        *_spread(found.r),
        float((fdr(found.p) < 0.05).mean()),
    )


def judge_quality(row: Mapping[str, Any]) -> tuple[Grade, str]:
    """Grade a run or a subject by its row of the table, and say why in words."""
    good: list[str] = []
    doubts: list[tuple[Grade, str]] = []

    def count(grade: Grade, words: str) -> None:
        if grade == "good":
            good.append(words)
        else:
            doubts.append((grade, words))

    if row["repeats"]:
        reliable, words = row["reliable"], f"repeats agree in {_rounded_percent(row['reliable'])} of voxels"
        words += f" (r {row['repeat_r_top']:.2f}, noise ceiling {row['ceiling_top']:.2f} in the best 5 %)"
        if reliable == 0:
            words = "repeats of the same clips agree in no voxel, so that nothing can be decoded; see lag and events"
        count("poor" if reliable == 0 else "fair" if reliable < RELIABLE_SHARE else "good", words)
    if np.isfinite(row["tsnr"]):
        fair, poor = TSNR
        words = f"a temporal signal-to-noise ratio of {row['tsnr']:.0f}"
        count("poor" if row["tsnr"] < poor else "fair" if row["tsnr"] < fair else "good", words)
    if row["scans"]:
        fair, poor = SPIKES
        words = f"{row['spikes']} of {row['scans']} scans are spikes"
        share = row["spikes"] / row["scans"]
        count("poor" if share > poor else "fair" if share > fair else "good", words)
    if not good and not doubts:
        return "unknown", "unknown: clips were not repeated, and there are no images to measure"
    grade: Grade = max((each for each, _ in doubts), key=lambda each: _WORST[each], default="good")
    first = [words for _, words in sorted(doubts, key=lambda each: -_WORST[each[0]])]
    return grade, f"{grade}: {'; '.join([*first, *good])}" + ("" if row["repeats"] else "; clips were not repeated")


def _row(
    name: str, split: str, images: list[RunQuality], agreement: Agreement | None, lost: Sequence[LeftOut]
) -> dict[str, Any]:
    dvars = [float(np.nanmax(each.dvars)) for each in images if np.isfinite(each.dvars).any()]
    tsnr = [each.tsnr for each in images if np.isfinite(each.tsnr)]
    row: dict[str, Any] = {
        "run": name,
        "split": split,
        "scans": sum(len(each.dvars) for each in images),
        "tsnr": float(np.median(tsnr)) if tsnr else np.nan,
        "dvars": max(dvars, default=np.nan),
        "dvars_spikes": sum(int(each.dvars_spikes.sum()) for each in images),
        "intensity_spikes": sum(int(each.intensity_spikes.sum()) for each in images),
        "spikes": sum(int(each.spikes.sum()) for each in images),
        "non_steady_state": sum(int(each.non_steady_state.sum()) for each in lost),
        "scrubbed": sum(int(each.scrubbed.sum()) for each in lost),
    }
    empty = Agreement(0, 0, *[float("nan")] * 7)
    row |= vars(agreement or empty)
    row["grade"], row["verdict"] = judge_quality(row)
    return row


def _spread(values: np.ndarray) -> tuple[float, float]:
    return float(np.median(values)), float(np.percentile(values, TOP))


def _rounded_percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
