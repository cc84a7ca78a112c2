"""Figure 7: R and ⟨|w|⟩ of the successful members against the interval T.

Whether a member is successful depends on how long one looks. The paper's R (eq. 11) is the mean over one
interval T: with a short T a member may just pass the target while it looks. So success is judged after learning, by
r averaged over a long time with the weights fixed. Both are drawn.
"""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import is_valid, setting, success_fraction, successful
from pipeline.figures._style import BLUE, GREY, ORANGE, interval_points, log_axis, panels, reference_line
from pipeline.plan import intervals

AXES = ("T",)
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Means with 95 % intervals, ⟨|w|⟩ of all members for comparison; the share of successful ones beside them."""
    T = dataset["T"]
    last = dataset[["order_parameter", "mean_abs_weight"]].isel(iteration=-1)
    every = dataset["final_mean_abs_weight"].where(is_valid(dataset))
    figure, (order, weight, success) = panels(1, 3, width=3.9, height=3.4)
    for reached, strength, label, color in (
        (last["order_parameter"], last["mean_abs_weight"], "successful in the last interval", BLUE),
        (
            dataset["fixed_order_parameter"],
            abs(dataset["weight"]).mean("edge"),
            "successful with fixed weights",
            ORANGE,
        ),
    ):
        counted = successful(dataset, reached)
        interval_points(order, T, intervals.mean(reached.where(counted)), label, color)
        interval_points(weight, T, intervals.mean(strength.where(counted)), label, color)
        interval_points(success, T, success_fraction(dataset, reached), label, color)
    interval_points(weight, T, intervals.mean(every), "all members", GREY)
    reference_line(order, float(setting(dataset, "target_order_parameter")), r"$R_\mathrm{target}$")
    reference_line(weight, float(setting(dataset, "target_mean_abs_weight")), "$W$")
    order.set(ylabel="$R$, successful members", ylim=(0.5, 0.7))
    weight.set(ylabel=r"$\langle|w|\rangle$", yscale="log", ylim=(0.8, 30))
    success.set(ylabel="fraction successful", ylim=(0, 1))
    for ax in (order, weight, success):
        log_axis(ax, T, "interval $T$ (time)")
        ax.legend(title="share, 95 % interval" if ax is success else "mean, 95 % interval")
    return figure
