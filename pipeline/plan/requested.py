"""The part of a store that a request asks for, as a Dataset."""

import xarray

from pipeline.plan.planning import Plan
from pipeline.store import on_grid, stored_points


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
    dataset = stored_points(plan.store).isel(member=slice(plan.sweep.members), point=plan.rows[plan.rows >= 0])
    if not plan.sweep.axes:
        return dataset.isel(point=0)
    axes = [plan.store.coordinates[axis] for axis in plan.sweep.axes]
    return on_grid(dataset, axes) if plan.sweep.method == "product" else dataset
