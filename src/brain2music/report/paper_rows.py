"""Published numbers of Brain2Music's tables and figures and of later work, each beside the run's own.

Nothing is compared that was not published: of a figure whose bars have no numbers there are ours, and the paper's
words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from brain2music.embeddings.windows import n_windows
from brain2music.listening.analysis import PUBLISHED
from brain2music.metrics.records import GROUP, OWN, select_scores
from brain2music.metrics.score import ALL, RELIABLE, Score
from brain2music.pipeline.outputs import ENCODING, Outputs
from brain2music.report.data import EmbeddingRecord, RunRecord
from brain2music.report.published import DIGITISED, FOLLOW_UPS, MOOD_ORACLE, MOST_R, ROIS, TARGETS, Target

NOTHING = "this run has none"
ASK = "serve it to listeners, then: brain2music listening analyse OUT"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A published figure, and the run's own; what either lacks is None.

    Attributes
    ----------
    item : table, figure or later work. what : what was measured, of which target.
    paper, paper_spread : the published number and its spread. said : what is published in words, with its source.
    ours, low, high, chance, n : the run's, with the 95 % interval; ``n`` clips, subjects where it is their mean,
        or listeners.
    candidates : clips among which one was identified. of : subject, or how many were averaged.
    embedding : by which we stand for the target. different : every substitution and difference.
    """

    item: str
    what: str
    paper: float | None = None
    paper_spread: str = ""
    said: str = ""
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    n: int | None = None
    candidates: int | None = None
    of: str = ""
    embedding: str = ""
    different: str = ""


def comparisons(run: RunRecord) -> list[Comparison]:
    """Every row, in the paper's order, then later work."""
    stands_for = {target.name: standing_for(target, run) for target in TARGETS}
    return [
        *_table_1(run, stands_for),
        *_table_2(run, stands_for),
        *_figure_4(run, stands_for["MuLan_music"]),
        *_figures_5_to_7(run, stands_for),
        *_later(run, stands_for["MuLan_music"]),
        *_listened(run),
    ]


def comparisons_table(rows: Sequence[Comparison]) -> pd.DataFrame:
    """The rows as a data frame."""
    return pd.DataFrame([[getattr(row, each.name) for each in fields(Comparison)] for row in rows],
                        columns=[each.name for each in fields(Comparison)])  # fmt: skip


def standing_for(target: Target, run: RunRecord) -> EmbeddingRecord | None:
    """The embedding of the run that stands for a target: the first that is named for it."""
    spaces = {space.name.partition("@")[0]: space for space in run.study.embeddings}
    return next((spaces[name] for name in target.ours if name in spaces), None)


def _table_1(run: RunRecord, stands_for: dict[str, EmbeddingRecord | None]) -> Iterable[Comparison]:
    clip_s = run.study.design.scans_per_clip * run.study.design.tr
    for target in TARGETS:
        space = stands_for[target.name]
        own: dict[str, float | None] = dict.fromkeys(("dimensions", "window in seconds", "vectors per clip"))
        if space is not None:
            own = {
                "dimensions": float(space.dims),
                "window in seconds": space.window_s,
                "vectors per clip": float(n_windows(clip_s, space.window_s, space.step_s)),
            }
        published = {
            "dimensions": target.dims,
            "window in seconds": target.window_s,
            "vectors per clip": target.windows,
        }
        for what, value in published.items():
            yield Comparison(
                item="Table 1", what=f"{target.name}: {what}", paper=float(value), ours=own[what],
                embedding="" if space is None else space.name, different=_substitute(target.name, space),
            )  # fmt: skip


def _table_2(run: RunRecord, stands_for: dict[str, EmbeddingRecord | None]) -> Iterable[Comparison]:
    for target in TARGETS:
        space = stands_for[target.name]
        for metric, what, published in (
            ("identification", "identification, test", target.identification),
            (
                "identification_uncentred",
                "identification, test (uncentred, as the equations read)",
                target.identification,
            ),
            ("dimension_correlation", "correlation, test (over clips)", target.correlation),
            ("sample_correlation", "correlation, test (over dimensions)", target.correlation),
        ):
            yield _beside(
                "Table 2", f"{target.name}: {what}", published, _pick(run, space, "decode", metric), space, target.name
            )
        yield Comparison(
            item="Table 2", what=f"{target.name}: identification, training clips", paper=target.trained[0],
            paper_spread=f"± {target.trained[1]:.3f}", different="runs do not score the clips that were fitted to",
        )  # fmt: skip


