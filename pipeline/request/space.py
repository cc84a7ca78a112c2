"""The ranges of the axes as a unit cube."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from pipeline.request.sampling import Range, on_steps

_DIGITS = 4
"""Of what is proposed: more would differ between machines, and say no more."""
_MOST_CANDIDATES = 2048
_SIDE = {1: 257, 2: 41, 3: 13}
"""Candidates along a side, by the number of axes; with more axes they are spread by a Sobol sequence."""


class Space(NamedTuple):
    """The ranges in which a place is looked for."""

    ranges: Mapping[str, Range]
    whole: frozenset[str] = frozenset()
    """Axes of integers."""

    def places(self, points: Sequence[Sequence[float]]) -> np.ndarray:
        """Where points are.

        Args:
            points: swept values, in the order of the axes.

        Returns:
            (point, axis) in the unit cube.
        """
        columns = np.array(points, dtype=float).reshape(len(points), len(self.ranges)).T
        return np.stack([of.share(column) for of, column in zip(self.ranges.values(), columns, strict=True)], 1)

    def points(self, places: np.ndarray) -> list[tuple[Any, ...]]:
        """Points of four digits, on the steps of whole settings, near some places.

        Args:
            places: (place, axis) in the unit cube.

        Returns:
            Swept values, in the order of the axes.
        """
        columns = on_steps(self.ranges, dict(zip(self.ranges, places.T, strict=True)), digits=_DIGITS)
        typed = (
            column.astype(int) if name in self.whole else column
            for name, column in zip(self.ranges, columns, strict=True)
        )
        return list(zip(*(column.tolist() for column in typed), strict=True))

    def candidates(self) -> list[tuple[Any, ...]]:
        """Points among which the next ones are chosen: evenly spread, each once."""
        axes = len(self.ranges)
        if axes in _SIDE:
            unit = np.array(list(product(np.linspace(0, 1, _SIDE[axes]), repeat=axes)))
        else:
            unit = self._spread(_MOST_CANDIDATES, 0)
        return list(dict.fromkeys(self.points(unit)))

    def start(self, count: int, seed: int) -> list[tuple[Any, ...]]:
        """Points from which a search starts.

        Args:
            count: a power of two.
            seed: of the scrambling.

        Returns:
            Points, each once, at most so many.
        """
        return list(dict.fromkeys(self.points(self._spread(count, seed))))

    def _spread(self, count: int, seed: int) -> np.ndarray:
        from scipy.stats import qmc

        return qmc.Sobol(len(self.ranges), rng=np.random.default_rng(seed)).random(count)
