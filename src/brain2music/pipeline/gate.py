"""Gate of a run: all faults that prevent it, found before anything is computed.

``check`` lists what is found here, and ``run`` refuses because of it: both call :func:`prepare_run` and :func:`admit`.
"""

import shlex
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from .._utils.errors import Brain2MusicWarning, InputError, LeakageError
from .._utils.progress import progress
from ..brain.source import Source
from ..config import RunConfig
from ..decoding.registry import require_decoder
from ..embeddings.captions import read_captions, with_captions
from ..embeddings.protocols import Embedder
from ..gallery.gallery import Gallery
from ..metrics.leakage import Leak, check_split, gallery_leaks, read_gtzan_index, require_no_leak
from ..models.abilities import abilities_of
from ..models.embedders import get_embedder
from ..models.generator_protocols import Generator
from ..models.generators import get_generator
from ..study.check import find_respelt, find_unpresentable, no_recordings
from ..study.finding import Finding, error, warning
from ..study.study import Clip
from .between_subjects import require_several
from .claim import require_apart, require_ours
from .dividing import check_division
from .fitting import check_fit
from .generation import anchor, cross, require_fit
from .meshes import check_meshes
from .outputs import Outputs
from .retrieval import check_gallery
from .room import check_room
from .settings import OF_PRESENTATION, unused_settings

Level = Literal["participant", "group"]
Made = TypeVar("Made")
Given = ParamSpec("Given")
LEAK = "leak"
FEW = 4
"""Fewer than one in so many clips may be lost by their recordings; else the folder is at fault."""


@dataclass(frozen=True)
class Ready:
    """Inputs of a run, opened, and all findings; what could not be opened is missing.

    ``lost`` are the clips that are left out because of their recordings.
    """

    findings: tuple[Finding, ...]
    embedders: tuple[Embedder, ...]
    judges: tuple[Embedder, ...]
    galleries: tuple[Gallery, ...]
    generator: Generator | None
    captions: Mapping[str, str]
    leaks: tuple[Leak, ...]
    lost: frozenset[Clip] = frozenset()


@progress("check what the run needs")
def prepare_run(
    source: Source,
    config: RunConfig,
    outputs: Outputs | None,
    *,
    level: Level = "participant",
    galleries: Sequence[Path] = (),
) -> Ready:
    """Open what a run asks for and look at all that it will read, without computing or writing anything.

    Parameters
    ----------
    source : the study, as far as its tables and headers are sound.
    outputs : where the run will write; None leaves that out.
    level, galleries : as for :func:`brain2music.pipeline.run`.
    """
    found: list[Finding] = []
    judged_only = [name for name in config.evaluation.further_embeddings if name not in config.embeddings]
    embedders, judges = (_embedders(names, source, config, found) for names in (config.embeddings, judged_only))
    opened = _galleries(galleries, embedders, source, found)
    found += _unused(source, config)
    found += _uncorrected(source)
    generator = _generator(config, embedders, opened, source, found)
    lost = _lost(source, found) if level == "participant" else frozenset()
    source = source.exclude(lost) if lost else source
    captions = _captions(source, config, found)
    for name in dict.fromkeys((config.decoding.decoder, *config.evaluation.compare_decoders)):
        _attempt("decoder-unknown", found, require_decoder, name)
    leaks = _leaks(source, config, opened, found)
    if level == "participant":
        with progress("check the responses"):
            found += source.examine()
            found += check_meshes(source, config)
        if sound := _sound(source, found):
            found += check_fit(sound, config, embedders)
    elif outputs is not None:
        _group(source, config, outputs, found)
    if outputs is not None:
        _attempt("output-is-input", found, require_apart, source, outputs, galleries)
        _attempt("output-foreign", found, require_ours, outputs)
        if sound := _sound(source, found):
            found += check_room(sound, config, outputs, (*embedders, *judges), generator)
    return Ready(tuple(dict.fromkeys(found)), embedders, judges, opened, generator, captions, leaks, lost)


def _sound(source: Source, found: Sequence[Finding]) -> Source | None:
    """The source without the subjects at fault so far, of whom nothing more can be asked; None without any."""
    faulty = {finding.subject for finding in found if finding.severity == "error"}
    left = [label for label in source.subjects if label not in faulty]
    return source.keep(left) if left else None


