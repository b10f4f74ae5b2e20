"""Retrieval step: music from a gallery by decoded and other embeddings, and its similarity to the clips."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int

from .._utils.errors import InputError
from ..audio.io import read_audio
from ..audio.paths import as_path
from ..brain.source import Source
from ..decoding.decoded import Decoded
from ..embeddings.clips import embed_files
from ..embeddings.embeddings import Embeddings
from ..embeddings.protocols import Embedder
from ..gallery.gallery import Gallery
from ..metrics.retrieval import score_retrieval
from ..metrics.score import Score
from ..study.finding import Finding, error, warning
from .agreement import Sound, agreement
from .context import Music, SubjectContext, clip_means
from .tables import retrieval_table

LOOKED_AT = 2000
"""Recordings of a gallery that are looked for before a run, evenly spread over its tracks."""
N_RANDOM = 20
"""Random tracks per clip: the paper's chance."""


def retrieve(
    context: SubjectContext, decoded: Decoded, matched: Decoded, gallery: Gallery, music: Music
) -> tuple[pd.DataFrame, list[Score]]:
    """Search the gallery by predicted and by true embeddings, own recordings left out, and score the first hits.

    Captions search too, in a run that has them and an embedding of text. Sounds are compared in the embedding that was
    decoded and in every other one of the run: the former favours what was searched with it.
    """
    config, space = context.config, decoded.space
    predicted, true = clip_means(decoded)
    where = others_than(gallery, [clip.track for clip in decoded.clips])
    mean = decoded.train_mean.mean(axis=0)  # predictions are shrunk towards it: centred elsewhere, they point one way
    search = partial(gallery.nearest, space=space, centre=mean, where=where)
    searched = {"decoded": search(predicted, config.retrieval.k), "true": search(true, config.retrieval.k)}
    by_matched = search(clip_means(matched)[0], 1)
    captions = music.captions_in(space.name, decoded.clips)
    if captions is not None:
        searched["caption"] = gallery.nearest(captions, config.retrieval.k, space=space, centre=0.0, where=where)
    rng = np.random.default_rng(config.seed)
    random = rng.choice(np.flatnonzero(where), (N_RANDOM, len(decoded.clips)))
    first = {condition: hits.indices[:, 0] for condition, hits in {"matched": by_matched, **searched}.items()}
    chosen = np.concatenate([*first.values(), random.ravel()])
    genres = gallery.tracks["genre"].to_numpy()
    genre_agreement: dict[str, Any] = {
        "retrieved_genres": list(genres[first["decoded"]]),
        "oracle_genres": list(genres[first["true"]]),
        "gallery_genres": list(genres[where]),
    }
    scores: list[Score] = []
    for embedder in music.audio_embedders:
        judge = embedder.space.name
        mean = music.means(judge, context.trained_on).mean(axis=0)
        vectors = _evaluation_vectors(gallery, chosen, judge, music) - mean
        scores += score_retrieval(
            vectors[first["decoded"]],
            music.means(judge, decoded.clips) - mean,
            [clip.genre for clip in decoded.clips],
            replace(context.score_builder(space.name, "retrieve"), rng=rng, judge=judge),
            matched=vectors[first["matched"]],
            oracle=vectors[first["true"]],
            caption=vectors[first["caption"]] if captions is not None else None,
            random=vectors[random],
            **(genre_agreement if judge == space.name else {}),
        )

    def sounds(condition: str) -> list[list[Sound]]:
        return [[_embedded_part(gallery, int(row))] for row in first[condition]]

    builder = partial(context.score_builder, space.name, "retrieve")
    sides = partial(sounds, "decoded"), partial(sounds, "true")
    scores += agreement(*sides, builder, decoded.clips, context, music)
    return retrieval_table(decoded, gallery, searched, music.captions), scores


def check_gallery(
    gallery: Gallery, others: Sequence[Gallery], embedders: Sequence[Embedder], source: Source
) -> Iterator[Finding]:
    """What keeps a gallery from being searched in a run, or from being searched at all.

    Parameters
    ----------
    others : the run's galleries before it. embedders : the embeddings that are decoded.
    """
    folder, name = gallery.folder, gallery.space.name
    spaces = [embedder.space for embedder in embedders if embedder.space.name == name]
    if not spaces or any(other.space.name == name for other in others):
        why = "is not decoded" if not spaces else "has another gallery already"
        what = f"the gallery is not searched: its embedding {name} {why}"
        yield warning("gallery-unused", folder, what, f"add --embedding {name}, or give one gallery an embedding")
        return
    try:
        gallery.space.require_same_means(spaces[0])
    except InputError as problem:
        window = f"{spaces[0].window_s:g}"
        hint = f"build it again with --window-s {window} and the same model, or change window_s"
        yield error("gallery-differs", folder, problem.what, hint)
    scored = source.test_clips or source.train_clips
    if not others_than(gallery, [clip.track for clip in scored]).any():
        what = "the gallery holds nothing but the study's own stimuli"
        yield error("gallery-empty", folder, what, "build one of other music")
    paths = gallery.tracks["path"]
    gone = [path for path in paths.iloc[:: max(1, len(paths) // LOOKED_AT)] if not as_path(path).is_file()]
    if gone:
        what = f"{len(gone)} recordings of the gallery are no longer where they were, {gone[0]} among them"
        yield error("gallery-moved", folder, what, "put them back, or build the gallery again where they are")


def others_than(gallery: Gallery, own: Sequence[str]) -> Bool[np.ndarray, " tracks"]:
    """The gallery's tracks that are not among these recordings."""
    return gallery.select(exclude=own, warn=False)  # most galleries hold none of them


def _embedded_part(gallery: Gallery, row: int) -> Sound:
    """The part of a track that was embedded."""
    track = gallery.tracks.iloc[row]
    return read_audio(Path(track["path"]), start=float(track["start_s"]), duration=float(track["duration_s"]))


def _evaluation_vectors(
    gallery: Gallery, chosen: Int[np.ndarray, " tracks"], judge: str, music: Music
) -> Float32[np.ndarray, "gallery dims"]:
    """(gallery, dims): evaluation embeddings of the chosen tracks; other rows are NaN and never read."""
    if judge == gallery.space.name:
        return np.asarray(gallery.vectors)
    rows = np.unique(chosen)
    paths = [Path(gallery.tracks["path"].iloc[row]) for row in rows]
    embedded: Embeddings = embed_files(paths, music.embedder(judge), max_seconds=gallery.seconds)
    vectors = np.full((len(gallery), embedded.space.dims), np.nan, np.float32)
    vectors[rows] = embedded.mean
    return vectors
