"""Blocks through Dask: a bounded window of tasks, failures recorded, interruption without loss."""

import threading
import time
from asyncio import CancelledError
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pipeline.errors import BlockError
from pipeline.execution.batches import Batches
from pipeline.execution.signals import Stop
from pipeline.execution.worker import BlockReport, block_of, compute_block, compute_on_dask, set_stopping
from pipeline.plan import Job
from pipeline.words import counted, one_line

if TYPE_CHECKING:
    from distributed import Client, Future

    Task = Future[list[BlockReport]]

RETRIES = 2
_TASKS_A_WORKER = 3  # one computing, the rest on its way: a worker never waits for the driver
_POLL_SECONDS = 0.2
_PULSE_SECONDS = 1.0
_REPLY_SECONDS, _LOST_SECONDS = 10.0, 60.0
"""How long to wait for one answer of the scheduler; without any for how long it is lost, whatever sockets say."""


@dataclass
class Outcome:
    """What became of the jobs of a run."""

    computed: int = 0
    found: int = 0
    """Blocks that an earlier try had handed in."""
    diverged: int = 0
    seconds: float = 0.0
    """Time in block functions, all workers together."""
    failed: dict[tuple[int, int], str] = field(default_factory=dict)
    """(number of the point in the sweep, block) → error."""
    interrupted: str = ""
    """Why the run stopped early."""

    def add(self, report: BlockReport) -> None:
        """Enter a block that ended well.

        Args:
            report: what its worker says.
        """
        self.computed += report.state == "computed"
        self.found += report.state == "found"
        self.diverged += report.diverged
        self.seconds += report.seconds


@dataclass(frozen=True)
class Patience:
    """How long a run waits."""

    grace_seconds: float
    """For running blocks, once it is to stop."""
    no_workers_seconds: float
    """For the first worker, and for another one when all are gone."""


def run_blocks(
    jobs: Iterator[Job],
    client: "Client",
    patience: Patience,
    progress: Callable[[BlockReport], Any],
    stop: Stop | None = None,
    trouble: Callable[[], str] = str,
    say: Callable[[str], Any] = lambda line: None,
) -> Outcome:
    """Compute and store all jobs through Dask.

    Blocks that take little time travel several a task. One that raises is retried twice, alone, then recorded as
    failed, and the rest goes on. One whose worker keeps dying is run once more with nothing beside it. A stop keeps
    new blocks from starting; those running get `grace_seconds` to finish. A lost cluster ends the run as
    interrupted, as does one without workers for `no_workers_seconds`.

    Args:
        jobs: blocks of one store.
        client: of the cluster.
        patience: how long to wait.
        progress: gets the report of every block that ends well.
        stop: whether the run is to stop. Default: never.
        trouble: says why the run can't go on; asked every second. Default: nothing.
        say: gets a line once a stop is heeded. Default: nobody is told.

    Returns:
        What became of the jobs.
    """
    run = _Run(client, patience, progress, stop or Stop(), trouble, say)
    run.drain(jobs)
    suspects, run.worker_killing_jobs = run.worker_killing_jobs, []
    for job in suspects:  # one at a time, so that a block that kills its worker is known for sure
        if run.outcome.interrupted:
            break
        run.outcome.failed.pop(block_of(job))
        run.drain(iter([job]))
    return run.outcome


def run_serially(
    jobs: Iterator[Job], progress: Callable[[BlockReport], Any], stop: Stop, outcome: Outcome
) -> None:
    """Compute and store all jobs in this process, one after the other.

    Args:
        jobs: blocks of one store.
        progress: gets the report of every block that ends well.
        stop: whether the run is to stop, asked before every block.
        outcome: what became of the jobs is entered here.

    Raises:
        BlockError: of the first block that fails: that is what a debugger wants.
    """
    for job in jobs:
        if stop.requested:
            outcome.interrupted = stop.requested
            return
        try:
            report = compute_block(job)
        except BlockError as error:
            outcome.failed[block_of(job)] = str(error)
            raise
        outcome.add(report)
        progress(report)


