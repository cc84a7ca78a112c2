"""Figure 6: R and ⟨|w|⟩ of all members against the strength β of the weight control.

R is r averaged with the weights fixed after learning, by which success is judged.
"""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import is_valid, setting, success_fraction
from pipeline.figures._style import BLUE, GREEN, interval_points, log_axis, panels, reference_line, spread_band
from pipeline.plan import intervals

AXES = ("weight_control",)
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Means with 95 % intervals and the spread of the members; the share of successful ones beside them."""
    counted, beta = dataset.where(is_valid(dataset)), dataset["weight_control"]
    figure, (order, weight, success) = panels(1, 3, height=3.2)
    for ax, name, symbol in (
        (order, "fixed_order_parameter", "$R$"),
        (weight, "final_mean_abs_weight", r"$\langle|w|\rangle$"),
    ):
        interval_points(ax, beta, intervals.mean(counted[name]), "mean, 95 % interval")
        spread_band(ax, beta, counted[name], "central 68 % of members", BLUE)
        ax.set_ylabel(symbol)
    reference_line(order, float(setting(dataset, "target_order_parameter")), r"$R_\mathrm{target}$")
    reference_line(weight, float(setting(dataset, "target_mean_abs_weight")), "$W$")
    interval_points(success, beta, success_fraction(dataset), "95 % interval", GREEN)
    success.set(ylabel="fraction successful", ylim=(0, 1))
    for ax in (order, weight, success):
        log_axis(ax, beta, r"weight control $\beta$")
        ax.legend()
    return figure
