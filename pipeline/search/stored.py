"""What a store holds of the candidates of a search."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray

from pipeline.errors import RequestError
from pipeline.plan import Record, by_member, candidate_of, table
from pipeline.request import Config, Point, Sweep, checked_points, expanded, got, shown
from pipeline.search.proposing import estimates_of, of_means, of_shares, pooled, size_of
from pipeline.search.searching import Data, Value
from pipeline.store import Store, dataset_of
from pipeline.systems import COMPUTED, DIVERGED, MISSING, described_anywhere, function_of, is_function

_SURE = 1.959964
"""Standard errors on both sides of an estimate within which it lies with 95 %."""


def data_of(store: Store, sweep: Sweep, config: Config, record: Record) -> Data:
    """What is stored of the candidates of a search.

    Args:
        store: that holds all that `record` asks for.
        sweep: of the request.
        config: the request, of a search.
        record: of the search.

    Returns:
        What the members say that count: those that were stored as the search began, and those that it asked for.

    Raises:
        RequestError: an objective of one's own raises, or gives something else than a value with a standard error.
    """
    assert config.search is not None
    of, known = config.search.of, record.known
    judged, wanted = list[tuple[float, float]](), list[Point]()
    if is_function(of):
        datasets = [_grid(store, sweep, config, record, point, slice(members)) for point, members in known.items()]
        for candidate, dataset in zip(known, datasets, strict=True):
            value, further = _judged(config, record, candidate, dataset)
            judged.append(value)
            wanted += further
        values, errors = np.array(judged).T
        unit = size_of(values)
        estimates = estimates_of(values / unit, (errors / unit) ** 2, unit)
        status = [dataset["status"].values.ravel() for dataset in datasets]
        status = [states[states != MISSING] for states in status]
    else:
        dataset = _points(store, sweep, list(known), list(known.values()))
        rows = zip(by_member(dataset, of).transpose("point", "member").values, known.values(), strict=True)
        numbers = [row[:members] for row, members in rows]
        is_share = sweep.system.all_estimands[of].kind == "fraction"
        estimates = (of_shares if is_share else of_means)(numbers)
        rows = zip(dataset["status"].transpose("point", "member").values, known.values(), strict=True)
        status = [row[:members] for row, members in rows]
    diverged, among = np.array([[int((states == DIVERGED).sum()), len(states)] for states in status]).T
    return Data(list(known), np.array(list(known.values())), diverged, among, estimates, judged, wanted)


def values_of(store: Store, sweep: Sweep, config: Config, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of the points of a refinement with their standard errors.

    Args:
        store: as of `data_of`.
        sweep: as of `data_of`.
        config: the request, of a refinement.
        record: of the refinement.

    Returns:
        (point,) each: means or shares, and errors that are no 0 where a few members agree by chance.
    """
    of, points = config.sampling.of, list(record.known)
    assert of is not None
    numbers = by_member(_points(store, sweep, points, list(record.known.values())), of)
    rows = list(numbers.transpose("point", "member").values)
    if sweep.system.all_estimands[of].kind == "fraction":
        counts = np.array([np.isfinite(row).sum() for row in rows])
        shares = (np.array([np.nansum(row) for row in rows]) + 0.5) / (counts + 1)
        return shares, np.sqrt(shares * (1 - shares) / (counts + 1))
    means, variances, _ = pooled(rows)
    return means, np.sqrt(variances)


def value_of(store: Store, sweep: Sweep, config: Config, record: Record) -> Value | list[Point]:
    """The value of the place that was found, by its fresh members alone.

    Args:
        store: as of `data_of`.
        sweep: as of `data_of`.
        config: as of `data_of`.
        record: of the search, its last round a confirmation.

    Returns:
        The estimate with its 95 % interval: Student's t of a mean, Wilson's of a share, normal quantiles of an
        objective of one's own. Instead of it, the points that the objective asks for.

    Raises:
        RequestError: as of `data_of`.
    """
    assert config.search is not None
    of, last = config.search.of, record.rounds[-1]
    (point,), (members,) = last.points, last.members
    fresh = slice(members - last.fresh, members)
    if is_function(of):
        (value, error), wanted = _judged(config, record, point, _grid(store, sweep, config, record, point, fresh))
        if wanted:
            return wanted
        return Value(value, value - _SURE * error, value + _SURE * error, last.fresh)
    found = table(_points(store, sweep, [point], [members]).isel(member=fresh), of).isel(point=0)
    return Value(float(found["estimate"]), float(found["low"]), float(found["high"]), int(found["count"]))


