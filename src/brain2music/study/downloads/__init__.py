"""Downloads of public data: OpenNeuro's ds003720 and ds000113, arrays, captions, FMA; and checks of a copy of GTZAN.

The public names are in ``__init__.pyi``, and loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
