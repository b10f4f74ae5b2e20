"""Tuning of voxels to sound: features, haemodynamic responses, delays, and signal-to-noise ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from ...study.study import Clip
from .brain import FAMILIES, REGIONS, Brain
from .design import PlannedRun
from .features import RATE, FeatureSpace

HRF_S = 32.0
_COMPONENTS = {"early": 24, "middle": 14, "late": 14}
_SHARED = 0.5
_SMOOTH_MM = 10.0


@dataclass(frozen=True)
class Tuning:
    """The tuning of the responsive voxels.

    Attributes
    ----------
    voxels : (responsive,) int
        Indices among the voxels of the brain.
    family : (responsive,) int
        Index in FAMILIES.
    weights : (responsive, features) float32
        Zero outside the family of the voxel.
    spontaneous : (responsive, components) float32
        Loadings on spontaneous activity, which has the same maps as tuning: noise that neighbours, and voxels with
        similar tuning, share.
    hrf : (responsive, 3) float32
        Coefficients of :func:`hrf_basis`.
    delay_s : (responsive,) float32
        Delays of the response in seconds, in steps of 0.1 s.
    snr : (responsive,) float32
        Standard deviation of the response over training scans, relative to that of the noise.
    """

    voxels: Int[np.ndarray, " responsive"]
    family: Int[np.ndarray, " responsive"]
    weights: Float32[np.ndarray, "responsive features"]
    spontaneous: Float32[np.ndarray, "responsive components"]
    hrf: Float32[np.ndarray, "responsive 3"]
    delay_s: Float32[np.ndarray, " responsive"]
    snr: Float32[np.ndarray, " responsive"]


def tune(
    brain: Brain,
    space: FeatureSpace,
    train: Sequence[Clip],
    snr: float,
    shared_seed: Sequence[int],
    rng: np.random.Generator,
) -> Tuning:
    """Draw the tuning of one subject.

    Weights are a smooth random map over cortex in the whitened principal components of the voxel's family
    (standard deviation of component k falling as k^-1/2), half of its variance shared by all subjects
    (``shared_seed``), plus variation from voxel to voxel; delays are normal (s.d. 0.5 s, within 1.5 s).
    """
    voxels = np.flatnonzero(np.array([0.0] + [region.gain for region in REGIONS])[brain.region] > 0)
    regions = [REGIONS[label - 1] for label in brain.region[voxels]]
    family = np.array([rng.choice(len(FAMILIES), p=region.shares) for region in regions])
    weights = np.zeros((len(voxels), len(space.names)), np.float32)
    spontaneous = np.zeros((len(voxels), sum(_COMPONENTS.values())), np.float32)
    first = 0
    for index, name in enumerate(FAMILIES):
        rows, columns = np.flatnonzero(family == index), space.columns(name)
        loadings = _whitening(space, train, columns, _COMPONENTS[name])
        common = _smooth_map(brain.xyz[voxels[rows]], len(loadings), np.random.default_rng([*shared_seed, index]))
        own = _smooth_map(brain.xyz[voxels[rows]], len(loadings), rng)
        grain = rng.standard_normal(own.shape)
        mixed = np.sqrt(_SHARED) * common + np.sqrt(1 - _SHARED) * own + 0.5 * grain
        weights[rows, columns] = mixed @ loadings
        last = first + len(loadings)
        spontaneous[rows, first:last] = mixed / np.sqrt(np.arange(1, len(loadings) + 1))
        first = last
    gain = np.array([region.gain for region in regions])
    mix, width = rng.uniform(0, 1, len(voxels)), rng.normal(0, 0.15, len(voxels))
    return Tuning(
        voxels,
        family,
        weights,
        spontaneous=spontaneous / np.linalg.norm(spontaneous, axis=1, keepdims=True),
        hrf=np.stack([mix, 1 - mix, width], axis=1).astype(np.float32),
        delay_s=np.clip(rng.normal(0, 0.5, len(voxels)), -1.5, 1.5).round(1).astype(np.float32),
        snr=(snr * gain * rng.lognormal(0, 0.2, len(voxels))).astype(np.float32),
    )


def hrf_basis() -> Float32[np.ndarray, "3 steps"]:
    """Compute nilearn's Glover and SPM responses and the dispersion derivative of SPM, at RATE Hz, of unit peak."""
    from nilearn.glm.first_level import glover_hrf, spm_hrf
    from nilearn.glm.first_level.hemodynamic_models import spm_dispersion_derivative

    kernels = [
        kernel(1 / RATE, oversampling=1, time_length=HRF_S)
        for kernel in (glover_hrf, spm_hrf, spm_dispersion_derivative)
    ]
    return np.stack([kernel / np.abs(kernel).max() for kernel in kernels]).astype(np.float32)


