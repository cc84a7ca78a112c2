"""Figures 4a and 4c: errors of networks that learned by their error alone, whole and damaged."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._members import all_diverged
from pipeline.figures._network import error_histograms, histogram_bins
from pipeline.figures._panels import add_legend, panels
from pipeline.store import statistic_of
from pipeline.systems import COMPUTED

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("original_error", "damaged_error")


def draw(dataset: xarray.Dataset) -> Figure:
    """Two histograms; h is the median damaged error, so half of the damaged networks work."""
    if not bool((dataset["status"] == COMPUTED).any()):
        return all_diverged()
    threshold = statistic_of(dataset, "median_damaged_error")
    figure, (whole, damaged) = panels(2)
    bins = histogram_bins([dataset], threshold)
    error_histograms(whole, damaged, dataset, "functional", threshold, bins)
    add_legend(figure, [whole], "⟨R⟩: mean and 95 % interval")
    return figure
