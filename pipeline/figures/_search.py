"""Where a search looked, what it found there, and how sure it is of the place; and a refined axis."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.figures._elements import (
    COLOURS,
    GREY,
    MARKERS,
    draw_points,
    reference_line,
    set_values_axis,
    span,
)
from pipeline.figures._members import MOSTLY_DIVERGED, where_members_hold
from pipeline.figures._numbers import columns_of, note
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import SweptAxis, fitting, place_axis, scale_of, swept_axes
from pipeline.plan import Found, Record, table
from pipeline.request import Range
from pipeline.systems import DIVERGED, MISSING, find_or_loaded

_MOST_PAIRS = 5
_THIN = 0.008
"""Half the width of a whole value in the region, as a share of the range."""
_SURE = 1.959964
_REGION = "0.8"
"""Of the region: no colour of the map."""
_KINDS = {
    "before": "stored before",
    "start": "to start from",
    "explore": "where the optimum may be",
    "confirm": "where it was found",
    "refine": "added where it changes most",
}
"""Of rounds, in words; in the order of markers and colours."""


class _Looked(NamedTuple):
    """Candidates with their estimates, in the order in which they were asked for."""

    estimate: xarray.Dataset
    """`estimate`, `low`, `high` along `point`, with the coordinates of the axes that are searched."""
    kinds: np.ndarray
    """(point,) in which kind of round each was asked for first."""
    rounds: np.ndarray
    """(point,) the number of that round, from 1; 0: stored before."""
    out: np.ndarray
    """(point,) whether more members diverged than a place may have."""
    axes: list[SweptAxis]


def draw_search(dataset: xarray.Dataset, record: Record, label: str, ax: Axes | None) -> Figure:
    """Candidates over every two axes that were searched, or against a single one; and their estimates by rounds.

    Args:
        dataset: of a search.
        record: of it.
        label: what is looked for, in words.
        ax: where to draw the first panel alone. Default: a figure of its own.

    Returns:
        The figure.
    """
    looked = _looked(dataset, record)
    pairs = list[tuple[int, ...]](combinations(range(len(looked.axes)), 2))[:_MOST_PAIRS] or [(0,)]
    figure, shown = panels(len(pairs) + 1 if ax is None else 1, None, ax)
    for panel, pair in zip(shown, pairs, strict=False):
        if len(pair) == 1:
            _draw_along(panel, looked, record, label)
        else:
            _draw_over(panel, looked, record, label, pair)
    if ax is None:
        _draw_rounds(shown[-1], looked, record, label)
    add_legend(figure, shown, "95 % intervals", ax)
    return figure


def draw_refined(dataset: xarray.Dataset, record: Record, label: str, ax: Axes | None) -> Figure:
    """Estimates against a refined axis or over two, those of the coarse grid and those that were added.

    Args:
        dataset: of a refinement.
        record: of it.
        label: what is estimated, in words.
        ax: where to draw. Default: a figure of its own.

    Returns:
        The figure.
    """
    looked = _looked(dataset, record)
    figure, (panel,) = panels(1, None, ax)
    if len(looked.axes) == 2:
        _draw_over(panel, looked, record, label, (0, 1))
        add_legend(figure, [panel], None, ax)
        return figure
    _draw_along(panel, looked, record, label)
    (axis,) = looked.axes
    order = np.argsort(looked.estimate[axis.name].values)
    middle = looked.estimate["estimate"].values[order]
    at = axis.scale.coordinates_of(looked.estimate[axis.name].values[order])
    panel.plot(at, middle, color="0.6", linewidth=0.7, zorder=1)
    add_legend(figure, [panel], "95 % intervals", ax)
    return figure


def _looked(dataset: xarray.Dataset, record: Record) -> _Looked:
    system = find_or_loaded(dataset.attrs["system"])
    names = [system.coordinate_of(name) for name in record.about["axes"]]
    first = dict[tuple[Any, ...], tuple[int, str]]()
    for number, one in enumerate(record.rounds, start=1):
        for point in one.points:
            first.setdefault(point, (number, one.kind))
    for point, _ in record.before:
        first[point] = (0, "before")
    if record.judged:
        estimate = _judged(record, names)
    else:
        estimate = where_members_hold(dataset, table(dataset, record.about["of"]))
    points = list(zip(*(estimate[name].values.tolist() for name in names), strict=True))
    there = [k for k, point in enumerate(points) if point in first]
    there.sort(key=lambda k: first[points[k]][0])
    out = np.zeros(len(points), dtype=bool)
    if not record.judged and record.about["diverged"] is not None:
        status = dataset["status"].transpose("point", "member").values
        out = (status == DIVERGED).sum(axis=1) > record.about["diverged"] * (status != MISSING).sum(axis=1)
    swept = {axis.name: axis for axis in swept_axes(dataset)}
    axes = [swept[name]._replace(scale=_scale(_range(record, k), swept[name])) for k, name in enumerate(names)]
    return _Looked(
        estimate.isel(point=there),
        np.array([first[points[k]][1] for k in there]),
        np.array([first[points[k]][0] for k in there]),
        out[there],
        axes,
    )


def _range(record: Record, axis: int) -> Range:
    low, high, logarithmic = record.about["ranges"][axis]
    return Range(low, high, logarithmic, None)


def _scale(within: Range, axis: SweptAxis) -> Any:
    """The scale of an axis over all of its range, whatever was computed of it."""
    ends = within.at(np.linspace(0, 1, 5))
    return scale_of(np.unique(np.concatenate([ends, np.array(axis.scale.values, dtype=float)])))


def _judged(record: Record, names: Sequence[str]) -> xarray.Dataset:
    """Values by an objective of one's own, with normal intervals."""
    *columns, values, errors = np.array([[*point, *judged] for point, judged in record.judged]).T
    return xarray.Dataset(
        {
            "estimate": ("point", values),
            "low": ("point", values - _SURE * errors),
            "high": ("point", values + _SURE * errors),
        },
        {name: ("point", column) for name, column in zip(names, columns, strict=True)},
    )


