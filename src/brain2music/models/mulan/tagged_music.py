"""Training music moved to where a tagger's own training music lies, in the frozen features that the audio side reads.

Free recordings and composed pieces are not the music that most texts are on, and a joint space keeps them apart from
it. musicnn's batch normalisation tells mean and deviation of every pooled feature of the music that it was trained on,
a quarter of a million songs: music of any kind, standardised by itself and given these, lies about where such songs
lie (Li et al. 2016, arXiv 1603.04779, the other way round), and is still told apart by the same differences.
"""

import numpy as np
import torch
from jaxtyping import Float32

from ..musicnn.network import MusicnnNetwork

_LEAST = 1e-4  # deviation of a feature that says anything


def move_to_tagged_music(
    features: Float32[np.ndarray, "windows 2130"], network: MusicnnNetwork
) -> Float32[np.ndarray, "windows 2130"]:
    """Give musicnn's part of the features of one kind of music the means and deviations of the network's own music.

    Parameters
    ----------
    features : ndarray of float32, of shape (windows, 2130)
        Features of one kind of music, as :class:`.feature_extractor.FeatureExtractor` gives them.
    network : MusicnnNetwork
        musicnn-MSD, which the features come from.

    Returns
    -------
    ndarray of float32, of shape (windows, 2130)
        The features; what is not musicnn's is as it was.
    """
    mean, deviation = (each.numpy() for each in network.usual_features)
    pooled = features[:, : len(mean)]
    own = pooled.std(axis=0)
    standard = np.where(own > _LEAST, (pooled - pooled.mean(axis=0)) / np.maximum(own, _LEAST), 0.0)
    return np.concatenate([standard * deviation + mean, features[:, len(mean) :]], axis=1).astype(np.float32)


def tags_of_features(
    features: Float32[np.ndarray, "windows 2130"], network: MusicnnNetwork
) -> Float32[np.ndarray, "windows 50"]:
    """Compute the tags of windows from their features."""
    mean_pool, max_pool = torch.from_numpy(features[:, : 2 * network.dims]).unflatten(1, (2, network.dims)).unbind(1)
    return network.tags_of(mean_pool, max_pool).numpy()
