"""Bars of sensitivity indices."""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.errors import RequestError
from pipeline.figures._elements import COLOURS, draw_estimates, set_values_axis
from pipeline.figures._panels import add_legend, add_title, panels
from pipeline.figures._scales import SweptAxis, scale_of, swept_axes
from pipeline.search import sensitivity
from pipeline.systems import find_or_loaded

_ORDERS = {"first": "first order", "total": "total, with interactions"}
_WIDTH = 0.3
"""Of a bar; axes are 1 apart."""


def draw_indices(dataset: xarray.Dataset, labels: Mapping[str, str], ax: Axes | None) -> Figure:
    """Sobol indices of every axis, a panel an estimand; where there are none, the reason.

    Args:
        dataset: of a sample for sensitivity indices.
        labels: estimand → in words.
        ax: where to draw a single one. Default: a figure of its own.

    Returns:
        The figure.
    """
    figure, shown = panels(len(labels), None, ax)
    for panel, (of, label) in zip(shown, labels.items(), strict=True):
        try:
            _draw_bars(panel, dataset, sensitivity(dataset, of), of)
        except RequestError as error:
            why = fill(error.faults[0], 40)
            panel.text(0.5, 0.5, why, transform=panel.transAxes, ha="center", va="center", fontsize=7)
            panel.set(xticks=[], yticks=[])
        add_title(panel, label)
    add_legend(figure, shown, "bars: 95 % intervals", ax)
    return figure


def _draw_bars(panel: Axes, dataset: xarray.Dataset, found: xarray.Dataset, of: str) -> None:
    names = found["axis"].values.tolist()
    symbols, system = (
        {axis.name: axis.symbol for axis in swept_axes(dataset)},
        find_or_loaded(dataset.attrs["system"]),
    )
    scale = scale_of(names)._replace(texts=tuple(symbols[system.coordinate_of(name)] for name in names))
    series = {
        label: xarray.Dataset(
            {end or "estimate": found[f"{order}{end and '_'}{end}"] for end in ("", "low", "high")}
        )
        for order, label in _ORDERS.items()
    }
    draw_estimates(panel, SweptAxis("axis", "", "1", scale), series, f"sensitivity of {of}", apart=_WIDTH)
    for k, estimate in enumerate(series.values()):
        at = scale.beside(scale.coordinates, _WIDTH * (k - 0.5))
        panel.bar(at, np.nan_to_num(estimate["estimate"].values), _WIDTH, color=COLOURS[k], alpha=0.35, zorder=1)
    panel.set_xlim(-0.5, len(names) - 0.5)
    set_values_axis(panel, series.values(), "share of the variance", [0.0])
