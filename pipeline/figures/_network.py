"""What the network figures share: maps with their minimum marked, histograms of errors, a typical member."""

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures._style import BLACK, BLUE, ORANGE, colour_map, panels
from pipeline.plan import intervals
from pipeline.systems import COMPUTED, DIVERGED


def valid_only(dataset: xarray.Dataset) -> xarray.Dataset:
    """A dataset of members that did not diverge, NaN for those that did."""
    return dataset.where(dataset["status"] == COMPUTED)


def typical_member(dataset: xarray.Dataset) -> int:
    """The member with the median final error."""
    error = dataset["final_error"].where(dataset["status"] == COMPUTED, np.inf).values
    return int(np.argsort(error)[len(error) // 2])


def least_map(
    dataset: xarray.Dataset, values: xarray.DataArray, axes: tuple[str, str], labels: tuple[str, str], what: str
) -> Figure:
    """Means of values over two axes; the least one marked, and every point that may be the least.

    A point may be the least if its 95 % interval reaches below the upper end of the least mean's. Points at which
    most members diverged have no mean.
    """
    mostly_done = (dataset["status"] == DIVERGED).mean("member") < 0.5
    mean = intervals.mean(values.where(dataset["status"] == COMPUTED))
    estimate = mean["estimate"].where(mostly_done)
    figure, (ax,) = panels(1, 1, width=5.8, height=4.8)
    mesh = colour_map(ax, estimate, *axes, cmap="viridis_r")
    ax.set_facecolor("0.85")
    figure.colorbar(mesh, ax=ax, label=f"mean {what}")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    best = estimate.where(estimate.notnull(), np.inf).argmin(...)
    least = mean.isel(best)
    half = float(least["high"] - least["estimate"])
    maybe = ((mean["low"] < float(least["high"])) & mostly_done).transpose(*axes).values
    x, y = np.meshgrid(dataset[axes[0]], dataset[axes[1]], indexing="ij")
    ax.plot(x[maybe], y[maybe], ".", color=ORANGE, markersize=5, label="intervals overlap with the least's (95 %)")
    where = ", ".join(
        f"{label.split()[-1]} = {float(dataset[axis][best[axis]]):.3g}"
        for axis, label in zip(axes, labels, strict=True)
    )
    ax.plot(
        float(dataset[axes[0]][best[axes[0]]]),
        float(dataset[axes[1]][best[axes[1]]]),
        "*",
        color=ORANGE,
        markersize=15,
        markeredgecolor="white",
        label=f"least: {float(least['estimate']):.4f} ± {half:.4f} at {where}",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
    return figure


def error_map(dataset: xarray.Dataset) -> Figure:
    """Mean final error over η and σ."""
    labels = r"drift strength $\eta$", r"noise strength $\sigma$"
    return least_map(dataset, dataset["final_error"], ("eta", "sigma"), labels, r"final error $\epsilon$")


def error_histograms(
    whole: Axes, damaged: Axes, dataset: xarray.Dataset, ensemble: str, threshold: float, top: float
) -> None:
    """Errors of an ensemble's networks, and of the same networks with a hidden node deleted.

    top: right end of both; what lies beyond is counted in the last bin.
    """
    networks, bins = valid_only(dataset), list(np.linspace(0, top, 46))
    works = (networks["damaged_error"] < threshold).where(dataset["status"] == COMPUTED)
    robustness = intervals.mean(works.mean("hidden_node"))
    mean, half = float(robustness["estimate"]), float(robustness["high"] - robustness["estimate"])
    for ax, name, text in (
        (whole, "original_error", ensemble),
        (damaged, "damaged_error", f"{ensemble}, a node deleted\n$\\langle R\\rangle$ = {mean:.3f} ± {half:.3f}"),
    ):
        errors = networks[name].values[np.isfinite(networks[name].values)]
        below = float((errors < threshold).mean())
        ax.hist(np.minimum(errors, top), bins, density=True, color=BLUE, alpha=0.8)
        ax.set_ylim(0, 1.5 * ax.get_ylim()[1])  # room for the legend
        reference = ax.axvline(threshold, color=BLACK, linestyle="--", linewidth=1)
        ax.set(xlabel=r"error $\epsilon$", ylabel="probability density", xlim=(0, top))
        ax.legend(
            [reference], [f"$h$ = {threshold:.4f}"], title=f"{text}\n{below:.1%} below $h$", alignment="left"
        )
