"""What the Kuramoto figures share: which members count, which were successful, what they aimed at."""

import xarray

from pipeline.plan import intervals
from pipeline.systems.interface import SUCCESS_WITHIN


def setting(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    """A setting, swept or not."""
    return dataset[name] if name in dataset.coords else xarray.DataArray(dataset.attrs["settings"][name])


def done(dataset: xarray.Dataset) -> xarray.DataArray:
    """Members that were computed and did not diverge."""
    return dataset["status"] == 1


def successful(dataset: xarray.Dataset, order_parameter: xarray.DataArray | None = None) -> xarray.DataArray:
    """Members that reached the target, by R averaged over the last 1 % of iterations or by another given R."""
    reached = dataset["final_order_parameter"] if order_parameter is None else order_parameter
    return done(dataset) & (abs(reached - setting(dataset, "target_order_parameter")) < SUCCESS_WITHIN)


def success_fraction(dataset: xarray.Dataset, order_parameter: xarray.DataArray | None = None) -> xarray.Dataset:
    """Share of successful members among all computed, the diverged included."""
    return intervals.fraction(successful(dataset, order_parameter), dataset["status"] > 0)
