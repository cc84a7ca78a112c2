"""The figure of any sweep: estimates over the axes that vary, as points, lines, maps or small multiples."""

import json
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.errors import RequestError
from pipeline.figures._elements import (
    BLUE,
    COLOURS,
    GREY,
    draw_curve,
    draw_estimates,
    draw_mean,
    draw_points,
    draw_spread,
    set_values_axis,
    span,
)
from pipeline.figures._indices import draw_indices
from pipeline.figures._maps import draw_half_widths, draw_map
from pipeline.figures._members import MOSTLY_DIVERGED, typical_member, valid, where_members_hold
from pipeline.figures._numbers import columns_of, note
from pipeline.figures._panels import add_legend, add_title, panels
from pipeline.figures._scales import SweptAxis, fitting, place_axis, plain, swept_axes, with_units
from pipeline.figures._search import draw_refined, draw_search
from pipeline.plan import Record, table
from pipeline.systems import DIVERGED, System, find_or_loaded

_FEW = 4
"""Values of an axis that are lines of a panel, rather than the side of a map."""
_MOST_PANELS, _MOST_SERIES, _MOST_ESTIMANDS = 12, 4, 6
_MOST_HUES, _MOST_COLUMNS = len(COLOURS), 4
"""Values of an axis that can be told apart as series, and that fit side by side."""


class _Layout(NamedTuple):
    """What each axis that varies is in a figure."""

    x: SweptAxis | None
    y: SweptAxis | None
    """Of a map."""
    hue: SweptAxis | None
    """Of lines."""
    outer: tuple[SweptAxis, ...]
    """A panel for every combination of their values."""
    columns: int | None
    """Of panels; None: as is best."""


class _Part(NamedTuple):
    """A panel: an estimand at some values of the outer axes."""

    estimand: str
    label: str
    estimate: xarray.Dataset
    title: str
    better: str
    absent: str
    """Why there may be none."""


