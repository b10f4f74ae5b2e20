"""The right value of every case of sound that is known; see :mod:`wild_wants`, which has those of studies."""

import json
import re
from typing import Any

import numpy as np
from wild_wants import missing, wants


def answers(case: Any, command: str) -> list[str]:
    """What each line of a recipe printed that begins so: from its echo to the next one's."""
    parts = re.split(r"^\+ ", case.text, flags=re.MULTILINE)
    return [part.split("\n", 1)[-1] for part in parts if re.match(command, part)]


def after(case: Any, command: str) -> str:
    """The same in one."""
    return "\n".join(answers(case, command))


def one_line(said: str) -> bool:
    """Whether it is one error, in one line."""
    return len([line for line in said.splitlines() if line.startswith("error: ")]) == 1 and "Traceback" not in said


@wants("continue_stereo")
def stereo(case: Any) -> str:
    import soundfile

    made = soundfile.info(case.folder / "c.wav")
    given, _ = soundfile.read(re.findall(r"\S*/wide\.flac", after(case, "HERE=") + case.text)[0])
    kept, rate = soundfile.read(case.folder / "c.wav")
    if (made.channels, rate) != (2, 44100):
        return f"{made.channels} channels at {rate} Hz"
    apart = np.abs(kept[: len(given) - rate // 20] - given[: len(given) - rate // 20]).max()
    return "" if apart < 1e-4 else f"the recording's own samples differ by {apart:.4f}"


@wants("damaged_index")
def damaged(case: Any) -> str:
    first, *later = answers(case, "brain2music gallery info h --check")
    cut, built = answers(case, "brain2music gallery info g"), answers(case, "brain2music gallery build")
    if not one_line(first) or not all(map(one_line, cut)):
        return "the damage is not told in one line"
    if any("error" in said for said in (*built, *later)):
        return "a gallery is not built again"
    if not all(re.search("damage|made again|repair", said) for said in built[1:3]):
        return "no word of what was mended"
    counts = [re.findall(r"(\d+) tracks", said) for said in later]
    return "" if counts == [["4"], ["5"]] else f"tracks after the repair: {counts}"


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
    built, said = after(case, "brain2music gallery build"), answers(case, "brain2music (encode|embed)")
    if not re.search("warning.*could not be embedded", built):
        return "the build does not say what it refused"
    halves = [re.search("^error", each, re.MULTILINE) is None for each in said[-3:-1]]
    if len(set(halves)) > 1:
        return "one codec refuses half.mp3, the other takes it"
    if "libmpg123" in case.text:
        return "a library says more than we do"
    return "" if (case.folder / "e.parquet").exists() else "the first bad file ends all"


@wants("disk_full")
def full(case: Any) -> str:
    said = after(case, "brain2music (generate|decode)")
    if "cannot write this at" in said:
        return "the rate is blamed"
    lines = re.findall("^error: .*(?:room|disk|space).*$", said, re.MULTILINE)
    mounted = "permission denied" not in after(case, "mount").lower()
    return "" if len(lines) == 2 or not mounted else f"{len(lines)} lines on the disk"


@wants("flac_unknown_length")
def unknown_length(case: Any) -> str:
    rejected = case.folder / "g" / "rejected.tsv"
    wrong = rejected.is_file() and "x.flac" in rejected.read_text()
    if wrong or re.search(r"^error", case.text, re.MULTILINE):
        return "refused"
    return missing(after(case, "brain2music gallery build"), r"\b2 tracks")


@wants("late_refusal")
def late(case: Any) -> str:
    cuda, nan = after(case, "brain2music generate --text rock --device cuda"), (case.folder / "n.wav").exists()
    if nan:
        return "guidance nan is taken"
    seconds = re.search(r"real\s+(\d+)m([\d.]+)s", case.text)
    took = 60 * int(seconds[1]) + float(seconds[2]) if seconds else 0
    if took > 40 and not (case.folder / "x.mp3").exists():
        return "refused late"
    made = (case.folder / "x.wav").exists()
    return "" if made or one_line(cuda) else "no line on the device"


@wants("no_pulse")
def pulse(case: Any) -> str:
    return ""  # a figure that another issue asks for; here it must run


@wants("no_shared_memory")
def shared_memory(case: Any) -> str:
    built = after(case, "brain2music gallery build")
    refuses = one_line(built) and "--n-jobs 1" in built
    return "" if refuses or re.search(r"\b70 tracks", built) else "neither built nor told to use --n-jobs 1"


@wants("non_utf8_name")
def bytes_in_names(case: Any) -> str:
    built = after(case, "brain2music gallery build")
    if re.search(r"\b1 tracks?\b", built) and "mod" not in built:
        return "one file is passed over without a word"
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
    refused = answers(case, "brain2music")
    if not all(map(one_line, refused)):
        return "not refused in one line each"
    return "" if kept and notes else "an input was written over"


@wants("python_traps")
def traps(case: Any) -> str:
    """One text, one vector, one piece; int16 by its full scale; what cannot be taken is an InputError."""
    lines = [line for line in case.text.splitlines() if line and line[0] not in "+{" and "warning" not in line]
    texts, vectors = [line for line in lines if line.startswith("[")], [line for line in lines if line.isdigit()]
    if texts != ["['rock']"] or vectors[:1] != ["1"]:
        return f"a text is taken as its letters: {texts} {vectors}"
    refused = [line for line in lines if re.match(r"(\S+\.)?InputError\b", line)]
    if vectors[1:] != ["1"] and not any("rows" in line for line in refused):
        return "a piece a window"
    alike = [float(line) for line in lines if re.fullmatch(r"-?[01]\.\d+", line)]
    if alike and min(alike) < 0.99:
        return f"int16 is taken as it is ({min(alike):.3f})"
    return next((f"shown: {line}" for line in lines if re.match(r"(?!Input)\w+Error\b", line)), "")


@wants("same_size_and_time")
def content(case: Any) -> str:
    """Whatever is asked for is found itself, first."""
    first = [
        re.search(r"^ *0 +1 +([\d.-]+) .* (\S+)$", said, re.MULTILINE)
        for said in answers(case, "brain2music gallery search")
    ]
    found = [(row[2].split("/", row[2].count("/") - 1)[-1], row[1]) for row in first if row]
    names = [name for name, cosine in found if float(cosine) > 0.9999]
    return "" if names == ["B/001.wav", "A/001.wav", "S/a.wav"] else f"found {found}"


@wants("second_folder")
def second(case: Any) -> str:
    built = answers(case, "brain2music gallery build")
    return missing(built[-1], r"\b3 tracks") or missing(
        after(case, "brain2music gallery search"), r"1\.000000 .*a0\.wav"
    )


@wants("seed_and_draws")
def seeds(case: Any) -> str:
    """Same origin means same sound: of each pair of files, both agree or both differ."""
    pairs = [("a", "b-1"), ("h", "g")]
    for one, other in pairs:
        files = [case.folder / f"{name}.{kind}" for kind in ("json", "wav") for name in (one, other)]
        if not all(file.is_file() for file in files):
            return f"{one} or {other} was not made"
        alike = [files[i].read_bytes() == files[i + 1].read_bytes() for i in (0, 2)]
        if alike[0] != alike[1]:
            return f"{one} and {other}: same {'origin, other sound' if alike[0] else 'sound, other origin'}"
    drawn = [(case.folder / name).read_bytes() for name in ("a.wav", "b-1.wav")]
    return "" if drawn[0] == drawn[1] else "the first of two draws is not the one draw"


@wants("twice_in_the_list")
def twice(case: Any) -> str:
    shape = re.search(r"\((\d+), (\d+), 128\)", case.text)
    if not shape or shape[1] != "3":
        return f"rows: {shape[0] if shape else 'none'}"
    made = len(list(case.folder.glob("x*.wav")))
    return "" if made == 3 else f"{made} pieces of three songs"


@wants("two_builds")
def two(case: Any) -> str:
    said = re.findall(r"(\d+) tracks", after(case, "brain2music gallery info"))
    return "" if said == ["150"] else f"{said} of 150 tracks"


@wants("unknown_words")
def words(case: Any) -> str:
    """A text of which nothing is known is refused, or warned of: each of the two of emoji alone."""
    said = answers(case, "brain2music generate")
    told = "unknown|not know|no word|none of|nothing of it is known"
    return next((fault for each in said if (fault := missing(each, told))), "") if len(said) == 2 else "not run"
