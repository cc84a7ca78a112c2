"""A search as a sequence of rounds: what each asks for follows from the request and from stored numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.plan import intervals
from pipeline.request import Aim, Search, Space
from pipeline.search.proposing import Estimates, Goal, Models, best, fitted, of_means, of_shares, proposals, region

_RIDGE = 3.0
"""How much longer than wide a region is that is called a ridge."""
_CONFIRMED = 5
"""A fifth of the ensembles are computed at the place that was found, and tell its value alone."""

Point = tuple[Any, ...]


class Known(NamedTuple):
    """What is stored of a point."""

    numbers: np.ndarray
    """(member,) what the estimand averages: NaN for members that diverged, or 0 of a share."""
    diverged: int
    """How many of the members did."""


class Round(NamedTuple):
    """What is asked for at once."""

    kind: Literal["start", "explore", "confirm"]
    points: list[Point]
    members: list[int]
    """Of each point, those it has already among them."""
    models: list[list[float]]
    """Parameters that were fitted, from which the next round starts."""
    fresh: int = 0
    """Of a place that was found, how many members tell its value: the last ones."""


class Found(NamedTuple):
    """How a search ended."""

    point: Point
    estimate: float
    low: float
    high: float
    """Of its value, by fresh members alone."""
    members: int
    """That these were."""
    inside: list[Point]
    """The region that holds the optimum with 95 %, as candidates."""
    share: float
    """Of the volume of the ranges that the region has."""
    shape: Literal["point", "ridge"]


def next_round(
    search: Search,
    space: Space,
    kind: Literal["mean", "fraction"],
    known: Mapping[Point, Known],
    rounds: Sequence[Round],
    candidates: Sequence[Point],
    members: int,
) -> Round | Found:
    """What a search asks for next.

    Args:
        search: the request.
        space: the ranges.
        kind: of the estimand.
        known: what is stored, point by point: all that was asked for.
        rounds: those there were.
        candidates: points that may be proposed.
        members: of an ensemble.

    Returns:
        The next round or, where the budget is spent or the place known well enough, what was found.
    """
    spent = sum(len(one.points) for one in rounds if one.kind != "confirm")
    confirming = [one for one in rounds if one.kind == "confirm"]
    models = _models(space, kind, known, rounds)
    goal, cube = _goal(search), space.places(candidates)
    to_explore = search.points - search.points // _CONFIRMED
    if confirming:
        return _found(search, space, kind, known, confirming[-1], models, candidates)
    if spent < to_explore and not _is_located(search, models, goal, cube):
        count = min(search.round, to_explore - spent)
        chosen = proposals(models, goal, space.places(list(known)), cube, count)
        points = [list(known)[k] if is_known else candidates[k] for is_known, k in chosen]
        asked = {point: points.count(point) * members + _stored(known, point) for point in points}
        return Round("explore", list(asked), list(asked.values()), _parameters(models))
    point = candidates[best(models, goal, cube)]
    fresh = max(search.points - spent, search.points // _CONFIRMED) * members
    return Round("confirm", [point], [_stored(known, point) + fresh], _parameters(models), fresh)


def _stored(known: Mapping[Point, Known], point: Point) -> int:
    return len(known[point].numbers) if point in known else 0


def _goal(search: Search) -> Goal:
    if isinstance(search.goal, Aim):
        return Goal("target", search.goal.target, search.diverged)
    return Goal(search.goal, most_diverged=search.diverged)


def _models(space: Space, kind: str, known: Mapping[Point, Known], rounds: Sequence[Round]) -> Models:
    estimates: Estimates = (of_shares if kind == "fraction" else of_means)([one.numbers for one in known.values()])
    diverged = np.array([one.diverged for one in known.values()])
    totals = np.array([len(one.numbers) for one in known.values()])
    return fitted(space.places(list(known)), estimates, diverged, totals, rounds[-1].models if rounds else ())


def _parameters(models: Models) -> list[list[float]]:
    """Four digits: what machines agree about."""
    fits = [models.value] + ([models.diverged] if models.diverged is not None else [])
    return [[float(f"{value:.4g}") for value in fit.kernel.theta] for fit in fits]


def _is_located(search: Search, models: Models, goal: Goal, cube: np.ndarray) -> bool:
    return search.place is not None and bool(region(models, goal, cube, 0).inside.mean() <= search.place)


def _found(
    search: Search,
    space: Space,
    kind: str,
    known: Mapping[Point, Known],
    confirm: Round,
    models: Models,
    candidates: Sequence[Point],
) -> Found:
    import xarray  # half a second to import

    (point,), (total,) = confirm.points, confirm.members
    fresh = known[point].numbers[total - confirm.fresh : total]
    values = xarray.DataArray(fresh, dims="member")
    share = kind == "fraction"
    value = intervals.fraction(values == 1, values.notnull()) if share else intervals.mean(values)
    estimate, low, high = (float(value[name]) for name in ("estimate", "low", "high"))
    cube = space.places(candidates)
    inside = region(models, _goal(search), cube, 0).inside
    spread = np.cov(cube[inside].T) if inside.sum() > len(space.ranges) else np.zeros((len(space.ranges),) * 2)
    extents = np.sqrt(np.maximum(np.linalg.eigvalsh(np.atleast_2d(spread)), 0))
    is_ridge = len(extents) > 1 and extents[-1] > _RIDGE * max(extents[0], 1e-12) and extents[-1] > 0.05
    return Found(
        point, estimate, low, high, int(np.isfinite(fresh).sum()),
        [candidates[k] for k in np.flatnonzero(inside).tolist()],
        float(inside.mean()),
        "ridge" if is_ridge else "point",
    )  # fmt: skip
