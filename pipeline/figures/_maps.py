"""Maps over two swept settings: estimates, the places that may be the best of them, and how wide intervals are."""

from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from pipeline.figures._elements import span
from pipeline.figures._numbers import columns_of, note
from pipeline.figures._scales import SweptAxis, fitting, place_axis

_NO_MEMBERS = "0.85"
"""Colour of cells without an estimate."""


def draw_map(
    ax: Axes,
    axes: tuple[SweptAxis, SweptAxis],
    estimate: xarray.Dataset,
    label: str,
    quantity: str,
    better: str = "none",
    grey: str = "no member counts",
    norm: Normalize | None = None,
) -> None:
    """Estimates as coloured cells, all that may be the best of them marked.

    Args:
        ax: where; its axes are set, and a colour bar is put beside it.
        axes: along x and y.
        estimate: `estimate`, `low`, `high` and `count` over both; NaN: a grey cell.
        label: of the colour bar.
        quantity: what is estimated, for the table.
        better: "low", "high" or "none". Default: "none", nothing is marked.
        grey: what grey cells are, for the legend. Default: "no member counts".
        norm: of the colours. Default: from the least to the greatest.
    """
    colours = "viridis_r" if better == "low" else "viridis"  # what is better is brighter
    _draw_cells(ax, axes, estimate["estimate"], label, cmap=colours, norm=norm)
    _note(ax, axes, estimate, quantity)
    if bool(estimate["estimate"].isnull().any()):
        _explain_grey(ax, grey)
    if better != "none":
        _mark_best(ax, axes, estimate, better)


def draw_half_widths(ax: Axes, axes: tuple[SweptAxis, SweptAxis], estimate: xarray.Dataset, label: str) -> None:
    """Half the widths of intervals as coloured cells; grey where they are unbounded or there is none.

    Args:
        ax: where; its axes are set, and a colour bar is put beside it.
        axes: along x and y.
        estimate: `low` and `high` over both.
        label: of what is estimated.
    """
    half = (estimate["high"] - estimate["low"]) / 2
    bounded = half.where(np.isfinite(half) & estimate["estimate"].notnull())
    _draw_cells(ax, axes, bounded, f"half 95 % interval, {label}", cmap="cividis")
    if bool((bounded.isnull() & estimate["estimate"].notnull()).any()):
        _explain_grey(ax, "unbounded interval")


def may_be_best(estimate: xarray.Dataset, better: str) -> xarray.DataArray:
    """Which places may be the best: those whose interval overlaps that of the best estimate.

    Args:
        estimate: `estimate`, `low` and `high`, any dimensions.
        better: "low" or "high".

    Returns:
        Booleans; the best estimate is among them, none where there is no estimate.
    """
    sign = 1 if better == "low" else -1
    cost = sign * estimate["estimate"]
    if not bool(cost.notnull().any()):
        return cost.notnull()
    best = estimate.isel(cost.fillna(np.inf).argmin(...))
    rounding = 1e-9 * float(np.abs(estimate["estimate"]).max())  # equal but for that is equal
    if better == "low":
        return (estimate["low"] <= best["high"] + rounding) & cost.notnull()
    return (estimate["high"] >= best["low"] - rounding) & cost.notnull()


def _draw_cells(
    ax: Axes, axes: tuple[SweptAxis, SweptAxis], values: xarray.DataArray, label: str, cmap: str, norm: Any = None
) -> None:
    x, y = axes
    grid = values.transpose(y.name, x.name).values.astype(float)
    place_axis(ax, "x", x)
    place_axis(ax, "y", y)
    ax.set_facecolor(_NO_MEMBERS)
    mesh = ax.pcolormesh(
        x.scale.edges, y.scale.edges, np.ma.masked_invalid(grid), cmap=cmap, norm=norm or Normalize(*span(grid))
    )
    ax.set(xlim=x.scale.edges[[0, -1]], ylim=y.scale.edges[[0, -1]])
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(mesh, ax=ax)
    bar.set_label(fitting(label))
    bar.ax.set_label("colour bar")


def _explain_grey(ax: Axes, text: str) -> None:
    ax.plot([], [], "s", color=_NO_MEMBERS, markersize=7, label=f"grey: {text}")


def _note(ax: Axes, axes: tuple[SweptAxis, SweptAxis], estimate: xarray.Dataset, quantity: str) -> None:
    x, y = axes
    down, across = np.meshgrid(np.array(y.scale.values), np.array(x.scale.values), indexing="ij")
    turned = estimate.transpose(y.name, x.name)
    middles = np.meshgrid(x.scale.coordinates, y.scale.coordinates)
    note(ax, quantity, "", columns_of(turned, **{x.name: across, y.name: down}), (middles[0], middles[1]))


def _mark_best(ax: Axes, axes: tuple[SweptAxis, SweptAxis], estimate: xarray.Dataset, better: str) -> None:
    if int(estimate["estimate"].notnull().sum()) < 2:
        return  # nothing to be better than
    x, y = axes
    best = may_be_best(estimate, better).transpose(x.name, y.name).values
    across, down = np.meshgrid(x.scale.coordinates, y.scale.coordinates, indexing="ij")
    word, marker = ("least", "v") if better == "low" else ("greatest", "^")
    style: dict[str, Any] = {
        "color": "white",
        "markeredgecolor": "black",
        "markeredgewidth": 0.7,
        "linestyle": "none",
    }
    if best.sum() == 1:
        ax.plot(across[best], down[best], "*", markersize=9, label=f"{word}, by more than chance (95 %)", **style)
    elif best.any():
        ax.plot(
            across[best], down[best], marker, markersize=4, label=f"may be the {word}: intervals overlap", **style
        )
