"""The part of a store that a request asks for, as a Dataset."""

import json
from typing import Literal

import xarray

from pipeline.plan.planning import Plan
from pipeline.store import dataset_of


def requested_part(plan: Plan) -> xarray.Dataset:
    """The requested points and members of a store, which may hold more; points it lacks are left out.

    Args:
        plan: of a store that is there.

    Returns:
        A Dataset with dimensions as `open_sweep` gives them: the sorted axes of a grid, else `point`; `member`;
            those
        of each variable.
    """
    assert plan.store is not None
    there, method = plan.rows >= 0, plan.sweep.method
    layout: Literal["grid", "points"] = "grid" if method == "product" else "points"
    dataset = dataset_of(plan.store, plan.rows[there], plan.members[there], layout, axes=plan.sweep.axes)
    if plan.sweep.design is not None:
        dataset.attrs["design"] = plan.sweep.design.as_json()
    if plan.record is not None:
        dataset.attrs["search"] = json.dumps(plan.record.as_json())
    return dataset
