"""Linear maps on plain arrays, with scikit-learn estimators on top; ``__init__.pyi`` lists the public names.

Start with :func:`ridge_cv`, or with :class:`RidgeCV` among scikit-learn's tools. Modules are private: import from here.
``_dual.py`` and ``_primal_per_fold.py`` are the two solvers, ``_plan.py`` chooses between them. Names are loaded when
they are first used: the functions need no scikit-learn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
