"""Blocks through Dask: a bounded window of futures, failures recorded, interruption without loss."""

import signal
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import numpy as np

from pipeline.plan.planning import Job
from pipeline.request.clusters import Cluster
from pipeline.store.blocks import is_stored, write_block
from pipeline.systems.code_version import code_digest
from pipeline.systems.interface import SYSTEMS

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
_BLOCKS_A_WORKER = 3  # one computing, the rest on its way: a worker never waits for the driver
_POLL_SECONDS = 0.2
_PULSE_SECONDS = 1.0
_REPLY_SECONDS, _LOST_SECONDS = 10.0, 60.0
"""How long to wait for one answer of the scheduler; without any for how long it is lost, whatever sockets say."""


class BlockReport(NamedTuple):
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

_stopping: set[str] = set()
"""Stores whose driver is stopping. A worker of a lasting cluster may serve several, also one after the other."""


def set_stopping(store: str, stopping: bool) -> None:
    """Whether blocks of a store that wait on this worker are handed back uncomputed."""
    (_stopping.add if stopping else _stopping.discard)(store)


def compute_block(job: Job) -> BlockReport:
    """Compute a block and write it, unless it is stored or the run is stopping."""
    if job.location.path in _stopping or (not job.overwrite and is_stored(job.location, job.point, job.block)):
        return BlockReport(job, computed=False, seconds=0.0, diverged=0)
    started = time.perf_counter()
    values = block_values(job)
    seconds = time.perf_counter() - started
    write_block(job.location, job.point, job.block, values, code_digest(job.system), seconds)
    return BlockReport(job, computed=True, seconds=seconds, diverged=int((values["status"] == 2).sum()))


def block_values(job: Job) -> dict[str, np.ndarray]:
    """The variables of a block and its `status`, computed: member first."""
    members = np.arange(job.block * job.block_members, (job.block + 1) * job.block_members)
    return SYSTEMS[job.system].compute(job.settings, job.seed, members, job.records)


# --- on the driver ----------------------------------------------------------------------------------------


def run_blocks(
    jobs: Iterator[Job],
    client: "Client",
    cluster: Cluster,
    progress: Callable[[BlockReport], Any],
    stop: "Stop | None" = None,
    trouble: Callable[[], str] = str,
) -> Outcome:
    """Compute and store all jobs.

    A block that raises is retried twice, then recorded as failed, and the rest goes on. One whose worker keeps
    dying is run once more with nothing beside it. A stop keeps new blocks from starting; those running get
    `grace_seconds` to finish. A lost cluster ends the run as interrupted, as does one without workers for
    `no_workers_seconds`, and what `trouble` has to say, if anything.
    """
    outcome, stop = Outcome(), stop or Stop()
    killers: list[Job] = []
    pulse = _Pulse(client, cluster, trouble)
    _drain(jobs, _Window(client), pulse, cluster, stop, outcome, killers, progress)
    for job in killers:  # one at a time, so that a block that kills its worker is known for sure
        if outcome.interrupted:
            break
        outcome.failed.pop((job.point, job.block))
        _drain(iter([job]), _Window(client), pulse, cluster, stop, outcome, [], progress)
    return outcome


class _Pulse:
    """Whether the cluster lives, asked every second."""

    def __init__(self, client: "Client", cluster: Cluster, trouble: Callable[[], str]) -> None:
        self._client, self._patience, self._trouble = client, cluster.no_workers_seconds, trouble
        self.threads = 0
        self._felt = self._manned = time.monotonic()
        self._next = 0.0

    def lost(self) -> str:
        """Why nothing more is to be expected of the cluster; empty while it lives."""
        if self._client.status != "running":
            return "the Dask scheduler was lost"
        if time.monotonic() < self._next:
            return ""
        try:
            self.threads = sum(self._ask(self._client.scheduler.ncores).values())
            self._felt = time.monotonic()
        except (TimeoutError, OSError):
            if time.monotonic() - self._felt > _LOST_SECONDS:
                return f"the Dask scheduler has not answered for {_LOST_SECONDS:.0f} s"
        self._next = time.monotonic() + _PULSE_SECONDS
        if self.threads:
            self._manned = self._next
        if self._next - self._manned > self._patience:
            return (
                f"no workers for {self._patience:g} s; see why none can start, or raise cluster.no_workers_seconds"
            )
        return self._trouble()

    def results(self, futures: "list[Future]") -> "list[BlockReport] | None":
        """The results of finished futures, in one message; None if they have to be asked for again."""
        try:
            return self._ask(partial(self._client.gather, asynchronous=True), futures)
        except (Exception, CancelledError):  # lost with their worker, say: the futures know what becomes of them
            return None

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        return self._client.sync(question, *arguments, callback_timeout=_REPLY_SECONDS)


