"""Where every output of a run lies: a BIDS derivatives folder, and what each file in it holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from .._utils.names import file_name, safe_name


@dataclass(frozen=True)
class Outputs:
    """The output folder of a run.

    Tables
    ------
    ``predictions`` : one row a clip and window: ``clip``, ``genre``, ``window``, ``predicted`` and ``true`` (lists
        of ``dims`` floats, in the embedding's own units).
    ``similarity`` : one row a predicted clip: ``clip``, ``genre`` and ``similarity``, its Pearson correlations with
        the true embeddings of all candidates, both about the training mean, in the order of the rows.
    ``retrieval`` : one row a clip and rank (from 1): ``clip``, ``genre``, ``source`` ("brain", or "oracle" for
        retrieval by the true embedding, or "caption"), ``rank``, ``track``, ``title``, ``artist``, ``licence``,
        ``track_genre``, ``path`` (of the gallery's file), ``start_s``, ``cosine``, ``caption`` (of its rows).
    ``generated_table`` : one row a generated piece: ``clip``, ``genre``, ``condition`` ("brain": the prediction,
        calibrated and drawn towards the training music; "uncalibrated": as it is; "oracle": the true embedding),
        ``take`` (from 0), ``window`` (of the embedding it was made from, -1 for their mean), ``file`` (from the
        output folder), ``generator``, ``seed``.
    ``reliability`` : one row a voxel: ``roi``, ``reliability`` (mean correlation between repeats).
    ``alphas`` : one row a target dimension: ``dim``, ``alpha``, ``cv_score``, ``on_edge``.
    ``encoding`` : one row a voxel: ``voxel``, ``roi``, ``r``, ``ceiling``, ``ceiling_shrunken`` (by the encoder, see
        :func:`brain2music.encoding.ceiling.shrunken_ceiling`), ``normalised`` (by ``ceiling``), ``p`` (clips
        permuted), ``q``, ``p_max`` (family-wise), ``p_gaussian`` (the paper's null), ``significant`` (q < 0.05),
        ``alpha``, ``unique`` (variance that no other embedding explains; NaN where it was not asked for).
    ``encoding_rois`` : one row an embedding and region, of :func:`brain2music.encoding.compare.roi_table`.
    """

    root: Path

    @property
    def description(self) -> Path:
        """BIDS dataset_description.json of the derivatives."""
        return self.root / "dataset_description.json"

    @property
    def study(self) -> Path:
        """What was run, for the report: see :func:`brain2music.pipeline.run.describe`."""
        return self.root / "study.json"

    @property
    def scores(self) -> Path:
        """Every score of the run, a list of :class:`brain2music.metrics.score.Score` records."""
        return self.root / "scores.json"

    @property
    def index(self) -> Path:
        """The page to open first."""
        return self.root / "index.html"

    @property
    def embeddings(self) -> Path:
        """Embeddings of the stimuli, kept so that every subject and every later run finds them."""
        return self.root / "embeddings"

    @property
    def folders(self) -> list[Path]:
        """The folders that runs write to, but for the output folder itself."""
        named = ("embeddings", "stimuli", "retrieved", "group")
        return [*(self.root / name for name in named), *sorted(self.root.glob("sub-*/"))]

    def lock(self, what: str = "") -> Path:
        """What a process holds while it works on a subject ("sub-01"), the group, or what all share ("")."""
        return self.root / f".{what or 'shared'}.lock"

    def folder(self, subject: str) -> Path:
        """A subject's outputs."""
        return self.root / f"sub-{subject}"

    def record(self, subject: str) -> Path:
        """What a subject's outputs are, written when all are there: see :mod:`brain2music.pipeline.subjects`."""
        return self._file(subject, "run", "record.json")

    def page(self, subject: str) -> Path:
        """A subject's report."""
        return self.root / f"sub-{subject}.html"

    def stimulus(self, clip: str) -> Path:
        """A test clip as it was presented, for the report's players."""
        return self.root / "stimuli" / f"{safe_name(clip)}.mp3"

    def retrieved(self, track: str) -> Path:
        """The retrieved excerpt of a gallery track, for the report's players."""
        return self.root / "retrieved" / f"{file_name(track)}.mp3"

    def scores_of(self, subject: str, embedding: str) -> Path:
        """One subject's scores of decoding in one embedding, a list of records."""
        return self._file(subject, embedding, "scores.json")

    def retrieval_scores(self, subject: str, embedding: str) -> Path:
        """Scores of what the gallery gave, a list of records."""
        return self._file(subject, embedding, "retrievalscores.json")

    def generated_scores(self, subject: str, embedding: str) -> Path:
        """Scores of what was generated, a list of records."""
        return self._file(subject, embedding, "generatedscores.json")

    def across(self, embedding: str) -> Path:
        """Scores of all subjects by each other's decoders in one embedding, a list of records."""
        return self.root / "group" / f"desc-{_alphanumeric(embedding)}_across.json"

    def predictions(self, subject: str, embedding: str) -> Path:
        """Predicted and true embeddings of the scored clips."""
        return self._file(subject, embedding, "predictions.parquet")

    def similarity(self, subject: str, embedding: str) -> Path:
        """The identification matrix."""
        return self._file(subject, embedding, "similarity.parquet")

    def retrieval(self, subject: str, embedding: str) -> Path:
        """What the gallery gave."""
        return self._file(subject, embedding, "retrieval.parquet")

    def generated_table(self, subject: str, embedding: str) -> Path:
        """What was generated."""
        return self._file(subject, embedding, "generated.parquet")

    def generated(self, subject: str, embedding: str, condition: str, clip: str, take: int) -> Path:
        """One generated piece."""
        return self._file(subject, f"{embedding}{condition}", f"{safe_name(clip)}-{take}.flac", folder="generated")

    def alphas(self, subject: str, embedding: str) -> Path:
        """The regularisation chosen for each dimension."""
        return self._file(subject, embedding, "alphas.parquet")

    def encoding(self, subject: str, embedding: str) -> Path:
        """How well every voxel is predicted from an embedding."""
        return self._file(subject, embedding, "encoding.parquet")

    def encoding_scores(self, subject: str) -> Path:
        """One subject's scores of encoding, a list of records."""
        return self._file(subject, "encoding", "scores.json")

    def encoding_rois(self, subject: str) -> Path:
        """How well every region is predicted from every embedding."""
        return self._file(subject, "encoding", "rois.parquet")

    def encoding_figure(self, subject: str, embedding: str) -> Path:
        """Picture of the map of r."""
        return self._file(subject, embedding, "encoding.png")

    def statmap(self, subject: str, embedding: str, stat: str) -> Path:
        """A statistic of every voxel as an image, "r" or "ceiling"."""
        return self._file(subject, embedding, "statmap.nii.gz", f"stat-{stat}_")

    def summary(self, subject: str) -> Path:
        """Counts of a subject's responses: voxels, scans per clip, repeats, TR."""
        return self._file(subject, "responses", "summary.json")

    def reliability(self, subject: str) -> Path:
        """Reliability of every voxel over repeats."""
        return self._file(subject, "responses", "reliability.parquet")

    def _file(self, subject: str, description: str, ending: str, entities: str = "", folder: str = "") -> Path:
        name = f"sub-{subject}_{entities}desc-{_alphanumeric(description)}_{ending}"
        return self.root / f"sub-{subject}" / folder / name


def _alphanumeric(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", name)
