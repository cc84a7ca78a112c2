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

from pipeline.figures._elements import MARKERS, draw_estimates, draw_points, set_values_axis, span
from pipeline.figures._members import where_members_hold
from pipeline.figures._numbers import columns_of, note
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import SweptAxis, fitting, place_axis, scale_of, swept_axes
from pipeline.plan import Found, Record, table
from pipeline.request import Range
from pipeline.systems import find_or_loaded

_MOST_PAIRS = 5
_SURE = 1.959964
_REGION = "#F0E442"
"""Okabe and Ito's yellow: of the region."""
_KINDS = {
    "before": "stored before",
    "start": "to start from",
    "explore": "where the optimum may be",
    "confirm": "found",
}
_GIVEN = "as given"


class _Looked(NamedTuple):
    """Candidates with their estimates, in the order in which they were asked for."""

    estimate: xarray.Dataset
    """`estimate`, `low`, `high` along `point`, with the coordinates of the axes that are searched."""
    kinds: np.ndarray
    """(point,) in which kind of round each was asked for first."""
    rounds: np.ndarray
    """(point,) the number of that round, from 1; 0: stored before."""
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
    """Estimates against a refined axis, those of the coarse grid and those that were added.

    Args:
        dataset: of a refinement of one axis.
        record: of it.
        label: what is estimated, in words.
        ax: where to draw. Default: a figure of its own.

    Returns:
        The figure.
    """
    looked = _looked(dataset, record)
    figure, (panel,) = panels(1, None, ax)
    (axis,) = looked.axes
    set_values_axis(panel, [looked.estimate], label)
    series = {
        name: looked.estimate.isel(point=looked.kinds == kind)
        for kind, name in (("start", "coarse grid"), ("refine", "added"))
        if (looked.kinds == kind).any()
    }
    order = np.argsort(looked.estimate[axis.name].values)
    middle = looked.estimate["estimate"].values[order]
    draw_estimates(panel, axis, series, str(record.about["of"]), joined=False, apart=0.0)
    panel.plot(looked.estimate[axis.name].values[order], middle, color="0.6", linewidth=0.7, zorder=1)
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
    swept = {axis.name: axis for axis in swept_axes(dataset)}
    axes = [swept[name]._replace(scale=_scale(_range(record, k), swept[name])) for k, name in enumerate(names)]
    return _Looked(
        estimate.isel(point=there),
        np.array([first[points[k]][1] for k in there]),
        np.array([first[points[k]][0] for k in there]),
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
    note(panel, str(record.about["of"]), "", {**columns_of(estimate, **columns), "round": looked.rounds})
    norm, mesh = Normalize(*span(values)), None
    for marker, (kind, name) in zip(MARKERS, _KINDS.items(), strict=False):
        some = (looked.kinds == kind) & np.isfinite(values)
        if some.any():
            mesh = panel.scatter(
                at[0][some], at[1][some], c=values[some], s=16, marker=marker, norm=norm, edgecolors="0.2",
                linewidths=0.5, zorder=3, label=name, cmap="viridis_r" if record.about["goal"] == "min" else "viridis",
            )  # fmt: skip
    if not np.isfinite(values).all():
        nowhere = ~np.isfinite(values)
        panel.plot(
            at[0][nowhere], at[1][nowhere], "x", color="0.45", markersize=4, label="none: most members diverged"
        )
    if record.found is not None:
        _star(panel, record.found.point[pair[0]], record.found.point[pair[1]])
    figure = panel.get_figure(root=True)
    if mesh is not None and figure is not None:
        figure.colorbar(mesh, ax=panel).set_label(fitting(label))


def _draw_along(panel: Axes, looked: _Looked, record: Record, label: str) -> None:
    """Candidates against the only axis, and the region."""
    (axis,) = looked.axes
    series = {
        name: looked.estimate.isel(point=looked.kinds == kind)
        for kind, name in _KINDS.items()
        if (looked.kinds == kind).any()
    }
    set_values_axis(panel, [looked.estimate, *_of_found(record)], label)
    draw_estimates(panel, axis, series, str(record.about["of"]), joined=False, apart=0.0)
    if record.found is not None:
        _shade(panel, record, record.found, (0,))
        _star(panel, record.found.point[0], record.found.estimate)


def _draw_rounds(panel: Axes, looked: _Looked, record: Record, label: str) -> None:
    """Estimates of candidates by the round in which they were asked for first; what was found at the end."""
    set_values_axis(panel, [looked.estimate, *_of_found(record)], label)
    note(panel, str(record.about["of"]), "by rounds", {"round": looked.rounds, **columns_of(looked.estimate)})
    for number, (kind, _) in enumerate(_KINDS.items()):
        some = looked.kinds == kind
        if some.any():
            same = looked.rounds[some]
            beside = [(np.sum(same[:k] == own) - (np.sum(same == own) - 1) / 2) for k, own in enumerate(same)]
            width = 0.7 / max(np.unique(same, return_counts=True)[1].max(), 1)
            draw_points(
                panel, same + np.array(beside) * width, looked.estimate.isel(point=some), "", number, joined=False
            )
    last = len(record.rounds)
    if record.found is not None:
        (result,) = _of_found(record)
        draw_points(panel, np.array([last + 0.3]), result, "by fresh members", len(_KINDS), joined=False)
    panel.set(xlabel="round", xlim=(0.3 if 0 not in looked.rounds else -0.7, last + 0.7))
    panel.locator_params(axis="x", integer=True)


def _of_found(record: Record) -> list[xarray.Dataset]:
    """What was found as an estimate, if it was."""
    if record.found is None:
        return []
    found = record.found
    return [xarray.Dataset({name: ("point", [getattr(found, name)]) for name in ("estimate", "low", "high")})]


def _shade(panel: Axes, record: Record, found: Found, pair: tuple[int, ...]) -> None:
    """The cells of the candidates in which the optimum lies."""
    half = record.about["step"] / 2
    ranges = [_range(record, k) for k in pair]
    label = f"holds the optimum with 95 % ({found.share:.1%} of the ranges)"
    for number, cell in enumerate(sorted({tuple(point[k] for k in pair) for point in found.region})):
        ends = [
            of.at(np.clip(of.share(np.array(value, dtype=float)) + np.array([-half, half]), 0, 1))
            for of, value in zip(ranges, cell, strict=True)
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
