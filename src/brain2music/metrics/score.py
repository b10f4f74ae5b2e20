"""The noun of every result: one score, which is one row of ``scores.parquet`` and ``scores.json``."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

ScoredStage = Literal["decode", "retrieve", "generate", "encode", "compare"]
Condition = Literal["decoded", "matched", "denoised", "true", "caption", "genre", "mean", "random", "permuted", "given"]
HeldOut = Literal["none", "genre", "subject", "song", "artist", "fold", "fold-song", "fold-artist"]
Ablation = Literal["none", "decoder", "lag"]

CONDITIONS: dict[Condition, str] = {
    "decoded": "the embedding predicted from the brain",
    "matched": "the prediction after distribution matching (its shrinkage is undone)",
    "denoised": "the prediction after distribution matching and Hopfield denoising, as generators receive it",
    "true": "the true embedding of the clip: the oracle; in encoding, what responses are predicted from",
    "caption": "the embedding of the clip's caption; no brain",
    "genre": "the mean training embedding of the clip's true genre; no brain",
    "mean": "the mean training embedding, the same for every clip; no brain",
    "random": "vectors, or tracks of the gallery, sampled at random; no brain",
    "permuted": "predictions of decoders that were fitted to clips in permuted order",
    "given": "sounds that were made elsewhere, from whatever",
}
"""The conditions of scores, with their meanings: which embedding was scored, or made or found the music.

A condition means the same in every table.

Examples
--------
>>> from brain2music.metrics import CONDITIONS
>>> CONDITIONS["decoded"]
'the embedding predicted from the brain'
"""

METRICS: dict[str, str] = {
    "identification": "share of the other clips that the right clip beats",
    "identification_within_genre": "identification among clips of the same genre",
    "identification_within_fold": "identification among the clips that one fold of a cross-validation holds out",
    "identification_uncentred": "identification without subtracting the training mean, as in the paper's equations",
    "top1": "share of clips whose right clip is the most similar candidate",
    "top3": "share of clips whose right clip is among the three most similar candidates",
    "top5": "share of clips whose right clip is among the five most similar candidates",
    "10_way": "probability that the right clip beats nine random others",
    "sample_correlation": "mean over clips of the correlation over dimensions",
    "sample_correlation_uncentred": "sample correlation without subtracting the training mean",
    "dimension_correlation": "mean over dimensions of the correlation over clips",
    "genre_agreement": "share of retrieved tracks that have the genre of the clip",
    "class_agreement_genre": "overlap of the most probable AudioSet genres",
    "class_agreement_instrument": "overlap of the most probable AudioSet instruments",
    "class_agreement_mood": "overlap of the most probable AudioSet moods",
    "class_divergence": "Kullback-Leibler divergence of the classes that a tagger finds, in nats; lower is better",
    "clap_score": "cosine similarity of the music with the caption of its clip, in an embedding of both",
    "kernel_distance": "kernel audio distance of the two sets of sounds, unbiased; lower is better",
    "frechet": "Fréchet audio distance of the two sets of sounds, biased upwards; lower is better",
    "frechet_limit": "Fréchet audio distance extrapolated to infinitely many sounds; lower is better",
    "chroma_agreement": "mean over time of the cosine similarity of chroma",
    "key_agreement": "correlation of how much of each pitch class sounds",
    "melody_agreement": "share of the melody that has the right pitch class within half a semitone",
    "chord_agreement": "share of time at which the chord is the same major or minor triad",
    "beat_agreement": "F-measure of beats within 70 ms",
    "tempo_agreement": "share of sounds whose tempo is right within 8 %, an octave higher or lower allowed",
    "spectrogram_correlation": "correlation of log-mel spectrograms over bands and time",
    "spectrogram_ssim": "structural similarity of log-mel spectrograms",
    "r": "mean over voxels of the correlation of predicted with measured responses",
    "r_difference": "r of one embedding minus r of another (column versus)",
    "unique_r2": "mean over voxels of the variance that only this embedding explains",
    "significant_fdr": "share of voxels predicted above chance, false discovery rate 0.05 (clips permuted)",
    "significant_max_t": "share of voxels predicted above chance, family-wise error 0.05 (clips permuted)",
    "significant_gaussian": "share of voxels predicted above chance by the paper's Gaussian null",
}
"""The metrics of a run by name, with their meanings.

