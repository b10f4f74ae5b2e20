"""Division of the clips of a run: one plan for ``check``, decoding and encoding, which passes the leakage gate."""

from collections.abc import Sequence

from .._utils.errors import InputError, LeakageError
from ..brain.source import Source
from ..config import RunConfig
from ..metrics.leakage import Leak, check_folds, read_gtzan_index, require_no_leak_in_folds, shared_labels
from ..study.finding import Finding, error, warning
from ..study.folds import FoldPlan, group_clips, leave_genre_out, most_folds, plan_folds
from ..study.study import Clip
from .refits import about_p


def outer_folds(source: Source, config: RunConfig) -> int | None:
    """The folds that all clips are scored in, by the settings or else the study's own; None with test clips."""
    return None if source.folds is None else config.decoding.n_outer_folds or source.folds


def plan_division(clips: Sequence[Clip], n_folds: int | None, config: RunConfig) -> FoldPlan:
    """The folds of the clips that are fitted to, by the settings of a run.

    Parameters
    ----------
    n_folds : outer folds asked for; None where test clips were heard apart.

    Raises
    ------
    InputError : the clips do not make folds.
    LeakageError : a fold trains on what it tests on.
    """
    index = None if config.stimuli.track_index is None else read_gtzan_index(config.stimuli.track_index)
    groups = group_clips(clips, *shared_labels(clips, index, config.decoding.group_by))
    units = "blocks of pieces" if any(clip.block is not None for clip in clips) else "recordings"
    planned = plan_folds(groups, n_folds, config.decoding.n_inner_folds, seed=config.seed, units=units)
    require_no_leak_in_folds(clips, planned.held_out, index, config.evaluation.allow_leaks)
    return planned


def check_division(source: Source, config: RunConfig, found: list[Finding]) -> list[Leak]:
    """Add what a run would say of its folds, or refuse, subject by subject; the leaks of the folds that it will use."""
    leaks: dict[Leak, None] = {}
    for subject in source.subjects:
        heard = set(source.clips_of(subject))
        _check_scored(source, config, subject, found)
        clips = [clip for clip in source.train_clips if clip in heard]
        try:
            planned = plan_division(clips, outer_folds(source, config), config)
        except LeakageError as problem:
            found.append(error("leak", problem.file, problem.what, problem.hint))
        except InputError as problem:
            found.append(error("folds-impossible", source.path, problem.what, problem.hint, subject))
        else:
            hint = (
                "give more recordings, or ask for fewer folds (the settings decoding.n_outer_folds and n_inner_folds)"
            )
            found += [warning("folds-fewer", source.path, line, hint) for line in planned.remarks]
            index = None if config.stimuli.track_index is None else read_gtzan_index(config.stimuli.track_index)
            if source.folds is not None and (remark := about_p(planned.groups, config.evaluation.n_permuted_fits)):
                found.append(warning("p-missing", None, *remark))
            leaks |= dict.fromkeys(check_folds(clips, planned.held_out, index, config.evaluation.allow_leaks))
    return list(leaks)


def unseen_genres(source: Source, config: RunConfig, subject: str) -> tuple[list[str], list[str]]:
    """The genres of the scored clips that can be left out of training, and those without which too little is left."""
    index = None if config.stimuli.track_index is None else read_gtzan_index(config.stimuli.track_index)
    trained = _clips(source, subject, source.train_clips)
    scored = trained if source.folds is not None else _clips(source, subject, source.test_clips)
    groups = group_clips(trained, *shared_labels(trained, index, config.decoding.group_by))
    genres = sorted({clip.genre for clip in scored if clip.genre})
    rest = {genre: groups[leave_genre_out(trained, genre, groups)] for genre in genres}
    left_out = [genre for genre in genres if most_folds(rest[genre], config.decoding.n_inner_folds)]
    return left_out, [genre for genre in genres if genre not in left_out]


def _check_scored(source: Source, config: RunConfig, subject: str, found: list[Finding]) -> None:
    """Add that there are too few test clips to tell apart, and which genres cannot be scored as unseen."""
    if source.folds is None and (n := len(_clips(source, subject, source.test_clips))) < 2:
        what = f"sub-{subject} heard {n} test clip{'' if n == 1 else 's'}; a clip is identified among two or more"
        hint = "give more test clips, or take the test runs away, to score the training clips in folds"
        found.append(error("test-clips-few", source.path, what, hint, subject))
    trained = {clip.genre for clip in _clips(source, subject, source.train_clips)}
    scored = {clip.genre for clip in _clips(source, subject, source.test_clips)}
    if len(scored) > 1 and (new := scored - trained):
        named = ", ".join(sorted(new)) if all(new) else "some have none, or none that was trained on"
        what = f"genres of test clips differ from those of training clips ({named}): the genre baseline is left out"
        found.append(warning("genre-untrained", source.path, what, "see that genres are spelt alike"))
    if not config.evaluation.leave_one_genre_out:
        return
    left_out, bound = unseen_genres(source, config, subject)
    if bound and len(left_out) + len(bound) > 1:
        what = f"too few clips are left to train on without {', '.join(bound)}: not scored as unseen"
        found.append(warning("genres-bound", source.path, what, "give more clips of other genres"))


def _clips(source: Source, subject: str, among: Sequence[Clip]) -> list[Clip]:
    heard = set(source.clips_presented(subject))
    return [clip for clip in among if clip in heard]
