"""Figure 1: the patterns a network classifies, and a network that has learned to."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from pipeline.figures._network import typical_member
from pipeline.figures._style import BLUE, ORANGE
from pipeline.store import settings_of
from pipeline.systems import patterns

AXES = ()
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """(a) bitmaps; (b) the nodes of a typical member and its weights, the stronger the darker."""
    texts = settings_of(dataset)["patterns"]
    bitmaps, names = patterns.bitmaps(texts), patterns.names(texts)
    rows = -(-len(names) // 5)
    figure = Figure(figsize=(8.0, 3.6 + 1.4 * rows))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.4 * rows, 3.6])
    above, below = parts
    for part, letter in ((above, "(a)"), (below, "(b)")):
        part.suptitle(letter, x=0.02, ha="left", fontweight="bold", fontsize="medium")
    _bitmaps(above.subplots(rows, 5, squeeze=False).ravel(), bitmaps, names)
    _network(below.subplots(), dataset.isel(member=typical_member(dataset)), bitmaps[0].size, names)
    return figure


def _bitmaps(axes: Iterable[Axes], bitmaps: np.ndarray, names: list[str]) -> None:
    for ax, bitmap, name in zip_longest(axes, bitmaps, names):
        ax.axis("off")
        if bitmap is not None:
            ax.pcolormesh(bitmap[::-1], cmap="binary", vmin=0, vmax=1, edgecolors="0.8", linewidth=0.5)
            ax.set_aspect("equal")
            ax.set_title(name, fontsize="medium")


def _network(ax: Axes, member: xarray.Dataset, inputs: int, names: list[str]) -> None:
    hidden, outputs, weights = member.sizes["hidden_node"], len(names), member["weight"].values
    # Where the nodes of each layer stand; the last of inputs and hidden nodes is the threshold.
    layers = [np.linspace(0, 1, inputs + 1), np.linspace(0.1, 1, hidden + 1), np.linspace(0.2, 0.8, outputs)]
    first = hidden * (inputs + 1)
    _connections(ax, weights[:first].reshape(hidden, inputs + 1), layers[0], layers[1], 0)
    _connections(ax, weights[first:].reshape(outputs, hidden + 1), layers[1], layers[2], 1)
    texts = (f"{inputs} inputs", f"{hidden} hidden", f"{outputs} outputs")
    for level, (places, count, text) in enumerate(zip(layers, (inputs, hidden, outputs), texts, strict=True)):
        nodes, threshold = places[:count], places[count:]
        style: dict[str, Any] = {"markeredgecolor": "black", "markersize": 7, "zorder": 3}
        ax.plot(nodes, np.full(len(nodes), level), "o", color="white", **style)
        ax.plot(threshold, np.full(len(threshold), level), "s", color="0.75", **style)
        ax.text(-0.03, level, text, ha="right", va="center")
    for place, name in zip(layers[2], names, strict=True):
        ax.text(place, 2.12, name, ha="center", va="bottom")
    for colour, sign in ((BLUE, "positive"), (ORANGE, "negative")):
        ax.plot([], [], color=colour, label=f"{sign} weight")
    ax.plot([], [], "s", color="0.75", markeredgecolor="black", label="threshold")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3)
    ax.set(xlim=(-0.16, 1.03), ylim=(-0.15, 2.3))
    ax.axis("off")


def _connections(ax: Axes, weights: np.ndarray, starts: np.ndarray, ends: np.ndarray, level: int) -> None:
    """A line for each of the weights (end, start) between two layers, strong ones on top."""
    strength = np.abs(weights).ravel() / max(float(np.nanmax(np.abs(weights))), 1e-300)
    order = np.argsort(strength)
    lines = np.array([[(starts[i], level), (ends[j], level + 1)] for j, i in np.ndindex(weights.shape)])
    colours = np.where(weights.ravel() > 0, BLUE, ORANGE)
    ax.add_collection(
        LineCollection(
            list(lines[order]),
            colors=[(str(colours[k]), float(0.04 + 0.96 * strength[k])) for k in order],
            linewidths=list(0.3 + 1.5 * strength[order]),
        )
    )
