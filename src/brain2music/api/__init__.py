"""Studies for use from Python: loaded from BIDS, from arrays or simulated, each asked for responses and embeddings."""

from .listening_study import ListeningStudy as ListeningStudy
from .loading import load_arrays as load_arrays
from .loading import load_study as load_study
from .loading import simulate_study as simulate_study
from .running import run as run
