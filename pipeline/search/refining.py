"""Refinement: more points where an estimate changes or curves most, for its uncertainty.

One axis is cut into intervals, two into the triangles of Delaunay. An edge between two points is worth its length times
what surely curves beside it and, for less, what surely changes along it, as a share of the range of all values; and a
little for its length alone, as nobody knows what is between two points that are alike.
"""

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from pipeline.request import Point, Space

ROUND = 4
"""Points that are computed side by side."""
_FOR_CHANGE, _FOR_LENGTH = 0.5, 0.01
"""Of what curves: a straight slope needs few points, but may hide a step."""


class Edge(NamedTuple):
    """Between two points that are next to each other."""

    ends: tuple[int, int]
    opposite: tuple[tuple[int, ...], ...]
    """Of each simplex that it belongs to, the other corners; of an interval, the next points beyond its ends."""


def refined(
    space: Space, points: list[Point], values: np.ndarray, errors: np.ndarray, count: int, resolution: float
) -> list[Point]:
    """Where to add points.

    Args:
        space: the ranges of one axis or two.
        points: that are known.
        values: (point,) estimates; NaN: unknown.
        errors: (point,) their standard errors.
        count: of points that are wanted.
        resolution: least distance of points along an axis, as a share of its range.

    Returns:
        New points, halfway between known ones; fewer where the resolution is reached.
    """
    known, places, found = set(points), space.places(points), list[Point]()
    for _ in range(count):
        chosen = _next(space, places, values, errors, resolution, lambda point: point not in known)
        if chosen is None:
            break
        point, (first, second) = chosen
        found.append(point)
        known.add(point)
        places = np.concatenate([places, space.places([point])])
        values = np.append(values, (values[first] + values[second]) / 2)
        errors = np.append(errors, np.hypot(errors[first], errors[second]) / 2)
    return found


def _next(
    space: Space,
    places: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    resolution: float,
    is_new: Callable[[Point], bool],
) -> tuple[Point, tuple[int, int]] | None:
    """The middle of the edge that is worth most, and its ends; None if there is none to be cut."""
    edges = _intervals(places[:, 0]) if places.shape[1] == 1 else _edges(places)
    worth = np.array([_worth(edge, places, values, errors) for edge in edges], dtype=float)
    for k in np.argsort(-worth, kind="stable").tolist():
        first, second = edges[k].ends
        if np.abs(places[first] - places[second]).max() <= resolution:
            continue
        (point,) = space.points((places[[first]] + places[[second]]) / 2)
        if is_new(point) and space.admits(point):
            return point, (first, second)
    return None


def _intervals(places: np.ndarray) -> list[Edge]:
    order = np.argsort(places).tolist()
    return [
        Edge((first, second), tuple((other,) for other in (*order[max(k - 1, 0) : k], *order[k + 2 : k + 3])))
        for k, (first, second) in enumerate(pairwise(order))
    ]


def _edges(places: np.ndarray) -> list[Edge]:
    from scipy.spatial import Delaunay, QhullError

    opposite = dict[tuple[int, int], list[tuple[int, ...]]]()
    try:  # jogged, as grids have no unique triangles
        simplices = Delaunay(places, qhull_options="QJ Pp").simplices.tolist()
    except QhullError:  # fewer than three points, or all in a line
        return []
    for simplex in simplices:
        for ends in combinations(sorted(simplex), 2):
            opposite.setdefault(ends, []).append(tuple(set(simplex) - set(ends)))
    return [Edge(ends, tuple(others)) for ends, others in sorted(opposite.items())]


def _worth(edge: Edge, places: np.ndarray, values: np.ndarray, errors: np.ndarray) -> float:
    first, second = edge.ends
    length = float(np.linalg.norm(places[first] - places[second]))
    extent = float(np.nanmax(values) - np.nanmin(values)) if np.isfinite(values).any() else 0.0
    if not extent or not np.isfinite(values[[first, second]]).all():
        return _FOR_LENGTH * length
    change = _surely(np.array([1.0, -1.0]), [first, second], values, errors)
    curvature = max((_bend(edge, others, places, values, errors) for others in edge.opposite), default=0.0)
    return length * ((_FOR_CHANGE * change + curvature) / extent + _FOR_LENGTH)


def _bend(
    edge: Edge, others: tuple[int, ...], places: np.ndarray, values: np.ndarray, errors: np.ndarray
) -> float:
    """By how much the values at a simplex surely depart from those beside the edge, continued linearly."""
    beside = [corners for corners in edge.opposite if corners != others]
    if places.shape[1] == 1:
        corners, at = [*edge.ends], others[0]
    elif beside:
        corners, at = [*edge.ends, *beside[0]], others[0]
    else:
        return 0.0
    lifted = np.vstack([places[corners].T, np.ones(len(corners))])
    try:
        weights = np.linalg.solve(lifted, np.append(places[at], 1.0))
    except np.linalg.LinAlgError:  # three points in a line
        return 0.0
    largest = np.abs(weights).max()
    return _surely(np.append(weights, -1.0) / max(largest, 1.0), [*corners, at], values, errors)


def _surely(weights: np.ndarray, at: list[int], values: np.ndarray, errors: np.ndarray) -> float:
    """How far a sum of weighted values is from 0, its standard error taken off."""
    total, error = weights @ values[at], np.sqrt(weights**2 @ errors[at] ** 2)
    return max(0.0, abs(float(total)) - float(error)) if np.isfinite(total) else 0.0