class _Pulse:
    """Whether the cluster is there, asked every second."""

    def __init__(
        self, client: "Client", patience: Patience, trouble: Callable[[], str], say: Callable[[str], Any]
    ) -> None:
        self._client, self._patience, self._trouble = client, patience.no_workers_seconds, trouble
        self._say, self._workers = say, set[str]()
        self.threads = 0
        self._last_reply = self._last_worker = time.monotonic()
        self._next = 0.0

    def lost(self) -> str:
        """Polls the scheduler each second; says why the run can't go on, nothing while it can."""
        if self._client.status != "running":
            return "the Dask scheduler was lost"
        if time.monotonic() < self._next:
            return ""
        scheduler: Any = self._client.scheduler
        try:
            self._note_workers(self._ask(scheduler.ncores))
            self._last_reply = time.monotonic()
        except (TimeoutError, OSError):
            if time.monotonic() - self._last_reply > _LOST_SECONDS:
                return f"the Dask scheduler has not answered for {_LOST_SECONDS:.0f} s"
        self._next = time.monotonic() + _PULSE_SECONDS
        if self.threads:
            self._last_worker = self._next
        if self._next - self._last_worker > self._patience:
            return (
                f"no workers for {self._patience:g} s; see why none can start, or raise cluster.no_workers_seconds"
            )
        return self._trouble()

    def _note_workers(self, threads: dict[str, int]) -> None:
        """Enter which workers there are, and say that some are gone: killed, say, or at the end of their job."""
        if gone := self._workers - threads.keys():
            self._say(f"{counted(len(gone), 'worker')} gone, {len(threads)} left; their blocks are computed again")
        self._workers, self.threads = set(threads), sum(threads.values())

    def results(self, futures: "list[Task]") -> list[list[BlockReport]] | None:
        """The results of finished futures, in one message; None if they have to be asked for again."""
        try:
            results: list[list[BlockReport]] = self._ask(partial(self._client.gather, asynchronous=True), futures)
        except (Exception, CancelledError):  # lost with their worker, say: the futures know what becomes of them
            return None
        return results

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        return self._client.sync(question, *arguments, callback_timeout=_REPLY_SECONDS)


