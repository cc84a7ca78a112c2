"""What a person or a batch log sees: faults, progress, tables."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.execute import Done, Outcome
from pipeline.plan import Plan

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
def progress(plan: Plan, workers: int) -> Iterator[Callable[[Done], Any]]:
    """Report blocks as they are done, with the time left by their predicted cost.

    One live bar on a terminal, one line every few seconds elsewhere.
    """
    work = {int(row): cost for row, cost in zip(plan.rows, plan.block_work, strict=True)}
    total, blocks = plan.remaining_work, int(plan.missing.sum())
    show = _terminal_bar if sys.stdout.isatty() else _log_lines
    with show(blocks) as update:
        work_done, seconds, count, diverged = 0.0, 0.0, 0, 0

        def done(block: Done) -> None:
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


def outcome_lines(plan: Plan, outcome: Outcome, wall: float, workers: int) -> list[str]:
    """What a run did, and what to do if it did not do all."""
    busy = outcome.seconds / (wall * workers) if wall > 0 else 0.0
    lines = [
        f"computed {outcome.computed} blocks in {duration(wall)} "
        f"({busy:.0%} of {workers} workers' time in kernels), {outcome.diverged} members diverged"
    ]
    for (row, block), text in sorted(outcome.failed.items()):
        where = plan.sweep.points[int(np.flatnonzero(plan.rows == row)[0])]
        named = ", ".join(f"{axis}={value:g}" for axis, value in zip(plan.sweep.axes, where, strict=True))
        lines.append(f"failed: {named or 'the point'}, block {block}: {text}")
    if outcome.failed:
        lines.append("the same command tries the failed blocks again")
    if outcome.interrupted:
        lines.append(f"interrupted ({outcome.interrupted}); the same command resumes, stored blocks are kept")
    return lines


def seconds_per_operation(plan: Plan) -> float:
    """Measured cost of the block function: from the store's blocks, else from a pilot of a tenth of a second."""
    if plan.stored.any():
        assert plan.store is not None
        known = plan.rows >= 0
        seconds = plan.store.bookkeeping("seconds")[plan.rows[known]].sum()
        blocks = (plan.store.bookkeeping("digest")[plan.rows[known]] != 0).sum(axis=1)
        return float(seconds / (plan.block_work[known] @ blocks))
    return _pilot(plan)


def _pilot(plan: Plan) -> float:
    sweep = plan.sweep
    settings = sweep.settings_at(sweep.points[int(np.argmax(plan.block_work))])
    members = np.arange(min(sweep.block_members, 8))
    iterations = max(1, int(1e8 * settings["iterations"] / (sweep.system.work(settings) * len(members))))
    short = {**settings, "iterations": min(iterations, settings["iterations"])}
    sweep.system.compute(short, 0, members, 2)  # compiles
    started = time.perf_counter()
    for _ in range(3):
        sweep.system.compute(short, 0, members, 2)
    return (time.perf_counter() - started) / (3 * sweep.system.work(short) * len(members))


def explanation(plan: Plan, seconds_per_operation: float | None, workers: int) -> list[str]:
    """The plan as a table."""
    sweep, missing = plan.sweep, plan.missing
    rows: list[tuple[str, str]] = [
        ("store", f"{plan.path}{'' if plan.store else ' (not there yet)'}"),
        ("points", f"{len(sweep.points)} ({_axes(plan)})"),
        ("members", f"{sweep.members} a point, in {sweep.blocks} blocks of {sweep.block_members}"),
        (
            "blocks",
            f"{missing.size}: {int((plan.stored & ~missing).sum())} stored, {int(missing.sum())} to compute",
        ),
    ]
    if missing.any():
        reasons = {
            "of points new to the store": int(missing[plan.rows < 0].sum()),
            "of stored points": int((missing & ~plan.stored)[plan.rows >= 0].sum()),
            "stale": int((missing & plan.stored).sum()),
        }
        rows.append(("to compute", ", ".join(f"{count} {why}" for why, count in reasons.items() if count)))
    if plan.stale.any():
        rows.append(("stale", f"{int(plan.stale.sum())} blocks; changed since: {', '.join(plan.changed_code())}"))
    if seconds_per_operation is not None:
        core_seconds = plan.remaining_work * seconds_per_operation
        rows.append(
            (
                "predicted",
                f"{core_seconds:.0f} core-seconds, {duration(core_seconds / workers)} on {workers} workers",
            )
        )
    rows.append(("disk", f"at most {size(_bytes(plan) * missing.sum())} more"))
    return [f"{name:<12}{text}" for name, text in rows]


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
    stored = int((~plan.missing).sum())
    lines = [
        f"{plan.path}: {stored} of {plan.missing.size} blocks ({stored / plan.missing.size:.0%}), "
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
