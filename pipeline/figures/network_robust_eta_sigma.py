"""Mean of 1 − R over η_R and σ_R: how drift and noise by robustness are best chosen (section IV.1.3)."""

import xarray
from matplotlib.figure import Figure

from pipeline.figures._network import least_map

AXES = ("robust_eta", "robust_sigma")
"""The axes of the sweep that it draws."""


def draw(dataset: xarray.Dataset) -> Figure:
    """One map."""
    labels = r"drift by robustness $\eta_R$", r"noise by robustness $\sigma_R$"
    axes = "robust_eta", "robust_sigma"
    return least_map(dataset, 1 - dataset["final_robustness"], axes, labels, "$1 - R$")
