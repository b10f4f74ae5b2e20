"""The right value of every study that is known: a function each, that says what is wrong, or nothing.

Each takes a case as ``wild.py`` ran it. Where a case's want allows several answers (right, or refused in one line that
names the fault), so does its function. ``wild_sounds.py`` has those of sounds.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

Wants = Callable[[Any], str]
WANTS: dict[str, Wants] = {}


def wants(name: str) -> Callable[[Wants], Wants]:
    def keep(function: Wants) -> Wants:
        WANTS[name] = function
        return function

    return keep


def runs(case: Any, *said: str) -> str:
    """Both commands end well, and what they print holds all that must be said."""
    failed = [ended for ended in case.ran if ended.code]
    if failed:
        return f"{failed[0].command.split()[1]} refuses: {(failed[0].text.strip() or '?').splitlines()[-1][:160]}"
    return missing(case.text, *said)


def refused(case: Any, *said: str) -> str:
    """Every command refuses, and says so before anything is computed."""
    if any(ended.code == 0 for ended in case.ran):
        return "not refused"
    if list(case.out.rglob("*.parquet")):
        return "refused after work was done"
    return next((fault for ended in case.ran if (fault := missing(ended.text, *said))), "")


def missing(text: str, *said: str) -> str:
    lacking = [word for word in said if not re.search(word, text, re.IGNORECASE)]
    return f"not said: {lacking[0]}" if lacking else ""


def scores(case: Any) -> pd.DataFrame:
    return pd.DataFrame(json.loads((case.out / "scores.json").read_text()))


def identification(case: Any) -> dict[str, Any]:
    rows = scores(case)
    own = {"stage": "decode", "metric": "identification", "condition": "decoded", "group": "all", "ablation": "none"}
    return dict(rows[(rows[list(own)] == pd.Series(own)).all(axis=1)].iloc[0])


def names_of(case: Any) -> list[str]:
    (table,) = case.out.rglob("*predictions.parquet")
    return sorted(set(pd.read_parquet(table)["clip"]))


CLIPS = """
from pathlib import Path
from brain2music.study.bids import read_study
study = read_study(Path("."))
print(len({(c.track, c.start, c.end) for c in study.train_clips}), sorted({c.start for c in study.train_clips}))
"""


@wants("affine-differs")
def affine(case: Any) -> str:
    return refused(case, "affine", r"run-0?\d") or missing(case.of("check").text, "grid-mismatch")


@wants("arrays-sorted-by-stimulus")
def arrays(case: Any) -> str:
    """The array's values are the rows: every clip must get its own."""
    ended = case.python(
        "from pathlib import Path\nimport numpy as np\nfrom brain2music.brain.arrays import read_arrays_study\n"
        "own = np.load('tag.npy')\nstudy = read_arrays_study(Path('arrays.toml'))\n"
        "for lag in (0, 3):\n"
        "    found, _ = study.responses('1', lag)\n"
        "    print('own' if set(map(tuple, found.data[:, :, 0])) <= set(map(tuple, own[:, :, 0])) else 'of another')\n"
    )
    refuses = "InputError" in ended.text and re.search(r"\brun\b", ended.text)
    rows = re.findall("^(?:own|of another)$", ended.text, re.MULTILINE)
    return "" if refuses or rows == ["own", "own"] else f"rows are {rows}"


@wants("bidsignore")
def bidsignore(case: Any) -> str:
    return runs(case, "bidsignore")


@wants("confounds-older-name")
def confounds(case: Any) -> str:
    return runs(case)


@wants("derivatives-elsewhere")
def elsewhere(case: Any) -> str:
    return runs(case)


@wants("dir-entity-pairs")
def directions(case: Any) -> str:
    """Four runs, and each image with the events of its own direction and run."""
    ended = case.python(
        "from pathlib import Path\nfrom brain2music.study.bids import read_study\nimport re\n"
        "own = lambda path: re.findall('(?:dir|run)-[A-Z0-9]+', path.name)\n"
        "found = [(own(r.bold), own(r.events)) for r in read_study(Path('.')).runs]\n"
        "print(len(found), all(a == b for a, b in found))\n"
    )
    return runs(case) or ("" if ended.text.split()[-2:] == ["4", "True"] else f"runs: {ended.text[-200:]}")


