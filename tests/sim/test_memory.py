"""Rows in memory."""

import numpy as np
import pytest
from numba import njit

from sim.memory import aligned_rows
from sim.vectors import LANES


@njit
def _aligned_copy(rows):
    return aligned_rows(rows)


@pytest.mark.parametrize("count", [1, 2, 13, 100])
def test_aligned_rows_are_a_copy_on_a_cache_line(count):
    rows = np.random.default_rng(13).normal(size=(count, LANES))
    copy = _aligned_copy(rows)
    assert copy.ctypes.data % 64 == 0
    np.testing.assert_array_equal(copy, rows)
    copy[:] = 0
    assert np.all(rows != 0)