def _draw_over(panel: Axes, looked: _Looked, record: Record, label: str, pair: tuple[int, ...]) -> None:
    """Candidates over two axes in the colour of their estimates, and the region."""
    x, y = (looked.axes[k] for k in pair)
    place_axis(panel, "x", x, drawn=True)
    place_axis(panel, "y", y, drawn=True)
    if record.found is not None:
        _shade(panel, record, record.found, pair)
    estimate = looked.estimate
    values = estimate["estimate"].values
    at = [axis.scale.coordinates_of(estimate[axis.name].values) for axis in (x, y)]
    columns = {x.name: estimate[x.name].values, y.name: estimate[y.name].values}
    noted = {**columns_of(estimate, **columns), "round": looked.rounds}
    note(panel, str(record.about["of"]), "", noted, (at[0], at[1]))
    counts = ~looked.out & np.isfinite(values)
    norm, mesh = Normalize(*span(values[counts])), None
    for marker, colour, (kind, name) in zip(MARKERS, COLOURS, _KINDS.items(), strict=False):
        some = (looked.kinds == kind) & counts
        if some.any():
            mesh = panel.scatter(
                at[0][some], at[1][some], c=values[some], s=16, marker=marker, norm=norm, edgecolors=colour,
                linewidths=0.8, zorder=3, cmap="viridis_r" if record.about["goal"] == "min" else "viridis",
            )  # fmt: skip
            panel.plot([], [], marker, color=colour, markersize=3.5, label=name)
    if not counts.all():
        panel.plot(at[0][~counts], at[1][~counts], "x", color=GREY, markersize=4, label=_left_out(record))
    if record.found is not None:
        found = list(record.found.point.values())
        _star(panel, found[pair[0]], found[pair[1]])
    figure = panel.get_figure(root=True)
    if mesh is not None and figure is not None:
        figure.colorbar(mesh, ax=panel).set_label(fitting(label))


def _left_out(record: Record) -> str:
    """Why candidates do not count."""
    if record.about["diverged"] is None:
        return f"none: {MOSTLY_DIVERGED}"
    return f"does not count: more than {record.about['diverged']:.0%} diverged"


