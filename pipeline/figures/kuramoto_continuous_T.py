"""Section IV.2.3: continuous (eq. 3) against discrete learning (eq. 13) on the same simulated time."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import draw_estimates, draw_mean, set_values_axis
from pipeline.figures._kuramoto import reached
from pipeline.figures._members import valid
from pipeline.figures._panels import add_legend, add_title, panels
from pipeline.figures._scales import swept_axis
from pipeline.plan import intervals
from pipeline.systems import COMPUTED, MISSING

AXES = ("T",)
"""The axes of the sweep that it draws."""
VARIABLES = (
    "error",
    "discrete_error",
    "fixed_order_parameter",
    "discrete_fixed_order_parameter",
    "final_mean_abs_weight",
    "discrete_final_mean_abs_weight",
)
SETTINGS = ("target_order_parameter",)

SCHEMES = {"discrete": "discrete_", "continuous": ""}
SHOWN_T = (10.0, 50.0)
"""Intervals T whose course in time is drawn: those swept that are nearest."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Mean error against simulated time at two intervals T; final success and ⟨|w|⟩ against T."""
    axis, T = swept_axis(dataset, "T"), dataset["T"]
    shown = sorted({int(np.abs(np.log(T.values / wanted)).argmin()) for wanted in SHOWN_T})
    figure, axes = panels(len(shown) + 2, 2 if len(shown) == 2 else 3)
    for ax, k in zip(axes, shown, strict=False):
        point = dataset.isel(T=k)
        time = (point["time_at"] / 1000).rename("thousands of time")
        courses = [
            draw_mean(ax, time, valid(point, f"{prefix}error"), scheme, f"mean error at T = {float(T[k]):g}", n)
            for n, (scheme, prefix) in enumerate(SCHEMES.items())
        ]
        ax.set_xlabel("simulated time ($10^3$ time)")
        add_title(ax, f"$T$ = {float(T[k]):g}")
        set_values_axis(ax, courses, r"mean error $\epsilon$")
    success, weight = axes[-2:]
    computed = dataset["status"] == COMPUTED
    shares: dict[str, xarray.Dataset] = {}
    means: dict[str, xarray.Dataset] = {}
    for scheme, prefix in SCHEMES.items():
        hits = computed & reached(dataset, dataset[f"{prefix}fixed_order_parameter"])
        shares[scheme] = intervals.fraction(hits, dataset["status"] != MISSING)
        means[scheme] = intervals.mean(valid(dataset, f"{prefix}final_mean_abs_weight"))
    for ax, estimates, label in (
        (success, shares, "share successful"),
        (weight, means, r"mean $\langle|w|\rangle$"),
    ):
        draw_estimates(ax, axis, estimates, label)
        set_values_axis(ax, estimates.values(), label, log=ax is weight)
    add_legend(
        figure, [*axes[: len(shown)]], "bands and bars: 95 % intervals; means over members that did not diverge"
    )
    return figure
