from .frames import SamplingOptions as SamplingOptions
from .model import MagentaRT2 as MagentaRT2
