"""Analysis of a listening test: exclusions, binomial tests, mixed-effects models and the agreement of listeners."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from .._utils.errors import InputError
from .._utils.words import counted
from .agreement import krippendorff_alpha
from .design import CHANCE, TASKS, Task

PUBLISHED: dict[str, Any] = {
    "study": "Ciferri et al. 2025, Scientific Reports: music generated from fMRI, judged by 10 listeners",
    "task": "2afc",
    "accuracy": 0.857,
    "sd": 0.064,
    "listeners": 10,
    "note": "published for another study, with other recordings, other models and other listeners: not this result",
}
"""The only published human two-alternative judgements of music decoded from fMRI that give listeners and spread."""
PASSING = 0.75
"""Share of catch trials that a listener has to pass."""
MODEL_HINT = "pip install 'brain2music[web]'"


@dataclass(frozen=True)
class Analysis:
    """Results of a listening test.

    Attributes
    ----------
    tasks : DataFrame
        One row per task and music (``embedding``, ``source``; "all" for all together): ``listeners``, ``clips``,
        ``answers``, ``score`` (share of right answers, or difference of the mean ratings of own and other music),
        ``low``, ``high`` (95 % interval, listeners and clips resampled), ``chance``, ``p_binomial`` (one-sided exact
        test; answers taken as independent), ``model`` (estimate of the mixed-effects model), ``model_low``,
        ``model_high``, ``p_model`` (one-sided), ``model_note``, ``agreement`` (Krippendorff's alpha) and ``questions``
        (judged by two listeners or more, from which it is).
    genres : DataFrame
        Share of right answers of each task and genre.
    excluded : DataFrame
        One row per listener that was left out, with the share of catch trials passed.
    listeners, all_listeners : int
        Listeners that were analysed, and that answered anything.
    simulated : bool
        Whether the brains were simulated.
    passing : float
        Share of catch trials that a listener had to pass.
    all_answers : int
        Answers of all listeners, catch trials included.

    Examples
    --------
    >>> import pandas as pd
    >>> from brain2music.listening import Analysis
    >>> nobody = pd.DataFrame(columns=["listener", "passed", "catch_trials"])
    >>> Analysis(pd.DataFrame(), pd.DataFrame(), nobody, 3, 3).sentences()[0]
    '3 of 3 listeners are analysed; none was excluded (75 % of the catch trials to be passed).'
    """

    tasks: pd.DataFrame
    genres: pd.DataFrame
    excluded: pd.DataFrame
    listeners: int
    all_listeners: int
    simulated: bool = False
    passing: float = PASSING
    all_answers: int = 0

    def sentences(self) -> list[str]:
        """Say the results in words.

        Returns
        -------
        list of str
            Who was excluded, one sentence per task and music, and the published value beside it.
        """
        who = "none was excluded" if self.excluded.empty else f"{len(self.excluded)} excluded"
        rule = f"{100 * self.passing:.0f} % of the catch trials to be passed"
        said = [f"{self.listeners} of {self.all_listeners} listeners are analysed; {who} ({rule})."]
        said += [f"Listener {row.listener} passed {row.passed:.0%} of {row.catch_trials} catch trials: excluded."
                 for row in self.excluded.itertuples()]  # fmt: skip
        for row in self.tasks.to_dict("records"):
            said.append(_sentence({str(key): value for key, value in row.items()}))
        if not self.tasks.empty and "2afc" in set(self.tasks["task"]):
            said.append(
                f"Beside it, from another study: {PUBLISHED['accuracy']} ± {PUBLISHED['sd']} right of two "
                f"({PUBLISHED['study']})."
            )
        if self.simulated:
            said.append("The brains were simulated: nobody was scanned.")
        return said

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON types, with the published value and what it is.

        Returns
        -------
        dict
            ``listeners``, ``all_answers``, ``excluded``, ``tasks``, ``genres``, ``published``, ``simulated``,
            ``sentences``.
        """
        tables = {"excluded": self.excluded, "tasks": self.tasks, "genres": self.genres}
        return {
            "listeners": self.listeners,
            "all_listeners": self.all_listeners,
            "all_answers": self.all_answers,
            **{name: table.to_dict("records") for name, table in tables.items()},
            "passing": self.passing,
            "published": PUBLISHED,
            "simulated": self.simulated,
            "sentences": self.sentences(),
        }


def analyse_answers(answers: pd.DataFrame, *, passing: float = PASSING, seed: int = 0) -> Analysis:
    """Analyse the answers of a listening test.

    Listeners who pass too few catch trials are left out; catch trials count for nothing else. A model of right
    answers is logistic with listeners and clips as crossed random effects (the posterior's mode and curvature); one of
    ratings is linear with the same random effects, fitted by restricted maximum likelihood.

    Parameters
    ----------
    answers : DataFrame
        As :meth:`AnswerStore.answers` or :func:`read_answers` return.
    passing : float, default 0.75
        Share of catch trials that a listener has to pass.
    seed : int, default 0
        Seed of the resampling.

    Returns
    -------
    Analysis
        The results.

    Raises
    ------
    InputError
        There is no answer, or all listeners were excluded; or statsmodels is missing.

    Examples
    --------
    Twelve listeners who find three of four:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from brain2music.listening import analyse_answers
    >>> rng = np.random.default_rng(0)
    >>> answers = pd.DataFrame([
    ...     {"listener": listener, "task": "2afc", "catch": False, "question": f"q{clip}", "embedding": "mulan-small",
    ...      "source": "generated", "clip": f"c{clip}", "genre": "jazz", "same_origin": True, "answer": 1,
    ...      "right": float(rng.random() < 0.75)}
    ...     for listener in range(1, 13) for clip in range(20)
    ... ])
    >>> row = analyse_answers(answers).tasks.iloc[0]
    >>> int(row["answers"]), round(float(row["score"]), 2), bool(row["p_model"] < 0.001)
    (240, 0.7, True)
    """
    if answers.empty:
        raise InputError("nobody has answered yet", hint="send listeners to /listen of `brain2music serve`")
    catch = answers[answers["catch"].astype(bool)]
    passed = catch.groupby("listener")["right"].agg(["mean", "size"])
    left_out = passed[passed["mean"] < passing].reset_index()
    left_out.columns = pd.Index(["listener", "passed", "catch_trials"])
    kept = answers[~answers["listener"].isin(left_out["listener"]) & ~answers["catch"].astype(bool)]
    if kept.empty:
        raise InputError("every listener was excluded by catch trials", hint="look at the answers that were exported")
    rng = np.random.default_rng(seed)
    rows = [_row(task, music, some, rng) for task, music, some in _parts(kept)]
    scored = kept[kept["task"].isin(list(CHANCE))]
    genres = scored.groupby(["task", "genre"])["right"].agg(score="mean", answers="size").reset_index()
    counts = (kept["listener"].nunique(), answers["listener"].nunique())
    return Analysis(pd.DataFrame(rows), genres, left_out, *counts, passing=passing, all_answers=len(answers))


def _parts(kept: pd.DataFrame) -> list[tuple[Task, tuple[str, str], pd.DataFrame]]:
    """Answers of each task and music, and of each task over all music where there is more than one."""
    parts = []
    for task in TASKS:
        some = kept[kept["task"] == task]
        kinds = list(some.groupby(["embedding", "source"], sort=True))
        if len(kinds) > 1:
            parts.append((task, ("all", "all"), some))
        parts += [(task, cast(tuple[str, str], music), each) for music, each in kinds]
    return parts


def _row(task: Task, music: tuple[str, str], some: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    counts = {
        "task": task,
        "embedding": music[0],
        "source": music[1],
        "listeners": some["listener"].nunique(),
        "clips": some["clip"].nunique(),
        "answers": len(some),
    }
    if task == "similarity":
        values, chance = some["answer"].astype(float), 0.0
        own = some["same_origin"].astype(bool)
        score = _difference(values[own], values[~own])
        binomial, model = float("nan"), _linear_model(some, own)
        table = _table(some, "answer")
        alpha = krippendorff_alpha(table, "interval")
    else:
        right, chance = some["right"].astype(int), CHANCE[task]
        score, binomial = float(right.mean()), _binomial_p(int(right.sum()), len(right), chance)
        model = _logistic_model(some, right, chance)
        table = _table(some, "right")
        alpha = krippendorff_alpha(table)
    low, high = _interval(some, task, rng)
    shared = int((np.isfinite(table).sum(axis=0) > 1).sum())
    return {
        **counts,
        **{"score": score, "low": low, "high": high, "chance": chance, "p_binomial": binomial},
        **model,
        **{"agreement": alpha, "questions": shared},
    }


def _binomial_p(right: int, count: int, chance: float) -> float:
    from scipy.stats import binomtest

    return float(binomtest(right, count, chance, alternative="greater").pvalue)


def _difference(own: pd.Series, other: pd.Series) -> float:
    return float(own.mean() - other.mean()) if len(own) and len(other) else float("nan")


def _table(some: pd.DataFrame, column: str) -> np.ndarray:
    """Answers as (listeners, questions), NaN where a listener was not asked; of a repeated question the mean."""
    values = some.assign(value=some[column].astype(float))
    return values.pivot_table(index="listener", columns="question", values="value").to_numpy(float)


def _interval(some: pd.DataFrame, task: Task, rng: np.random.Generator, count: int = 1000) -> tuple[float, float]:
    """95 % interval with listeners and clips both drawn again, so that it holds for others of either."""
    listeners, listener = np.unique(some["listener"], return_inverse=True)
    clips, clip = np.unique(some["clip"], return_inverse=True)
    if len(listeners) < 2:
        return float("nan"), float("nan")
    drawn = [rng.multinomial(each, np.full(each, 1 / each), size=count) for each in (len(listeners), len(clips))]
    value = some["answer" if task == "similarity" else "right"].to_numpy(float)

    def means(which: np.ndarray) -> np.ndarray:
        """Mean of some of the answers in every draw."""
        sums, numbers = np.zeros((len(listeners), len(clips))), np.zeros((len(listeners), len(clips)))
        np.add.at(sums, (listener[which], clip[which]), value[which])
        np.add.at(numbers, (listener[which], clip[which]), 1)
        total, answers = (np.einsum("bl,lc,bc->b", drawn[0], each, drawn[1]) for each in (sums, numbers))
        return np.divide(total, answers, out=np.full(count, np.nan), where=answers > 0)

    own = some["same_origin"].to_numpy(bool)
    found = means(own) - means(~own) if task == "similarity" else means(np.ones(len(some), bool))
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _logistic_model(some: pd.DataFrame, right: pd.Series, chance: float) -> dict[str, Any]:
    """Share of right answers of a typical listener and clip, with random effects of both."""
    from scipy.special import expit, logit
    from scipy.stats import norm

    if some["listener"].nunique() < 2 or right.nunique() < 2:
        return _no_model("of one listener, or all answers alike: no model was fitted")
    try:
        from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM
    except ImportError:
        raise InputError("mixed-effects models need statsmodels", hint=MODEL_HINT) from None
    table = pd.DataFrame({"right": right, "listener": some["listener"].astype(str), "clip": some["clip"].astype(str)})
    effects = {"listener": "0 + C(listener)"} | ({"clip": "0 + C(clip)"} if table["clip"].nunique() > 1 else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BinomialBayesMixedGLM.from_formula("right ~ 1", effects, table, vcp_p=1.0, fe_p=3.0)
        fitted = model.fit_map()
    mean, sd = float(fitted.fe_mean[0]), float(fitted.fe_sd[0])
    return {
        "model": float(expit(mean)),
        "model_low": float(expit(mean - 1.96 * sd)),
        "model_high": float(expit(mean + 1.96 * sd)),
        "p_model": float(norm.sf((mean - logit(chance)) / sd)),
        "model_note": f"logistic, random effects: {' and '.join(effects)}",
    }


def _linear_model(some: pd.DataFrame, own: pd.Series) -> dict[str, Any]:
    """Difference of ratings of own and other music, with random effects of listeners and clips."""
    from scipy.stats import norm

    if some["listener"].nunique() < 2 or own.nunique() < 2 or some["answer"].nunique() < 2:
        return _no_model("of one listener, or one kind of music: no model was fitted")
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError:
        raise InputError("mixed-effects models need statsmodels", hint=MODEL_HINT) from None
    table = pd.DataFrame(
        {
            "rating": some["answer"].astype(float),
            "own": own.astype(float),
            "listener": some["listener"].astype(str),
            "clip": some["clip"].astype(str),
            "all": 1,
        }
    )
    effects = {"listener": "0 + C(listener)"} | ({"clip": "0 + C(clip)"} if table["clip"].nunique() > 1 else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = MixedLM.from_formula("rating ~ own", table, groups="all", vc_formula=effects, re_formula="0").fit()
    mean, sd = float(fitted.params["own"]), float(fitted.bse["own"])
    if not math.isfinite(sd) or sd <= 0:
        return _no_model("the linear mixed-effects model did not converge")
    return {
        "model": mean,
        "model_low": mean - 1.96 * sd,
        "model_high": mean + 1.96 * sd,
        "p_model": float(norm.sf(mean / sd)),
        "model_note": f"linear, random effects: {' and '.join(effects)}",
    }


def _no_model(why: str) -> dict[str, Any]:
    nothing = float("nan")
    return {"model": nothing, "model_low": nothing, "model_high": nothing, "p_model": nothing, "model_note": why}


def _sentence(row: dict[str, Any]) -> str:
    music = "all music" if row["source"] == "all" else f"{row['source']} music ({row['embedding']})"
    answers = counted(row["answers"], "answer")
    many = f"{answers} of {counted(row['listeners'], 'listener')} on {counted(row['clips'], 'clip')}"
    what = {
        "2afc": "right of two",
        "oddoneout": "odd one out found of three",
        "similarity": "points that own music is rated above other music, of 7",
    }[row["task"]]
    interval = "" if math.isnan(row["low"]) else f" (95 % interval {row['low']:.3f} to {row['high']:.3f})"
    tests = "" if math.isnan(row["p_binomial"]) else f", binomial p = {row['p_binomial']:.2g}"
    model = "" if math.isnan(row["p_model"]) else f", mixed-effects p = {row['p_model']:.2g}"
    agreed = (
        ""
        if math.isnan(row["agreement"])
        else f"; agreement alpha = {row['agreement']:.2f} on {counted(row['questions'], 'question')}"
    )
    return f"{music}: {row['score']:.3f} {what}{interval}, chance {row['chance']:.3g}{tests}{model}; {many}{agreed}."
