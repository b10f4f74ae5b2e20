from .model import SoundStream as SoundStream
from .model import SoundStreamConfig as SoundStreamConfig
