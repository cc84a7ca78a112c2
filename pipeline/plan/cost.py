"""What computing a plan will cost: measured where blocks have been computed, else by a pilot."""

import time
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.errors import RequestError
from pipeline.plan.planning import Plan
from pipeline.request.sweep import Sweep

SLOWEST = 1e9
"""Operations a second that any machine reaches: a plan below its limit at this rate needs no measurement."""


def core_seconds(plan: Plan) -> float:
    """Predicted time in block functions for the missing blocks.

    A point with stored blocks costs what those took. Another's cost is its work, which grows with size, steps and
    iterations as the kernel's does, at the rate the stored blocks or, without any, a pilot went.
    """
    if not plan.missing.any():
        return 0.0
    return float(_block_seconds(plan) @ plan.missing.sum(axis=1))


def refuse_above(plan: Plan, core_hours: float | None) -> None:
    """Raise RequestError if a plan costs more than a limit of core hours."""
    if core_hours is None or plan.remaining_work / SLOWEST < 3600 * core_hours:
        return
    hours = core_seconds(plan) / 3600
    if hours > core_hours:
        raise RequestError(
            [
                f"limits.core_hours: expected a plan of at most {core_hours:g} core-hours, got one of {hours:.1f} "
                f"({int(plan.missing.sum())} blocks to compute); see action=explain, and confirm it with "
                f"limits.core_hours={np.ceil(1.2 * hours):g}"
            ]
        )


def _block_seconds(plan: Plan) -> np.ndarray:
    """(point,) predicted seconds of a block."""
    measured = np.full(len(plan.rows), np.nan)
    if plan.stored.any():
        assert plan.store is not None
        known, blocks = plan.rows >= 0, min(plan.stored.shape[1], plan.store.blocks)
        seconds = plan.store.bookkeeping("seconds")[plan.rows[known], :blocks]
        stored = plan.stored[known, :blocks] & (seconds > 0)
        with np.errstate(invalid="ignore"):
            measured[known] = np.where(stored, seconds, 0.0).sum(axis=1) / stored.sum(axis=1)
    there = np.isfinite(measured)
    rate = measured[there].sum() / plan.block_work[there].sum() if there.any() else _pilot(plan)
    return np.where(there, measured, rate * plan.block_work)


def _pilot(plan: Plan) -> float:
    """Seconds per operation, from eight members of the longest point, cut to about a tenth of a second."""
    sweep = plan.sweep
    members = np.arange(min(sweep.block_members, 8))
    short = _shortened(sweep, sweep.settings_at(sweep.points[int(np.argmax(plan.block_work))]), 1e8 / len(members))
    sweep.system.compute(short, 0, members, 2)  # compiles
    started = time.perf_counter()
    for _ in range(3):
        sweep.system.compute(short, 0, members, 2)
    return (time.perf_counter() - started) / (3 * sweep.system.work(short) * len(members))


def _shortened(sweep: Sweep, settings: dict[str, Any], work: float) -> dict[str, Any]:
    """Settings with as few iterations as give this much work a member, or as their bounds allow."""
    iterations = max(1, int(settings["iterations"] * work / sweep.system.work(settings)))
    while iterations < settings["iterations"]:
        try:
            return sweep.system.settings.model_validate({**settings, "iterations": iterations}).model_dump()
        except ValidationError:
            iterations *= 2
    return settings
