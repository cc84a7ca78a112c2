"""What computing a plan will cost: measured where blocks have been computed, else by a pilot."""

import json
import resource
import subprocess
import sys
from heapq import heapreplace
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from pipeline.errors import BlockError, RequestError
from pipeline.plan.budget import Left
from pipeline.plan.memory import memory_here
from pipeline.plan.planning import Plan
from pipeline.request import Sweep
from pipeline.systems import compute_members
from pipeline.words import counted, size

SLOWEST = 1e9
"""Operations a second that any machine reaches: a plan below its limit at this rate needs no measurement."""
_FASTEST = 1e11
"""Operations a second that no core reaches: a plan above its limit at this rate needs none either."""
_PILOT_WORK = 1e8
"""Operations of a pilot: about a tenth of a second."""
_PILOT_SECONDS = 20.0
"""How long a pilot may take that can't be shortened."""
_REPEATS = 3
"""The least of so many counts: what else runs on a machine makes the others longer."""
_MOST_DEALT_OUT = 10**5
"""Blocks; of more, the last ones are no part of the whole that counts."""


class Prediction(NamedTuple):
    """Processor time in block functions for the missing blocks of a plan."""

    core_seconds: float
    """NaN if it is not known."""
    why: str = ""
    """Why it is not known."""
    least: float = 0.0
    greatest: float = 0.0
    """Between which core-seconds it is, by the rates of the points that were measured."""
    of_block: np.ndarray = np.empty(0)
    """(point,) seconds of a block."""

    def wall_seconds(self, plan: Plan, workers: int) -> float:
        """How long workers take together, each block on one of them.

        Args:
            plan: the one that was predicted.
            workers: how many.

        Returns:
            Seconds; NaN if they are not known.
        """
        blocks = int(plan.missing.sum())
        if not len(self.of_block) or blocks > _MOST_DEALT_OUT:
            return self.core_seconds / workers
        ends = [0.0] * min(workers, blocks)
        for block in range(plan.sweep.blocks):  # in the order in which a driver hands them out
            for k in plan.longest_first[plan.missing[plan.longest_first, block]].tolist():
                heapreplace(ends, ends[0] + float(self.of_block[k]))
        return max(ends)


def predict(plan: Plan, pilot: bool = True) -> Prediction:
    """Predict what the missing blocks cost.

    A point with stored blocks costs what those took. Another's cost is its work, which grows with size, steps and
    iterations as the kernel's does, at the rate the stored blocks or, without any, a pilot went.

    Args:
        plan: whose missing blocks.
        pilot: whether to compute a whole member for it where a system can't be shortened. Default: True.

    Returns:
        Core-seconds, or NaN and why they are not known.
    """
    if not plan.missing.any():
        return Prediction(0.0)
    measured = _measured(plan)
    there = np.isfinite(measured)
    if there.any():
        rates = measured[there] / plan.block_work[there]
        rate = measured[there].sum() / plan.block_work[there].sum()
    else:
        rates, why = _pilot(plan, pilot)
        if why:
            return Prediction(float("nan"), why)
        rate = rates[0]
    blocks = plan.missing.sum(axis=1)
    of_block, least, greatest = (
        np.where(there, measured, speed * plan.block_work) for speed in (rate, rates.min(), rates.max())
    )
    return Prediction(float(of_block @ blocks), "", float(least @ blocks), float(greatest @ blocks), of_block)


def refuse_above(plan: Plan, core_hours: float | None, left: Left | None = None) -> None:
    """Refuse a plan that is known to cost more than a limit.

    Args:
        plan: whose missing blocks.
        core_hours: the limit; None: no limit.
        left: what a search may ask for beside. Default: nothing.

    Raises:
        RequestError: it costs more; with the limit that would allow it.
    """
    can_tell = plan.sweep.system.work is not None
    work = plan.remaining_work + (left.work if left else 0.0)
    if core_hours is None or (can_tell and work / SLOWEST < 3600 * core_hours):
        return
    predicted = predict(plan, pilot=False)
    hours, what = (predicted.core_seconds + seconds_left(plan, predicted, left)) / 3600, ""
    if can_tell and np.isnan(hours):  # as a pilot takes more memory than there is, say
        hours, what = work / _FASTEST / 3600, "at least "
    if hours > core_hours:
        more = f" and {counted(left.ensembles, 'ensemble')} more at most" if left else ""
        raise RequestError(
            [
                f"limits.core_hours: expected a plan of at most {core_hours:g} core-hours, got one of "
                f"{what}{hours:.2g} ({int(plan.missing.sum())} blocks to compute{more}); see action=explain, and "
                f"confirm it with limits.core_hours={np.ceil(1.2 * hours):g}"
            ]
        )


def seconds_left(plan: Plan, prediction: Prediction, left: Left | None) -> float:
    """What a search may cost beside the round that it is at.

    Args:
        plan: of the request.
        prediction: of its missing blocks.
        left: what it may ask for.

    Returns:
        Core-seconds; NaN if they are not known.
    """
    if left is None:
        return 0.0
    if not plan.missing.any():
        measured = _measured(plan)
        there = np.isfinite(measured)
        return (
            float(left.work * measured[there].sum() / plan.block_work[there].sum())
            if there.any()
            else float("nan")
        )
    return left.work * prediction.core_seconds / plan.remaining_work


