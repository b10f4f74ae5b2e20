"""Predictions whitened: no direction of the embedding drowns out the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from .problem import HeldOut, shrunk_spectrum

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Powers of the inverse covariance that are tried; 0 leaves predictions as they are."""


@dataclass(frozen=True)
class Whitening:
    """Predictions whitened by a power of the covariance of true embeddings: p ↦ scale · p Σ^(-power).

    A few directions carry most of an embedding's variance, and correlation then compares clips by these alone. Σ is the
    shrunk covariance of the training embeddings, not that of held-out residuals: each of these was predicted with the
    help of the clips of other folds, which made the power that cross-validation chose too high (simulated study: 0.93
    inside the training set, 0.77 on test clips).

    Only predictions are mapped. Candidates, which other folds have in their training sets, stay as they are, so that
    predictions of all folds are compared in one space. (Mapping both sides puts each fold's clips in a space of their
    own, where they recognise one another: identification 0.98 on natsound165, and meaningless.)

    Attributes
    ----------
    power : float
        Power of the inverse covariance; 0 leaves predictions as they are.
    basis : ndarray of shape (dims, rank)
        Principal axes of the training embeddings.
    gains : ndarray of shape (rank,)
        Factor along each axis.
    rest : float
        Factor in all other directions.
    """

    power: float
    basis: Float[np.ndarray, "dims rank"]
    gains: Float[np.ndarray, " rank"]
    rest: float

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions from which the training mean was subtracted."""
        along = predicted @ self.basis
        return (self.rest * predicted + (along * (self.gains - self.rest)) @ self.basis.T).astype(np.float32)


def whitened(held_out: HeldOut, seed: int) -> tuple[Whitening, HeldOut]:
    """Fit the whitening, with the power that identifies most held-out training clips; Σ is that of the other folds."""
    cross_validated = np.empty((len(POWERS), *held_out.true.shape), np.float32)
    for fold in range(held_out.n_folds):
        held = held_out.fold == fold
        for k, filtered in enumerate(fit_whitening(held_out.rows(~held), POWERS)):
            cross_validated[k, held] = filtered.transform(held_out.predicted[held])
    tried = [HeldOut(each, held_out.true, held_out.fold, held_out.clip) for each in cross_validated]
    best = int(np.argmax([each.identification() for each in tried]))
    return fit_whitening(held_out, POWERS[best : best + 1])[0], tried[best]


def fit_whitening(held_out: HeldOut, powers: Sequence[float]) -> list[Whitening]:
    """Fit one whitening per power, scaled so that held-out predictions keep their variance."""
    basis, values, floor = shrunk_spectrum(held_out.true)
    if not len(values):
        return [Whitening(power, basis, values, 1.0) for power in powers]
    floor = max(floor, float(values.min()))
    fits = []
    for power in powers:
        raw = Whitening(power, basis, (values / floor) ** -power, 1.0)
        before, after = held_out.predicted.std(), raw.transform(held_out.predicted).std()
        scale = float(before / after) if after > 0 else 1.0
        fits.append(Whitening(power, basis, raw.gains * scale, scale))
    return fits
