"""brain2music: from recordings of the listening brain to music.

``import brain2music as b2m`` gives the names that ``__init__.pyi`` lists, each loaded when it is first used;
``examples/quickstart.py`` goes through them. The command line's flow is :mod:`brain2music.pipeline.run`.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
