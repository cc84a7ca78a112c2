"""What a worker does: compute a block and write it, within its time."""

import faulthandler
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import BlockError
from pipeline.plan import Job
from pipeline.store import is_pending, write_block
from pipeline.systems import DIVERGED, loaded

_STOPPING = "stores_that_stop"
"""Attribute of a Dask worker: stores whose driver is stopping. A lasting worker may serve several, in turn."""


class BlockReport(NamedTuple):
    """What a worker reports of a block."""

    job: Job
    computed: bool
    """False: not started, as the driver was stopping, or already stored."""
    seconds: float
    diverged: int

    @property
    def stored(self) -> bool:
        """Whether it was handed in."""
        return self.computed


def compute_block(job: Job) -> BlockReport:
    """Compute a block and write it, unless it is stored and not stale.

    Args:
        job: the block.

    Returns:
        What became of it.

    Raises:
        BlockError: its system can't compute it, or an earlier try took longer than a block may; in one line.
    """
    if is_pending(job.location, job.point, job.block, loaded(job.system).digest):
        return BlockReport(job, computed=False, seconds=0.0, diverged=0)
    with _time_limit(job):
        started = time.perf_counter()
        values = job.values()
        seconds = time.perf_counter() - started
    write_block(job.location, job.made(seconds), values)
    return BlockReport(job, computed=True, seconds=seconds, diverged=int((values["status"] == DIVERGED).sum()))


def compute_on_dask(job: Job) -> BlockReport:
    """`compute_block` on a Dask worker, which hands a block back uncomputed while its driver is stopping.

    Args:
        job: the block.

    Returns:
        What became of it.

    Raises:
        BlockError: as `compute_block`, without causes, which may not be picklable.
    """
    from distributed import get_worker

    if job.location.path in getattr(get_worker(), _STOPPING, ()):
        return BlockReport(job, computed=False, seconds=0.0, diverged=0)
    try:
        return compute_block(job)
    except BlockError as error:
        raise BlockError(str(error)) from None  # frames and causes may not be picklable


def set_stopping(store: str, stopping: bool, dask_worker: Any) -> None:
    """Choose whether blocks of a store that wait on a Dask worker are handed back uncomputed.

    Args:
        store: folder of the store, as in `Location.path`.
        stopping: whether they are.
        dask_worker: Dask puts the worker here.
    """
    stores: frozenset[str] = getattr(dask_worker, _STOPPING, frozenset()) - {store}
    setattr(dask_worker, _STOPPING, stores | {store} if stopping else stores)


# --- a block's time -----------------------------------------------------------------------------------------


@contextmanager
def _time_limit(job: Job) -> Iterator[None]:
    """End this process if a block takes longer than it may. It leaves a note of the line it was at.

    Raises BlockError if this run has such a note already.
    """
    seconds = job.execution.block_seconds
    if seconds is None:
        yield
        return
    note = _note(job)
    if note.exists() and (where := _last_line(note.read_text())):
        raise BlockError(
            f"{where}: expected a block within limits.block_seconds = {seconds:g}, was ended after that"
        )
    with note.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    note.unlink()


def _note(job: Job) -> Path:
    return Path(job.location.path) / "runs" / f"{note_prefix(job.execution.run)}{job.k}-{job.block}"


def note_prefix(run: str) -> str:
    """How the notes of a run begin, of blocks that were ended.

    Args:
        run: its name.

    Returns:
        Beginning of a file's name.
    """
    return f".ended-{run}-"


def _last_line(traceback: str) -> str:
    """Where the thread that computed was, by what `faulthandler` wrote of all threads; empty if it wrote nothing."""
    for thread in traceback.split("\n\n"):
        frames = re.findall(r'File "(.+)", line (\d+) in (\S+)', thread)
        if any(function == "compute_members" for *_, function in frames):
            calls = [frame for frame in frames if "site-packages" not in frame[0]]
            file, line, function = (calls or frames)[0]
            return f"{file}, line {line}, in {function}"
    return ""
