"""Figure 2b: error and robustness of networks that learn both."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import draw_curve, draw_mean, draw_spread, reference_line, set_values_axis
from pipeline.figures._kuramoto import setting
from pipeline.figures._members import all_diverged, typical_member, valid
from pipeline.figures._panels import add_legend, panels

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("error", "robustness", "final_error")
SETTINGS = ("threshold",)


def draw(dataset: xarray.Dataset) -> Figure:
    """A typical member, mean and spread of all, and the threshold h below which a network works."""
    typical = typical_member(valid(dataset, "final_error"))
    if typical is None:
        return all_diverged()
    figure, (error, robustness) = panels(2)
    threshold, iteration = float(setting(dataset, "threshold")), dataset["iteration"]
    reference_line(error, threshold, f"threshold $h$ = {threshold:.4f}")
    for ax, name, label, references in (
        (error, "error", r"error $\epsilon$", [threshold]),
        (robustness, "robustness", "robustness $R$", []),
    ):
        values = valid(dataset, name)
        band = draw_spread(ax, iteration, values, name)
        mean = draw_mean(ax, iteration, values, "mean of all members", name)
        label_of_one = f"member {typical}, median final error"
        member = draw_curve(ax, iteration, values.isel(member=typical), label_of_one, name)
        ax.set_xlabel("iteration $n$")
        set_values_axis(ax, [mean, member, *filter(None, [band])], label, references, log=ax is error)
    add_legend(figure, [error])
    return figure
