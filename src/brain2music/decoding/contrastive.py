"""A contrastive head on ridge: predictions turned so that they lie nearer to their own clip than to the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32

from .problem import HeldOut

TEMPERATURE = 0.07  # RAG-Audio (arXiv 2608.09331), CLIP
COMPONENTS = 64
RATE = 0.01
MOST_STEPS = 200
EVERY = 10
"""Steps between looks at the held-out loss, which decides when to stop."""
PATIENCE = 40
"""Steps without improvement after which training is given up."""

Rows = Float[torch.Tensor, "rows components"]


@dataclass(frozen=True)
class ContrastiveHead:
    """Predictions turned by a learned map of their main axes: p ↦ p V W Vᵀ.

    V are the main axes of the training embeddings. W is learned, starting from the identity, and scaled so that
    held-out predictions keep their variance.

    Attributes
    ----------
    basis : ndarray of shape (dims, components)
        V.
    weights : ndarray of shape (components, components)
        W.
    """

    basis: Float32[np.ndarray, "dims components"]
    weights: Float32[np.ndarray, "components components"]

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions from which the training mean was subtracted."""
        return ((predicted @ self.basis) @ self.weights) @ self.basis.T


def contrastive(held_out: HeldOut, seed: int) -> tuple[ContrastiveHead, HeldOut]:
    """Fit the contrastive head to the clips of the training set by InfoNCE.

    InfoNCE is that of van den Oord et al. 2018, arXiv 1807.03748.

    The input is what ridge predicts for training clips that it was not fitted to: its predictions of its own training
    clips are near perfect with many voxels, and leave nothing to learn. Every other clip is a negative; windows are
    averaged first, because those of one clip are not negatives of each other. Training stops at the least loss for
    clips held out from the head, averaged over the folds. Nothing is random, so ``seed`` is not used.
    """
    clips = held_out.by_clip()
    folds = range(clips.n_folds)
    paths = [_train_head(clips.rows(clips.fold != fold), clips.rows(clips.fold == fold)) for fold in folds]
    least, best, steps = np.inf, [], 0
    for look, heads in enumerate(zip(*paths, strict=True)):
        loss = sum(loss for _, loss in heads)
        if loss < least:
            least, best, steps = loss, [head for head, _ in heads], look * EVERY
        if look * EVERY >= steps + PATIENCE:
            break
    cross_validated = np.empty_like(held_out.predicted)
    for fold, head in enumerate(best):
        held = held_out.fold == fold
        cross_validated[held] = head.transform(held_out.predicted[held])
    *_, (final, _) = _train_head(clips, None, steps)
    return final, HeldOut(cross_validated, held_out.true, held_out.fold, held_out.clip)


def info_nce(
    predicted: Rows, candidates: Float[torch.Tensor, "candidates components"], temperature: float = TEMPERATURE
) -> Float[torch.Tensor, ""]:
    """Compute InfoNCE: -log softmax of the cosine with the right candidate among all; row i of both belongs together.

    Candidates beyond the number of predictions are further negatives.
    """
    unit = torch.nn.functional.normalize(predicted, dim=1)
    own = torch.arange(len(predicted))
    return torch.nn.functional.cross_entropy(unit @ candidates.T / temperature, own)


def _train_head(
    clips: HeldOut, validation: HeldOut | None, steps: int = MOST_STEPS
) -> Iterator[tuple[ContrastiveHead, float]]:
    """The head at every look, and its loss for the validation clips (0 without any)."""
    _, _, axes = np.linalg.svd(clips.true, full_matrices=False)
    basis = np.ascontiguousarray(axes[:COMPONENTS].T)
    own = _directions(clips, basis)
    others = None if validation is None else torch.cat([_directions(validation, basis), own])
    inputs = torch.from_numpy(clips.predicted @ basis)
    size = inputs.norm(dim=1).mean().clamp_min(torch.finfo(inputs.dtype).tiny)
    weights = torch.eye(basis.shape[1], requires_grad=True)
    adam = torch.optim.Adam([weights], lr=RATE)
    for step in range(steps + 1):
        if step % EVERY == 0:
            found = weights.detach().numpy().copy()
            head = ContrastiveHead(basis, found * _ratio(inputs.numpy(), inputs.numpy() @ found))
            loss = 0.0
            if validation is not None and others is not None:
                loss = float(info_nce(torch.from_numpy(validation.predicted @ basis @ head.weights), others))
            yield head, loss
        adam.zero_grad()
        info_nce(inputs @ weights / size, own).backward()
        adam.step()


def _ratio(before: Float32[np.ndarray, "rows dims"], after: Float32[np.ndarray, "rows dims"]) -> np.float32:
    """What gives predictions the spread they had."""
    spread = after.std()
    return np.float32(before.std() / spread if spread > 0 else 1)


def _directions(clips: HeldOut, basis: Float32[np.ndarray, "dims components"]) -> Rows:
    """True embeddings of unit length, along the axes."""
    unit = clips.true / np.maximum(np.linalg.norm(clips.true, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return torch.from_numpy(unit @ basis)
