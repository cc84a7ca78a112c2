"""The figure stage: one module a figure, each with `draw(dataset) → matplotlib Figure`.

A module names the axes of the sweep that it draws in `AXES`, and the variables and settings of the system that it
needs in `VARIABLES` and `SETTINGS`. It may name stores of other sweeps in `BESIDE`, which `draw` gets as further
datasets. `default` draws any sweep. What modules share is in those with a leading underscore.
"""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.plan import Plan
from pipeline.request import FiguresConfig, Needs

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DEFAULT", "draw", "known", "plot"]

DEFAULT = "default"
"""The figure of any sweep."""
_NEEDS = {"AXES": "axes", "VARIABLES": "variables", "SETTINGS": "settings"}


def known() -> dict[str, Needs]:
    """The figures there are, and what each needs: what modules assign to names, read without importing them."""
    return {path.stem: _needs(path) for path in sorted(Path(__file__).parent.glob("[a-z]*.py"))}


def _needs(path: Path) -> Needs:
    found: dict[str, Any] = {"axes": None}
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and (name := getattr(statement.targets[0], "id", "")) in _NEEDS:
            found[_NEEDS[name]] = ast.literal_eval(statement.value)
    return Needs(**found)


def draw(plan: Plan, wanted: FiguresConfig, suffix: str, command: str) -> list[Path]:
    """Draw figures of a plan's store, and the numbers drawn beside each as CSV.

    Args:
        plan: of a store that is there.
        wanted: which figures, in which formats and folder.
        suffix: of the stores of other sweeps that a figure shows too.
        command: what the files say of their origin.

    Returns:
        The files written.

    Raises:
        RequestError: the folder can't be written, or a figure can't be drawn.
        NotComplete: the store of another sweep is not there or not complete.
        Damaged: a chunk can't be read.
    """
    from pipeline.figures import _drawing  # a second to import, and only this stage needs it

    return _drawing.draw(plan, wanted, suffix, command)


def plot(
    dataset: "xarray.Dataset",
    of: str | Sequence[str] = (),
    *,
    x: str | None = None,
    hue: str | None = None,
    row: str | None = None,
    col: str | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draw a sweep as `figures.draw=null` does: estimates with their 95 % intervals over the axes that vary.

    Without an axis that varies: the recorded series of the ensemble. With one: estimates against it. With two: lines
    if one has at most 4 values, else a map. With more: small multiples. Points that are no grid: each by itself.

    Args:
        dataset: from `pipeline.run` or `pipeline.open_sweep`, what `sel` left of it, or a file of `action=export`.
        of: estimands, as of `table`. Default: those that the system declares, else the means of its scalars.
        x: the axis along x. Default: the one with most values.
        hue: the axis whose values are series. Default: the other one, if it has at most 4 values.
        row: the axis whose values are rows of panels. Default: none.
        col: the axis whose values are columns of panels. Default: none.
        ax: where to draw, a single panel, in the style that holds. Default: a figure of its own, in ours.

    Returns:
        A matplotlib Figure, which shows itself in a notebook; that of `ax`, if given. rcParams stay as they are.

    Raises:
        RequestError: there is no such estimand or axis, or there are several panels for one `ax`.
    """
    from contextlib import nullcontext

    from pipeline.figures import default
    from pipeline.figures._style import style

    names = [of] if isinstance(of, str) else of
    with style() if ax is None else nullcontext():
        return default.draw(dataset, names, x=x, hue=hue, row=row, col=col, ax=ax)
