"""How many minutes of scanning does a study need? Decoding of simulated arrays, of studies of several lengths.

A study is a table of clips: an embedding of each, and one response per voxel and clip. Nothing is rendered and no image
is made, so that hundreds of studies take minutes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64
from scipy.stats import t

from .._utils.errors import InputError
from .ranking import identification_payoff, similarity
from .uncertainty import permutation_p

if TYPE_CHECKING:
    import pandas as pd

_ALPHAS = np.logspace(-2, 6, 33)
_LATENT_SLOPE = 1.0
FEWEST_CLIPS = 8
"""Fewest clips of training."""
FEWEST_TESTS = 4
"""Fewest clips that are scored."""
LONGEST_MIN = 10_000
"""Most minutes of training: what the memory of a laptop holds."""
MINUTES = (5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 180.0, 240.0)
"""Minutes of training at which studies are simulated, unless others are named."""


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A study that is planned: what is presented, and how strong its responses will be.

    Attributes
    ----------
    clip_s : float
        Seconds of a clip; each training clip is presented once.
    test_clips, repeats : int
        Clips that are scored, and how often each of them is presented.
    reliability : float
        Correlation of a voxel's responses to two presentations of the clips (one value per clip), of the voxels that
        follow music; from 0 to 1.
    explained : float
        Share of the variance of these responses, without noise, that is linear in the embedding.
    voxels, tuned : int
        Voxels that are decoded, and how many of them follow music.
    dims : int
        Dimensions of the embedding; their variances fall as 1/k.

    Raises
    ------
    InputError
        There are too few clips or voxels, or a share is not between 0 and 1.

    Examples
    --------
    >>> from brain2music.metrics import PlannedStudy
    >>> PlannedStudy(clip_s=15.0, test_clips=60, repeats=4).test_minutes
    60.0
    """

    clip_s: float = 15.0
    test_clips: int = 60
    repeats: int = 4
    reliability: float = 0.058
    explained: float = 0.5
    voxels: int = 400
    tuned: int = 200
    dims: int = 64

    def __post_init__(self) -> None:
        if not (0 < self.reliability < 1 and 0 < self.explained <= 1):
            raise InputError(
                f"a reliability of {self.reliability:g} with {self.explained:g} of it explained cannot be",
                hint="give a reliability between 0 and 1, and a share above 0 and up to 1",
            )
        checks = {
            f"clips of {self.clip_s:g} s": 0 < self.clip_s < math.inf,
            f"{self.test_clips} test clips": self.test_clips >= FEWEST_TESTS,
            f"{self.repeats} presentations of each test clip": self.repeats >= 1,
            f"{self.tuned} of {self.voxels} voxels that follow music": 0 < self.tuned <= self.voxels,
        }
        for what, possible in checks.items():
            if not possible:
                hint = f"give clips of some seconds, {FEWEST_TESTS} test clips or more, and presentations of each"
                raise InputError(f"a study with {what} cannot be planned", hint=hint)

    @property
    def test_minutes(self) -> float:
        """Minutes of test runs."""
        return self.test_clips * self.repeats * self.clip_s / 60


