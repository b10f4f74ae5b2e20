"""The whole flow, top-down: responses, predicted embeddings, retrieved and generated music, scores.

:func:`run_pipeline` is the flow, and :mod:`brain2music.pipeline.steps` has its steps. A step is skipped when its
outputs exist already from the same inputs and settings: a run that was stopped is finished by the same command, with
the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

from .._utils.errors import InputError
from .._utils.jobs import Parallel
from .._utils.locks import locked
from ..brain.source import Source
from ..config import RunConfig
from .cache import Stages
from .claim import claim
from .context import Music, SubjectContext
from .describe import describe_run
from .gate import Level, admit, prepare_run
from .listen import export_retrieved, export_stimuli
from .outputs import Outputs
from .settings import as_presented
from .steps import between_subjects_step, subject_steps
from .subjects import collect_scores, finished, gather, retrieved_tables, working_on


def run_pipeline(
    source: Source,
    root: Path,
    config: RunConfig,
    *,
    level: Level = "participant",
    subjects: Sequence[str] = (),
    galleries: Sequence[Path] = (),
    jobs: Parallel | None = None,
) -> Outputs:
    """Decode a study and score it. :class:`Outputs` says what is written where.

    Whatever stands in the way is found first (:mod:`brain2music.pipeline.gate`), and nothing is computed then; where it
    concerns one subject of several, the others are run.

    Parameters
    ----------
    level : "participant" decodes; "group" adds the summary over the subjects that were decoded.
    subjects : labels with or without ``sub-``; default all.
    galleries : music to retrieve from: for each embedding the gallery that was built with it.
    jobs : how many processes, or the workers of which Dask scheduler, read images; default one process per core.

    Raises
    ------
    LeakageError : training and test data share a clip, or what else ``config.evaluation.allow_leaks`` does not name.
    InputError : whatever else is at fault with the input.
    """
    outputs = Outputs(root)
    wanted = _chosen(source, subjects)
    source = source if tuple(wanted) == source.subjects else source.keep(wanted)
    ready = prepare_run(source, config, outputs, level=level, galleries=galleries)
    source = admit(source, ready.findings, named=wanted if subjects else ())
    source = source.exclude(ready.lost) if ready.lost else source
    claim(source, outputs)
    source = source.keeping(outputs.cleaned, jobs or Parallel(None))
    config = as_presented(source, config)
    music = Music(source, ready.embedders, outputs, ready.judges, ready.captions)
    if level == "participant":
        source.read_ahead([subject for subject in source.subjects if finished(outputs, subject) is None])
        for subject in source.subjects:
            context = SubjectContext(source, subject, config)
            with working_on(subject, source, config, outputs) as stages:
                for step in subject_steps(context, music, ready.galleries, ready.generator, outputs):
                    stages.make(step)
    else:
        stages = Stages()
        with locked(outputs.lock("group"), "decoding each subject by the others"):
            for name in config.embeddings if config.evaluation.between_subject else ():
                stages.make(between_subjects_step(source, name, music, config, outputs))
            stages.discard(stages.others(outputs.root / "group"))
    with locked(outputs.lock(), "putting the results of all subjects together"):
        records = gather(source, config, outputs, level)
        kept = {name for subject in records if subject not in source.subjects for name in records[subject]["sounds"]}
        export_stimuli(source, outputs, music.sounds, kept)
        export_retrieved(retrieved_tables(records, config, outputs), outputs)
        collect_scores(records, config, outputs, level)
        describe_run(source, config, ready.embedders, ready.galleries, ready.leaks, records, outputs)
    return outputs


def _chosen(source: Source, subjects: Sequence[str]) -> list[str]:
    wanted = [label.removeprefix("sub-") for label in subjects]
    unknown = [label for label in wanted if label not in source.subjects]
    if unknown:
        known = ", ".join(source.subjects)
        raise InputError(f"there is no subject {unknown[0]!r}; there are {known}", hint="name one of these")
    return wanted or list(source.subjects)
