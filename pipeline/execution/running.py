"""A run: the missing blocks of a plan, on the workers of a cluster or in this process, and the log of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.digest import as_hex
from pipeline.errors import Interrupted
from pipeline.execution.blocks import Outcome, Patience, run_blocks, run_serially
from pipeline.execution.clock import compiling_here
from pipeline.execution.reports import announcement, failures, outcome_lines
from pipeline.execution.signals import Stop
from pipeline.execution.worker import MARKERS, BlockReport, note_prefix
from pipeline.plan import Execution, Plan, name_of, planned
from pipeline.provenance import circumstances
from pipeline.request import Config, SchedulerCluster, SerialCluster, StoreAlone
from pipeline.store import Filing, Lock, Store, ask, filing, open_store
from pipeline.systems import loaded

if TYPE_CHECKING:
    from distributed import Client

    from pipeline.execution.admission import Workers


Request = Config | StoreAlone


class Progress(Protocol):
    """Gets every block of a run as it ends."""

    def __call__(self, report: BlockReport, /) -> None:
        """A block ended."""


class Observer(Protocol):
    """Who is told of a run while it goes on."""

    def say(self, line: str) -> None:
        """A line of what happens."""

    def complain(self, line: str) -> None:
        """A line of what is wrong."""

    def progress(self, plan: Plan, workers: int, compiling: Callable[[], int]) -> AbstractContextManager[Progress]:
        """The progress of a plan's missing blocks.

        Args:
            plan: whose blocks are computed.
            workers: how many compute.
            compiling: says how many of them compile at the moment; asked from another thread.

        Returns:
            A context that gives a function for every block that ends.
        """


class RunLog:
    """The log of one run in its store: written as it starts, again as workers join, and as it ends.

    Args:
        store: that the run fills.
        lock: of the store, held.
        command: what was typed.
        **started: further entries.
    """

    def __init__(self, store: Store, lock: Lock, command: str, **started: Any) -> None:
        self.name, self._store, self._lock, self.computed = store.new_run(), store, lock, 0
        self._entries: dict[str, Any] = {**circumstances(command), "started": _now(), "failed": [], **started}

    def write(self, **entries: Any) -> None:
        """Add entries, or replace them.

        Args:
            **entries: what JSON can hold.
        """
        self._entries |= entries
        self._lock.ensure_held()
        self._store.log_run(self.name, self._entries)

    def begin(self) -> None:
        """Note that it goes on, for the first time or for one more round."""
        self._entries.pop("ended", None)
        self.write(state="running", blocks_computed=self.computed)

    def end(self, state: str, **entries: Any) -> None:
        """The last entries.

        Args:
            state: how the run ended.
            **entries: what JSON can hold.
        """
        self.write(ended=_now(), state=state, **entries)


def log_of(plan: Plan, request: Request, lock: Lock) -> RunLog:
    """The log of a run that computes a plan.

    Args:
        plan: of a store that has room for it.
        request: what was asked for.
        lock: of the store, held.

    Returns:
        A log, of which nothing is written yet.
    """
    store = plan.store
    assert store is not None
    return RunLog(
        store,
        lock,
        request.command,
        config=request.model_dump(mode="json"),
        code=as_hex(loaded(plan.sweep.system_name).digest),
        stale_blocks_kept=int(plan.stale.sum()) if plan.on_stale == "keep" else 0,
        blocks_stored=int(store.stored.sum()),
        workers=[],
        **({"search": name_of(request)} if isinstance(request, Config) and request.in_rounds else {}),
    )


def complete(
    plan: Plan,
    config: Config,
    client: "Client | None",
    lock: Lock,
    stop: Stop,
    observer: Observer,
    following: Callable[[Plan], Plan],
) -> Outcome:
    """Compute what is missing, in as many rounds as a precision target or a search takes.

    Args:
        plan: of a store that has room for it.
        config: the request.
        client: of the cluster asked for; None: compute in this process.
        lock: of the store, held.
        stop: whether the run is to stop.
        observer: is told of plan, progress and outcome.
        following: gives the plan that follows a complete one; the same one, if none does.

    Returns:
        What became of the blocks of the last round.

    Raises:
        ClusterLost: the scheduler or a worker doesn't answer.
        BlockError: in this process, of the first block that fails.
    """
    outcome = Outcome()
    with ExitStack() as stack:
        log, dask = None, None
        while True:
            assert plan.store is not None
            with filing(plan.store, lock) as files:
                ask(plan.store, plan.rows, plan.members)
                if not plan.complete:
                    if log is None:
                        dask = stack.enter_context(workers_of(plan, config, client, observer))
                        log = log_of(plan, config, lock)
                    outcome = _rounds(plan, config, dask, log, stop, observer, files)
            if outcome.interrupted or outcome.failed:
                return outcome
            plan = following(planned(plan.sweep, config, open_store(plan.path), "keep"))
            if plan.complete:
                return outcome
            observer.say(announcement(plan))


def _rounds(
    plan: Plan, config: Config, dask: "Dask | None", log: RunLog, stop: Stop, observer: Observer, files: Filing
) -> Outcome:
    """Compute until nothing is missing, or nothing more can be done."""
    if dask is not None and getattr(config.cluster, "dashboard", True) and dask.client.dashboard_link:
        observer.say(f"dashboard: {dask.client.dashboard_link}")
    while True:
        outcome = compute(plan, config, dask, stop, observer, files, log)
        files.wait()
        plan = planned(plan.sweep, config, open_store(plan.path), "keep")
        if plan.complete or outcome.interrupted or outcome.failed:
            return outcome
        if not outcome.computed + outcome.found:
            raise Interrupted(f"{plan.path}: no block was computed though some are missing; see action=explain")
        assert plan.store is not None
        ask(plan.store, plan.rows, plan.members)
        observer.say(announcement(plan))


class Dask:
    """A client, and the workers that it was checked with.

    Args:
        client: of the cluster.
        workers: those that joined so far.
    """

    def __init__(self, client: "Client", workers: "Workers") -> None:
        self.client, self.workers = client, workers


@contextmanager
def workers_of(plan: Plan, config: Request, client: "Client | None", observer: Observer) -> Iterator[Dask | None]:
    """The workers of a client, those that don't fit refused.

    Args:
        plan: of a store that is there.
        config: the request.
        client: of the cluster asked for; None: this process.
        observer: is told of every worker that is refused.

    Yields:
        Client and workers; None for this process alone.

    Raises:
        ClusterLost: the scheduler or a worker doesn't answer.
    """
    if client is None:
        yield None
        return
    from pipeline.execution.admission import checked_workers  # loads Dask

    with checked_workers(client, plan, _execution(config), observer.complain) as workers:
        yield Dask(client, workers)


def compute(
    plan: Plan, config: Request, dask: Dask | None, stop: Stop, observer: Observer, files: Filing, log: RunLog
) -> Outcome:
    """Compute the missing blocks, file them, and keep the log of the run in the store.

    Args:
        plan: of a store that has room for it.
        config: the request.
        dask: from `workers_of`; None: compute in this process.
        stop: whether the run is to stop.
        observer: is told of progress and outcome.
        files: files the blocks.
        log: of the run.

    Returns:
        What became of the blocks.

    Raises:
        BlockError: with `cluster=serial`, of the first block that fails.
    """
    store, code = plan.store, loaded(plan.sweep.system_name)
    assert store is not None
    store.add_code_version(as_hex(code.digest), code.version)
    log.begin()
    jobs = plan.jobs(_execution(config, log.name))
    files.expect(plan.rows, plan.missing)
    began, outcome, count = time.monotonic(), Outcome(), _worker_count(config, dask)
    try:
        compiling = dask.workers.compiling if dask else compiling_here
        with observer.progress(plan, count, compiling) as shown:
            progress = _filed(plan, files, shown)
            if dask is None:
                run_serially(jobs, progress, stop, outcome)
            else:
                outcome = _through_dask(jobs, config, dask, stop, progress, log, observer.say)
    finally:
        _remove_notes(store, log.name)
        log.computed += outcome.computed
        state, failed = "interrupted" if outcome.interrupted else "ended", failures(plan, outcome)
        log.end(state, blocks_computed=log.computed, failed=failed)
    if isinstance(config.cluster, SchedulerCluster) and dask is not None:
        count = max(count, len(dask.workers))  # some came later
    for line in outcome_lines(plan, outcome, time.monotonic() - began, count):
        observer.say(line)
    return outcome


def _filed(plan: Plan, files: Filing, progress: Progress) -> Progress:
    """Progress that has the driver file blocks as they come."""

    def ended(report: BlockReport, /) -> None:
        if report.stored:
            files.arrived(int(plan.rows[report.job.k]), report.job.block)
        progress(report)

    return ended


def _through_dask(
    jobs: Iterator[Any],
    config: Request,
    dask: Dask,
    stop: Stop,
    progress: Progress,
    log: RunLog,
    say: Callable[[str], Any],
) -> Outcome:
    known = 0

    def note(report: BlockReport) -> None:
        nonlocal known
        if known < (known := len(dask.workers)):
            log.write(workers=dask.workers.machines())
        progress(report)

    assert not isinstance(config.cluster, SerialCluster)
    patience = Patience(config.cluster.grace_seconds, config.cluster.no_workers_seconds)
    return run_blocks(jobs, dask.client, patience, note, stop, dask.workers.trouble, say)


def _execution(config: Request, run: str = "") -> Execution:
    return Execution(config.folders, config.limits.block_seconds, run)


def _worker_count(config: Request, dask: Dask | None) -> int:
    threads = sum(dask.client.nthreads().values()) if dask is not None else 1
    return max(config.cluster.worker_count, threads)


def _remove_notes(store: Store, run: str) -> None:
    """Remove what workers left of blocks that were ended, and of batches in which one died."""
    for pattern in (f"{note_prefix(run)}*", MARKERS):
        for note in (store.path / "runs").glob(pattern):
            note.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
