"""A plan and the state of a store as data, and as the text a person sees."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.plan.budget import Left
from pipeline.plan.cost import Prediction, seconds_left
from pipeline.plan.memory import block_bytes, block_memory
from pipeline.plan.planning import Plan
from pipeline.plan.rounds import Record
from pipeline.request import Value, shown
from pipeline.words import brief, counted, duration, moment, size, span


@dataclass(frozen=True)
class Explanation:
    """What a run would compute, why, and what that would cost."""

    path: Path
    exists: bool
    points: int
    axes: str
    """Each axis with the number and the range of its values."""
    members: tuple[int, int]
    """Least and greatest number of members a point."""
    block_members: int
    blocks: int
    """Blocks asked for."""
    stored: int
    """Those that are there and need not be computed again."""
    missing: int
    reasons: dict[str, int]
    """Why blocks are missing, and how many for each reason."""
    stale: str
    """Blocks computed by other code: which, and what changed; empty if there are none."""
    failed: list[str]
    """Blocks that failed in the last run and are to be tried again."""
    prediction: Prediction
    wall_seconds: float
    """Predicted duration of the run; NaN if it is not known."""
    workers: int
    bytes: int
    """Uncompressed size of what is missing."""
    memory: float
    """Bytes that a worker needs at most to compute a block, the interpreter and its libraries not counted."""
    memory_is_known: bool
    """Whether the system predicts it; else `memory` is that of a block's variables alone."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Settings whose value is not known yet, and why."""
    search: str = ""
    """Of a search or refinement: at which round it is, and what it may cost beside, at most."""
    warnings: list[str] = field(default_factory=list)
    """What the system warns of, such as that Euler steps are too long."""

    def __str__(self) -> str:
        return "\n".join(f"{name:<12}{text}" for name, text in self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "store", f"{self.path}{'' if self.exists else ' (not there yet)'}"
        yield "points", f"{self.points} ({self.axes})"
        yield "members", f"{span(self.members)} a point, in blocks of {self.block_members}"
        yield "blocks", f"{self.blocks}: {self.stored} stored, {self.missing} to compute"
        if self.reasons:
            yield "to compute", ", ".join(f"{count} {why}" for why, count in self.reasons.items())
        if self.stale:
            yield "stale", self.stale
        if self.failed:
            yield "failed", f"{len(self.failed)} in the last run, to be tried again: {self.failed[0]}"
        if self.missing:
            yield "predicted", self._predicted()
        if self.search:
            yield "rounds", self.search
        if not self.unknown:
            yield "disk", f"at most {size(self.bytes)} more"
            yield "memory", self._memory()
        for why in self.unknown.values():
            yield "not known", why
        for warning in self.warnings:
            yield "warning", warning

    def _predicted(self) -> str:
        predicted = self.prediction
        if np.isnan(predicted.core_seconds):
            return f"not known: {predicted.why}"
        unit, name = _unit_of_core_time(predicted.core_seconds)
        spent = _range(predicted.least / unit, predicted.greatest / unit)
        share = self.wall_seconds / predicted.core_seconds if predicted.core_seconds else 0.0
        shortest, longest = (duration(share * bound) for bound in (predicted.least, predicted.greatest))
        wall = shortest if shortest == longest else f"{shortest} to {longest}"
        return f"{spent} {name}, {wall} on {counted(self.workers, 'worker')}"

    def _memory(self) -> str:
        if self.memory_is_known:
            return f"about {size(self.memory)} a worker for its largest block"
        return f"at least {size(self.memory)} a worker, the variables of a block; the system does not say more"


def explanation(
    plan: Plan, prediction: Prediction, workers: int, unknown: dict[str, str], left: Left | None = None
) -> Explanation:
    """What there is to say of a plan before it is carried out.

    Args:
        plan: of the request.
        prediction: what its missing blocks cost.
        workers: how many will compute.
        unknown: settings whose value is not known yet, and why.
        left: what a search may ask for beside. Default: it is no search.

    Returns:
        Data, which printed is a table.
    """
    sweep, missing = plan.sweep, plan.missing
    members = np.minimum(plan.requested.sum(axis=1) * sweep.block_members, sweep.members)
    reasons = {
        "of points new to the store": missing & (plan.rows < 0)[:, None],
        "not computed yet": missing & ~plan.stored & ~plan.damaged & (plan.rows >= 0)[:, None],
        "damaged": missing & plan.damaged,
        "stale": missing & plan.stored,
    }
    return Explanation(
        path=plan.path,
        exists=plan.store is not None,
        points=len(sweep.points),
        axes=_axes(plan),
        members=(int(members.min()), int(members.max())),
        block_members=sweep.block_members,
        blocks=int(plan.requested.sum()),
        stored=int(plan.available.sum()),
        missing=int(missing.sum()),
        reasons={why: int(which.sum()) for why, which in reasons.items() if which.any()},
        stale=_stale(plan) if plan.stale.any() else "",
        failed=_failed_last_time(plan),
        prediction=prediction,
        wall_seconds=prediction.wall_seconds(plan, workers),
        workers=workers,
        bytes=0 if unknown else block_bytes(plan) * (int(missing.sum()) + (left.blocks if left else 0)),
        memory=0.0 if unknown else block_memory(plan),
        memory_is_known=sweep.system.memory is not None,
        unknown=unknown,
        search=_beside(plan, prediction, left),
        warnings=[] if unknown else list(plan.advice),
    )


def _beside(plan: Plan, prediction: Prediction, left: Left | None) -> str:
    """How far a search is, and what it may cost beside the round that is planned."""
    if left is None:
        return "has ended" if plan.record is not None else ""
    done = 0 if plan.record is None else len(plan.record.rounds)
    this = f"round {max(done, 1) + (done > 0 and plan.complete)}"
    seconds = seconds_left(plan, prediction, left)
    cost = "" if np.isnan(seconds) else f", at most {_core_time(seconds)} more"
    return f"this is {this}; then at most {counted(left.ensembles, 'ensemble')}{cost}"


def _unit_of_core_time(seconds: float) -> tuple[int, str]:
    return (3600, "core-hours") if seconds >= 3600 else (1, "core-seconds")


def _core_time(seconds: float) -> str:
    unit, name = _unit_of_core_time(seconds)
    return f"{float(f'{seconds / unit:.2g}'):g} {name}"


@dataclass(frozen=True)
class Status:
    """How far a sweep is, from its store alone."""

    path: Path
    exists: bool
    points: int
    members: int
    blocks: int
    """Blocks asked for."""
    stored: int
    driven: bool
    """Whether a driver is at work on the store now."""
    runs: list[dict[str, Any]]
    """The logs of all runs, oldest first."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Settings whose value is not known yet, and why."""
    record: Record | None = None
    """Of a search or refinement."""
    goes_on: bool = False
    """Whether a search or refinement may ask for more."""

    @property
    def complete(self) -> bool:
        """Whether every block asked for is stored, and nothing more will be asked for."""
        return self.exists and self.stored == self.blocks and not self.goes_on

    @property
    def failed(self) -> list[str]:
        """Blocks that failed in the last run, with their errors."""
        return list(self.runs[-1]["failed"]) if self.runs else []

    def __str__(self) -> str:
        return "\n".join([*self._lines(), *(f"not known: {why}" for why in self.unknown.values())])

    def _lines(self) -> Iterator[str]:
        if not self.exists:
            yield f"{self.path}: nothing stored yet"
            return
        share = f"{self.stored / self.blocks:.0%}"
        extent = f"{counted(self.points, 'point')} × {counted(self.members, 'member')}"
        yield f"{self.path}: {self.stored} of {counted(self.blocks, 'block')} ({share}), {extent}"
        if self.record is not None:
            yield f"{self.record.what}: {self._progress()}"
        if self.runs:
            last = self.runs[-1]
            yield f"last run: started {moment(last['started'])} UTC, {_state(last, self.driven)}"
            yield from (f"failed: {text}" for text in self.failed)

    def _progress(self) -> str:
        assert self.record is not None
        so_far = f"round {len(self.record.rounds)}, {counted(self.record.spent, 'ensemble')} asked for"
        return f"{so_far}{'; it goes on' if self.goes_on else '; it has ended'}"


def status(plan: Plan, driven: bool, unknown: dict[str, str]) -> Status:
    """How far a plan is.

    Args:
        plan: of the request.
        driven: whether a driver is at work on its store now.
        unknown: settings whose value is not known yet, and why.

    Returns:
        Data, which printed is a few lines.
    """
    return Status(
        path=plan.path,
        exists=plan.store is not None,
        points=len(plan.sweep.points),
        members=plan.sweep.members,
        blocks=int(plan.requested.sum()),
        stored=int(plan.available.sum()),
        driven=driven,
        runs=plan.store.runs() if plan.store else [],
        unknown=unknown,
        record=plan.record,
        goes_on=plan.goes_on,
    )


def _state(run: dict[str, Any], driven: bool) -> str:
    if run["state"] == "running":
        return "running now" if driven else "killed; the same command resumes"
    return f"{run['state']} {moment(run['ended'])}, {counted(run['blocks_computed'], 'block')} computed"


def _range(least: float, greatest: float) -> str:
    """Two numbers to the digits that can be trusted, or one where these are the same."""
    low, high = (f"{float(f'{number:.2g}'):g}" for number in (least, greatest))
    return low if low == high else f"{low} to {high}"


def _stale(plan: Plan) -> str:
    """Which blocks other code computed, what changed, and what a run does with them."""
    does = {
        "stop": "a run is refused until on_stale=keep or on_stale=recompute says what is to become of them",
        "keep": "a run uses them as they are",
        "recompute": "a run computes them again",
    }[plan.on_stale]
    changed = ", ".join(plan.changed_code()) or "unknown"
    return f"{_named_blocks(plan, plan.stale)}; changed since: {changed}; {does}"


def _named_blocks(plan: Plan, which: np.ndarray, most: int = 4) -> str:
    """The number of some blocks, and the first of them by point and number."""
    found = np.argwhere(which)
    named = [f"{plan.sweep.named(plan.sweep.points[k])} block {block}" for k, block in found[:most]]
    return f"{counted(len(found), 'block')} ({', '.join(named)}{', …' if len(found) > most else ''})"


def _failed_last_time(plan: Plan) -> list[str]:
    runs = plan.store.runs() if plan.store else []
    return runs[-1]["failed"] if runs and plan.missing.any() else []


def _axes(plan: Plan) -> str:
    columns = zip(*plan.sweep.points, strict=True) if plan.sweep.axes else []
    described = (_axis(axis, set(column)) for axis, column in zip(plan.sweep.axes, columns, strict=True))
    return ", ".join(described) or "no axes"


def _axis(name: str, values: set[Value]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return f"{name}: {len(values)} values {shown(min(numbers))} … {shown(max(numbers))}"
    return f"{name}: {', '.join(sorted(brief(shown(value)) for value in values))}"
