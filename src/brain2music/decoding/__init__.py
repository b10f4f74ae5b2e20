"""Brain to embedding: regressors, post-processing, splitters, and the decoder that joins them."""

from .between_subjects import decode_between_subjects
from .decoded import Decoded, Labels, undivided
from .estimator import Decoder
from .fits import RidgeSettings
from .registry import AUTO, POST_PROCESSING, REGRESSORS, Form, decoder_options, in_form, require_decoder
from .splitters import ClipKFold, LeaveOneGenreOut, RunKFold, Split, Splitter, split_clips
from .subject import SubjectDecoder

__all__ = [
    "AUTO",
    "POST_PROCESSING",
    "REGRESSORS",
    "ClipKFold",
    "Decoded",
    "Decoder",
    "Form",
    "Labels",
    "LeaveOneGenreOut",
    "RidgeSettings",
    "RunKFold",
    "Split",
    "Splitter",
    "SubjectDecoder",
    "decode_between_subjects",
    "decoder_options",
    "in_form",
    "require_decoder",
    "split_clips",
    "undivided",
]
