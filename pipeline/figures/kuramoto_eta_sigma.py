"""Calibration: mean final error and share of successful members over drift strength η and noise strength σ."""

import xarray
from matplotlib.figure import Figure

from pipeline import statistics
from pipeline.figures._kuramoto import done, success_fraction
from pipeline.figures._style import ORANGE, heat_map, panels


def draw(dataset: xarray.Dataset) -> Figure:
    """Two maps; the star marks the least mean error."""
    error = statistics.mean(dataset["final_error"].where(done(dataset)))
    success = success_fraction(dataset)
    figure, axes = panels(1, 2, width=5.2, height=4.4)
    for ax, estimate, label, colours in (
        (axes[0], error, r"mean final error $\epsilon$", "viridis_r"),
        (axes[1], success, "fraction successful", "viridis"),
    ):
        half = (estimate["high"] - estimate["low"]) / 2
        mesh = heat_map(ax, estimate["estimate"], "eta", "sigma", half, cmap=colours)
        figure.colorbar(mesh, ax=ax, label=f"{label} (± half 95 % interval)")
        ax.set(xlabel=r"drift strength $\eta$", ylabel=r"noise strength $\sigma$")
    best = error["estimate"].where(error["estimate"].notnull(), float("inf")).argmin(...)
    eta, sigma = (float(dataset[axis][best[axis]]) for axis in ("eta", "sigma"))
    axes[0].plot(
        eta, sigma, marker="s", markersize=24, markerfacecolor="none", color=ORANGE, markeredgewidth=2,
        linestyle="none", label="least mean error",
    )  # fmt: skip
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.3, 1.0), labelspacing=1.2)
    return figure
