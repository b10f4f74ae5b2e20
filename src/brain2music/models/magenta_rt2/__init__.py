"""Magenta RealTime 2: endless music at 48 kHz in stereo, driven by MusicCoCa, frame after frame.

The public names are in ``__init__.pyi``, and loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
