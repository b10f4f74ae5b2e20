"""Outputs of a run: the path of every file in the BIDS derivatives folder, and the columns of each table."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .._utils.names import file_name, safe_name
from .schema import TableSchema

PREDICTIONS = TableSchema(
    "one clip and window",
    {
        "clip": (str, "name of the clip"),
        "genre": (str, "its genre"),
        "window": (int, "number of the window, from 0"),
        "predicted": (list, "predicted embedding (dims), in the embedding's own units"),
        "true": (list, "true embedding (dims)"),
    },
)
SIMILARITY = TableSchema(
    "one predicted clip",
    {
        "clip": (str, "name of the clip"),
        "genre": (str, "its genre"),
        "similarity": (
            list,
            "Pearson r with the true embedding of every clip in the order of the rows, centred on the training mean",
        ),
    },
)
ALPHAS = TableSchema(
    "one dimension of the embedding",
    {
        "dim": (int, "number of the dimension, from 0"),
        "alpha": (float, "penalty chosen by cross-validation, the median over folds"),
        "cv_score": (float, "its cross-validated score"),
        "on_edge": (bool, "whether it is on the edge of the grid"),
    },
)
RETRIEVAL = TableSchema(
    "one clip, condition and rank",
    {
        "clip": (str, "name of the clip"),
        "genre": (str, "its genre"),
        "condition": (str, "query: decoded, true or caption"),
        "rank": (int, "rank of the track, from 1"),
        "track": (str, "track of the gallery"),
        "title": (str, "its title"),
        "artist": (str, "its artist"),
        "licence": (str, "its licence"),
        "track_genre": (str, "its genre"),
        "path": (str, "its file"),
        "start_s": (float, "seconds at which the embedded part begins"),
        "cosine": (float, "cosine similarity to the query"),
        "caption": (str, "text of the query, for captions"),
    },
)
GENERATED = TableSchema(
    "one generated piece",
    {
        "clip": (str, "name of the clip"),
        "genre": (str, "its genre"),
        "condition": (str, "embedding it was generated from: denoised, decoded or true"),
        "sample": (int, "number of the sample, from 0"),
        "window": (int, "window of the embedding, -1 for the mean over windows"),
        "file": (str, "path from the output folder"),
        "generator": (str, "name of the generator"),
        "seed": (int, "seed of the run"),
    },
)
RELIABILITY = TableSchema(
    "one voxel",
    {
        "roi": (str, "region"),
        "reliability": (float, "mean correlation between responses to repeats; NaN without repeats"),
    },
)
GROWTH = TableSchema(
    "one share of the training clips",
    {
        "train_clips": (int, "training clips that the decoder was fitted to, the first runs first"),
        "minutes": (float, "minutes for which these were presented"),
        "identification": (float, "two-way identification of all test clips"),
        "low": (float, "lower bound of its 95 % interval over clips"),
        "high": (float, "upper bound"),
        "p": (float, "p, clips permuted"),
        "n": (int, "test clips"),
    },
)
MOTION = TableSchema(
    "one scan of one run",
    {
        "run": (str, "run"),
        "scan": (int, "number of the scan, from 0"),
        **{f"trans_{axis}": (float, f"movement of the head along {axis}, mm") for axis in "xyz"},
        **{f"rot_{axis}": (float, f"rotation of the head about {axis}, radians") for axis in "xyz"},
        "framewise_displacement": (float, "displacement from the scan before (Power et al. 2012), mm"),
        "dvars": (float, "change from the scan before over the brain, after correction"),
        "dvars_uncorrected": (float, "the same in the raw image; NaN in the derivatives of others"),
    },
)
QUALITY = TableSchema(
    "one run, or the subject as a whole, which comes first",
    {
        "run": (str, 'name of the run, or "all"'),
        "split": (str, "train, test, or all"),
        "scans": (int, "scans of the images; 0 for arrays"),
        "tsnr": (float, "temporal signal-to-noise ratio, median over voxels (over runs); NaN where it is unknown"),
        "dvars": (float, "highest standardised DVARS; 1 is expected"),
        "dvars_spikes": (int, "scans with a standardised DVARS above 1.5"),
        "intensity_spikes": (int, "scans whose mean intensity departs from those of the scans before and after"),
        "spikes": (int, "scans that are spikes by either"),
        "non_steady_state": (int, "scans that take no part, as they were before the steady state; 0 without confounds"),
        "scrubbed": (int, "further scans that take no part, as the head moved; 0 unless the strategy has scrub"),
        "repeats": (int, "repeats of each clip; 0 if clips were not repeated equally often"),
        "clips": (int, "repeated clips that were first presented in the run"),
        "repeat_r": (float, "correlation between single repeats, median over voxels"),
        "repeat_r_top": (float, "its 95th percentile over voxels"),
        "split_half": (float, "reliability of the average of repeats by split halves, median over voxels"),
        "split_half_top": (float, "its 95th percentile"),
        "ceiling": (float, "noise ceiling of the average of repeats, scan by scan, median over voxels"),
        "ceiling_top": (float, "its 95th percentile"),
        "reliable": (float, "share of voxels whose repeats agree (false discovery rate 0.05)"),
        "grade": (str, "good, fair, poor or unknown"),
        "verdict": (str, "the grade and its reasons, in words"),
    },
)
ENCODING = TableSchema(
    "one voxel",
    {
        "voxel": (int, "number of the voxel, from 0"),
        "roi": (str, "region"),
        "r": (float, "Pearson r of predicted with measured responses"),
        "ceiling": (float, "noise ceiling of r"),
        "ceiling_shrunken": (float, "shrunken noise ceiling, of :func:`brain2music.encoding.ceiling.shrunken_ceiling`"),
        "normalised": (float, "r / ceiling"),
        "p": (float, "p, clips permuted"),
        "q": (float, "false discovery rate of p"),
        "p_max": (float, "family-wise p (max-T)"),
        "p_gaussian": (float, "p by the paper's Gaussian null"),
        "significant": (bool, "q < 0.05"),
        "alpha": (float, "penalty chosen by cross-validation"),
        "unique": (float, "variance that no other embedding explains; NaN where it was not computed"),
    },
)
ENCODING_ROIS = TableSchema(
    "one embedding and set of voxels",
    {
        "embedding": (str, "embedding that responses are predicted from"),
        "roi": (str, 'region, or "all" or "reliable" voxels'),
        "voxels": (int, "number of voxels"),
        "mean_r": (float, "mean r over voxels"),
        "low": (float, "lower bound of its 95 % interval over clips"),
        "high": (float, "upper bound"),
        "median_r": (float, "median r over voxels"),
        "ceiling": (float, "mean noise ceiling"),
        "normalised_r": (float, "mean r / mean ceiling, of voxels with a ceiling"),
        "significant": (float, "share of voxels with q < 0.05"),
    },
)


@dataclass(frozen=True)
class Outputs:
    """The output folder of a run.

    Attributes
    ----------
    root : Path
        The folder.
    """

    root: Path

    @property
    def description(self) -> Path:
        """BIDS dataset_description.json of the derivatives."""
        return self.root / "dataset_description.json"

    @property
    def study(self) -> Path:
        """What was run, for the report: see :func:`brain2music.pipeline.describe.describe_run`."""
        return self.root / "study.json"

    @property
    def scores(self) -> Path:
        """Every score of the run: a list of records of :class:`brain2music.metrics.score.Score`."""
        return self.root / "scores.json"

    @property
    def scores_table(self) -> Path:
        """The same as a Parquet table."""
        return self.root / "scores.parquet"

    @property
    def statistics(self) -> Path:
        """The scores with q, effect size and nested interval: see :mod:`brain2music.pipeline.statistics`."""
        return self.root / "statistics.tsv"

    @property
    def listening_analysis(self) -> Path:
        """What listeners said, written by ``brain2music listening analyse``."""
        return self.root / "listening" / "analysis.json"

    @property
    def listening_answers(self) -> Path:
        """Answers of listeners, written by ``brain2music serve``."""
        return self.root / "listening" / "answers.sqlite"

    @property
    def index(self) -> Path:
        """The page to open first."""
        return self.root / "index.html"

    @property
    def embeddings(self) -> Path:
        """Embeddings of the stimuli, kept so that every subject and every later run finds them."""
        return self.root / "embeddings"

    @property
    def cleaned(self) -> Path:
        """Cleaned runs, kept so that images are read once: see :mod:`brain2music.brain.run_store`."""
        return self.root / "cleaned"

    @property
    def folders(self) -> list[Path]:
        """The folders that runs write to, but for the output folder itself."""
        named = ("cleaned", "embeddings", "stimuli", "retrieved", "group")
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
        """Scores of retrieved music, a list of records."""
        return self._file(subject, embedding, "retrievalscores.json")

    def generated_scores(self, subject: str, embedding: str) -> Path:
        """Scores of generated music, a list of records."""
        return self._file(subject, embedding, "generatedscores.json")

    def between_subject_scores(self, embedding: str) -> Path:
        """Scores of between-subject decoding in one embedding, a list of records."""
        return self.root / "group" / f"desc-{_alphanumeric(embedding)}_betweensubjects.json"

    def predictions(self, subject: str, embedding: str) -> Path:
        """Predicted and true embeddings of the scored clips: :data:`PREDICTIONS`."""
        return self._file(subject, embedding, "predictions.parquet")

    def similarity(self, subject: str, embedding: str) -> Path:
        """The identification matrix: :data:`SIMILARITY`."""
        return self._file(subject, embedding, "similarity.parquet")

    def retrieval(self, subject: str, embedding: str) -> Path:
        """Tracks retrieved from the gallery: :data:`RETRIEVAL`."""
        return self._file(subject, embedding, "retrieval.parquet")

    def generated_table(self, subject: str, embedding: str) -> Path:
        """The list of generated pieces: :data:`GENERATED`."""
        return self._file(subject, embedding, "generated.parquet")

    def generated(self, subject: str, embedding: str, condition: str, clip: str, sample: int) -> Path:
        """One generated piece."""
        return self._file(subject, f"{embedding}{condition}", f"{safe_name(clip)}-{sample}.flac", folder="generated")

    def alphas(self, subject: str, embedding: str) -> Path:
        """The penalty chosen for each dimension: :data:`ALPHAS`."""
        return self._file(subject, embedding, "alphas.parquet")

    def growth(self, subject: str, embedding: str) -> Path:
        """How identification grows with training clips: :data:`GROWTH`."""
        return self._file(subject, embedding, "growth.parquet")

    def encoding(self, subject: str, embedding: str) -> Path:
        """How well every voxel is predicted from an embedding: :data:`ENCODING`."""
        return self._file(subject, embedding, "encoding.parquet")

    def encoding_scores(self, subject: str) -> Path:
        """One subject's scores of encoding, a list of records."""
        return self._file(subject, "encoding", "scores.json")

    def encoding_rois(self, subject: str) -> Path:
        """How well every region is predicted from every embedding: :data:`ENCODING_ROIS`."""
        return self._file(subject, "encoding", "rois.parquet")

    def encoding_figure(self, subject: str, embedding: str) -> Path:
        """Picture of the map of r."""
        return self._file(subject, embedding, "encoding.png")

    def statmap(self, subject: str, embedding: str, stat: str) -> Path:
        """A statistic of every voxel as an image, "r" or "ceiling"."""
        return self._file(subject, embedding, "statmap.nii.gz", f"stat-{stat}_")

    def model(self, subject: str, embedding: str, kind: Literal["decoder", "encoder"]) -> Path:
        """The folder of a fitted model: see :mod:`brain2music.pipeline.models`."""
        return self._file(subject, embedding, kind, folder="models")

    def summary(self, subject: str) -> Path:
        """Counts of a subject's responses: voxels, scans per clip, repeats, TR."""
        return self._file(subject, "responses", "summary.json")

    def reliability(self, subject: str) -> Path:
        """Reliability of every voxel over repeats: :data:`RELIABILITY`."""
        return self._file(subject, "responses", "reliability.parquet")

    def motion(self, subject: str) -> Path:
        """How the head moved in every scan: :data:`MOTION`."""
        return self._file(subject, "responses", "motion.parquet")

    def quality(self, subject: str) -> Path:
        """Reliability of a subject's runs, with a verdict: :data:`QUALITY`."""
        return self._file(subject, "responses", "quality.parquet")

    def _file(self, subject: str, description: str, ending: str, entities: str = "", folder: str = "") -> Path:
        name = f"sub-{subject}_{entities}desc-{_alphanumeric(description)}_{ending}"
        return self.root / f"sub-{subject}" / folder / name


def _alphanumeric(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", name)
