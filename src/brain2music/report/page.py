"""The report of a run: one page per subject and one index, each a single file that opens without a server."""

import math
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import read_json, write_text
from brain2music._utils.locks import locked, try_locked
from brain2music._utils.progress import progress
from brain2music._utils.words import counted
from brain2music.metrics.records import GROUP, select_scores
from brain2music.metrics.score import ALL, CONDITIONS, METRICS, Score
from brain2music.pipeline.outputs import Outputs
from brain2music.report import figures
from brain2music.report.comparisons import decoders_view, genres_left_out_view
from brain2music.report.data import EmbeddingOutputs, RunRecord, Subject, read_run_folder, read_study_record
from brain2music.report.embedded import MOST_BYTES
from brain2music.report.encoding import encoding_view
from brain2music.report.head_motion_figure import motion_view
from brain2music.report.listeners import listeners_view, not_analysed
from brain2music.report.overview import (
    confusion_figure,
    flow_figure,
    genre_confusion,
    growth_figure,
    references,
    subjects_forest,
)
from brain2music.report.panels import PagePlayers, panels_of
from brain2music.report.select import by_genre, encoding_headlines, headlines, qualifiers, spelt, values_of
from brain2music.report.summary import spell_p, summary_sentences

WELL_REPEATED = 0.1
EXTERNAL = "leave out --embed-sounds to keep them beside it, and send the folder"


def build_report(root: Path, *, under_way: str = "", embed_sounds: bool = False) -> Path:
    """Write ``index.html`` and every ``sub-<label>.html`` from the outputs of a run in ``root``, and nothing else.

    The pages hold their figures, styles and scripts, and point at sounds by relative paths, or hold these too. Rebuilt
    from the same folder they are the same bytes. Unless all can be made, none is written. The page of a subject that
    another process is working on stays as it is: that process will write it.

    Parameters
    ----------
    root : Path
        The output folder of a run.
    under_way : str
        What is still being computed, and will be on the pages that replace these: said on top of each. Such pages load
        themselves again.
    embed_sounds : bool
        Whether the pages of subjects hold their sounds, generated ones as mp3, so that one can be sent as a file. One
        that is then larger than 8 MiB is warned of.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    InputError
        Naming the file that is missing or broken.
    """
    outputs = Outputs(Path(root))
    if not outputs.root.is_dir():
        raise InputError("there is no such folder", outputs.root, "name the output folder of a run")
    with ExitStack() as stack:
        stack.enter_context(locked(outputs.lock(), "writing the pages"))
        busy = [subject for subject in read_study_record(outputs).subjects if not _hold(stack, outputs, subject)]
        run = read_run_folder(outputs.root, but=busy)
        if missing := not_analysed(run):
            warnings.warn(f"{outputs.root}: {missing}", Brain2MusicWarning, stacklevel=2)
        templates = page_templates()
        players = PagePlayers(outputs, embed_sounds)
        advance = stack.enter_context(progress("write the pages"))
        pages = {}
        for done, each in enumerate(run.subjects, 1):
            pages[outputs.page(each.label)] = _subject_page(templates, run, each, players, under_way)
            advance(done, len(run.subjects))
        pages[outputs.index] = _index_page(templates, run, under_way)
        for path, html in pages.items():
            write_text(path, html)
            if embed_sounds and len(html) > MOST_BYTES:
                size = f"{path.name} has {len(html) / 2**20:.1f} MiB with its sounds in it"
                warnings.warn(f"{size}: {EXTERNAL}", Brain2MusicWarning, stacklevel=2)
    return outputs.index


def _hold(stack: ExitStack, outputs: Outputs, subject: str) -> bool:
    """Keep other processes from a subject while its outputs are read; False where one is just making them."""
    return stack.enter_context(try_locked(outputs.lock(f"sub-{subject}"), "writing the pages"))


def _index_page(templates: Environment, run: RunRecord, under_way: str) -> str:
    return templates.get_template("index.html.j2").render(
        study=run.study,
        under_way=under_way,
        summary=summary_sentences(run, run.study.subjects),
        verdicts={
            each.label: str(each.quality["verdict"].iloc[0]) for each in run.subjects if each.quality is not None
        },
        headlines=headlines(run.scores),
        encoding_headlines=encoding_headlines(run.scores),
        scores=sorted(run.scores, key=lambda score: score.subject != GROUP),
        subjects=subjects_forest(run),
        listening=None if run.listening is None else listeners_view(run.listening),
        not_analysed=not_analysed(run),
        flow=flow_figure(run) if run.study.subjects else None,
        references=references(run),
        statistics=run.outputs.statistics.is_file(),
    )


def _subject_page(
    templates: Environment, run: RunRecord, subject: Subject, players: PagePlayers, under_way: str
) -> str:
    scores = [score for score in run.scores if score.subject == subject.label]
    shown = {decoded.embedding.name for decoded in subject.decoded}
    reliability, panels = subject.reliability, panels_of(subject, players)
    name = f"sub-{subject.label}"
    return templates.get_template("subject.html.j2").render(
        study=run.study,
        under_way=under_way,
        subject=subject,
        summary=summary_sentences(run, [subject.label]),
        headlines=headlines(scores),
        other_scores=[score for score in scores if score.embedding not in shown and score.stage != "encode"],
        decoders=decoders_view(scores, f"{name}-decoders"),
        encoding=encoding_view(subject, scores, run.outputs),
        motion=None if subject.motion is None else motion_view(subject.motion, f"{name}-motion"),
        quality=None if subject.quality is None else subject.quality.to_dict("records"),
        regions=None if reliability is None else _reliability_by_region(reliability),
        reliability_figure=None
        if reliability is None
        else figures.reliability_by_roi(reliability, f"{name}-reliability"),
        embeddings=[_embedding_view(scores, subject, decoded) for decoded in subject.decoded],
        panels=panels,
        n_generated=sum(any(music.generated for music in panel.music) for panel in panels),
        generators=values_of(select_scores(scores, stage="generate"), "generator"),
        terms=_licences(run, subject),
        generates=any(decoded.generated is not None for decoded in subject.decoded),
        retrieves=any(decoded.retrieval is not None for decoded in subject.decoded),
    )


