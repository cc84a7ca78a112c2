"""Figures 4a and 4c: errors of networks that learned by their error alone, whole and damaged."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._network import error_histograms
from pipeline.figures._style import panels
from pipeline.store import statistic_of

AXES = ()
"""The axes of the sweep that it draws."""

TOP = 0.15
"""Right end of the histograms; few networks lie beyond."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Two histograms; h is the median damaged error, so half of the damaged networks work."""
    threshold = statistic_of(dataset, "median_damaged_error")
    figure, (whole, damaged) = panels(1, 2, width=4.4, height=3.4)
    error_histograms(whole, damaged, dataset, "functional networks", threshold, TOP)
    return figure