def judge(findings: Sequence[Finding], subjects: Sequence[str], named: Collection[str] = ()) -> list[Finding]:
    """The findings by their effect: what only costs a subject that was not named, while others remain, is a warning.

    Parameters
    ----------
    subjects : all that would run. named : those that were asked for one by one.
    """
    faulty = {finding.subject for finding in findings if finding.severity == "error"}
    if None in faulty or not set(subjects) - faulty or faulty & set(named):
        return list(findings)
    return [_left_out(finding) if finding.severity == "error" else finding for finding in findings]


def admit(source: Source, findings: Sequence[Finding], named: Collection[str] = ()) -> Source:
    """Return the source without the subjects at fault, with a line for each of them.

    Raises
    ------
    LeakageError
        Training and test data share what they must not.
    InputError
        A fault concerns the whole study, a subject that was named, or all subjects.
    """
    judged = judge(findings, source.subjects, named)
    errors = [finding for finding in judged if finding.severity == "error"]
    errors.sort(key=lambda finding: finding.subject is not None)
    if errors:
        first = errors[0].as_error()
        raise LeakageError(first.what, first.file, first.hint) if errors[0].code == LEAK else first
    lines = _lines(judged)
    for line in lines:
        warnings.warn(line, Brain2MusicWarning, stacklevel=2)
    gone = {str(finding.subject) for finding in findings if finding.severity == "error"}
    return source.keep([label for label in source.subjects if label not in gone], lines, gone)


def _lines(judged: Sequence[Finding]) -> list[str]:
    """Warnings, of each kind the first, and how many more there are."""
    kinds: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in judged:
        if finding.severity == "warning":
            kinds.setdefault((finding.code, finding.subject), []).append(finding)
    more = [f" ({len(each) - 1} more such; `check` lists them)" if len(each) > 1 else "" for each in kinds.values()]
    return [f"{each[0].as_error()}{rest}" for each, rest in zip(kinds.values(), more, strict=True)]


def _left_out(finding: Finding) -> Finding:
    what = f"sub-{finding.subject} is left out: {finding.what}"
    return replace(finding, severity="warning", what=what)


def _attempt(
    code: str, found: list[Finding], make: Callable[Given, Made], *given: Given.args, **named: Given.kwargs
) -> Made | None:
    """What is made of what is given; None and a finding where it cannot be."""
    try:
        return make(*given, **named)
    except (InputError, OSError) as problem:
        if not isinstance(problem, InputError):
            problem = InputError(str(problem), None, "make it readable")
        found.append(error(code, problem.file, problem.what, problem.hint))
        return None


def _embedders(names: Sequence[str], source: Source, config: RunConfig, found: list[Finding]) -> tuple[Embedder, ...]:
    made = (
        _attempt("embedding-unusable", found, get_embedder, name, config.window_s, source.step_s)
        for name in dict.fromkeys(names)
    )
    return tuple(each for each in made if each is not None)


def _galleries(
    folders: Sequence[Path], embedders: Sequence[Embedder], source: Source, found: list[Finding]
) -> tuple[Gallery, ...]:
    opened: list[Gallery] = []
    for folder in folders:
        gallery = _attempt("gallery-unusable", found, Gallery.open, folder)
        if gallery is not None:
            opened.append(gallery)
            found += check_gallery(gallery, opened[:-1], embedders, source)
    return tuple(opened)


def _generator(
    config: RunConfig,
    embedders: tuple[Embedder, ...],
    galleries: Sequence[Gallery],
    source: Source,
    found: list[Finding],
) -> Generator | None:
    name = config.generation.generator
    if name is None:
        return None
    generator = _attempt("generator-unusable", found, get_generator, name)
    if generator is not None and config.generation.bridge is not None:
        generator = _attempt("bridge-unusable", found, cross, generator, config)
    if generator is not None:
        _attempt("generator-unfit", found, require_fit, generator, embedders)
        _attempt("generator-unfit", found, abilities_of(generator).check_seconds, name, config.generation.duration_s)
        if not abilities_of(generator).commercial:
            what = f"what {name} generates is not for commercial use ({abilities_of(generator).licence})"
            found.append(warning("generator-licence", None, what, "name its licence with the results"))
        if config.generation.anchored is not None and generator.space is not None:
            presented = [clip.track for clip in (*source.train_clips, *source.test_clips)]
            generator = _attempt("anchors-impossible", found, anchor, generator, config, galleries, presented)
    return generator


