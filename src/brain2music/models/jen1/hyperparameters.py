"""Hyper-parameters of JEN-1's training, and what its ablation leaves out."""

from dataclasses import dataclass
from typing import Literal

from .config import UNetSize

Ablation = Literal["normalisation", "causal", "inpainting", "continuation"]
ABLATIONS: tuple[Ablation, ...] = ("normalisation", "causal", "inpainting", "continuation")
"""What the paper's ablation leaves out (table 2)."""


@dataclass(frozen=True)
class JEN1Hyperparameters:
    """Hyper-parameters of the training.

    Attributes
    ----------
    batch : int
        Items per step, a multiple of six so that every task has its third.
    lr, weight_decay : float
        Peak learning rate, and decay of matrices (JEN-1: 3e-5 and 0.1).
    warmup_steps : int
        Steps over which the rate rises.
    condition_dropout : tuple of float
        Probabilities that an item is shown no condition (JEN-1: 0.2), its text only, its embedding only.
    size_power : float
        Power of their deviation that whitened channels keep (:class:`.diffusion.DiffusionConfig`; JEN-1: 0).
    noise, fill_noise, guidance : float
        Defaults of sampling that the model is exported with (JEN-1: 1, 1 and 2).
    clock_dropout : tuple of float
        Probabilities that the beat clock is hidden of an item with a condition, of one without, and that only its bar
        is.
    known_weight : float
        Weight of the loss on frames that are known (JEN-1: 1, as on others).
    shortest : float
        Shortest crop, as a share of a piece; half of the batches are of whole pieces.

    Examples
    --------
    >>> JEN1Hyperparameters.of_size("paper").lr
    3e-05
    """

    batch: int = 24
    lr: float = 8e-4
    weight_decay: float = 0.02
    warmup_steps: int = 100
    condition_dropout: tuple[float, float, float] = (0.2, 0.3, 0.35)
    size_power: float = 0.5
    noise: float = 0.6
    fill_noise: float = 0.3
    guidance: float = 1.25
    clock_dropout: tuple[float, float, float] = (0.1, 0.5, 0.2)
    known_weight: float = 0.1
    shortest: float = 0.34

    @classmethod
    def of_size(cls, size: UNetSize) -> "JEN1Hyperparameters":
        """Those of a size of the network.

        Parameters
        ----------
        size : {"tiny", "small", "paper"}
            The size; ``paper`` has JEN-1's numbers.

        Returns
        -------
        JEN1Hyperparameters
            Hyper-parameters.
        """
        paper = cls(
            batch=510,
            lr=3e-5,
            weight_decay=0.1,
            warmup_steps=1000,
            size_power=0.0,
            known_weight=1.0,
            noise=1.0,
            fill_noise=1.0,
            guidance=2.0,
        )
        return {"paper": paper, "small": cls(), "tiny": cls(batch=6, lr=3e-3, warmup_steps=10)}[size]
