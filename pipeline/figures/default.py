"""The figure of any sweep: estimates over the axes that vary, as points, lines, maps or small multiples."""

import json
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures._estimates import COLOURS, draw_map, draw_points, set_values_axis
from pipeline.figures._scales import Scale, place_axis, scale_of
from pipeline.plan import intervals, table
from pipeline.systems import COMPUTED, System, find_or_loaded

_FEW = 4
"""Values of an axis that are lines of a panel, or panels, rather than the side of a map."""
_MOST_PANELS = 12
_MOST_SERIES = 4
_WIDTH, _HEIGHT = 3.39, 2.7
"""Inches of a panel: a column of a journal, 8.6 cm, is one panel wide."""


class _Axis(NamedTuple):
    """A swept setting that varies."""

    name: str
    """Of its coordinate."""
    label: str
    scale: Scale


def draw(dataset: xarray.Dataset, of: Sequence[str] = ()) -> Figure:
    """Draw a sweep.

    Args:
        dataset: as `open_sweep` gives it, or a selection of it.
        of: estimands. Default: those that the system declares, else the means of its scalars.

    Returns:
        Without an axis that varies the recorded series of the ensemble; with one, estimates and their intervals
        against it; with two, lines or a map; with more, small multiples of these, of the first estimand; for points
        that are no grid, estimates against each axis.

    Raises:
        RequestError: there is no such estimand.
    """
    system = find_or_loaded(dataset.attrs["system"])
    names = list(of) or _estimands_of(system)
    if "point" in dataset.dims:
        return _draw_points(dataset, names)
    axes = _varying(dataset)
    if not axes and (series := _series_of(dataset)):
        return _draw_series(dataset, series)
    if len(axes) > 2:
        return _draw_multiples(dataset, names[0], axes)
    estimates = {name: table(dataset, name) for name in names}
    figure, panels = _panels(len(names))
    for ax, (name, estimate) in zip(panels, estimates.items(), strict=True):
        _draw_over(figure, ax, estimate, axes, _label_of(system, name))
    _add_legend(figure, panels[0])
    return figure


def _estimands_of(system: System) -> list[str]:
    scalars = [variable.name for variable in system.variables if not variable.dims]
    return (list(system.estimands) or scalars or list(system.all_estimands))[:6]


def _label_of(system: System, name: str) -> str:
    """An estimand in words."""
    kind = {"mean": "mean", "median": "median", "fraction": "share"}[system.all_estimands[name].kind]
    return _plain(f"{kind}: {name.removeprefix('median_').replace('_', ' ')}")


def _plain(text: str) -> str:
    """A text that matplotlib does not take for TeX."""
    return text.replace("$", r"\$")


def _varying(dataset: xarray.Dataset) -> list[_Axis]:
    """Axes of more than one value, in the order of the sweep."""
    return [_axis(dataset, name) for name in _swept(dataset) if dataset.sizes.get(name, 1) > 1]


def _swept(dataset: xarray.Dataset) -> list[str]:
    """Coordinates of the swept settings."""
    system = find_or_loaded(dataset.attrs["system"])
    return [system.coordinate_of(axis) for axis in json.loads(dataset.attrs["axes"])]


def _axis(dataset: xarray.Dataset, name: str) -> _Axis:
    attributes = dataset[name].attrs
    symbol = attributes.get("symbol", name)
    label = f"${symbol}$" if symbol != name and "\\" in symbol else _plain(symbol)
    units = attributes.get("units", "1")
    return _Axis(name, label if units == "1" else f"{label} ({_plain(units)})", scale_of(dataset[name].values))


def _panels(count: int, columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, lettered where there are several."""
    columns = columns or min(count, 2 if count <= _FEW else 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    for spare in axes[count:]:
        spare.remove()
    if count > 1:
        for k, ax in enumerate(axes[:count]):
            ax.set_title(f"({chr(ord('a') + k)})", loc="left", fontweight="bold")
    return figure, axes[:count]


def _add_legend(figure: Figure, ax: Axes) -> None:
    """One legend for all panels, above them, where it hides nothing."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", ncols=min(len(labels), 4), fontsize="small")


