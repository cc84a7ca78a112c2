"""The figure stage: one module a figure, each with `draw(dataset) → matplotlib Figure`.

A module may name stores of other sweeps in `BESIDE`, which `draw` gets as further datasets. What modules share is in
those with a leading underscore.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.plan import Plan

__all__ = ["draw", "known"]


def known() -> list[str]:
    """The figures there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def draw(plan: Plan, names: Sequence[str], suffix: str, command: str) -> list[Path]:
    """Draw figures of a plan's store as PNG and PDF into the folder `figures` beside it.

    Args:
        plan: of a store that is there.
        names: of the figures, among `known()`.
        suffix: of the stores of other sweeps that a figure shows too.
        command: what the files say of their origin.

    Returns:
        The files written.

    Raises:
        NotComplete: the store of another sweep is not there or not complete.
        Damaged: a chunk can't be read.
    """
    from pipeline.figures import _drawing  # a second to import, and only this stage needs it

    return _drawing.draw(plan, names, suffix, command)
