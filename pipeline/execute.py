"""Blocks through Dask: a bounded window of futures, failures recorded, interruption without loss."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.blocks import is_stored, write_block
from pipeline.code import code_digest
from pipeline.config import LocalCluster
from pipeline.plan import Job
from pipeline.systems import SYSTEMS

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
_BLOCKS_A_WORKER = 3  # one computing, the rest on its way: a worker never waits for the driver
_POLL_SECONDS = 0.2
_tries = count()


class Done(NamedTuple):
    """What a worker reports of a block."""

    job: Job
    computed: bool
    """False: not started, as the driver was stopping, or already stored."""
    seconds: float
    diverged: int


@dataclass
class Outcome:
    """What became of the jobs of a run."""

    computed: int = 0
    diverged: int = 0
    seconds: float = 0.0
    """Time in block functions, all workers together."""
    failed: dict[tuple[int, int], str] = field(default_factory=dict)
    """(point, block) in the store → error."""
    interrupted: str = ""
    """Why the run stopped early."""


# --- on a worker ------------------------------------------------------------------------------------------

_stopping = False


def _stop_starting_blocks() -> None:
    """Blocks that wait on this worker are handed back uncomputed."""
    global _stopping
    _stopping = True


def compute_block(job: Job) -> Done:
    """Compute a block and write it, unless it is stored or the run is stopping."""
    if _stopping or (not job.overwrite and is_stored(job.location, job.point, job.block)):
        return Done(job, computed=False, seconds=0.0, diverged=0)
    started = time.perf_counter()
    values = block_values(job)
    seconds = time.perf_counter() - started
    write_block(job.location, job.point, job.block, values, code_digest(job.system), seconds)
    return Done(job, computed=True, seconds=seconds, diverged=int((values["status"] == 2).sum()))


def block_values(job: Job) -> dict[str, np.ndarray]:
    """The variables of a block and its `status`, computed: member first."""
    members = np.arange(job.block * job.block_members, (job.block + 1) * job.block_members)
    return SYSTEMS[job.system].compute(job.settings, job.seed, members, job.records)


# --- on the driver ----------------------------------------------------------------------------------------


def run_blocks(
    jobs: Iterator[Job],
    client: "Client",
    cluster: LocalCluster,
    progress: Callable[[Done], Any],
    stop: "Stop | None" = None,
) -> Outcome:
    """Compute and store all jobs.

    A block that raises is retried twice, then recorded as failed, and the rest goes on. One whose worker keeps
    dying is run once more with nothing beside it. A stop keeps new blocks from starting; those running get
    `grace_seconds` to finish. A lost cluster ends the run as interrupted.
    """
    outcome, stop = Outcome(), stop or Stop()
    killers: list[Job] = []
    window = _Window(client, len(client.nthreads()) * _BLOCKS_A_WORKER)
    _drain(jobs, window, cluster, stop, outcome, killers, progress)
    for job in killers:  # one at a time, so that a block that kills its worker is known for sure
        if outcome.interrupted:
            break
        outcome.failed.pop((job.point, job.block))
        _drain(iter([job]), _Window(client, 1), cluster, stop, outcome, [], progress)
    return outcome


class _Window:
    """At most `size` jobs at Dask at any time."""

    def __init__(self, client: "Client", size: int) -> None:
        self.client, self.size = client, size
        self.running: dict[str, tuple[Job, Future]] = {}
        self.ended: SimpleQueue[Future] = SimpleQueue()

    def submit(self, jobs: Iterator[Job]) -> None:
        """Fill the window."""
        for job in islice(jobs, self.size - len(self.running)):
            # A key of its own for every try: Dask remembers the fate of a key while anyone holds its future.
            key = f"block-{job.point}-{job.block}-{next(_tries)}"
            future = self.client.submit(compute_block, job, key=key, retries=RETRIES, pure=False)
            self.running[key] = job, future
            future.add_done_callback(self.ended.put)

    def wait(self, seconds: float) -> "list[tuple[Job, Future]]":
        """Jobs that ended, after waiting for the first of them for at most some time."""
        try:
            futures = [self.ended.get(timeout=seconds)]
            while not self.ended.empty():
                futures.append(self.ended.get_nowait())
        except Empty:
            return []
        return [self.running.pop(future.key) for future in futures]


def _drain(
    jobs: Iterator[Job],
    window: _Window,
    cluster: LocalCluster,
    stop: "Stop",
    outcome: Outcome,
    killers: list[Job],
    progress: Callable[[Done], Any],
) -> None:
    """Pass jobs through a window until all have ended, or until it is time to stop."""
    told_workers = False
    if not stop.requested:
        window.submit(jobs)
    outcome.interrupted = stop.requested
    while window.running:
        if stop.requested and not told_workers:
            outcome.interrupted = stop.requested
            window.client.run(_stop_starting_blocks, on_error="ignore")
            told_workers = True
        if told_workers and time.monotonic() > stop.since + cluster.grace_seconds:
            return
        if window.client.status != "running":
            outcome.interrupted = "the Dask scheduler was lost"
            return
        for job, future in window.wait(_POLL_SECONDS):
            _account(job, future, outcome, killers, progress)
        if not outcome.interrupted:
            window.submit(jobs)


def _account(
    job: Job, future: "Future", outcome: Outcome, killers: list[Job], progress: Callable[[Done], Any]
) -> None:
    """Enter an ended future in the outcome."""
    from distributed.scheduler import KilledWorker, NoWorkerError

    if future.status == "finished":
        done = future.result()
        outcome.computed += done.computed
        outcome.diverged += done.diverged
        outcome.seconds += done.seconds
        progress(done)
        return
    if future.status == "cancelled":
        outcome.interrupted = outcome.interrupted or "the Dask scheduler was lost"
        return
    error = future.exception()
    if isinstance(error, NoWorkerError):
        outcome.interrupted = f"no workers: {error}"
        return
    if isinstance(error, KilledWorker):
        killers.append(job)
    outcome.failed[job.point, job.block] = f"{type(error).__name__}: {error}"


class Stop:
    """Whether and since when a signal asks to stop."""

    requested, since = "", 0.0

    def __call__(self, number: int, _: Any) -> None:
        """As a signal handler."""
        if self.requested:
            raise KeyboardInterrupt  # asked twice: don't wait for running blocks
        self.requested, self.since = signal.Signals(number).name, time.monotonic()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM instead of dying of them."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
