"""What the network figures share: the map of the mean final error over η and σ, its minimum marked."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline import statistics
from pipeline.figures._style import ORANGE, colour_map, panels


def error_map(dataset: xarray.Dataset) -> Figure:
    """Mean final error; the least one marked, and every point that may be the least by its 95 % interval."""
    error = statistics.mean(dataset["final_error"].where(dataset["status"] == 1))
    mostly_done = (dataset["status"] == 2).mean("member") < 0.5
    estimate = error["estimate"].where(mostly_done)
    figure, (ax,) = panels(1, 1, width=5.6, height=4.4)
    mesh = colour_map(ax, estimate, "eta", "sigma", cmap="viridis_r")
    figure.colorbar(mesh, ax=ax, label=r"mean final error $\epsilon$")
    ax.set(xlabel=r"drift strength $\eta$", ylabel=r"noise strength $\sigma$")
    best = estimate.where(estimate.notnull(), np.inf).argmin(...)
    at = {axis: float(dataset[axis][best[axis]]) for axis in ("eta", "sigma")}
    lowest = error.isel(best)
    rivals = (error["low"] < float(lowest["high"])) & mostly_done
    eta, sigma = xarray.broadcast(dataset["eta"], dataset["sigma"])
    maybe = rivals.transpose(*eta.dims).values
    ax.plot(
        eta.values[maybe], sigma.values[maybe], ".", color=ORANGE, markersize=4, label="may be the least (95 %)"
    )
    least, half = float(lowest["estimate"]), float(lowest["high"] - lowest["estimate"])
    label = rf"least: {least:.3f} ± {half:.3f} at $\eta$ = {at['eta']:.3g}, $\sigma$ = {at['sigma']:.3g}"
    ax.plot(at["eta"], at["sigma"], "*", color=ORANGE, markersize=14, markeredgecolor="white", label=label)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure
