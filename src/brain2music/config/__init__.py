"""The settings of a run: :class:`RunConfig`, and its sections."""

from .data import CLEANING as CLEANING
from .data import ConfoundModel as ConfoundModel
from .data import EventRows as EventRows
from .data import EventsConfig as EventsConfig
from .data import PreprocessingConfig as PreprocessingConfig
from .data import StimuliConfig as StimuliConfig
from .methods import RENAMED_DECODERS as RENAMED_DECODERS
from .methods import DecoderName as DecoderName
from .methods import DecodingConfig as DecodingConfig
from .methods import EncodingConfig as EncodingConfig
from .methods import EvaluationConfig as EvaluationConfig
from .methods import GenerationConfig as GenerationConfig
from .methods import ModelsConfig as ModelsConfig
from .methods import RetrievalConfig as RetrievalConfig
from .run import PLACES as PLACES
from .run import RENAMED as RENAMED
from .run import SECTIONS as SECTIONS
from .run import RunConfig as RunConfig
from .run import in_sections as in_sections
from .section import DEFAULT_LAG_S as DEFAULT_LAG_S
from .section import LAGS as LAGS
from .section import RESPONSE_S as RESPONSE_S
from .section import LagS as LagS
from .section import LagTr as LagTr
from .section import Section as Section
