"""Does what went wrong in users' hands go right? ``python benchmarks/wild.py [--cases FOLDER] [--only NAME ...]``.

``FOLDER/studies/NAME`` holds a small study with a ``RECIPE.txt`` (``run:``, ``got:``, ``want:``), ``FOLDER/sound/NAME``
a ``recipe.sh``. Each is copied and run as its recipe says, in a folder of its own. A case that ``wild_wants.py`` (of
studies) or ``wild_sounds.py`` knows is judged by its right value; one that they have not seen, by what holds of every
case: no traceback, exit codes 0 and 1 only, an error is one line that says what to do, `check` and `run` agree, nothing
half-written is left, inputs are as they were. Prints one line per case, then ``right: N of M``; exits with 1 unless all
are right.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import wild_sounds  # noqa: F401 (adds to WANTS)
from _results import Results
from wild_wants import WANTS

from brain2music.config import PLACES
from brain2music.config import RENAMED as SETTINGS

RESULTS = Results("wild")

CASES = Path(__file__).parents[1] / "../shared/cases"
TIMEOUT_S = 900
RENAMED = {
    "brain2music.codec.registry": "brain2music.models.codecs",
    "brain2music.embed.registry": "brain2music.models.embedders",
    "brain2music.generate.registry": "brain2music.models.generators",
    "brain2music.audio.compose": "brain2music.simulation.music",
    "brain2music.audio.render": "brain2music.simulation.music.render",
    "brain2music.embed.": "brain2music.embeddings.",
    "brain2music.decode.": "brain2music.decoding.",
    "brain2music.encode.": "brain2music.encoding.",
    "brain2music.score.": "brain2music.metrics.",
}
"""Modules that recipes name as they were called when the cases were found, and their names now; the first that fits."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its words, exit code and all that it printed."""

    command: str
    code: int
    text: str

    @property
    def errors(self) -> list[str]:
        """Lines that say what was refused."""
        return [line for line in self.text.splitlines() if re.match(r"\s*error\b", line)]


@dataclass(frozen=True)
class Case:
    """A case as it was run: a copy of its folder, what ran in it, and the page it should have led to."""

    name: str
    kind: str
    folder: Path
    ran: tuple[Ended, ...] = ()
    out: Path = field(default=Path())
    want: str = ""

    @property
    def text(self) -> str:
        """All that was printed."""
        return "\n".join(ended.text for ended in self.ran)

    def of(self, command: str) -> Ended:
        """The first command of the recipe that begins so."""
        return next(ended for ended in self.ran if ended.command.startswith(f"brain2music {command}"))

    def python(self, code: str) -> Ended:
        """A Python program run in the case's folder."""
        return shell(f"{sys.executable} - <<'PROGRAM'\n{code}\nPROGRAM", self.folder, "python")