def _figure_4(run: RunRecord, space: EmbeddingRecord | None) -> Iterable[Comparison]:
    name = "MuLan_music"
    words = "no bar values; generation is about as good as FMA-large, FMA-small is worse"
    for stage, what in (("retrieve", "retrieved"), ("generate", "generated")):
        for score in _or_none(_pick_all(run, space, stage, "identification")):
            judge = "" if score is None else f", judged by {score.judge}"
            yield _beside("Figure 4a", f"identification, {what} music{judge}", None, score, space, name, said=words)
    for kind in ("genre", "instrument", "mood"):
        words = "no bar values; generation is better than retrieval"
        if kind == "mood":
            words += f"; the oracle's agreement is at most {MOOD_ORACLE}"
        for stage in ("retrieve", "generate"):
            for score in _or_none(_pick_all(run, space, stage, f"class_agreement_{kind}", judge=None)):
                judge = "" if score is None else f", by {score.judge}"
                tagger = f"tagger {'–' if score is None else score.judge}, the paper's LEAF classifier is not public"
                what = f"{kind}s agree, {stage}d music{judge}"
                yield _beside("Figure 4b", what, None, score, space, name, said=words, more=tagger)
    scored = [
        score
        for score in select_scores(run.scores, stage="decode", metric="identification", condition="decoded",
                                   held_out="none", ablation="none", alignment=None)
        if space is not None and score.embedding == space.name and score.group != ALL
    ]  # fmt: skip
    for score in _prefer_group(scored):
        yield _beside("Figure 4c", f"identification, {score.group}", None, score, space, name,
                      said="no bar values; consistent over genres, classical the highest",
                      more="ours is of decoded embeddings, the paper's of generated music")  # fmt: skip


def _figures_5_to_7(run: RunRecord, stands_for: dict[str, EmbeddingRecord | None]) -> Iterable[Comparison]:
    for figure, name, axis in (("Figure 5", "MuLan_music", "x"), ("Figure 5", "w2v-BERT-avg", "y"),
                               ("Figure 6", "MuLan_music", "x"), ("Figure 6", "MuLan_text", "y")):  # fmt: skip
        space = stands_for[name]
        said = "read off a density plot of subject 1 (± 0.02), not stated"
        largest = _largest_r(run, space)
        more = NOTHING if largest is None else "a maximum over voxels is above 0 by chance, too"
        yield Comparison(
            item=figure, what=f"largest r of a voxel predicted from {name} ({axis} axis)", paper=MOST_R[name],
            said=said, ours=largest, of="" if largest is None else f"sub-{run.study.subjects[0]}",
            embedding="" if space is None else space.name,
            different="; ".join(part for part in (_substitute(name, space), more) if part),
        )  # fmt: skip
        for group in (RELIABLE, ALL):
            found = _pick(run, space, "encode", "r", group=group, condition="true")
            yield _beside(figure, f"mean r, {group} voxels, from {name}", None, found, space, name,
                          said="maps only")  # fmt: skip
    space = stands_for["MuLan_music"]
    for region, value in ROIS.items():
        found = _pick(run, space, "encode", "r", group=region, condition="true")
        yield _beside("ICLR rebuttal, Figure 3", f"mean r in {region}, from MuLan_music", (value, None), found, space,
                      "MuLan_music", said=DIGITISED)  # fmt: skip
    left_out = [
        score
        for score in select_scores(run.scores, stage="decode", metric="identification", held_out="genre")
        if space is not None and score.embedding == space.name
    ]
    for score in _prefer_group(left_out):
        what = f"identification of {score.group}, not trained on"
        yield _beside("Figure 7a", what, None, score, space, "MuLan_music", said="no bar values; above chance",
                      more=score.detail)  # fmt: skip
    onehot = next((each for each in run.study.embeddings if each.name == "genre-onehot"), None)
    for group in (RELIABLE, ALL):
        found = _pick(run, onehot, "encode", "r", group=group, condition="true")
        yield _beside("Figure 7b", f"mean r, {group} voxels, from one-hot genres", None, found, onehot, "genre one-hot",
                      said="maps only; MuLan_music predicts more broadly and better")  # fmt: skip


