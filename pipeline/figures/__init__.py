"""The figure stage: one module a figure, each with `draw(dataset) → matplotlib Figure`.

A module names the axes of the sweep that it draws in `AXES`, and the variables and settings of the system that it
needs in `VARIABLES` and `SETTINGS`. It may name stores of other sweeps in `BESIDE`, which `draw` gets as further
datasets, and give what a page shows frame by frame by `pictures(dataset)`. `default` draws any sweep. What modules
share is in those with a leading underscore.
"""

import ast
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from pipeline.errors import RequestError
from pipeline.plan import Plan
from pipeline.request import FiguresConfig, Needs

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.figures._drawing import Drawing as Drawing

__all__ = [
    "DEFAULT", "MEASURED", "Drawing", "draw", "drawing", "known", "pictures_of", "plot", "recorded", "unwritable",
    "writable",
]  # fmt: skip

DEFAULT = "default"
"""The figure of any sweep."""
MEASURED = ("estimate", "low", "high", "value")
"""Columns of numbers that were computed, in the table beside a figure; others say where and of what."""
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


def drawing(plan: Plan, name: str, of: Sequence[str] = (), suffix: str = "") -> "Drawing":
    """Draw a figure of a plan's store for a page.

    Args:
        plan: of a store that is there.
        name: of the figure, one of `known`.
        of: estimands that the figure of any sweep shows. Default: those that the system declares.
        suffix: of the stores of other sweeps that the figure shows too. Default: none.

    Returns:
        SVG, with the numbers drawn and where they are.

    Raises:
        RequestError, NotComplete, Damaged: as of `draw`.
    """
    from pipeline.figures import _drawing

    return _drawing.drawing(plan, name, of, suffix)


def pictures_of(name: str) -> "Callable[[xarray.Dataset], xarray.DataArray] | None":
    """What a page shows of single members, frame by frame, beside a figure.

    Args:
        name: of the figure, one of `known`.

    Returns:
        The dataset of a sweep that the figure draws → (frame, member, panel, row, column) numbers, the frames along a
        swept axis; None: this figure has none.
    """
    return getattr(import_module(f"{__name__}.{name}"), "pictures", None)


def recorded(dataset: "xarray.Dataset") -> list[str]:
    """The variables that are recorded along a dimension, as series are.

    Args:
        dataset: of a sweep.

    Returns:
        Their names, the first few.
    """
    from pipeline.figures.default import series_of

    return series_of(dataset)


def writable(folder: Path) -> Path:
    """A folder for figures, made if it is not there.

    Args:
        folder: wanted.

    Returns:
        The folder.

    Raises:
        RequestError: it can't be made, or nothing be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unwritable(folder: Path, error: OSError) -> RequestError:
    """What is said of a folder in which figures can't be written.

    Args:
        folder: wanted.
        error: why not.

    Returns:
        An error to be raised.
    """
    where = f"figures.folder: expected a folder that can be written, got {folder}"
    return RequestError([f"{where}: {error.strerror}; set another one"])


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
        x: the axis along x. Default: the one with most values; of points that are no grid, every two axes.
        hue: the axis whose values are series, at most 7, set apart by an eighth of a step. Default: the other one, if
            it has at most 4 values.
        row: the axis whose values are rows of panels. Default: none.
        col: the axis whose values are columns of panels, at most 4. Default: none.
        ax: where to draw, a single panel with a legend of its own, in the style that holds. Default: a figure of its
            own, in ours.

    Returns:
        A matplotlib Figure, which shows itself in a notebook; that of `ax`, if given. rcParams stay as they are.

    Raises:
        RequestError: the dataset is none of a sweep, or lacks `member` or `status`; there is no such estimand or axis;
            or there is more than one panel for `ax`, or more than can be told apart.
    """
    from contextlib import nullcontext

    from pipeline.figures import default
    from pipeline.figures._plotted import checked
    from pipeline.figures._style import style

    names = checked(dataset, of, {"x": x, "hue": hue, "row": row, "col": col}, ax)
    with style() if ax is None else nullcontext():
        return default.draw(dataset, names, x=x, hue=hue, row=row, col=col, ax=ax)
