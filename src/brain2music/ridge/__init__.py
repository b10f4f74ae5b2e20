"""Linear maps on plain arrays, with scikit-learn skins on top. Imports nothing else of ours but what the processor
can do.

Start with :func:`ridge_cv`; ``dual.py`` and ``foldwise.py`` are its two ways of solving, ``plan.py`` chooses.
"""

from .banded import BandedFit, Partition, banded_ridge_cv, variance_partition
from .delays import delayed
from .fit import RidgeWarning, ridge, ridge_cv, ridge_cv_many
from .folds import assign_folds
from .plan import Plan, plan
from .result import RidgeFit, predict_many

__all__ = [
    "BandedFit",
    "Partition",
    "Plan",
    "RidgeFit",
    "RidgeWarning",
    "assign_folds",
    "banded_ridge_cv",
    "delayed",
    "plan",
    "predict_many",
    "ridge",
    "ridge_cv",
    "ridge_cv_many",
    "variance_partition",
]
