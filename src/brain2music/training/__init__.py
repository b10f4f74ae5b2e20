"""The training loop of all model families: data, checkpoints, moving averages, learning-rate schedules and the log.

:func:`fit` trains a :class:`Task` with :class:`TrainingArguments`. The names are loaded when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
