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

_FEWEST_COLUMNS, _MOST_COLUMNS = 7, 9
_COLOURS = "PuOr_r"


def pictures(dataset: xarray.Dataset) -> xarray.DataArray:
    """Weights from pixels to hidden nodes: what a page shows frame by frame.

    Args:
        dataset: of a sweep over `iterations`.

    Returns:
        (iterations, member, hidden_node, row, column) weights, ascending in iterations, row 0 on top.
    """
    settings = settings_of(dataset)
    rows, columns = patterns.bitmaps(settings["patterns"])[0].shape
    weight = dataset["weight"].sortby("iterations").transpose("iterations", "member", "connection")
    inputs = weight.values[..., : settings["hidden"] * (rows * columns + 1)]
    values = inputs.reshape(*inputs.shape[:2], settings["hidden"], -1)[..., : rows * columns]
    return xarray.DataArray(
        values.reshape(*values.shape[:3], rows, columns),
        {"iterations": weight["iterations"]},
        ("iterations", "member", "hidden_node", "row", "column"),
        "weight",
        {"long_name": "weight from a pixel to a hidden node"},
    )


def draw(dataset: xarray.Dataset) -> Figure:
    """A column for each number of iterations, a row for each hidden node of a typical member, a cell for each pixel."""
    dataset = dataset.sortby("iterations")
    typical = typical_member(valid(dataset.isel(iterations=-1), "final_error"))
    if typical is None:
        return all_diverged()
    chosen = np.linspace(0, dataset.sizes["iterations"] - 1, _MOST_COLUMNS).round().astype(int)
    dataset = dataset.isel(iterations=np.unique(chosen))
    member = pictures(dataset).isel(member=typical)
    errors = dataset["final_error"].isel(member=typical).values
    frames, hidden, rows, columns = member.shape
    strongest = float(np.nanmax(np.abs(member.values), initial=0.0)) or 1.0
    norm = Normalize(-strongest, strongest)
    figure = SweepFigure(
        figsize=(PAGE, PAGE * hidden * rows / (max(frames, _FEWEST_COLUMNS) * columns * 1.35)),
        layout="constrained",
    )
    grid = np.asarray(figure.subplots(hidden, frames, squeeze=False))
    at = np.meshgrid(np.arange(columns) + 0.5, rows - np.arange(rows) - 0.5)
    for frame, iterations in enumerate(member["iterations"].values.tolist()):
        for node in range(hidden):
            panel, pixels = grid[node, frame], member.values[frame, node]
            panel.pcolormesh(pixels[::-1], cmap=_COLOURS, norm=norm)
            panel.set(xticks=[], yticks=[], aspect="equal")
            panel.set_label(f"node {node}, {iterations} iterations")
            noted = {"pixel": np.arange(rows * columns), "value": pixels}
            note(panel, "weight", f"hidden node {node}, {iterations} iterations", noted, (at[0], at[1]))
        grid[0, frame].set_title(f"{iterations:,}".replace(",", " "), fontsize=7)
        grid[-1, frame].set_xlabel(f"ε {errors[frame]:.3f}", fontsize=7)
    for node in range(hidden):
        grid[node, 0].set_ylabel(str(node), fontsize=7, rotation=0, ha="right", va="center")
    figure.suptitle(
        f"columns: after so many iterations; rows: hidden nodes of member {typical} (median final error)",
        fontsize=8,
    )
    figure.colorbar(ScalarMappable(norm, _COLOURS), ax=grid, shrink=0.4).set_label("weight from a pixel")
    return figure
