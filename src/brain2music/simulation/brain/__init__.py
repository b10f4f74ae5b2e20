"""The simulated study: a BIDS data set with its stimuli and its ground truth."""

from .dataset import simulate
from .truth import Truth, read_truth

__all__ = ["Truth", "read_truth", "simulate"]
