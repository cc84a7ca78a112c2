"""Workers in Slurm jobs: job scripts, jobs that end replaced by new ones, TLS between all."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Client, Security
from distributed.deploy.adaptive import Adaptive

from pipeline.cluster.options import SINGLE_THREADED, dask_options
from pipeline.cluster.security import security, temporary_certificates
from pipeline.errors import RequestError
from pipeline.request import SlurmCluster

_CHECK_SECONDS = 5
"""Between looks at Slurm's queue. One squeue for all jobs of the user: light for any controller."""
_COMMAND_SECONDS = 120
_FRUITLESS_ROUNDS = 3
"""How many times all jobs may end without a worker that joined before the run is given up."""


class _Job(SLURMJob):
    """A job of workers. Slurm's commands get a time limit: they wait for ever for a controller that is down."""

    @staticmethod
    async def _call(cmd: list[str], **options: Any) -> str:
        try:
            return await asyncio.wait_for(SLURMJob._call(cmd, **options), _COMMAND_SECONDS)
        except TimeoutError:
            raise RuntimeError(f"{cmd[0]} did not answer within {_COMMAND_SECONDS} s") from None


class _Jobs(SLURMCluster):
    """Jobs of workers, known to have ended when Slurm's queue no longer has them.

    dask-jobqueue alone notices the loss of a worker that had joined, and only in jobs of one process: jobs that
    are cancelled while they wait, die as they start, or have several processes would never be replaced.
    """

    job_cls = _Job

    def __init__(self, config: SlurmCluster, **options: Any) -> None:
        self._config = config
        self._numbers = count()
        self._joined: set[str] = set()
        self._fruitless = 0
        self._trouble = ""
        super().__init__(**options)

    def _new_worker_name(self, worker_number: int) -> str:
        """Never the name of an earlier job, whose workers the scheduler may not know to be lost yet."""
        return f"job{next(self._numbers)}"

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op == "add":
            self._joined |= {str(worker["name"]) for worker in msg["workers"].values()}
            self._fruitless, self._trouble = 0, ""
        super()._update_worker_status(op, msg)  # type: ignore[no-untyped-call]

    async def forget_ended_jobs(self) -> None:
        """Take jobs that are no longer in Slurm's queue for ended, so that others are submitted in their place."""
        known = dict(self.workers)
        try:
            queue = await _Job._call(["squeue", "--me", "--noheader", "--format=%A"])
        except RuntimeError as error:
            self._trouble = str(error)
            return
        for name, job in known.items():
            if job.job_id in queue.split():
                continue
            if not any(worker == name or worker.startswith(f"{name}-") for worker in self._joined):
                self._fruitless += 1
            self.workers.pop(name, None)
            self.worker_spec.pop(name, None)

    def trouble(self) -> str:
        """Why no worker is to be expected of any job; empty if there is hope."""
        if self._fruitless < _FRUITLESS_ROUNDS * self._config.jobs:
            return ""
        return (
            f"{self._fruitless} Slurm jobs ended before a worker joined; {self._config.logs}/worker-*.out may say "
            f"why; see to cluster.setup and cluster.interface{': ' + self._trouble if self._trouble else ''}"
        )


class _Floor(Adaptive):
    """Keeps the number of jobs; plain `scale` would never replace one."""

    async def adapt(self) -> None:
        assert isinstance(self.cluster, _Jobs)
        await self.cluster.forget_ended_jobs()
        await super().adapt()


@contextmanager
def slurm_client(config: SlurmCluster) -> Iterator[Client]:
    """A client of workers in Slurm jobs; scheduler and client are in this process. Only TLS, on one interface.

    Args:
        config: the cluster asked for.

    Yields:
        The client; jobs that end are replaced while it is open.

    Raises:
        RequestError: no certificates can be made in the folder of logs.
    """
    with (
        dask_options(config.dashboard),
        temporary_certificates(config.logs) as folder,
        _Jobs(
            config,
            **_job_options(config, security(folder)),
            scheduler_options={"dashboard": config.dashboard, "dashboard_address": "127.0.0.1:0"},
            silence_logs="CRITICAL",
        ) as jobs,
        Client(jobs) as client,
    ):
        jobs.adapt(
            Adaptive=_Floor, minimum_jobs=config.jobs, maximum_jobs=config.jobs, interval=f"{_CHECK_SECONDS} s"
        )
        yield client


def job_script(config: SlurmCluster) -> str:
    """The script of a job of workers.

    Args:
        config: the cluster asked for.

    Returns:
        The script, but for the scheduler's address and the certificates' folder.
    """
    tls = security(config.logs / "tls-…")
    job = SLURMJob("tls://…", name="job0", protocol="tls://", **_job_options(config, tls))
    return str(job.job_script())


def refuse_unusable(config: SlurmCluster) -> None:
    """Refuse a cluster to which no jobs can be submitted from here.

    Args:
        config: the cluster asked for.

    Raises:
        RequestError: there is no Slurm, no such interface, or what sbatch says.
    """
    refuse_without_slurm()
    if wrong := wrong_interface(config):
        raise RequestError([wrong])
    refuse_script(job_script(config))


def wrong_interface(config: SlurmCluster) -> str:
    """Why workers could not reach a driver on this host.

    Args:
        config: the cluster asked for.

    Returns:
        What was expected of `cluster.interface` and what was got; empty if this host has it.
    """
    interfaces = psutil.net_if_addrs()
    if config.interface in interfaces:
        return ""
    return f"cluster.interface: expected one of this host's, {', '.join(sorted(interfaces))}, got {config.interface!r}"


def refuse_without_slurm() -> None:
    """Refuse a host without Slurm's commands.

    Raises:
        RequestError: one of them is not in PATH.
    """
    for command in ("sbatch", "squeue", "scancel"):
        if shutil.which(command) is None:
            raise RequestError(
                [
                    f"cluster: expected a host with Slurm, got none ({command} is not in PATH); "
                    "choose another cluster"
                ]
            )


def refuse_script(script: str) -> None:
    """Refuse a job script that sbatch would not take.

    Args:
        script: its text.

    Raises:
        RequestError: sbatch refuses it, with its reason.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "job.sh"
        file.write_text(script)
        said = subprocess.run(
            ["sbatch", "--test-only", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )
    if said.returncode:
        reason = " ".join(said.stderr.split()).removeprefix("allocation failure: ")
        raise RequestError([f"cluster: expected a job that Slurm accepts, got: {reason}"])


def _job_options(config: SlurmCluster, tls: Security) -> dict[str, Any]:
    """Of a job of workers, as dask-jobqueue names them."""
    return {
        "queue": config.partition,
        "account": config.account,
        "walltime": config.walltime,
        "cores": config.cores,
        "processes": config.cores,
        "memory": config.memory,
        "interface": config.interface,
        "security": tls,
        "nanny": True,
        "death_timeout": 120,
        "job_name": "sweep-worker",
        "job_extra_directives": [f"--output={config.logs.resolve()}/worker-%j.out", *config.directives],
        "job_script_prologue": [
            *(f"export {name}={value}" for name, value in SINGLE_THREADED.items()),
            *([] if config.dashboard else ["export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES=[]"]),
            *config.setup,
        ],
        "worker_extra_args": [
            "--lifetime", f"{config.lifetime_seconds:g}s",
            "--lifetime-stagger", f"{config.margin_seconds / 2:g}s",
            "--dashboard-address", "127.0.0.1:0",
        ],
    }  # fmt: skip