def _measured(plan: Plan) -> np.ndarray:
    """(point,) mean seconds of the stored blocks, NaN without any."""
    measured = np.full(len(plan.rows), np.nan)
    if plan.stored.any():
        assert plan.store is not None
        known, blocks = plan.rows >= 0, min(plan.stored.shape[1], plan.store.blocks)
        seconds = plan.store.books["seconds"][plan.rows[known], :blocks]
        stored = plan.stored[known, :blocks] & (seconds > 0)
        with np.errstate(invalid="ignore"):
            measured[known] = np.where(stored, seconds, 0.0).sum(axis=1) / stored.sum(axis=1)
    return measured


def _pilot(plan: Plan, whole_member: bool) -> tuple[np.ndarray, str]:
    """Seconds per operation by a few members of the longest point and of the shortest, or why that is not known."""
    sweep, system = plan.sweep, plan.sweep.system
    ends = dict.fromkeys(plan.longest_first[[0, -1]].tolist())  # of a sweep of one point they are the same
    longest, *shortest = (sweep.settings_at(sweep.points[k]) for k in ends)
    if system.work is None or system.shortened is None:
        if not whole_member:
            return np.empty(0), "it was not measured"
        seconds, why = _timed_apart(sweep, longest)
        return np.array([seconds / (1.0 if system.work is None else system.work(longest))]), why
    try:
        return np.array([_rate(sweep, settings) for settings in (longest, *shortest)]), ""
    except BlockError as error:
        return np.empty(0), str(error)


def _rate(sweep: Sweep, settings: dict[str, Any]) -> float:
    """Seconds per operation by a few members of a point, iterations left out so that it takes a tenth of a second."""
    system = sweep.system
    assert system.work is not None
    members = np.arange(min(sweep.block_members, system.lanes))
    settings = _shortened(sweep, settings, _PILOT_WORK / len(members))
    if system.memory is not None and (needed := system.memory(settings)) > (most := memory_here()):
        raise BlockError(f"it takes {size(needed)} of memory, this machine has {size(most)}")
    _, *times = (
        _seconds_for(sweep.system_name, settings, members) for _ in range(1 + _REPEATS)
    )  # the first compiles
    return min(times) / (system.work(settings) * len(members))


def _seconds_for(system: str, settings: dict[str, Any], members: np.ndarray) -> float:
    """Processor time for some members."""
    began = _processor_seconds()
    compute_members(system, settings, 0, members, 2)
    return _processor_seconds() - began


def _processor_seconds() -> float:
    """Processor time of this process so far, and of those that it started and that ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


_APART = """
import json, sys
task = json.load(sys.stdin)
sys.path[:] = task["path"]
from pipeline.plan.cost import seconds_a_member
print(json.dumps(seconds_a_member(*task["arguments"])))
"""


def _timed_apart(sweep: Sweep, settings: dict[str, Any]) -> tuple[float, str]:
    """Seconds a member, measured in a process of its own, which can be ended; or why they are not known."""
    task = {"path": sys.path, "arguments": [sweep.system_name, settings, sweep.system.lanes, sweep.block_members]}
    command = [sys.executable, "-c", _APART]
    try:
        ended = subprocess.run(
            command, input=json.dumps(task), capture_output=True, text=True, timeout=_PILOT_SECONDS, check=False
        )
        seconds, why = json.loads(ended.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return float("nan"), f"one member takes more than {_PILOT_SECONDS:g} s"
    except (ValueError, IndexError):
        return float("nan"), f"a pilot ended with code {ended.returncode}"
    return float("nan") if seconds is None else seconds, why


def seconds_a_member(system: str, settings: dict[str, Any], few: int, block: int) -> tuple[float | None, str]:
    """Processor time a member of a system takes here: by a few members, then by a block, if these are quick.

    Args:
        system: its name, as of `pipeline.systems.find`.
        settings: of the point.
        few: members to begin with.
        block: members of a block.

    Returns:
        Seconds and "", or None and why members can't be computed.
    """
    least = float("inf")
    for members in (few, few, block, block):
        if least < float("inf") and members * least > _PILOT_SECONDS / 4:
            break
        try:
            least = min(least, _seconds_for(system, settings, np.arange(members)) / members)
        except BlockError as error:
            return None, str(error)
    return least, ""


def _shortened(sweep: Sweep, settings: dict[str, Any], work: float) -> dict[str, Any]:
    """Settings cut to about this much work a member, or as far as their bounds allow."""
    system = sweep.system
    assert system.work is not None
    assert system.shortened is not None
    share = work / system.work(settings)
    while share < 1:
        try:
            return system.settings.model_validate(system.shortened(settings, share)).model_dump()
        except ValidationError:
            share *= 2
    return settings
