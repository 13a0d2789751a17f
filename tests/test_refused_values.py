"""What has no gradient, or another arithmetic than arrays', is refused instead of dropping a gradient."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.errors import DTypeError

OBJECTS = np.array([1, 2, 3, 4], dtype=object)
MASKED = np.ma.array(np.ones(4), mask=[0, 1, 0, 0])
with pytest.warns(PendingDeprecationWarning):
    MATRIX = np.matrix([1.0, 2.0, 3.0, 4.0])


@pytest.fixture
def t():
    return Tensor(np.arange(1.0, 5.0), requires_grad=True)


NOT_NUMBERS = {
    "an array of objects": lambda t: t * OBJECTS,
    "the left of objects": lambda t: OBJECTS * t,
    "matmul": lambda t: t @ OBJECTS,
    "where": lambda t: np.where([True, False, True, False], t, OBJECTS),
    "concatenate": lambda t: np.concatenate([t, OBJECTS]),
    "a time": lambda t: t * np.timedelta64(3, "D"),
    "astype(object)": lambda t: t.astype(object),
    "astype(str)": lambda t: t.astype(str),
    "dtype=object of a ufunc": lambda t: np.multiply(t, t, dtype=object),
    "dtype=object of a sum": lambda t: np.sum(t, dtype=object),
    "dtype=object of rows": lambda t: np.sum(np.stack([t, t]), axis=0, dtype=object),
    "dtype=object of a reduction": lambda t: np.add.reduce(t, dtype=object),
    "dtype=object of a mean": lambda t: np.mean(t, dtype=object),
    "dtype=object of a cumulative sum": lambda t: np.cumsum(t, dtype=object),
    "a tensor of strings": lambda t: Tensor(np.array(["a"])),
    "a tensor of records": lambda t: Tensor(np.zeros(2, dtype=[("x", float)])),
}


@pytest.mark.parametrize("name", NOT_NUMBERS)
def test_what_is_no_number(name, t):
    with pytest.raises(DTypeError, match=r"must be num.*convert .*called at test_refused_values\.py"):
        NOT_NUMBERS[name](t)


@pytest.mark.parametrize("other", [MASKED, MATRIX], ids=["masked", "matrix"])
@pytest.mark.parametrize("use", [lambda t, m: t * m, lambda t, m: Tensor(m), lambda t, m: np.add(t, m)])
def test_arrays_with_an_arithmetic_of_their_own(use, other, t):
    with pytest.raises(DTypeError, match=r"must be a plain array, got a (matrix|MaskedArray), .*use np.asarray"):
        use(t, other)
