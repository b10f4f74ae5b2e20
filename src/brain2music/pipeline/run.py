"""The whole reconstruction, top-down: responses to predicted embeddings, to music that exists, to scores.

:func:`run` is the flow; each step is one call into the folder that does the work, with :mod:`brain2music.pipeline`
between. A step is skipped when its outputs are there already, made from the same inputs and settings: a run that
was stopped is finished by the same command, with the same bytes.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from .._utils.errors import InputError
from .._utils.files import write_json
from .._utils.locks import locked
from .._utils.progress import progress
from ..brain.reliability import repeat_reliability
from ..brain.source import Source
from ..config import RunConfig
from ..embeddings.protocols import Embedder
from ..gallery.gallery import Gallery
from ..metrics.decoding import clip_similarity
from ..metrics.records import read_scores, summarise, write_scores
from ..models.generators import Generator
from .across import require_people, score_across
from .cache import Stages
from .claim import claim
from .describe import describe
from .encoding import encode_subject, encoding_files, possible_files
from .gate import Level, admit, prepare
from .generation import generate
from .listen import export_retrieved, export_stimuli
from .listener import Listener, Music
from .origins import captions_of, gallery_digests, judged_by, made_from, of_source, told
from .outputs import ALPHAS, GENERATED, PREDICTIONS, RELIABILITY, RETRIEVAL, SIMILARITY, Outputs
from .retrieval import retrieve
from .scoring import score
from .settings import seen
from .subjects import Records, gather, retrieved_tables, score_files, working_on
from .tables import alphas_table, predictions_table, reliability_table, similarity_table


def run(
    source: Source,
    root: Path,
    config: RunConfig,
    *,
    level: Level = "participant",
    subjects: Sequence[str] = (),
    galleries: Sequence[Path] = (),
) -> Outputs:
    """Decode a study and score it. :class:`Outputs` says what is written where.

    Whatever stands in the way is found first (:mod:`brain2music.pipeline.gate`), and nothing is computed then; where it
    concerns one subject of several, the others are run.

    Parameters
    ----------
    level : "participant" decodes; "group" adds the summary over the subjects that were decoded.
    subjects : labels with or without ``sub-``; default all.
    galleries : music to retrieve from: for each embedding the gallery that was built with it.

    Raises
    ------
    LeakageError : training and test data share a clip, or what else ``config.evaluation.allow_leaks`` does not name.
    InputError : whatever else is at fault with the input.
    """
    outputs = Outputs(root)
    wanted = _chosen(source, subjects)
    source = source if tuple(wanted) == source.subjects else source.keep(wanted)
    ready = prepare(source, config, outputs, level=level, galleries=galleries)
    source = admit(source, ready.findings, named=wanted if subjects else ())
    source = source.exclude(ready.lost) if ready.lost else source
    claim(source, outputs)
    music = Music(source, ready.embedders, outputs, ready.judges, ready.captions)
    if level == "participant":
        for subject in source.subjects:
            listener = Listener(source, subject, config)
            with working_on(subject, source, config, outputs) as stages:
                measure(listener, outputs, stages)
                for embedder in ready.embedders:
                    reconstruct(listener, embedder, music, ready.galleries, ready.generator, outputs, stages)
                if config.encoding.enabled:
                    map_voxels(listener, music, outputs, stages)
    else:
        read_each_other(source, music, config, outputs)
    with locked(outputs.lock(), "putting the results of all subjects together"):
        records = gather(source, config, outputs, level)
        kept = {name for subject in records if subject not in source.subjects for name in records[subject]["sounds"]}
        export_stimuli(source, outputs, music.sounds, kept)
        export_retrieved(retrieved_tables(records, config, outputs), outputs)
        collect_scores(records, config, outputs, level)
        describe(source, config, ready.embedders, ready.galleries, ready.leaks, records, outputs)
    return outputs


def measure(listener: Listener, outputs: Outputs, stages: Stages) -> None:
    """Count a subject's responses, and measure their reliability where clips were repeated."""
    summary, reliability = outputs.summary(listener.subject), outputs.reliability(listener.subject)

    def make() -> None:
        train, test = listener.responses
        scored = train if test is None else test
        counts = {"n_voxels": scored.n_voxels, "n_scans": scored.n_scans, "tr": scored.tr, "lag_tr": scored.lag_tr}
        write_json(summary, {**counts, "n_repeats": int(scored.n_repeats.max())})
        values = np.full(scored.n_voxels, np.nan) if scored.repeats is None else repeat_reliability(scored)
        RELIABILITY.write(reliability, reliability_table(scored, values))

    settings = {**seen("measure", listener.config), "lag_tr": listener.lag_tr}
    stages.stage([summary, reliability], make, listener.digests, settings, reliability.with_suffix(".json"))


