"""The whole reconstruction, top-down: responses to predicted embeddings, to music that exists, to scores.

:func:`run` is the flow; each step is one call into the folder that does the work, with :mod:`brain2music.steps`
between. A step is skipped when its outputs are there already, made from the same inputs and settings: a run that
was stopped is finished by the same command, with the same bytes.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .artifacts import digest_array, digest_text, write_json, write_table
from .brain.reliability import repeat_reliability
from .brain.source import Source
from .config import RunConfig
from .decode.options import with_calibration, with_exemplars
from .embed.embedder import Embedder
from .errors import InputError
from .gallery.gallery import Gallery
from .generate.registry import Generator
from .layout import Outputs
from .provenance import stage
from .score.records import read_scores, summarise, write_scores
from .score.unseen import clip_similarity
from .steps.across import require_people, score_across
from .steps.describe import describe
from .steps.encoding import encode_subject, encoding_files
from .steps.gate import Level, admit, prepare
from .steps.generation import generate
from .steps.listen import export_retrieved, export_stimuli
from .steps.listener import Listener, Music
from .steps.retrieval import retrieve
from .steps.scoring import score
from .steps.tables import alphas_table, predictions_table, reliability_table, similarity_table


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

    Whatever stands in the way is found first (:mod:`brain2music.steps.gate`), and nothing is computed then; where it
    concerns one subject of several, the others are run.

    Parameters
    ----------
    level : "participant" decodes; "group" adds the summary over the subjects that were decoded.
    subjects : labels with or without ``sub-``; default all.
    galleries : music to retrieve from: for each embedding the gallery that was built with it.

    Raises
    ------
    LeakageError : training and test data share a clip, or what else ``config.allow_leaks`` does not name.
    InputError : whatever else is at fault with the input.
    """
    outputs = Outputs(root)
    wanted = _chosen(source, subjects)
    source = source if tuple(wanted) == source.subjects else source.keep(wanted)
    ready = prepare(source, config, outputs, level=level, galleries=galleries)
    source = admit(source, ready.findings, named=wanted if subjects else ())
    if level == "participant":
        music = Music(source, ready.embedders, outputs, ready.judges, ready.captions)
        for subject in source.subjects:
            listener = Listener(source, subject, config)
            measure(listener, outputs)
            for embedder in ready.embedders:
                reconstruct(listener, embedder, music, ready.galleries, ready.generator, outputs)
            if config.encode:
                map_voxels(listener, music, outputs)
        export_stimuli(source, outputs)
    elif config.across:
        read_each_other(source, Music(source, ready.embedders, outputs), config, outputs)
    collect_scores(source, config, outputs, level)
    describe(source, config, ready.embedders, ready.galleries, ready.leaks, outputs)
    return outputs


def measure(listener: Listener, outputs: Outputs) -> None:
    """Count a subject's responses, and measure their reliability where clips were repeated."""
    summary, reliability = outputs.summary(listener.subject), outputs.reliability(listener.subject)

    def make() -> None:
        train, test = listener.responses
        scored = train if test is None else test
        counts = {"n_voxels": scored.n_voxels, "n_scans": scored.n_scans, "tr": scored.tr, "lag_tr": scored.lag_tr}
        write_json(summary, {**counts, "n_repeats": int(scored.n_repeats.max())})
        values = np.full(scored.n_voxels, np.nan) if scored.repeats is None else repeat_reliability(scored)
        write_table(reliability, reliability_table(scored, values))

    settings = listener.config.model_dump(mode="json", include={"detrend", "confounds"})
    settings["lag_tr"] = listener.lag_tr
    stage([summary, reliability], make, listener.digests, settings, reliability.with_suffix(".json"))


