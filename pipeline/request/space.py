"""The ranges of the axes as a unit cube."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from pipeline.errors import RequestError
from pipeline.request.checking import settings_model
from pipeline.request.config import Config
from pipeline.request.messages import frozen
from pipeline.request.sampling import Range, on_steps, ranges_of
from pipeline.request.whole import TOLERANCE, not_whole
from pipeline.schema import Kind, kind_of
from pipeline.systems import System, find

START = 16
"""Points from which a search starts."""
_DIGITS = 4
"""Of what is proposed: more would differ between machines, and say no more."""
_MOST_CANDIDATES = 2048
_SIDE, _LEAST_SIDE = {1: 257, 2: 41, 3: 13}, 5
"""Candidates along a side, by the number of axes; with more axes they are spread by a Sobol sequence."""
_FEW_STEPS = 41
"""Whole values of an axis that are all candidates, where they are no more."""
_FINE = 4
"""How many times finer the candidates around a place are than those of the whole space."""


class Space(NamedTuple):
    """The ranges in which a place is looked for."""

    ranges: Mapping[str, Range]
    whole: frozenset[str] = frozenset()
    """Axes of integers."""
    admits: Callable[[tuple[Any, ...]], bool] = lambda point: True
    """Whether a point is within the bounds of the system."""

    @property
    def sides(self) -> list[np.ndarray]:
        """Along each axis (value,) the shares of candidates that are a grid; none where they are spread otherwise."""
        exact = {name: _whole_values(of) for name, of in self.ranges.items()}
        few = math.prod(len(values) for values in exact.values() if values is not None)
        spread = sum(values is None for values in exact.values())
        if len(self.ranges) not in _SIDE or few > _MOST_CANDIDATES:
            return []
        side = min(_SIDE[len(self.ranges)], int((1.25 * _MOST_CANDIDATES / few) ** (1 / max(spread, 1))))
        if spread and side < _LEAST_SIDE:
            return []
        even = np.linspace(0, 1, side)
        return [even if values is None else self.ranges[name].share(values) for name, values in exact.items()]

    @property
    def step(self) -> np.ndarray:
        """(axis,) how far candidates are from each other in the unit cube; 0 where they are all values there are."""
        sides = self.sides
        if not sides:
            return np.full(len(self.ranges), _MOST_CANDIDATES ** (-1 / len(self.ranges)))
        exact = [_whole_values(of) is not None for of in self.ranges.values()]
        return np.array([0.0 if all_ else 1 / (len(side) - 1) for all_, side in zip(exact, sides, strict=True)])

    def places(self, points: Sequence[tuple[Any, ...]]) -> np.ndarray:
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
        sides = self.sides
        return self._distinct(np.array(list(product(*sides))) if sides else self._spread(_MOST_CANDIDATES, 0))

    def around(self, place: np.ndarray) -> list[tuple[Any, ...]]:
        """Points that lie closer together than `candidates`, to the next of those.

        Args:
            place: (axis,) in the unit cube.

        Returns:
            Points, each once.
        """
        if self.sides:
            apart = np.array(list(product(np.linspace(-1, 1, 2 * _FINE + 1), repeat=len(self.ranges))))
        else:
            apart = np.vstack([np.zeros(len(self.ranges)), 2 * self._spread(256, 1) - 1])
        return self._distinct(np.clip(place + apart * self.step, 0, 1))

    def start(self, count: int, seed: int) -> list[tuple[Any, ...]]:
        """Points from which a search starts.

        Args:
            count: a power of two.
            seed: of the scrambling.

        Returns:
            Points, each once, at most so many.
        """
        return self._distinct(self._spread(count, seed))

    def _distinct(self, places: np.ndarray) -> list[tuple[Any, ...]]:
        return [point for point in dict.fromkeys(self.points(places)) if self.admits(point)]

    def _spread(self, count: int, seed: int) -> np.ndarray:
        from scipy.stats import qmc

        return qmc.Sobol(len(self.ranges), rng=np.random.default_rng(seed)).random(count)


def _whole_values(of: Range) -> np.ndarray | None:
    """(value,) all multiples of a range's step in it; None if it has none of its own, or they are many."""
    if not isinstance(of.step, int | float) or (of.high - of.low) / of.step >= _FEW_STEPS:
        return None
    first, last = math.ceil(of.low / of.step - TOLERANCE), math.floor(of.high / of.step + TOLERANCE)
    return of.step * np.arange(first, last + 1.0)


def space_of(config: Config, system: System) -> Space:
    """The ranges in which a request looks for a place.

    Args:
        config: a checked request, of a search.
        system: of the sweep.

    Returns:
        The space, whose points keep to the bounds of the system.

    Raises:
        RequestError: an axis is no range.
    """
    within = {name: config.axes[name].spread()[0] for name in config.within}
    ranges = ranges_of(config, system, [name for name in config.axes if name not in within])
    if empty := [name for name, range_ in ranges.items() if range_.low == range_.high]:
        raise RequestError([f"axes.{name}: expected a range to search in, got a single value" for name in empty])
    for name, range_ in ranges.items():
        if isinstance(range_.step, str):
            raise RequestError(
                [f"axes.{range_.step}: expected to be fixed, as {name}, which is searched, is a multiple of it"]
            )
    model = settings_model(system, config.unknown)

    def admits(point: tuple[Any, ...]) -> bool:
        try:
            settings = model.model_validate({**config.settings, **within, **dict(zip(ranges, point, strict=True))})
        except ValidationError:
            return False
        return next(iter(not_whole(system, settings)), None) is None

    whole = frozenset(name for name in ranges if kind_of(system.settings, name) == "whole")
    return Space(ranges, whole, admits)


def as_kind(value: Any, kind: Kind) -> Any:
    """A swept value as it is stored; + 0.0, as minus zero is the same point as zero and must have its seed.

    Args:
        value: as it was given or checked.
        kind: of its setting.

    Returns:
        A float, an integer or a label.
    """
    if kind == "label":
        return frozen(value)
    return int(value) if kind == "whole" else float(value) + 0.0


def points_of_candidate(config: Config) -> int:
    """How many points a candidate has: one for every combination of the axes that are not searched.

    Args:
        config: a checked request.

    Returns:
        1, unless `search.within` names axes.
    """
    return math.prod(len(config.axes[name].spread()) for name in config.within)


def expanded(config: Config, candidates: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The points of candidates: each with all values of the axes that are not searched.

    Args:
        config: a checked request, of a search.
        candidates: values of the axes that are searched.

    Returns:
        Swept values in the order of the axes, candidate by candidate.
    """
    within = config.within
    searched = [name for name in config.axes if name not in within]
    model = find(config.system).settings
    values = [[as_kind(value, kind_of(model, name)) for value in config.axes[name].spread()] for name in within]
    combinations = [dict(zip(within, combination, strict=True)) for combination in product(*values)]
    return [
        tuple({**dict(zip(searched, candidate, strict=True)), **others}[name] for name in config.axes)
        for candidate in candidates
        for others in combinations
    ]
