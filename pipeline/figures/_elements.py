"""What figures are made of: estimates whose intervals look no narrower than they are, curves, histograms.

Everything drawn here is noted for the table beside the figure.
"""

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures._numbers import columns_of, note
from pipeline.figures._scales import SweptAxis, fitting, place_axis, place_log_ticks, thin_ticks
from pipeline.plan import intervals

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito: colour-blind readers can tell them apart."""
BLUE, *_, BLACK = COLOURS
GREY = "0.45"
UNBOUNDED = "open: too few members count, the interval is unbounded"
"""Label of markers without an interval."""
MARKERS = "osD^vP*"
"""Of series, in their order."""
_APART = 0.12
"""Of a step between swept values: how far series are set apart that would hide each other."""


# --- estimates against a swept setting --------------------------------------------------------------------


_SET_APART = WeakSet[Axes]()
"""Panels in which points stand beside their x."""


def draw_estimates(
    ax: Axes,
    axis: SweptAxis,
    series: dict[str, xarray.Dataset],
    quantity: str,
    joined: bool = True,
    absent: str = "",
    apart: float = _APART,
) -> None:
    """Estimates against a swept setting: several series, set apart.

    A closed marker has its interval as a bar; an open one has an unbounded interval, and a bar to the frame.

    Args:
        ax: where.
        axis: the setting; the x axis of `ax` is set to it.
        series: label for the legend → `estimate`, `low` and `high`, (value,).
        quantity: what is estimated, for the table.
        joined: whether a line leads from each to the next; never between labels. Default: yes.
        absent: why there is no estimate at some values, which are crossed then. Default: they stay empty.
        apart: how far series are from each other, as a share of the least step between values. Default: 0.12.
    """
    place_axis(ax, "x", axis, drawn=not joined)
    if len(series) > 1:
        _SET_APART.add(ax)
    middle = (len(series) - 1) / 2
    apart = min(apart, 0.2 / max(middle, 0.1))  # all within the margin of the axis
    for number, (label, estimate) in enumerate(series.items()):
        x = np.atleast_1d(estimate[axis.name].values)
        at = axis.scale.beside(axis.scale.coordinates_of(x), apart * (number - middle))
        columns = columns_of(estimate, **{axis.name: x})
        note(ax, quantity, label, columns, (at, estimate["estimate"].values))
        draw_points(ax, at, estimate, label, number, joined and axis.scale.kind != "labels")
        if absent and (nowhere := ~np.isfinite(np.atleast_1d(estimate["estimate"].values))).any():
            frame = ax.get_xaxis_transform()
            colour = COLOURS[number % len(COLOURS)]
            ax.plot(at[nowhere], np.full(nowhere.sum(), 0.03), "x", transform=frame, color=colour, markersize=4)
            ax.plot([], [], "x", color=GREY, markersize=4, label=f"none: {absent}")


def sets_apart(figure: Figure) -> bool:
    """Whether series of a figure are set apart along x.

    Args:
        figure: any.

    Returns:
        Whether a panel has several series of estimates.
    """
    return any(ax in _SET_APART for ax in figure.axes)


def draw_points(
    ax: Axes, x: np.ndarray, estimate: xarray.Dataset, label: str, number: int = 0, joined: bool = True
) -> None:
    """Estimates at some places, not noted.

    Args:
        ax: where.
        x: (value,) coordinates.
        estimate: `estimate`, `low` and `high`, (value,).
        label: for the legend.
        number: of the series: its colour and marker. Default: 0.
        joined: whether a line leads from each to the next. Default: yes.
    """
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    middle, low, high = (
        np.atleast_1d(estimate[name].values).astype(float) for name in ("estimate", "low", "high")
    )
    known = np.isfinite(middle)
    bounded = known & np.isfinite(low) & np.isfinite(high)
    style: Any = {"color": colour, "markersize": 3.5, "zorder": 3 + 0.1 * number}
    if joined and known.sum() > 1:  # no line across a place without an estimate
        ax.plot(x, np.where(known, middle, np.nan), "-", color=colour, linewidth=0.8, zorder=2 + 0.1 * number)
    bars = np.array([middle[bounded] - low[bounded], high[bounded] - middle[bounded]])
    ax.errorbar(
        x[bounded], middle[bounded], yerr=np.maximum(bars, 0), fmt=marker, capsize=2, elinewidth=0.8, capthick=0.8,
        label=label, **style,
    )  # fmt: skip
    unbounded = known & ~bounded
    if unbounded.any():
        ax.plot(x[unbounded], middle[unbounded], marker, markerfacecolor="white", label=UNBOUNDED, **style)
        frame = ax.get_xaxis_transform()
        ax.vlines(x[unbounded], 0, 1, transform=frame, color=colour, linewidth=0.6, alpha=0.6)


def set_values_axis(
    ax: Axes, estimates: Iterable[xarray.Dataset], label: str, references: Iterable[float] = (), log: bool = False
) -> None:
    """Let a y axis show all estimates and the bounded ends of their intervals, and its references.

    Args:
        ax: whose axis.
        estimates: what is drawn there.
        label: what they are.
        references: further values that are drawn.
        log: whether the axis is logarithmic, if all estimates are positive; ends of intervals that are not reach to
            the frame. Default: no.
    """
    estimates = list(estimates)
    middles = np.concatenate([*(np.ravel(estimate["estimate"].values) for estimate in estimates), [np.nan]])
    drawn = [np.ravel(estimate[name].values) for estimate in estimates for name in ("estimate", "low", "high")]
    values = np.concatenate([*drawn, np.array(list(references), dtype=float)])
    values = values[np.isfinite(values)]
    if log and (middles[np.isfinite(middles)] > 0).all() and (values > 0).any():
        low, high = np.log10(span(values[values > 0]))
        margin = max(0.08 * (high - low), 0.02)
        ax.set(yscale="log", ylim=(10 ** (low - margin), 10 ** (high + margin)))
        place_log_ticks(ax, high - low)
    else:
        low, high = span(values)
        margin = 0.08 * (high - low)
        ax.set_ylim(low - margin, high + margin)
    ax.set_ylabel(fitting(label))


def span(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of the finite ones, apart from each other.

    Args:
        values: any shape, also none.

    Returns:
        Both; around a single value, where there is but one.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if high > low + 1e-12 * abs(low):
        return low, high
    around = abs(low) * 0.1 if low else 0.5
    return low - around, high + around


def reference_line(ax: Axes, value: float, label: str, linestyle: str = "--") -> None:
    """A horizontal line at a target.

    Args:
        ax: where.
        value: of the target.
        label: for the legend.
        linestyle: as matplotlib has it; others for other targets in a figure. Default: dashed.
    """
    note(ax, label, "reference", {"value": [value]})
    ax.axhline(value, color=BLACK, linestyle=linestyle, linewidth=0.8, label=label, zorder=1)


# --- ensembles along a recorded dimension -----------------------------------------------------------------


def draw_curve(
    ax: Axes, x: xarray.DataArray, y: xarray.DataArray, label: str, quantity: str, **style: Any
) -> xarray.Dataset:
    """A line, such as a member along time.

    Args:
        ax: where.
        x: (record,) along the axis.
        y: (record,).
        label: for the legend.
        quantity: what y is, for the table.
        **style: of the line. Default: thin and blue.

    Returns:
        What the y axis has to show, for `set_values_axis`.
    """
    note(ax, quantity, label, {str(x.name): x.values, "value": y.values})
    thin_ticks(ax)
    ax.plot(x.values, y.values, label=label, **{"linewidth": 0.7, "color": BLUE, "zorder": 2.6, **style})
    return values_of(y)


def values_of(values: xarray.DataArray) -> xarray.Dataset:
    """Values as `set_values_axis` takes them.

    Args:
        values: any shape.

    Returns:
        `estimate`, `low` and `high`, all the same.
    """
    return xarray.Dataset(dict.fromkeys(("estimate", "low", "high"), values.reset_coords(drop=True)))


def draw_mean(
    ax: Axes, x: xarray.DataArray, values: xarray.DataArray, name: str, quantity: str, number: int = 1
) -> xarray.Dataset:
    """The mean over the members and the band of its 95 % interval; none where one member counts.

    Args:
        ax: where.
        x: (record,) along the axis.
        values: (member, record), NaN: a member that does not count.
        name: of the ensemble, for the legend.
        quantity: what the values are, for the table.
        number: of the ensemble: its colour. Default: 1.

    Returns:
        What the y axis has to show, for `set_values_axis`.
    """
    colour = COLOURS[number % len(COLOURS)]
    mean = intervals.mean(values)
    columns = {name_: mean[name_].values for name_ in ("estimate", "low", "high", "count")}
    note(ax, quantity, name, {str(x.name): x.values, **columns}, (x.values, columns["estimate"]))
    ax.plot(x.values, mean["estimate"].values, color=colour, linewidth=1.2, label=name, zorder=2.5)
    low, high = (mean[end].where(np.isfinite(mean[end])).values for end in ("low", "high"))
    if np.isfinite(low).any():
        label = f"95 % interval of the {name}" if name.startswith("mean") else f"95 % interval, {name}"
        ax.fill_between(x.values, low, high, color=colour, alpha=0.35, linewidth=0, label=label)
    return mean


def draw_spread(
    ax: Axes,
    x: xarray.DataArray,
    values: xarray.DataArray,
    quantity: str,
    number: int = 1,
    of: str = "all members",
) -> xarray.Dataset | None:
    """The band of the central 68 % of the members, where several count.

    Args:
        ax: where.
        x: (record,) along the axis.
        values: (member, record), NaN: a member that does not count.
        quantity: what the values are, for the table.
        number: of the ensemble: its colour. Default: 1.
        of: whose, for the legend. Default: "all members".

    Returns:
        What the y axis has to show, for `set_values_axis`; None if nothing is drawn.
    """
    counted = (values.count("member") > 1).values
    if not counted.any():
        return None
    some = values.transpose("member", ...)[:, counted]
    low, high = np.nanquantile(some.values, [0.16, 0.84], axis=0)
    label = f"central 68 %, {of}"
    note(ax, quantity, label, {str(x.name): x.values[counted], "low": low, "high": high})
    colour = COLOURS[number % len(COLOURS)]
    ax.fill_between(x.values[counted], low, high, color=colour, alpha=0.15, linewidth=0, label=label)
    return xarray.Dataset({"estimate": ("x", low), "low": ("x", low), "high": ("x", high)})


# --- histograms --------------------------------------------------------------------------------------------


def draw_histogram(ax: Axes, values: np.ndarray, bins: np.ndarray, label: str, quantity: str) -> None:
    """Probability density of some values; those beyond the last bin are left out and told.

    Args:
        ax: where.
        values: any shape; what is not finite is left out.
        bins: (bin + 1,) ends of the bins.
        label: for the legend.
        quantity: what the values are, for the table.
    """
    values = values[np.isfinite(values)]
    counts, _ = np.histogram(values, bins)
    density, middles = counts / np.diff(bins) / max(len(values), 1), (bins[:-1] + bins[1:]) / 2
    note(
        ax,
        quantity,
        label,
        {"from": bins[:-1], "to": bins[1:], "count": counts, "density": density},
        (middles, density),
    )
    ax.stairs(density, bins, fill=True, color=BLUE, alpha=0.8, label=label)