# --- grids ------------------------------------------------------------------------------------------------


def _draw_over(figure: Figure, ax: Axes, estimate: xarray.Dataset, axes: Sequence[_Axis], label: str) -> None:
    """One estimand over none, one or two axes."""
    if not axes:
        draw_points(ax, np.zeros(1), estimate.squeeze().expand_dims("value"), label)
        ax.set(xlim=(-1, 1), xticks=[])
        set_values_axis(ax, [estimate], label)
        return
    by_size = sorted(axes, key=lambda axis: (axis.scale.kind == "labels", len(axis.scale.values)))
    few, x = by_size[0], by_size[-1]
    if len(axes) == 2 and len(few.scale.values) > _FEW:
        _draw_cells(figure, ax, estimate, axes, label)
        return
    _draw_lines(ax, estimate, x if len(axes) == 2 else axes[0], few if len(axes) == 2 else None, label)


def _draw_lines(ax: Axes, estimate: xarray.Dataset, x: _Axis, hue: _Axis | None, label: str) -> None:
    """Estimates against an axis, a series for every value of another one, set apart from each other."""
    estimate = estimate.squeeze()
    values: list[Any] = [None] if hue is None else list(range(len(hue.scale.values)))
    step = float(np.diff(x.scale.places).min())
    for number, k in enumerate(values):
        apart = 0.12 * step * (number - (len(values) - 1) / 2)
        of_one = estimate if hue is None else estimate.isel({hue.name: k})
        name = "" if hue is None else f"{hue.label} = {_plain(hue.scale.texts[k])}, 95 % interval"
        draw_points(
            ax,
            x.scale.places + apart,
            of_one.transpose(x.name),
            name or "95 % interval",
            number,
            x.scale.kind != "labels",
        )
    place_axis(ax, "x", x.scale, x.label)
    set_values_axis(ax, [estimate], label)


def _draw_cells(figure: Figure, ax: Axes, estimate: xarray.Dataset, axes: Sequence[_Axis], label: str) -> None:
    """A map, the first axis along x."""
    x, y = axes
    mesh = draw_map(ax, x.scale, y.scale, estimate["estimate"].squeeze().transpose(y.name, x.name).values)
    figure.colorbar(mesh, ax=ax, label=label)
    place_axis(ax, "x", x.scale, x.label)
    place_axis(ax, "y", y.scale, y.label)
    ax.set(xlim=x.scale.edges[[0, -1]], ylim=y.scale.edges[[0, -1]])


def _draw_multiples(dataset: xarray.Dataset, name: str, axes: Sequence[_Axis]) -> Figure:
    """One estimand over three axes or more: a panel for every combination of those with the fewest values."""
    by_size = sorted(axes, key=lambda axis: len(axis.scale.values))
    outer, inner = by_size[:-2], [axis for axis in axes if axis in by_size[-2:]]
    combinations = list(product(*(range(len(axis.scale.values)) for axis in outer)))
    shown = [
        combinations[k] for k in np.unique(np.linspace(0, len(combinations) - 1, _MOST_PANELS).round().astype(int))
    ]
    if len(combinations) <= _MOST_PANELS:
        shown = combinations
    system, estimate = find_or_loaded(dataset.attrs["system"]), table(dataset, name)
    figure, panels = _panels(len(shown))
    for ax, combination in zip(panels, shown, strict=True):
        at = {axis.name: k for axis, k in zip(outer, combination, strict=True)}
        _draw_over(figure, ax, estimate.isel(at), inner, _label_of(system, name))
        named = [
            f"{axis.label} = {_plain(axis.scale.texts[k])}" for axis, k in zip(outer, combination, strict=True)
        ]
        ax.set_title(", ".join(named), fontsize="small")
    _add_legend(figure, panels[0])
    if len(shown) < len(combinations):
        figure.suptitle(f"{len(shown)} of {len(combinations)} combinations", fontsize="small")
    return figure


# --- points and series ------------------------------------------------------------------------------------