class _Window:
    """At most a few jobs a worker at Dask at any time."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        # Keys of its own for every try: Dask remembers the fate of a key while anyone holds its future. But all of
        # one group, as Dask keeps statistics of a group for ever.
        self.group = f"block-{uuid4().hex}"
        self.running: dict[Any, tuple[Job, Future]] = {}
        self.ended: SimpleQueue[Future] = SimpleQueue()

    def key(self, job: Job) -> tuple[str, int, int]:
        """A job's key at Dask."""
        return self.group, job.point, job.block

    def submit(self, jobs: Iterator[Job], size: int) -> None:
        """Fill the window up to a size, once a block a worker has ended.

        All in one message: each costs Dask a millisecond, and some bytes that its scheduler never forgets.
        """
        room = size - len(self.running)
        batch = list(islice(jobs, room)) if room >= size // _BLOCKS_A_WORKER else []
        if not batch:
            return
        keys = [self.key(job) for job in batch]
        futures = self.client.map(compute_block, batch, key=keys, retries=RETRIES, pure=False)
        for key, job, future in zip(keys, batch, futures, strict=True):
            self.running[key] = job, future
            future.add_done_callback(self.ended.put)

    def wait(self, seconds: float) -> "list[Future]":
        """Futures that ended, after waiting for the first of them for at most some time."""
        try:
            futures = [self.ended.get(timeout=seconds)]
            while not self.ended.empty():
                futures.append(self.ended.get_nowait())
        except Empty:
            return []
        return futures


def _drain(
    jobs: Iterator[Job],
    window: _Window,
    pulse: _Pulse,
    cluster: Cluster,
    stop: "Stop",
    outcome: Outcome,
    killers: list[Job],
    progress: Callable[[BlockReport], Any],
) -> None:
    """Pass jobs through a window until all have ended, or until it is time to stop."""
    told_workers = False
    outcome.interrupted = stop.requested or pulse.lost()
    if not outcome.interrupted:
        window.submit(jobs, _BLOCKS_A_WORKER * max(pulse.threads, 1))
    while window.running:
        if stop.requested and not told_workers:
            outcome.interrupted = stop.requested
            _stop_workers(window)
            told_workers = True
        if told_workers and time.monotonic() > stop.since + cluster.grace_seconds:
            return
        if lost := pulse.lost():
            outcome.interrupted = lost
            return
        _account_for(window, pulse, outcome, killers, progress)
        if not outcome.interrupted:
            window.submit(jobs, _BLOCKS_A_WORKER * max(pulse.threads, 1))


def _stop_workers(window: _Window) -> None:
    """Have workers hand back blocks that wait; from a thread, as a cluster in trouble may never answer."""
    (store,) = {job.location.path for job, _ in window.running.values()}

    def tell() -> None:
        with suppress(Exception):  # blocks then start until the grace time is over
            window.client.run(set_stopping, store, True, on_error="ignore")

    threading.Thread(target=tell, daemon=True).start()


def _account_for(
    window: _Window, pulse: _Pulse, outcome: Outcome, killers: list[Job], progress: Callable[[BlockReport], Any]
) -> None:
    """Enter the futures that ended in the outcome."""
    by_status: dict[str, list[Future]] = {"finished": [], "error": [], "cancelled": []}
    again: list[
        Future
    ] = []  # a result that was lost with its worker is computed once more, and the callback comes only once
    for future in window.wait(_POLL_SECONDS):
        by_status.get(future.status, again).append(future)
    results = pulse.results(by_status["finished"]) if by_status["finished"] else []
    for done in results or []:
        window.running.pop(window.key(done.job))
        outcome.computed += done.computed
        outcome.diverged += done.diverged
        outcome.seconds += done.seconds
        progress(done)
    for future in by_status["error"] + by_status["cancelled"]:
        job, _ = window.running.pop(future.key)
        _account_failure(job, future, outcome, killers)
    if results is None:
        again += by_status["finished"]
    if again:
        time.sleep(_POLL_SECONDS)
    for future in again:
        window.ended.put(future)


def _account_failure(job: Job, future: "Future", outcome: Outcome, killers: list[Job]) -> None:
    """Enter a future that ended without a result in the outcome."""
    from distributed.scheduler import KilledWorker, NoWorkerError

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
