"""What may be given to `pipeline.plot`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes

from pipeline.errors import RequestError
from pipeline.systems import find_or_loaded
from pipeline.words import brief


def checked(dataset: Any, of: Any, axes: Mapping[str, Any], ax: Any) -> Sequence[str]:
    """Check what a user wants drawn.

    Args:
        dataset: to be drawn.
        of: an estimand, or several.
        axes: parameter → the axis named.
        ax: where to draw, or None.

    Returns:
        The estimands.

    Raises:
        RequestError: one line for all that can't be drawn.
    """
    faults = list(_faults_of_dataset(dataset))
    names = [of] if isinstance(of, str) else list(of) if isinstance(of, Sequence | np.ndarray) else None
    if names is None or not all(isinstance(name, str) for name in names):
        faults.append(f"of: expected an estimand or a list of them, got {brief(repr(of))}")
    faults += [
        f"{role}: expected the name of an axis, got {brief(repr(name))}"
        for role, name in axes.items()
        if not (name is None or isinstance(name, str))
    ]
    if ax is not None and not (isinstance(ax, Axes) and ax.name == "rectilinear" and ax.get_figure() is not None):
        faults.append(f"ax: expected matplotlib Axes with an x and a y axis, got {brief(repr(ax))}")
    if faults:
        raise RequestError(faults)
    assert names is not None
    return list(map(str, names))


def _faults_of_dataset(dataset: Any) -> list[str]:
    if not isinstance(dataset, xarray.Dataset) or not {"system", "axes"} <= set(dataset.attrs):
        what = type(dataset).__name__
        return [f"dataset: expected a Dataset of pipeline.run or pipeline.open_sweep, got a {what} that is none"]
    if "member" not in dataset.dims or "status" not in dataset:
        lacking = "status" if "member" in dataset.dims else "a dimension member; select with member=[0]"
        return [f"dataset: expected members and their status, got it without {lacking}"]
    if empty := [str(dim) for dim in dataset["status"].dims if not dataset.sizes[dim]]:
        return [f"dataset: expected something to draw, got none along {', '.join(empty)}"]
    system = find_or_loaded(dataset.attrs["system"])
    names = [system.coordinate_of(axis) for axis in json.loads(dataset.attrs["axes"])]
    known = {"member", "point", *names}
    if strange := [str(dim) for dim in dataset["status"].dims if dim not in known]:
        return [
            f"dataset: expected dimensions of its sweep, got {', '.join(strange)} too; select one value of each"
        ]
    swept = [name for name in names if name in dataset["status"].dims or "point" in dataset["status"].dims]
    return [
        f"dataset: expected finite values of the axis {name}, got it without"
        for name in swept
        if name not in dataset.coords or not _is_finite(dataset[name].values)
    ]


def _is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())
