"""Which members a figure counts, and which it shows for all."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.figures._panels import panels
from pipeline.systems import COMPUTED, DIVERGED, MISSING


def valid(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    """A variable of the members that were computed and did not diverge, NaN of the others.

    Args:
        dataset: of a store.
        name: of the variable.

    Returns:
        Numbers, the dimensions of the variable.
    """
    return dataset[name].astype(float).where(dataset["status"] == COMPUTED)


MOSTLY_DIVERGED = "half of the members diverged, or more"
"""What grey cells are."""


def where_members_hold(dataset: xarray.Dataset, estimate: xarray.Dataset) -> xarray.Dataset:
    """An estimate, NaN where half of the members diverged or more: the others say little of the point.

    Args:
        dataset: of a store.
        estimate: over its axes.

    Returns:
        The same dimensions.
    """
    computed = (dataset["status"] != MISSING).sum("member")
    holds = 2 * (dataset["status"] == DIVERGED).sum("member") < np.maximum(computed, 1)
    return estimate.where(holds).assign(count=estimate["count"])


def typical_member(judged: xarray.DataArray) -> int | None:
    """The member with the median of some values, such as final errors.

    Args:
        judged: (member,) NaN: a member that does not count.

    Returns:
        Its index; None if none counts.
    """
    values = judged.values
    ranked = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    return int(ranked[(len(ranked) - 1) // 2]) if len(ranked) else None


def all_diverged() -> Figure:
    """The figure of an ensemble of which no member is left.

    Returns:
        One that says so.
    """
    figure, (ax,) = panels(1)
    ax.axis("off")
    ax.text(0.5, 0.5, "all members diverged", transform=ax.transAxes, ha="center", va="center")
    return figure
