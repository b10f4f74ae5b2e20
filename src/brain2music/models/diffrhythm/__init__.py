"""DiffRhythm 1.2 (Ning et al. 2025, arXiv 2503.01183): songs by flow matching from a MuQ-MuLan vector, in our own code.

The names are loaded when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
