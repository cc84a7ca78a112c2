"""The weights of a network as it learns, from every pixel to each hidden node, after more and more iterations."""

import numpy as np
import xarray
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.figures._members import all_diverged, typical_member, valid
from pipeline.figures._numbers import note
from pipeline.figures._panels import PAGE, SweepFigure
from pipeline.store import settings_of
from pipeline.systems import patterns

AXES = ("iterations",)
"""The axes of the sweep that it draws."""
VARIABLES = ("weight", "final_error")
SETTINGS = ("patterns", "hidden")

_MOST_FRAMES = 9
_COLOURS = "PuOr_r"


def draw(dataset: xarray.Dataset) -> Figure:
    """A column for each number of iterations, a row for each hidden node of a typical member, a cell for each pixel."""
    dataset = dataset.sortby("iterations")
    typical = typical_member(valid(dataset.isel(iterations=-1), "final_error"))
    if typical is None:
        return all_diverged()
    settings = settings_of(dataset)
    rows, columns = patterns.bitmaps(settings["patterns"])[0].shape
    hidden = settings["hidden"]
    chosen = np.unique(np.linspace(0, dataset.sizes["iterations"] - 1, _MOST_FRAMES).round().astype(int))
    member = dataset.isel(member=typical, iterations=chosen)
    weights = member["weight"].transpose("iterations", "connection").values
    inputs = weights[:, : hidden * (rows * columns + 1)].reshape(len(chosen), hidden, -1)[..., : rows * columns]
    strongest = float(np.nanmax(np.abs(inputs), initial=0.0)) or 1.0
    norm = Normalize(-strongest, strongest)
    figure = SweepFigure(
        figsize=(PAGE, PAGE * hidden * rows / (len(chosen) * columns * 1.35)), layout="constrained"
    )
    grid = np.asarray(figure.subplots(hidden, len(chosen), squeeze=False))
    for frame, iterations in enumerate(member["iterations"].values.tolist()):
        for node in range(hidden):
            panel = grid[node, frame]
            pixels = inputs[frame, node]
            panel.pcolormesh(pixels.reshape(rows, columns)[::-1], cmap=_COLOURS, norm=norm)
            panel.set(xticks=[], yticks=[], aspect="equal")
            panel.set_label(f"node {node}, {iterations} iterations")
            at = np.meshgrid(np.arange(columns) + 0.5, rows - np.arange(rows) - 0.5)
            noted = {"pixel": np.arange(rows * columns), "value": pixels}
            note(panel, "weight", f"hidden node {node}, {iterations} iterations", noted, (at[0], at[1]))
        grid[0, frame].set_title(f"{iterations:,}".replace(",", " "), fontsize=7)
        grid[-1, frame].set_xlabel(f"ε {float(member['final_error'][frame]):.3f}", fontsize=7)
    for node in range(hidden):
        grid[node, 0].set_ylabel(str(node), fontsize=7, rotation=0, ha="right", va="center")
    figure.suptitle(f"iterations; rows: hidden nodes of member {typical}, of the median final error", fontsize=8)
    figure.colorbar(ScalarMappable(norm, _COLOURS), ax=grid, shrink=0.4).set_label("weight from a pixel")
    return figure
