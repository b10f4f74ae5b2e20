"""Scores, each with its chance, interval and p; ``__init__.pyi`` lists the public names.

>>> import numpy as np
>>> from brain2music import metrics
>>> c = metrics.similarity(np.eye(4), np.eye(4))
>>> metrics.identification_accuracy(c)
1.0
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
