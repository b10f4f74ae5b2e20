"""Decoders by name: a regressor that predicts, and post-processing that maps what is predicted.

``"selected+contrastive"`` is a regressor and a post-processing; the name of a post-processing alone stands on ridge.
All is fitted inside the training set (of each fold), and ``"auto"`` chooses there among several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from .._utils.errors import InputError
from .._utils.threads import map_threads
from .contrastive import contrastive
from .denoising import denoised
from .fits import Fitted, Pairs
from .mappings import PostProcessed, Transform
from .matching import matched
from .nonlinear import nonlinear
from .problem import HeldOut, Problem
from .regions import best_regions
from .selection import selected
from .stacking import stacked
from .whitening import whitened

Form = Literal["plain", "matched", "denoised"]
"""What a prediction is for: scores, searches, generators."""


Regressor = Callable[[Problem, Sequence[Pairs]], list[Fitted]]
PostProcessing = Callable[[HeldOut, int], tuple[Transform, HeldOut]]

REGRESSORS: Mapping[str, Regressor] = {
    "ridge": Problem.ridge,
    "roi-ensemble": best_regions,
    "selected": selected,
    "stacked": stacked,
    "nonlinear": nonlinear,
}
POST_PROCESSING: Mapping[str, PostProcessing] = {
    "matched": matched,
    "whitened": whitened,
    "contrastive": contrastive,
    "denoised": denoised,
}
AUTO = ("ridge", "whitened", "contrastive", "stacked", "stacked+contrastive")
"""What ``auto`` chooses among, by identification of held-out training clips."""


def decoder_options() -> dict[str, str]:
    """List the names of decoders, each with what it is.

    A regressor and a post-processing can be joined by ``+``, as in ``"selected+whitened"``.

    Returns
    -------
    dict of str to str
        Description by name.

    Examples
    --------
    >>> from brain2music.decoding import decoder_options
    >>> decoder_options()["ridge"]
    'ridge regression, a penalty for each dimension (Brain2Music)'
    """
    return {
        "ridge": "ridge regression, a penalty for each dimension (Brain2Music)",
        "roi-ensemble": "a decoder for each region, the best six averaged (Brain2Music)",
        "selected": "ridge from the voxels that the music predicts best",
        "stacked": "a weighted sum of decoders of regions and lags",
        "nonlinear": "ridge on Gaussian-kernel features of the responses",
        "matched": "ridge, predictions given the mean and covariance of true embeddings (distribution matching)",
        "whitened": "ridge, no direction of the embedding drowning out the others",
        "contrastive": "ridge, predictions turned towards their own clip and away from others (InfoNCE)",
        "denoised": "ridge, predictions drawn towards the training music nearest to them (Hopfield), for generators",
        "auto": f"the one of {', '.join(AUTO)} that identifies most held-out training clips",
    }


def require_decoder(name: str) -> None:
    """Raise :class:`InputError` unless the name of a decoder is known."""
    if name == "auto":
        return
    regressor, post = _parse(name)
    if regressor not in REGRESSORS or any(each not in POST_PROCESSING for each in post):
        known = ", ".join(decoder_options())
        what = f"there is no decoder {name!r}"
        raise InputError(what, hint=f"choose {known}, or join a regressor and a post-processing by +")


def in_form(name: str, form: str) -> str:
    """Name the decoder that gives a form of another decoder's prediction.

    ``matched``: predictions also have the mean and covariance of true embeddings, for searches. ``denoised``: they are
    also drawn towards the training music, for generators. Nothing can be joined to ``auto``, so ridge takes its place.
    """
    if form == "plain":
        return name
    if form == "matched":
        return "matched" if name == "auto" else name if name.endswith("matched") else f"{name}+matched"
    if form == "denoised":
        return name if name.endswith("denoised") else f"{in_form(name, 'matched')}+denoised"
    raise InputError(f"there is no form {form!r} of a prediction", hint="choose plain, matched or denoised")


def fit_decoder(name: str, problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Fit the named decoder to each set of targets; work that depends on responses alone is shared."""
    regressed: dict[str, list[Fitted]] = {}
    fits = [_fit(each, problem, targets, regressed) for each in (AUTO if name == "auto" else (name,))]
    if len(fits) == 1:
        return fits[0]
    chosen = []
    for tried, Y in zip(zip(*fits, strict=True), targets, strict=True):
        accuracies = [HeldOut.of(each, Y, problem).identification() for each in tried]
        chosen.append(tried[int(np.argmax(accuracies))])
    return chosen


def fit_form(name: str, form: str, plain: Fitted, problem: Problem, Y: Pairs) -> Fitted:
    """Add the post-processing that a form of its prediction needs to a decoder that was fitted before."""
    wanted = in_form(name, form)
    if not wanted.startswith(name):  # auto, which nothing joins
        return fit_decoder(wanted, problem, [Y])[0]
    for post in filter(None, wanted.removeprefix(name).split("+")):
        plain = post_process(post, plain, problem, Y)
    return plain


def post_process(name: str, fitted: Fitted, problem: Problem, Y: Pairs) -> Fitted:
    """Map the predictions of a fitted decoder by the named post-processing; the decoder itself is not fitted again."""
    held_out = HeldOut.of(fitted, Y, problem)
    post, cross_validated = POST_PROCESSING[name](held_out, problem.seed)
    origin = fitted.held_out - held_out.predicted
    mapping = PostProcessed(fitted.mapping, fitted.train_mean, post)
    return replace(fitted, mapping=mapping, held_out=origin + cross_validated.predicted)


def _fit(name: str, problem: Problem, targets: Sequence[Pairs], regressed: dict[str, list[Fitted]]) -> list[Fitted]:
    regressor, posts = _parse(name)
    if regressor not in regressed:
        regressed[regressor] = REGRESSORS[regressor](problem, targets)

    def process(each: tuple[Fitted, Pairs]) -> Fitted:
        fitted, Y = each
        for post in posts:
            fitted = post_process(post, fitted, problem, Y)
        return fitted

    return map_threads(process, zip(regressed[regressor], targets, strict=True))


def _parse(name: str) -> tuple[str, list[str]]:
    first, *rest = name.split("+")
    return ("ridge", [first, *rest]) if first in POST_PROCESSING else (first, rest)
