"""Music made of what a brain heard, and how like it is to the stimulus: by decoded and by true embeddings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32

from ..artifacts import digest_array, stage
from ..audio.io import read_audio
from ..decode.decoder import Decoded
from ..decode.options import with_calibration
from ..embed.embedder import Embedder
from ..embed.embeddings import Embeddings
from ..errors import InputError
from ..generate.registry import Generator
from ..layout import Outputs
from ..progress import progress
from ..score.generation import score_generated
from ..score.score import Score
from .agreement import agreement
from .listener import Listener, Music

TOGETHER = 5
"""Clips that are generated at once, and again after an interruption."""
CONDITIONS = ("brain", "uncalibrated", "oracle")


@dataclass(frozen=True)
class Takes:
    """What one condition made: files (clips, takes), and the embeddings they were made from."""

    vectors: Float32[np.ndarray, "clips items dims"]
    files: list[list[Path]]

    def read(self) -> list[list[tuple[Float32[np.ndarray, " samples"], int]]]:
        """The sound of every take of every clip, and its rate."""
        return [[read_audio(file) for file in clip] for clip in self.files]


def generate(
    listener: Listener, decoded: Decoded, generator: Generator, music: Music, outputs: Outputs
) -> tuple[pd.DataFrame, list[Score]]:
    """Make music of every scored clip, and score it by every embedding of the run.

    From the prediction with its shrinkage undone ("brain"), from the prediction as it is ("uncalibrated"), and from
    the true embedding ("oracle", the ceiling). Pieces lie in files, and are judged as they lie there.
    """
    embeddings = music[decoded.space.name]
    calibrated = listener.decode(embeddings, decoder=with_calibration(listener.config.decoder))
    found = {"brain": calibrated.predicted, "uncalibrated": decoded.predicted, "oracle": decoded.true}
    takes = {name: make(name, found[name], listener, decoded, generator, outputs) for name in CONDITIONS}
    scores: list[Score] = []
    for embedder in music.hearing:
        scores += _judge(embedder, takes, listener, decoded, music)
    scores += agreement("generate", takes["brain"].read, takes["oracle"].read, listener, decoded, music)
    return _table(takes, decoded, listener, generator, outputs), scores


def require_fit(generator: Generator, embedders: tuple[Embedder, ...]) -> None:
    """:class:`InputError` unless the generator takes one of the embeddings that are decoded."""
    if generator.space.name not in [embedder.space.name for embedder in embedders]:
        name = generator.space.name
        raise InputError(f"the generator takes {name}, which is not decoded", mend=f"add --embedding {name}")


def make(
    condition: str,
    windows: Float32[np.ndarray, "clips windows dims"],
    listener: Listener,
    decoded: Decoded,
    generator: Generator,
    outputs: Outputs,
) -> Takes:
    """Generate from one kind of embedding; files that are there, made from the same, are kept."""
    config, subject, name = listener.config, listener.subject, decoded.space.name
    vectors = windows if config.generate_from == "windows" else windows.mean(axis=1, keepdims=True)
    count = vectors.shape[1] * config.draws
    files = [
        [outputs.generated(subject, name, condition, clip.name, take) for take in range(count)]
        for clip in decoded.clips
    ]
    settings = {"generator": generator.name, "seconds": config.generate_s, "draws": config.draws, "seed": config.seed}
    with progress(f"generate from {condition}") as advance:
        for first in range(0, len(files), TOGETHER):
            part = vectors[first : first + TOGETHER]
            wanted = [file for each in files[first : first + TOGETHER] for file in each]

            def write(part: np.ndarray = part, wanted: list[Path] = wanted, first: int = first) -> None:
                given = Embeddings(part.reshape(-1, 1, part.shape[-1]), _names(part), decoded.space)
                made = generator.generate(
                    embedding=given, seconds=config.generate_s, seed=config.seed + first, draws=config.draws
                )
                for piece, file in zip(made, wanted, strict=True):
                    piece.write(file, f"Generated: {condition}, {name}, subject {subject}")

            sidecar = wanted[0].with_name(f"{wanted[0].stem}_together.json")
            inputs = {"embeddings": digest_array(part), "generator": generator.sha256}
            stage(wanted, write, inputs, settings, sidecar)
            advance(min(first + TOGETHER, len(files)), len(files))
    return Takes(vectors, files)


def _judge(
    embedder: Embedder, takes: dict[str, Takes], listener: Listener, decoded: Decoded, music: Music
) -> list[Score]:
    judge, config = embedder.space.name, listener.config
    mean = music.means(judge, listener.trained_on).mean(axis=0)

    def hear(file: Path) -> Float32[np.ndarray, " dims"]:
        return embedder.embed(*read_audio(file)).mean(axis=0) - mean

    heard = {
        name: np.stack([[hear(file) for file in clip] for clip in each.files]).swapaxes(0, 1)
        for name, each in takes.items()
    }
    return score_generated(
        heard,
        music.means(judge, decoded.clips) - mean,
        [clip.genre for clip in decoded.clips],
        subject=listener.subject,
        embedding=decoded.space.name,
        judge=judge,
        rng=np.random.default_rng(config.seed),
        simulated=listener.source.simulated,
        note=listener.source.note,
        draws=config.permutations,
    )


def _table(
    takes: dict[str, Takes], decoded: Decoded, listener: Listener, generator: Generator, outputs: Outputs
) -> pd.DataFrame:
    """One row a piece: see :class:`brain2music.layout.Outputs`."""
    config, rows = listener.config, []
    for condition, each in takes.items():
        for number, (clip, files) in enumerate(zip(decoded.clips, each.files, strict=True)):
            for take, file in enumerate(files):
                window = take // config.draws if config.generate_from == "windows" else -1
                seed = config.seed + number // TOGETHER * TOGETHER
                place = file.relative_to(outputs.root).as_posix()
                rows.append((clip.name, clip.genre, condition, take, window, place, generator.name, seed))
    columns = ["clip", "genre", "condition", "take", "window", "file", "generator", "seed"]
    return pd.DataFrame(rows, columns=columns)


def _names(part: Float32[np.ndarray, "clips items dims"]) -> tuple[str, ...]:
    return tuple(str(number) for number in range(part.shape[0] * part.shape[1]))
