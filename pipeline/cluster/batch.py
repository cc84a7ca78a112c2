"""The driver as a Slurm batch job that requeues itself, and what to ask Slurm for."""

import json
import math
import shlex
import subprocess
import sys
from pathlib import Path

from pipeline.cluster.slurm import job_script, refuse_script, refuse_without_slurm
from pipeline.errors import RequestError
from pipeline.plan import Plan
from pipeline.request import CONF, Config, SlurmCluster, as_walltime, seconds_of
from pipeline.words import duration

_NOTICE_SECONDS = 60
"""Slurm signals up to a minute late; this comes on top of the driver's grace time."""
_TARGET_SECONDS, _MOST_JOBS, _MOST_WALLTIME = 3600, 100, 86400
_START_SECONDS = 120
"""From the start of a job to its first block, on a slow file system."""

_SCRIPT = """\
#!/bin/bash
{directives}

{setup}
source {requeue}
run_and_requeue {command}
"""


def submit(config: Config) -> str:
    """Submit a request's run as a batch job.

    Args:
        config: the request.

    Returns:
        The job's id.

    Raises:
        RequestError: there is no Slurm here, it refuses the job, or one for this store is in the queue.
    """
    if not isinstance(config.cluster, SlurmCluster):
        raise RequestError([f"action: expected submit with cluster=slurm, got cluster={config.cluster.kind}"])
    refuse_without_slurm()
    if earlier := queued_job(config.store.path):
        raise RequestError(
            [f"{config.store.path}: job {earlier} is in Slurm's queue for it; wait for it, or scancel it"]
        )
    script = driver_script(config.cluster, _arguments(config))
    refuse_script(script)
    refuse_script(job_script(config.cluster))
    config.cluster.logs.mkdir(parents=True, exist_ok=True)
    config.store.root.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=False)
    if said.returncode:
        raise RequestError([f"cluster: expected a job that Slurm accepts, got: {' '.join(said.stderr.split())}"])
    job = said.stdout.strip().partition(";")[0]
    _note(config.store.path).write_text(json.dumps({"job": job}))
    return job


def _arguments(config: Config) -> list[str]:
    """The arguments that make a driver run a request."""
    folder = [] if config.config_dir is None else ["--config-dir", str(config.config_dir.resolve())]
    return [*folder, *config.overrides, "++action=run"]


def driver_script(cluster: SlurmCluster, arguments: list[str]) -> str:
    """The batch job of a driver.

    Args:
        cluster: the cluster asked for.
        arguments: of `python -m pipeline`.

    Returns:
        A script for sbatch.
    """
    options = {
        "job-name": "sweep-driver",
        "partition": cluster.partition,
        "account": cluster.account,
        "ntasks": 1,
        "cpus-per-task": 1,
        "mem": cluster.driver.memory.removesuffix("B"),
        "time": cluster.driver.walltime,
        "signal": f"B:TERM@{math.ceil(cluster.grace_seconds) + _NOTICE_SECONDS}",
        "output": f"{cluster.logs.resolve()}/driver-%j.out",
        "open-mode": "append",
    }
    lines = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return _SCRIPT.format(
        directives="\n".join(f"#SBATCH {line}" for line in [*lines, "--requeue", *cluster.directives]),
        setup="\n".join(cluster.setup),
        command=shlex.join([sys.executable, "-m", "pipeline", *arguments]),
        requeue=shlex.quote(str(CONF / "cluster" / "requeue.sh")),
    )


def queued_job(store: Path) -> str:
    """The batch job for a store that is in Slurm's queue, waiting or running.

    Args:
        store: folder of the store.

    Returns:
        The job's id; "" if there is none, or if Slurm does not answer.
    """
    try:
        job = json.loads(_note(store).read_text())["job"]
        squeue = ["squeue", "--noheader", "--format=%T", f"--jobs={job}"]
        state = subprocess.run(squeue, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return ""
    return job if state in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "SUSPENDED") else ""


def _note(store: Path) -> Path:
    """Where the id of a store's batch job is kept."""
    return store.with_name(f"{store.name}.job")


def advice(plan: Plan, core_seconds: float, cluster: SlurmCluster) -> list[str]:
    """What a sweep will cost on a Slurm cluster; jobs and walltime to ask for so that it takes about an hour.

    Args:
        plan: whose missing blocks, at least one.
        core_seconds: predicted for them, above 0.
        cluster: the cluster asked for.

    Returns:
        Lines for people.
    """
    missing = plan.missing.sum(axis=1)
    block = core_seconds * float(plan.block_work[missing > 0].max()) / plan.remaining_work
    full = math.ceil(missing.sum() / cluster.cores)
    jobs = min(max(1, math.ceil(core_seconds / cluster.cores / _TARGET_SECONDS)), full, _MOST_JOBS)
    # Half as much again, as the model is one; a walltime that is too short costs a new job, not results.
    margin = max(cluster.margin_seconds, 2 * block)
    needed = _START_SECONDS + 1.5 * (core_seconds / jobs / cluster.cores + block + margin)
    walltime = as_walltime(min(300 * math.ceil(needed / 300), _MOST_WALLTIME))
    proposal = f"cluster.jobs={jobs} cluster.walltime={walltime}"
    if margin > cluster.margin_seconds:
        proposal += f" cluster.margin_seconds={math.ceil(margin)}"
    rows = [
        (
            "node-hours",
            f"{core_seconds / cluster.cores / 3600:.3g} of {cluster.cores} cores each; a block: {duration(block)}",
        ),
        ("proposed", proposal),
    ]
    asked = f"cluster.jobs={cluster.jobs} cluster.walltime={cluster.walltime}"
    if asked != proposal:
        rows.append(
            ("asked for", f"{asked}, as in the script below; add what is proposed to the command to use it")
        )
    if block > seconds_of(cluster.walltime) - 1.5 * cluster.margin_seconds:
        rows.append(
            ("impossible", f"a block takes longer than a worker lives, in a walltime of {cluster.walltime}")
        )
    return [f"{name:<12}{text}" for name, text in rows]
