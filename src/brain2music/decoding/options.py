"""Every way of decoding by its name: a base that predicts, and heads that map what is predicted.

``"selected+contrastive"`` is a base and a head; a head's name alone stands on ridge. All is fitted inside the training
set (of each fold), and ``"auto"`` chooses there among several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float32, Int

from .._utils.errors import InputError
from ..brain.load import common_voxels
from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import Embeddings
from ..study.study import Clip
from .contrastive import contrastive
from .decoder import Decoded, Labels, assemble, match_sides, outer_folds, undivided
from .ensemble import rank_regions
from .exemplars import exemplars
from .fits import Fit, Fitted, Grouping, Prediction, Views
from .nonlinear import nonlinear
from .problem import HeldOut, Problem, View
from .select import selected
from .shrinkage import Calibration, calibrated
from .shuffled import decode_kfold_shuffled, shuffled_orders
from .stack import stacked
from .whiten import whitened


class Transform(Protocol):
    """What a head becomes when fitted."""

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions given about the training mean."""
        ...


Base = Callable[[Problem], Fitted]
Head = Callable[[HeldOut, int], tuple[Transform, HeldOut]]


def ridge(problem: Problem) -> Fitted:
    """:func:`brain2music.decoding.decoder.decode`, with held-out predictions."""
    return problem.ridge(problem.views[0].train.X)


def best_regions(problem: Problem) -> Fitted:
    """:func:`brain2music.decoding.ensemble.decode_ensemble` with the paper's six regions."""
    return rank_regions(problem)[0]


BASES: Mapping[str, Base] = {
    "ridge": ridge,
    "roi-ensemble": best_regions,
    "selected": selected,
    "stacked": stacked,
    "nonlinear": nonlinear,
}
HEADS: Mapping[str, Head] = {
    "calibrated": calibrated,
    "whitened": whitened,
    "contrastive": contrastive,
    "exemplars": exemplars,
}
AUTO = ("ridge", "whitened", "contrastive", "stacked", "stacked+contrastive")
"""What ``auto`` chooses among, by identification of held-out training clips."""


def decoder_options() -> dict[str, str]:
    """The names that :func:`decode_with` takes, each with what it is; ``base+head`` joins any two."""
    return {
        "ridge": "ridge regression, a penalty for each dimension (Brain2Music)",
        "roi-ensemble": "a decoder for each region, the best six averaged (Brain2Music)",
        "selected": "ridge from the voxels that the music predicts best",
        "stacked": "a weighted sum of decoders of regions and lags",
        "nonlinear": "ridge on Gaussian-kernel features of the responses",
        "calibrated": "ridge, predictions given the mean and covariance of true embeddings",
        "whitened": "ridge, no direction of the embedding drowning out the others",
        "contrastive": "ridge, predictions turned towards their own clip and away from others (InfoNCE)",
        "exemplars": "ridge, predictions drawn towards the training music that they lie among, for generators",
        "auto": f"the one of {', '.join(AUTO)} that identifies most held-out training clips",
    }


def decode_with(
    name: str,
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    also: Sequence[tuple[Responses, Responses]] = (),
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    together: Labels | None = None,
    scans_per_window: int | None = None,
    standardise: bool = False,
    seed: int = 0,
) -> Decoded:
    """:func:`brain2music.decoding.decoder.decode` by the named option; "ridge" is that function.

    Parameters
    ----------
    also : training and test responses of the same clips at other lags, for ``stacked``.
    together : a label per training clip; no fold divides clips of one label (an artist), nor a recording.

    Raises
    ------
    InputError : there is no such option; else as ``decode``.
    """
    require_option(name)
    fit = Fit(alphas, n_folds, groups, standardise)
    views = []
    for ours, theirs in ((train, test), *also):
        ours, theirs = common_voxels(ours, theirs)
        sides = match_sides(ours, train_embeddings, theirs, test_embeddings, scans_per_window, groups, together)
        views.append((sides, _roi(ours)))
    first = views[0][0]
    problem = Problem(tuple(View(s.train, s.test.X, roi) for s, roi in views), first.units, fit, seed)
    return assemble(predict_with(name, problem), first.test, test.clips, train_embeddings.space, fit)