def _draw_points(dataset: xarray.Dataset, names: Sequence[str]) -> Figure:
    """Every estimand against every axis, each point by itself."""
    system = find_or_loaded(dataset.attrs["system"])
    axes = [_axis(dataset, name) for name in _swept(dataset)]
    varying = [axis for axis in axes if len(axis.scale.values) > 1] or axes
    pairs = [(name, axis) for name in names for axis in varying][: 2 * _MOST_PANELS]
    figure, panels = _panels(len(pairs), len(varying) if len(varying) < 4 else 3)
    for ax, (name, axis) in zip(panels, pairs, strict=True):
        estimate, label = table(dataset, name), _label_of(system, name)
        numbers = dict(zip(axis.scale.values, axis.scale.places, strict=True))
        places = np.array([numbers[value] for value in dataset[axis.name].values.tolist()])
        draw_points(ax, places, estimate, "95 % interval", joined=False)
        place_axis(ax, "x", axis.scale, axis.label)
        set_values_axis(ax, [estimate], label)
    _add_legend(figure, panels[0])
    return figure


def _series_of(dataset: xarray.Dataset) -> list[str]:
    """Variables recorded along the dimension that most variables have, as series do, of some length."""
    along: dict[str, list[str]] = {}
    for name, variable in dataset.data_vars.items():
        dims = [str(dim) for dim in variable.dims if dim != "member" and dataset.sizes[dim] > 1]
        if len(dims) == 1:
            along.setdefault(dims[0], []).append(str(name))
    return max(along.values(), key=len, default=[])[:_MOST_SERIES]


def _draw_series(dataset: xarray.Dataset, names: Sequence[str]) -> Figure:
    """The ensemble's recorded series: mean, its interval, the spread of members, and one member."""
    dataset = dataset.squeeze([dim for dim, size in dataset.sizes.items() if size == 1 and dim != "member"])
    counted = dataset.where(dataset["status"] == COMPUTED)
    member = _typical_member(counted[names[-1]])
    figure, panels = _panels(len(names))
    for ax, name in zip(panels, names, strict=True):
        (along,) = (str(dim) for dim in dataset[name].dims if dim != "member")
        x = dataset[along].values if along in dataset.coords else np.arange(dataset.sizes[along])
        _draw_ensemble(ax, x, counted[name].transpose("member", along), member)
        ax.set(xlabel=_plain(along), ylabel=_described(dataset[name]))
    _add_legend(figure, panels[0])
    return figure


def _described(variable: xarray.DataArray) -> str:
    """What a variable is, with its unit."""
    units = variable.attrs.get("units", "1")
    long_name = _plain(str(variable.attrs.get("long_name", variable.name)))
    return long_name if units == "1" else f"{long_name} ({_plain(units)})"


def _typical_member(values: xarray.DataArray) -> int | None:
    """The member with the median last value, of those that did not diverge; None without any."""
    (along,) = (dim for dim in values.dims if dim != "member")
    last = values.isel({along: -1}).values
    ranked = np.argsort(last)[: np.isfinite(last).sum()]
    return int(ranked[(len(ranked) - 1) // 2]) if len(ranked) else None


def _draw_ensemble(ax: Axes, x: np.ndarray, values: xarray.DataArray, member: int | None) -> None:
    """Members along x."""
    if member is None:
        ax.text(0.5, 0.5, "all members diverged", transform=ax.transAxes, ha="center", va="center")
        return
    mean = intervals.mean(values)
    if values.sizes["member"] > 1:
        spread = values.quantile([0.16, 0.84], "member").values
        ax.fill_between(x, *spread, color=COLOURS[1], alpha=0.2, linewidth=0, label="central 68 % of members")
        low, high = (mean[name].where(np.isfinite(mean[name])).values for name in ("low", "high"))
        ax.fill_between(x, low, high, color=COLOURS[1], alpha=0.45, linewidth=0, label="95 % of the mean")
        ax.plot(x, mean["estimate"], color=COLOURS[1], label="mean")
    ax.plot(x, values.isel(member=member), color=COLOURS[0], linewidth=0.8, label=f"member {member}")
