"""Figures of a whole run: what was run, subjects beside one another, and which genres are taken for which."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from brain2music._utils.words import counted
from brain2music.metrics.records import GROUP, OWN, select_scores
from brain2music.metrics.score import Score
from brain2music.report.data import RunRecord
from brain2music.report.forest import Point, forest_plot
from brain2music.report.inline import ACCENT, INK, MUTED, STYLE, inline, no_ticks, plot_axes

CITED = (
    (("",), "Denk, Takagi et al. Brain2Music: Reconstructing music from human brain activity. arXiv 2307.11078, 2023; "
     "Nature Communications 17:91, doi:10.1038/s41467-025-66731-7."),
    (("ds003720",), "Nakai, Koide-Majima & Nishimoto. Music genre neuroimaging dataset. OpenNeuro ds003720."),
    (("musicnn", "mulan-small"), "Pons & Serra. musicnn: pre-trained convolutional neural networks for music audio "
     "tagging. arXiv 1909.06654, 2019."),
    (("mulan",), "Huang et al. MuLan: a joint embedding of music audio and natural language. ISMIR 2022."),
    (("clap",), "Wu et al. Large-scale contrastive language-audio pretraining. ICASSP 2023."),
    (("muq",), "Zhu et al. MuQ: self-supervised music representation learning. arXiv 2501.01108, 2025."),
    (("w2v-bert",), "Chung et al. w2v-BERT. ASRU 2021."),
    (("soundstream", "musiclm"), "Zeghidour et al. SoundStream. IEEE/ACM TASLP 30, 2022."),
    (("yamnet",), "Plakal & Ellis. YAMNet. github.com/tensorflow/models, 2020."),
    (("ast",), "Gong et al. AST: audio spectrogram transformer. Interspeech 2021."),
    (("musiclm",), "Agostinelli et al. MusicLM: generating music from text. arXiv 2301.11325, 2023."),
    (("jen1",), "Li et al. JEN-1: text-guided universal music generation. arXiv 2308.04729, 2023."),
    (("contrastive",), "van den Oord et al. Representation learning with contrastive predictive coding. arXiv "
     "1807.03748, 2018."),
    (("denoised",), "Ramsauer et al. Hopfield networks is all you need. ICLR 2021."),
    (("stacked",), "Breiman. Stacked regressions. Machine Learning 24, 1996."),
    (("srm",), "Chen et al. A reduced-dimension fMRI shared response model. NeurIPS 2015."),
    (("encoding",), "Winkler et al. Permutation inference for the general linear model. NeuroImage 92, 2014."),
    (("fdr",), "Benjamini & Hochberg. Controlling the false discovery rate. JRSS B 57, 1995."),
)  # fmt: skip
"""Works, each with the words in the names of what was used that ask for it; "" for always."""


def references(run: RunRecord) -> list[str]:
    """The works behind what this run used, for its methods paragraph."""
    settings = run.study.settings
    used = {run.study.name, *(space.name for space in run.study.embeddings), "fdr"}
    used |= {str(score.generator) for score in run.scores if score.generator}
    used |= {str(score.judge) for score in run.scores if score.judge}
    used |= {str(settings.get("decoding.decoder", "")), *map(str, settings.get("evaluation.between_subject") or ())}
    used |= {"encoding"} if any(score.stage == "encode" for score in run.scores) else set()
    text = " ".join(used).lower()
    return [work for words, work in CITED if any(_names(word, text) for word in words)]


def subjects_forest(run: RunRecord) -> dict[str, Any] | None:
    """Identification of every subject, and of the group where it was averaged; None for a single subject."""
    scored = select_scores(run.scores, stage="decode", metric="identification", condition="decoded", **OWN)
    labels = list(dict.fromkeys(score.subject for score in scored))
    if len([label for label in labels if label != GROUP]) < 2:
        return None
    labels.sort(key=lambda label: (label == GROUP, label))
    names = list(dict.fromkeys(score.embedding for score in scored))
    found = {(score.subject, score.embedding): score for score in scored}
    series = {name: [_point(found.get((label, name))) for label in labels] for name in names}
    rows = [f"mean of {_subjects(found, names)}" if label == GROUP else f"sub-{label}" for label in labels]
    figure = forest_plot(rows, series, "subjects", xlabel="two-way identification (dashed: chance)", chance=0.5)
    return {"figure": figure, "n": scored[0].n if scored[0].subject != GROUP else scored[-1].n, "names": names}


def genre_confusion(similarity: Float[np.ndarray, "clips clips"], genres: Sequence[str]) -> Int[np.ndarray, "g g"]:
    """Count of which genre the most similar other clip has, for clips of each genre (rows), by sorted genre."""
    labels = sorted(set(genres))
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for row, best in enumerate(similarity.argmax(axis=1)):
        counts[place[genres[row]], place[genres[int(best)]]] += 1
    return counts


@rc_context(STYLE)
def confusion_figure(similarity: Float[np.ndarray, "clips clips"], genres: Sequence[str], name: str) -> Markup:
    """Which genre the most similar candidate has, for the clips of every genre: counts, rows from the truth."""
    counts, labels = genre_confusion(similarity, genres), sorted(set(genres))
    size = 1.9 + 0.34 * len(labels)
    figure, axes = plot_axes(6.0, min(size, 5.6))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share > 0:
                axes.add_patch(FancyBboxPatch((j - 0.45, i - 0.45), 0.9, 0.9, boxstyle="square,pad=0", lw=0,
                                              facecolor=ACCENT, alpha=0.12 + 0.6 * float(share)))  # fmt: skip
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=INK, fontsize=9)
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5))
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor", color=INK)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="genre of the most similar candidate", ylabel="genre of the clip")
    no_ticks(axes)
    right = int(np.trace(counts))
    return inline(figure, name, f"Confusion of {len(labels)} genres; {right} of {len(genres)} clips keep their genre")


@rc_context(STYLE)
def growth_figure(growth: pd.DataFrame, name: str) -> Markup:
    """Identification of the test clips by decoders that were fitted to more and more training clips."""
    figure, axes = plot_axes(6.0, 2.6)
    minutes = growth["minutes"].to_numpy(dtype=float)
    axes.vlines(minutes, growth["low"], growth["high"], color=INK, linewidth=1.3)
    axes.plot(minutes, growth["identification"], color=ACCENT, marker="o", markersize=5)
    axes.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlabel="minutes of training", ylabel="identification (dashed: chance)", xlim=(0, None), ylim=(0.35, 1.02))
    no_ticks(axes)
    last = growth.iloc[-1]
    spoken = f"Growth with data: identification {growth['identification'].iloc[0]:.2f} to {last['identification']:.2f}"
    return inline(figure, name, f"{spoken} from {minutes[0]:.0f} to {minutes[-1]:.0f} minutes of training")


@rc_context(STYLE)
def flow_figure(run: RunRecord) -> Markup:
    """What was run, as boxes from the study to the scores, with counts in them."""
    boxes = _boxes(run)
    figure = Figure(figsize=(7.6, 0.5 + 0.78 * max(len(column) for column in boxes)), layout="constrained")
    axes = figure.subplots()
    centres: list[list[float]] = []
    for x, column in enumerate(boxes):
        ys = np.arange(len(column)) - (len(column) - 1) / 2
        centres.append(list(ys))
        for y, (title, detail) in zip(ys, column, strict=True):
            axes.add_patch(FancyBboxPatch((x - 0.42, -y - 0.34), 0.84, 0.68, boxstyle="round,pad=0,rounding_size=0.06",
                                          facecolor="none", edgecolor=ACCENT, linewidth=1.2))  # fmt: skip
            axes.text(x, -y + 0.11, title, ha="center", va="center", color=INK, fontsize=9.5)
            axes.text(x, -y - 0.13, detail, ha="center", va="center", color=MUTED, fontsize=7.5)
    for x, (left, right) in enumerate(pairwise(centres)):
        for y in left:
            for other in right:
                axes.annotate("", (x + 0.58, -other), (x + 0.42, -y),
                              arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 0.8})  # fmt: skip
    tallest = max(len(column) for column in boxes) / 2 + 0.05
    axes.set(xlim=(-0.5, len(boxes) - 0.5), ylim=(-tallest, tallest))
    axes.set_axis_off()
    spoken = "; then ".join(" and ".join(f"{title}: {detail}" for title, detail in column) for column in boxes)
    return inline(figure, "flow", f"What was run: {spoken}")


def _boxes(run: RunRecord) -> list[list[tuple[str, str]]]:
    study, design = run.study, run.study.design
    stages = {score.stage for score in run.scores}
    study_box = ("Study", counted(len(study.subjects), "subject") + (", simulated" if study.simulated else ""))
    voxels = sorted(design.voxels.values())
    seen = f"{voxels[0]:,} to {voxels[-1]:,} voxels" if voxels and voxels[0] != voxels[-1] else f"{voxels[0]:,} voxels"
    inputs = [("Responses", seen if voxels else "–"), ("Music", f"{design.n_train} + {design.n_test} clips")]
    fitted = [("Decoder", str(study.settings.get("decoding.decoder", "–")))]
    fitted += [("Encoder", "voxel by voxel")] if "encode" in stages else []
    more = f" + {len(study.embeddings) - 1} more" if len(study.embeddings) > 1 else ""
    made = [("Embeddings", study.embeddings[0].name + more if study.embeddings else "–")]
    if study.gallery is not None:
        made.append(("Retrieval", f"{study.gallery.tracks:,} tracks"))
    if generators := sorted({str(score.generator) for score in run.scores if score.generator}):
        made.append(("Generation", ", ".join(generators)))
    made += [("Maps", "r, ceiling, p")] if "encode" in stages else []
    return [[study_box], inputs, fitted, made, [("Scores", f"{len(run.scores):,} rows")]]


def _point(score: Score | None) -> Point | None:
    return None if score is None or np.isnan(score.value) else Point(score.value, score.low, score.high)


def _subjects(found: dict[tuple[str, str], Score], names: Sequence[str]) -> str:
    counts = sorted({found[GROUP, name].n for name in names if (GROUP, name) in found})
    return f"{counts[0]} subjects" if len(counts) == 1 else "subjects"


def _names(word: str, text: str) -> bool:
    """Whether a word is among the names: whole where it is short, or at the beginning of one."""
    return any(name == word or (len(word) > 3 and word in name) for name in text.split()) or word == ""
