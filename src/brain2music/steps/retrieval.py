"""Music found for what a brain heard, and how like it is to the stimulus, by the decoded and by other embeddings."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int

from ..audio.io import read_audio
from ..decode.decoder import Decoded
from ..embed.clips import embed_files
from ..embed.embedder import Embedder
from ..embed.embeddings import Embeddings
from ..errors import InputError
from ..gallery.gallery import Gallery, Hits
from ..score.retrieval import score_retrieval
from ..score.score import Score
from .agreement import Sound, agreement
from .listener import Listener, Music, clip_means
from .tables import retrieval_table

RANDOM_DRAWS = 20  # galleries' tracks drawn at random per clip: the paper's chance line


def retrieve(
    listener: Listener, decoded: Decoded, calibrated: Decoded, gallery: Gallery, music: Music
) -> tuple[pd.DataFrame, list[Score]]:
    """Search the gallery by predicted and by true embeddings, own recordings left out, and score the first hits.

    Captions search too, in a run that has them and an embedding of text.

    The judges are the embedding that was decoded (named so) and every other one of the run: retrieval judged by
    what it was searched with is favoured.
    """
    config = listener.config
    predicted, true = clip_means(decoded)
    own = [clip.track for clip in decoded.clips]
    where = gallery.select(exclude=[*own, *(f"*/{track}" for track in own)])
    mean = decoded.train_mean.mean(axis=0)  # predictions are shrunk towards it: about another, they point one way
    brain = gallery.search(predicted, config.retrieve, space=decoded.space, centre=mean, where=where)
    unshrunk = gallery.search(clip_means(calibrated)[0], 1, space=decoded.space, centre=mean, where=where)
    oracle = gallery.search(true, config.retrieve, space=decoded.space, centre=mean, where=where)
    said = music.said(decoded.space.name, decoded.clips)
    told = None if said is None else gallery.search(said, config.retrieve, space=decoded.space, centre=0.0, where=where)
    rng = np.random.default_rng(config.seed)
    allowed = np.flatnonzero(where)
    random = rng.choice(allowed, (RANDOM_DRAWS, len(decoded.clips)))
    searched = {"brain": brain, "oracle": oracle} | ({} if told is None else {"caption": told})
    chosen = np.concatenate([*(hits.indices[:, 0] for hits in (unshrunk, *searched.values())), random.ravel()])
    genres = gallery.tracks["genre"].to_numpy()
    genre_agreement: dict[str, Any] = {
        "retrieved_genres": list(genres[brain.indices[:, 0]]),
        "oracle_genres": list(genres[oracle.indices[:, 0]]),
        "gallery_genres": list(genres[allowed]),
    }
    scores: list[Score] = []
    for embedder in music.hearing:
        judge = embedder.space.name
        mean = music.means(judge, listener.trained_on).mean(axis=0)
        vectors = _judged(gallery, chosen, judge, music) - mean
        scores += score_retrieval(
            vectors[brain.indices[:, 0]],
            music.means(judge, decoded.clips) - mean,
            [clip.genre for clip in decoded.clips],
            subject=listener.subject,
            embedding=decoded.space.name,
            judge=judge,
            rng=rng,
            simulated=listener.source.simulated,
            calibrated=vectors[unshrunk.indices[:, 0]],
            oracle=vectors[oracle.indices[:, 0]],
            caption=None if told is None else vectors[told.indices[:, 0]],
            random=vectors[random],
            **(genre_agreement if judge == decoded.space.name else {}),
            note=listener.source.note,
            draws=config.permutations,
        )

    def first(hits: Hits) -> list[list[Sound]]:
        return [[_embedded_part(gallery, int(row))] for row in hits.indices[:, 0]]

    scores += agreement("retrieve", partial(first, brain), partial(first, oracle), listener, decoded, music)
    return retrieval_table(decoded, gallery, searched, music.captions), scores


def require_gallery(gallery: Gallery, embedders: Sequence[Embedder]) -> None:
    """:class:`InputError` where a gallery and the run's embedding of its name cannot meet, before anything is made."""
    for space in (embedder.space for embedder in embedders if embedder.space.name == gallery.space.name):
        try:
            gallery.space.require_same_means(space)
        except InputError as problem:
            mend = f"build it again with --window-s {space.window_s:g} and the same model, or change window_s"
            raise InputError(problem.what, gallery.root, mend) from None


def _embedded_part(gallery: Gallery, row: int) -> Sound:
    """What was embedded of a track."""
    track = gallery.tracks.iloc[row]
    return read_audio(Path(track["path"]), start=float(track["start_s"]), duration=float(track["duration_s"]))


def _judged(
    gallery: Gallery, chosen: Int[np.ndarray, " tracks"], judge: str, music: Music
) -> Float32[np.ndarray, "gallery dims"]:
    """(gallery, dims): the judge's embeddings of the chosen tracks; other rows are NaN and never read."""
    if judge == gallery.space.name:
        return np.asarray(gallery.vectors)
    rows = np.unique(chosen)
    paths = [Path(gallery.tracks["path"].iloc[row]) for row in rows]
    embedded: Embeddings = embed_files(paths, music.embedder(judge), max_seconds=gallery.seconds)
    vectors = np.full((len(gallery), embedded.space.dims), np.nan, np.float32)
    vectors[rows] = embedded.mean
    return vectors
