"""Mel spectrograms as tokens, and vocoders that turn them into sound."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
