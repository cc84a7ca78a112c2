"""Figure 5: how one ensemble learns, and r(t) before and after."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.figures._kuramoto import is_valid, setting, successful
from pipeline.figures._style import BLUE, GREY, ORANGE, panels, reference_line
from pipeline.plan import intervals

AXES = ()
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """Error and ⟨|w|⟩ of a typical successful member and of the ensemble; r(t) of that member."""
    ensemble = dataset.where(is_valid(dataset))
    typical = typical_member(dataset)
    member = dataset.isel(member=typical)
    figure, (error, weight, before, after) = panels(2, 2, width=4.2)
    for ax, name in ((error, "error"), (weight, "mean_abs_weight")):
        average = intervals.mean(ensemble[name])
        iteration = dataset["iteration"]
        ax.plot(iteration, member[name], color=BLUE, linewidth=0.8, label=f"member {typical}")
        ax.plot(iteration, average["estimate"], color=ORANGE, label="mean of all members")
        ax.fill_between(
            iteration, average["low"], average["high"], color=ORANGE, alpha=0.3, linewidth=0, label="95 % interval"
        )
        ax.set_xlabel("iteration $n$")
    error.set(ylabel=r"error $\epsilon$", ylim=(0, None))
    weight.set_ylabel(r"$\langle|w|\rangle$")
    reference_line(weight, float(setting(dataset, "target_mean_abs_weight")), "$W$")

    interval = float(setting(dataset, "T"))
    for ax, name, when in ((before, "initial_trace", "before"), (after, "final_trace", "after")):
        ax.plot(
            dataset["time"],
            member[name],
            color=BLUE,
            linewidth=1,
            label=f"$r(t)$ {when} learning, member {typical}",
        )
        reference_line(ax, float(setting(dataset, "target_order_parameter")), r"$R_\mathrm{target}$")
        ax.axvline(interval, color=GREY, linestyle=":", label="$T$")
        ax.set(xlabel="time $t$", ylabel="order parameter $r$", ylim=(0, 1.02))
    before.set_title("(c)", loc="left", fontweight="bold")
    for ax in (error, weight, before, after):
        ax.legend(ncols=2 if ax in (before, after) else 1)
    return figure


def typical_member(dataset: xarray.Dataset) -> int:
    """The successful member with the median error over the whole run; without any, the one that ends best."""
    error = dataset["error"].mean("iteration").where(successful(dataset)).values
    ranked = np.argsort(error)[: np.isfinite(error).sum()]
    if not len(ranked):
        return int(np.argmin(dataset["final_error"].where(is_valid(dataset), np.inf).values))
    return int(ranked[len(ranked) // 2])
