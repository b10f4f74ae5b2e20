from .model import MelTokenCodec as MelTokenCodec
from .model import MelTokens as MelTokens
from .model import MelTokensConfig as MelTokensConfig
