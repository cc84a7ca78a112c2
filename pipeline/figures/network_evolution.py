"""Figure 2a: the error of a network that learns to classify patterns, beside back-propagation."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._network import typical_member, valid_only
from pipeline.figures._style import BLACK, BLUE, ORANGE, mean_curve, panels, spread_band
from pipeline.plan import intervals
from pipeline.systems import COMPUTED

AXES = ()
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """A typical member, mean and spread of all, and gradient descent from small random weights."""
    networks, typical = valid_only(dataset), typical_member(dataset)
    figure, (ax,) = panels(1, 1, width=6.4, height=4.2)
    iteration = dataset["iteration"]
    ax.plot(
        iteration, networks["error"].isel(member=typical), color=BLUE, linewidth=0.8, label=f"member {typical}"
    )
    mean_curve(ax, iteration, networks["error"], "autonomous learning, mean of all", ORANGE)
    spread_band(ax, iteration, networks["error"], "central 68 % of the members", ORANGE)
    if dataset.sizes["epoch"]:
        descent = dataset["backpropagation_error"]
        mean_curve(ax, dataset["epoch"], descent, "back-propagation, mean of all", BLACK, linestyle="--")
    ax.set(xlabel="iteration $n$", ylabel=r"error $\epsilon$ (mean square)", yscale="log")
    right = intervals.mean((dataset["classified"] == 1).where(dataset["status"] == COMPUTED))
    ax.legend(title=f"all patterns classified by {float(right['estimate']):.1%} of the networks")
    return figure
