"""How the clips of a run are divided: one plan for ``check``, for decoding and for encoding, past the leakage gate."""

from collections.abc import Sequence

from .._utils.errors import InputError, LeakageError
from ..brain.source import Source
from ..config import RunConfig
from ..metrics.leakage import Leak, check_folds, read_gtzan_index, require_no_leak_in_folds, shared_labels
from ..study.finding import Finding, error, warning
from ..study.folds import FoldPlan, hold_together, plan_folds
from ..study.study import Clip
from .tested import about_p


def plan(clips: Sequence[Clip], n_folds: int | None, config: RunConfig) -> FoldPlan:
    """The folds of the clips that are fitted to, by the settings of a run.

    Parameters
    ----------
    n_folds : outer folds asked for; None where test clips were heard apart.

    Raises
    ------
    InputError : the clips do not make folds.
    LeakageError : a fold trains on what it tests on.
    """
    index = None if config.track_index is None else read_gtzan_index(config.track_index)
    together = hold_together(clips, *shared_labels(clips, index, config.hold_together))
    planned = plan_folds(together, n_folds, config.folds, seed=config.seed)
    require_no_leak_in_folds(clips, planned.held_out, index, config.allow_leaks)
    return planned


def check_division(source: Source, config: RunConfig, found: list[Finding]) -> list[Leak]:
    """Add what a run would say of its folds, or refuse, subject by subject; the leaks of the folds that it will use."""
    leaks: dict[Leak, None] = {}
    for subject in source.subjects:
        heard = set(source.clips_of(subject))
        clips = [clip for clip in source.train_clips if clip in heard]
        try:
            planned = plan(clips, source.folds, config)
        except LeakageError as problem:
            found.append(error("leak", problem.file, problem.what, problem.mend))
        except InputError as problem:
            found.append(error("folds-impossible", source.path, problem.what, problem.mend, subject))
        else:
            mend = "give more recordings, or ask for fewer folds (the setting folds)"
            found += [warning("folds-fewer", source.path, line, mend) for line in planned.lines]
            index = None if config.track_index is None else read_gtzan_index(config.track_index)
            if source.folds is not None and (remark := about_p(planned.together, config.shuffles)):
                found.append(warning("p-missing", None, *remark))
            leaks |= dict.fromkeys(check_folds(clips, planned.held_out, index, config.allow_leaks))
    return list(leaks)
