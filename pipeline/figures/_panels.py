"""Figures of one or two columns of a journal, their panels, letters and legends."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_CM = 1 / 2.54
COLUMN, PAGE = 8.6 * _CM, 17.8 * _CM
"""Inches: the widths of one and of two columns."""
_HEIGHT = 6.2 * _CM
"""Of a row of panels."""
_SIGN, _HANDLE = 3.9, 32
"""Points: the width of a sign in letters of 7 points, and of what stands beside the text of a legend."""

_BESIDE, _COLOUR_BAR = 60, 60
"""Points: what a panel has beside its title, labels of its axes and its letter; and a colour bar with its label."""


def panels(
    count: int, columns: int | None = None, ax: Axes | None = None, *, wide: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of panels, row by row, lettered where there are several: one panel is a column of a journal wide.

    Args:
        count: of panels.
        columns: of panels. Default: one, two or three, as their number suits.
        ax: where one panel is drawn instead. Default: a new figure.
        wide: whether a single column of panels has two columns of a journal. Default: no.

    Returns:
        The figure and its panels.

    Raises:
        RequestError: several panels don't fit into `ax`.
    """
    from pipeline.errors import RequestError

    if ax is not None:
        figure = ax.get_figure(root=True)
        if count > 1 or figure is None:
            raise RequestError(
                [f"ax: expected one panel to draw, got {count}; choose with of= and sel, or leave it out"]
            )
        return figure, [ax]
    columns = columns or (count if count <= 3 else 2 if count == 4 else 3)
    rows = -(-count // columns)
    width = COLUMN if columns == 1 and not wide else PAGE
    figure = SweepFigure(figsize=(width, _HEIGHT * rows + 0.4), layout="constrained")
    grid = list(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    for spare in grid[count:]:
        spare.remove()
    for k, panel in enumerate(grid[:count]):
        panel.set_label(letter(k) if count > 1 else "")
        if count > 1:
            panel.set_title(f"({letter(k)})", loc="left", fontweight="bold")
    return figure, grid[:count]


def letter(number: int) -> str:
    """The letter of a panel.

    Args:
        number: from 0.

    Returns:
        a … z, then aa, ab …
    """
    first, last = divmod(number, 26)
    return (chr(ord("a") + first - 1) if first else "") + chr(ord("a") + last)


def add_legend(figure: Figure, shown: Sequence[Axes], title: str | None = None, ax: Axes | None = None) -> None:
    """One legend for all panels, above them, where it hides nothing.

    Args:
        figure: whose.
        shown: its panels.
        title: of the legend. Default: none.
        ax: the axes that were given to draw in, which get a legend of their own. Default: none were.
    """
    entries: dict[str, Any] = {}
    for panel in shown:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    entries.pop("", None)
    entries = dict(sorted(entries.items(), key=lambda entry: _rank(*entry)))
    if ax is not None and entries:
        ax.legend(list(entries.values()), list(entries), loc="best", title=title)
    elif ax is None and (entries or title):
        longest = max(map(len, entries), default=0) * _SIGN + _HANDLE
        columns = max(int(72 * figure.get_figwidth() / longest), 1)
        figure.legend(
            list(entries.values()), list(entries), loc="outside upper center",
            ncols=min(max(len(entries), 1), columns, 4), title=title, alignment="left", fontsize=7, title_fontsize=7,
        )  # fmt: skip


def _rank(label: str, handle: Any) -> int:
    """Where an entry stands in a legend: estimates, lines, bands, and what explains marks."""
    if isinstance(handle, ErrorbarContainer):
        return 0
    if label.startswith(("open", "grey", "may", "none")):
        return 3
    return 1 if isinstance(handle, Line2D) else 2


def add_title(panel: Axes, text: str) -> None:
    """Say what a panel shows, above it, beside its letter, in as many lines as that takes.

    Args:
        panel: one of several, or of one.
        text: what it says; lines may be broken between words.
    """
    figure = panel.get_figure(root=True)
    assert figure is not None
    specification = panel.get_subplotspec()
    columns = 1 if specification is None else specification.get_gridspec().ncols
    beside = _BESIDE + _COLOUR_BAR * any(getattr(drawn, "colorbar", None) for drawn in panel.collections)
    room = 72 * figure.get_figwidth() / columns - beside
    lines = [line for part in text.split("\n") for line in wrap(part, max(int(room / _SIGN), 12))]
    panel.set_title("\n".join(lines), loc="right", fontsize=7)


class SweepFigure(Figure):
    """A figure that shows itself in a notebook."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        file = BytesIO()
        self.savefig(file, format="png", dpi=160)
        return file.getvalue()
