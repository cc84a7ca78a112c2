"""A sequel to figure 4: errors with two hidden nodes deleted, of networks that learned to do without one."""

from itertools import combinations

import numpy as np
import xarray
from matplotlib.figure import Figure
from scipy.special import expit

from pipeline.figures._elements import BLACK, draw_histogram
from pipeline.figures._kuramoto import setting
from pipeline.figures._members import valid
from pipeline.figures._network import histogram_bins
from pipeline.figures._numbers import note
from pipeline.figures._panels import add_legend, add_title, panels
from pipeline.plan import intervals
from pipeline.store import settings_of
from pipeline.systems import patterns

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("weight", "original_error", "damaged_error")
SETTINGS = ("threshold", "patterns", "hidden", "error")

BESIDE = ("network_functional",)


def draw(dataset: xarray.Dataset, functional: xarray.Dataset) -> Figure:
    """Histograms of the errors with two nodes deleted, and R by pairs: the share of pairs that can be deleted."""
    threshold = float(setting(dataset, "threshold"))
    figure, shown = panels(2)
    bins = histogram_bins([dataset, functional], threshold)
    for panel, ensemble, name in zip(shown, (functional, dataset), ("functional", "robust"), strict=True):
        errors = xarray.DataArray(errors_without_two(ensemble), dims=("member", "pair"))
        works = (errors < threshold).mean("pair").where(errors.notnull().all("pair"))
        found = intervals.mean(works)
        mean, low, high = (float(found[end]) for end in ("estimate", "low", "high"))
        note(panel, "robustness R by pairs", name, {"estimate": [mean], "low": [low], "high": [high]})
        draw_histogram(panel, errors.values, bins, "", f"error without two nodes, {name} networks")
        panel.axvline(threshold, color=BLACK, linestyle="--", linewidth=0.8, label=f"$h$ = {threshold:.4f}")
        told = f"\n⟨R⟩ by pairs = {mean:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(mean) else ""
        add_title(panel, f"{name}, two nodes deleted{told}")
        panel.set(xlabel=r"error $\epsilon$", ylabel="probability density", xlim=(0, float(bins[-1])))
    highest = max(panel.get_ylim()[1] for panel in shown)
    for panel in shown:
        panel.set_ylim(0, highest)
    add_legend(figure, shown, "⟨R⟩: mean and 95 % interval")
    return figure


def errors_without_two(dataset: xarray.Dataset) -> np.ndarray:
    """Errors of networks without every two of their hidden nodes, by their stored weights: eqs. 5 and 6.

    Args:
        dataset: of networks after learning.

    Returns:
        (member, pair) errors; NaN of a member that diverged.
    """
    settings, weights = settings_of(dataset), valid(dataset, "weight").transpose("member", "connection").values
    hidden, bitmaps = settings["hidden"], patterns.bitmaps(settings["patterns"])
    inputs = bitmaps.reshape(len(bitmaps), -1).astype(float)
    first = hidden * (inputs.shape[1] + 1)
    into_hidden = weights[:, :first].reshape(len(weights), hidden, -1)
    into_outputs = weights[:, first:].reshape(len(weights), len(inputs), hidden + 1)
    states = expit(np.einsum("qi,mhi->mqh", inputs, into_hidden[..., :-1]) + into_hidden[:, None, :, -1])
    each = states[:, :, None, :] * into_outputs[:, None, :, :-1]  # (member, pattern, output, hidden node)
    whole = each.sum(axis=-1) + into_outputs[:, None, :, -1]
    found = []
    for one, other in combinations(range(hidden), 2):
        off = np.eye(len(inputs)) - expit(whole - each[..., one] - each[..., other])
        found.append((np.abs(off) if settings["error"] == "absolute" else off**2).mean(axis=(1, 2)))
    return np.array(found).T
