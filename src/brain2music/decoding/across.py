"""Decoding across people: decoders fitted on other subjects' aligned responses, or on everybody's."""

from collections.abc import Sequence

import numpy as np

from .._utils.errors import InputError, LeakageError
from ..brain.align import N_COMPONENTS, align, in_one_order
from ..brain.load import common_voxels
from ..brain.responses import Responses
from ..embeddings.alignment import Matched
from ..embeddings.embeddings import Embeddings
from .decoder import Decoded, assemble, match_sides, undivided
from .fits import Fit, Grouping
from .options import predict_with, require_option
from .problem import Problem, View


def decode_across(
    train: Sequence[Responses],
    test: Sequence[Responses],
    embeddings: Embeddings,
    method: str = "srm",
    *,
    n_components: int = N_COMPONENTS,
    option: str = "ridge",
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    seed: int = 0,
) -> list[Decoded]:
    """Decode each subject's test clips by a decoder that never saw that subject's responses with their music.

    All subjects are aligned on their training responses (Ferrante et al. 2024). The decoder of a subject is fitted to
    the other subjects' training pairs, in the common space; the subject's own training responses serve the alignment
    alone.

    Parameters
    ----------
    train, test : one a subject, in the same order; all heard the same training clips, matched by name.
    embeddings : of all training and test clips; others are passed over.
    method, n_components : as for :func:`brain2music.brain.align.align`.
    option : a name of :func:`brain2music.decoding.options.decoder_options`.
    alphas, n_folds, groups, scans_per_window, seed : as for :func:`brain2music.decoding.options.decode_with`. Folds do
        not divide a clip between subjects.

    Returns
    -------
    One a subject, left out in turn.

    Raises
    ------
    InputError : as for ``align`` and ``decode_with``; a subject lacks a split.
    LeakageError : somebody's test clip is a training clip.
    """
    shared = _Shared(train, test, embeddings, method, n_components, scans_per_window, groups)
    everybody = range(len(shared.pairs))
    fit = Fit(alphas, n_folds, groups)
    return [shared.decode(i, [j for j in everybody if j != i], option, fit, seed) for i in everybody]


def decode_pooled(
    train: Sequence[Responses],
    test: Sequence[Responses],
    embeddings: Embeddings,
    method: str = "srm",
    *,
    n_components: int = N_COMPONENTS,
    option: str = "ridge",
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    seed: int = 0,
) -> list[Decoded]:
    """Decode each subject's test clips by one decoder fitted to all subjects' aligned training pairs.

    Everything else is as for :func:`decode_across`.
    """
    shared = _Shared(train, test, embeddings, method, n_components, scans_per_window, groups)
    everybody = range(len(shared.pairs))
    fit = Fit(alphas, n_folds, groups)
    return [shared.decode(i, everybody, option, fit, seed) for i in everybody]


class _Shared:
    """Training and test pairs of all subjects in the common space."""

    def __init__(
        self,
        train: Sequence[Responses],
        test: Sequence[Responses],
        embeddings: Embeddings,
        method: str,
        n_components: int,
        scans_per_window: int | None,
        groups: Grouping,
    ) -> None:
        sides = _sides(train, test)
        known, self.asked = in_one_order([ours for ours, _ in sides]), [theirs for _, theirs in sides]
        alignment = align(known, method, n_components)
        both = enumerate(zip(known, self.asked, strict=True))
        aligned = [(alignment.transform(i, ours), alignment.transform(i, theirs)) for i, (ours, theirs) in both]
        self.pairs = [match_sides(ours, embeddings, theirs, embeddings, scans_per_window) for ours, theirs in aligned]
        self.space, self.units = embeddings.space, undivided(known[0], groups)

    def decode(self, subject: int, teachers: Sequence[int], option: str, fit: Fit, seed: int) -> Decoded:
        """The subject's test clips by the teachers' training pairs."""
        require_option(option)
        pool, own = _stacked([self.pairs[i].train for i in teachers]), self.pairs[subject]
        prediction = predict_with(option, Problem((View(pool, own.test.X),), self.units, fit, seed))
        return assemble(prediction, own.test, self.asked[subject].clips, self.space, fit)


def _sides(train: Sequence[Responses], test: Sequence[Responses]) -> list[tuple[Responses, Responses]]:
    """Both splits of every subject on the voxels that both have."""
    if [each.subject for each in train] != [each.subject for each in test]:
        raise InputError(
            f"training responses are of {_named(train)}, test responses of {_named(test)}",
            hint="give both splits of every subject, in the same order",
        )
    known = {clip.name for each in train for clip in each.clips}
    for each in test:
        leaked = [clip.name for clip in each.clips if clip.name in known]
        if leaked:
            raise LeakageError(
                f"{len(leaked)} test clips of sub-{each.subject} are training clips: {', '.join(leaked[:3])}",
                hint="keep every clip in one split, for all subjects",
            )
    return [common_voxels(ours, theirs) for ours, theirs in zip(train, test, strict=True)]


def _named(split: Sequence[Responses]) -> str:
    return ", ".join(f"sub-{each.subject}" for each in split) or "nobody"


def _stacked(sides: Sequence[Matched]) -> Matched:
    """Pairs of several subjects, one after the other; a clip keeps its index, so that folds do not divide it."""
    return Matched(
        np.concatenate([each.X for each in sides]),
        np.concatenate([each.Y for each in sides]),
        np.concatenate([each.groups for each in sides]),
        np.concatenate([each.window for each in sides]),
    )
