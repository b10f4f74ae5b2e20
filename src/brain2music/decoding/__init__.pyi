from .between_subjects import predict_between_subjects as predict_between_subjects
from .estimator import Decoder as Decoder
from .registry import decoder_options as decoder_options
from .splitters import ClipKFold as ClipKFold
from .splitters import LeaveOneGenreOut as LeaveOneGenreOut
from .splitters import RunKFold as RunKFold
