"""What the Kuramoto figures share: which members count, which were successful, what they aimed at."""

import xarray

from pipeline.plan import intervals
from pipeline.store import settings_of
from pipeline.systems import COMPUTED, MISSING, find_or_loaded


def setting(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    """A setting, swept or not."""
    return dataset[name] if name in dataset.coords else xarray.DataArray(settings_of(dataset)[name])


def reached(dataset: xarray.Dataset, order_parameter: xarray.DataArray) -> xarray.DataArray:
    """Whether an order parameter is as close to the target as the system's estimand `success` wants it."""
    success = find_or_loaded(dataset.attrs["system"]).estimands["success"]
    target = {"target_order_parameter": setting(dataset, "target_order_parameter")}
    near: xarray.DataArray = success.of_members({"fixed_order_parameter": order_parameter}, target)
    return near


def successful(dataset: xarray.Dataset, order_parameter: xarray.DataArray | None = None) -> xarray.DataArray:
    """Members that reached the target, by r averaged with the weights fixed after learning or by another given R."""
    by = dataset["fixed_order_parameter"] if order_parameter is None else order_parameter
    return (dataset["status"] == COMPUTED) & reached(dataset, by)


def success_fraction(dataset: xarray.Dataset, order_parameter: xarray.DataArray | None = None) -> xarray.Dataset:
    """Share of successful members among all computed, the diverged included."""
    return intervals.fraction(successful(dataset, order_parameter), dataset["status"] != MISSING)
