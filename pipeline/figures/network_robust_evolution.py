"""Figure 2b: error and robustness of networks that learn both."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import setting
from pipeline.figures._network import typical_member, valid_only
from pipeline.figures._style import BLUE, ORANGE, mean_curve, panels, reference_line, spread_band

AXES = ()
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """A typical member, mean and spread of all, and the threshold h below which a network works."""
    networks, typical = valid_only(dataset), typical_member(dataset)
    figure, (error, robustness) = panels(2, 1, width=6.4, height=3.0, sharex=True)
    for ax, name in ((error, "error"), (robustness, "robustness")):
        member = networks[name].isel(member=typical)
        ax.plot(dataset["iteration"], member, color=BLUE, linewidth=0.8, label=f"member {typical}")
        mean_curve(ax, dataset["iteration"], networks[name], "mean of all members", ORANGE)
        spread_band(ax, dataset["iteration"], networks[name], "central 68 % of the members", ORANGE)
    threshold = float(setting(dataset, "threshold"))
    reference_line(error, threshold, f"threshold $h$ = {threshold:.4f}")
    error.set(ylabel=r"error $\epsilon$", yscale="log")
    robustness.set(xlabel="iteration $n$", ylabel="robustness $R$", ylim=(-0.02, 1.02))
    error.legend(loc="upper right")
    robustness.legend(loc="lower right")
    return figure
