from .config import StageConfig as StageConfig
from .config import Vocabulary as Vocabulary
from .config import stage_configs as stage_configs
from .model import MusicLM as MusicLM
from .sampling import Sampling as Sampling
from .stage import Condition as Condition
from .stage import MusicLMStage as MusicLMStage