def shell(command: str, folder: Path, called: str | None = None, **environment: str) -> Ended:
    """Run a line of a shell in a folder; its two streams together, in order."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "1000", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Ended(called or command, done.returncode, done.stdout.decode(errors="replace"))


def run_study(source: Path, work: Path) -> Case:
    """Copy a study, and run the commands that its recipe names; without any, `check` and `run`."""
    whole = work / source.name
    shutil.copytree(source, whole, symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", whole], check=True)
    for settings in whole.rglob("config.toml"):
        settings.write_text(_in_sections(settings.read_text()))
    recipe = next(iter(sorted(whole.rglob("RECIPE.txt"))))
    folder, out = recipe.parent, work / "OUT"
    lines = dict(re.findall(r"^(\w+):\s*(.*)$", recipe.read_text(), re.MULTILINE))
    commands = re.findall(r"brain2music [^;(]*[^;(\s]", lines.get("run", ""))
    derivatives = re.search(r"--derivatives (\S+)", lines.get("run", ""))
    ran = []
    for command in commands:
        words = command.replace(" OUT", f" {out}")
        if derivatives:
            words = words.replace(derivatives[1], str((folder / derivatives[1]).resolve()))
        if words.startswith("brain2music check .") and (folder / "config.toml").is_file():
            words += " --config config.toml"
        ran.append(shell(words, folder, words))
    return Case(source.name, "studies", folder, tuple(ran), out, lines.get("want", ""))


def run_sound(source: Path, work: Path) -> Case:
    """Run a recipe with its temporary folder below ``work``, where it can be looked at afterwards."""
    cases = work / "cases"
    for part in (source, source.parent / "_tools"):
        if part.is_dir():
            shutil.copytree(part, cases / part.name, symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", cases], check=True)
    for program in (*cases.rglob("*.sh"), *cases.rglob("*.py")):
        program.write_text(_as_of_now(program.read_text(), cases))
    recipe = cases / source.name / "recipe.sh"
    ended = shell(f"bash {recipe}", work, "recipe.sh", CASES=str(cases), TMPDIR=str(work))
    made = [path for path in work.iterdir() if path.is_dir() and path != cases]
    return Case(source.name, "sound", max(made, key=lambda path: path.stat().st_mtime, default=work), (ended,))


def _as_of_now(program: str, cases: Path) -> str:
    """A recipe with the modules' names of now, and the cases' folder also where no shell puts it in."""
    for before, now in RENAMED.items():
        program = program.replace(before, now)
    return program.replace("$CASES/", f"{cases}/")


def _in_sections(settings: str) -> str:
    """A settings file with its keys under their sections and by their names of now."""
    lines = []
    for line in settings.splitlines():
        key, equals, value = line.partition(" = ")
        place = SETTINGS.get(key) or (f"{PLACES[key]}.{key}" if key in PLACES else key)
        lines.append(f"{place}{equals}{value}" if equals else line)
    return "\n".join(lines) + "\n"


def faults(case: Case) -> list[str]:
    """What no case may show, whatever it wants."""
    found = []
    raised = re.findall(r"^(Traceback \(most.*\n(?:[ +].*\n)*)(.*)", case.text, re.MULTILINE)
    ours = [end for frames, end in raised if "/brain2music/" in frames]  # a recipe may itself read what was refused
    if any("errors.InputError: " not in end for end in ours):  # which ends a program in Python so
        found.append("a traceback")
    left = [path.name for root in {case.folder, case.out} if root.name for path in root.rglob(".part-*")]
    if left:
        found.append(f"left behind: {left[0]}")
    if case.kind == "sound":
        return found
    for ended in case.ran:
        if ended.code not in (0, 1):
            found.append(f"exit {ended.code}: {ended.command.split()[1]}")
        if ended.code and ended.command.startswith("brain2music run") and not ended.text.strip():
            found.append("refused without a word")
    codes = {ended.command.split()[1]: ended.code for ended in case.ran}
    if {"check", "run"} <= codes.keys() and codes["check"] != codes["run"]:
        found.append(f"check ends with {codes['check']}, run with {codes['run']}")
    if codes.get("run", codes.get("run-arrays")) == 0 and not (case.out / "index.html").is_file():
        found.append("no page")
    return found


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def judge(source: Path, keep: Path) -> tuple[str, bool, str]:
    """Run a case and say whether it went right, and why not."""
    work = keep / source.name
    work.mkdir()
    before = contents(source)
    case = None
    try:
        case = (run_study if (source.parent.name == "studies") else run_sound)(source, work)
        wrong = faults(case)
        wanted = WANTS.get(source.name)
        if wanted is not None and not wrong:
            wrong += [fault for fault in [wanted(case)] if fault]
    except subprocess.TimeoutExpired:
        wrong, wanted = [f"not ended after {TIMEOUT_S} s"], None
    except Exception as problem:  # a judgement that fails is a case that is not right, not the end of the others
        wrong, wanted = [f"cannot be judged: {problem!r}"], None
    if contents(source) != before:
        wrong.append("the case's own files were changed")
    (work / "output.txt").write_text(case.text if case else "")
    unseen = "by what holds of every case" if case and case.ran else "nothing that can be run: look at its recipe"
    how = "" if wanted or wrong else unseen
    return source.name, not wrong, "; ".join(wrong) or how


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--only", nargs="*", default=[], help="names of cases")
    parser.add_argument("--keep", type=Path, help="keep copies, outputs and what was printed here")
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    root = arguments.cases.resolve()
    roots = [root, *(root / kind for kind in ("studies", "sound"))]
    sources = [path.parent for each in roots for path in sorted(each.glob("*/recipe.sh"))]
    sources += [path for each in roots for path in sorted(each.glob("*")) if list(path.glob("**/RECIPE.txt"))]
    sources = [path for path in sources if path.name not in ("studies", "sound")]
    sources = [path for path in dict.fromkeys(sources) if not arguments.only or path.name in arguments.only]
    if not sources:
        parser.error(f"no case in {root}: name the folder that holds studies/ and sound/")
    right = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(arguments.n_jobs) as pool:
        keep = arguments.keep.resolve() if arguments.keep else Path(name)
        keep.mkdir(parents=True, exist_ok=True)
        for case, well, why in pool.map(lambda source: judge(source, keep), sources):
            right += well
            print(f"{'right' if well else 'WRONG'}  {case}{f': {why}' if why else ''}", flush=True)
    print(f"right: {right} of {len(sources)}")
    if not arguments.only:
        RESULTS.add("cases met by users that go right", right, bar=f"all {len(sources)}", n=len(sources))
    raise SystemExit(right < len(sources))


if __name__ == "__main__":
    main()
