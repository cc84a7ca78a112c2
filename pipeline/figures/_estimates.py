"""Estimates and their intervals, drawn so that none looks narrower than it is."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from pipeline.figures._scales import Scale

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito: colour-blind readers can tell them apart."""
MARKERS = "osD^vP*"
NO_MEMBERS = "0.85"
"""Colour of cells in which no member counts."""


def draw_points(
    ax: Axes, places: np.ndarray, estimate: xarray.Dataset, label: str, number: int = 0, joined: bool = True
) -> None:
    """Estimates against places: a closed marker with its interval, an open one with a bar to the frame without.

    Args:
        ax: where.
        places: (value,) along x.
        estimate: `estimate`, `low` and `high`, (value,).
        label: for the legend.
        number: of the series: its colour and marker.
        joined: whether a line leads from each to the next.
    """
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    middle, low, high = (estimate[name].values.astype(float) for name in ("estimate", "low", "high"))
    known = np.isfinite(middle)
    bounded = known & np.isfinite(low) & np.isfinite(high)
    style: Any = {"color": colour, "markersize": 4, "zorder": 3 + number}
    if joined:
        ax.plot(places[known], middle[known], "-", color=colour, linewidth=1, zorder=2 + number)
    bars = np.array([middle - low, high - middle])[:, bounded]
    ax.errorbar(
        places[bounded], middle[bounded], yerr=np.maximum(bars, 0), fmt=marker, capsize=2, elinewidth=1,
        label=label, **style,
    )  # fmt: skip
    unbounded = known & ~bounded
    ax.plot(places[unbounded], middle[unbounded], marker, markerfacecolor="white", **style)
    ax.vlines(places[unbounded], 0, 1, transform=ax.get_xaxis_transform(), color=colour, linewidth=0.6, alpha=0.6)


def set_values_axis(
    ax: Axes, estimates: Iterable[xarray.Dataset], label: str, references: Iterable[float] = ()
) -> None:
    """Let a y axis show all estimates and the bounded ends of their intervals, and its references.

    Args:
        ax: whose axis.
        estimates: what is drawn there.
        label: what they are.
        references: further values that are drawn.
    """
    drawn = [estimate[name].values.ravel() for estimate in estimates for name in ("estimate", "low", "high")]
    low, high = _range(np.concatenate([*drawn, np.array(list(references), dtype=float)]))
    margin = 0.08 * (high - low)
    ax.set(ylim=(low - margin, high + margin), ylabel=label)


def draw_map(ax: Axes, x: Scale, y: Scale, values: np.ndarray) -> Any:
    """Values over two axes as coloured cells; grey where there is none.

    Args:
        ax: where.
        x: values along x.
        y: values along y.
        values: (y, x), NaN where no member counts.

    Returns:
        The mesh, for a colour bar.
    """
    ax.set_facecolor(NO_MEMBERS)
    return ax.pcolormesh(
        x.edges, y.edges, np.ma.masked_invalid(values), cmap="viridis", norm=Normalize(*_range(values))
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of the finite ones, apart from each other."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if high > low:
        return low, high
    around = max(abs(low) * 0.1, 1e-3) if low else 0.5
    return low - around, high + around