def power_curve(
    planned: PlannedStudy | None = None,
    minutes: Sequence[int | float] = MINUTES,
    *,
    n_studies: int = 40,
    random_state: int = 0,
    n_permutations: int = 199,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> "pd.DataFrame":
    """Simulate studies of several lengths, and decode each by ridge regression.

    A simulated subject is scanned for the longest time, and decoded from the beginning of its training to each length;
    penalties are chosen by generalised cross-validation. The brain is simulated, and linear.

    Parameters
    ----------
    planned : PlannedStudy, optional
        What is planned; default the design of ds003720, with responses as strong as give Brain2Music's identification
        (0.876 after 120 minutes of training) [1]_.
    minutes : sequence of float
        Minutes of training.
    n_studies : int, default 40
        Simulated studies.
    random_state : int, default 0
        Seed.
    n_permutations : int, default 199
        Permutations behind each study's p.
    progress : callable, optional
        Called with the number of studies done, and of all.

    Returns
    -------
    DataFrame
        One row per length: ``minutes`` of training, ``train_clips``, ``total_minutes`` with the test runs;
        ``identification`` (mean over studies), ``sd`` over studies, ``low`` and ``high`` (where 95 % of single studies
        lie), ``mean_low`` and ``mean_high`` (where the mean of as many fresh studies lies in 95 % of cases), ``power``
        (share of studies with p ≤ 0.05), ``chance``, ``n`` studies and ``simulated``.

    Raises
    ------
    InputError
        A length holds fewer than eight clips, is above 10,000 minutes, or there are fewer than two studies.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078,
           Table 2.

    Examples
    --------
    >>> from brain2music.metrics import PlannedStudy, power_curve
    >>> curve = power_curve(PlannedStudy(test_clips=20, repeats=2), [10, 60], n_studies=6)
    >>> curve["train_clips"].tolist(), bool(curve["identification"].is_monotonic_increasing)
    ([40, 240], True)
    """
    import pandas as pd

    planned = planned or PlannedStudy()
    lengths = sorted(set(minutes))
    for each in lengths:
        if not 0 < each <= LONGEST_MIN:
            raise InputError(f"{each:g} minutes of training cannot be simulated", hint=f"give {LONGEST_MIN:,} or less")
    clips = [int(each * 60 // planned.clip_s) for each in lengths]
    if not clips or clips[0] < FEWEST_CLIPS:
        shortest = FEWEST_CLIPS * planned.clip_s / 60
        raise InputError("too few clips fit into the shortest time", hint=f"give {shortest:g} minutes or more")
    if n_studies < 2:
        raise InputError(f"{n_studies} study has no spread", hint="simulate two or more")
    values, p = np.empty((n_studies, len(clips))), np.empty((n_studies, len(clips)))
    for study in range(n_studies):
        rng = np.random.default_rng((random_state, study))
        values[study], p[study] = _decode_at(planned, clips, rng, n_permutations)
        progress(study + 1, n_studies)
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    half = t.ppf(0.975, n_studies - 1) * sd * np.sqrt(2 / n_studies)
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "minutes": lengths,
            "train_clips": clips,
            "total_minutes": [each + planned.test_minutes for each in lengths],
            "identification": mean,
            "sd": sd,
            "low": low,
            "high": high,
            "mean_low": mean - half,
            "mean_high": mean + half,
            "power": (p <= 0.05).mean(axis=0),
            "chance": 0.5,
            "n": n_studies,
            "simulated": True,
        }
    )


def minutes_needed(curve: "pd.DataFrame", target: float, column: str = "identification") -> float | None:
    """Read from a curve how many minutes of training reach a target.

    Parameters
    ----------
    curve : DataFrame
        As :func:`power_curve` returns it.
    target : float
        Identification, or power, to be reached.
    column : {"identification", "power", "low"}
        What is to reach it: the mean, the share of studies that find an effect, or all but 2.5 % of studies.

    Returns
    -------
    float or None
        Minutes of training, interpolated in their logarithm along the rising curve; None if no length reaches it. Where
        the shortest reaches it already, that.

    Examples
    --------
    >>> import pandas as pd
    >>> from brain2music.metrics import minutes_needed
    >>> curve = pd.DataFrame({"minutes": [30.0, 120.0], "identification": [0.7, 0.9]})
    >>> round(minutes_needed(curve, 0.8), 1), minutes_needed(curve, 0.95)
    (60.0, None)
    """
    rising = np.maximum.accumulate(curve[column].to_numpy(dtype=float))
    minutes = np.log(curve["minutes"].to_numpy(dtype=float))
    place = int(np.searchsorted(rising, target))
    if place == len(rising):
        return None
    if place == 0:
        return float(curve["minutes"].iloc[0])
    share = (target - rising[place - 1]) / (rising[place] - rising[place - 1])
    return float(np.exp(minutes[place - 1] + share * (minutes[place] - minutes[place - 1])))


def _decode_at(
    planned: PlannedStudy, clips: Sequence[int], rng: np.random.Generator, n_permutations: int
) -> tuple[Float64[np.ndarray, " lengths"], Float64[np.ndarray, " lengths"]]:
    """Identification and p of one simulated subject at each number of training clips."""
    most = max(clips)
    scales = np.arange(1, planned.dims + 1) ** (-_LATENT_SLOPE / 2)
    music = rng.standard_normal((most + planned.test_clips, planned.dims)) * scales
    weights = rng.standard_normal((planned.dims, planned.tuned))
    heard = music @ weights
    heard /= np.sqrt(np.sum((scales[:, None] * weights) ** 2, axis=0))
    signal = np.sqrt(planned.explained) * heard
    signal += np.sqrt(1 - planned.explained) * rng.standard_normal(signal.shape)
    noise_sd = np.sqrt((1 - planned.reliability) / planned.reliability)
    presented = np.repeat([1, planned.repeats], [most, planned.test_clips])
    responses = rng.standard_normal((len(music), planned.voxels)) * noise_sd / np.sqrt(presented)[:, None]
    responses[:, : planned.tuned] += signal
    responses /= np.sqrt(1 + noise_sd**2)
    values, p = np.empty(len(clips)), np.empty(len(clips))
    test, true = responses[most:], music[most:]
    for place, n in enumerate(clips):
        predicted, mean = _ridge(responses[:n], music[:n], test)
        payoff = identification_payoff(similarity(predicted - mean, true - mean))
        values[place] = np.diagonal(payoff).mean()
        p[place] = permutation_p(payoff, rng, n_permutations)
    return values, p


def _ridge(
    x: Float64[np.ndarray, "clips voxels"], y: Float64[np.ndarray, "clips dims"], asked: Float64[np.ndarray, "n voxels"]
) -> tuple[Float64[np.ndarray, "n dims"], Float64[np.ndarray, " dims"]]:
    """Ridge regression with one penalty, of the least generalised cross-validation error; and the training mean."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(x - mean_x, full_matrices=False)
    targets = u.T @ (y - mean_y)
    total, kept = float(np.sum((y - mean_y) ** 2)), np.sum(targets**2, axis=1)
    shrunk = s[:, None] ** 2 / (s[:, None] ** 2 + _ALPHAS)
    residual = total - np.sum(kept[:, None] * (2 * shrunk - shrunk**2), axis=0)
    errors = residual / (len(x) - 1 - shrunk.sum(axis=0)).clip(min=1e-9) ** 2
    best = int(np.argmin(errors))
    weights = (shrunk[:, best] / np.maximum(s, 1e-12))[:, None] * targets
    return (asked - mean_x) @ vt.T @ weights + mean_y, mean_y