def _later(run: RunRecord, space: EmbeddingRecord | None) -> Iterable[Comparison]:
    for each in FOLLOW_UPS:
        found = _pick(run, space, each.stage, each.metric)
        row = _beside("Later work", each.what, (each.value, None), found, space, "their target", said=each.source,
                      more=f"theirs: {each.different}")  # fmt: skip
        yield Comparison(**{**vars(row), "paper_spread": each.spread})


def _listened(run: RunRecord) -> Iterable[Comparison]:
    """Music that listeners judged, beside the only such judgement that was published."""
    found = [] if run.listening is None else [row for row in run.listening.tasks if row.task == "2afc"]
    theirs = f"theirs: {PUBLISHED['listeners']} listeners, other recordings and models"
    spread = f"± {PUBLISHED['sd']} over listeners"
    generated = Comparison(
        item="Later work", what="right of two, judged by listeners, generated music", paper=PUBLISHED["accuracy"],
        paper_spread=spread, said=PUBLISHED["study"], different=f"{theirs}; {NOTHING}; {ASK}",
    )  # fmt: skip
    if not any(row.source == "generated" for row in found):
        yield generated
    for row in found:
        changed: dict[str, Any] = {"paper": None, "paper_spread": "", "said": ""} if row.source != "generated" else {}
        changed |= {"ours": row.score, "low": row.low, "high": row.high, "chance": row.chance, "n": row.listeners}
        of = f"{row.answers} answers of {row.listeners} listeners on {row.clips} clips"
        changed |= {"what": f"right of two, judged by listeners, {row.source} music", "embedding": row.embedding}
        changed["different"] = theirs if row.source == "generated" else "not published"
        yield Comparison(**{**vars(generated), **changed, "of": of})


def _beside(
    item: str,
    what: str,
    published: tuple[float, float | None] | None,
    score: Score | None,
    space: EmbeddingRecord | None,
    target: str,
    said: str = "",
    more: str = "",
) -> Comparison:
    """A published value beside a score."""
    value, spread = (None, None) if published is None else published
    text = "" if spread is None else f"± {spread:.3f}"
    different = "; ".join(part for part in (_substitute(target, space), more) if part)
    row = Comparison(item=item, what=what, paper=value, paper_spread=text, said=said, different=different,
                     embedding="" if space is None else space.name)  # fmt: skip
    if score is None:
        return Comparison(**{**vars(row), "different": "; ".join([different, NOTHING]) if different else NOTHING})
    of = f"mean of {score.n} subjects" if score.subject == GROUP else f"sub-{score.subject}"
    own = {"ours": score.value, "low": score.low, "high": score.high, "chance": score.chance, "n": score.n}
    return Comparison(**{**vars(row), **own, "of": of, "candidates": score.candidates})


def _pick(run: RunRecord, space: EmbeddingRecord | None, stage: str, metric: str, **columns: object) -> Score | None:
    """The score of the run's own settings: of the group, else of the first subject."""
    found = _pick_all(run, space, stage, metric, **columns)
    judged = [score for score in found if score.judge != score.embedding] or found
    return judged[0] if judged else None


def _pick_all(run: RunRecord, space: EmbeddingRecord | None, stage: str, metric: str, **columns: object) -> list[Score]:
    if space is None:
        return []
    condition = "denoised" if stage == "generate" else "decoded"
    wanted = {**OWN, "stage": stage, "metric": metric, "condition": condition, "embedding": space.name, **columns}
    if wanted.get("judge", "") is None:
        del wanted["judge"]
    return _prefer_group(select_scores(run.scores, **wanted))


def _or_none(scores: Sequence[Score]) -> Sequence[Score | None]:
    """The scores, or one that is missing."""
    return scores or [None]


def _prefer_group(scores: Sequence[Score]) -> list[Score]:
    """Means over subjects where there are such, else the scores of the first subject."""
    first = next((score.subject for score in scores), None)
    subject = GROUP if any(score.subject == GROUP for score in scores) else first
    return [score for score in scores if score.subject == subject]


def _largest_r(run: RunRecord, space: EmbeddingRecord | None) -> float | None:
    if space is None or not run.study.subjects:
        return None
    table = ENCODING.read(Outputs(run.outputs.root).encoding(run.study.subjects[0], space.name))
    return None if table is None or not table["r"].notna().any() else float(table["r"].max())


def _substitute(target: str, space: EmbeddingRecord | None) -> str:
    return "" if space is None else f"{space.name} for {target}"
