"""How all figures look: readable type, colours that colour-blind readers can tell apart (Okabe and Ito)."""

from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plan import intervals

BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#999999"

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
}


def panels(
    rows: int, columns: int, width: float = 3.4, height: float = 2.7, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of lettered panels, row by row."""
    figure = Figure(figsize=(width * columns, height * rows))
    axes = list(np.atleast_1d(figure.subplots(rows, columns, **options)).ravel())
    for letter, ax in zip("abcdefgh", axes, strict=False):
        ax.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure, axes


def log_axis(ax: Axes, values: xarray.DataArray, label: str) -> None:
    """A logarithmic x axis over all swept values, also those that nothing is drawn at."""
    ax.set(xscale="log", xlim=(float(values.min()) / 1.3, float(values.max()) * 1.3), xlabel=label)


def reference_line(ax: Axes, value: float, label: str) -> None:
    """A dashed horizontal line at a target."""
    ax.axhline(value, color=BLACK, linestyle="--", linewidth=1, label=label, zorder=1)


def interval_points(
    ax: Axes, x: xarray.DataArray, estimate: xarray.Dataset, label: str, color: str = BLUE
) -> None:
    """Estimates with their intervals against a swept value."""
    finite = np.isfinite(estimate["estimate"].values)
    low, middle, high = (estimate[name].values[finite] for name in ("low", "estimate", "high"))
    bars = np.maximum(
        np.nan_to_num([middle - low, high - middle], posinf=0.0), 0.0
    )  # −0 by rounding at a share of 0
    ax.errorbar(
        x.values[finite], middle, yerr=bars, fmt="o-", markersize=4, capsize=3, linewidth=1.2, color=color,
        label=label, zorder=3,
    )  # fmt: skip


def mean_curve(
    ax: Axes, x: xarray.DataArray, values: xarray.DataArray, label: str, color: str, linestyle: str = "-"
) -> None:
    """The mean over the members and its 95 % interval."""
    mean = intervals.mean(values)
    ax.plot(x, mean["estimate"], color=color, linestyle=linestyle, label=label)
    ax.fill_between(x, mean["low"], mean["high"], color=color, alpha=0.35, linewidth=0)


def spread_band(ax: Axes, x: xarray.DataArray, values: xarray.DataArray, label: str, color: str = BLUE) -> None:
    """Central 68 % of the members."""
    values = values.transpose(..., "member")
    counted = (values.count("member") > 1).values
    if not counted.any():
        return
    low, high = values[counted].quantile([0.16, 0.84], "member").transpose("quantile", ...).values
    ax.fill_between(x.values[counted], low, high, color=color, alpha=0.18, linewidth=0, label=label)


def colour_map(ax: Axes, values: xarray.DataArray, x: str, y: str, **options: Any) -> Any:
    """Values over two log-scaled axes."""
    grid = values.transpose(y, x)
    mesh = ax.pcolormesh(_edges(grid[x].values), _edges(grid[y].values), grid.values, **options)
    ax.set(xscale="log", yscale="log")
    return mesh


def heat_map(
    ax: Axes, values: xarray.DataArray, x: str, y: str, half_width: xarray.DataArray, **options: Any
) -> Any:
    """A colour map, each cell with its number and half the width of its interval."""
    mesh = colour_map(ax, values, x, y, **options)
    grid, half = values.transpose(y, x), half_width.transpose(y, x)
    for k, row in enumerate(grid.values):
        for m, value in enumerate(row):
            if np.isfinite(value):
                red, green, blue, _ = mesh.cmap(mesh.norm(value))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                text = f"{value:.2f}\n±{half.values[k, m]:.2f}"
                where = grid[x].values[m], grid[y].values[k]
                ax.text(*where, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    return mesh


def _edges(centres: np.ndarray) -> np.ndarray:
    """Cell edges at the geometric means of neighbouring centres."""
    if len(centres) == 1:
        around: np.ndarray = centres[0] * np.array([0.5, 2.0])
        return around
    inner = np.sqrt(centres[1:] * centres[:-1])
    return np.concatenate([[centres[0] ** 2 / inner[0]], inner, [centres[-1] ** 2 / inner[-1]]])
