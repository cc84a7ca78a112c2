"""Figure 4: errors of networks that learned by their error alone (a, c), and by their robustness too (b, d)."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import setting
from pipeline.figures._network import error_histograms
from pipeline.figures._style import panels
from pipeline.figures.network_functional import TOP

AXES = ()
"""The axes of the sweep that it draws."""

BESIDE = ("network_functional",)


def draw(dataset: xarray.Dataset, functional: xarray.Dataset) -> Figure:
    """Four histograms on the same axes: functional networks on the left, robust ones on the right."""
    threshold = float(setting(dataset, "threshold"))
    figure, (a, b, c, d) = panels(2, 2, width=4.4, height=3.2, sharex=True)
    error_histograms(a, c, functional, "functional networks", threshold, TOP)
    error_histograms(b, d, dataset, "robust networks", threshold, TOP)
    for left, right in ((a, b), (c, d)):
        highest = max(left.get_ylim()[1], right.get_ylim()[1])
        left.set_ylim(0, highest)
        right.set_ylim(0, highest)
    return figure