def decode_kfold_with(
    name: str,
    responses: Responses,
    embeddings: Embeddings,
    *,
    also: Sequence[Responses] = (),
    n_folds: int = 10,
    seed: int = 0,
    together: Labels | None = None,
    folds: Sequence[Int[np.ndarray, " _"]] | None = None,
    alphas: Sequence[float] | None = None,
    inner_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = True,
) -> Decoded:
    """:func:`brain2music.decoding.decoder.decode_kfold` by the named option.

    Parameters
    ----------
    also : responses to the same clips at other lags, for ``stacked``.

    Raises
    ------
    InputError : there is no such option; else as ``decode_kfold``.
    """
    require_option(name)
    fit = Fit(alphas, inner_folds, groups, standardise)
    views = [
        (match_windows(each, embeddings, scans_per_window=scans_per_window), _roi(each)) for each in (responses, *also)
    ]
    pairs = views[0][0]
    units = undivided(responses, groups, together)
    values, train_mean = np.empty_like(pairs.Y), np.empty_like(pairs.Y)
    fits = []
    for held_out in outer_folds(responses, n_folds, seed, together, folds):
        test = np.isin(pairs.groups, held_out)
        parts = tuple(View(_rows(each, ~test), each.X[test], roi) for each, roi in views)
        fits.append(predict_with(name, Problem(parts, units, fit, seed)))
        values[test], train_mean[test] = fits[-1].values, fits[-1].train_mean
    found = Prediction(
        values,
        train_mean,
        np.concatenate([each.best_alphas for each in fits]),
        np.concatenate([each.cv_scores for each in fits]),
    )
    return assemble(found, pairs, responses.clips, embeddings.space, fit)


def decode_shuffled_with(
    name: str,
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    n_shuffles: int = 10,
    seed: int = 0,
    **settings: Any,
) -> tuple[Decoded, ...]:
    """:func:`decode_with` after the training clips' embeddings have changed places, ``n_shuffles`` times."""
    rng = np.random.default_rng(seed)
    shuffles = (shuffled(train_embeddings, train, rng) for _ in range(n_shuffles))
    return tuple(decode_with(name, train, each, test, test_embeddings, seed=seed, **settings) for each in shuffles)


def decode_kfold_shuffled_with(
    name: str,
    responses: Responses,
    embeddings: Embeddings,
    *,
    n_shuffles: int = 10,
    seed: int = 0,
    together: Labels | None = None,
    groups: Grouping = "clip",
    **settings: Any,
) -> tuple[Decoded, ...]:
    """:func:`decode_kfold_with` refitted after recordings have changed places, as :func:`decode_kfold_shuffled`."""
    if name == "ridge":
        return decode_kfold_shuffled(
            responses, embeddings, n_shuffles=n_shuffles, together=together, groups=groups, seed=seed, **settings
        )
    found = []
    for order in shuffled_orders(responses, groups, together, n_shuffles, seed):
        moved = tuple(responses.clips[i] for i in order)
        other = decode_kfold_with(
            name,
            responses,
            in_place_of(embeddings, responses.clips, moved),
            seed=seed,
            together=together,
            groups=groups,
            **settings,
        )
        found.append(replace(other, clips=moved))
    return tuple(found)


def in_place_of(embeddings: Embeddings, clips: Sequence[Clip], moved: Sequence[Clip]) -> Embeddings:
    """The clips' embeddings, each that of the clip which has come in its place."""
    row = {name: i for i, name in enumerate(embeddings.names)}
    data = embeddings.data[[row[clip.name] for clip in moved]]
    return Embeddings(data, tuple(clip.name for clip in clips), embeddings.space)


