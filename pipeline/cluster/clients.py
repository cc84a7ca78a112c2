"""Where Dask runs: on this machine, in jobs of a Slurm cluster, or wherever someone started a scheduler."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cluster.security import refuse_readable, security
from pipeline.errors import ClusterLost, RequestError
from pipeline.request.clusters import Cluster, LocalCluster, SchedulerCluster, SlurmCluster, refuse_open_comms

if TYPE_CHECKING:
    from distributed import Client

# Ctrl-C in a terminal, and a batch system's TERM, reach every process of the group; the driver alone decides what
# becomes of blocks. Dask ends workers by message, or by KILL.
_WORKER_PRELOAD = """
import signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
"""
SINGLE_THREADED = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
}
DASK_OPTIONS = {
    "distributed.scheduler.no-workers-timeout": None,  # the driver watches; not every scheduler has the option
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.low-level-log-length": 1000,  # else the scheduler keeps what became of 100 000 blocks
}

_CLOSE_SECONDS = 10.0


def refuse_unusable(config: Cluster) -> None:
    """Raise RequestError if a cluster can't be used from here, before anything is written."""
    if isinstance(config, SlurmCluster):
        from pipeline.cluster.slurm import refuse_unusable as refuse

        refuse(config)
    elif isinstance(config, SchedulerCluster) and config.tls is not None:
        refuse_readable(config.tls)


def dask_client(config: Cluster) -> "AbstractContextManager[Client]":
    """A Dask client of the cluster a request asks for.

    Raises RequestError if the cluster can't be used as asked, ClusterLost if no scheduler answers.
    """
    refuse_unusable(config)
    clients: dict[str, Callable[[Any], AbstractContextManager[Client]]] = {
        "local": _local,
        "slurm": _slurm,
        "scheduler": _scheduler,
    }
    return clients[config.kind](config)


@contextmanager
def _local(config: LocalCluster) -> "Iterator[Client]":
    """Of single-threaded worker processes of this machine; nothing listens beyond loopback."""
    import dask
    from distributed import Client
    from distributed import LocalCluster as DaskLocalCluster

    with (
        dask.config.set({**DASK_OPTIONS, "distributed.nanny.pre-spawn-environ": SINGLE_THREADED}),
        DaskLocalCluster(
            n_workers=config.worker_count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            preload=[_WORKER_PRELOAD],
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _slurm(config: SlurmCluster) -> "Iterator[Client]":
    """Of workers in Slurm jobs; the scheduler is in this process."""
    from pipeline.cluster.slurm import slurm_client

    with slurm_client(config) as client:
        yield client


@contextmanager
def _scheduler(config: SchedulerCluster) -> "Iterator[Client]":
    """Of a scheduler that runs already, or is about to."""
    import dask
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    deadline = time.monotonic() + config.connect_seconds
    address = config.address or _address_in(config.scheduler_file, deadline)
    try:
        refuse_open_comms(address, config.tls)
    except ValueError as error:
        raise RequestError([f"cluster: expected {error}"]) from error
    tls = security(config.tls) if config.tls else None
    with dask.config.set(DASK_OPTIONS), silence_logging_cmgr("CRITICAL"):
        try:
            client = Client(address, security=tls, timeout=max(1.0, deadline - time.monotonic()))
        except (OSError, TimeoutError) as error:
            raise ClusterLost(
                f"no scheduler answers at {address} ({error}); start it, with workers, or correct cluster.address"
            ) from error
        try:
            yield client
        finally:
            with suppress(OSError, TimeoutError):  # of a scheduler that is lost
                client.close(timeout=_CLOSE_SECONDS)


def _address_in(file: Path | None, deadline: float) -> str:
    """The address in a scheduler file, waiting for one that is still to be written."""
    assert file is not None
    while True:
        try:
            return json.loads(file.read_text())["address"]
        except (OSError, ValueError, KeyError) as error:
            if time.monotonic() > deadline:
                raise ClusterLost(
                    f"cluster.scheduler_file: expected what `dask scheduler --scheduler-file {file}` writes, got "
                    f"{type(error).__name__}: {error}; start the scheduler, or correct the path"
                ) from error
        time.sleep(0.2)
