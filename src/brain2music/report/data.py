"""What a run left on disk, read back and checked, so that pages can be rebuilt from a folder alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json
from brain2music.metrics.records import read_scores
from brain2music.metrics.score import Score
from brain2music.pipeline.outputs import Outputs

AGAIN = "run the study again, or restore the file"


class GenreCount(BaseModel):
    """Clips of one genre."""

    train: int
    test: int


class Design(BaseModel):
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


class Leak(BaseModel):
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
    design: Design
    settings: dict[str, Any] = {}
    gallery: GalleryRecord | None = None
    leaks: list[Leak] = []
    warnings: list[str] = []
    methods: str = ""


@dataclass(frozen=True)
class Decoded:
    """What one subject's decoder gave in one embedding; None where the run did not write it.

    Attributes
    ----------
    clips, genres : of the scored clips, in the order of the rows below.
    similarity : (clips, clips) Pearson r of each prediction (row) with each true embedding (column).
    predicted, true : (clips, dims) averages over windows.
    retrieval : the retrieval table of :class:`~brain2music.pipeline.outputs.Outputs`.
    generated : the table of generated pieces. alphas : the table of chosen regularisation.
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

    @property
    def ranks(self) -> Int[np.ndarray, " clips"] | None:
        """Rank of the clip that was heard among all candidates, from 1; ties count against it."""
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
    """

    label: str
    reliability: pd.DataFrame | None
    decoded: tuple[Decoded, ...]
    rois: pd.DataFrame | None


@dataclass(frozen=True)
class RunRecord:
    """A whole run: its description, every score, every subject."""

    outputs: Outputs
    study: StudyRecord
    scores: tuple[Score, ...]
    subjects: tuple[Subject, ...]


def read_study(outputs: Outputs) -> StudyRecord:
    """Read what was run; :class:`InputError` where ``study.json`` is missing or broken."""
    return _validate(StudyRecord, read_json(outputs.study), outputs.study)


def read_run(root: Path, but: Collection[str] = ()) -> RunRecord:
    """Read a run's folder, ``but`` for some subjects.

    Raises
    ------
    InputError
        Naming the file: ``study.json`` or ``scores.json`` if missing, any other if it is there but broken.
    """
    outputs = Outputs(Path(root))
    study = read_study(outputs)
    scores = _validate(list[Score], [score.as_row() for score in read_scores(outputs.scores)], outputs.scores)
    subjects = tuple(_read_subject(outputs, study, label) for label in study.subjects if label not in but)
    return RunRecord(outputs, study, tuple(scores), subjects)


def _read_subject(outputs: Outputs, study: StudyRecord, label: str) -> Subject:
    reliability = _read_table(outputs.reliability(label), texts=("roi",), numbers=("reliability",))
    if reliability is not None and not reliability["reliability"].notna().any():
        reliability = None
    decoded = (_read_decoded(outputs, label, embedding) for embedding in study.embeddings)
    numbers = ("voxels", "mean_r", "low", "high", "ceiling", "normalised_r", "significant")
    rois = _read_table(outputs.encoding_rois(label), ("embedding", "roi"), numbers)
    return Subject(label, reliability, tuple(item for item in decoded if item.clips), rois)


def _read_decoded(outputs: Outputs, subject: str, embedding: EmbeddingRecord) -> Decoded:
    name = embedding.name
    path = outputs.similarity(subject, name)
    similarity = _read_table(path, ("clip", "genre"), lists=("similarity",))
    matrix = None if similarity is None else _stack(similarity, "similarity", path, len(similarity))

    path = outputs.predictions(subject, name)
    windows = _read_table(path, ("clip", "genre"), ("window",), ("predicted", "true"))
    first = similarity if similarity is not None else windows
    labels = pd.DataFrame(columns=["clip", "genre"]) if first is None else first.drop_duplicates("clip")
    clips = tuple(labels["clip"])
    predicted = true = None
    if windows is not None:
        predicted = _mean_by_clip(windows, "predicted", clips, path, embedding.dims)
        true = _mean_by_clip(windows, "true", clips, path, embedding.dims)

    texts = ("clip", "source", "track", "title", "artist", "licence", "track_genre")
    retrieval = _read_table(outputs.retrieval(subject, name), texts, ("rank", "start_s", "cosine"))
    pieces = ("clip", "genre", "condition", "file", "generator")
    generated = _read_table(outputs.generated_table(subject, name), pieces, ("take", "window", "seed"))
    alphas = _read_table(outputs.alphas(subject, name), numbers=("dim", "alpha", "cv_score", "on_edge"))
    return Decoded(embedding, clips, tuple(labels["genre"]), matrix, predicted, true, retrieval, generated, alphas)


def _read_table(
    path: Path, texts: Sequence[str] = (), numbers: Sequence[str] = (), lists: Sequence[str] = ()
) -> pd.DataFrame | None:
    """A Parquet table with at least these columns, missing texts as "", or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"this is not a readable Parquet table ({error})", path, AGAIN) from None
    missing = [column for column in (*texts, *numbers, *lists) if column not in table]
    if missing:
        raise InputError(f"the table lacks the columns {', '.join(missing)}", path, AGAIN)
    if table.empty:
        raise InputError("the table is empty", path, AGAIN)
    for column in numbers:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"the column {column!r} holds something other than numbers", path, AGAIN)
    for column in texts:
        table[column] = table[column].astype(object).where(table[column].notna(), "").map(str)
    return table


def _stack(table: pd.DataFrame, column: str, path: Path, length: int) -> Float[np.ndarray, "rows length"]:
    """A column of equally long lists of finite numbers as one array."""
    lengths = {np.size(row) for row in table[column]}
    if lengths != {length}:
        raise InputError(f"rows of {column!r} have {sorted(lengths)} values instead of {length}", path, AGAIN)
    try:
        values = np.stack([np.asarray(row, dtype=np.float64) for row in table[column]])
    except (TypeError, ValueError):
        raise InputError(f"{column!r} holds something other than numbers", path, AGAIN) from None
    if not np.isfinite(values).all():
        raise InputError(f"{column!r} holds values that are not finite", path, AGAIN)
    return values


def _mean_by_clip(
    windows: pd.DataFrame, column: str, clips: Sequence[str], path: Path, dims: int
) -> Float[np.ndarray, "clips dims"]:
    values = pd.DataFrame(_stack(windows, column, path, dims))
    means = values.groupby(windows["clip"].to_numpy()).mean()
    if set(means.index) != set(clips):
        raise InputError("its clips differ from those of the similarity table", path, AGAIN)
    return means.loc[list(clips)].to_numpy()


def _validate(kind: Any, value: Any, path: Path) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where or 'it'}: {first['msg'].lower()}", path, AGAIN) from None
