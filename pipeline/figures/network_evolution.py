"""Figure 2a: the error of a network that learns to classify patterns, beside back-propagation."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline import statistics
from pipeline.figures._style import BLACK, BLUE, ORANGE, panels


def draw(dataset: xarray.Dataset) -> Figure:
    """A typical member, the mean of all with its interval, and gradient descent from small random weights."""
    learned = dataset["error"].where(dataset["status"] == 1)
    error = dataset["final_error"].where(dataset["status"] == 1, np.inf).values
    typical = int(np.argsort(error)[len(error) // 2])
    average = statistics.mean(learned)
    figure, (ax,) = panels(1, 1, width=6.0, height=4.0)
    iteration = dataset["iteration"]
    ax.plot(iteration, dataset["error"].isel(member=typical), color=BLUE, linewidth=0.8, label=f"member {typical}")
    ax.plot(iteration, average["estimate"], color=ORANGE, label="autonomous learning, mean of all members")
    ax.fill_between(
        iteration, average["low"], average["high"], color=ORANGE, alpha=0.3, linewidth=0, label="95 % interval"
    )
    if dataset.sizes["epoch"]:
        descent = statistics.mean(dataset["backpropagation_error"])
        ax.plot(dataset["epoch"], descent["estimate"], color=BLACK, linestyle="--", label="back-propagation, mean")
        ax.fill_between(dataset["epoch"], descent["low"], descent["high"], color=BLACK, alpha=0.2, linewidth=0)
    ax.set(xlabel="iteration $n$", ylabel=r"error $\epsilon$ (mean square)", yscale="log")
    ax.legend()
    return figure
