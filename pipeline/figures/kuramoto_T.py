"""Figure 7: R and ⟨|w|⟩ of the successful members against the interval T.

Whether a member is successful depends on how long one looks. The paper's R (eq. 11) is the mean over one
interval T: with a short T a member may just pass the target while it looks. The stricter R here is the mean over
the last 1 % of iterations. Both are drawn.
"""

import xarray
from matplotlib.figure import Figure

from pipeline import statistics
from pipeline.figures._kuramoto import setting, success_fraction, successful
from pipeline.figures._style import BLUE, ORANGE, interval_points, log_axis, panels, reference_line, spread_band


def draw(dataset: xarray.Dataset) -> Figure:
    """Means with 95 % intervals and the spread of the members; the share of successful ones beside them."""
    T = dataset["T"]
    last = dataset[["order_parameter", "mean_abs_weight"]].isel(iteration=-1)
    figure, (order, weight, success) = panels(1, 3, width=3.9, height=3.4)
    for reached, strength, label, color in (
        (last["order_parameter"], last["mean_abs_weight"], "$R$ of the last interval", BLUE),
        (dataset["final_order_parameter"], dataset["final_mean_abs_weight"], "$R$ of the last 1 %", ORANGE),
    ):
        counted = successful(dataset, reached)
        interval_points(order, T, statistics.mean(reached.where(counted)), label, color)
        interval_points(weight, T, statistics.mean(strength.where(counted)), label, color)
        if color == BLUE:
            spread_band(weight, T, strength.where(counted), "central 68 % of these members", color)
        interval_points(success, T, success_fraction(dataset, reached), label, color)
    reference_line(order, float(setting(dataset, "target_order_parameter")), r"$R_\mathrm{target}$")
    reference_line(weight, float(setting(dataset, "target_mean_abs_weight")), "$W$")
    order.set(ylabel="$R$, successful members", ylim=(0.5, 0.7))
    weight.set(ylabel=r"$\langle|w|\rangle$, successful members")
    success.set(ylabel="fraction successful", ylim=(0, 1))
    for ax in (order, weight, success):
        log_axis(ax, T, "interval $T$ (time)")
        ax.legend(title=None if ax is weight else "mean, 95 % interval" if ax is order else "95 % interval")
    return figure
