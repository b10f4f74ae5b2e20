"""Export of a listening test as a BIDS dataset: ``phenotype/`` for listeners, ``beh/`` for single answers."""

from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from .._utils.errors import InputError
from .._utils.files import read_object, write_json, write_table
from .._utils.words import counted
from .design import CHANCE, TASKS
from .store import AnswerStore

MEASURE = "listening_test"
NAME = "Listening test of "
"""How the name of an exported dataset begins."""
ABOUT_LISTENERS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "Listener, numbered in the order in which they began; nobody who was scanned"},
    "headphones": {"Description": "Whether the listener wore headphones", "Levels": {"0": "no", "1": "yes"}},
    "music_years": {"Description": "Years of music lessons, as the listener said", "Units": "years"},
    "answers": {"Description": "Answered trials, without catch trials"},
    "catch_trials": {"Description": "Answered catch trials, whose answer is obvious to whoever listens"},
    "catch_passed": {"Description": "Share of catch trials that were passed"},
    "2afc_right": {"Description": "Share right: which of two was reconstructed from this recording? Chance is 1/2"},
    "oddoneout_right": {"Description": "Share right: which of three is the odd one out? Chance is 1/3"},
    "similarity_own": {"Description": "Mean rating (1 to 7) of music that was reconstructed from the recording"},
    "similarity_other": {"Description": "Mean rating (1 to 7) of music that was reconstructed from another recording"},
}  # fmt: skip
ABOUT_ANSWERS: dict[str, dict[str, Any]] = {
    "trial": {"Description": "Number of the trial in the session, from 1"},
    "task": {"Description": "What was asked", "Levels": {
        "2afc": "Which of these two was reconstructed from this recording?",
        "oddoneout": "Which of these three is the odd one out?",
        "similarity": "How similar is this to the recording? (1 to 7)"}},
    "catch": {"Description": "Whether the answer is obvious to whoever listens", "Levels": {"0": "no", "1": "yes"}},
    "question": {"Description": "The same for all listeners who judged the same, whatever the order of sounds"},
    "scanned_subject": {"Description": "Subject whose responses the music was reconstructed from"},
    "embedding": {"Description": "Embedding that was decoded"},
    "source": {"Description": "Where the music came from", "Levels": {
        "generated": "generated from the decoded embedding",
        "retrieved": "found in a gallery by the decoded embedding"}},
    "clip": {"Description": "Recording in question"},
    "genre": {"Description": "Its genre"},
    "foil": {"Description": "Recording that the other music was reconstructed from"},
    "foil_genre": {"Description": "Its genre"},
    "same_origin": {"Description": "Of similarity: whether the rated music is of the recording",
                    "Levels": {"0": "of the foil", "1": "of the recording"}},
    "pair": {"Description": "Of oddoneout: which two belong together", "Levels": {
        "reconstructions": "two generated samples", "recording": "the recording and one reconstruction"}},
    "place": {"Description": "Place of the right option, from 1; 0 where none is right"},
    "answer": {"Description": "Option that was chosen, from 1, or rating"},
    "right": {"Description": "Whether the answer is right (catch trials: passed)", "Levels": {"0": "no", "1": "yes"}},
    "seconds": {"Description": "From the question to the answer", "Units": "s"},
    "plays": {"Description": "How often a sound was played"},
    "answered": {"Description": "When the server kept the answer, UTC"},
}  # fmt: skip
FLAGS = ("catch", "same_origin")


