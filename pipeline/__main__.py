"""`python -m pipeline +sweep=NAME`: plan, compute what is missing, draw."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import report
from pipeline.cluster import dask_client, refuse_unusable
from pipeline.cluster_config import SchedulerCluster, SlurmCluster
from pipeline.code import code_digest, code_version
from pipeline.config import Config, check, command_line
from pipeline.execute import Done, Outcome, Stop, run_blocks, stop_on_signals
from pipeline.faults import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, Faults, Interrupted, Lost
from pipeline.lock import is_driven, only_driver
from pipeline.plan import Plan, make_plan
from pipeline.provenance import circumstances
from pipeline.store import open_store, prepare
from pipeline.sweep import Sweep, define

_WATCH_SECONDS = 2.0
_CONF = str(Path(__file__).parent.parent / "conf")


def run(config: Config) -> int:
    """Compute what a request needs and the store lacks, then draw its figures."""
    sweep, path = define(config), config.store.path
    refuse_unusable(config.cluster)
    with stop_on_signals() as stop, only_driver(path) as earlier_died:
        make_plan(sweep, path, open_store(path), config.on_stale).refuse_stale()
        plan = make_plan(sweep, path, prepare(path, sweep, tidy=earlier_died), config.on_stale)
        outcome = Outcome() if plan.complete else _compute(plan, config, stop)
    if outcome.interrupted:
        raise Interrupted
    if not (outcome.failed or make_plan(sweep, path, open_store(path), config.on_stale).complete):
        raise Interrupted("blocks are missing though none failed; the same command computes them")
    return max(BLOCKS_FAILED if outcome.failed else COMPLETE, _draw(config, sweep))


def submit(config: Config) -> int:
    """Submit `run` to Slurm as a batch job of its own, and leave."""
    from pipeline import batch

    path = config.store.path
    make_plan(define(config), path, open_store(path), config.on_stale).refuse_stale()
    overrides = HydraConfig.get().overrides.task
    job = batch.submit(config, [argument for argument in overrides if not _chooses_action(argument)])
    report.say(f"submitted batch job {job}; follow it with action=status watch=true, stop it with scancel {job}")
    return COMPLETE


def _chooses_action(override: str) -> bool:
    return override.lstrip("+").partition("=")[0] in ("action", "watch")


def explain(config: Config) -> int:
    """Print what `run` would do and what it would cost; compute nothing."""
    sweep = define(config)
    plan = make_plan(sweep, config.store.path, open_store(config.store.path), config.on_stale)
    seconds = report.seconds_per_operation(plan) if plan.missing.any() else None
    for line in report.explanation(plan, seconds, config.cluster.worker_count):
        report.say(line)
    if isinstance(config.cluster, SlurmCluster):
        from pipeline import batch, slurm  # half a second to import

        for line in batch.advice(plan, seconds, config.cluster) if seconds else []:
            report.say(line)
        report.say(f"\n{slurm.job_script(config.cluster)}")
    return COMPLETE


def status(config: Config) -> int:
    """Print how far a sweep is, from its store alone; with `watch`, again and again until nobody is at work."""
    sweep, path = define(config), config.store.path
    said: list[str] = []
    while True:
        waiting = config.watch and _is_queued(path)  # asked first: a job that ended since has left its mark
        driven = is_driven(path)
        plan = make_plan(sweep, path, open_store(path), config.on_stale)
        lines = report.status_lines(plan, driven)
        for line in lines if lines != said else []:
            report.say(line)
        said = lines
        if plan.complete or not (config.watch and (driven or waiting)):
            break
        time.sleep(_WATCH_SECONDS)
    if plan.complete:
        return COMPLETE
    runs = plan.store.runs() if plan.store else []
    return BLOCKS_FAILED if runs and runs[-1]["failed"] else INTERRUPTED


def _is_queued(path: Path) -> bool:
    """Whether a batch job for a store is waiting or running."""
    from pipeline import batch

    return bool(batch.queued_job(path))


def draw(config: Config) -> int:
    """Draw the figures of a stored sweep."""
    return _draw(config, define(config))


ACTIONS = {"run": run, "submit": submit, "explain": explain, "status": status, "figures": draw}


def _compute(plan: Plan, config: Config, stop: Stop) -> Outcome:
    """Compute the missing blocks and keep a record of the run in the store."""
    store = plan.store
    assert store is not None
    system = plan.sweep.system_name
    store.add_code_version(f"{code_digest(system):016x}", code_version(system))
    started = datetime.now(UTC)
    name = f"{started:%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    record: dict[str, Any] = {
        **circumstances(),
        "config": config.model_dump(mode="json"),
        "code": f"{code_digest(system):016x}",
        "started": started.isoformat(timespec="seconds"),
        "state": "running",
        "blocks_computed": 0,
        "failed": [],
        "workers": [],
    }
    store.record_run(name, record)

    report.say(f"{config.store.path}: {int(plan.missing.sum())} of {plan.missing.size} blocks to compute")

    def note_workers(machines: list[dict[str, Any]]) -> None:
        record["workers"] = machines
        store.record_run(name, record)

    try:
        outcome, lines = _on_cluster(plan, config, stop, note_workers)
    except Lost as lost:
        outcome = Outcome(interrupted=str(lost))
        lines = report.outcome_lines(plan, outcome, 0.0, 1)
    for line in lines:
        report.say(line)
    store.record_run(
        name,
        {
            **record,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "state": "interrupted" if outcome.interrupted else "ended",
            "blocks_computed": outcome.computed,
            "failed": [line.removeprefix("failed: ") for line in lines if line.startswith("failed: ")],
        },
    )
    return outcome


def _on_cluster(
    plan: Plan, config: Config, stop: Stop, note_workers: Callable[[list[dict[str, Any]]], None]
) -> tuple[Outcome, list[str]]:
    """Compute the missing blocks on the cluster asked for; what became of them, and in words.

    note_workers: gets all workers so far, by kind of machine, whenever some have joined.
    """
    from pipeline.workers import checked_workers  # loads Dask

    with (
        dask_client(config.cluster) as client,
        checked_workers(client, plan, lambda line: report.complain([line])) as crew,
    ):
        report.say(f"dashboard: {client.dashboard_link}")
        began, noted = time.monotonic(), 0
        workers = max(config.cluster.worker_count, sum(client.nthreads().values()))
        with report.progress(plan, workers) as progress:

            def done(block: Done) -> None:
                nonlocal noted
                if noted < (noted := len(crew)):
                    note_workers(crew.machines())
                progress(block)

            outcome = run_blocks(plan.jobs(), client, config.cluster, done, stop, crew.trouble)
        if isinstance(config.cluster, SchedulerCluster):
            workers = max(workers, len(crew))  # some came later
        return outcome, report.outcome_lines(plan, outcome, time.monotonic() - began, workers)


def _draw(config: Config, sweep: Sweep) -> int:
    """Draw a sweep's figures, unless its store is incomplete and that was not asked for."""
    if not config.figures.draw:
        return COMPLETE
    from pipeline import figures  # a second to import, and only this stage needs it

    plan = make_plan(sweep, config.store.path, open_store(config.store.path), "keep")
    if plan.store is None or not (plan.complete or config.figures.incomplete):
        report.complain(
            [
                f"{config.store.path}: {int(plan.missing.sum())} of {plan.missing.size} blocks are missing; run "
                "the sweep to complete it, or set figures.incomplete=true to draw what is there, marked so"
            ]
        )
        return INTERRUPTED
    for path in figures.draw(config, plan):
        report.say(f"figure: {path}")
    return COMPLETE


