"""Normals of chosen words, as the kernels make them."""

import numpy as np
from numba import njit
from numba.core import types

from sim import elementary
from sim.memory import align_stack
from sim.vectors import LANES, traced


@traced(gives=types.none)
def _apply(words, normals):
    for k, normal in enumerate(elementary.box_muller(words[0].split(), words[1].split())):
        normals[k] = normal


@njit
def _run(words, normals):
    align_stack()
    for block in range(words.shape[0]):
        _apply(words[block], normals[block])


def box_muller(a, b):
    """Two normals of each pair of 32-bit words, a for the radius and b for the direction.

    Args:
        a: (count,) uint32, count a multiple of 16.
        b: (count,) uint32.

    Returns:
        Two arrays (count,) of float64: by the cosine, by the sine.
    """
    # Of 64-bit words the low halves become lanes 0–7, the high ones lanes 8–15
    words = np.stack([np.ascontiguousarray(half).view(np.uint64).reshape(-1, LANES) for half in (a, b)], axis=1)
    normals = np.empty((len(words), 4, LANES))
    _run(words, normals)
    cosines, sines = normals[:, :2], normals[:, 2:]
    return tuple(np.moveaxis(values, 1, 2).ravel() for values in (cosines, sines))
