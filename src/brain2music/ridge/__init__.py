"""Linear maps on plain arrays, with scikit-learn estimators on top.

Start with :func:`ridge_cv`, or with :class:`RidgeCV` among scikit-learn's tools. Modules are private: import from here.
``_dual.py`` and ``_primal_per_fold.py`` are the two solvers, ``_plan.py`` chooses between them.
"""

from ._banded import BandedFit, banded_ridge_cv
from ._delays import delayed
from ._estimators import BandedRidgeCV, RidgeCV
from ._folds import assign_folds
from ._plan import SOLVERS, Plan, plan
from ._result import RidgeFit, predict_many
from ._ridge import ridge
from ._ridge_cv import DEFAULT_ALPHAS, RidgeWarning, ridge_cv, ridge_cv_many
from ._variance_partition import Partition, variance_partition

__all__ = [
    "DEFAULT_ALPHAS",
    "SOLVERS",
    "BandedFit",
    "BandedRidgeCV",
    "Partition",
    "Plan",
    "RidgeCV",
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
