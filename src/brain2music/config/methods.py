"""Settings of the methods: decoding and its scores, retrieval, generation, encoding, and which models are saved."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .section import LagS, LagTr, Section


def _decoder_of_now(name: str) -> str:
    for part in name.split("+"):
        if part in RENAMED_DECODERS:
            raise ValueError(f"{part!r} is now {RENAMED_DECODERS[part]!r}")
    return name


RENAMED_DECODERS = {"calibrated": "matched", "exemplars": "denoised"}
"""Post-processing by its former names, and what they are now."""
DecoderName = Annotated[str, AfterValidator(_decoder_of_now)]


class DecodingConfig(Section):
    """How embeddings are predicted from responses."""

    decoder: DecoderName = Field("ridge", description="The regressor, and any post-processing joined to it by '+'.")
    n_outer_folds: int | None = Field(
        None,
        ge=2,
        description="Folds in which clips are scored where there is no test set; default the study's own, else 10.",
    )
    n_inner_folds: int = Field(
        5, ge=2, description="Folds of the cross-validation within the training set that chooses the ridge penalty."
    )
    group_by: Literal["recording", "song", "artist"] = Field(
        "artist", description="What no fold divides; songs and artists where the track index knows them."
    )
    alphas: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, description="Ridge penalties tried for every target dimension; default logspace(-1, 8, 20)."
    )
    standardise: bool | None = Field(
        None,
        description="Standardise each voxel over the training clips; default only where clips are scored in folds "
        "(with a test set, responses are z-scored per run).",
    )
    scans_per_window: int | None = Field(
        None, ge=1, description="Scans averaged per window of sound; default ceil(window / TR)."
    )
    lags_tr: tuple[LagTr, ...] = Field(
        (), description="Further lags in scans, whose responses the regressor 'stacked' is fitted to as well."
    )
    lags_s: tuple[LagS, ...] = Field((), description="Further lags in seconds that 'stacked' is fitted to.")


class EvaluationConfig(Section):
    """What the decoder is compared with, and how scores are tested."""

    n_permutations: int = Field(10_000, ge=100, description="Permutations of clips behind each p value.")
    n_permuted_fits: int | None = Field(
        None,
        ge=1,
        description="Decoders refitted to permuted clips, which measure the chance level (and give p where clips are "
        "scored in folds); default 5, in folds 20.",
    )
    leave_one_genre_out: bool = Field(True, description="Score each genre by decoders fitted without it.")
    also_in_folds: tuple[Literal["recording", "song", "artist"], ...] = Field(
        (),
        description="Beside test clips, score all clips by identification in folds that keep recordings, songs or "
        "artists together; songs and artists need stimuli.track_index.",
    )
    growth: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        description="Share of the training clips, in the order of their runs, to which the decoder is fitted again, "
        "such as 0.5: how identification of the test clips grows with data.",
    )
    compare_lags_tr: tuple[LagTr, ...] = Field(
        (0,), description="Further lags in scans at which the decoder is scored by identification; the paper: 0."
    )
    compare_lags_s: tuple[LagS, ...] = Field((), description="Further lags in seconds at which the decoder is scored.")
    compare_decoders: tuple[DecoderName, ...] = Field(
        (), description="Further decoders, scored by identification beside the main one."
    )
    further_embeddings: tuple[str, ...] = Field(
        (), description="Further embeddings that are not decoded, in which retrieved and generated music is scored."
    )
    between_subject: tuple[Literal["srm", "procrustes", "ridge"], ...] = Field(
        (), description="Alignments by which each subject is decoded by the others' decoders, at group level."
    )
    allow_leaks: tuple[Literal["clip", "overlap", "track", "gap", "carry-in"], ...] = Field(
        (), description="Leaks between training and test that are reported and not refused."
    )


class RetrievalConfig(Section):
    """Music that exists, found by the decoded embedding."""

    k: int = Field(5, ge=1, description="Tracks retrieved per clip.")


class GenerationConfig(Section):
    """New music, made from the decoded embedding."""

    generator: str | None = Field(None, description="Generator of music: a name, or the folder of a trained one.")
    bridge: str | None = Field(
        None,
        description="Bridge from a decoded embedding into the generator's, where these differ: a folder that "
        "`brain2music models bridge` wrote.",
    )
    conditioning: Literal["mean", "windows"] = Field(
        "mean", description="Generate from the mean embedding of each clip (the paper), or from each of its windows."
    )
    duration_s: float = Field(15.0, ge=1, le=600, description="Seconds of each generated piece.")
    n_samples: int = Field(3, ge=1, description="Pieces generated from each embedding; all are scored.")
    n_clips: int | None = Field(
        None, ge=2, description="Clips that music is generated for, of as many genres as possible; default all."
    )
    anchored: Literal["vary", "inpaint", "continue"] | None = Field(
        None,
        description="Make music from tracks of the gallery that the embedding retrieves: vary them, fill the middle "
        "between the beginning of one and the end of the next, or continue them (RAG-Audio 2026); default from the "
        "embedding alone.",
    )
    n_anchors: int = Field(1, ge=1, description="Tracks that are retrieved for each clip; samples take them in turn.")
    anchor_strength: float = Field(
        0.6, gt=0, le=1, description="How far a track is varied: near 0 hardly, 1 all of the way to new music."
    )


class EncodingConfig(Section):
    """Which voxels carry the music."""

    enabled: bool = Field(True, description="Predict voxels from embeddings, and map the correlation.")
    variance_partitioning: bool = Field(
        False, description="Also map the variance that each embedding explains and no other does."
    )
    left_mesh: str | None = Field(
        None,
        description="Mesh (.surf.gii) of the left hemisphere that maps on surfaces are drawn on, {subject} standing "
        "for the label of each; default nilearn's for fsaverage5, else they are written and not drawn on a surface.",
    )
    right_mesh: str | None = Field(None, description="Mesh of the right hemisphere, which goes with left_mesh.")

    @model_validator(mode="after")
    def _two_meshes(self) -> "EncodingConfig":
        if (self.left_mesh is None) != (self.right_mesh is None):
            raise ValueError("a mesh of one hemisphere is given: give left_mesh and right_mesh")
        return self


class ModelsConfig(Section):
    """Fitted models, by which new scans and new sounds are predicted (`brain2music predict`)."""

    save_models: Literal["small", "all", "none"] = Field(
        "small", description="Save the fitted decoders and encoders: those below 64 MB, all, or none."
    )
