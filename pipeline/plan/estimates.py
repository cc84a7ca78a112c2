"""Estimates over the members of a Dataset, with their intervals."""

import json
from collections.abc import Mapping
from typing import Any

import xarray

from pipeline.errors import RequestError
from pipeline.plan import intervals
from pipeline.store import settings_of
from pipeline.systems import COMPUTED, MISSING, Estimand, System, find_or_loaded


def table(dataset: xarray.Dataset, of: str, confidence: float = intervals.CONFIDENCE) -> xarray.Dataset:
    """The estimate of an estimand at every point of a stored sweep, with its interval.

    Args:
        dataset: from `pipeline.run` or `pipeline.open_sweep`, or a selection of it that keeps `member`, `status`
            and the
            variables of the estimand.
        of: a mean or median of a scalar variable (`name`, `median_name`), or another estimand of the system.
        confidence: of the intervals. Default: 0.95.

    Returns:
        `estimate`, `low`, `high` and `count`, over the axes: of members that did not diverge or, for a share, of
            all
        that were computed.

    Raises:
        RequestError: there is no such estimand, or no such system.
    """
    kind, values = estimand_of(dataset, of).kind, by_member(dataset, of)
    if kind == "fraction":
        return intervals.fraction(values == 1, values.notnull(), confidence=confidence)
    interval = intervals.mean if kind == "mean" else intervals.median
    return interval(values, confidence=confidence)


def estimand_of(dataset: xarray.Dataset, of: str) -> Estimand:
    """An estimand of the system of a dataset.

    Args:
        dataset: as of `table`.
        of: its name.

    Returns:
        The estimand.

    Raises:
        RequestError: there is no such estimand, or no such system.
    """
    system = find_or_loaded(dataset.attrs["system"])
    if of not in system.all_estimands:
        raise RequestError([f"of: expected one of {', '.join(system.all_estimands)}, got {of!r}"])
    return system.all_estimands[of]


def by_member(dataset: xarray.Dataset, of: str) -> xarray.DataArray:
    """What an estimand averages, member by member.

    Args:
        dataset: as of `table`.
        of: an estimand.

    Returns:
        Numbers, NaN for members that diverged or are missing; of a share 1 for those with the property, else 0, and
        NaN for those that are missing alone.

    Raises:
        RequestError: there is no such estimand, or no such system.
    """
    estimand = estimand_of(dataset, of)
    values = _of_members(dataset, find_or_loaded(dataset.attrs["system"]), estimand)
    status = dataset["status"].compute()
    if estimand.kind == "fraction":
        return (values & (status == COMPUTED)).astype(float).where(status != MISSING)
    return values.where(status == COMPUTED)


def _of_members(dataset: xarray.Dataset, system: System, estimand: Estimand) -> xarray.DataArray:
    """What an estimand says of every member: by whole arrays, settings that are swept as arrays along their axes."""
    settings: Mapping[str, Any] = settings_of(dataset)
    if absent := [name for name in (*estimand.variables, "status") if name not in dataset]:
        raise RequestError([f"of: expected {', '.join(absent)} in the dataset, got it without"])
    swept = {axis: system.coordinate_of(axis) for axis in json.loads(dataset.attrs["axes"])}
    left = {axis: dataset[name] for axis, name in swept.items() if name in dataset.coords}
    try:
        values = estimand.of_members({name: dataset[name] for name in estimand.variables}, {**settings, **left})
    except KeyError as missing:
        raise RequestError([f"of: expected {missing} in the dataset; select without drop=True"]) from missing
    assert isinstance(values, xarray.DataArray)
    return values.compute()  # of Dask arrays too: estimates of scalars are small
