"""Music composed from rules: ten genres as data, one engine for all, General-MIDI rendering, and true captions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
