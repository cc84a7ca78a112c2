"""What the workers of a run are: recorded when they join, refused if they would compute something else."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from distributed import WorkerPlugin
from distributed.core import Status

from pipeline.digest import as_hex
from pipeline.errors import ClusterLost, RequestError
from pipeline.execution.clock import tell_of_compiling
from pipeline.execution.worker import set_stopping
from pipeline.plan import Execution, Plan
from pipeline.provenance import machine_of_worker
from pipeline.systems import find, loaded, search_in
from pipeline.words import one_line

if TYPE_CHECKING:
    from distributed import Client, Worker

_TOPIC = "pipeline-workers"
_REPLY_SECONDS, _END_SECONDS = 60.0, 10.0
_PATIENCE_SECONDS = 20.0
"""How long a run waits for a worker that fits once one has been refused."""


class Environment(NamedTuple):
    """What must be the same on all workers, and on the driver, for blocks to be of one kind."""

    code: str
    numpy: str
    """Major version: others draw, sum or compile differently."""
    numba: str
    """Major version; numba has been at 0 for ever, so the second number counts with it."""

    def differences(self, other: "Environment") -> str:
        """What another machine has in place of this.

        Args:
            other: what it is.

        Returns:
            Words; empty if all is the same.
        """
        pairs = zip(self._fields, self, other, strict=True)
        return "; ".join(f"{name} {theirs}, expected {ours}" for name, ours, theirs in pairs if ours != theirs)


def environment_here(system: str, folders: Iterable[str] = ()) -> Environment:
    """What this process is, with the code of a system as its files are now.

    Args:
        system: its name, as of `pipeline.systems.find`.
        folders: where else the system is looked for. Default: none.

    Returns:
        The environment; where the system can't be loaded, why in place of its code.
    """
    search_in(folders)
    try:
        find(system)
        code = as_hex(loaded(system).digest)
    except RequestError as error:
        code = f"none ({error})"
    return Environment(code, major(version("numpy")), major(version("numba")))


def major(release: str) -> str:
    """The part of a version whose change may change results.

    Args:
        release: a version.

    Returns:
        2 of 2.3.1, 0.62 of 0.62.0.
    """
    first, *rest = re.findall(r"\d+", release)
    return f"0.{rest[0]}" if first == "0" and rest else first


class _Check(WorkerPlugin):
    """Describes a worker to the driver as it joins, before it may take blocks; ends it if it doesn't fit."""

    name = "pipeline-check"  # one for all drivers: that of a driver that died is replaced by the next

    def __init__(self, run: str, plan: Plan, execution: Execution) -> None:
        assert plan.store is not None
        self.run, self.system, self.store = run, plan.sweep.system_name, plan.store.location.path
        self.execution, self.environment = execution, environment_here(self.system, execution.folders)

    def setup(self, worker: "Worker") -> None:
        """On the worker. It reads no tasks before all plugins are set up."""
        set_stopping(self.store, False, worker)  # an earlier driver may have been interrupted
        differences = self.environment.differences(environment_here(self.system, self.execution.folders))
        if self.execution.block_seconds is not None and worker.state.nthreads > 1:  # it is kept by the process
            several = f"{worker.state.nthreads} threads, expected 1 with limits.block_seconds"
            differences = f"{differences}; {several}" if differences else several
        tell_of_compiling(
            lambda count: worker.log_event(
                _TOPIC, {"run": self.run, "address": worker.address, "compiling": count}
            )
        )
        about = machine_of_worker()
        worker.log_event(
            _TOPIC, {"run": self.run, "address": worker.address, "refused": differences, "about": about}
        )
        if differences:
            worker.status = Status.closing_gracefully  # takes no tasks from here on
            worker.loop.call_later(0.2, worker.close, reason=f"refused by the driver: {differences}")


