"""MusicLM (Agostinelli et al. 2023, arXiv 2301.11325): a joint embedding, then semantic, coarse and fine tokens."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