def _draw_along(panel: Axes, looked: _Looked, record: Record, label: str) -> None:
    """Candidates against the only axis, and the region."""
    (axis,) = looked.axes
    set_values_axis(panel, [looked.estimate, *_of_found(record)], label)
    place_axis(panel, "x", axis, drawn=True)
    x = looked.estimate[axis.name].values
    columns = {**columns_of(looked.estimate, **{axis.name: x}), "round": looked.rounds}
    at = axis.scale.coordinates_of(x)
    note(panel, str(record.about["of"]), "", columns, (at, looked.estimate["estimate"].values))
    for number, (kind, name) in enumerate(_KINDS.items()):
        some = looked.kinds == kind
        if some.any():
            draw_points(panel, at[some], looked.estimate.isel(point=some), name, number, joined=False)
    counts = ~looked.out & np.isfinite(looked.estimate["estimate"].values)
    if not counts.all():
        frame, low = panel.get_xaxis_transform(), np.full((~counts).sum(), 0.03)
        panel.plot(at[~counts], low, "x", transform=frame, color=GREY, markersize=4, label=_left_out(record))
    if record.found is not None:
        _shade(panel, record, record.found, (0,))
        (found,) = record.found.point.values()
        _star(panel, found, record.found.estimate)


def _draw_rounds(panel: Axes, looked: _Looked, record: Record, label: str) -> None:
    """Estimates of candidates, all their members in them, at every round that asked for some of these."""
    set_values_axis(panel, [looked.estimate, *_of_found(record)], label)
    names = [axis.name for axis in looked.axes]
    columns = zip(*(looked.estimate[name].values.tolist() for name in names), strict=True)
    place = {point: k for k, point in enumerate(columns)}
    before = [point for point, kind in zip(place, looked.kinds.tolist(), strict=True) if kind == "before"]
    asked = [(0, "before", before), *((k, one.kind, one.points) for k, one in enumerate(record.rounds, start=1))]
    for number, kind, points in asked:
        there = [place[point] for point in points if point in place]
        if there:
            at = number + np.linspace(-0.35, 0.35, len(there) + 2)[1:-1]
            some = looked.estimate.isel(point=there)
            noted = {"round": np.full(len(there), number), **columns_of(some)}
            note(panel, str(record.about["of"]), _KINDS[kind], noted, (at, some["estimate"].values))
            draw_points(panel, at, some, _KINDS[kind], list(_KINDS).index(kind), joined=False)
    if record.found is not None:
        (result,) = _of_found(record)
        last = len(record.rounds) + 0.35
        draw_points(panel, np.array([last]), result, "value, by fresh members alone", len(_KINDS), joined=False)
    if isinstance(record.about["goal"], dict):
        reference_line(panel, record.about["goal"]["target"], "target")
    panel.set(xlabel="round", xlim=(0.3 if not before else -0.7, len(record.rounds) + 0.7))
    panel.locator_params(axis="x", integer=True)


def _of_found(record: Record) -> list[xarray.Dataset]:
    """What was found as an estimate, if it was."""
    if record.found is None:
        return []
    found = record.found
    return [xarray.Dataset({name: ("point", [getattr(found, name)]) for name in ("estimate", "low", "high")})]


def _shade(panel: Axes, record: Record, found: Found, pair: tuple[int, ...]) -> None:
    """The cells of the candidates in which the optimum lies."""
    ranges = [_range(record, k) for k in pair]
    label = f"holds the optimum with 95 % ({found.share:.1%} of the ranges)"
    halves = [record.about["step"][k] / 2 or _THIN for k in pair]
    for number, cell in enumerate(sorted({tuple(point[k] for k in pair) for point in found.region})):
        ends = [
            of.at(np.clip(of.share(np.array(value, dtype=float)) + np.array([-half, half]), 0, 1))
            for of, half, value in zip(ranges, halves, cell, strict=True)
        ]
        (left, right), (bottom, top) = ends[0], ends[1] if len(ends) == 2 else (0.0, 1.0)
        transform = panel.transData if len(ends) == 2 else panel.get_xaxis_transform()
        panel.add_patch(
            Rectangle(
                (left, bottom), right - left, top - bottom, transform=transform, facecolor=_REGION, edgecolor="none",
                alpha=0.6, zorder=0.5, label=label if not number else "_",
            )
        )  # fmt: skip


def _star(panel: Axes, x: Any, y: Any) -> None:
    panel.plot(
        [x], [y], "*", color="white", markeredgecolor="black", markeredgewidth=0.8, markersize=10, zorder=4,
        label="found", linestyle="none",
    )  # fmt: skip
