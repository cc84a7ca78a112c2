"""Calibration: share of successful members over delay Δ and drift strength η."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import success_fraction
from pipeline.figures._style import heat_map, panels

AXES = ("delay", "eta")
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """One map."""
    success = success_fraction(dataset)
    figure, (ax,) = panels(1, 1, width=5.6, height=4.4)
    half = (success["high"] - success["low"]) / 2
    mesh = heat_map(ax, success["estimate"], "eta", "delay", half, cmap="viridis", vmin=0, vmax=1)
    figure.colorbar(mesh, ax=ax, label="fraction successful (± half 95 % interval)")
    ax.set(xlabel=r"drift strength $\eta$", ylabel=r"delay $\Delta$ (iterations)")
    return figure
