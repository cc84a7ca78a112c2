"""Recorded series of an ensemble, for a page on which members can be picked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray

from pipeline.figures import recorded
from pipeline.systems import COMPUTED, DIVERGED

MOST_MEMBERS, MOST_RECORDS = 32, 200
"""That a page holds of a figure."""
_DIGITS = 4


@dataclass(frozen=True)
class Series:
    """A variable of some members along a recorded dimension."""

    name: str
    label: str
    """Of its values, with the unit."""
    along: str
    """Of the dimension, with the unit."""
    x: list[float]
    members: list[dict[str, Any]]
    """`member`, `state`, and `y`, of the length of `x`; None: no value."""
    left_out: str
    """Which members and records are not there, in words."""


def series_of(dataset: xarray.Dataset) -> list[Series]:
    """The recorded series of a store without axes.

    Args:
        dataset: of one point; of another sweep there are none.

    Returns:
        One for each of the variables that are recorded along a dimension.
    """
    if set(dataset["status"].dims) != {"member"}:
        return []
    names = recorded(dataset)
    return [_series(dataset, name, *(str(dim) for dim in dataset[name].dims if dim != "member")) for name in names]


def _series(dataset: xarray.Dataset, name: str, dim: str) -> Series:
    count, records = dataset.sizes["member"], dataset.sizes[dim]
    members = np.arange(min(count, MOST_MEMBERS))
    chosen = np.unique(np.linspace(0, records - 1, min(records, MOST_RECORDS)).round().astype(int))
    values = dataset[name].isel({"member": members, dim: chosen}).transpose("member", dim).values
    states = {COMPUTED: "computed", DIVERGED: "diverged"}
    left_out = [f"the first {len(members)} of {count} members"] if count > len(members) else []
    left_out += [f"{len(chosen)} of {records} records"] if records > len(chosen) else []
    listed = [
        {"member": member, "state": states.get(int(state), "not computed"), "y": list(map(_rounded, row))}
        for member, state, row in zip(
            members.tolist(), dataset["status"].values[members].tolist(), values.tolist(), strict=True
        )
    ]
    x = list(map(float, dataset[dim].values[chosen]))
    return Series(name, _label(dataset[name]), _label(dataset[dim]), x, listed, ", ".join(left_out))


def _label(array: xarray.DataArray) -> str:
    name, units = str(array.attrs.get("long_name", array.name)), array.attrs.get("units", "1")
    return name if units == "1" else f"{name} ({units})"


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
