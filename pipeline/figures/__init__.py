"""The figure stage: one module a figure, each with `draw(dataset) → matplotlib Figure`.

A module names the axes of the sweep that it draws in `AXES`. It may name stores of other sweeps in `BESIDE`, which
`draw` gets as further datasets. What modules share is in those with a leading underscore.
"""

import ast
from collections.abc import Sequence
from pathlib import Path

from pipeline.plan import Plan

__all__ = ["draw", "known"]


def known() -> dict[str, tuple[str, ...]]:
    """The figures there are, and the axes of the sweeps they draw: what modules assign to `AXES`, without importing."""
    return {path.stem: _axes(path) for path in sorted(Path(__file__).parent.glob("[a-z]*.py"))}


def _axes(path: Path) -> tuple[str, ...]:
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "AXES":
            axes: tuple[str, ...] = ast.literal_eval(statement.value)
            return axes
    raise LookupError(f"{path}: expected AXES, the axes of the sweep that it draws")


def draw(plan: Plan, names: Sequence[str], folder: Path | None, suffix: str, command: str) -> list[Path]:
    """Draw figures of a plan's store as PNG and PDF.

    Args:
        plan: of a store that is there.
        names: of the figures, among `known()`.
        folder: where they go; None: `figures` beside the store.
        suffix: of the stores of other sweeps that a figure shows too.
        command: what the files say of their origin.

    Returns:
        The files written.

    Raises:
        RequestError: the folder can't be written.
        NotComplete: the store of another sweep is not there or not complete.
        Damaged: a chunk can't be read.
    """
    from pipeline.figures import _drawing  # a second to import, and only this stage needs it

    return _drawing.draw(plan, names, folder, suffix, command)
