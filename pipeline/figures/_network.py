"""What the network figures share: maps of means, and histograms of errors."""

from collections.abc import Sequence

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures._elements import BLACK, draw_histogram
from pipeline.figures._maps import draw_half_widths, draw_map
from pipeline.figures._members import MOSTLY_DIVERGED, valid, where_members_hold
from pipeline.figures._numbers import note
from pipeline.figures._panels import add_legend, add_title, panels
from pipeline.figures._scales import swept_axis
from pipeline.plan import intervals
from pipeline.systems import COMPUTED

_BINS = 45


def least_map(dataset: xarray.Dataset, values: xarray.DataArray, axes: tuple[str, str], label: str) -> Figure:
    """Means of values over two axes, all that may be the least marked, and the half-widths of their intervals.

    Means are over members that did not diverge.
    """
    mean = where_members_hold(dataset, intervals.mean(values))
    x, y = (swept_axis(dataset, name) for name in axes)
    figure, (left, right) = panels(2)
    draw_map(left, (x, y), mean, label, label, "low", MOSTLY_DIVERGED)
    draw_half_widths(right, (x, y), mean, label)
    add_legend(figure, [left])
    return figure


def error_map(dataset: xarray.Dataset) -> Figure:
    """Mean final error over η and σ."""
    return least_map(dataset, valid(dataset, "final_error"), ("eta", "sigma"), r"mean final error $\epsilon$")


def histogram_bins(datasets: Sequence[xarray.Dataset], threshold: float) -> np.ndarray:
    """Bins that hold 99 % of all errors of some ensembles but for outliers, and the threshold well within."""
    names = ("original_error", "damaged_error")
    errors = np.concatenate([valid(dataset, name).values.ravel() for dataset in datasets for name in names])
    errors = errors[np.isfinite(errors)]
    most, nearly_all = np.quantile(errors, [0.9, 0.99]) if len(errors) else (0.0, 0.0)
    top = float(min(nearly_all, 3 * most))
    return np.linspace(0, max(top, 1.5 * threshold), _BINS + 1)


def error_histograms(
    whole: Axes, damaged: Axes, dataset: xarray.Dataset, ensemble: str, threshold: float, bins: np.ndarray
) -> None:
    """Errors of an ensemble's networks, and of the same networks with a hidden node deleted."""
    works = (dataset["damaged_error"] < threshold).where(dataset["status"] == COMPUTED)
    robustness = intervals.mean(works.mean("hidden_node"))
    mean, low, high = (float(robustness[name]) for name in ("estimate", "low", "high"))
    note(damaged, "robustness R", ensemble, {"estimate": [mean], "low": [low], "high": [high]})
    for ax, name, text in (
        (whole, "original_error", f"{ensemble} networks"),
        (damaged, "damaged_error", f"{ensemble}, a node deleted"),
    ):
        errors = valid(dataset, name).values
        errors = errors[np.isfinite(errors)]
        draw_histogram(ax, errors, bins, "", f"{name} of {ensemble} networks")
        ax.axvline(threshold, color=BLACK, linestyle="--", linewidth=0.8, label=f"$h$ = {threshold:.4f}")
        lines = [text]
        if len(errors):
            below, beyond = 100 * np.mean(errors < threshold), 100 * np.mean(errors > bins[-1])
            lines.append(f"{below:.1f} % below $h$, {beyond:.1f} % not shown")
        if ax is damaged and np.isfinite(mean):
            lines.append(f"⟨R⟩ = {mean:.3f} [{low:.3f}, {high:.3f}]")
        add_title(ax, "\n".join(lines))
        ax.set(xlabel=r"error $\epsilon$", ylabel="probability density", xlim=(0, float(bins[-1])))