class Workers:
    """The workers that joined a run so far.

    Args:
        run: an id of the run, by which workers tell whose event this is.
        client: of their cluster.
        refuse: gets a line for every worker that is refused.
    """

    def __init__(self, run: str, client: "Client", refuse: Callable[[str], Any]) -> None:
        self._run, self._client, self._refuse = run, client, refuse
        self._joined: dict[str, dict[str, Any]] = {}
        self._compiling: dict[str, int] = {}
        self._accepted, self._first_refusal, self._last_refusal = False, 0.0, ""

    def note(self, event: tuple[float, dict[str, Any]]) -> None:
        """Enter what a worker said of itself; called in Dask's thread.

        Args:
            event: time and message, as Dask passes them.
        """
        message = event[1]
        if message["run"] == self._run and "compiling" in message:
            self._compiling[message["address"]] = message["compiling"]
            return
        if message["run"] != self._run or message["address"] in self._joined:
            return
        self._joined[message["address"]] = message
        if not message["refused"]:
            self._accepted = True
            return
        self.refused(f"{message['address']} on {message['about']['host']}", message["refused"])

    def refused(self, worker: str, why: str) -> None:
        """Say that a worker is refused.

        Args:
            worker: its address, and where it is.
            why: what it is or lacks.
        """
        self._first_refusal = self._first_refusal or time.monotonic()
        self._last_refusal = f"worker {worker} is refused: {why}"
        self._refuse(f"{self._last_refusal}; start workers from the driver's checkout and environment")

    def __len__(self) -> int:
        return len(self._joined)

    def compiling(self) -> int:
        """How many workers compile at the moment."""
        return sum(count > 0 for count in self._compiling.copy().values())

    def machines(self) -> list[dict[str, Any]]:
        """Workers as the record of a run keeps them: one entry a kind of machine, with the hosts and how many."""
        kinds: dict[str, dict[str, Any]] = {}
        for message in list(self._joined.values()):
            about = message["about"] | ({"refused": message["refused"]} if message["refused"] else {})
            host = about.pop("host")
            kind = kinds.setdefault(repr(about), {"workers": 0, "hosts": [], **about})
            kind["workers"] += 1
            kind["hosts"] = sorted({*kind["hosts"], host})
        return list(kinds.values())

    def trouble(self) -> str:
        """Why there is no hope for this run: workers came, and none fits, or none can. Empty while there is."""
        waited = time.monotonic() - self._first_refusal
        hopeless = self._last_refusal and not self._accepted and waited > _PATIENCE_SECONDS
        if hopeless:
            return self._last_refusal
        return getattr(getattr(self._client, "cluster", None), "trouble", str)()


def _refuse_strangers(client: "Client", workers: Workers) -> None:
    """End workers that can't load this project, as Dask's answer to a plugin would be their traceback.

    Those that come later and can't load the plugin end by themselves.
    """
    said: dict[str, Exception | None] = client.sync(  # what every Python can load itself
        client.run, exec, f"import {__name__}", {}, on_error="return", callback_timeout=_REPLY_SECONDS
    )
    strangers = {address: error for address, error in said.items() if error is not None}
    for address, error in strangers.items():
        workers.refused(address, f"it can't load the project: {type(error).__name__}: {one_line(error)}")
    if strangers:
        client.sync(client.retire_workers, list(strangers), callback_timeout=_REPLY_SECONDS)


@contextmanager
def checked_workers(
    client: "Client", plan: Plan, execution: Execution, refuse: Callable[[str], Any]
) -> Iterator[Workers]:
    """Check all workers of a client, those that are there and those to come, for the time of a run.

    Args:
        client: of the cluster.
        plan: of a store that is there.
        execution: what blocks are computed under: where workers look for the system, how long a block may take.
        refuse: gets a line for every worker that is refused, saying what it has and what was expected.

    Yields:
        The workers that joined so far.

    Raises:
        ClusterLost: the scheduler or a worker doesn't answer.
    """
    run = uuid4().hex
    workers = Workers(run, client, refuse)
    try:
        _refuse_strangers(client, workers)
        client.subscribe_topic(_TOPIC, workers.note)
        check = _Check(run, plan, execution)
        client.sync(client.register_plugin, check, callback_timeout=_REPLY_SECONDS)
        said_before = client.sync(client.get_events, _TOPIC, callback_timeout=_REPLY_SECONDS)
    except (OSError, TimeoutError) as error:
        raise ClusterLost(
            f"the Dask scheduler or a worker did not answer: {error or type(error).__name__}"
        ) from error
    for event in said_before:  # before the scheduler knew of the subscription
        workers.note(event)
    try:
        yield workers
    finally:
        if client.status == "running":
            with suppress(OSError, TimeoutError, ValueError):  # the scheduler is lost, or another run took over
                client.sync(client.unregister_worker_plugin, _Check.name, callback_timeout=_END_SECONDS)