Examples
--------
>>> from brain2music.metrics import METRICS
>>> METRICS["top1"]
'share of clips whose right clip is the most similar candidate'
"""

ALL, RELIABLE = "all", "reliable"
"""Values of ``group`` that name no genre or region."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score, with all that is needed to interpret it.

    The attributes are the columns of every table of scores, in this order. The columns up to ``ablation`` say which
    score it is; None means that a column does not apply.

    Attributes
    ----------
    stage : {"decode", "retrieve", "generate", "encode", "compare"}
        Step of the run that was scored; "compare" for sounds that were made elsewhere.
    metric : str
        What was measured: a key of :data:`METRICS`.
    condition : str
        Embedding that was scored, or that music was retrieved or generated from: a key of :data:`CONDITIONS`.
    embedding : str
        Embedding that was decoded, or from which responses were predicted.
    judge : str or None
        Evaluation embedding, or network, in which music is compared. If it is the one that was decoded and searched, it
        favours what it retrieves.
    decoder, generator : str or None
        The decoder, and the model, with which the music or embedding was made.
    lag_tr : int or None
        Scans by which responses were shifted; None also where subjects of a summary differ.
    subject : str
        Label without ``sub-``; "group" for the mean over subjects.
    group : str
        Clips or voxels that were scored: "all", the clips of one genre, the "reliable" voxels, or one region.
    held_out : {"none", "genre", "subject", "song", "artist", "fold", "fold-song", "fold-artist"}
        What the decoder was not fitted to, besides the scored clips: their whole genre (named by ``group``), or the
        subject itself; "song" and "artist" for only the test clips that share none with a training clip; "fold" for
        all clips in folds of recordings in place of test clips, "fold-song" and "fold-artist" in folds that divide
        none of these.
    alignment : str or None
        How subjects were aligned, in between-subject decoding.
    versus : str or None
        The other embedding of a difference.
    ablation : {"none", "decoder", "lag"}
        The setting in which the row differs from those of the run, where it is scored for comparison.
    value : float
        The score; NaN where it is not defined.
    low, high : float or None
        95 % interval: bootstrap over clips; Student's t over subjects in summaries.
    chance : float
        Value expected without information.
    ceiling : float or None
        Value of the oracle.
    p : float or None
        One-sided p; None where none was computed.
    n : int
        Number of scored clips; of subjects in summaries.
    candidates : int
        Number of clips to choose among.
    simulated : bool
        Whether the brain data are simulated.
    note : str
        Caveat about the data, shown wherever the number is.
    detail : str
        Remark about this number alone.

    Examples
    --------
    >>> import brain2music as b2m
    >>> score = b2m.Score(
    ...     stage="decode", metric="identification", condition="decoded", embedding="musicnn-mtt",
    ...     subject="01", value=0.8, chance=0.5, n=60, candidates=60,
    ... )
    >>> score.value, score.chance, score.p
    (0.8, 0.5, None)
    >>> print(score)
    identification 0.800 (95 % interval none), chance 0.5, p none, n = 60, candidates 60
    """

    stage: ScoredStage
    metric: str
    condition: Condition
    embedding: str
    judge: str | None = None
    decoder: str | None = None
    generator: str | None = None
    lag_tr: int | None = None
    subject: str
    group: str = ALL
    held_out: HeldOut = "none"
    alignment: str | None = None
    versus: str | None = None
    ablation: Ablation = "none"
    value: float
    low: float | None = None
    high: float | None = None
    chance: float
    ceiling: float | None = None
    p: float | None = None
    n: int
    candidates: int
    simulated: bool = False
    note: str = ""
    detail: str = ""

    def __str__(self) -> str:
        interval = "none" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"
        p = "p none" if self.p is None else "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        counts = f"n = {self.n}, candidates {self.candidates}{', simulated' if self.simulated else ''}"
        return f"{self.metric} {self.value:.3f} (95 % interval {interval}), chance {self.chance:.3g}, {p}, {counts}"

    def as_row(self) -> dict[str, Any]:
        """Convert the score to one flat record, column by column.

        Returns
        -------
        dict
            The columns in their order.
        """
        return asdict(self)


COLUMNS = tuple(field.name for field in fields(Score))
"""Columns of every table of scores."""


def group_named(label: str) -> str:
    """The value of ``group`` for a genre or region, distinct from the reserved words."""
    return f"{label} (label)" if label in (ALL, RELIABLE) else label
