"""Operators between vectors of eight lanes."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit

from sim.memory import load, store
from sim.vectors import LANES

anything = arrays(np.float64, (2, LANES), elements=st.floats(width=64))
few_examples = settings(max_examples=60, deadline=None, derandomize=True)


def _operator_in_kernels(op):
    @njit(error_model="numpy")
    def run(x, y, scalar, out):
        left, right = load(x, 0), load(y, 0)
        store(out, 0, op(left, right))
        store(out, 1, op(left, scalar))
        store(out, 2, op(scalar, right))

    return run


_in_kernels = {op: _operator_in_kernels(op) for op in (operator.add, operator.sub, operator.mul, operator.truediv)}


@pytest.mark.parametrize("op", _in_kernels, ids=lambda op: op.__name__)
@given(values=anything, scalar=st.floats(width=64))
@few_examples
def test_operators_in_kernels_are_numpys(op, values, scalar):
    x, y = values
    out = np.empty((3, LANES))
    _in_kernels[op](x[None], y[None], scalar, out)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out, [op(x, y), op(x, scalar), op(scalar, y)])
