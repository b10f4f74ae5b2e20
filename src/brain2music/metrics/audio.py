"""How close sounds are: log-mel distance, ViSQOL, and the Fréchet distance of two sets of embeddings.

Waveforms that are compared have one sample rate and are aligned; the second one may be longer, because codecs work in
whole frames.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int

from .._utils.errors import InputError
from ..audio.io import resample
from ..audio.mel import mel_filters

if TYPE_CHECKING:
    from visqol import VisqolApi

WINDOWS = tuple(2**power for power in range(6, 12))
VISQOL_RATE = 48_000
_MELS = 64
_FLOOR = 1e-5  # -100 dB
Shrinkage = Literal["none", "ledoit-wolf"]


def log_mel_distance(
    reference: Float32[np.ndarray, "*channels samples"], made: Float32[np.ndarray, "*channels longer"], rate: int
) -> float:
    """Measure the mean absolute difference of two mel spectrograms over six resolutions.

    Magnitudes (Hann windows of 2⁶ … 2¹¹ samples, a quarter of which is the hop) are summed in 64 mel bands from 0 to
    half the sample rate, fewer where a window is too short to give each band a bin. A full-scale sine is 0 dB before
    bins are added to bands, and bands below -100 dB count as -100 dB. The mean is over bands, frames, channels and
    windows.

    Parameters
    ----------
    reference : ndarray of shape (samples,) or (channels, samples)
        Sound to compare with.
    made : ndarray of shape (longer,) or (channels, longer)
        Sound aligned with it; it may be longer, because codecs work in whole frames.
    rate : int
        Sample rate of both in Hz.

    Returns
    -------
    float
        Distance in dB; 0 for equal sounds.

    Raises
    ------
    ValueError
        ``made`` is shorter, or the reference is shorter than the longest window.

    References
    ----------
    The resolutions are those of SoundStream: Zeghidour et al., 2021, section III-D.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import log_mel_distance
    >>> sound = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    >>> log_mel_distance(sound, sound, 16_000), round(log_mel_distance(sound, sound / 2, 16_000), 1)
    (0.0, 6.0)
    """
    samples = reference.shape[-1]
    if samples < WINDOWS[-1] or made.shape[-1] < samples or made.shape[:-1] != reference.shape[:-1]:
        raise ValueError(f"cannot compare sounds of shapes {reference.shape} and {made.shape}")
    pair = torch.from_numpy(np.stack([reference, made[..., :samples]]).reshape(-1, samples))
    distances = []
    for window in WINDOWS:
        target, ours = _decibels(pair, window, rate).chunk(2)
        distances.append((target - ours).abs().mean())
    return float(torch.stack(distances).mean())


def visqol(reference: Float32[np.ndarray, " samples"], made: Float32[np.ndarray, " longer"], rate: int) -> float:
    """Predict the mean opinion score of a sound by ViSQOL v3 in audio mode.

    Audio mode compares gammatone spectrograms at 48 kHz, so both sounds are resampled to that. Bands that neither sound
    has count as alike, so scores are comparable only between references of one bandwidth.

    Parameters
    ----------
    reference : ndarray of shape (samples,)
        Sound to compare with.
    made : ndarray of shape (longer,)
        Sound aligned with it.
    rate : int
        Sample rate of both in Hz.

    Returns
    -------
    float
        From 1 (bad) to about 4.75 (the same).

    Raises
    ------
    InputError
        The package visqol-python is not installed.
    ValueError
        The reference is silent, for which ViSQOL is not defined, or ``made`` is shorter.

    References
    ----------
    Chinen et al., "ViSQOL v3: an open source production ready objective speech and audio metric", arXiv 2004.09584.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import visqol
    >>> rng = np.random.default_rng(0)
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    >>> noisy = tone + 0.3 * rng.normal(size=48_000).astype(np.float32)
    >>> visqol(tone, noisy, 48_000) < visqol(tone, tone, 48_000)
    True
    """
    if made.shape[-1] < len(reference) or not np.any(reference):
        raise ValueError("ViSQOL needs a reference that sounds, and a sound at least as long")
    sounds = reference, made[: len(reference)]
    first, second = (resample(sound, rate, VISQOL_RATE).astype(np.float64) for sound in sounds)
    return float(_visqol().measure_from_arrays(first, second, VISQOL_RATE).moslqo)


@dataclass(frozen=True)
class Frechet:
    """A Fréchet distance, with what is needed to compare it with another.

    Attributes
    ----------
    value : float
        The distance. It is biased upwards, the more so the fewer rows and the more dimensions there are.
    floor : float
        The distance between two random halves of the reference: the size of that bias without any difference.
    n_reference, n_made, dims : int
        Rows and columns that it was computed from.
    shrinkage : {"none", "ledoit-wolf"}
        Shrinkage of both covariances.

    See Also
    --------
    frechet_distance : Computes it.

    Examples
    --------
    >>> from brain2music.metrics import Frechet
    >>> found = Frechet(value=5.2, floor=0.4, n_reference=200, n_made=100, dims=16, shrinkage="none")
    >>> found.value > found.floor
    True
    """

    value: float
    floor: float
    n_reference: int
    n_made: int
    dims: int
    shrinkage: Shrinkage


def frechet_distance(
    reference: Float[np.ndarray, "n dims"],
    made: Float[np.ndarray, "m dims"],
    rng: np.random.Generator,
    shrinkage: Shrinkage = "none",
) -> Frechet:
    """Compute the Fréchet distance of two sets of embeddings: ``|μ - μ'|² + tr(Σ + Σ' - 2(ΣΣ')^½)``.

    On audio embeddings this is the Fréchet audio distance [1]_. If there are fewer rows than dimensions, shrunken
    covariances [2]_ reduce the bias, and the value is comparable only with others computed so; the floor says how much
    bias is left [3]_.

    Parameters
    ----------
    reference : ndarray of shape (n, dims)
        Embeddings of the reference.
    made : ndarray of shape (m, dims)
        Embeddings of the other sounds, in the same space.
    rng : numpy.random.Generator
        Source of the random halves.
    shrinkage : {"none", "ledoit-wolf"}, default "none"
        Shrinkage of both covariances.

    Returns
    -------
    Frechet
        The distance and its floor.

    Raises
    ------
    ValueError
        The reference has fewer than four rows, ``made`` fewer than two, or their dimensions differ.

    References
    ----------
    .. [1] Kilgour et al., 2019, arXiv 1812.08466.
    .. [2] Ledoit & Wolf, 2004.
    .. [3] Gui et al., 2024, arXiv 2311.01616.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import frechet_distance
    >>> rng = np.random.default_rng(0)
    >>> reference, made = rng.normal(size=(500, 4)), 1 + rng.normal(size=(500, 4))
    >>> found = frechet_distance(reference, made, rng)
    >>> bool(3.5 < found.value < 4.5), bool(found.floor < 0.2)
    (True, True)
    """
    if len(reference) < 4 or len(made) < 2 or reference.shape[1] != made.shape[1]:
        raise ValueError(f"cannot compare embeddings of shapes {reference.shape} and {made.shape}")
    order = rng.permutation(len(reference))
    halves = np.array_split(reference[order].astype(np.float64), 2)
    value, floor = frechet_value(reference, made, shrinkage), frechet_value(halves[0], halves[1], shrinkage)
    return Frechet(value, floor, len(reference), len(made), reference.shape[1], shrinkage)


@dataclass(frozen=True)
class CodeUse:
    """How much of each codebook of a quantizer is used.

    Attributes
    ----------
    used : ndarray of shape (levels,)
        Share of the codes of a level that occur at all, from 0 to 1.
    density : ndarray of shape (levels,)
        Perplexity over the number of codes: 1 where all are used alike.

    See Also
    --------
    code_use : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import CodeUse
    >>> CodeUse(used=np.array([1.0, 0.5]), density=np.array([0.9, 0.25])).used.tolist()
    [1.0, 0.5]
    """

    used: Float64[np.ndarray, " levels"]
    density: Float64[np.ndarray, " levels"]


def code_use(codes: Int[np.ndarray, "levels frames"], size: int) -> CodeUse:
    """Measure how densely the codes of each level of a quantizer are used.

    Parameters
    ----------
    codes : ndarray of int of shape (levels, frames)
        Codes of a recording.
    size : int
        Number of codes of a level.

    Returns
    -------
    CodeUse
        Share of codes used, and density, by level.

    Raises
    ------
    ValueError
        There are no codes, or some are outside [0, size).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import code_use
    >>> use = code_use(np.array([[0, 1, 2, 3], [0, 0, 0, 0]]), size=4)
    >>> use.used.tolist(), use.density.round(2).tolist()
    ([1.0, 0.25], [1.0, 0.25])
    """
    if codes.size == 0 or codes.min() < 0 or codes.max() >= size:
        raise ValueError(f"codes must be there and lie in [0, {size})")
    counts = np.stack([np.bincount(level, minlength=size) for level in codes])
    shares = counts / counts.sum(axis=1, keepdims=True)
    entropy = -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=1)
    return CodeUse((counts > 0).mean(axis=1), np.exp(entropy) / size)


def _decibels(sounds: Float[torch.Tensor, "sounds samples"], window: int, rate: int) -> Float[torch.Tensor, "..."]:
    taper = torch.hann_window(window)
    spectrum = torch.stft(sounds, window, window // 4, window=2 * taper / taper.sum(), return_complex=True)
    return 20 * (torch.from_numpy(_filters(window, rate)) @ spectrum.abs()).clamp(min=_FLOOR).log10()


@lru_cache(maxsize=32)
def _filters(window: int, rate: int) -> Float32[np.ndarray, "mels bins"]:
    """Triangles of height one, at most 64 and none of them empty."""
    candidates = (mel_filters(rate, window, mels, unit_area=False) for mels in range(_MELS, 0, -1))
    return next(filters for filters in candidates if (filters.max(axis=1) > 0).all())


@lru_cache(maxsize=1)
def _visqol() -> "VisqolApi":
    try:
        from visqol import VisqolApi

        api = VisqolApi()
        api.create(mode="audio")
    except ImportError as error:
        raise InputError(f"ViSQOL is not here ({error.name})", hint="pip install 'brain2music[score]'") from None
    return api


def frechet_value(a: Float[np.ndarray, "n dims"], b: Float[np.ndarray, "m dims"], shrinkage: Shrinkage) -> float:
    """The value of :func:`frechet_distance`.

    Where nothing is shrunk, tr(ΣΣ')^½ is the sum of the singular values of R R'ᵀ, where Σ = RᵀR.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    away = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    if shrinkage == "none":
        a, b = (np.linalg.qr(rows, mode="r") / np.sqrt(len(rows) - 1) for rows in (a, b))
        shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
        return float(max(0.0, away + np.sum(a**2) + np.sum(b**2) - 2 * shared))
    from sklearn.covariance import ledoit_wolf

    first, second = (ledoit_wolf(rows, assume_centered=True)[0] for rows in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(max(0.0, away + np.trace(first) + np.trace(second) - 2 * shared))
