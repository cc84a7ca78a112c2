"""Where Dask runs: on this machine, in jobs of a Slurm cluster, or wherever someone started a scheduler.

Dask and Slurm's tools are imported when a cluster is used: a status, or a run with nothing to do, needs neither.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.cluster.security import refuse_readable
from pipeline.plan import memory_here
from pipeline.request import Cluster, Config, LocalCluster, SchedulerCluster, SerialCluster, SlurmCluster, bytes_of

if TYPE_CHECKING:
    from distributed import Client

    from pipeline.plan import Plan

__all__ = [
    "advice",
    "dask_client",
    "job_script",
    "map_unordered",
    "maybe_client",
    "queued_job",
    "refuse_unusable",
    "submit",
    "worker_memory",
    "wrong_interface",
]

_BATCH = 1000
"""Calls at Dask at any time."""


def _nothing(line: str) -> None:
    """Tell nobody."""


def refuse_unusable(config: Cluster) -> None:
    """Refuse a cluster that can't be used from here, before anything is written.

    Args:
        config: the cluster asked for.

    Raises:
        RequestError: Slurm or its answer, or the certificates, are not as they should be.
    """
    if isinstance(config, SlurmCluster):
        from pipeline.cluster.slurm import refuse_unusable as refuse

        refuse(config)
    elif isinstance(config, SchedulerCluster) and config.tls is not None:
        refuse_readable(config.tls)


def worker_memory(config: Cluster) -> tuple[float, str]:
    """The memory that a worker of a cluster may take.

    Args:
        config: the cluster asked for.

    Returns:
        Bytes, infinite where only the workers know; and what has so much.
    """
    if isinstance(config, SlurmCluster):
        return bytes_of(config.memory) / config.cores, "a worker: cluster.memory / cluster.cores"
    if isinstance(config, SchedulerCluster):
        return math.inf, "the workers"
    return memory_here(), "this machine"


def dask_client(config: Cluster, say: Callable[[str], Any] = _nothing) -> "AbstractContextManager[Client]":
    """A Dask client of the cluster a request asks for.

    Args:
        config: the cluster asked for, not that of this process.
        say: gets a line of what is waited for. Default: nobody is told.

    Returns:
        A context that gives the client, and closes it and the workers that it started.

    Raises:
        RequestError: the cluster can't be used as asked.
        ClusterLost: no scheduler answers, or no worker can be started.
    """
    refuse_unusable(config)
    if isinstance(config, LocalCluster):
        from pipeline.cluster.local import local_client

        return local_client(config)
    if isinstance(config, SlurmCluster):
        from pipeline.cluster.slurm import slurm_client

        return slurm_client(config)
    assert not isinstance(config, SerialCluster), "this process needs no client"
    from pipeline.cluster.scheduler import scheduler_client

    return scheduler_client(config, say)


@contextmanager
def maybe_client(config: Cluster, say: Callable[[str], Any] = _nothing) -> "Iterator[Client | None]":
    """A client of the cluster asked for.

    Args:
        config: the cluster asked for.
        say: gets a line of what is waited for. Default: nobody is told.

    Yields:
        The client; None for this process.

    Raises:
        RequestError: the cluster can't be used as asked.
        ClusterLost: no scheduler answers, or no worker can be started.
    """
    if isinstance(config, SerialCluster):
        yield None
        return
    with dask_client(config, say) as client:
        yield client


def map_unordered(client: "Client | None", function: Callable[..., Any], *columns: Sequence[Any]) -> Iterator[Any]:
    """What a function gives for each row of some columns, on a client's workers or here.

    Args:
        client: of a cluster; None: this process.
        function: of as many arguments as columns.
        *columns: of equal length.

    Yields:
        Results in any order; what the function raises is raised.
    """
    if client is None:
        yield from map(function, *columns)
        return
    from distributed import as_completed

    for start in range(0, len(columns[0]), _BATCH):
        futures = client.map(function, *(column[start : start + _BATCH] for column in columns), pure=False)
        for future in as_completed(futures):
            yield future.result()


def submit(config: Config) -> str:
    """Submit a run as a batch job of its own.

    Args:
        config: the request.

    Returns:
        The job's id.

    Raises:
        RequestError: there is no Slurm here, it refuses the job, or one for this store is in the queue.
    """
    from pipeline.cluster import batch

    return batch.submit(config)


def queued_job(config: Config) -> str:
    """The batch job for a request's store that is in Slurm's queue, waiting or running.

    Args:
        config: the request.

    Returns:
        The job's id; "" if there is none.
    """
    from pipeline.cluster import batch

    return batch.queued_job(config.store.path)


def advice(plan: "Plan", core_seconds: float, config: SlurmCluster) -> list[str]:
    """What a sweep will cost on a Slurm cluster, and what to ask for.

    Args:
        plan: whose missing blocks.
        core_seconds: predicted for them, above 0.
        config: the cluster asked for.

    Returns:
        Lines for people.
    """
    from pipeline.cluster import batch

    return batch.advice(plan, core_seconds, config)


def wrong_interface(config: SlurmCluster) -> str:
    """Why workers of Slurm jobs could not reach a driver on this host.

    Args:
        config: the cluster asked for.

    Returns:
        What was expected of `cluster.interface` and what was got; empty if this host has it.
    """
    from pipeline.cluster import slurm

    return slurm.wrong_interface(config)


def job_script(config: SlurmCluster) -> str:
    """The script of a job of workers.

    Args:
        config: the cluster asked for.

    Returns:
        The script, but for the scheduler's address and the certificates' folder.
    """
    from pipeline.cluster import slurm

    return slurm.job_script(config)
