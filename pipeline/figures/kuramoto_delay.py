"""Calibration: share of successful members over delay Δ and drift strength η."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import success_fraction
from pipeline.figures._maps import draw_half_widths, draw_map
from pipeline.figures._members import MOSTLY_DIVERGED, where_members_hold
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import swept_axis

AXES = ("delay", "eta")
"""The axes of the sweep that it draws."""
VARIABLES = ("fixed_order_parameter",)
SETTINGS = ("target_order_parameter",)


def draw(dataset: xarray.Dataset) -> Figure:
    """A map and the half-widths of its intervals."""
    share = where_members_hold(dataset, success_fraction(dataset))
    axes = swept_axis(dataset, "eta"), swept_axis(dataset, "delay")
    figure, (left, right) = panels(2)
    draw_map(left, axes, share, "share successful", "share successful", "high", MOSTLY_DIVERGED)
    draw_half_widths(right, axes, share, "share successful")
    add_legend(figure, [left])
    return figure