class _Window:
    """At most a few tasks a worker at Dask at any time, each of one block or several."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        # Keys of its own for every try: Dask remembers the fate of a key while anyone holds its future. But all of
        # one group, as Dask keeps statistics of a group for ever.
        self.group, self.number = uuid4().hex, count()
        self.running: dict[Any, tuple[list[Job], Task]] = {}
        self.ended: SimpleQueue[Task] = SimpleQueue()

    def submit(self, tasks: list[list[Job]]) -> None:
        """Hand tasks to Dask.

        All in one message: each costs Dask a millisecond, and some bytes that its scheduler never forgets.
        """
        if not tasks:
            return
        keys: list[Any] = [(f"blocks-{self.group}", next(self.number), _label(jobs)) for jobs in tasks]
        names = [f"{self.group}-{number}" for _, number, _ in keys]
        futures = self.client.map(compute_on_dask, tasks, names, key=keys, pure=False)
        for key, jobs, future in zip(keys, tasks, futures, strict=True):
            self.running[key] = jobs, future
            future.add_done_callback(self.ended.put)

    def wait(self, seconds: float) -> "list[Task]":
        """Futures that ended, after waiting for the first of them for at most some time."""
        try:
            futures = [self.ended.get(timeout=seconds)]
            while not self.ended.empty():
                futures.append(self.ended.get_nowait())
        except Empty:
            return []
        return futures


class _Run:
    """The jobs of a run on their way through Dask, and what became of them so far."""

    def __init__(
        self,
        client: "Client",
        patience: Patience,
        progress: Callable[[BlockReport], Any],
        stop: Stop,
        trouble: Callable[[], str],
        say: Callable[[str], Any],
    ) -> None:
        self.client, self.patience, self.progress, self.stop, self.say = client, patience, progress, stop, say
        self.pulse = _Pulse(client, patience, trouble, say)
        self.outcome = Outcome()
        self.alone: deque[Job] = deque()
        """Blocks to be tried once more, one a task."""
        self.failures: Counter[tuple[int, int]] = Counter()
        self.worker_killing_jobs: list[Job] = []

    def drain(self, jobs: Iterator[Job]) -> None:
        """Pass jobs through a window until all have ended, or until it is time to stop."""
        window, batches, workers_told = _Window(self.client), Batches(jobs), False
        self.outcome.interrupted = self.stop.requested or self.pulse.lost()
        if not self.outcome.interrupted:
            self._fill(window, batches)
        while window.running:
            if self.stop.requested and not workers_told:
                self.outcome.interrupted = self.stop.requested
                _stop_workers(window)
                workers_told = True
                self.say(self._stopping())
            if workers_told and time.monotonic() > self.stop.since + self.patience.grace_seconds:
                return
            if lost := self.pulse.lost():
                self.outcome.interrupted = lost
                return
            self._account_for(window, batches)
            if not self.outcome.interrupted:
                self._fill(window, batches)

    def _stopping(self) -> str:
        grace = f"{self.patience.grace_seconds:g} s"
        return (
            f"{self.stop.requested}: running blocks have {grace} to finish; a second signal ends the run at once"
        )

    def _fill(self, window: _Window, batches: Batches) -> None:
        """Fill a window up, once a task a worker has ended."""
        threads = max(self.pulse.threads, 1)
        room = _TASKS_A_WORKER * threads - len(window.running)
        if room < threads:
            return
        alone = [[self.alone.popleft()] for _ in range(min(room, len(self.alone)))]
        more = batches.take(room - len(alone)) if room > len(alone) else []
        window.submit(alone + more)

    def _account_for(self, window: _Window, batches: Batches) -> None:
        """Enter the futures that ended in the outcome."""
        by_status: dict[str, list[Task]] = {"finished": [], "error": [], "cancelled": []}
        # A result that was lost with its worker is computed once more, and the callback comes only once.
        again: list[Task] = []
        for future in window.wait(_POLL_SECONDS):
            by_status.get(str(future.status), again).append(future)
        results = self.pulse.results(by_status["finished"]) if by_status["finished"] else []
        if results is None:
            again += by_status["finished"]
        else:
            for future, reports in zip(by_status["finished"], results, strict=True):
                window.running.pop(future.key)
                for report in reports:
                    self._account_block(report, batches)
        for future in by_status["error"] + by_status["cancelled"]:
            jobs, _ = window.running.pop(future.key)
            self._account_lost(jobs, future)
        if again:
            time.sleep(_POLL_SECONDS)
        for future in again:
            window.ended.put(future)

    def _account_block(self, report: BlockReport, batches: Batches) -> None:
        """Enter what a worker says of a block in the outcome."""
        if report.state == "failed":
            self._account_failure(report.job, report.error)
        elif report.state == "returned singly":
            self.alone.append(report.job)
        elif report.state != "returned":
            if report.state == "computed":
                batches.learn(report)
            self.outcome.add(report)
            self.progress(report)

    def _account_failure(self, job: Job, error: str) -> None:
        """Try a block again, alone, or enter it as failed if it had its tries."""
        self.failures[block_of(job)] += 1
        if self.failures[block_of(job)] <= RETRIES:
            self.alone.append(job)
        else:
            self.outcome.failed[block_of(job)] = error

    def _account_lost(self, jobs: list[Job], future: "Task") -> None:
        """Enter a task that ended without reports in the outcome."""
        from distributed.scheduler import KilledWorker, NoWorkerError

        if future.status == "cancelled":
            self.outcome.interrupted = self.outcome.interrupted or "the Dask scheduler was lost"
            return
        error = future.exception()
        text = f"{type(error).__name__}: {one_line(error)}"
        if isinstance(error, NoWorkerError):
            self.outcome.interrupted = f"no workers: {error}"
        elif len(jobs) > 1:  # one of them is the cause, if any
            self.alone.extend(jobs)
        elif isinstance(error, KilledWorker):
            self.worker_killing_jobs += jobs
            self.outcome.failed[block_of(jobs[0])] = text
        else:
            self._account_failure(jobs[0], text)


def _label(jobs: list[Job]) -> str:
    """What a dashboard calls a task."""
    return jobs[0].label + (f" and {len(jobs) - 1} more" if len(jobs) > 1 else "")


def _stop_workers(window: _Window) -> None:
    """Have workers hand back blocks that wait; from a thread, as a cluster in trouble may never answer."""
    (store,) = {jobs[0].location.path for jobs, _ in window.running.values()}

    def tell() -> None:
        with suppress(Exception):  # blocks then start until the grace time is over
            window.client.run(set_stopping, store, True, on_error="ignore")

    threading.Thread(target=tell, daemon=True).start()
