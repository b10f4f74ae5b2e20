from . import metrics as metrics
from ._utils.errors import Brain2MusicWarning as Brain2MusicWarning
from ._utils.errors import InputError as InputError
from ._utils.errors import LeakageError as LeakageError
from .api import ListeningStudy as ListeningStudy
from .api import load_arrays as load_arrays
from .api import load_study as load_study
from .api import run as run
from .api import simulate_study as simulate_study
from .brain.responses import Responses as Responses
from .decoding.estimator import Decoder as Decoder
from .decoding.splitters import ClipKFold as ClipKFold
from .decoding.splitters import LeaveOneGenreOut as LeaveOneGenreOut
from .decoding.splitters import RunKFold as RunKFold
from .embeddings.embeddings import DecodedEmbeddings as DecodedEmbeddings
from .embeddings.embeddings import Embeddings as Embeddings
from .embeddings.plain import as_responses as as_responses
from .encoding.estimator import Encoder as Encoder
from .gallery.build import build_gallery as build_gallery
from .gallery.gallery import Gallery as Gallery
from .metrics.decoded import cross_val_predict as cross_val_predict
from .metrics.decoded import cross_validate as cross_validate
from .metrics.score import Score as Score
from .models.codecs import get_codec as get_codec
from .models.embedders import get_embedder as get_embedder
from .models.generators import get_generator as get_generator

__version__: str