def _licences(run: RunRecord, subject: Subject) -> list[str]:
    """Licences of the generated pieces, from the JSON file beside the first of each embedding."""
    found = []
    for decoded in subject.decoded:
        if decoded.generated is not None and len(decoded.generated):
            origin = (run.outputs.root / str(decoded.generated["file"].iloc[0])).with_suffix(".json")
            if origin.is_file() and (words := read_json(origin).get("licence")) and words not in found:
                found.append(str(words))
    return found


def _embedding_view(scores: Sequence[Score], subject: Subject, decoded: EmbeddingOutputs) -> dict[str, Any]:
    """Contents of the section on one embedding; None where the run gave nothing to draw."""
    space = decoded.embedding
    name = f"sub-{subject.label}-{space.name}"
    scored = select_scores(scores, embedding=space.name)
    view: dict[str, Any] = {"space": space, "clips": len(decoded.clips)}
    general = [score for score in scored if score.group == ALL and score.held_out != "genre"]
    view["scores"] = select_scores(general, stage="decode")
    view["other_scores"] = [score for score in general if score.stage not in ("decode", "encode")]
    view["genre_scores"] = by_genre(scored)
    of_genres = [score for score in select_scores(view["genre_scores"], stage="decode") if not math.isnan(score.value)]
    view["left_out"] = genres_left_out_view(scored, f"{name}-left-out")
    view["of_bars"] = of_genres
    view["bars"] = figures.genre_bars(of_genres, f"{name}-genres") if of_genres else None
    view["matrix"] = view["pca"] = view["alphas"] = view["confusion"] = None
    if decoded.similarity is not None and decoded.ranks is not None:
        view["matrix"] = figures.identification_matrix(decoded.similarity, decoded.genres, f"{name}-matrix")
        view["first"] = int((decoded.ranks == 1).sum())
        view["median_rank"] = float(np.median(decoded.ranks))
        if len(set(decoded.genres)) > 1 and all(decoded.genres):
            counts = genre_confusion(decoded.similarity, decoded.genres)
            view["confusion"] = confusion_figure(decoded.similarity, decoded.genres, f"{name}-confusion")
            view["same_genre"] = int(np.trace(counts))
            view["same_genre_chance"] = float((counts.sum(axis=1) ** 2).sum() / counts.sum())
    if decoded.predicted is not None and decoded.true is not None and min(decoded.true.shape) > 1:
        view["pca"], view["shrinkage"] = figures.pca_map(decoded.predicted, decoded.true, decoded.genres, f"{name}-pca")
    view["growth"] = None if decoded.growth is None else growth_figure(decoded.growth, f"{name}-growth")
    if decoded.alphas is not None:
        view["alphas"] = figures.alpha_histogram(decoded.alphas, f"{name}-alphas")
        view["dims"], view["on_edge"] = len(decoded.alphas), int(decoded.alphas["on_edge"].sum())
        view["cv_score"] = float(decoded.alphas["cv_score"].median())
    return view


def _reliability_by_region(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Reliability per region, the most reliable first."""
    rows = []
    for roi, values in table.groupby("roi")["reliability"]:
        known = values.dropna()
        if len(known):
            summary = {
                "voxels": len(known),
                "mean": known.mean(),
                "median": known.median(),
                "max": known.max(),
            }
            rows.append({"roi": str(roi) or "unlabelled", **summary, "reliable": float((known > WELL_REPEATED).mean())})
    return sorted(rows, key=lambda row: (-row["median"], row["roi"]))


@cache
def page_templates() -> Environment:
    """Templates that escape whatever they are given, and fail on names they were not given."""
    loader = PackageLoader("brain2music.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=_number_text,
        signed=_signed,
        percent=partial(_number_text, places=0, scale=100.0),
        p=_p,
        on_bar=_on_bar,
        clock=_clock,
        counted=counted,
        qualifiers=qualifiers,
        spelt=spelt,
    )
    for name in ("style.css", "script.js"):
        source, _, _ = loader.get_source(environment, name)
        environment.globals[name.partition(".")[0]] = Markup(source)  # our own files, for <style> and <script>
    environment.globals.update(reliable=WELL_REPEATED, group=GROUP, conditions=CONDITIONS, metrics=METRICS)
    return environment


def _number_text(value: float | None, places: int = 3, scale: float = 1.0) -> str:
    """A number as text, never a negative zero, an en dash where it is undefined."""
    return "–" if value is None or math.isnan(value) else f"{value * scale:z.{places}f}"


def _signed(value: float) -> str:
    """A difference as text, always with its sign."""
    return _number_text(value) if math.isnan(value) else f"{value:+.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else spell_p(value)


def _on_bar(value: float) -> str:
    """Position of a value on a bar from 0 to 1 that is 100 wide."""
    return f"{100 * min(max(value, 0.0), 1.0):.1f}"


def _clock(seconds: float) -> str:
    """Seconds as minutes and seconds, an en dash where unknown."""
    return "–" if math.isnan(seconds) else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
