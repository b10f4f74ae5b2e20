"""Checks that music and responses fit together (scans, windows and folds), from tables and headers alone."""

from collections.abc import Iterator, Sequence

from .._utils.errors import InputError
from ..brain.source import Source
from ..config import RunConfig
from ..embeddings.alignment import step_in_scans, window_in_scans
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.protocols import Embedder
from ..embeddings.windows import n_windows
from ..study.finding import Finding, error, warning
from ..study.study import Clip

LABELS_ONLY = ("genre-onehot", "mulan-text")
"""Embeddings of one vector per clip, however long it is."""


def check_fit(source: Source, config: RunConfig, embedders: Sequence[Embedder]) -> list[Finding]:
    """Windows longer than the clips' scans, steps that are no whole scans, and folds that the clips do not allow."""
    found: list[Finding] = []
    lengths = _durations((*source.train_clips, *source.test_clips))
    if len({round(seconds, 1) for seconds in lengths}) > 1:
        what = f"clips last {lengths[0]:g} to {lengths[-1]:g} s: of each the windows and scans that all have are used"
        found.append(warning("clips-differ", source.path, what, "give clips of one length, to use all of each"))
    for space in {embedder.space.name: embedder.space for embedder in embedders}.values():
        if space.name not in LABELS_ONLY and lengths[0] < space.window_s - 0.1 and lengths[-1] > 0:
            what = f"clips of {lengths[0]:g} s are shorter than the windows of {space.name}, {space.window_s:g} s"
            what += ": each has one vector, of all its sound, and of the scans that all clips have"
            hint = f"choose windows of {lengths[0]:g} s or less with the setting window_s, if {space.name} has them"
            found.append(warning("windows-long", source.path, what, hint))
    for subject in source.subjects:
        for embedder in embedders:
            found += _check_windows(source, config, subject, embedder.space, lengths[0])
    return found


def _durations(clips: Sequence[Clip]) -> list[float]:
    return sorted(clip.duration for clip in clips) or [0.0]


def _check_windows(
    source: Source, config: RunConfig, subject: str, space: EmbeddingSpace, shortest: float
) -> Iterator[Finding]:
    n_scans, tr = source.scans_of(subject), source.tr_of(subject)
    heard = 1 if space.name in LABELS_ONLY else n_windows(shortest, space.window_s, space.step_s)
    if n_scans == 1 or heard == 1:
        return
    try:
        step_in_scans(space, tr)
        window_in_scans(space, tr, n_scans, config.decoding.scans_per_window)
    except InputError as problem:
        yield error("windows-unfit", source.path, f"sub-{subject}: {problem.what}", problem.hint, subject)
