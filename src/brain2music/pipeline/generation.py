"""Generation step: music from decoded and from true embeddings, and its similarity to the clips."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int

from .._utils.errors import InputError
from .._utils.files import digest_array
from .._utils.progress import progress
from ..audio.io import read_audio
from ..config import RunConfig
from ..decoding.decoded import Decoded
from ..embeddings.embeddings import Embeddings
from ..embeddings.protocols import Embedder
from ..gallery.anchors import anchors_from
from ..gallery.gallery import Gallery
from ..metrics.builder import ScoreBuilder
from ..metrics.generation import score_generated
from ..metrics.score import Condition, Score
from ..models.abilities import abilities_of
from ..models.anchored import AnchoredGenerator
from ..models.bridges import Bridge, BridgedGenerator
from ..models.generator_protocols import Generator
from .agreement import Sound, agreement
from .cache import stage
from .context import Music, SubjectContext
from .origins import gallery_digests
from .outputs import GENERATED, Outputs

BATCH = 5
"""Clips that are generated at once, and again after an interruption."""
Files = list[list[Path]]
"""Of every sample of every clip."""


def generate(
    context: SubjectContext,
    decoded: Decoded,
    denoised: Decoded,
    generator: Generator,
    music: Music,
    outputs: Outputs,
) -> tuple[pd.DataFrame, list[Score], list[Path]]:
    """Generate music for scored clips, and score it by every embedding of the run; also return the files.

    Conditions are the prediction after distribution matching and denoising (:mod:`brain2music.decoding.denoising`), the
    prediction as it is, and the true embedding (the ceiling). Pieces are written to files, and scored as written.
    """
    rows = choose_clips([clip.genre for clip in decoded.clips], context.config.generation.n_clips)
    decoded, denoised = _only(decoded, rows), _only(denoised, rows)
    found: dict[Condition, np.ndarray] = {
        "denoised": denoised.predicted,
        "decoded": decoded.predicted,
        "true": decoded.true,
    }
    files = {each: make(each, windows, context, decoded, generator, outputs) for each, windows in found.items()}

    def builder() -> ScoreBuilder:
        shared = context.score_builder(decoded.space.name, "generate")
        return replace(shared, generator=generator.name, recordings=context.recordings[rows])

    scores: list[Score] = []
    for embedder in music.audio_embedders:
        scores += _score_by(embedder, files, context, decoded, builder(), music)

    sides = partial(_read_pieces, files["denoised"]), partial(_read_pieces, files["true"])
    scores += agreement(*sides, lambda: replace(builder(), condition="denoised"), decoded.clips, context, music)
    written = [file for each in files.values() for file in _written(each)]
    return _pieces_table(files, decoded, context, generator, outputs), scores, written


def choose_clips(genres: Sequence[Hashable], n: int | None) -> Int[np.ndarray, " chosen"]:
    """Rows of ``n`` clips, in order: the first of each genre, then the second, and so on; all where ``n`` is None."""
    seen: Counter[Hashable] = Counter()
    turns = []
    for genre in genres:
        turns.append(seen[genre])
        seen[genre] += 1
    return np.sort(np.argsort(turns, kind="stable")[:n])


def _only(decoded: Decoded, rows: Int[np.ndarray, " chosen"]) -> Decoded:
    """The same of some clips."""
    return replace(
        decoded,
        predicted=decoded.predicted[rows],
        true=decoded.true[rows],
        train_mean=decoded.train_mean[rows],
        clips=tuple(decoded.clips[row] for row in rows),
    )


def require_fit(generator: Generator, embedders: tuple[Embedder, ...]) -> None:
    """:class:`InputError` unless the generator takes one of the embeddings that are decoded."""
    if generator.space is None:
        what = f"{generator.name} takes no embeddings, so nothing that is decoded drives it"
        raise InputError(what, hint=f"it makes music from {abilities_of(generator).given}; name another generator")
    if generator.space.name not in [embedder.space.name for embedder in embedders]:
        name = generator.space.name
        raise InputError(
            f"the generator takes {name}, which is not decoded",
            hint=f"add --embedding {name}, or --bridge with a bridge into it (`brain2music models bridge`)",
        )


def cross(generator: Generator, config: RunConfig) -> Generator:
    """The generator that takes the embeddings of the bridge of the settings.

    Raises
    ------
    InputError : there is no such bridge, it leads elsewhere, or anchors are asked for, which are sought in one space.
    """
    assert config.generation.bridge is not None
    if config.generation.anchored is not None:
        raise InputError("anchored generation crosses no bridge", hint="leave out --anchored or --bridge")
    return BridgedGenerator(generator, Bridge.from_pretrained(config.generation.bridge))


def anchor(
    generator: Generator, config: RunConfig, galleries: Sequence[Gallery], presented: Sequence[str]
) -> Generator:
    """The generator that makes music from tracks of the gallery of its embedding, none of them presented.

    Raises
    ------
    InputError : there is no such gallery, or the generator cannot do it.
    """
    assert generator.space is not None  # said by require_fit
    settings, name = config.generation, generator.space.name
    found = [each for each in galleries if each.space.name == name]
    if not found or settings.anchored is None:
        raise InputError(f"anchored generation needs a gallery of {name}", hint=f"add --gallery, built with {name}")
    found[0].space.require_same_means(generator.space)
    digest = "".join(gallery_digests(found[0]).values())
    retrieve = anchors_from(found[0], settings.n_anchors, presented)
    return AnchoredGenerator(generator, retrieve, settings.anchored, settings.anchor_strength, digest)


def make(
    condition: Condition,
    windows: Float32[np.ndarray, "clips windows dims"],
    context: SubjectContext,
    decoded: Decoded,
    generator: Generator,
    outputs: Outputs,
) -> Files:
    """Generate from the embeddings of one condition; files that were generated from the same are kept."""
    config, subject, name = context.config, context.subject, decoded.space.name
    vectors = windows if config.generation.conditioning == "windows" else windows.mean(axis=1, keepdims=True)
    count = vectors.shape[1] * config.generation.n_samples
    files = [
        [outputs.generated(subject, name, condition, clip.name, sample) for sample in range(count)]
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
        for first in range(0, len(files), BATCH):
            part = vectors[first : first + BATCH]
            wanted = [file for each in files[first : first + BATCH] for file in each]

            def write(part: np.ndarray = part, wanted: list[Path] = wanted, first: int = first) -> None:
                given = Embeddings(part.reshape(-1, 1, part.shape[-1]), _numbered_names(part), decoded.space)
                made = generator.generate(
                    embedding=given,
                    seconds=config.generation.duration_s,
                    seed=config.seed,
                    n_samples=config.generation.n_samples,
                    first_item=first * vectors.shape[1],
                )
                for piece, file in zip(made, wanted, strict=True):
                    piece.save(file, f"Generated: {condition}, {name}, subject {subject}")

            settings = {**common, "first_item": first * vectors.shape[1]}
            inputs = {"embeddings": digest_array(part), "generator": generator.sha256}
            stage([each for file in wanted for each in _both(file)], write, inputs, settings, _record(wanted[0]))
            advance(min(first + BATCH, len(files)), len(files))
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
    return [*pieces, *(_record(clip[0]) for clip in files[::BATCH])]


def _read_pieces(files: Files) -> list[list[Sound]]:
    return [[read_audio(file) for file in clip] for clip in files]


def _score_by(
    embedder: Embedder,
    files: dict[Condition, Files],
    context: SubjectContext,
    decoded: Decoded,
    builder: ScoreBuilder,
    music: Music,
) -> list[Score]:
    """Scores in one evaluation embedding."""
    judge = embedder.space.name
    mean = music.means(judge, context.trained_on).mean(axis=0)

    def embedded(file: Path) -> Float32[np.ndarray, " dims"]:
        return embedder.embed(*read_audio(file)).mean(axis=0) - mean

    made: dict[Condition, np.ndarray] = {
        condition: np.stack([[embedded(file) for file in clip] for clip in each]).swapaxes(0, 1)
        for condition, each in files.items()
    }
    return score_generated(
        made,
        music.means(judge, decoded.clips) - mean,
        [clip.genre for clip in decoded.clips],
        replace(builder, judge=judge),
    )


def _pieces_table(
    files: dict[Condition, Files], decoded: Decoded, context: SubjectContext, generator: Generator, outputs: Outputs
) -> pd.DataFrame:
    """One row per piece, with the columns of :data:`brain2music.pipeline.outputs.GENERATED`."""
    config, rows = context.config, []
    for condition, clips in files.items():
        for clip, pieces in zip(decoded.clips, clips, strict=True):
            for sample, file in enumerate(pieces):
                window = sample // config.generation.n_samples if config.generation.conditioning == "windows" else -1
                place = file.relative_to(outputs.root).as_posix()
                rows.append((clip.name, clip.genre, condition, sample, window, place, generator.name, config.seed))
    return pd.DataFrame(rows, columns=list(GENERATED.columns))


def _numbered_names(part: Float32[np.ndarray, "clips items dims"]) -> tuple[str, ...]:
    return tuple(str(number) for number in range(part.shape[0] * part.shape[1]))
