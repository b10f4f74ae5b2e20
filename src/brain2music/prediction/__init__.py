"""Predictions of new scans and new sounds by saved models: from brain to music, and from music to brain.

The public names are in ``__init__.pyi``, and loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
