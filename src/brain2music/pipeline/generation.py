"""Music made of what a brain heard, and how like it is to the stimulus: by decoded and by true embeddings."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import digest_array
from .._utils.progress import progress
from ..audio.io import read_audio
from ..decoding.decoder import Decoded
from ..embeddings.embedder import Embedder
from ..embeddings.embeddings import Embeddings
from ..metrics.generation import score_generated
from ..metrics.score import Score
from ..models.generators import Generator
from .agreement import Sound, agreement
from .cache import stage
from .listener import Listener, Music
from .outputs import Outputs

TOGETHER = 5
"""Clips that are generated at once, and again after an interruption."""
CONDITIONS = ("brain", "uncalibrated", "oracle")


Files = list[list[Path]]
"""Of every take of every clip."""


def generate(
    listener: Listener,
    decoded: Decoded,
    given: Decoded,
    generator: Generator,
    music: Music,
    outputs: Outputs,
) -> tuple[pd.DataFrame, list[Score], list[Path]]:
    """Make music of every scored clip, and score it by every embedding of the run; also the files that were written.

    From what generators are ``given``, the prediction calibrated and drawn towards the training music
    (:mod:`brain2music.decoding.exemplars`; "brain"), from the prediction as it is ("uncalibrated"), and from
    the true embedding ("oracle", the ceiling). Pieces lie in files, and are judged as they lie there.
    """
    found = {"brain": given.predicted, "uncalibrated": decoded.predicted, "oracle": decoded.true}
    takes = {name: make(name, found[name], listener, decoded, generator, outputs) for name in CONDITIONS}
    scores: list[Score] = []
    for embedder in music.hearing:
        scores += _judge(embedder, takes, listener, decoded, music)
    scores += agreement(
        "generate", partial(_read, takes["brain"]), partial(_read, takes["oracle"]), listener, decoded, music
    )
    written = [file for files in takes.values() for file in _written(files)]
    return _table(takes, decoded, listener, generator, outputs), scores, written


def require_fit(generator: Generator, embedders: tuple[Embedder, ...]) -> None:
    """:class:`InputError` unless the generator takes one of the embeddings that are decoded."""
    if generator.space.name not in [embedder.space.name for embedder in embedders]:
        name = generator.space.name
        raise InputError(f"the generator takes {name}, which is not decoded", hint=f"add --embedding {name}")


def make(
    condition: str,
    windows: Float32[np.ndarray, "clips windows dims"],
    listener: Listener,
    decoded: Decoded,
    generator: Generator,
    outputs: Outputs,
) -> Files:
    """Generate from one kind of embedding; files that are there, made from the same, are kept."""
    config, subject, name = listener.config, listener.subject, decoded.space.name
    vectors = windows if config.generation.conditioning == "windows" else windows.mean(axis=1, keepdims=True)
    count = vectors.shape[1] * config.generation.n_samples
    files = [
        [outputs.generated(subject, name, condition, clip.name, take) for take in range(count)]
        for clip in decoded.clips
    ]
    common = {
        "generator": generator.name,
        "seconds": config.generation.duration_s,
        "draws": config.generation.n_samples,
        "seed": config.seed,
    }
    common["space"] = asdict(decoded.space)
    with progress(f"generate from {condition}") as advance:
        for first in range(0, len(files), TOGETHER):
            part = vectors[first : first + TOGETHER]
            wanted = [file for each in files[first : first + TOGETHER] for file in each]

            def write(part: np.ndarray = part, wanted: list[Path] = wanted, first: int = first) -> None:
                given = Embeddings(part.reshape(-1, 1, part.shape[-1]), _names(part), decoded.space)
                made = generator.generate(
                    embedding=given,
                    seconds=config.generation.duration_s,
                    seed=config.seed,
                    draws=config.generation.n_samples,
                    first_item=first * vectors.shape[1],
                )
                for piece, file in zip(made, wanted, strict=True):
                    piece.save(file, f"Generated: {condition}, {name}, subject {subject}")

            settings = {**common, "first_item": first * vectors.shape[1]}
            inputs = {"embeddings": digest_array(part), "generator": generator.sha256}
            stage([each for file in wanted for each in _both(file)], write, inputs, settings, _record(wanted[0]))
            advance(min(first + TOGETHER, len(files)), len(files))
    return files


def _both(file: Path) -> tuple[Path, Path]:
    """A piece and the JSON of its origin."""
    return file, file.with_suffix(".json")


def _record(first: Path) -> Path:
    """The provenance of pieces that are generated together, from the first of them."""
    return first.with_name(f"{first.stem}_together.json")


def _written(files: Files) -> list[Path]:
    """All that :func:`make` writes for these."""
    pieces = [each for clip in files for file in clip for each in _both(file)]
    return [*pieces, *(_record(clip[0]) for clip in files[::TOGETHER])]


def _read(files: Files) -> list[list[Sound]]:
    return [[read_audio(file) for file in clip] for clip in files]


def _judge(
    embedder: Embedder, takes: dict[str, Files], listener: Listener, decoded: Decoded, music: Music
) -> list[Score]:
    judge = embedder.space.name
    mean = music.means(judge, listener.trained_on).mean(axis=0)

    def hear(file: Path) -> Float32[np.ndarray, " dims"]:
        return embedder.embed(*read_audio(file)).mean(axis=0) - mean

    heard = {
        name: np.stack([[hear(file) for file in clip] for clip in files]).swapaxes(0, 1)
        for name, files in takes.items()
    }
    return score_generated(
        heard,
        music.means(judge, decoded.clips) - mean,
        [clip.genre for clip in decoded.clips],
        listener.card(decoded.space.name, "generate"),
        judge,
    )


def _table(
    takes: dict[str, Files], decoded: Decoded, listener: Listener, generator: Generator, outputs: Outputs
) -> pd.DataFrame:
    """One row a piece: see :class:`brain2music.pipeline.outputs.Outputs`."""
    config, rows = listener.config, []
    for condition, files in takes.items():
        for clip, mine in zip(decoded.clips, files, strict=True):
            for take, file in enumerate(mine):
                window = take // config.generation.n_samples if config.generation.conditioning == "windows" else -1
                place = file.relative_to(outputs.root).as_posix()
                rows.append((clip.name, clip.genre, condition, take, window, place, generator.name, config.seed))
    columns = ["clip", "genre", "condition", "take", "window", "file", "generator", "seed"]
    return pd.DataFrame(rows, columns=columns)


def _names(part: Float32[np.ndarray, "clips items dims"]) -> tuple[str, ...]:
    return tuple(str(number) for number in range(part.shape[0] * part.shape[1]))
