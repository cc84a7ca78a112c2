"""The numbers that a figure draws, kept as it is drawn, for the table beside it and for those who point at them."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import MEASURED
from pipeline.words import counted, without_tex


class Spot(NamedTuple):
    """Where a number is drawn."""

    x: float
    """Share of the figure's width, from its left."""
    y: float
    """Share of its height, from its top."""
    text: str
    """The number, in words."""


class _Noted(NamedTuple):
    """Numbers of one series."""

    ax: ReferenceType[Axes]
    """Weak: it would keep its figure, by which these are known."""
    rows: list[dict[str, Any]]
    at: np.ndarray | None
    """(row, 2) where they are, in coordinates of `ax`."""


_NOTED: WeakKeyDictionary[Figure, list[_Noted]] = WeakKeyDictionary()


def note(
    ax: Axes,
    quantity: str,
    series: str,
    columns: Mapping[str, Any],
    at: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Keep numbers that are drawn.

    Args:
        ax: where; the panel is told by its label.
        quantity: what the numbers are; TeX in it becomes plain text.
        series: which of several, as in the legend.
        columns: name → values of one length, such as those of a swept setting, `estimate`, `low` and `high`.
        at: coordinates x and y in `ax`, of any shape with so many values. Default: they can't be pointed at.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    told = {"panel": ax.get_label(), "quantity": without_tex(quantity), "series": without_tex(series)}
    values = [_whole(np.asarray(column).ravel()).tolist() for column in columns.values()]
    names = [f"{name}_setting" if name in told else name for name in columns]
    rows = [told | dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    places = None if at is None else np.column_stack([np.broadcast_to(np.ravel(one), len(rows)) for one in at])
    _NOTED.setdefault(figure, []).append(_Noted(ref(ax), rows, places))


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
    rows = [row for noted in _NOTED.get(figure, []) for row in noted.rows]
    text = StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def spots_of(figure: Figure) -> list[Spot]:
    """Where the numbers of a figure are, for those that can be pointed at.

    Args:
        figure: drawn by this room, and laid out.

    Returns:
        Spots, those within the figure, panel by panel as they were drawn.
    """
    found = []
    for noted in _NOTED.get(figure, []):
        if noted.at is not None and (ax := noted.ax()) is not None:
            shares = ax.transData.transform(noted.at) / figure.bbox.size
            for (x, y), row in zip(shares.tolist(), noted.rows, strict=True):
                if 0 <= x <= 1 and 0 <= y <= 1:
                    found.append(Spot(x, 1 - y, _in_words(row)))
    return found


_OF_ESTIMATES = ("panel", "quantity", "series", "count", *MEASURED)


def _in_words(row: Mapping[str, Any]) -> str:
    """A row of the table: where it is, what it is, how sure, and by how many members."""
    places = [f"{name} = {_exactly(value)}" for name, value in row.items() if name not in _OF_ESTIMATES]
    value = row.get("estimate", row.get("value"))
    quantity = ": ".join(filter(None, [row["quantity"], _told(value) if value is not None else ""]))
    if "low" in row:
        quantity += f" [{_told(row['low'])}, {_told(row['high'])}]"
    members = counted(int(row["count"]), "member") if "count" in row else ""
    return "; ".join(filter(None, [", ".join(places), quantity, members, row["series"]]))


def _exactly(value: Any) -> str:
    """A swept value."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _told(value: Any) -> str:
    """A value to four digits."""
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:.4g}"
    return str(value)
