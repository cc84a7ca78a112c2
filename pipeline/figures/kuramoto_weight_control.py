"""Figure 6: R and ⟨|w|⟩ of all members against the strength β of the weight control.

R is r averaged with the weights fixed after learning, by which success is judged.
"""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import draw_estimates, draw_spread, reference_line, set_values_axis
from pipeline.figures._kuramoto import setting, success_fraction
from pipeline.figures._members import valid
from pipeline.figures._panels import add_legend, panels
from pipeline.figures._scales import swept_axis
from pipeline.plan import intervals

AXES = ("weight_control",)
"""The axes of the sweep that it draws."""
VARIABLES = ("fixed_order_parameter", "final_mean_abs_weight")
SETTINGS = ("target_order_parameter", "target_mean_abs_weight")


def draw(dataset: xarray.Dataset) -> Figure:
    """Means and the spread of the members that did not diverge; the share of successful ones beside them."""
    axis = swept_axis(dataset, "weight_control")
    figure, (order, weight, success) = panels(3)
    for ax, name, symbol, target, *look in (
        (order, "fixed_order_parameter", "$R$", "target_order_parameter", r"$R_\mathrm{target}$", "--"),
        (weight, "final_mean_abs_weight", r"$\langle|w|\rangle$", "target_mean_abs_weight", "$W$", "-."),
    ):
        values, reference = valid(dataset, name), float(setting(dataset, target))
        mean = intervals.mean(values)
        draw_estimates(ax, axis, {"mean or share": mean}, f"mean of {name}")
        band = draw_spread(ax, dataset["weight_control"], values, name, 0)
        reference_line(ax, reference, *look)
        set_values_axis(ax, [mean, *filter(None, [band])], f"mean {symbol}", [reference])
    share = success_fraction(dataset)
    draw_estimates(success, axis, {"mean or share": share}, "share successful")
    set_values_axis(success, [share], "share successful")
    add_legend(figure, [order, weight, success], "bars: 95 % intervals; means over members that did not diverge")
    return figure
