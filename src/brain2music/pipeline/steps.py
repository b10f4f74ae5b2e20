"""Steps of a run: what each writes, what it is made from, the settings that it may see, and what it does.

A step runs again when its inputs or its own settings have changed, and not otherwise (:mod:`.cache`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from .._utils.files import digest_file, digest_text, write_json
from .._utils.progress import progress
from ..brain.reliability import repeat_reliability
from ..brain.responses import SplitResponses
from ..brain.source import Source
from ..config import RunConfig
from ..decoding.subject import SubjectDecoder
from ..embeddings.protocols import Embedder
from ..gallery.gallery import Gallery
from ..metrics.decoding import clip_similarity
from ..metrics.records import write_scores
from ..models.generator_protocols import Generator
from .between_subjects import require_several, score_between_subjects
from .cache import Step
from .context import Music, SubjectContext
from .encoding import encode_subject, encoding_files, possible_files
from .generation import generate
from .growth import growth_table
from .meshes import meshes_of
from .models import model_steps
from .origins import captions_of, gallery_digests, judged_by, made_from, of_source, step_settings
from .outputs import (
    ALPHAS,
    GENERATED,
    GROWTH,
    MOTION,
    PREDICTIONS,
    QUALITY,
    RELIABILITY,
    RETRIEVAL,
    SIMILARITY,
    Outputs,
)
from .quality import quality_table, say_verdict
from .retrieval import retrieve
from .scoring import score
from .settings import visible_settings
from .tables import alphas_table, predictions_table, reliability_table, similarity_table


def subject_steps(
    context: SubjectContext,
    music: Music,
    galleries: Sequence[Gallery],
    generator: Generator | None,
    outputs: Outputs,
) -> Iterator[Step]:
    """The steps of one subject, in their order; a decoder is fitted once for the steps that ask it."""
    yield measuring_step(context, outputs)
    if (motion := context.source.motion(context.subject)) is not None:
        yield motion_step(context.subject, motion, outputs)
    for embedder in music.embedders:
        name = embedder.space.name
        decoder = cache(lambda name=name: context.decoder(music[name]))
        yield decoding_step(context, embedder, music, decoder, outputs)
        for gallery in galleries:
            if gallery.space.name == name:
                yield retrieval_step(context, embedder, music, decoder, gallery, outputs)
        if generator is not None and generator.space is not None and generator.space.name == name:
            yield generation_step(context, embedder, music, decoder, generator, outputs)
        yield from model_steps(context, embedder, music, decoder, outputs)
    if context.config.encoding.enabled:
        yield encoding_step(context, music, outputs)


def measuring_step(context: SubjectContext, outputs: Outputs) -> Step:
    """Count a subject's responses, and measure the reliability of its voxels and runs."""
    subject = context.subject
    summary, reliability, quality = outputs.summary(subject), outputs.reliability(subject), outputs.quality(subject)

    def make() -> None:
        train, test = context.responses
        scored = train if test is None else test
        counts = {"n_voxels": scored.n_voxels, "n_scans": scored.n_scans, "tr": scored.tr, "lag_tr": scored.lag_tr}
        write_json(summary, {**counts, "n_repeats": int(scored.n_repeats.max())})
        values = np.full(scored.n_voxels, np.nan) if scored.repeats is None else repeat_reliability(scored)
        RELIABILITY.write(reliability, reliability_table(scored, values))
        table = quality_table(context.source, subject, SplitResponses(train, test))
        QUALITY.write(quality, table)
        say_verdict(subject, table)

    settings = {**visible_settings("measure", context.config), "lag_tr": context.lag_tr}
    return Step([summary, reliability, quality], make, context.digests, settings, reliability.with_suffix(".json"))


def motion_step(subject: str, motion: pd.DataFrame, outputs: Outputs) -> Step:
    """Keep how the head moved, for the page."""
    path = outputs.motion(subject)
    return Step([path], lambda: MOTION.write(path, motion), {"motion": digest_text(motion.to_csv(index=False))}, {})