def reconstruct(
    listener: Listener,
    embedder: Embedder,
    music: Music,
    galleries: Sequence[Gallery],
    generator: Generator | None,
    outputs: Outputs,
    stages: Stages,
) -> None:
    """One subject, one embedding: decode, retrieve and generate, each with its scores, and again only if it must."""
    subject, name = listener.subject, embedder.space.name
    decoder = cache(lambda: listener.decoder(music[name]))
    inputs = made_from(listener, embedder, music)
    tables = [place(subject, name) for place in (outputs.predictions, outputs.similarity, outputs.alphas)]

    def decode() -> None:
        with progress(f"decode {name}") as advance:
            decoder().fit(listener.n_permuted_fits, advance)
        found = decoder().decoded()
        written = (predictions_table(found), similarity_table(found, clip_similarity(found)), alphas_table(found))
        for schema, path, table in zip((PREDICTIONS, SIMILARITY, ALPHAS), tables, written, strict=True):
            schema.write(path, table)
        write_scores(outputs.scores_of(subject, name), score(listener, decoder(), music))

    files = [*tables, outputs.scores_of(subject, name)]
    captions = captions_of(embedder, music)
    stages.stage(files, decode, {**inputs, **captions}, told("decode", listener, embedder))

    gallery = next((gallery for gallery in galleries if gallery.space.name == name), None)
    if gallery is not None:
        retrieval, scores = outputs.retrieval(subject, name), outputs.retrieval_scores(subject, name)

        def search(gallery: Gallery = gallery) -> None:
            matched = decoder().decoded("matched")
            table, judged = retrieve(listener, decoder().decoded(), matched, gallery, music)
            RETRIEVAL.write(retrieval, table)
            write_scores(scores, judged)

        searched = {**inputs, **captions, **judged_by(listener, music), **gallery_digests(gallery)}
        stages.stage([retrieval, scores], search, searched, told("retrieve", listener, embedder, music))

    if generator is not None and generator.space.name == name:
        generated, scores = outputs.generated_table(subject, name), outputs.generated_scores(subject, name)

        def compose(generator: Generator = generator) -> list[Path]:
            denoised = decoder().decoded("denoised")
            table, judged, pieces = generate(listener, decoder().decoded(), denoised, generator, music, outputs)
            GENERATED.write(generated, table)
            write_scores(scores, judged)
            return pieces

        composed = {**inputs, **judged_by(listener, music), "generator": generator.sha256}
        stages.stage([generated, scores], compose, composed, told("generate", listener, embedder, music))


def map_voxels(listener: Listener, music: Music, outputs: Outputs, stages: Stages) -> None:
    """One subject, all embeddings: predict voxels, test and map them."""
    subject, names = listener.subject, [embedder.space.name for embedder in music.embedders]
    scores = outputs.encoding_scores(subject)

    def make() -> list[Path]:
        write_scores(scores, encode_subject(listener, music, outputs))
        return encoding_files(listener, names, outputs)

    inputs = {key: value for each in music.embedders for key, value in made_from(listener, each, music).items()}
    settings = told("encode", listener) | {"spaces": [asdict(each.space) for each in music.embedders]}
    record = scores.with_name(f"{scores.stem}_provenance.json")
    stages.stage([scores], make, inputs, settings, record, possible_files(subject, names, outputs))


def read_each_other(source: Source, music: Music, config: RunConfig, outputs: Outputs) -> None:
    """At group level, where it is asked for, align the subjects decoded so far, and decode each by the others."""
    stages = Stages()
    with locked(outputs.lock("group"), "decoding each subject by the others"):
        for name in config.embeddings if config.evaluation.between_subject else ():
            subjects = [subject for subject in source.subjects if outputs.scores_of(subject, name).is_file()]
            require_people(source, config, subjects)
            listeners = {subject: Listener(source, subject, config) for subject in subjects}
            embedder, file = music.embedder(name), outputs.across(name)
            inputs = {
                f"sub-{subject} {key}": value
                for subject, listener in listeners.items()
                for key, value in made_from(listener, embedder, music).items()
            }

            def make(name: str = name, subjects: list[str] = subjects, file: Path = file) -> None:
                write_scores(file, score_across(source, subjects, name, music, config))

            settings = seen("across", config) | {"space": asdict(embedder.space), "subjects": subjects}
            record = file.with_name(f"{file.stem}_provenance.json")
            stages.stage([file], make, inputs, settings | of_source(source), record)
        stages.discard(stages.others(outputs.root / "group"))


def collect_scores(records: Records, config: RunConfig, outputs: Outputs, level: Level) -> None:
    """Gather the scores of every finished subject into one table; at group level their summary too."""
    files = [file for subject in records for file in score_files(subject, records[subject], config, outputs)]
    files += (
        [outputs.across(name) for name in config.embeddings]
        if config.evaluation.between_subject and level == "group"
        else []
    )
    scores = [score for file in files for score in read_scores(file)]
    if not scores:
        raise InputError("no subject has been decoded here", outputs.root, "run the participant level first")
    scores = [*(summarise(scores) if level == "group" else []), *scores]
    for file in (outputs.scores, outputs.scores_table):
        write_scores(file, scores)


def _chosen(source: Source, subjects: Sequence[str]) -> list[str]:
    wanted = [label.removeprefix("sub-") for label in subjects]
    unknown = [label for label in wanted if label not in source.subjects]
    if unknown:
        known = ", ".join(source.subjects)
        raise InputError(f"there is no subject {unknown[0]!r}; there are {known}", hint="name one of these")
    return wanted or list(source.subjects)
