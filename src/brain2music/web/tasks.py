"""What worker processes do: search, generate, inpaint, predict maps, name tags. Models are loaded once and kept."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._utils.errors import InputError
from .._utils.progress import Advance
from ..embeddings.protocols import TextEmbedder
from ..gallery.gallery import Gallery
from ..gallery.query import search_text
from ..models.abilities import abilities_of
from ..models.embedders import get_text_embedder
from ..models.generators import Generator, get_generator, pieces_of
from ..pipeline.outputs import PREDICTIONS
from ..prediction.music_to_brain import MusicToBrain

TAGS: dict[str, tuple[str, ...]] = {
    "genre": (
        *("blues", "classical music", "country", "disco", "hip hop", "jazz", "metal", "pop", "reggae", "rock"),
        *("electronic dance music", "ambient", "folk", "funk", "soul", "latin"),
    ),
    "instrument": (
        *("acoustic guitar", "electric guitar", "distorted guitar", "bass guitar", "double bass", "piano", "organ"),
        *("synthesizer", "drums", "hand percussion", "violin", "string orchestra", "trumpet", "saxophone", "flute"),
        *("harmonica", "male singer", "female singer"),
    ),
    "mood": ("happy", "sad", "calm", "aggressive", "energetic", "dark", "romantic", "funny"),
}
"""Words that a decoded embedding is compared with, of kinds as in the evaluation of the Brain2Music paper."""
MOST_REGIONS = 12


def search(*, gallery: str, text: str, k: int, device: str, advance: Advance) -> dict[str, Any]:
    """Tracks of a gallery that a text describes."""
    opened = _gallery(gallery)
    table = search_text(opened, text, k, _texts(opened.space.name, opened.space.window_s, opened.space.step_s))
    starts = opened.tracks.set_index("track")["start_s"]
    hits = [
        {
            "track": str(row["track"]),
            "title": str(row["title"] or row["track"]),
            "artist": str(row["artist"]),
            "genre": str(row["genre"]),
            "licence": str(row["licence"]),
            "cosine": float(row["cosine"]),
            "path": str(row["path"]),
            "start_s": float(starts[row["track"]]),
            "duration_s": float(opened.seconds),
        }
        for row in table.to_dict("records")
    ]
    return {"hits": hits}


def generate(
    *, generator: str, text: str, seconds: float, seed: int, out: str, device: str, advance: Advance
) -> dict[str, Any]:
    """Music that a text describes."""
    model = _generator(generator, device)
    (piece,) = pieces_of(model, text=text, seconds=seconds, seed=seed, progress=advance)
    return {"path": str(piece.save(Path(out), text[:80])), "seconds": piece.seconds, "generator": model.name}


def inpaint(
    *,
    generator: str,
    sound: str,
    start_s: float,
    stop_s: float,
    text: str | None,
    seed: int,
    out: str,
    device: str,
    advance: Advance,
) -> dict[str, Any]:
    """A recording with a part of it made anew."""
    model: Any = _generator(generator, device)
    abilities_of(model).check_edit(model.name, "fill")
    (piece,) = model.fill(Path(sound), [(start_s, stop_s)], text=text, seed=seed, progress=advance)
    return {"path": str(piece.save(Path(out), "Filled recording")), "seconds": piece.seconds, "generator": model.name}


def predict(*, encoder: str, sound: str, out: str, device: str, advance: Advance) -> dict[str, Any]:
    """The responses that a saved encoder predicts of a sound: by region, and as a picture where voxels have places."""
    advance(0, 3)
    online = _encoder(encoder)
    advance(1, 3)
    predicted = online.predict(Path(sound))
    advance(2, 3)
    table = predicted.to_frame()
    regions = [
        {"roi": str(roi or "unlabelled"), "voxels": len(each), "predicted": float(each["predicted"].mean())}
        for roi, each in table.groupby("roi")
    ]
    regions.sort(key=lambda region: -abs(float(str(region["predicted"]))))
    picture = None
    if predicted.space is not None:
        from ..encoding.figures import map_figure

        about = f"Predicted response, mean over {len(predicted.data)} windows"
        label = "standard deviations of a run"
        simulated = predicted.simulated
        map_figure(
            Path(out), predicted.mean, predicted.space, title=about, label=label, diverging=True, simulated=simulated
        )
        picture = out
    return {
        "picture": picture,
        "regions": regions[:MOST_REGIONS],
        "voxels": len(table),
        "windows": len(predicted.data),
        "embedding": predicted.embedding,
        "subject": predicted.subject,
        "lag_s": predicted.lag_s,
        "cv_r2": _mean(table["cv_r2"]),
        "ceiling": _mean(table["ceiling"]),
        "simulated": predicted.simulated,
    }


def tags(*, predictions: str, embedding: str, window_s: float, step_s: float, device: str, advance: Advance) -> dict[str, Any]:  # noqa: E501  # fmt: skip
    """Words nearest to each clip's decoded and true embeddings, relative to the mean over the clips.

    Sound and text have different means in a joint space, and all clips are near the same words; so what is ranked is
    how much nearer a clip is to a word than the clips are on average.
    """
    table = PREDICTIONS.read(Path(predictions))
    if table is None:
        raise InputError("there are no predictions of this embedding", Path(predictions), "run the study again")
    embedder = _texts(embedding, window_s, step_s)
    words = [(kind, word) for kind, some in TAGS.items() for word in some]
    vectors = embedder.embed_text([word for _, word in words])
    clips = list(dict.fromkeys(table["clip"]))
    result: dict[str, dict[str, dict[str, list[str]]]] = {clip: {} for clip in clips}
    for which in ("predicted", "true"):
        means = (
            pd.DataFrame(np.stack(list(table[which]))).groupby(table["clip"].to_numpy()).mean().loc[clips].to_numpy()
        )
        centred = means - means.mean(axis=0)
        likeness = centred @ (vectors - vectors.mean(axis=0)).T
        for clip, row in zip(clips, likeness, strict=True):
            result[clip][which] = {
                kind: [words[place][1] for place in np.argsort(-row) if words[place][0] == kind][:3] for kind in TAGS
            }
    return {"tags": result}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "search": search,
    "generate": generate,
    "inpaint": inpaint,
    "predict": predict,
    "tags": tags,
}


@cache
def _gallery(folder: str) -> Gallery:
    return Gallery.open(folder)


@cache
def _texts(name: str, window_s: float, step_s: float) -> TextEmbedder:
    return get_text_embedder(name, window_s, step_s)


@cache
def _generator(name: str, device: str) -> Generator:
    return get_generator(name, device)


@cache
def _encoder(folder: str) -> MusicToBrain:
    return MusicToBrain(folder)


def _mean(values: pd.Series) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
