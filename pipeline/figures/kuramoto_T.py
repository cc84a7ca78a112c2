"""Figure 7: R and ⟨|w|⟩ of the successful members against the interval T.

Whether a member is successful depends on how long one looks. The paper's R (eq. 11) is the mean over one
interval T: with a short T a member may just pass the target while it looks. So success is judged after learning, by
r averaged over a long time with the weights fixed. Both are drawn.
"""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import draw_estimates, draw_spread, reference_line, set_values_axis
from pipeline.figures._kuramoto import setting, success_fraction, successful
from pipeline.figures._members import valid
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import swept_axis
from pipeline.plan import intervals

AXES = ("T",)
"""The axes of the sweep that it draws."""
VARIABLES = (
    "order_parameter",
    "mean_abs_weight",
    "final_mean_abs_weight",
    "fixed_order_parameter",
    "weight",
)
SETTINGS = ("target_order_parameter", "target_mean_abs_weight")


def draw(dataset: xarray.Dataset) -> Figure:
    """Means over the successful members, their spread, the share of successful ones, and how many they are."""
    axis = swept_axis(dataset, "T")
    last = dataset[["order_parameter", "mean_abs_weight"]].isel(iteration=-1).load()
    ways = {
        "successful with fixed weights": (dataset["fixed_order_parameter"], abs(dataset["weight"]).mean("edge")),
        "successful in the last interval": (last["order_parameter"], last["mean_abs_weight"]),
    }
    counted = {label: successful(dataset, order) for label, (order, _) in ways.items()}
    orders = {label: order.where(counted[label]) for label, (order, _) in ways.items()}
    weights = {label: strength.where(counted[label]) for label, (_, strength) in ways.items()}
    weights["all members"] = valid(dataset, "final_mean_abs_weight")
    shares = {label: success_fraction(dataset, order) for label, (order, _) in ways.items()}

    figure, (order, weight, success, count) = panels(4, 2)
    target, strength = (
        float(setting(dataset, name)) for name in ("target_order_parameter", "target_mean_abs_weight")
    )
    for ax, values, label, reference, log in (
        (order, orders, "mean $R$, successful members", (target, r"$R_\mathrm{target}$", "--"), False),
        (weight, weights, r"mean $\langle|w|\rangle$", (strength, "$W$", "-."), True),
    ):
        means = {name: intervals.mean(of) for name, of in values.items()}
        draw_estimates(ax, axis, means, label)
        bands = [draw_spread(ax, dataset["T"], of, label, k, name) for k, (name, of) in enumerate(values.items())]
        reference_line(ax, *reference)
        set_values_axis(ax, [*means.values(), *filter(None, bands)], label, [reference[0]], log)
    draw_estimates(success, axis, shares, "share successful")
    set_values_axis(success, shares.values(), "share successful")
    counts = {label: share["estimate"] * share["count"] for label, share in shares.items()}
    numbers = {label: xarray.Dataset(dict.fromkeys(("estimate", "low", "high"), n)) for label, n in counts.items()}
    draw_estimates(count, axis, numbers, "members averaged")
    set_values_axis(count, numbers.values(), "members averaged in (a, b)", [0.0])
    add_legend(figure, [order, weight], "bars: 95 % intervals")
    return figure