def respond(
    run: PlannedRun, tuning: Tuning, frames: Mapping[Clip, Float32[np.ndarray, "frames features"]]
) -> Float32[np.ndarray, "scans responsive"]:
    """Compute the noiseless responses to a run, in the units of the weights, at the onset of each scan."""
    driven = _convolve_hrf(_timeline(run, frames))
    scans = np.round(np.arange(run.n_volumes) * run.tr * RATE).astype(int)
    steps = np.round(tuning.delay_s * RATE).astype(int)
    responses = np.empty((run.n_volumes, len(tuning.voxels)), np.float32)
    for step in np.unique(steps):
        rows = np.flatnonzero(steps == step)
        late = driven[:, np.clip(scans - step, 0, driven.shape[1] - 1)]
        bases = late @ tuning.weights[rows].T
        responses[:, rows] = np.einsum("btv,vb->tv", bases, tuning.hrf[rows])
    return responses


def _timeline(
    run: PlannedRun, frames: Mapping[Clip, Float32[np.ndarray, "frames features"]]
) -> Float32[np.ndarray, "steps features"]:
    n_features = next(iter(frames.values())).shape[1]
    timeline = np.zeros((round(run.n_volumes * run.tr * RATE), n_features), np.float32)
    for presentation in run.presentations:
        first = round(presentation.onset * RATE)
        part = timeline[first : first + round(presentation.duration * RATE)]
        features = frames[presentation.clip][: len(part)]
        part[: len(features)] = features
    return timeline


def _convolve_hrf(timeline: Float32[np.ndarray, "steps features"]) -> Float32[np.ndarray, "3 steps features"]:
    """Convolve the timeline with each basis response, all causal."""
    from scipy.signal import fftconvolve

    basis = hrf_basis()[:, :, None]
    return fftconvolve(timeline[None], basis, axes=1)[:, : len(timeline)].astype(np.float32)


def _whitening(
    space: FeatureSpace, train: Sequence[Clip], columns: slice, n_components: int
) -> Float32[np.ndarray, "components columns"]:
    """Weights over the features of a family whose outputs are uncorrelated, of variance 1/k."""
    frames = np.concatenate([space.frames[clip][:, columns] for clip in train]).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(frames.T))
    kept = [i for i in np.argsort(values)[::-1][:n_components] if values[i] > 1e-6 * values.max()]
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
    scale = signs[kept] / np.sqrt(values[kept] * np.arange(1, len(kept) + 1))
    return (vectors[:, kept] * scale).T.astype(np.float32)


def _smooth_map(
    xyz: Float32[np.ndarray, "voxels 3"], n_maps: int, rng: np.random.Generator, n_waves: int = 200
) -> Float[np.ndarray, "voxels maps"]:
    """Draw independent Gaussian random maps of unit variance and 10-mm smoothness (random Fourier features)."""
    waves = rng.normal(0, 1 / _SMOOTH_MM, (3, n_waves))
    phases = rng.uniform(0, 2 * np.pi, n_waves)
    return np.sqrt(2 / n_waves) * np.cos(xyz @ waves + phases) @ rng.standard_normal((n_waves, n_maps))