def shuffled(embeddings: Embeddings, responses: Responses, rng: np.random.Generator) -> Embeddings:
    """The embeddings with those of the responses' clips permuted among them; other clips keep theirs."""
    mine = np.flatnonzero(np.isin(embeddings.names, [clip.name for clip in responses.clips]))
    data = embeddings.data.copy()
    data[mine] = data[rng.permutation(mine)]
    return replace(embeddings, data=data)


def fit_calibration(
    name: str, train: Responses, embeddings: Embeddings, *, scans_per_window: int | None = None, **settings: Any
) -> Calibration:
    """The calibration of an option's predictions, in the embedding's own units, for search and generators.

    ``settings`` are ``alphas``, ``n_folds``, ``groups`` and ``standardise`` of :func:`decode_with`.
    """
    require_option(name)
    pairs = match_windows(train, embeddings, scans_per_window=scans_per_window)
    units = undivided(train, settings.get("groups", "clip"))
    problem = Problem((View(pairs, pairs.X[:1], _roi(train)),), units, Fit(**{"n_folds": 5, **settings}))
    predicted = fit_with(name, problem).held_out
    assert predicted is not None
    return Calibration.fit(predicted, pairs.Y)


def with_calibration(name: str) -> str:
    """The option whose predictions are calibrated besides; ``auto``, which no head joins, gives calibrated ridge."""
    return "calibrated" if name == "auto" else name if name.endswith("calibrated") else f"{name}+calibrated"


def with_exemplars(name: str) -> str:
    """The option whose predictions a generator is given: calibrated, and drawn towards the training music."""
    return name if name.endswith("exemplars") else f"{with_calibration(name)}+exemplars"


def predict_with(name: str, problem: Problem) -> Prediction:
    """One fit of the named option, asked for the responses of the problem's views."""
    return fit_with(name, problem).predict(*(view.test_X for view in problem.views))


def fit_with(name: str, problem: Problem) -> Fitted:
    """One fit of the named option, with held-out predictions of its own."""
    bases: dict[str, Fitted] = {}
    results = [_fit(each, problem, bases) for each in (AUTO if name == "auto" else (name,))]
    if len(results) == 1:
        return results[0]
    return max(results, key=lambda each: HeldOut.of(each, problem).identification())


def require_option(name: str) -> None:
    """:class:`InputError` unless the name is known."""
    if name == "auto":
        return
    base, heads = _parse(name)
    unknown = [part for part in (base, *heads) if part not in BASES and part not in HEADS]
    if unknown or base not in BASES or any(head not in HEADS for head in heads):
        known = ", ".join(decoder_options())
        raise InputError(f"there is no decoder {name!r}", hint=f"choose {known}, or join a base and a head by +")


def _fit(name: str, problem: Problem, bases: dict[str, Fitted]) -> Fitted:
    base, heads = _parse(name)
    if base not in bases:
        bases[base] = BASES[base](problem)
    fitted = bases[base]
    for head in heads:
        fitted = with_head(fitted, problem, head)
    return fitted


def with_head(fitted: Fitted, problem: Problem, name: str) -> Fitted:
    """A fitted decoder whose predictions the named head maps; the decoder itself is not fitted again."""
    held_out = HeldOut.of(fitted, problem)
    head, across = HEADS[name](held_out, problem.seed)
    assert fitted.held_out is not None
    origin = fitted.held_out - held_out.predicted

    def mapping(views: Views) -> Float32[np.ndarray, "asked dims"]:
        return (fitted.train_mean + head.transform(fitted.mapping(views) - fitted.train_mean)).astype(np.float32)

    return replace(fitted, mapping=mapping, held_out=origin + across.predicted)


def _parse(name: str) -> tuple[str, list[str]]:
    first, *rest = name.split("+")
    return ("ridge", [first, *rest]) if first in HEADS else (first, rest)


def _roi(responses: Responses) -> tuple[str, ...] | None:
    return None if responses.space is None else responses.space.roi


def _rows(pairs: Matched, keep: Bool[np.ndarray, " pairs"]) -> Matched:
    return Matched(pairs.X[keep], pairs.Y[keep], pairs.groups[keep], pairs.window[keep])