def _points(store: Store, sweep: Sweep, points: list[Point], members: list[int]) -> xarray.Dataset:
    """Some points with all their members, in this order; a Dataset of points sorts them."""
    dataset = _laid_out(store, sweep, points, members, "points")
    columns = (dataset[sweep.system.coordinate_of(name)].values.tolist() for name in sweep.axes)
    place = {point: k for k, point in enumerate(zip(*columns, strict=True))}
    return dataset.isel(point=[place[point] for point in points])


def _grid(
    store: Store, sweep: Sweep, config: Config, record: Record, candidate: Point, members: slice
) -> xarray.Dataset:
    """A candidate over the axes that are not searched, some of its members; those of other combinations are missing."""
    further = [point for point in record.further if candidate_of(config, point) == candidate]
    points = list(dict.fromkeys([*expanded(config, [candidate]), *further]))
    dataset = _laid_out(store, sweep, points, [members.stop] * len(points), "grid")
    searched = [sweep.system.coordinate_of(name) for name in config.axes if name not in config.within]
    return dataset.squeeze(searched).isel(member=members).load()


def _laid_out(
    store: Store, sweep: Sweep, points: list[Point], members: list[int], layout: Literal["grid", "points"]
) -> xarray.Dataset:
    rows = store.rows_of(replace(sweep, points=tuple(points)))
    return dataset_of(store, rows, np.array(members), layout, axes=sweep.axes)


def _judged(
    config: Config, record: Record, candidate: Point, dataset: xarray.Dataset
) -> tuple[tuple[float, float], list[Point]]:
    """Value and standard error by an objective of one's own, or the points of the candidate that it asks for.

    NaN if it has no value, or if no member of a point counts.
    """
    assert config.search is not None
    of, nothing = config.search.of, (math.nan, math.nan)
    states = dataset["status"]
    if not ((states == COMPUTED).any("member") | (states == MISSING).all("member")).all():
        return nothing, []
    try:
        given = function_of(of)(dataset)
    except (Exception, SystemExit) as raised:
        raise RequestError([f"search.of: {of}: {described_anywhere(raised)}"]) from raised
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        return nothing, _wanted(config, record, candidate, given)
    try:
        value, error = map(float, given)
    except (TypeError, ValueError):
        raise RequestError(
            [f"search.of: {of}: expected a value and its standard error, or a list of points, got {got(given)}"]
        ) from None
    if math.isnan(value):
        return nothing, []
    if not (math.isfinite(value) and math.isfinite(error) and error >= 0):
        raise RequestError(
            [f"search.of: {of}: expected a finite value and its standard error, or NaN, got {value}, {error}"]
        )
    return (value, error), []


def _wanted(config: Config, record: Record, candidate: Point, given: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The points that an objective asks for, as those of the sweep are."""
    assert config.search is not None
    of, names = f"search.of: {config.search.of}", list(config.within)
    if wrong := [one for one in given if sorted(one) != sorted(names)]:
        raise RequestError([f"{of}: expected points with a value of {', '.join(names)} each, got {got(wrong[0])}"])
    values = iter(candidate)
    base = {name: None if name in names else next(values) for name in config.axes}
    try:
        points = checked_points(config, [tuple({**base, **one}.values()) for one in given])
    except RequestError as error:
        raise RequestError(f"{of} asks for a point that can't be: {fault}" for fault in error.faults) from error
    known = {*expanded(config, [candidate]), *record.further}
    if again := [point for point in points if point in known]:
        told = ", ".join(f"{name}={shown(value)}" for name, value in zip(config.axes, again[0], strict=True))
        raise RequestError([f"{of}: expected a value, as {told}, which it asks for, is there"])
    return points
