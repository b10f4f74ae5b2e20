"""Reader of the outputs of a run, so that pages can be rebuilt from a folder alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json
from brain2music.listening.design import Task
from brain2music.metrics.records import read_scores
from brain2music.metrics.score import Score
from brain2music.pipeline.outputs import (
    ALPHAS,
    ENCODING_ROIS,
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
from brain2music.pipeline.schema import HINT, vectors

ANALYSE = "analyse the answers again: brain2music listening analyse OUT"


class GenreCount(BaseModel):
    """Clips of one genre."""

    train: int
    test: int


class DesignRecord(BaseModel):
    """How the study was laid out; ``tr`` in seconds, ``lag_tr`` in scans."""

    tr: float
    lag_tr: int
    n_train: int
    n_test: int
    n_repeats: int
    scans_per_clip: int
    voxels: dict[str, int]
    genres: dict[str, GenreCount]
    evaluation: str


class EmbeddingRecord(BaseModel):
    """An embedding space: window and step in seconds, sample rate in Hz."""

    name: str
    version: str
    sha256: str
    dims: int
    window_s: float
    step_s: float
    sample_rate: int


class GalleryRecord(BaseModel):
    """The gallery that was searched: its name, tracks and how many tracks carry each licence."""

    name: str
    tracks: int
    licences: dict[str, int]


class LeakRecord(BaseModel):
    """Something that training and test data share."""

    kind: str
    what: str


class Images(BaseModel):
    """Which images the responses were read from, in words."""

    text: str


class StudyRecord(BaseModel):
    """``study.json``, written by :func:`brain2music.pipeline.describe`."""

    name: str
    simulated: bool
    note: str = ""
    source: Literal["bids", "arrays"]
    version: str
    created: str
    subjects: list[Annotated[str, Field(pattern=r"^[^/\\]+$")]]
    embeddings: list[EmbeddingRecord]
    images: Images | None = None
    design: DesignRecord
    settings: dict[str, Any] = {}
    gallery: GalleryRecord | None = None
    leaks: list[LeakRecord] = []
    warnings: list[str] = []
    methods: str = ""


class ListenedTask(BaseModel):
    """A row of :attr:`brain2music.listening.Analysis.tasks`; what could not be computed is None."""

    model_config = ConfigDict(protected_namespaces=())
    task: Task
    embedding: str
    source: str
    listeners: int
    clips: int
    answers: int
    score: float | None
    low: float | None
    high: float | None
    chance: float
    p_binomial: float | None
    model: float | None
    model_low: float | None
    model_high: float | None
    p_model: float | None
    model_note: str
    agreement: float | None
    questions: int


class ExcludedListener(BaseModel):
    """A listener who was left out, and the share of catch trials passed."""

    listener: int
    passed: float
    catch_trials: int


class ListeningRecord(BaseModel):
    """``listening/analysis.json``, written by ``brain2music listening analyse``."""

    listeners: int
    all_listeners: int
    passing: float
    simulated: bool
    tasks: list[ListenedTask]
    excluded: list[ExcludedListener] = []
    all_answers: int = 0
    of_run: bool = False
    """Whether the answers were those in the folder of the run."""


@dataclass(frozen=True)
class EmbeddingOutputs:
    """One subject's predictions in one embedding; None where the run did not write it.

    Attributes
    ----------
    clips, genres : of the scored clips, in the order of the rows below.
    similarity : (clips, clips) Pearson r of each prediction (row) with each true embedding (column).
    predicted, true : (clips, dims) averages over windows.
    retrieval, generated, alphas, growth : tables of :mod:`brain2music.pipeline.outputs`.
    """

    embedding: EmbeddingRecord
    clips: tuple[str, ...]
    genres: tuple[str, ...]
    similarity: Float[np.ndarray, "clips clips"] | None
    predicted: Float[np.ndarray, "clips dims"] | None
    true: Float[np.ndarray, "clips dims"] | None
    retrieval: pd.DataFrame | None
    generated: pd.DataFrame | None
    alphas: pd.DataFrame | None
    growth: pd.DataFrame | None = None

    @property
    def ranks(self) -> Int[np.ndarray, " clips"] | None:
        """Rank of the right clip among all candidates, from 1; ties count against it."""
        if self.similarity is None:
            return None
        own = np.diag(self.similarity)[:, None]
        return (self.similarity >= own).sum(axis=1)


@dataclass(frozen=True)
class Subject:
    """One subject's outputs.

    Attributes
    ----------
    reliability : of each voxel; None without repeats. decoded : every decoded embedding.
    rois : how well every region is predicted from every embedding; None where the run did not encode.
    quality : reliability of every run, with a verdict; None where the run did not measure it.
    motion : of the head in every scan; None where nothing is known of it.
    """

    label: str
    reliability: pd.DataFrame | None
    decoded: tuple[EmbeddingOutputs, ...]
    rois: pd.DataFrame | None
    quality: pd.DataFrame | None = None
    motion: pd.DataFrame | None = None


@dataclass(frozen=True)
class RunRecord:
    """A whole run: its description, every score, every subject, and what listeners said where any were asked."""

    outputs: Outputs
    study: StudyRecord
    scores: tuple[Score, ...]
    subjects: tuple[Subject, ...]
    listening: ListeningRecord | None = None


def read_study_record(outputs: Outputs) -> StudyRecord:
    """Read what was run; :class:`InputError` where ``study.json`` is missing or broken."""
    return _validate(StudyRecord, read_json(outputs.study), outputs.study)


def read_run_folder(root: Path, but: Collection[str] = ()) -> RunRecord:
    """Read a run's folder, ``but`` for some subjects.

    Raises
    ------
    InputError
        Naming the file: ``study.json`` or ``scores.json`` if missing, any other if it is there but broken.
    """
    outputs = Outputs(Path(root))
    study = read_study_record(outputs)
    scores = tuple(read_scores(outputs.scores))
    subjects = tuple(_read_subject(outputs, study, label) for label in study.subjects if label not in but)
    path = outputs.listening_analysis
    listening = _validate(ListeningRecord, read_json(path), path, ANALYSE) if path.is_file() else None
    return RunRecord(outputs, study, scores, subjects, listening)


def _read_subject(outputs: Outputs, study: StudyRecord, label: str) -> Subject:
    reliability = RELIABILITY.read(outputs.reliability(label))
    if reliability is not None and not reliability["reliability"].notna().any():
        reliability = None
    decoded = (_read_decoded(outputs, label, embedding) for embedding in study.embeddings)
    rois = ENCODING_ROIS.read(outputs.encoding_rois(label))
    quality = QUALITY.read(outputs.quality(label))
    motion = MOTION.read(outputs.motion(label))
    return Subject(label, reliability, tuple(item for item in decoded if item.clips), rois, quality, motion)


def _read_decoded(outputs: Outputs, subject: str, embedding: EmbeddingRecord) -> EmbeddingOutputs:
    name = embedding.name
    path = outputs.similarity(subject, name)
    similarity = SIMILARITY.read(path)
    matrix = None if similarity is None else vectors(similarity, "similarity", path, len(similarity))

    path = outputs.predictions(subject, name)
    windows = PREDICTIONS.read(path)
    first = similarity if similarity is not None else windows
    labels = pd.DataFrame(columns=["clip", "genre"]) if first is None else first.drop_duplicates("clip")
    clips = tuple(labels["clip"])
    predicted = true = None
    if windows is not None:
        predicted = _mean_by_clip(windows, "predicted", clips, path, embedding.dims)
        true = _mean_by_clip(windows, "true", clips, path, embedding.dims)

    retrieval = RETRIEVAL.read(outputs.retrieval(subject, name))
    generated = GENERATED.read(outputs.generated_table(subject, name))
    alphas = ALPHAS.read(outputs.alphas(subject, name))
    growth = GROWTH.read(outputs.growth(subject, name))
    return EmbeddingOutputs(
        embedding, clips, tuple(labels["genre"]), matrix, predicted, true, retrieval, generated, alphas, growth
    )


def _mean_by_clip(
    windows: pd.DataFrame, column: str, clips: Sequence[str], path: Path, dims: int
) -> Float[np.ndarray, "clips dims"]:
    values = pd.DataFrame(vectors(windows, column, path, dims))
    means = values.groupby(windows["clip"].to_numpy()).mean()
    if set(means.index) != set(clips):
        raise InputError("its clips differ from those of the similarity table", path, HINT)
    return means.loc[list(clips)].to_numpy()


def _validate(kind: Any, value: Any, path: Path, hint: str = HINT) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where or 'it'}: {first['msg'].lower()}", path, hint) from None
