"""MuLan (Huang et al. 2022, arXiv 2208.12415): a joint embedding of music and text from contrastive training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
