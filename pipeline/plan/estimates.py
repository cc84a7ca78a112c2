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
    system = find_or_loaded(dataset.attrs["system"])
    if "status" in dataset:
        dataset = dataset.assign(status=dataset["status"].compute())
    if of not in system.all_estimands:
        raise RequestError([f"of: expected one of {', '.join(system.all_estimands)}, got {of!r}"])
    estimand = system.all_estimands[of]
    values = _of_members(dataset, system, estimand)
    counted = dataset["status"] == COMPUTED
    if estimand.kind == "fraction":
        return intervals.fraction(values & counted, dataset["status"] != MISSING, confidence=confidence)
    interval = intervals.mean if estimand.kind == "mean" else intervals.median
    return interval(values.where(counted), confidence=confidence)


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
