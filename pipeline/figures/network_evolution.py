"""Figure 2a: the error of a network that learns to classify patterns, beside back-propagation."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import draw_curve, draw_mean, draw_spread, set_values_axis
from pipeline.figures._members import all_diverged, typical_member, valid
from pipeline.figures._numbers import columns_of, note
from pipeline.figures._panels import add_legend, panels
from pipeline.plan import intervals
from pipeline.systems import COMPUTED

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("error", "final_error", "backpropagation_error", "classified")


def draw(dataset: xarray.Dataset) -> Figure:
    """A typical member, mean and spread of all, and gradient descent from small random weights."""
    typical = typical_member(valid(dataset, "final_error"))
    if typical is None:
        return all_diverged()
    figure, (ax,) = panels(1, wide=True)
    iteration, error = dataset["iteration"], valid(dataset, "error")
    shown = [
        draw_spread(ax, iteration, error, "error"),
        draw_mean(ax, iteration, error, "mean of all members", "error"),
        draw_curve(ax, iteration, error.isel(member=typical), f"member {typical}, median final error", "error"),
    ]
    descent, epoch = valid(dataset, "backpropagation_error"), dataset["epoch"]
    shown.append(draw_mean(ax, epoch, descent, "mean under back-propagation", "backpropagation_error", 2))
    first = {"epoch": slice(0, 3)}
    ax.plot(
        epoch[first],
        descent.mean("member")[first],
        "k.",
        markersize=4,
        label="first three records of back-propagation",
        zorder=4,
    )
    right = intervals.fraction(dataset["classified"] == 1, dataset["status"] == COMPUTED)
    share, low, high = (100 * float(right[name]) for name in ("estimate", "low", "high"))
    note(ax, "share that classifies all patterns", "", columns_of(right))
    ax.set_xlabel("iteration $n$")
    set_values_axis(ax, filter(None, shown), r"mean square error $\epsilon$", log=True)
    add_legend(
        figure,
        [ax],
        f"{share:.1f} % of the networks classify all patterns, 95 % interval [{low:.1f}, {high:.1f}]",
    )
    return figure