def _unused(source: Source, config: RunConfig) -> Iterator[Finding]:
    for name in unused_settings(source, config):
        own = name in OF_PRESENTATION
        hint = f"write {name.partition('.')[2]} under [stimuli] of the arrays file" if own else "leave it out"
        what = f"the setting {name} ({config.flat()[name]}) is not applied to arrays"
        yield warning("setting-unused", source.path, what, hint)


def _uncorrected(source: Source) -> Iterator[Finding]:
    """Images as they were scanned, in which heads have moved; simulated ones only if that was asked for."""
    if source.images is not None and source.images.kind == "raw" and not source.simulated:
        what = "no motion correction was done: the raw images are read, as they are"
        folders = [str(source.path), str(source.path / "derivatives" / "brain2music-prep")]
        command = shlex.join(["brain2music", "preprocess", *folders])
        yield warning("motion-uncorrected", source.path, what, f"run `{command}` first")


def _lost(source: Source, found: list[Finding]) -> frozenset[Clip]:
    """The clips whose recordings are at fault, where these are few in each split; where they are many: errors."""
    if not source.stimuli.folder.is_dir():
        found.append(no_recordings(source.stimuli.folder))
        return frozenset()
    sides = source.train_clips, source.test_clips
    found += find_respelt((*sides[0], *sides[1]), source.stimuli)
    with progress("check the recordings"):
        faults = find_unpresentable((*sides[0], *sides[1]), source.stimuli)
    if any(FEW * sum(clip in faults for clip in side) >= len(side) > 0 for side in sides):
        found += faults.values()
        return frozenset()
    for clip, fault in faults.items():
        found.append(replace(fault, severity="warning", what=f"{fault.what}: {clip.name} is left out"))
    return frozenset(faults)


def _captions(source: Source, config: RunConfig, found: list[Finding]) -> Mapping[str, str]:
    path = config.stimuli.captions
    if path is None:
        return {}
    captions = _attempt("captions-unusable", found, read_captions, path)
    if captions is not None:
        clips = (*source.train_clips, *source.test_clips)
        _attempt("captions-missing", found, with_captions, clips, captions)
    return captions or {}


def _leaks(source: Source, config: RunConfig, galleries: Sequence[Gallery], found: list[Finding]) -> tuple[Leak, ...]:
    path = config.stimuli.track_index
    index = None if path is None else _attempt("track-index-unusable", found, read_gtzan_index, path)
    sides = source.train_clips, source.test_clips
    try:
        require_no_leak(*sides, index, config.evaluation.allow_leaks)
    except LeakageError as problem:
        found.append(error(LEAK, problem.file, problem.what, problem.hint))
    leaks = [leak for leak in check_split(*sides, index, config.evaluation.allow_leaks) if leak.severity == "warning"]
    if path is None or index is not None:
        leaks += check_division(source, config, found)
    for gallery in galleries:
        leaks += gallery_leaks(source.test_clips or source.train_clips, gallery.tracks["track"])
    if leaks:
        what = f"{len(leaks)} things are shared by training and test data or the gallery; {leaks[0]}"
        found.append(warning(LEAK, None, what, "keep it in mind: the page lists them"))
    return tuple(leaks)


def _group(source: Source, config: RunConfig, outputs: Outputs, found: list[Finding]) -> None:
    """What the group level needs of participants that were decoded before."""
    for name in config.embeddings:
        decoded = [subject for subject in source.all_subjects if outputs.scores_of(subject, name).is_file()]
        if not decoded:
            what = "no subject has been decoded here"
            found.append(error("group-empty", outputs.root, what, "run the participant level first"))
            return
        _attempt("between-subjects-impossible", found, require_several, source, config, decoded)
