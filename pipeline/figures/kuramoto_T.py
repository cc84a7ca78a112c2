"""Figure 7: R and ⟨|w|⟩ of the successful members against the interval T."""

import xarray
from matplotlib.figure import Figure

from pipeline import statistics
from pipeline.figures.kuramoto import setting, success_fraction, successful
from pipeline.figures.style import BLUE, GREEN, interval_points, panels, reference_line, spread_band


def draw(dataset: xarray.Dataset) -> Figure:
    """Means with 95 % intervals and the spread of the members; the share of successful ones beside them."""
    counted = dataset.where(successful(dataset))
    figure, (order, weight, success) = panels(1, 3, height=3.2)
    for ax, name, symbol in (
        (order, "final_order_parameter", "$R$"),
        (weight, "final_mean_abs_weight", r"$\langle|w|\rangle$"),
    ):
        interval_points(ax, dataset["T"], statistics.mean(counted[name]), "mean, 95 % interval")
        spread_band(ax, dataset["T"], counted[name], "central 68 % of members", BLUE)
        ax.set(xscale="log", xlabel="interval $T$ (time)", ylabel=f"{symbol}, successful members")
    reference_line(order, float(setting(dataset, "target_order_parameter")), r"$R_\mathrm{target}$")
    reference_line(weight, float(setting(dataset, "target_mean_abs_weight")), "$W$")
    order.set_ylim(0.4, 0.8)
    interval_points(success, dataset["T"], success_fraction(dataset), "95 % interval", GREEN)
    success.set(xscale="log", xlabel="interval $T$ (time)", ylabel="fraction successful", ylim=(0, 1))
    for ax in (order, weight, success):
        ax.legend()
    return figure
