"""Mean of 1 − R over η_R and σ_R: how drift and noise by robustness are best chosen (section IV.1.3)."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._members import valid
from pipeline.figures._network import least_map

AXES = ("robust_eta", "robust_sigma")
"""The axes of the sweep that it draws."""
VARIABLES = ("final_robustness",)


def draw(dataset: xarray.Dataset) -> Figure:
    """A map and the half-widths of its intervals."""
    values = 1 - valid(dataset, "final_robustness")
    return least_map(dataset, values, ("robust_eta", "robust_sigma"), "mean $1 - R$")
