"""Calibration: mean final error and share of successful members over drift strength η and noise strength σ."""

import xarray
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.figures._kuramoto import is_valid, success_fraction
from pipeline.figures._style import ORANGE, heat_map, panels
from pipeline.plan import intervals
from pipeline.systems import DIVERGED

AXES = ("eta", "sigma")
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Two maps, the least mean error framed. Points at which most members diverged have no mean."""
    mostly_done = (dataset["status"] == DIVERGED).mean("member") < 0.5
    error = intervals.mean(dataset["final_error"].where(is_valid(dataset))).where(mostly_done)
    success = success_fraction(dataset)
    figure, axes = panels(1, 2, width=5.2, height=4.6)
    for ax, estimate, label, colours in (
        (axes[0], error, r"mean final error $\epsilon$", "viridis_r"),
        (axes[1], success, "fraction successful", "viridis"),
    ):
        half = (estimate["high"] - estimate["low"]) / 2
        mesh = heat_map(ax, estimate["estimate"], "eta", "sigma", half, cmap=colours)
        figure.colorbar(mesh, ax=ax, label=f"{label} (± half 95 % interval)")
        ax.set(xlabel=r"drift strength $\eta$", ylabel=r"noise strength $\sigma$")
    axes[0].set_facecolor("0.85")
    best = error["estimate"].where(mostly_done, float("inf")).argmin(...)
    at = [float(dataset[axis][best[axis]]) for axis in ("eta", "sigma")]
    (frame,) = axes[0].plot(
        *at, "s", markersize=26, markerfacecolor="none", color=ORANGE, markeredgewidth=2, label="least mean error"
    )
    blank = Patch(color="0.85", label="most members diverged")
    axes[0].legend(handles=[frame, blank], loc="lower right", bbox_to_anchor=(1, 1), ncols=2, markerscale=0.4)
    return figure
