"""What a run made, as the application shows it: subjects, clips, sounds by name, regions and maps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .._utils.errors import InputError
from ..models.catalogue import EMBEDDINGS
from ..pipeline.outputs import Outputs
from ..report.data import EmbeddingOutputs, RunRecord, Subject, read_run_folder
from .sounds import Sounds

MOST_HITS = 5
MOST_SAMPLES = 3
MADE_OF = {
    "denoised": "Generated from the decoded embedding",
    "true": "Generated from the true embedding",
    "decoded": "Generated from the decoded embedding as predicted",
}
FOUND_BY = {
    "decoded": "Retrieved by the decoded embedding",
    "true": "Retrieved by the true embedding",
    "caption": "Retrieved by the caption",
}


@dataclass(frozen=True)
class ClipView:
    """One clip of one subject: what was presented, and what was retrieved and generated, as JSON types."""

    clip: str
    genre: str
    ranks: dict[str, int]
    candidates: int
    sounds: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class SubjectView:
    """One subject: its clips, and by embedding its regions, its map and its saved encoder."""

    label: str
    embeddings: tuple[str, ...]
    clips: tuple[ClipView, ...]
    regions: dict[str, list[dict[str, Any]]]
    maps: dict[str, Path]
    encoders: dict[str, Path]
    predictions: dict[str, Path]


class RunViews:
    """A finished run, read once.

    Parameters
    ----------
    root : Path
        Its output folder.
    sounds : Sounds
        Where its sounds are made known.

    Raises
    ------
    InputError
        The folder is no finished run.
    """

    def __init__(self, root: Path, sounds: Sounds) -> None:
        if not root.is_dir():
            raise InputError("there is no such folder", root, "name the output folder of a run")
        self.run: RunRecord = read_run_folder(root)
        self.outputs: Outputs = self.run.outputs
        self.subjects = {subject.label: _subject(self.outputs, subject, sounds) for subject in self.run.subjects}

    def describe(self) -> dict[str, Any]:
        """What was run, for the first page."""
        study = self.run.study
        return {
            "name": study.name,
            "simulated": study.simulated,
            "note": study.note,
            "version": study.version,
            "created": study.created,
            "embeddings": [space.name for space in study.embeddings],
            "subjects": [{"label": label, "clips": len(view.clips)} for label, view in self.subjects.items()],
        }

    def tagged(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Arguments of the task that names tags, by subject and embedding that is joint with text."""
        spaces = {space.name: space for space in self.run.study.embeddings}
        found = {}
        for label, view in self.subjects.items():
            for name, path in view.predictions.items():
                member = EMBEDDINGS.get(name.partition("@")[0])
                if member is not None and member.text and path.is_file():
                    space = spaces[name]
                    about = {"embedding": name, "window_s": space.window_s, "step_s": space.step_s}
                    found[label, name] = {"predictions": str(path), **about}
        return found


def _subject(outputs: Outputs, subject: Subject, sounds: Sounds) -> SubjectView:
    names = tuple(decoded.embedding.name for decoded in subject.decoded)
    clips = _clips(outputs, subject, sounds)
    regions: dict[str, list[dict[str, Any]]] = {}
    if subject.rois is not None:
        for name, each in subject.rois.groupby("embedding", sort=False):
            best = each.sort_values("mean_r", ascending=False)
            columns = ["roi", "voxels", "mean_r", "low", "high", "ceiling"]
            regions[str(name)] = [_plain(row) for row in best[columns].to_dict("records")]
    spaces = [*names, *(name for name in regions if name not in names)]
    maps = {name: path for name in spaces if (path := outputs.encoding_figure(subject.label, name)).is_file()}
    encoders = {name: path for name in spaces if (path := outputs.model(subject.label, name, "encoder")).is_dir()}
    predictions = {name: outputs.predictions(subject.label, name) for name in names}
    return SubjectView(subject.label, names, clips, regions, maps, encoders, predictions)


def _clips(outputs: Outputs, subject: Subject, sounds: Sounds) -> tuple[ClipView, ...]:
    if not subject.decoded:
        return ()
    first = subject.decoded[0]
    ranks = {
        decoded.embedding.name: dict(zip(decoded.clips, map(int, decoded.ranks), strict=True))
        for decoded in subject.decoded
        if decoded.ranks is not None
    }
    views = []
    for clip, genre in zip(first.clips, first.genres, strict=True):
        presented = outputs.stimulus(clip)
        shown = [_sound(sounds, presented, "presented", "Presented", clip, detail=genre)] if presented.is_file() else []
        for decoded in subject.decoded:
            shown += [*_retrieved(outputs, decoded, clip, sounds), *_generated(outputs, decoded, clip, sounds)]
        own = {name: by_clip[clip] for name, by_clip in ranks.items() if clip in by_clip}
        views.append(ClipView(clip, genre, own, len(first.clips), shown))
    return tuple(views)


def _retrieved(outputs: Outputs, decoded: EmbeddingOutputs, clip: str, sounds: Sounds) -> list[dict[str, Any]]:
    if decoded.retrieval is None:
        return []
    rows = decoded.retrieval[decoded.retrieval["clip"] == clip].sort_values("rank")
    shown = []
    for condition, label in FOUND_BY.items():
        for row in rows[rows["condition"] == condition].head(1).to_dict("records"):
            path = outputs.retrieved(str(row["track"]))
            if path.is_file():
                details = [row["artist"], row["track_genre"], row["licence"], f"cosine {float(row['cosine']):.2f}"]
                detail = " · ".join(str(part) for part in details if part)
                kind, space = f"retrieved-{condition}", decoded.embedding.name
                shown.append(_sound(sounds, path, kind, label, _title(row), space, detail))
    later = rows[(rows["condition"] == "decoded") & (rows["rank"] > 1)].head(MOST_HITS - 1).to_dict("records")
    if shown and later:
        shown[0]["next"] = [f"{_title(row)} ({float(row['cosine']):.2f})" for row in later]
    return shown


def _title(row: dict[Any, Any]) -> str:
    return str(row["title"] or row["track"])


def _generated(outputs: Outputs, decoded: EmbeddingOutputs, clip: str, sounds: Sounds) -> list[dict[str, Any]]:
    table = decoded.generated
    if table is None:
        return []
    shown = []
    for condition, label in MADE_OF.items():
        rows = table[(table["clip"] == clip) & (table["condition"] == condition)].sort_values("sample")
        for row in rows.head(MOST_SAMPLES).itertuples():
            path = outputs.root / str(row.file)
            if path.is_file() and path.is_relative_to(outputs.root) and ".." not in path.parts:
                title = f"{row.generator}, sample {int(str(row.sample)) + 1}"
                shown.append(_sound(sounds, path, f"generated-{condition}", label, title, decoded.embedding.name))
    return shown


def _sound(
    sounds: Sounds, path: Path, kind: str, label: str, title: str, embedding: str = "", detail: str = ""
) -> dict[str, Any]:
    name = sounds.add(path)
    return {"sound": name, "kind": kind, "label": label, "title": title, "embedding": embedding, "detail": detail}


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A row as JSON types, undefined numbers as None."""
    return {str(key): None if isinstance(value, float) and pd.isna(value) else value for key, value in row.items()}
