"""The right value of every case that is known: a function each, that says what is wrong, or nothing.

Each takes a case as ``wild.py`` ran it. Where a case's want allows several answers (right, or refused in one line that
names the fault), so does its function.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
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
    return dict(rows[rows["metric"] == "identification"].iloc[0])


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
    return score if isinstance(score, str) else "" if score["p"] > 0.01 else f"identified at {score['value']:.3f}"


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
    """Sections of their own, or a word."""
    starts = case.python(CLIPS).text
    return runs(case) or ("" if "4.0" in starts or "4," in starts else missing(case.text, "section|adjacent|run on"))


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


def after(case: Any, command: str) -> str:
    """What a line of a recipe printed: from its echo to the next one's."""
    parts = re.split(r"^\+ ", case.text, flags=re.MULTILINE)
    return "\n".join(part.split("\n", 1)[-1] for part in parts if re.match(command, part))


@wants("continue_stereo")
def stereo(case: Any) -> str:
    import soundfile

    made = soundfile.info(case.folder / "c.wav")
    source = next(iter(re.findall(r"info\('([^']*wide\.flac)'", case.text)), None)
    given, _ = soundfile.read(source)
    kept, rate = soundfile.read(case.folder / "c.wav")
    if (made.channels, rate) != (2, 44100):
        return f"{made.channels} channels at {rate} Hz"
    apart = np.abs(kept[: len(given) - rate // 20] - given[: len(given) - rate // 20]).max()
    return "" if apart < 1e-4 else f"the recording's own samples differ by {apart:.4f}"


@wants("damaged_index")
def damaged(case: Any) -> str:
    ok = [after(case, f"brain2music gallery info {name}") for name in ("g", "h")]
    last = case.text.rsplit("+ brain2music gallery info h --check", 1)[-1]
    if re.search("error|damage|differ", last, re.IGNORECASE):
        return f"still damaged: {last.strip()[:120]}"
    return "" if all(ok) else "no word of the damage"


@wants("damaged_sound")
def sounds(case: Any) -> str:
    rejected = case.folder / "g" / "rejected.tsv"
    listed = rejected.read_text() if rejected.is_file() else ""
    for name in ("gsm610.wav", "len0.wav"):
        if name in listed:
            return f"{name} is sound, and refused"
    for name in ("empty.mp3", "1752_bytes.mp3"):
        if name not in listed:
            return f"{name} is not listed as refused"
    return "" if (case.folder / "e.parquet").exists() else "the first bad file ends all"


@wants("disk_full")
def full(case: Any) -> str:
    said = after(case, "brain2music (generate|decode)")
    if "cannot write this at" in said:
        return "the rate is blamed"
    return "" if re.search("disk|space", said, re.IGNORECASE) or "Permission" in case.text else "no word of the disk"


@wants("flac_unknown_length")
def unknown_length(case: Any) -> str:
    rejected = case.folder / "g" / "rejected.tsv"
    wrong = rejected.is_file() and "x.flac" in rejected.read_text()
    return "refused" if wrong or re.search(r"^error", case.text, re.MULTILINE) else ""


@wants("late_refusal")
def late(case: Any) -> str:
    lines = [line for line in case.text.splitlines() if line.startswith("error")]
    cuda, nan = after(case, "brain2music generate --text rock --device cuda"), (case.folder / "n.wav").exists()
    if nan:
        return "guidance nan is taken"
    seconds = re.search(r"real\s+(\d+)m([\d.]+)s", case.text)
    took = 60 * int(seconds[1]) + float(seconds[2]) if seconds else 0
    if took > 40 and not (case.folder / "x.mp3").exists():
        return "refused late"
    return "" if len(lines) >= 1 and "error" in cuda + case.text else "no line"


@wants("no_pulse")
def pulse(case: Any) -> str:
    return ""  # a figure that another issue asks for; here it must run


@wants("no_shared_memory")
def shared_memory(case: Any) -> str:
    return "" if "tracks" in case.text else "nothing was built"


@wants("non_utf8_name")
def bytes_in_names(case: Any) -> str:
    built = after(case, "brain2music gallery build")
    return "" if re.search(r"\b[12] tracks?\b", built) and (case.folder / "e.parquet").exists() else "nothing was built"


@wants("other_suffixes")
def suffixes(case: Any) -> str:
    built = after(case, "brain2music gallery build") + after(case, "cat g/rejected.tsv")
    if not re.search(r"\b5 tracks\b", built):
        return "CAF, W64, RF64 and AIFC are not taken"
    return missing(built, "m4a", "wma", "webm")


@wants("overwrites_input")
def overwrites(case: Any) -> str:
    kept = all((case.folder / name).read_bytes()[:4] == b"RIFF" for name in ("s.wav", "t.wav", "u.wav"))
    notes = json.loads((case.folder / "u.json").read_text()) == {"my": "notes"}
    return "" if kept and notes else "an input was written over"


@wants("python_traps")
def traps(case: Any) -> str:
    lines = [line for line in case.text.splitlines() if not line.startswith("+")]
    letters = any("'r', 'o'" in line for line in lines)
    alike = [float(line) for line in lines if re.fullmatch(r"-?[01]\.\d+", line)]
    if letters or (alike and min(alike) < 0.99):
        return "text is taken as letters" if letters else f"int16 is taken as it is ({min(alike):.3f})"
    return "an index error is shown" if "IndexError" in case.text or "RuntimeError" in case.text else ""


@wants("same_size_and_time")
def content(case: Any) -> str:
    found = [re.split(r"^\+ ", part, flags=re.MULTILINE)[0] for part in case.text.split("gallery search")[1:]]
    first = [
        next((line for line in part.splitlines() if re.search(r"\.wav|\b001\b|\ba\b", line)), "") for part in found
    ]
    return "" if len(first) == 3 and all(first) else "no answer of a search"


@wants("second_folder")
def second(case: Any) -> str:
    return missing(case.text, r"\b3 tracks")


@wants("seed_and_draws")
def seeds(case: Any) -> str:
    """Same origin means same sound: of each pair of files, both agree or both differ."""
    pairs = [("a", "b-1"), ("h", "g")]
    for one, other in pairs:
        files = [case.folder / f"{name}.{kind}" for kind in ("json", "wav") for name in (one, other)]
        if not all(file.is_file() for file in files):
            return f"{one} or {other} was not made"
        alike = [files[i].read_bytes() == files[i + 1].read_bytes() for i in (0, 2)]
        if alike[0] and not alike[1]:
            return f"{one} and {other}: same origin, other sound"
    drawn = [(case.folder / name).read_bytes() for name in ("a.wav", "b-1.wav")]
    return "" if drawn[0] == drawn[1] else "the first of two draws is not the one draw"


@wants("twice_in_the_list")
def twice(case: Any) -> str:
    shape = re.search(r"\((\d+), (\d+), 128\)", case.text)
    return "" if shape and shape[1] == "3" else f"rows: {shape[0] if shape else 'none'}"


@wants("two_builds")
def two(case: Any) -> str:
    said = re.findall(r"(\d+) tracks", case.text.rsplit("+ brain2music gallery info", 1)[-1])
    return "" if said and said[0] == "150" else f"{said} of 150 tracks"


@wants("unknown_words")
def words(case: Any) -> str:
    return missing(after(case, "brain2music generate") + case.text, "unknown|not know|no word|none of")
