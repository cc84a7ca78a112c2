"""The numbers that a figure draws, kept as it is drawn, for the table beside it."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_ROWS: WeakKeyDictionary[Figure, list[dict[str, Any]]] = WeakKeyDictionary()


def note(ax: Axes, quantity: str, series: str, columns: Mapping[str, Any]) -> None:
    """Keep numbers that are drawn.

    Args:
        ax: where; the panel is told by its label.
        quantity: what the numbers are.
        series: which of several, as in the legend.
        columns: name → values of one length, such as those of a swept setting, `estimate`, `low` and `high`.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    told = {"panel": ax.get_label(), "quantity": quantity, "series": series}
    values = [_whole(np.asarray(column).ravel()).tolist() for column in columns.values()]
    names = [f"{name}_setting" if name in told else name for name in columns]
    rows = [told | dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    _ROWS.setdefault(figure, []).extend(rows)


def _whole(column: np.ndarray) -> np.ndarray:
    """Integers, where numbers with a point are all whole, such as counts."""
    is_whole = column.dtype.kind == "f" and (np.abs(column) < 2**53).all() and (column == np.floor(column)).all()
    return column.astype(int) if is_whole else column


def columns_of(estimate: xarray.Dataset, **axes: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of an estimate: where it was made, and what it is.

    Args:
        estimate: its variables, all of the size of the axes.
        **axes: name → values, those along which it varies.

    Returns:
        Name → values of one length: coordinates that are one value too, as those of a panel or a series.
    """
    size = max((values.size for values in axes.values()), default=1)
    fixed = {str(name): np.full(size, at.values) for name, at in estimate.coords.items() if at.ndim == 0}
    return fixed | axes | {str(name): np.ravel(estimate[name].values) for name in estimate.data_vars}


def table_of(figure: Figure) -> str:
    """All numbers drawn in a figure.

    Args:
        figure: drawn by this room.

    Returns:
        CSV, a line a number or estimate; columns that a number has not are empty.
    """
    rows = _ROWS.get(figure, [])
    text = StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
