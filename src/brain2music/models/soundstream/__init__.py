"""SoundStream (Zeghidour et al. 2021, arXiv 2107.03312), a neural codec with residual vector quantization."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
