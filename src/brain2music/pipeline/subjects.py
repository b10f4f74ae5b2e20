"""Outputs of a subject as a whole: written by one process at a time, and finished or not.

Processes that run different subjects into one folder meet only where all subjects are put together. Only finished
subjects are included there: those whose record exists, and whose outputs are all as recorded.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file, read_object, write_json
from .._utils.locks import locked
from ..brain.source import Source
from ..config import RunConfig
from ..metrics.records import read_scores, summarise, write_scores
from .cache import Stages, is_whole, outputs_of, read_record
from .gate import Level
from .outputs import Outputs
from .settings import deciding
from .statistics import write_statistics

Records = Mapping[str, Mapping[str, Any]]
"""Each finished subject's record: ``settings``, ``stages`` (provenance file -> digest), ``sounds`` (stimuli)."""


@contextmanager
def working_on(subject: str, source: Source, config: RunConfig, outputs: Outputs) -> Iterator[Stages]:
    """Hold a subject while its steps run; then remove what they no longer make, and record what they made.

    Outputs in embeddings that this run does not decode are valid, and stay; a message says so.
    """
    record, folder = outputs.record(subject), outputs.folder(subject)
    with locked(outputs.lock(f"sub-{subject}"), f"decoding sub-{subject}"):
        if record.is_dir():
            raise InputError("there is a folder where a file is to be written", record, "move it elsewhere")
        record.unlink(missing_ok=True)
        stages = Stages()
        yield stages
        others = {path: _embedding(path) for path in stages.others(folder)}
        left = sorted({name for name in others.values() if name is not None and name not in config.embeddings})
        gone = stages.discard(path for path, name in others.items() if name not in left)
        if gone:
            _warn(f"{folder}: removed {len(gone)} files of an earlier run that these settings do not make")
        if left:
            _warn(f"{folder}: outputs of an earlier run in {', '.join(left)} are left as they are, and not shown")
        made = {path.relative_to(folder).as_posix(): digest_file(path) for path in stages.records}
        sounds = [outputs.stimulus(clip.name).name for clip in source.clips_presented(subject)]
        write_json(record, {"settings": deciding(config), "stages": made, "sounds": sorted(set(sounds))})


def gather(source: Source, config: RunConfig, outputs: Outputs, level: Level) -> Records:
    """Read the records of all finished subjects of the study.

    Messages say which subjects are not finished, which were made with other settings, and which are no longer in the
    study.

    Raises
    ------
    InputError
        At group level, subjects were made with different settings.
    """
    found = {subject: finished(outputs, subject) for subject in source.all_subjects}
    records = {subject: record for subject, record in found.items() if record is not None}
    for subject, record in found.items():
        if record is None and outputs.folder(subject).is_dir():
            _warn(f"sub-{subject} is being worked on, unfinished or was changed: run it to have it among the results")
    for folder in outputs.root.glob("sub-*/"):
        subject = folder.name.removeprefix("sub-")
        if subject not in source.all_subjects and outputs.record(subject).is_file():
            _warn(f"sub-{subject} is no longer in the study: {folder} and its page are no longer among the results")
    if level == "group" and records:
        first, *others = records
        if differ := unlike({subject: records[subject] for subject in others}, records[first]["settings"]):
            subject, what = next(iter(differ.items()))
            hint = "run the participant level of all subjects with the same settings"
            raise InputError(
                f"sub-{subject} was made with other settings than sub-{first} ({what})", outputs.root, hint
            )
    for subject, what in unlike(records, deciding(config)).items():
        _warn(f"sub-{subject} was made with other settings than these: {what}")
    return records


def retrieved_tables(records: Records, config: RunConfig, outputs: Outputs) -> list[Path]:
    """What galleries gave finished subjects."""
    tables = {outputs.retrieval(subject, name) for subject in records for name in config.embeddings}
    return sorted(tables & {file for subject in records for file in files_of(outputs, subject, records[subject])})


def score_files(subject: str, record: Mapping[str, Any], config: RunConfig, outputs: Outputs) -> list[Path]:
    """The files of a finished subject's scores."""
    places = (outputs.scores_of, outputs.retrieval_scores, outputs.generated_scores)
    files = [place(subject, name) for name in config.embeddings for place in places]
    made = files_of(outputs, subject, record)
    return [file for file in (*files, outputs.encoding_scores(subject)) if file in made]


def finished(outputs: Outputs, subject: str) -> dict[str, Any] | None:
    """A subject's record, if all its outputs are there as recorded; else None."""
    try:
        record = read_object(outputs.record(subject))
    except InputError:
        return None
    stages = record.get("stages")
    kinds = {"settings": dict, "stages": dict, "sounds": list}
    if not isinstance(stages, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        return None
    whole = (_is_record_of(outputs.folder(subject) / name, digest) for name, digest in stages.items())
    return record if stages and all(whole) else None


def files_of(outputs: Outputs, subject: str, record: Mapping[str, Any]) -> set[Path]:
    """Every file that a finished subject's stages made."""
    return {path for name in record["stages"] for path in outputs_of(outputs.folder(subject) / name)}


def unlike(records: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, str]:
    """Subjects that were made with other settings, and the settings that differ, in words."""
    differences = {}
    for subject, record in records.items():
        found = record["settings"]
        keys = [key for key in sorted({*settings, *found}) if found.get(key) != settings.get(key)]
        if keys:
            differences[subject] = ", ".join(f"{key} {found.get(key)} and not {settings.get(key)}" for key in keys)
    return differences


def _is_record_of(record: Path, digest: Any) -> bool:
    try:
        return record.is_file() and digest_file(record) == digest and is_whole(record)
    except OSError:
        return False


def _embedding(record: Path) -> str | None:
    """The embedding that a stage was about."""
    found = read_record(record)
    space = None if found is None else found["settings"].get("space")
    name = space.get("name") if isinstance(space, dict) else None
    return name if isinstance(name, str) else None


def _warn(what: str) -> None:
    warnings.warn(what, Brain2MusicWarning, stacklevel=4)


def collect_scores(records: Records, config: RunConfig, outputs: Outputs, level: Level) -> None:
    """Gather the scores of every finished subject into one table; at group level their summary too."""
    files = [file for subject in records for file in score_files(subject, records[subject], config, outputs)]
    files += (
        [outputs.between_subject_scores(name) for name in config.embeddings]
        if config.evaluation.between_subject and level == "group"
        else []
    )
    scores = [score for file in files for score in read_scores(file)]
    if not scores:
        raise InputError("no subject has been decoded here", outputs.root, "run the participant level first")
    scores = [*(summarise(scores) if level == "group" else []), *scores]
    for file in (outputs.scores, outputs.scores_table):
        write_scores(file, scores)
    write_statistics(scores, sorted(records), outputs, config.seed)
