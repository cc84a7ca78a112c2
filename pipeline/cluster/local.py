"""Workers on this machine: one single-threaded process a core; loopback only, and TLS with a certificate of the run."""

import multiprocessing.spawn as spawn
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from distributed import Client, Security
from distributed import LocalCluster as DaskLocalCluster

from pipeline.cluster.options import SINGLE_THREADED, dask_options
from pipeline.errors import ClusterLost
from pipeline.request import LocalCluster
from pipeline.words import counted

# Ctrl-C in a terminal, its end, and a batch system's TERM, reach every process of the group; the driver alone decides
# what becomes of blocks. Dask ends workers by message, or by KILL.
_NOT_FOR_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SET_BY_NANNIES = (*SINGLE_THREADED, "PYTHONHASHSEED", "__DASK_PARENT_PID")
_WORKER_NAME = "Dask Worker process"
_TRIES = 3


@contextmanager
def local_client(config: LocalCluster) -> Iterator[Client]:
    """A client of worker processes of this machine.

    Args:
        config: the cluster asked for.

    Yields:
        The client; the workers end with it.
    """
    _start_tracker()
    with (
        _as_workers(),
        _environment_kept(),
        dask_options(config.dashboard, **{"distributed.nanny.pre-spawn-environ": SINGLE_THREADED}),
        _started(config) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _started(config: LocalCluster) -> DaskLocalCluster:
    """A cluster with its workers; tried again, as one may be killed as it starts where memory is short, say."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return DaskLocalCluster(
                n_workers=config.worker_count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": config.dashboard},
                security=Security.temporary(),  # in memory; other users of this machine are strangers
                silence_logs="CRITICAL",
            )
        except (RuntimeError, OSError) as error:  # what Dask makes of anything; it has closed what it had started
            if not tries_left:
                raise ClusterLost(
                    f"cluster.workers: expected {counted(config.worker_count, 'worker')} that can be started here, "
                    "got one that ended as it started; see to the memory and files that it needs, or choose fewer"
                ) from error
    raise AssertionError("there is a last try")


def _start_tracker() -> None:
    """Start Python's own process that looks after semaphores, so that the end of a terminal does not end it.

    It heeds no SIGINT and no SIGTERM, but a SIGHUP. What is ignored here stays ignored in a process that is started.
    """
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        resource_tracker.ensure_running()
        signal.signal(signal.SIGHUP, before)


@contextmanager
def _as_workers() -> Iterator[None]:
    """Keep new workers from running the driver's script, as processes that are spawned do otherwise, and signals off.

    So a script needs no `if __name__ == "__main__"`, and workers start without what it imports. What the thread that
    starts a process blocks stays blocked in it, from its first instruction on; a nanny has a thread for each.
    """
    before = spawn.get_preparation_data

    def without_main(name: str) -> dict[str, Any]:
        data: dict[str, Any] = before(name)
        if name.startswith(_WORKER_NAME):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
            signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_WORKERS)
        return data

    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = before


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what Dask's nannies set in this process so that the workers they start inherit it."""
    before = {name: os.environ.get(name) for name in _SET_BY_NANNIES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