def main() -> None:
    """Carry out the command line's request, or several with -m; exit with the worst of their codes."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, where one line says what is wrong
    sys.argv[1:] = command_line(sys.argv[1:])
    codes: list[int] = []
    interrupted = False

    @hydra.main(version_base="1.3", config_path=_CONF, config_name="config")
    def one_request(composed: DictConfig) -> None:
        nonlocal interrupted
        try:
            if not interrupted:
                codes.append(_carry_out(composed))
        except Interrupted as error:
            interrupted = True
            if str(error):
                report.complain([str(error)])
        except KeyboardInterrupt:
            interrupted = True
            report.complain(["interrupted; the same command resumes, stored blocks are kept"])

    try:
        one_request()
    except (HydraException, OmegaConfBaseException) as error:
        report.complain([_one_line(error)])
        codes.append(CONFIG_WRONG)
    sys.exit(INTERRUPTED if interrupted else max(codes, default=COMPLETE))


def _carry_out(composed: DictConfig) -> int:
    """Check a request and carry it out; its exit code."""
    try:
        config = check(composed)
        return ACTIONS[config.action](config)
    except Faults as faults:
        report.complain(faults.faults)
        return CONFIG_WRONG


def _one_line(error: Exception) -> str:
    """Hydra's message without its tips on internals."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"{group}: expected one of {', '.join(error.options)}, got {name}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])


if __name__ == "__main__":
    main()
