"""The blocks of the benchmark `small_blocks`: what every contestant computes, by this very function.

This file imports nothing of the project, as every contestant's workers import it.
"""

import numpy as np

MEMBERS = 8
"""Members a block."""
LENGTH = 251
SERIES = ("first", "second", "third")
BLOCKS = 8
"""Blocks a point, unless the benchmark is told otherwise."""
BYTES = 8 * MEMBERS * (len(SERIES) * LENGTH + 1)
"""Bytes of numbers a block."""


def block(level, seed, members):
    """Some members of a point: random series, and one number that tells whether they are the right ones.

    Args:
        level: the value of the point on the axis.
        seed: of the point.
        members: (member,) member numbers.

    Returns:
        The series, (member, record), uniform in [0, 1), and `mark` (member,): the level plus the mean of the series.
    """
    keys = [np.array([seed, member], dtype=np.uint64) for member in members]
    shape = len(SERIES), LENGTH
    numbers = np.stack([np.random.Generator(np.random.Philox(key=key)).random(shape) for key in keys], axis=1)
    return {**dict(zip(SERIES, numbers, strict=True)), "mark": level + numbers.mean(axis=(0, 2))}


def numbered(level, number):
    """A block by its number, for contestants that have no seeds of their own."""
    return block(level, 1 + level, np.arange(MEMBERS * number, MEMBERS * (number + 1)))


def are_right(level, values):
    """Whether these are the numbers of members of a point.

    Args:
        level: the value of the point.
        values: what `block` gave, read back from a disk.

    Returns:
        Whether shapes and marks are as they should be.
    """
    series = np.stack([np.asarray(values[name], dtype=float) for name in SERIES])
    expected = level + series.mean(axis=(0, 2))
    return series.shape[2] == LENGTH and np.allclose(values["mark"], expected, rtol=0, atol=1e-9)
