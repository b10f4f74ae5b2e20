"""Between-subject decoding: decoders fitted on other subjects' aligned responses, or on those of all subjects."""

from collections.abc import Sequence

import numpy as np

from .._utils.errors import InputError, LeakageError
from ..brain.align import N_COMPONENTS, align, in_one_order
from ..brain.load import common_voxels
from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import Embeddings
from .decoded import Decoded, undivided
from .fits import RidgeSettings
from .problem import Problem, View
from .registry import fit_decoder, require_decoder


def decode_between_subjects(
    train: Sequence[Responses],
    test: Sequence[Responses],
    embeddings: Embeddings,
    alignment: str = "srm",
    *,
    include_own: bool = False,
    n_components: int = N_COMPONENTS,
    decoder: str = "ridge",
    settings: RidgeSettings | None = None,
    scans_per_window: int | None = None,
    seed: int = 0,
) -> list[Decoded]:
    """Decode each subject's test clips by a decoder that never saw that subject's responses with their music.

    All subjects are aligned on their training responses [1]_. The decoder of a subject is fitted to the other
    subjects' training pairs, in the common space; the subject's own training responses serve the alignment alone.

    Parameters
    ----------
    train, test : sequence of Responses
        One per subject, in the same order; all heard the same training clips, matched by name.
    embeddings : Embeddings
        Of all training and test clips; others are passed over.
    alignment : {"srm", "procrustes", "ridge"}
        As for :func:`brain2music.brain.align.align`.
    include_own : bool
        Fit one decoder to the training pairs of all subjects instead.
    n_components : int
        Of the common space.
    decoder : str
        A name of :func:`brain2music.decoding.decoder_options`.
    settings, scans_per_window, seed
        As for :class:`SubjectDecoder`. Folds do not divide a clip between subjects.

    Returns
    -------
    list of Decoded
        One per subject, left out in turn.

    Raises
    ------
    InputError
        There is no such decoder, or a subject lacks a split, or clips; else as for ``align``.
    LeakageError
        A test clip of one subject is a training clip of another.

    References
    ----------
    .. [1] Ferrante et al., "Through their eyes: multi-subject brain decoding with simple alignment techniques", 2024.
    """
    require_decoder(decoder)
    sides = _sides(train, test)
    known, asked = in_one_order([of_train for of_train, _ in sides]), [of_test for _, of_test in sides]
    aligned = align(known, alignment, n_components)
    pairs = [_match(aligned.transform(i, each), embeddings, scans_per_window) for i, each in enumerate(known)]
    tests = [_match(aligned.transform(i, each), embeddings, scans_per_window) for i, each in enumerate(asked)]
    units, settings = undivided(known[0]), settings or RidgeSettings()
    found = []
    for subject, own in enumerate(tests):
        others = [each for i, each in enumerate(pairs) if include_own or i != subject]
        if subject == 0 or not include_own:
            pool = _stacked(others)
            problem = Problem((View.of(pool.X),), pool.groups, units, settings, seed)
            fitted = fit_decoder(decoder, problem, [pool.Y])[0]
        shape = (len(asked[subject]), own.n_windows, embeddings.space.dims)
        found.append(
            Decoded(
                fitted.predict(own.X).reshape(shape),
                own.Y.reshape(shape),
                np.tile(fitted.train_mean, (shape[0], 1)),
                asked[subject].clips,
                embeddings.space,
                settings.grid,
                fitted.best_alphas,
                fitted.cv_scores,
            )
        )
    return found


def _match(responses: Responses, embeddings: Embeddings, scans_per_window: int | None) -> Matched:
    return match_windows(responses, embeddings, scans_per_window=scans_per_window)


def _sides(train: Sequence[Responses], test: Sequence[Responses]) -> list[tuple[Responses, Responses]]:
    """Both splits of every subject on the voxels that both have."""
    if [each.subject for each in train] != [each.subject for each in test]:
        raise InputError(
            f"training responses are of {_list_subjects(train)}, test responses of {_list_subjects(test)}",
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


def _list_subjects(split: Sequence[Responses]) -> str:
    return ", ".join(f"sub-{each.subject}" for each in split) or "nobody"


def _stacked(sides: Sequence[Matched]) -> Matched:
    """Pairs of several subjects, one after the other; a clip keeps its index, so that folds do not divide it."""
    return Matched(
        np.concatenate([each.X for each in sides]),
        np.concatenate([each.Y for each in sides]),
        np.concatenate([each.groups for each in sides]),
        np.concatenate([each.window for each in sides]),
    )
