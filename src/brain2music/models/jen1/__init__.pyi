from .condition import DiffusionCondition as DiffusionCondition
from .config import UNetConfig as UNetConfig
from .diffusion import DiffusionConfig as DiffusionConfig
from .model import JEN1 as JEN1
from .schedule import NoiseSchedule as NoiseSchedule
from .unet import OmniUNet as OmniUNet
