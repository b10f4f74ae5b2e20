"""Linear maps on plain arrays, with scikit-learn skins on top. Imports nothing else of ours."""

from .fit import RidgeFit, RidgeWarning, ridge_cv, ridge_cv_many
from .folds import assign_folds
from .plan import Plan, plan

__all__ = ["Plan", "RidgeFit", "RidgeWarning", "assign_folds", "plan", "ridge_cv", "ridge_cv_many"]
