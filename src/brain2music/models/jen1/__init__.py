"""JEN-1: one diffusion model that makes music, fills gaps in it and continues it (Li et al. 2023, arXiv 2308.04729).

The names are loaded when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
