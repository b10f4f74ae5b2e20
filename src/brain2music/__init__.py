"""brain2music: from recordings of the listening brain to music.

``import brain2music as b2m`` gives the names that ``__init__.pyi`` lists, each loaded when it is first used;
``examples/quickstart.py`` goes through them. Packages, such as ``b2m.models``, are loaded when they are first used,
too. The command line's flow is :mod:`brain2music.pipeline.run`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import lazy_loader

__version__ = "0.1.0"

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__ and not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    return _public(name)