def decoding_step(
    context: SubjectContext, embedder: Embedder, music: Music, decoder: Callable[[], SubjectDecoder], outputs: Outputs
) -> Step:
    """Predict embeddings of the scored clips, and score the decoder beside its baselines."""
    subject, name = context.subject, embedder.space.name
    tables = [place(subject, name) for place in (outputs.predictions, outputs.similarity, outputs.alphas)]
    scores = outputs.scores_of(subject, name)
    growth = [outputs.growth(subject, name)] if context.config.evaluation.growth and not context.source.folds else []

    def make() -> None:
        with progress(f"decode {name}") as advance:
            decoder().fit(context.n_permuted_fits, advance)
        found = decoder().decoded()
        written = (predictions_table(found), similarity_table(found, clip_similarity(found)), alphas_table(found))
        for schema, path, table in zip((PREDICTIONS, SIMILARITY, ALPHAS), tables, written, strict=True):
            schema.write(path, table)
        for path in growth:
            GROWTH.write(path, growth_table(context, music[name], decoder().decoded()))
        write_scores(scores, score(context, decoder(), music))

    inputs = {**made_from(context, embedder, music), **captions_of(embedder, music)}
    return Step([*tables, *growth, scores], make, inputs, step_settings("decode", context, embedder))


def retrieval_step(
    context: SubjectContext,
    embedder: Embedder,
    music: Music,
    decoder: Callable[[], SubjectDecoder],
    gallery: Gallery,
    outputs: Outputs,
) -> Step:
    """Retrieve music that exists by the decoded embedding, and score it."""
    place = (context.subject, embedder.space.name)
    table, scores = outputs.retrieval(*place), outputs.retrieval_scores(*place)

    def make() -> None:
        plain, matched = decoder().decoded(), decoder().decoded("matched")
        found, of_found = retrieve(context, plain, matched, gallery, music)
        RETRIEVAL.write(table, found)
        write_scores(scores, of_found)

    inputs = {
        **made_from(context, embedder, music),
        **captions_of(embedder, music),
        **judged_by(context, music),
        **gallery_digests(gallery),
    }
    return Step([table, scores], make, inputs, step_settings("retrieve", context, embedder, music))


def generation_step(
    context: SubjectContext,
    embedder: Embedder,
    music: Music,
    decoder: Callable[[], SubjectDecoder],
    generator: Generator,
    outputs: Outputs,
) -> Step:
    """Generate music from the decoded embedding, and score it."""
    place = (context.subject, embedder.space.name)
    table, scores = outputs.generated_table(*place), outputs.generated_scores(*place)

    def make() -> list[Path]:
        plain, denoised = decoder().decoded(), decoder().decoded("denoised")
        found, of_found, pieces = generate(context, plain, denoised, generator, music, outputs)
        GENERATED.write(table, found)
        write_scores(scores, of_found)
        return pieces

    inputs = {**made_from(context, embedder, music), **judged_by(context, music), "generator": generator.sha256}
    return Step([table, scores], make, inputs, step_settings("generate", context, embedder, music))


def encoding_step(context: SubjectContext, music: Music, outputs: Outputs) -> Step:
    """Predict voxels from every embedding, test and map them."""
    subject, names = context.subject, [embedder.space.name for embedder in music.embedders]
    scores = outputs.encoding_scores(subject)

    def make() -> list[Path]:
        write_scores(scores, encode_subject(context, music, outputs))
        return encoding_files(context, names, outputs)

    inputs = {key: value for each in music.embedders for key, value in made_from(context, each, music).items()}
    inputs |= {f"mesh {path}": digest_file(path) for path in meshes_of(context.config, subject) or () if path.is_file()}
    settings = step_settings("encode", context) | {"spaces": [asdict(each.space) for each in music.embedders]}
    record = scores.with_name(f"{scores.stem}_provenance.json")
    return Step([scores], make, inputs, settings, record, possible_files(subject, names, outputs))


def between_subjects_step(source: Source, name: str, music: Music, config: RunConfig, outputs: Outputs) -> Step:
    """Align the subjects decoded so far, and decode each by the decoders of the others."""
    subjects = [subject for subject in source.subjects if outputs.scores_of(subject, name).is_file()]
    require_several(source, config, subjects)
    embedder, scores = music.embedder(name), outputs.between_subject_scores(name)

    def make() -> None:
        write_scores(scores, score_between_subjects(source, subjects, name, music, config))

    inputs = {
        f"sub-{subject} {key}": value
        for subject in subjects
        for key, value in made_from(SubjectContext(source, subject, config), embedder, music).items()
    }
    settings = visible_settings("between_subjects", config) | {"space": asdict(embedder.space), "subjects": subjects}
    record = scores.with_name(f"{scores.stem}_provenance.json")
    return Step([scores], make, inputs, settings | of_source(source), record)
