"""Types and shapes are checked while tests run, in functions that name axes and in those that do not."""

import jaxtyping
import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation

from brain2music._utils.names import safe_name
from brain2music.metrics.ranking import similarity


def test_axes_of_the_same_name_have_the_same_size():
    with pytest.raises(jaxtyping.TypeCheckError, match="similarity"):
        similarity(np.zeros((3, 4)), np.zeros((3, 5)))


def test_types_are_checked_where_no_axes_are_named():
    with pytest.raises(BeartypeCallHintViolation, match="safe_name"):
        safe_name(3)