def draw(
    dataset: xarray.Dataset,
    of: Sequence[str] = (),
    *,
    x: str | None = None,
    hue: str | None = None,
    row: str | None = None,
    col: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a sweep.

    Without an axis that varies: the recorded series of the ensemble. With one: estimates and their intervals against
    it. With two: lines if one has few values, else a map and its half-widths. With more: small multiples of these.
    Points that are no grid: each by itself; of a sample for sensitivity indices, these; of a search, where it looked
    and what it found; of a refinement, what was added to what.

    Args:
        dataset: as `open_sweep` gives it, or a selection of it.
        of: estimands. Default: those that the system declares, else the means of its scalars.
        x: the axis along x. Default: the one with most values.
        hue: the axis whose values are series. Default: one with few values, where two are left.
        row: the axis whose values are rows of panels. Default: none.
        col: the axis whose values are columns of panels. Default: none.
        ax: where to draw, one panel. Default: a figure of its own.

    Returns:
        The figure.

    Raises:
        RequestError: there is no such estimand or axis, or `ax` can't hold it all.
    """
    system = find_or_loaded(dataset.attrs["system"])
    names = _estimands(system, of)
    dataset = dataset.assign(status=dataset["status"].compute())
    if "design" in dataset.attrs and "point" in dataset.dims and x is None:
        averages = [name for name in names if system.all_estimands[name].kind != "median"]
        return draw_indices(dataset, {name: _label_of(system, name) for name in averages or names}, ax)
    given = [name for name in (x, hue, row, col, *of) if name is not None]
    if "search" in dataset.attrs and "point" in dataset.dims and not given:
        record = Record.from_json(json.loads(dataset.attrs["search"]))
        name = record.about["of"]
        if name in system.all_estimands or record.judged:
            label = _label_of(system, name) if name in system.all_estimands else name.rpartition(":")[2]
            return (draw_refined if record.about["goal"] is None else draw_search)(dataset, record, label, ax)
    if "point" in dataset.dims:
        if given := [role for role, name in (("hue", hue), ("row", row), ("col", col)) if name is not None]:
            raise RequestError([f"{role}: expected none, as the points are no grid" for role in given])
        return _draw_points(dataset, system, names, x, ax)
    axes = [axis for axis in swept_axes(dataset) if axis.name in dataset.dims and dataset.sizes[axis.name] > 1]
    layout = _layout(system, axes, x=x, hue=hue, row=row, col=col)
    if not axes and not of and (series := series_of(dataset)):
        return _draw_series(dataset, system, series, ax)
    dataset = dataset.squeeze([dim for dim, size in dataset.sizes.items() if size == 1 and dim != "member"])
    parts, left_out = _parts(dataset, system, names if of or not layout.outer else names[:1], layout)
    if layout.y is not None:
        said = _said(left_out, intervals=False, survivors=_survivors(dataset, system, names))
        return _draw_maps(parts, layout, said, ax)
    figure, shown = panels(len(parts), layout.columns, ax)
    for panel, part in zip(shown, parts, strict=True):
        _draw_lines(panel, part, layout, [other.estimate for other in parts if other.estimand == part.estimand])
    add_legend(figure, shown, _said(left_out, survivors=_survivors(dataset, system, names)), ax)
    return figure


def _estimands(system: System, of: Sequence[str]) -> list[str]:
    for name in of:
        if name not in system.all_estimands:
            raise RequestError([f"of: expected some of {', '.join(system.all_estimands)}, got {name!r}"])
    scalars = [variable.name for variable in system.variables if not variable.dims]
    return list(of) or (list(system.estimands) or scalars)[:_MOST_ESTIMANDS]


def _label_of(system: System, name: str) -> str:
    """An estimand in words: what its variable is, with its unit, or its own name, if the system declares it."""
    estimand = system.all_estimands[name]
    kind = {"mean": "mean", "median": "median", "fraction": "share"}[estimand.kind]
    of = name.removeprefix(f"{kind}_").replace("_", " ")
    if name not in system.estimands:
        (variable,) = (variable for variable in system.variables if variable.name == estimand.variables[0])
        of = with_units(variable.long_name, variable.units)
    return plain(f"{kind}: {of}")


def _layout(system: System, axes: Sequence[SweptAxis], **wanted: str | None) -> _Layout:
    """The parts of the axes: those wanted and, of the others, what suits their sizes."""
    named = {axis.name: axis for axis in axes}
    chosen: dict[str, SweptAxis] = {}
    for role, name in wanted.items():
        if name is not None:
            coordinate = system.coordinate_of(name)
            if coordinate not in named:
                raise RequestError([f"{role}: expected one of {', '.join(named) or 'no axes'}, got {name!r}"])
            chosen[role] = named.pop(coordinate)
    for role, most in (("hue", _MOST_HUES), ("col", _MOST_COLUMNS)):
        if role in chosen and (count := len(chosen[role].scale.values)) > most:
            raise RequestError(
                [f"{role}: expected an axis of at most {most} values, got {count}; choose with sel"]
            )
    outer = [chosen[role] for role in ("row", "col") if role in chosen]
    left = sorted(named.values(), key=lambda axis: (axis.scale.kind != "labels", len(axis.scale.values)))
    inner = 2 - ("x" in chosen) - ("hue" in chosen)
    free = left[max(len(left) - inner, 0) :]
    outer += left[: len(left) - len(free)]
    along = chosen.get("x") or (free.pop() if free else None)
    other = chosen.get("hue") or (free.pop() if free else None)
    columns = len(chosen["col"].scale.values) if "col" in chosen else 1 if "row" in chosen else None
    if along is None or other is None:
        return _Layout(along or other, None, None, tuple(outer), columns)
    if "hue" in chosen or len(other.scale.values) <= _FEW:
        return _Layout(along, None, other, tuple(outer), columns)
    if "x" not in chosen and axes.index(other) < axes.index(along):  # in the order of the sweep
        along, other = other, along
    return _Layout(along, other, None, tuple(outer), columns)


def _parts(
    dataset: xarray.Dataset, system: System, names: Sequence[str], layout: _Layout
) -> tuple[list[_Part], int]:
    """The panels, and how many more there would be."""
    places = list(product(*(range(len(axis.scale.values)) for axis in layout.outer)))
    most = max(_MOST_PANELS // len(names), 1)
    spread = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    parts, absent = [], _absent(dataset)
    for name in names:
        estimate, label = where_members_hold(dataset, table(dataset, name)), _label_of(system, name)
        for place in (places[k] for k in spread):
            at = list(zip(layout.outer, place, strict=True))
            title = ", ".join(axis.at(k) for axis, k in at)
            chosen = estimate.sel({axis.name: axis.scale.values[k] for axis, k in at})
            parts.append(_Part(name, label, chosen, title, system.all_estimands[name].better, absent))
    return parts, len(names) * (len(places) - len(spread))


def _absent(dataset: xarray.Dataset) -> str:
    """Why there may be no estimate at a point."""
    return MOSTLY_DIVERGED if bool((dataset["status"] == DIVERGED).any()) else "no member counts"


def _survivors(dataset: xarray.Dataset, system: System, names: Sequence[str]) -> str:
    """What means and medians leave out."""
    of = {system.all_estimands[name].kind for name in names} - {"fraction"}
    left_out = bool(of) and bool((dataset["status"] == DIVERGED).any())
    return (
        f"{' and '.join(f'{kind}s' for kind in sorted(of))} over members that did not diverge" if left_out else ""
    )


def _said(left_out: int, intervals: bool = True, survivors: str = "") -> str:
    """What stands above the legend."""
    more = f"{left_out} more panels are not shown: choose with sel" if left_out else ""
    return "\n".join(filter(None, [more, "95 % intervals" if intervals else "", survivors]))


def _draw_lines(panel: Axes, part: _Part, layout: _Layout, together: Sequence[xarray.Dataset]) -> None:
    """Estimates against an axis, a series for every value of another one, y as in panels of the same estimand."""
    if part.title:
        add_title(panel, part.title)
    set_values_axis(panel, together, part.label)
    x, hue = layout.x, layout.hue
    if x is None:
        note(panel, part.estimand, "", columns_of(part.estimate), (np.zeros(1), part.estimate["estimate"].values))
        draw_points(panel, np.zeros(1), part.estimate, "")
        panel.set(xlim=(-1, 1), xticks=[])
    elif hue is None:
        draw_estimates(panel, x, {"": part.estimate}, part.estimand, absent=part.absent)
    else:
        series = {hue.at(k): part.estimate.sel({hue.name: value}) for k, value in enumerate(hue.scale.values)}
        draw_estimates(panel, x, series, part.estimand, absent=part.absent)


# --- maps -------------------------------------------------------------------------------------------------


def _draw_maps(parts: Sequence[_Part], layout: _Layout, said: str, ax: Axes | None) -> Figure:
    """A map a part, with the half-widths of its intervals beside it where there is room, else their median."""
    assert layout.x is not None
    assert layout.y is not None
    axes = layout.x, layout.y
    step = 1 if layout.outer or ax is not None else 2
    figure, shown = panels(len(parts) * step, 2 if step == 2 else layout.columns, ax)
    for part, panel, beside in zip(parts, shown[::step], shown[step - 1 :: step], strict=True):
        alike = [other.estimate["estimate"].values.ravel() for other in parts if other.estimand == part.estimand]
        norm = Normalize(*span(np.concatenate(alike)))
        draw_map(panel, axes, part.estimate, part.label, part.estimand, part.better, part.absent, norm)
        if step == 2:
            draw_half_widths(beside, axes, part.estimate, part.label)
        else:
            half = float(((part.estimate["high"] - part.estimate["low"]) / 2).median())
            intervals = f"95 % intervals: half-widths about {half:.2g}" if np.isfinite(half) else ""
            add_title(panel, "\n".join(filter(None, [part.title, intervals])))
    add_legend(figure, shown, said, ax)
    return figure


# --- points and series ------------------------------------------------------------------------------------


def _draw_points(
    dataset: xarray.Dataset, system: System, names: Sequence[str], x: str | None, ax: Axes | None
) -> Figure:
    """Points that are no grid: against the axis wanted or the only one, else coloured over every two of them."""
    swept = swept_axes(dataset)
    axes = [axis for axis in swept if len(axis.scale.values) > 1] or swept[:1]
    if x is not None:
        axes = [axis for axis in swept if axis.name == system.coordinate_of(x)]
        if not axes:
            known = ", ".join(axis.name for axis in swept)
            raise RequestError([f"x: expected one of {known}, got {x!r}"])
    estimates = {name: where_members_hold(dataset, table(dataset, name)) for name in names}
    absent, survivors = _absent(dataset), _survivors(dataset, system, names)
    if len(axes) == 1:
        figure, shown = panels(len(names), None, ax)
        for panel, (name, estimate) in zip(shown, estimates.items(), strict=True):
            set_values_axis(panel, [estimate], _label_of(system, name))
            draw_estimates(panel, axes[0], {"": estimate}, name, joined=False, absent=absent)
        add_legend(figure, shown, _said(0, survivors=survivors), ax)
        return figure
    pairs = [(name, pair) for name in names for pair in combinations(axes, 2)]
    figure, shown = panels(min(len(pairs), _MOST_PANELS), None, ax)
    for panel, (name, pair) in zip(shown, pairs, strict=False):
        _draw_coloured(panel, pair, estimates[name], _label_of(system, name), name, absent)
    said = _said(max(len(pairs) - _MOST_PANELS, 0), intervals=False, survivors=survivors)
    add_legend(figure, shown, said, ax)
    return figure


def _draw_coloured(
    panel: Axes,
    pair: tuple[SweptAxis, SweptAxis],
    estimate: xarray.Dataset,
    label: str,
    quantity: str,
    absent: str,
) -> None:
    """Points over two axes, in the colour of their estimates; crosses where there is none."""
    at = []
    for which, axis in zip("xy", pair, strict=True):
        place_axis(panel, "x" if which == "x" else "y", axis, drawn=True)
        at.append(axis.scale.coordinates_of(estimate[axis.name].values))
    values = estimate["estimate"].values
    columns = columns_of(estimate, **{axis.name: estimate[axis.name].values for axis in pair})
    note(panel, quantity, "", columns, (at[0], at[1]))
    known = np.isfinite(values)
    mesh = panel.scatter(
        at[0][known], at[1][known], c=values[known], s=14, norm=Normalize(*span(values)), edgecolors="0.3",
        linewidths=0.4,
    )  # fmt: skip
    if not known.all():
        panel.plot(at[0][~known], at[1][~known], "x", color=GREY, markersize=4, label=f"none: {absent}")
    figure = panel.get_figure(root=True)
    assert figure is not None
    figure.colorbar(mesh, ax=panel).set_label(fitting(label))


def series_of(dataset: xarray.Dataset) -> list[str]:
    """Variables recorded along a dimension, as series are: that which most variables have, if it is of some length.

    Args:
        dataset: of a sweep.

    Returns:
        Their names, the first few.
    """
    along: dict[str, list[str]] = {}
    for name, variable in dataset.data_vars.items():
        dims = [str(dim) for dim in variable.dims if dim != "member" and dataset.sizes[dim] > 1]
        if len(dims) == 1 and "member" in variable.dims:
            along.setdefault(dims[0], []).append(str(name))
    return max(along.values(), key=len, default=[])[:_MOST_SERIES]


def _draw_series(dataset: xarray.Dataset, system: System, names: Sequence[str], ax: Axes | None) -> Figure:
    """The ensemble's recorded series: mean, its interval, the spread of members, and a typical one."""
    dataset = dataset.squeeze([dim for dim, size in dataset.sizes.items() if size == 1 and dim != "member"])
    judged, by = _judged(dataset, system, names)
    member = typical_member(judged)
    figure, shown = panels(len(names), None, ax)
    for panel, name in zip(shown, names, strict=True):
        (along,) = (str(dim) for dim in dataset[name].dims if dim != "member")
        x = dataset[f"{along}_at"] if f"{along}_at" in dataset.coords else dataset[along]
        if member is None:
            panel.text(0.5, 0.5, "all members diverged", transform=panel.transAxes, ha="center", va="center")
        else:
            values = valid(dataset, name).transpose("member", along).compute()
            _draw_ensemble(panel, x, values, member, f"member {member}, {by}", name)
        panel.set(xlabel=_described(x, along), ylabel=_described(dataset[name], name))
    add_legend(figure, shown, ax=ax)
    return figure


def _judged(dataset: xarray.Dataset, system: System, names: Sequence[str]) -> tuple[xarray.DataArray, str]:
    """By what a member is typical: the first estimand that is better low or high, else how a series ends; in words."""
    for estimand in system.estimands.values():
        name, is_one = estimand.variables[0], len(estimand.variables) == 1 and estimand.kind != "fraction"
        if estimand.better != "none" and is_one and name in dataset:
            return valid(dataset, name), plain(f"median {name.replace('_', ' ')}")
    (along,) = (dim for dim in dataset[names[-1]].dims if dim != "member")
    return valid(dataset.isel({along: -1}), names[-1]), plain(f"median {names[-1].replace('_', ' ')} at the end")


def _described(variable: xarray.DataArray, name: str) -> str:
    """What a variable is, with its unit."""
    units, long_name = str(variable.attrs.get("units") or "1"), str(variable.attrs.get("long_name", name))
    return fitting(plain(with_units(long_name, units)))


def _draw_ensemble(
    panel: Axes, x: xarray.DataArray, values: xarray.DataArray, member: int, label: str, name: str
) -> None:
    """Members along x."""
    if int((values.count("member") > 1).any()):
        draw_spread(panel, x, values, name)
        draw_mean(panel, x, values, "mean of the members", name)
    draw_curve(panel, x, values.isel(member=member), label, name, color=BLUE)
