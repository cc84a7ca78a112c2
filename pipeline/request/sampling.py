"""How axes combine to points: grids, pairs, and designs drawn within ranges."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import RequestError
from pipeline.request.config import MOST_POINTS, Config, rounded
from pipeline.request.messages import frozen
from pipeline.request.whole import TOLERANCE
from pipeline.schema import kind_of
from pipeline.systems import System

SCRAMBLINGS = 8
"""Independent designs that a Sobol sample is made of; intervals of indices come from their differences."""


class Range(NamedTuple):
    """Where the values of an axis are drawn."""

    low: float
    high: float
    logarithmic: bool
    """Whether evenly in the logarithm."""
    step: float | str | None
    """Values are multiples of it, or of the axis that it names; None: any."""

    def at(self, share: np.ndarray) -> np.ndarray:
        """Values at shares 0 … 1 of the way from the least to the greatest, steps aside.

        Args:
            share: of any shape.

        Returns:
            Of the same shape.
        """
        if self.logarithmic:
            return np.asarray(np.exp(np.log(self.low) + share * (np.log(self.high) - np.log(self.low))))
        return np.asarray(self.low + share * (self.high - self.low))

    def share(self, values: np.ndarray) -> np.ndarray:
        """How far values are on the way from the least to the greatest: the inverse of `at`.

        Args:
            values: of any shape, within the range.

        Returns:
            Of the same shape.
        """
        if self.high == self.low:
            return np.full(np.shape(values), 0.5)
        if self.logarithmic:
            return np.asarray((np.log(values) - np.log(self.low)) / (np.log(self.high) - np.log(self.low)))
        return np.asarray((values - self.low) / (self.high - self.low))

    @property
    def digits_beside(self) -> int:
        """Digits that all values have in common, as those from 1000 to 1001 have: no digits to tell them apart."""
        apart, size = self.high - self.low, max(abs(self.low), abs(self.high))
        return max(0, math.floor(math.log10(size / apart))) if 0 < apart < size else 0


class Design(NamedTuple):
    """A sample for sensitivity indices: rows of two random matrices A and B and of their mixtures.

    Source: Saltelli et al., Comput. Phys. Commun. 181 (2010), 259.
    """

    ranges: Mapping[str, Range]
    points: int
    """Rows of A: a power of two, over all scramblings."""
    seed: int

    def as_json(self) -> str:
        """The design as a text, for attributes of a dataset."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> "Design":
        """The design that `as_json` made a text of.

        Args:
            text: of a dataset's attributes.

        Returns:
            The design.
        """
        told = json.loads(text)
        return cls(**{**told, "ranges": {name: Range(*range_) for name, range_ in told["ranges"].items()}})

    def rows(self) -> np.ndarray:
        """The points.

        Scrambled Sobol sequences, so that the first rows are the same whatever the number of points.

        Returns:
            (row, scrambling, matrix, axis) swept values. Matrices: A, B and, for every axis, A with that column of B.
        """
        from scipy.stats import qmc  # half a second to import, and few sweeps need it

        axes = len(self.ranges)
        generators = (np.random.default_rng([self.seed, k]) for k in range(SCRAMBLINGS))
        unit = np.stack(
            [qmc.Sobol(2 * axes, rng=generator).random(self.points // SCRAMBLINGS) for generator in generators], 1
        )
        first, second = unit[..., :axes], unit[..., axes:]
        mixed = np.where(np.eye(axes, dtype=bool), second[..., None, :], first[..., None, :])
        shares = np.concatenate([first[..., None, :], second[..., None, :], mixed], -2)
        columns = dict(zip(self.ranges, np.moveaxis(shares, -1, 0).reshape(axes, -1), strict=True))
        return np.stack(on_steps(self.ranges, columns), -1).reshape(shares.shape)


def combine(
    axes: Sequence[str], values: list[list[Any]], config: Config, system: System, design: Design | None
) -> list[tuple[Any, ...]]:
    """Points from the axes' values, in the order in which they are asked for.

    Args:
        axes: their names.
        values: of each axis; the ends of a range suffice where points are drawn.
        config: the request.
        system: of the sweep.
        design: of the request, from `design_of`.

    Returns:
        Swept values, in the order of the axes; not checked yet.

    Raises:
        RequestError: they don't combine.
    """
    sampling = config.sampling
    if sampling.method == "refine":
        return _coarse(config, system)
    if sampling.method == "product":
        thinned = _thinned([list(map(frozen, column)) for column in values], sampling.points)
        if (count := math.prod(map(len, thinned))) > MOST_POINTS:
            raise RequestError([f"axes: expected at most {MOST_POINTS} points, got {count}; ask for fewer values"])
        return list(product(*thinned))
    _refuse_no_axes(config)
    if sampling.method == "zip":
        lengths = {name: len(column) for name, column in zip(axes, values, strict=True)}
        if len(set(lengths.values())) > 1:
            raise RequestError([f"axes: sampling zip needs axes of equal length, got {lengths}"])
        return list(zip(*(map(frozen, column) for column in values), strict=True))
    if design is not None:
        return list(dict.fromkeys(map(tuple, design.rows().reshape(-1, len(axes)).tolist())))
    return _latin_hypercube(ranges_of(config, system), _number_of_points(config), config.ensemble.seed)


def _coarse(config: Config, system: System) -> list[tuple[Any, ...]]:
    """The grid from which a refinement starts, on the steps of whole settings; thinned with +scale=quick."""
    columns = []
    for name, within in ranges_of(config, system).items():
        axis = config.axes[name]
        if axis.values is not None:
            columns.append(axis.spread())
            continue
        if isinstance(within.step, str):
            raise RequestError(
                [
                    f"axes.{within.step}: expected to be fixed with refine, as {name} is a multiple of it; got an axis"
                ]
            )
        assert axis.num is not None
        (column,) = on_steps({name: within}, {name: np.linspace(0, 1, axis.num)}, digits=4)
        columns.append(list(dict.fromkeys(column.tolist())))
    for name, values in zip(config.axes, columns, strict=True):
        if len(values) < 2:
            raise RequestError([f"axes.{name}: expected two values or more, to refine between, got {len(values)}"])
    points, most = math.prod(map(len, columns)), config.sampling.points
    if most is not None and points > most and not config.shrunk:
        raise RequestError([f"sampling.points: expected more than the {points} of the coarse grid, got {most}"])
    return list(product(*(_thinned(columns, most) if config.shrunk else columns)))


def _refuse_no_axes(config: Config) -> None:
    if not config.axes:
        raise RequestError([f"sampling.method: {config.sampling.method} needs axes, got none"])


def _number_of_points(config: Config) -> int:
    """How many are to be drawn."""
    if config.sampling.points is None:
        raise RequestError([f"sampling.points: missing; {config.sampling.method} needs the number of points"])
    return config.sampling.points


def design_of(config: Config, system: System) -> Design | None:
    """The design of a request for sensitivity indices.

    Args:
        config: a checked request.
        system: of the sweep.

    Returns:
        The design; None if points are chosen otherwise.

    Raises:
        RequestError: there are no axes to draw in, or not as many points as a design has.
    """
    if config.sampling.method != "sobol":
        return None
    _refuse_no_axes(config)
    points, axes = _number_of_points(config), len(config.axes)
    if config.shrunk and points < 2 * SCRAMBLINGS:
        points = 2 * SCRAMBLINGS  # +scale=quick has a number that suits a grid
    if points < 2 * SCRAMBLINGS or points & (points - 1):
        raise RequestError(
            [f"sampling.points: expected a power of two from {2 * SCRAMBLINGS} on with sobol, got {points}"]
        )
    if (count := points * (axes + 2)) > MOST_POINTS:
        raise RequestError(
            [
                f"sampling.points: expected at most {MOST_POINTS} points in all, got {count}, {points} × ({axes} axes "
                "+ 2); ask for fewer"
            ]
        )
    ranges = ranges_of(config, system)
    for name, range_ in ranges.items():
        if isinstance(range_.step, str):
            raise RequestError(
                [
                    f"axes.{range_.step}: expected to be fixed with sobol, as {name} is a multiple of it; got an axis"
                ]
            )
    return Design(ranges, points, config.ensemble.seed)


def ranges_of(config: Config, system: System, names: Sequence[str] | None = None) -> dict[str, Range]:
    """The ranges of axes, in which points are drawn.

    Logarithmic if `scale` says so or, where it is not given, if all values are positive and span a factor of ten.

    Args:
        config: a checked request.
        system: of the sweep.
        names: of the axes. Default: all.

    Returns:
        Axis → range.

    Raises:
        RequestError: an axis has labels, or values on a log scale that are not above 0.
    """
    kinds = {name: kind_of(system.settings, name) for name in (config.axes if names is None else names)}
    if labelled := [name for name, kind in kinds.items() if kind == "label"]:
        raise RequestError([f"axes.{name}: expected numbers to sample between, got labels" for name in labelled])
    steps: dict[str, float | str] = {name: 1 for name, kind in kinds.items() if kind == "whole"}
    for name, unit in system.whole.items():
        if unit in config.axes or unit in config.settings:  # else it is not known yet
            steps[name] = unit if unit in config.axes else config.settings[unit]
    ranges = {}
    for name in kinds:
        axis = config.axes[name]
        values = axis.spread()
        low, high = min(values), max(values)
        logarithmic = axis.scale == "log" if axis.scale else low > 0 and high >= 10 * low
        if logarithmic and low <= 0:
            raise RequestError([f"axes.{name}: expected values above 0 on a log scale, got {low:.12g}"])
        ranges[name] = Range(low, high, logarithmic, steps.get(name))
    return ranges


def _thinned(values: list[list[Any]], most: int | None) -> list[list[Any]]:
    """Each axis cut to evenly spread values, ends kept, until the grid has at most `most` points."""
    if most is None or not values:
        return values
    lengths = range(max(map(len, values)), 1, -1)
    fits = (length for length in lengths if math.prod(min(length, len(column)) for column in values) <= most)
    longest = next(fits, 1)
    return [
        [
            column[k]
            for k in np.unique(np.linspace(0, len(column) - 1, min(longest, len(column))).round().astype(int))
        ]
        for column in values
    ]


def _latin_hypercube(ranges: Mapping[str, Range], points: int, seed: int) -> list[tuple[Any, ...]]:
    """Points that stratify every axis between its least and its greatest value."""
    from scipy.stats import qmc  # half a second to import, and few sweeps need it

    unit = qmc.LatinHypercube(d=len(ranges), rng=np.random.default_rng(seed)).random(points)
    drawn = on_steps(ranges, dict(zip(ranges, unit.T, strict=True)), apart=True)
    return list(zip(*(column.tolist() for column in drawn), strict=True))


def on_steps(
    ranges: Mapping[str, Range], shares: Mapping[str, np.ndarray], *, apart: bool = False, digits: int = 12
) -> list[np.ndarray]:
    """Values at shares of the ranges, on the steps of those that have some.

    Args:
        ranges: of the axes.
        shares: axis → (point,) 0 … 1 of the way from the least to the greatest.
        apart: whether values on steps are different ones, if there are enough. Default: no.
        digits: of values. Default: 12, what tells points apart.

    Returns:
        (point,) values of every axis.

    Raises:
        RequestError: a range has no multiple of its step.
    """
    drawn = dict[str, np.ndarray]()
    for name in sorted(ranges, key=lambda name: isinstance(ranges[name].step, str)):  # after the axis of its step
        within, of = ranges[name], ranges[name].step
        sampled = within.at(shares[name])
        if of is None:
            few = min(digits + within.digits_beside, 12)
            sampled = np.clip([float(f"{value:.{few}g}") for value in sampled], within.low, within.high)
        else:
            step = np.abs(drawn[of] if isinstance(of, str) else of)
            sampled = _whole_steps(name, sampled, within, step, apart)
        drawn[name] = np.array([rounded(value) for value in sampled])
    return [drawn[name] for name in ranges]


def _whole_steps(name: str, sampled: np.ndarray, within: Range, step: np.ndarray, apart: bool) -> np.ndarray:
    """Multiples of a step, () or (point,), near sampled values (point,) and within their range.

    With `apart` they are different ones if the step is the same for all and there are enough.
    """
    low, high = within.low, within.high
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = low / step, high / step
        least, most = np.ceil(first - TOLERANCE * abs(first)), np.floor(last + TOLERANCE * abs(last))
    none = ~(np.isfinite(most) & (least <= most))
    if none.any():
        of = f"{np.atleast_1d(step)[np.atleast_1d(none)][0]:.12g} from {low:.12g} to {high:.12g}"
        raise RequestError([f"axes.{name}: expected a range that has multiples of its step, got none of {of}"])
    counts = np.clip(np.rint(sampled / step), least, most)
    if apart and step.ndim == 0 and len(counts) <= most - least + 1:
        counts = _moved_apart(counts, sampled, float(most))
    whole: np.ndarray = counts * step
    return whole


def _moved_apart(counts: np.ndarray, sampled: np.ndarray, most: float) -> np.ndarray:
    """Whole numbers in the order of what was sampled, those that are equal moved up, or down below the greatest."""
    order, ranks, apart = np.argsort(sampled), np.arange(len(counts)), np.empty_like(counts)
    upward = np.maximum.accumulate(counts[order] - ranks) + ranks
    apart[order] = np.minimum(upward, most - ranks[::-1])
    return apart
