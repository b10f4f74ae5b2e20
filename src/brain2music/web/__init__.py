"""The web application on the output folder of a run, and the pages of the listening test.

:func:`serve` is what ``brain2music serve`` calls; :func:`create_app` makes the application alone, for another server.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
