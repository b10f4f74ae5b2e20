import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from brain2music.ridge.estimators import RidgeDecoder, VoxelwiseEncoder

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")


@parametrize_with_checks([RidgeDecoder(n_folds=2), VoxelwiseEncoder(n_folds=2)])
def test_scikit_learn_conventions(estimator, check) -> None:
    check(estimator)
