"""Results as data frames, with the columns that :mod:`brain2music.pipeline.outputs` declares."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..brain.responses import Responses
from ..decoding.decoded import Decoded
from ..gallery.gallery import Gallery, Hits


def predictions_table(decoded: Decoded) -> pd.DataFrame:
    """One row per clip and window: the predicted and the true embedding."""
    n_clips, n_windows, _ = decoded.predicted.shape
    clips = [clip for clip in decoded.clips for _ in range(n_windows)]
    return pd.DataFrame(
        {
            "clip": [clip.name for clip in clips],
            "genre": [clip.genre for clip in clips],
            "window": np.tile(np.arange(n_windows), n_clips),
            "predicted": list(decoded.predicted.reshape(n_clips * n_windows, -1)),
            "true": list(decoded.true.reshape(n_clips * n_windows, -1)),
        }
    )


def similarity_table(decoded: Decoded, similarity: Float[np.ndarray, "clips clips"]) -> pd.DataFrame:
    """One row per predicted clip: its correlations with the true embeddings of all clips."""
    return pd.DataFrame(
        {
            "clip": [clip.name for clip in decoded.clips],
            "genre": [clip.genre for clip in decoded.clips],
            "similarity": list(similarity),
        }
    )


def alphas_table(decoded: Decoded) -> pd.DataFrame:
    """One row per dimension: the penalty chosen (the median over folds), its score, whether on the grid's edge."""
    return pd.DataFrame(
        {
            "dim": np.arange(decoded.best_alphas.shape[1]),
            "alpha": np.median(decoded.best_alphas, axis=0),
            "cv_score": decoded.cv_scores.mean(axis=0),
            "on_edge": decoded.on_edge,
        }
    )


def reliability_table(responses: Responses, reliability: Float[np.ndarray, " voxels"]) -> pd.DataFrame:
    """One row per voxel: its region and its reliability."""
    roi = responses.space.roi if responses.space is not None else None
    return pd.DataFrame({"roi": roi or [""] * len(reliability), "reliability": reliability})


def retrieval_table(
    decoded: Decoded, gallery: Gallery, searched: Mapping[str, Hits], captions: Mapping[str, str]
) -> pd.DataFrame:
    """One row per clip, condition and rank: the tracks found by each kind of query, captions with their text."""
    parts = [_ranked(decoded, gallery, hits, condition) for condition, hits in searched.items()]
    table = pd.concat(parts, ignore_index=True)
    texts = table["clip"].map({clip.name: captions.get(clip.track, "") for clip in decoded.clips})
    return table.assign(caption=texts.where(table["condition"] == "caption", ""))


def _ranked(decoded: Decoded, gallery: Gallery, hits: Hits, condition: str) -> pd.DataFrame:
    table = gallery.ranked(hits).rename(columns={"genre": "track_genre"})
    names: Sequence[str] = [decoded.clips[i].name for i in table["query"]]
    genres = [decoded.clips[i].genre for i in table["query"]]
    table = table.assign(clip=names, genre=genres, condition=condition)
    columns = ["clip", "genre", "condition", "rank", "track", "title", "artist", "licence", "track_genre"]
    return table[[*columns, "path", "start_s", "cosine"]]
