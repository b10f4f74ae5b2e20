"""musicnn (Pons & Serra 2019, arXiv 1909.06654), music taggers as embedders, in torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