def reconstruct(
    listener: Listener,
    embedder: Embedder,
    music: Music,
    galleries: Sequence[Gallery],
    generator: Generator | None,
    outputs: Outputs,
) -> None:
    """One subject, one embedding: decode, score, retrieve, generate, and write the tables."""
    subject, config, name = listener.subject, listener.config, embedder.space.name
    predictions, similarities = outputs.predictions(subject, name), outputs.similarity(subject, name)
    alphas, scores_file = outputs.alphas(subject, name), outputs.scores_of(subject, name)
    retrieval = outputs.retrieval(subject, name)
    generated = outputs.generated_table(subject, name)
    gallery = next((gallery for gallery in galleries if gallery.space.name == name), None)
    maker = generator if generator is not None and generator.space.name == name else None
    for_generator = with_exemplars(config.decoder)

    def make() -> None:
        decoded = listener.decode(music[name])
        scores = score(listener, decoded, music)
        write_table(predictions, predictions_table(decoded))
        write_table(similarities, similarity_table(decoded, clip_similarity(decoded)))
        write_table(alphas, alphas_table(decoded))
        if gallery is not None:
            calibrated = listener.decode(music[name], decoder=with_calibration(config.decoder))
            found, retrieved = retrieve(listener, decoded, calibrated, gallery, music)
            write_table(retrieval, found)
            export_retrieved(found, outputs)
            scores += retrieved
        if maker is not None:
            given = listener.decode(music[name], decoder=for_generator)
            made, judged = generate(listener, decoded, given, maker, music, outputs)
            write_table(generated, made)
            scores += judged
        write_scores(scores_file, scores)

    inputs = {**listener.digests, "stimuli": music.digest(name)}
    if music.captions:
        inputs["captions"] = digest_text("\n".join(f"{track}\t{text}" for track, text in music.captions.items()))
    files = [predictions, similarities, alphas, scores_file]
    if gallery is not None:
        inputs["gallery"] = digest_array(np.asarray(gallery.vectors))
        files.append(retrieval)
    settings = {**config.model_dump(mode="json"), "space": asdict(embedder.space)}
    if maker is not None:
        inputs["generator"], settings["given"] = maker.sha256, for_generator
        files.append(generated)
    stage(files, make, inputs, settings)


def map_voxels(listener: Listener, music: Music, outputs: Outputs) -> None:
    """One subject, all embeddings: predict voxels, test and map them."""
    names = [embedder.space.name for embedder in music.embedders]
    tables = [outputs.encoding(listener.subject, name) for name in names]
    scores = outputs.encoding_scores(listener.subject)

    def make() -> list[Path]:
        write_scores(scores, encode_subject(listener, music, outputs))
        return encoding_files(listener, names, outputs)

    inputs = {**listener.digests, **{f"stimuli in {name}": music.digest(name) for name in names}}
    settings = {**listener.config.model_dump(mode="json"), "spaces": [asdict(each.space) for each in music.embedders]}
    stage([scores, *tables], make, inputs, settings, scores.with_name(f"{scores.stem}_provenance.json"))


def read_each_other(source: Source, music: Music, config: RunConfig, outputs: Outputs) -> None:
    """Align the subjects decoded so far, and decode each by the others."""
    for name in config.embeddings:
        subjects = [subject for subject in source.subjects if outputs.scores_of(subject, name).is_file()]
        require_people(source, config, subjects)
        listeners = {subject: Listener(source, subject, config) for subject in subjects}
        inputs = {f"sub-{who} {key}": value for who, each in listeners.items() for key, value in each.digests.items()}
        file = outputs.across(name)

        def make(name: str = name, subjects: list[str] = subjects, file: Path = file) -> None:
            write_scores(file, score_across(source, subjects, name, music, config))

        settings = {**config.model_dump(mode="json"), "subjects": subjects}
        made_from = {**inputs, "stimuli": music.digest(name)}
        stage([file], make, made_from, settings, file.with_name(f"{file.stem}_provenance.json"))


def collect_scores(source: Source, config: RunConfig, outputs: Outputs, level: Level) -> None:
    """Gather the scores of every subject decoded so far into one file; at group level their summary too."""
    files = [outputs.scores_of(subject, name) for subject in source.everyone for name in config.embeddings]
    files += [outputs.encoding_scores(subject) for subject in source.everyone] if config.encode else []
    files += [outputs.across(name) for name in config.embeddings] if config.across and level == "group" else []
    scores = [score for file in files if file.is_file() for score in read_scores(file)]
    if not scores:
        raise InputError("no subject has been decoded here", outputs.root, "run the participant level first")
    write_scores(outputs.scores, [*(summarise(scores) if level == "group" else []), *scores])


def _chosen(source: Source, subjects: Sequence[str]) -> list[str]:
    wanted = [label.removeprefix("sub-") for label in subjects]
    unknown = [label for label in wanted if label not in source.subjects]
    if unknown:
        known = ", ".join(source.subjects)
        raise InputError(f"there is no subject {unknown[0]!r}; there are {known}", mend="name one of these")
    return wanted or list(source.subjects)
