"""Figure 4: errors of networks that learned by their error alone (a, c), and by their robustness too (b, d)."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import setting
from pipeline.figures._network import error_histograms, histogram_bins
from pipeline.figures._panels import add_legend, panels

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("original_error", "damaged_error")
SETTINGS = ("threshold",)

BESIDE = ("network_functional",)


def draw(dataset: xarray.Dataset, functional: xarray.Dataset) -> Figure:
    """Four histograms, both of a row on the same axes: functional networks on the left, robust ones on the right."""
    threshold = float(setting(dataset, "threshold"))
    figure, (a, b, c, d) = panels(4, 2)
    bins = histogram_bins([dataset, functional], threshold)
    error_histograms(a, c, functional, "functional", threshold, bins)
    error_histograms(b, d, dataset, "robust", threshold, bins)
    for left, right in ((a, b), (c, d)):
        highest = max(left.get_ylim()[1], right.get_ylim()[1])
        left.set_ylim(0, highest)
        right.set_ylim(0, highest)
    add_legend(figure, [a], "⟨R⟩: mean and 95 % interval")
    return figure
