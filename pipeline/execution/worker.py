"""What a worker does: compute blocks and write them, one after the other, each within its time."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import BlockError
from pipeline.execution.clock import block_clock
from pipeline.plan import Job
from pipeline.store import is_pending, write_block
from pipeline.systems import DIVERGED
from pipeline.words import one_line

_STOPPING = "stores_that_stop"
"""Attribute of a Dask worker: stores whose driver is stopping. A lasting worker may serve several, in turn."""
MARKERS = ".batch-*"
"""Files in the folder of the runs: of batches that were begun and have not ended."""


class BlockReport(NamedTuple):
    """What a worker reports of a block."""

    job: Job
    state: Literal["computed", "found", "failed", "returned", "returned singly"]
    """Found: was stored already. Returned: not begun, as the driver is stopping; or as an earlier worker died of a
    block of the same batch, so that it is to be tried alone."""
    seconds: float = 0.0
    """In the block function, compiling left out."""
    diverged: int = 0
    error: str = ""
    """What went wrong, in one line."""
    worker_seconds: float = 0.0
    """`seconds`, and those of writing."""

    @property
    def stored(self) -> bool:
        """Whether the block is in the store."""
        return self.state in ("computed", "found")


def block_of(job: Job) -> tuple[int, int]:
    """Which block a job is of.

    Args:
        job: the block.

    Returns:
        (number of its point in the sweep, block).
    """
    return job.k, job.block


def compute_block(job: Job) -> BlockReport:
    """Compute a block and hand it in, unless an earlier try did.

    Args:
        job: the block.

    Returns:
        What became of it: computed or found.

    Raises:
        BlockError: its system can't compute it, or an earlier try took longer than a block may; in one line.
    """
    if _is_done(job):
        return BlockReport(job, "found")
    with block_clock(job.execution.block_seconds, _note(job)) as clock:
        values = job.values()
    began = time.perf_counter()
    write_block(job.location, job.made(clock.seconds), values)
    worker_seconds = clock.seconds + time.perf_counter() - began
    diverged = int((values["status"] == DIVERGED).sum())
    return BlockReport(job, "computed", clock.seconds, diverged, worker_seconds=worker_seconds)


def compute_on_dask(jobs: Sequence[Job], key: str) -> list[BlockReport]:
    """`compute_block` for a batch on a Dask worker, which hands back blocks while their driver is stopping.

    Where a worker died in the batch before, what it did not store is handed back too, to be tried one at a time.

    Args:
        jobs: blocks of one store.
        key: a name of the batch, for a file.

    Returns:
        What became of each.
    """
    from distributed import get_worker

    worker = get_worker()

    def stopping(job: Job) -> bool:
        return job.location.path in getattr(worker, _STOPPING, ())

    if len(jobs) == 1:
        return [_attempted(jobs[0], stopping)]
    marker = _runs(jobs[0]) / MARKERS.replace("*", key)
    try:
        marker.touch(exist_ok=False)
    except OSError:  # a worker died; or the disk is full, which each block then says for itself
        return [BlockReport(job, "found" if _is_done(job) else "returned singly") for job in jobs]
    reports = [_attempted(job, stopping) for job in jobs]
    with suppress(OSError):  # the end of the run removes it too
        marker.unlink()
    return reports


def set_stopping(store: str, stopping: bool, dask_worker: Any) -> None:
    """Choose whether blocks of a store that wait on a Dask worker are handed back uncomputed.

    Args:
        store: folder of the store, as in `Location.path`.
        stopping: whether they are.
        dask_worker: Dask puts the worker here.
    """
    stores: frozenset[str] = getattr(dask_worker, _STOPPING, frozenset()) - {store}
    setattr(dask_worker, _STOPPING, stores | {store} if stopping else stores)


def note_prefix(run: str) -> str:
    """How the notes of a run begin, of blocks that were ended.

    Args:
        run: its name.

    Returns:
        Beginning of a file's name.
    """
    return f".ended-{run}-"


def _attempted(job: Job, stopping: Callable[[Job], bool]) -> BlockReport:
    """What becomes of a block, whatever that is: the rest of its batch goes on."""
    if stopping(job):
        return BlockReport(job, "returned")
    try:
        return compute_block(job)
    except BlockError as error:
        return BlockReport(job, "failed", error=str(error))
    except Exception as error:
        return BlockReport(job, "failed", error=f"{type(error).__name__}: {one_line(error)}")


def _is_done(job: Job) -> bool:
    """Whether an earlier try handed the block in."""
    return is_pending(job.location, job.point, job.block, job.code())


def _note(job: Job) -> Path:
    """The file that gets the line at which a block was ended."""
    point, block = block_of(job)
    return _runs(job) / f"{note_prefix(job.execution.run)}{point}-{block}"


def _runs(job: Job) -> Path:
    return Path(job.location.path) / "runs"
