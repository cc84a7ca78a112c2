"""Figure 1: the patterns a network classifies, and a network that has learned to."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.figures._members import all_diverged, typical_member, valid
from pipeline.figures._numbers import note
from pipeline.figures._panels import PAGE, SweepFigure
from pipeline.figures._scales import plain
from pipeline.store import settings_of
from pipeline.systems import patterns
from pipeline.words import counted

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("weight", "final_error", "damaged_error")
SETTINGS = ("patterns",)

_COLOURS = "PuOr_r"
"""Of weights: one colour for either sign, pale where they are weak."""


def draw(dataset: xarray.Dataset) -> Figure:
    """(a) bitmaps; (b) the nodes of a typical member and its weights, the stronger the darker."""
    typical = typical_member(valid(dataset, "final_error"))
    if typical is None:
        return all_diverged()
    texts = settings_of(dataset)["patterns"]
    bitmaps, names = patterns.bitmaps(texts), patterns.names(texts)
    rows = -(-len(names) // 5)
    figure = SweepFigure(figsize=(PAGE, 3.4 + 1.1 * rows), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.1 * rows, 3.4])
    above, below = parts
    for part, letter in ((above, "(a)"), (below, f"(b) member {typical}, of the median final error")):
        part.suptitle(letter, x=0.02, ha="left", fontweight="bold")
    _bitmaps(above.subplots(rows, 5, squeeze=False).ravel(), bitmaps, names)
    _network(below.subplots(), dataset.isel(member=typical), bitmaps[0].size, names)
    return figure


def _bitmaps(axes: Iterable[Axes], bitmaps: np.ndarray, names: list[str]) -> None:
    for ax, bitmap, name in zip_longest(axes, bitmaps, names):
        ax.axis("off")
        if bitmap is not None:
            ax.pcolormesh(bitmap[::-1], cmap="binary", vmin=0, vmax=1, edgecolors="0.8", linewidth=0.5)
            ax.set_aspect("equal")
            ax.set_title(plain(name))


def _network(ax: Axes, member: xarray.Dataset, inputs: int, names: list[str]) -> None:
    hidden, outputs, weights = member.sizes["hidden_node"], len(names), member["weight"].values
    # Where the nodes of each layer stand; the last of inputs and hidden nodes is the threshold.
    layers = [np.linspace(0, 1, inputs + 1), np.linspace(0.1, 1, hidden + 1), np.linspace(0.2, 0.8, outputs)]
    first, strongest = hidden * (inputs + 1), float(np.nanmax(np.abs(weights)))
    norm = Normalize(-strongest, strongest)
    _connections(ax, weights[:first].reshape(hidden, inputs + 1), layers[0], layers[1], 0, norm)
    _connections(ax, weights[first:].reshape(outputs, hidden + 1), layers[1], layers[2], 1, norm)
    note(ax, "weight", "", {"connection": np.arange(len(weights)), "value": weights})
    texts = (counted(inputs, "input"), f"{hidden} hidden", counted(outputs, "output"))
    for level, (places, count, text) in enumerate(zip(layers, (inputs, hidden, outputs), texts, strict=True)):
        nodes, threshold = places[:count], places[count:]
        style: dict[str, Any] = {"markeredgecolor": "black", "markersize": 7, "zorder": 3}
        ax.plot(nodes, np.full(len(nodes), level), "o", color="white", **style)
        ax.plot(threshold, np.full(len(threshold), level), "s", color="0.75", **style)
        ax.text(-0.03, level, text, ha="right", va="center")
    for place, name in zip(layers[2], names, strict=True):
        ax.text(place, 2.12, name, ha="center", va="bottom")
    ax.plot([], [], "s", color="0.75", markeredgecolor="black", label="threshold")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02))
    ax.figure.colorbar(ScalarMappable(norm, _COLOURS), ax=ax, shrink=0.7, pad=0.01).set_label("weight")
    ax.set(xlim=(-0.16, 1.03), ylim=(-0.15, 2.3))
    ax.axis("off")


def _connections(
    ax: Axes, weights: np.ndarray, starts: np.ndarray, ends: np.ndarray, level: int, norm: Normalize
) -> None:
    """A line for each of the weights (end, start) between two layers, strong ones on top."""
    values = weights.ravel()
    order = np.argsort(np.abs(values))
    lines = np.array([[(starts[i], level), (ends[j], level + 1)] for j, i in np.ndindex(weights.shape)])
    widths = list(0.3 + 1.2 * np.abs(norm(values[order]) - 0.5) * 2)
    drawn = LineCollection(list(lines[order]), linewidths=widths, cmap=_COLOURS, norm=norm)
    drawn.set_array(values[order])
    ax.add_collection(drawn)
