"""What a person or a batch log sees: faults, progress, tables."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.checks.timestep import Shift
from pipeline.checks.verify import Checked, circumstances_of
from pipeline.execution.driver import BlockReport, Outcome
from pipeline.plan.planning import Plan
from pipeline.plan.stopping import Reached
from pipeline.request.config import Precision

_LOG_SECONDS = 5.0


def say(line: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def complain(lines: list[str]) -> None:
    """Print faults to stderr, one a line."""
    for line in lines:
        print(f"error: {line}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 05 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes in a readable unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


@contextmanager
def progress(plan: Plan, workers: int) -> Iterator[Callable[[BlockReport], Any]]:
    """Report blocks as they are done, with the time left by their predicted cost.

    One live bar on a terminal, one line every few seconds elsewhere.
    """
    work = {int(row): cost for row, cost in zip(plan.rows, plan.block_work, strict=True)}
    total, blocks = plan.remaining_work, int(plan.missing.sum())
    show = _terminal_bar if sys.stdout.isatty() else _log_lines
    with show(blocks) as update:
        work_done, seconds, count, diverged = 0.0, 0.0, 0, 0

        def done(block: BlockReport) -> None:
            nonlocal work_done, seconds, count, diverged
            work_done += work[block.job.point]
            seconds += block.seconds
            count += 1
            diverged += block.diverged
            left = (total - work_done) * seconds / (work_done * workers)
            update(work_done / total, count, left, diverged)

        yield done


@contextmanager
def _log_lines(blocks: int) -> Iterator[Callable[[float, int, float, int], None]]:
    last = time.monotonic()

    def update(share: float, done: int, left: float, diverged: int) -> None:
        nonlocal last
        if time.monotonic() - last > _LOG_SECONDS or done == blocks:
            last = time.monotonic()
            say(f"{done}/{blocks} blocks, {share:.0%} of the work, {duration(left)} left, {diverged} diverged")

    yield update


@contextmanager
def _terminal_bar(blocks: int) -> Iterator[Callable[[float, int, float, int], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[note]}  elapsed"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("", total=1.0, note=f"0/{blocks} blocks")

        def update(share: float, done: int, left: float, diverged: int) -> None:
            note = f"{done}/{blocks} blocks, {diverged} diverged, {duration(left)} left"
            bar.update(task, completed=share, note=note)

        yield update


def announcement(plan: Plan) -> str:
    """What is about to be computed."""
    return f"{plan.path}: {int(plan.missing.sum())} of {int(plan.wanted.sum())} blocks to compute"


def outcome_lines(plan: Plan, outcome: Outcome, wall: float, workers: int) -> list[str]:
    """What a run did, and what to do if it did not do all."""
    busy = outcome.seconds / (wall * workers) if wall > 0 else 0.0
    lines = [
        f"computed {outcome.computed} blocks in {duration(wall)} "
        f"({busy:.0%} of {workers} workers' time in kernels), {outcome.diverged} members diverged"
    ]
    lines += [f"failed: {text}" for text in failures(plan, outcome)]
    if outcome.failed:
        lines.append("the same command tries the failed blocks again")
    if outcome.interrupted:
        lines.append(f"interrupted ({outcome.interrupted}); the same command resumes, stored blocks are kept")
    return lines


def failures(plan: Plan, outcome: Outcome) -> list[str]:
    """The failed blocks of a run by point, with their errors."""
    index = {int(row): k for k, row in enumerate(plan.rows)}
    return [
        f"{plan.sweep.named(plan.sweep.points[index[row]])}, block {block}: {text}"
        for (row, block), text in sorted(outcome.failed.items())
    ]


def explanation(plan: Plan, core_seconds: float, workers: int) -> list[str]:
    """The plan as a table: what is there, what is to be computed and why, and what that will cost."""
    sweep, missing = plan.sweep, plan.missing
    members = np.unique(plan.wanted.sum(axis=1) * sweep.block_members)
    rows: list[tuple[str, str]] = [
        ("store", f"{plan.path}{'' if plan.store else ' (not there yet)'}"),
        ("points", f"{len(sweep.points)} ({_axes(plan)})"),
        ("members", f"{_range(np.minimum(members, sweep.members))} a point, in blocks of {sweep.block_members}"),
        (
            "blocks",
            f"{int(plan.wanted.sum())}: {int(plan.done.sum())} stored, {int(missing.sum())} to compute",
        ),
    ]
    reasons = {
        "of points new to the store": missing & (plan.rows < 0)[:, None],
        "not computed yet": missing & ~plan.stored & ~plan.damaged & (plan.rows >= 0)[:, None],
        "damaged": missing & plan.damaged,
        "stale": missing & plan.stored,
    }
    counted = ", ".join(f"{int(which.sum())} {why}" for why, which in reasons.items() if which.any())
    rows += [("to compute", counted)] if counted else []
    if plan.stale.any():
        rows.append(
            ("stale", f"{_named_blocks(plan, plan.stale)}; changed since: {', '.join(plan.changed_code())}")
        )
    failed = _failed_last_time(plan)
    rows += [("failed", f"{len(failed)} in the last run, to be tried again: {failed[0]}")] if failed else []
    if missing.any():
        hours = f" ({core_seconds / 3600:.1f} core-hours)" if core_seconds >= 360 else ""
        wall = duration(core_seconds / workers)
        rows.append(("predicted", f"{core_seconds:.0f} core-seconds{hours}, {wall} on {workers} workers"))
    rows.append(("disk", f"at most {size(_bytes(plan) * missing.sum())} more"))
    return [f"{name:<12}{text}" for name, text in rows]


def _range(values: np.ndarray) -> str:
    return f"{values.min()}" if len(values) == 1 else f"{values.min()} … {values.max()}"


def _named_blocks(plan: Plan, which: np.ndarray, most: int = 4) -> str:
    """The number of some blocks, and the first of them by point and number."""
    found = np.argwhere(which)
    named = [f"{plan.sweep.named(plan.sweep.points[k])} block {block}" for k, block in found[:most]]
    return f"{len(found)} blocks ({', '.join(named)}{', …' if len(found) > most else ''})"


def _failed_last_time(plan: Plan) -> list[str]:
    runs = plan.store.runs() if plan.store else []
    return runs[-1]["failed"] if runs and plan.missing.any() else []


def _axes(plan: Plan) -> str:
    columns = zip(*plan.sweep.points, strict=True) if plan.sweep.axes else []
    return (
        ", ".join(
            f"{axis}: {len(set(column))} values {min(column):g} … {max(column):g}"
            for axis, column in zip(plan.sweep.axes, columns, strict=True)
        )
        or "no axes"
    )


def _bytes(plan: Plan) -> int:
    """Uncompressed bytes of a block."""
    sweep = plan.sweep
    settings = sweep.settings_at(sweep.points[0])
    sizes = {d.name: len(d.coordinate(settings, sweep.records)) for d in sweep.system.dimensions}
    values = sum(int(np.prod([sizes[dim] for dim in variable.dims])) for variable in sweep.system.variables)
    return 8 * values * sweep.block_members


def status_lines(plan: Plan, driven: bool) -> list[str]:
    """Progress of a sweep, read from its store alone."""
    if plan.store is None:
        return [f"{plan.path}: nothing stored yet"]
    stored, wanted = int(plan.done.sum()), int(plan.wanted.sum())
    lines = [
        f"{plan.path}: {stored} of {wanted} blocks ({stored / wanted:.0%}), "
        f"{len(plan.sweep.points)} points × {plan.sweep.members} members"
    ]
    runs = plan.store.runs()
    if runs:
        last = runs[-1]
        lines.append(f"last run: started {last['started']}, {_state(last, driven)}")
        lines += [f"failed: {text}" for text in last["failed"]]
    return lines


def _state(run: dict[str, Any], driven: bool) -> str:
    if run["state"] == "running":
        return "running now" if driven else "killed; the same command resumes"
    return f"{run['state']} {run['ended']}, {run['blocks_computed']} blocks computed"


def precision_line(plan: Plan, precision: Precision, found: Reached) -> str:
    """Which points missed a precision target."""
    aim = f"{precision.of} within ± {precision.half_width:g} ({precision.confidence:.0%})"
    met = f"at {int(found.narrow.sum())} of {len(found.narrow)} points"
    missed = [
        f"{plan.sweep.named(plan.sweep.points[k])} (± {found.half_width[k]:.2g} with {found.members[k]} members)"
        for k in np.flatnonzero(~found.narrow)
    ]
    return f"precision: {aim} {met}" + (f"; not at {', '.join(missed)}" if missed else "")


def verification_lines(plan: Plan, wrong: list[Checked]) -> list[str]:
    """What is wrong with which blocks, how their circumstances differ from today's, and what to do."""
    if not wrong:
        return ["all blocks are as they should be"]
    lines = []
    for checked in wrong:
        where = f"{plan.sweep.named(plan.sweep.points[checked.k])}, block {checked.block}: {checked.damage}"
        if checked.differs:
            lines.append(f"differs: {where}; changed since it was computed: {circumstances_of(plan, checked)}")
        else:
            lines.append(f"damaged: {where}")
    return [*lines, f"{len(wrong)} blocks are wrong; verify.repair=true computes them again"]


def convergence_lines(found: list[Shift]) -> list[str]:
    """A table of how ensemble means move with shorter steps."""
    width = max(len(f"{shift.point}  {shift.observable}") for shift in found)
    lines = [f"{'point  observable':<{width}}  {'mean, 95 %':>22}  steps  {'shift, 95 %':>22}"]
    for shift in found:
        name = f"{shift.point}  {shift.observable}"
        mean = f"{shift.mean:.5f} ± {shift.half_width:.5f}"
        moved = f"{shift.shift:+.5f} ± {shift.shift_half_width:.5f}"
        verdict = "moves by more than its interval" if shift.moved else ""
        verdict = "undecided, needs more members" if shift.undecided else verdict
        lines.append(f"{name:<{width}}  {mean:>22}  dt/{shift.factor:<2}  {moved:>22}  {verdict}".rstrip())
    count = sum(shift.moved for shift in found)
    return [*lines, f"{count} of {len(found)} means move by more than their interval"]
