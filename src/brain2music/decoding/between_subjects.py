"""Between-subject decoding: decoders fitted on other subjects' aligned responses, or on those of all subjects."""

from collections.abc import Sequence

import numpy as np

from .._utils.errors import InputError, LeakageError
from ..brain.align import N_COMPONENTS, align, in_one_order
from ..brain.load import common_voxels
from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import DecodedEmbeddings, Embeddings
from ..study.folds import most_folds
from .decoded import Decoded, undivided
from .estimator import Decoder
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


def predict_between_subjects(
    decoder: Decoder,
    train: Sequence[Responses],
    test: Sequence[Responses],
    music: Embeddings,
    *,
    alignment: str = "srm",
    include_own: bool = False,
    n_components: int = N_COMPONENTS,
) -> list[DecodedEmbeddings]:
    """Predict embeddings of each subject's test clips by a decoder fitted to the other subjects.

    All subjects are aligned on their training responses [1]_; those of the decoded subject serve the alignment alone.

    Parameters
    ----------
    decoder : Decoder
        Its parameters are those of the decoder in the common space; it is not changed.
    train, test : sequence of Responses
        One per subject, in the same order; all heard the same training clips, matched by name.
    music : Embeddings
        Of all training and test clips, matched by name, and of any others.
    alignment : {"srm", "procrustes", "ridge"}
        Shared response model, rotation of principal components, or ridge regression to the first subject's.
    include_own : bool, default False
        Fit one decoder to the training pairs of all subjects instead.
    n_components : int, default 50
        Components of the common space.

    Returns
    -------
    list of DecodedEmbeddings
        Predictions for the test clips of each subject, as of :meth:`Decoder.predict`.

    Raises
    ------
    InputError
        There is no such decoder or alignment, there are fewer than two subjects, or clips differ between subjects.
    LeakageError
        A test clip of one subject is a training clip of another.

    References
    ----------
    .. [1] Ferrante et al., "Through their eyes: multi-subject brain decoding with simple alignment techniques", 2024.

    Examples
    --------
    >>> import numpy as np, brain2music as b2m
    >>> from dataclasses import replace
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> brains = [music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30)) for _ in range(3)]
    >>> bold = [replace(b2m.as_responses(brain), subject=f"{i}") for i, brain in enumerate(brains)]
    >>> train, test = [each[:50] for each in bold], [each[50:] for each in bold]
    >>> space = b2m.Decoder().fit(bold[0], music).space_
    >>> true = b2m.Embeddings(music.astype("float32"), tuple(clip.name for clip in bold[0].clips), space)
    >>> decoded = b2m.predict_between_subjects(b2m.Decoder(), train, test, true, n_components=4)
    >>> [round(b2m.metrics.identification(each, true).value, 1) for each in decoded]
    [1.0, 1.0, 1.0]
    """
    n_folds = (most_folds(undivided(train[0]), decoder.n_folds) if train else 0) or decoder.n_folds
    found = decode_between_subjects(
        train,
        test,
        music,
        alignment,
        include_own=include_own,
        n_components=n_components,
        decoder=decoder.name,
        settings=RidgeSettings(decoder.alphas, n_folds, decoder.standardise),
        scans_per_window=decoder.scans_per_window,
        seed=decoder.random_state,
    )
    return [
        DecodedEmbeddings(
            each.predicted,
            tuple(clip.name for clip in each.clips),
            each.space,
            train_mean=each.train_mean,
            clips=each.clips,
            subject=own.subject,
            simulated=own.simulated,
            whole=own.n_scans == 1,
        )
        for each, own in zip(found, test, strict=True)
    ]


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
