"""The simulated study: a BIDS data set with its stimuli and its ground truth."""

from .dataset import DEFAULT_SNR, simulate
from .truth import Truth, read_truth

__all__ = ["DEFAULT_SNR", "Truth", "read_truth", "simulate"]
