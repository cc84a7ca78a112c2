"""Calibration: mean final error and share of successful members over drift strength η and noise strength σ."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import success_fraction
from pipeline.figures._maps import draw_half_widths, draw_map
from pipeline.figures._members import MOSTLY_DIVERGED, valid, where_members_hold
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import swept_axis
from pipeline.plan import intervals

AXES = ("eta", "sigma")
"""The axes of the sweep that it draws."""
VARIABLES = ("final_error", "fixed_order_parameter")
SETTINGS = ("target_order_parameter",)


def draw(dataset: xarray.Dataset) -> Figure:
    """Two maps with the half-widths of their intervals; error means are over members that did not diverge."""
    axes = swept_axis(dataset, "eta"), swept_axis(dataset, "sigma")
    error = intervals.mean(valid(dataset, "final_error"))
    figure, shown = panels(4, 2)
    for left, right, estimate, label, better in (
        (shown[0], shown[1], error, r"mean final error $\epsilon$", "low"),
        (shown[2], shown[3], success_fraction(dataset), "share successful", "high"),
    ):
        held = where_members_hold(dataset, estimate)
        draw_map(left, axes, held, label, label, better, MOSTLY_DIVERGED)
        draw_half_widths(right, axes, held, label)
    add_legend(figure, shown)
    return figure
