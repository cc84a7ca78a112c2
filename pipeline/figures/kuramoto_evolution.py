"""Figure 5: how one ensemble learns, and r(t) before and after."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._elements import (
    BLUE,
    GREY,
    draw_curve,
    draw_mean,
    draw_spread,
    reference_line,
    set_values_axis,
    values_of,
)
from pipeline.figures._kuramoto import setting
from pipeline.figures._members import all_diverged, typical_member, valid
from pipeline.figures._panels import add_legend, add_title, panels

AXES = ()
"""The axes of the sweep that it draws."""
VARIABLES = ("error", "mean_abs_weight", "final_error", "initial_trace", "final_trace")
SETTINGS = ("T", "target_order_parameter", "target_mean_abs_weight")


def draw(dataset: xarray.Dataset) -> Figure:
    """Error and ⟨|w|⟩ of a typical member and of the ensemble; r(t) of that member."""
    typical = typical_member(valid(dataset, "final_error"))
    if typical is None:
        return all_diverged()
    figure, (error, weight, before, after) = panels(4, 2)
    strength = float(setting(dataset, "target_mean_abs_weight"))
    for ax, name, label, references in (
        (error, "error", r"error $\epsilon$", [0.0]),
        (weight, "mean_abs_weight", r"$\langle|w|\rangle$", [strength]),
    ):
        iteration, values = dataset["iteration"], valid(dataset, name)
        member = draw_curve(
            ax, iteration, values.isel(member=typical), f"member {typical}, of the median final error", name
        )
        band = draw_spread(ax, iteration, values, name)
        mean = draw_mean(ax, iteration, values, "mean of all members", name)
        ax.set_xlabel("iteration $n$")
        set_values_axis(ax, [mean, member, *filter(None, [band])], label, references)
    reference_line(weight, strength, "$W$", "-.")
    target = float(setting(dataset, "target_order_parameter"))
    traces = [values_of(dataset[name].isel(member=typical)) for name in ("initial_trace", "final_trace")]
    for ax, name, when in ((before, "initial_trace", "before"), (after, "final_trace", "after")):
        draw_curve(ax, dataset["time"], dataset[name].isel(member=typical), "", name, color=BLUE)
        reference_line(ax, target, r"$R_\mathrm{target}$")
        ax.axvline(float(setting(dataset, "T")), color=GREY, linestyle=":", linewidth=0.8, label="$T$")
        ax.set_xlabel("time $t$")
        add_title(ax, f"{when} learning, member {typical}")
        set_values_axis(ax, traces, "$r$", [target])
    add_legend(figure, [error, weight, before])
    return figure
