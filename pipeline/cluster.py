"""Where Dask runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.config import LocalCluster

if TYPE_CHECKING:
    from distributed import Client

# Ctrl-C in a terminal, and a batch system's TERM, reach every process of the group; the driver alone decides what
# becomes of blocks. Dask ends workers by message, or by KILL.
_WORKER_PRELOAD = """
import signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
"""
_SINGLE_THREADED = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
}


@contextmanager
def dask_client(config: LocalCluster) -> "Iterator[Client]":
    """A Dask client on single-threaded worker processes of this machine; nothing listens beyond loopback."""
    import dask
    from distributed import Client
    from distributed import LocalCluster as DaskLocalCluster

    options = {
        "distributed.nanny.pre-spawn-environ": _SINGLE_THREADED,
        "distributed.scheduler.no-workers-timeout": f"{config.no_workers_seconds} s",
        "distributed.worker.profile.enabled": False,
        "distributed.admin.system-monitor.gil.enabled": False,
        "logging.distributed": "critical",  # what fails is reported; workers that part at the end are no news
    }
    with (
        dask.config.set(options),
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
