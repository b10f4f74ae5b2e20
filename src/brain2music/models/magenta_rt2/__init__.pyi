from .frames import FrameLoop as FrameLoop
from .frames import SamplingOptions as SamplingOptions
from .model import MagentaRT2 as MagentaRT2