@wants("excerpts-of-one-recording")
def excerpts(case: Any) -> str:
    """Kept together with a word, or refused with one."""
    if case.of("run").code:
        return refused(case, "recording|overlap")
    return missing(case.text, "recording|overlap|excerpt")


@wants("gallery-and-tr")
def gallery(case: Any) -> str:
    return runs(case) or ("" if (scores(case)["stage"] == "retrieve").any() else "nothing was retrieved")


@wants("gzip-trailing-bytes")
def trailing(case: Any) -> str:
    wrong = "breaks off" in case.text
    return "an intact image is said to break off" if wrong else runs(case) or missing(case.of("check").text, "follow")


@wants("jitter-changes-windows")
def windows(case: Any) -> str:
    return runs(case)


@wants("jittered-durations")
def jittered(case: Any) -> str:
    """Responses are linear in nothing; so identification is chance."""
    found = case.python(CLIPS).text.split()[0]
    if found != "12":
        return f"{found} clips instead of 12"
    score = runs(case) or identification(case)
    if isinstance(score, str):
        return score
    honest = pd.isna(score["p"]) or score["p"] > 0.01  # no p is given where refits are too few for one
    return "" if honest and score["low"] <= 0.5 else f"identified at {score['value']:.3f}"


@wants("names-that-differ-in-signs")
def signs(case: Any) -> str:
    if case.of("run").code:
        return refused(case, "name")
    clips = names_of(case)
    sounds = [path for path in (case.out / "stimuli").iterdir() if path.suffix in (".mp3", ".wav", ".ogg")]
    return "" if len(clips) == len(sounds) == 12 else f"{len(clips)} names and {len(sounds)} sounds of 12 clips"


@wants("nan-outside-brain")
def outside(case: Any) -> str:
    return runs(case, "NaN")


@wants("negative-onset")
def negative(case: Any) -> str:
    return runs(case, "warning.*onset|onset.*before")


@wants("one-recording-many-rows")
def sections(case: Any) -> str:
    """Sections of their own, or a word; refused only for what is left being too few clips."""
    said = missing(case.text, "section|adjacent|run on")
    if case.of("run").code:
        return said or refused(case, "too few")
    starts = case.python(CLIPS).text
    return runs(case) or ("" if "4.0" in starts or "4," in starts else said)


@wants("one-subject-of-two")
def one_subject(case: Any) -> str:
    return runs(case)


@wants("preproc-header-tr")
def header(case: Any) -> str:
    return runs(case, "warning.*(tr|header|RepetitionTime)")


@wants("rest-beside-music")
def rest(case: Any) -> str:
    from wild import shell

    bare = shell("brain2music check .", case.folder)
    return runs(case) or (missing(bare.text, "train_task") if bare.code else "")


@wants("stim-file-of-pictures")
def pictures(case: Any) -> str:
    return runs(case, "warning|passed over", "png|jpg|jpeg|picture|no sound")


@wants("stimulus-at-96-kHz")
def rates(case: Any) -> str:
    return runs(case) or ("" if (case.out / "scores.json").is_file() else "no scores")


@wants("ten-clips")
def few(case: Any) -> str:
    return refused(case, "folds") if case.of("run").code else runs(case)


@wants("tr-differs-between-runs")
def trs(case: Any) -> str:
    return refused(case, r"\bTRs?\b|RepetitionTime")


@wants("tr-in-milliseconds")
def milliseconds(case: Any) -> str:
    return refused(case, "RepetitionTime|TR")


@wants("train-hears-test")
def leaks(case: Any) -> str:
    return refused(case, "training and test|leak")


@wants("volumes-dropped")
def dropped(case: Any) -> str:
    return refused(case, r"\b5\b.*(scans|volumes)|(scans|volumes).*\b5\b")
