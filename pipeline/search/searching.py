"""A search as a sequence of rounds: what each asks for follows from the request and from stored numbers alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

from pipeline.plan import Found, Record, Round
from pipeline.request import Aim, Point, Search, Space
from pipeline.search.gaussian import Model
from pipeline.search.proposing import Estimates, Goal, Models, best, fitted, proposals, region

_RIDGE = 3.0
"""How much longer than wide a region is that is called a ridge."""
_CONFIRMED = 5
"""A fifth of the ensembles are computed at the place that was found, and tell its value alone."""


class Data(NamedTuple):
    """What is known of candidates, in the order of `points`."""

    points: list[Point]
    members: np.ndarray
    """That count of each."""
    diverged: np.ndarray
    """How many did."""
    among: np.ndarray
    """Of how many, over all points of a candidate."""
    estimates: Estimates
    judged: list[tuple[float, float]]
    """By an objective of one's own, value and standard error of each; else none."""
    wanted: Sequence[Point] = ()
    """Points, with a value of every axis, that the objective asks for before it gives values."""


class Value(NamedTuple):
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float
    members: int
    """That count."""


def next_round(
    search: Search, space: Space, data: Data, record: Record, members: int, common: bool
) -> Round | None:
    """What a search asks for next.

    Args:
        search: the request.
        space: the ranges.
        data: what is stored of the candidates of `record`.
        record: of the search so far.
        members: of an ensemble.
        common: whether members have the same noise everywhere, so that fresh ones are those that no point has.

    Returns:
        The next round; None after the place was confirmed, if the budget is spent or the place known well enough.
    """
    models, goal = _models(search, space, data, record, common), _goal(search)
    candidates = space.candidates()
    cube = space.places(candidates)
    left, fresh = _shared_out(search, record)
    is_located = left > 0 and _is_located(search, space, models, goal, cube)
    if record.rounds[-1].kind == "confirm" and (left <= 0 or is_located):
        return None
    near = space.around(cube[best(models, goal, cube)])
    stored, parameters = dict(zip(data.points, data.members.tolist(), strict=True)), _parameters(models)
    if left > 0 and not is_located:
        candidates += near
        count, places = min(search.round, left), space.places(data.points)
        chosen = proposals(models, goal, places, space.places(candidates), count, len(record.rounds))
        points = [data.points[k] if is_known else candidates[k] for is_known, k in chosen]
        asked = {point: points.count(point) * members + stored.get(point, 0) for point in points}
        return Round("explore", list(asked), list(asked.values()), parameters, count)
    point = near[best(models, goal, space.places(near))]
    ensembles = fresh if is_located else max(search.points - record.spent, fresh)
    before = max(stored.values()) if common else stored.get(point, 0)
    return Round("confirm", [point], [before + ensembles * members], parameters, ensembles, ensembles * members)


def _shared_out(search: Search, record: Record) -> tuple[int, int]:
    """How many of the ensembles that are left are for exploring, and how many for the place that is found.

    A fifth of all for that or, of a budget that was raised after a place was found, half of what was added.
    """
    ends = [k for k, one in enumerate(record.rounds, start=1) if one.kind == "confirm"]
    before = sum(one.ensembles for one in record.rounds[: ends[-1]]) if ends else 0
    fresh = max(1, min(search.points // _CONFIRMED, -(-(search.points - before) // 2)))
    return search.points - record.spent - fresh, fresh


def conclusion(search: Search, space: Space, data: Data, record: Record, value: Value, common: bool) -> Found:
    """What a search found.

    Args:
        search: the request.
        space: the ranges.
        data: what is stored of the candidates of `record`.
        record: of the search, its last round a confirmation.
        value: of the place, by its fresh members.
        common: as of `next_round`.

    Returns:
        The place with its region.
    """
    candidates = space.candidates()
    cube = space.places(candidates)
    inside = region(_models(search, space, data, record, common), _goal(search), cube, space.step, 0)
    (point,) = record.rounds[-1].points
    at = data.points.index(point)
    return Found(
        dict(zip(space.ranges, point, strict=True)),
        *value,
        region=[candidates[k] for k in np.flatnonzero(inside).tolist()],
        share=float(inside.mean()),
        shape="ridge" if _is_ridge(cube[inside], space.step) else "point",
        diverged=float(data.diverged[at] / data.among[at]),
    )


def _is_ridge(places: np.ndarray, step: np.ndarray) -> bool:
    """Whether places (place, axis), the largest part of them that hangs together, extend along a line."""
    if places.shape[1] == 1:
        return False
    gaps = [np.diff(np.unique(column)).min(initial=1.0) for column in places.T]
    reach = 1.01 * np.where(step > 0, step, gaps) + 1e-9
    touching = (np.abs(places[:, None] - places) <= reach).all(axis=-1)
    _, parts = connected_components(touching, directed=False)
    places = places[parts == np.bincount(parts).argmax()]
    if len(places) <= places.shape[1]:
        return False
    extents = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T)), 0))
    return bool(extents[-1] > max(_RIDGE * extents[0], 0.05))


def _goal(search: Search) -> Goal:
    if isinstance(search.goal, Aim):
        return Goal("target", search.goal.target, search.diverged)
    return Goal(search.goal, most_diverged=search.diverged)


def _models(search: Search, space: Space, data: Data, record: Record, common: bool) -> Models:
    start = record.rounds[-1].models
    return fitted(
        _goal(search), space.places(data.points), data.estimates, data.diverged, data.among, start, common
    )


def _parameters(models: Models) -> list[list[float]]:
    """Four digits: what machines agree about."""
    fits: Sequence[Model | None] = (models.value, models.diverged)
    return [[float(f"{value:.4g}") for value in fit.kernel.theta] for fit in fits if fit is not None]


def _is_located(search: Search, space: Space, models: Models, goal: Goal, cube: np.ndarray) -> bool:
    return search.place is not None and bool(region(models, goal, cube, space.step, 0).mean() <= search.place)
