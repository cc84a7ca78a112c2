"""Section IV.2.3: continuous (eq. 3) against discrete learning (eq. 13) on the same simulated time."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import is_valid, reached
from pipeline.figures._style import BLUE, ORANGE, interval_points, log_axis, mean_curve, panels
from pipeline.plan import intervals
from pipeline.systems import MISSING

AXES = ("T",)
"""The axes of the sweep that it draws."""

SCHEMES = (("", "continuous", ORANGE), ("discrete_", "discrete", BLUE))
SHOWN_T = (10.0, 50.0)
"""Intervals T whose course in time is drawn: those swept that are nearest."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Mean error against simulated time at two intervals T; final success and ⟨|w|⟩ against T."""
    T = dataset["T"]
    shown = sorted({int(np.abs(np.log(T.values / wanted)).argmin()) for wanted in SHOWN_T})
    figure, axes = panels(2, 2, width=4.4, height=3.2)
    for ax, k in zip(axes, shown, strict=False):
        point = dataset.isel(T=k)
        for prefix, label, colour in SCHEMES:
            errors = point[f"{prefix}error"].where(is_valid(point))
            mean_curve(ax, point["time_at"] / 1000, errors, label, colour)
        ax.set(xlabel="simulated time (1000)", ylabel=r"mean error $\epsilon$", ylim=(0, None))
        ax.legend(title=f"$T$ = {float(T[k]):g}; mean, 95 % interval")
    if len(shown) == 1:
        axes[1].set_visible(False)
    for prefix, label, colour in SCHEMES:
        fixed = dataset[f"{prefix}fixed_order_parameter"]
        success = intervals.fraction(reached(dataset, fixed), dataset["status"] != MISSING)
        interval_points(axes[2], T, success, label, colour)
        weights = dataset[f"{prefix}final_mean_abs_weight"].where(is_valid(dataset))
        interval_points(axes[3], T, intervals.mean(weights), label, colour)
    axes[2].set(ylabel="fraction successful", ylim=(0, 1))
    axes[3].set(ylabel=r"$\langle|w|\rangle$, all members", yscale="log")
    for ax, what in ((axes[2], "share"), (axes[3], "mean")):
        log_axis(ax, T, "interval $T$ (time)")
        ax.legend(title=f"{what}, 95 % interval")
    return figure
