"""What a kernel should reach, and whether a run showed that it does."""

from collections.abc import Sequence
from typing import NamedTuple


class Goal(NamedTuple):
    """One thing the kernel should reach."""

    text: str
    value: float | None
    """What this run measured; None if it could not."""
    met: bool | None


def at_least(text: str, value: float | None, bound: float) -> Goal:
    return Goal(f"{text} ≥ {bound:g}", value, None if value is None else value >= bound)


def at_most(text: str, value: float | None, bound: float) -> Goal:
    return Goal(f"{text} ≤ {bound:g}", value, None if value is None else value <= bound)


def goal_lines(goals: Sequence[Goal]) -> list[str]:
    return ["Goals, in this run:", *(f"  {_line(goal)}" for goal in goals)]


def _line(goal: Goal) -> str:
    if goal.value is None:
        return f"unknown  {goal.text}"
    return f"{'met' if goal.met else 'MISSED':<9}{goal.text}: {goal.value:.{0 if goal.value > 10 else 2}f}"