def export_bids(store: AnswerStore, folder: str | Path) -> Path:
    """Write the answers of a listening test as a BIDS dataset of its listeners.

    ``phenotype/listening_test.tsv`` has one row per listener, and ``sub-L001/beh/sub-L001_task-listening_beh.tsv`` one
    row per answer; JSON files beside them describe every column. An earlier export of the same test is replaced.

    Parameters
    ----------
    store : AnswerStore
        The answers.
    folder : str or Path
        Folder to write: a new or empty one, or that of an earlier export.

    Returns
    -------
    Path
        ``phenotype/listening_test.tsv``.

    Raises
    ------
    InputError
        Nobody has answered, the folder holds something else, such as the study, or it cannot be written to.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.listening import AnswerStore, Reconstructed, TestDesign, export_bids, read_answers
    >>> items = [
    ...     Reconstructed("01", "mulan-small", "generated", name, "jazz", Path(name), (Path(name + "0"),))
    ...     for name in "abcdef"
    ... ]
    >>> store = AnswerStore("answers.sqlite", items, TestDesign(n_trials=2, n_catch=1), study="six songs")
    >>> session = store.begin()
    >>> store.answer(session, 0, 1, milliseconds=2300, plays=3)
    True
    >>> export_bids(store, "listeners").name
    'listening_test.tsv'
    >>> len(read_answers("listeners"))
    1
    >>> store.close()
    """
    folder, answers = Path(folder), store.answers()
    if answers.empty:
        raise InputError("nobody has answered yet", store.path, "send listeners to /listen of `brain2music serve`")
    listeners = _listeners(answers)
    _require_own(folder, set(listeners["participant_id"]))
    about = {
        "Name": f"{NAME}{store.study or 'a run'}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "brain2music", "Version": __version__}],
        "Simulated": store.simulated,
    }
    write_json(folder / "dataset_description.json", about)
    write_table(folder / "participants.tsv", listeners[["participant_id"]])
    write_json(folder / "participants.json", {"participant_id": ABOUT_LISTENERS["participant_id"]})
    tool = {
        "MeasurementToolMetadata": {
            "Description": "Listening test of brain2music: "
            + ", ".join(store.design.tasks)
            + f"; {store.design.n_trials} trials and {store.design.n_catch} catch trials each, seed {store.design.seed}"
        }
    }
    for label, each in answers.groupby("listener"):
        name = f"sub-L{label:03d}"
        path = folder / name / "beh" / f"{name}_task-listening_beh.tsv"
        write_table(path, _as_numbers(each)[list(ABOUT_ANSWERS)])
    write_json(folder / "task-listening_beh.json", {"TaskName": "listening", **ABOUT_ANSWERS})
    table = folder / "phenotype" / f"{MEASURE}.tsv"
    write_table(table, listeners)
    write_json(table.with_suffix(".json"), {**tool, **ABOUT_LISTENERS})
    return table


def read_answers(folder: str | Path) -> pd.DataFrame:
    """Read the answers that :func:`export_bids` wrote.

    Parameters
    ----------
    folder : str or Path
        The BIDS folder.

    Returns
    -------
    DataFrame
        As :meth:`AnswerStore.answers` returns.

    Raises
    ------
    InputError
        The folder holds no answers, or a file of them is damaged.

    Examples
    --------
    >>> from brain2music.listening import read_answers
    >>> read_answers("nothing")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: nothing: there are no answers of a listening test
    """
    folder = Path(folder)
    files = sorted(folder.glob("sub-L*/beh/sub-L*_task-listening_beh.tsv"))
    if not files:
        raise InputError("there are no answers of a listening test", folder, "export them first")
    tables = []
    for file in files:
        try:
            table = pd.read_csv(
                file, sep="\t", na_values=["n/a"], keep_default_na=False, dtype={"clip": str, "foil": str}
            )
            table["listener"] = int(file.name.split("_")[0].removeprefix("sub-L"))
        except ValueError as error:
            raise InputError(f"this table cannot be read ({error})", file, "export the answers again") from None
        if missing := [name for name in ABOUT_ANSWERS if name not in table]:
            raise InputError(f"the table has no column {', '.join(missing)}", file, "export the answers again")
        tables.append(table.astype(dict.fromkeys(FLAGS, bool)))
    return pd.concat(tables, ignore_index=True)


def _require_own(folder: Path, listeners: set[str]) -> None:
    """Refuse a folder that holds anything but an earlier export of these listeners."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    described = folder / "dataset_description.json"
    name = read_object(described).get("Name") if described.is_file() else None
    if not str(name).startswith(NAME):
        raise InputError("the folder holds something else than a listening test", folder, "name a new folder")
    if others := sorted({each.name for each in folder.glob("sub-*")} - listeners):
        what = f"the folder holds {counted(len(others), 'listener')} of another test, such as {others[0]}"
        raise InputError(what, folder, "name a new folder")


def _as_numbers(answers: pd.DataFrame) -> pd.DataFrame:
    return answers.astype(dict.fromkeys(FLAGS, int))


def _listeners(answers: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for label, each in answers.groupby("listener"):
        catch, own = each["catch"].astype(bool), each["same_origin"].astype(bool)
        counted = each[~catch]
        row: dict[str, Any] = {"participant_id": f"sub-L{label:03d}"}
        row["headphones"] = _said(each["headphones"].iloc[0])
        row["music_years"] = _said(each["music_years"].iloc[0])
        row |= {"answers": len(counted), "catch_trials": int(catch.sum()), "catch_passed": each[catch]["right"].mean()}
        for task in TASKS:
            some = counted[counted["task"] == task]
            if task in CHANCE:
                row[f"{task}_right"] = some["right"].mean()
            else:
                row["similarity_own"] = some[own.loc[some.index]]["answer"].mean()
                row["similarity_other"] = some[~own.loc[some.index]]["answer"].mean()
        rows.append(row)
    return pd.DataFrame(rows)[list(ABOUT_LISTENERS)]


def _said(value: Any) -> float:
    return float("nan") if value is None else float(value)
