"""`python -m pipeline +sweep=NAME`: plan, compute what is missing, draw."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import console
from pipeline.checks.merge import merge
from pipeline.checks.timestep import shifts
from pipeline.checks.verify import Checked, sample, verified
from pipeline.cluster.clients import dask_client, refuse_unusable
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, Interrupted, RequestError
from pipeline.execution.driver import BlockReport, Outcome, Stop, run_blocks, stop_on_signals
from pipeline.plan.cost import core_seconds, refuse_above
from pipeline.plan.planning import Plan, make_plan, whole_store
from pipeline.plan.stopping import reached, wanted
from pipeline.provenance import circumstances
from pipeline.request.clusters import SchedulerCluster, SlurmCluster
from pipeline.request.config import Config, check, command_line
from pipeline.request.sweep import Sweep, define
from pipeline.store.blocks import forget
from pipeline.store.lock import is_driven, only_driver
from pipeline.store.stores import Store, check_same_sweep, open_store, prepare
from pipeline.systems.code_version import code_digest, code_version

if TYPE_CHECKING:
    from distributed import Client

    from pipeline.execution.admission import Workers

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
_WATCH_SECONDS = 2.0
_CONF = str(Path(__file__).parent.parent / "conf")


def run(config: Config) -> int:
    """Compute what a request needs and the store lacks, then draw its figures."""
    sweep, path = define(config), config.store.path
    refuse_unusable(config.cluster)
    with stop_on_signals() as stop, only_driver(path) as earlier_died:
        plan = _planned(sweep, config, open_store(path))
        plan.refuse_stale()
        refuse_above(plan, config.limits.core_hours)
        outcome = _complete(_planned(sweep, config, prepare(path, sweep, tidy=earlier_died)), config, stop)
    if outcome.interrupted:
        raise Interrupted
    if not (outcome.failed or _planned(sweep, config, open_store(path), "keep").complete):
        raise Interrupted("blocks are missing though none failed; the same command computes them")
    return max(BLOCKS_FAILED if outcome.failed else COMPLETE, _draw(sweep, config))


def submit(config: Config) -> int:
    """Submit `run` to Slurm as a batch job of its own, and leave."""
    from pipeline.cluster import batch

    plan = _planned(define(config), config, open_store(config.store.path))
    plan.refuse_stale()
    refuse_above(plan, config.limits.core_hours)
    overrides = HydraConfig.get().overrides.task
    job = batch.submit(config, [argument for argument in overrides if not _chooses_action(argument)])
    console.say(f"submitted batch job {job}; follow it with action=status watch=true, stop it with scancel {job}")
    return COMPLETE


def _chooses_action(override: str) -> bool:
    return override.lstrip("+").partition("=")[0] in ("action", "watch")


def explain(config: Config) -> int:
    """Print what `run` would do and what it would cost; compute nothing."""
    plan = _planned(define(config), config, open_store(config.store.path))
    seconds = core_seconds(plan)
    for line in console.explanation(plan, seconds, config.cluster.worker_count):
        console.say(line)
    if isinstance(config.cluster, SlurmCluster):
        from pipeline.cluster import (
            batch,
            slurm,  # half a second to import
        )

        for line in batch.advice(plan, seconds, config.cluster) if seconds else []:
            console.say(line)
        console.say(f"\n{slurm.job_script(config.cluster)}")
    return COMPLETE


def status(config: Config) -> int:
    """Print how far a sweep is, from its store alone; with `watch`, again and again until nobody is at work."""
    sweep, path = define(config), config.store.path
    said: list[str] = []
    while True:
        waiting = config.watch and _is_queued(path)  # asked first: a job that ended since has left its mark
        driven = is_driven(path)
        plan = _planned(sweep, config, open_store(path))
        lines = console.status_lines(plan, driven)
        for line in lines if lines != said else []:
            console.say(line)
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
    from pipeline.cluster import batch

    return bool(batch.queued_job(path))


def draw(config: Config) -> int:
    """Draw the figures of a stored sweep."""
    return _draw(define(config), config)


def _draw(sweep: Sweep, config: Config) -> int:
    """Draw a sweep's figures, unless its store is incomplete and that was not asked for."""
    if not config.figures.draw:
        return COMPLETE
    from pipeline import figures  # a second to import, and only this stage needs it

    plan = _planned(sweep, config, open_store(config.store.path), "keep")
    if plan.store is None or not (plan.complete or config.figures.incomplete):
        console.complain(
            [
                f"{plan.path}: {int(plan.missing.sum())} of {int(plan.wanted.sum())} blocks are missing; run the "
                "sweep to complete it, or set figures.incomplete=true to draw what is there, marked so"
            ]
        )
        return INTERRUPTED
    for path in figures.draw(config, plan):
        console.say(f"figure: {path}")
    return COMPLETE


def verify(config: Config) -> int:
    """Check all blocks of a store, compute some of them again, and repair what is wrong if asked."""
    plan = _whole_plan(config)
    chosen = sample(plan, config.verify)
    console.say(f"{plan.path}: {int(plan.stored.sum())} blocks to check, {len(chosen)} of them to compute again")
    with _workers(plan, config) as (client, _):
        wrong = [checked for checked in verified(plan, chosen, client) if checked.damage]
    for line in console.verification_lines(plan, wrong):
        console.say(line)
    if not wrong or not config.verify.repair:
        return BLOCKS_FAILED if wrong else COMPLETE
    return _repair(config, plan, wrong)


def take_over(config: Config) -> int:
    """Take over the blocks of another store of the same sweep."""
    if config.source is None:
        raise RequestError(["source: missing; expected the store to take blocks from"])
    path, started = config.store.path, _now()
    with only_driver(path) as earlier_died:
        merged = merge(define(config), path, config.source, tidy=earlier_died)
        store = open_store(path)
        assert store is not None
        record = {**circumstances(), "started": started, "ended": _now(), "state": "merged"}
        record |= {"source": str(config.source), "blocks_computed": 0, "blocks_taken": merged.taken}
        store.record_run(_run_name(), {**record, "failed": merged.damaged})
    console.say(
        f"{path}: {merged.taken} blocks taken over from {config.source}, {merged.known} were there already"
    )
    for line in merged.damaged:
        console.say(f"failed: {line}")
    return BLOCKS_FAILED if merged.damaged else COMPLETE


def converge(config: Config) -> int:
    """Rerun some points with shorter steps; say which ensemble means move by more than their interval."""
    with dask_client(config.cluster) as client:
        for line in console.convergence_lines(list(shifts(define(config), config.converge, client))):
            console.say(line)
    return COMPLETE


ACTIONS = {
    "run": run,
    "submit": submit,
    "explain": explain,
    "status": status,
    "figures": draw,
    "verify": verify,
    "merge": take_over,
    "converge": converge,
}


def _planned(sweep: Sweep, config: Config, store: Store | None, on_stale: str | None = None) -> Plan:
    """What a request asks for: all its blocks or, with a precision target, those it calls for so far."""
    plan = make_plan(sweep, config.store.path, store, on_stale or config.on_stale)
    if config.ensemble.precision is None:
        return plan
    return plan.narrowed_to(wanted(plan, reached(plan, config.ensemble.precision).members))


def _whole_plan(config: Config) -> Plan:
    """All blocks of a request's store, asked for or not."""
    path, sweep = config.store.path, define(config)
    store = open_store(path)
    if store is None:
        raise RequestError([f"{path}: expected a store, got nothing there; run the sweep first"])
    check_same_sweep(store, sweep)
    return make_plan(whole_store(sweep, store), path, store, "keep")


def _complete(plan: Plan, config: Config, stop: Stop) -> Outcome:
    """Compute what is missing, in as many rounds as a precision target takes."""
    precision, outcome = config.ensemble.precision, Outcome()
    if not plan.complete:
        console.say(console.announcement(plan))
        with _workers(plan, config) as (client, crew):
            console.say(f"dashboard: {client.dashboard_link}")
            while True:
                outcome = _compute(plan, config, client, crew, stop)
                plan = _planned(plan.sweep, config, open_store(plan.path), "keep")
                if plan.complete or outcome.interrupted or outcome.failed:
                    break
                console.say(console.announcement(plan))
    if precision is not None:
        console.say(console.precision_line(plan, precision, reached(plan, precision)))
    return outcome


def _repair(config: Config, plan: Plan, wrong: list[Checked]) -> int:
    """Compute blocks again that are not as they should be."""
    assert plan.store is not None
    bad = np.zeros_like(plan.stored)
    with stop_on_signals() as stop, only_driver(plan.path):
        for checked in wrong:
            forget(plan.store.location, int(plan.rows[checked.k]), checked.block)
            bad[checked.k, checked.block] = True
        with _workers(plan, config) as (client, crew):
            outcome = _compute(_whole_plan(config).narrowed_to(bad), config, client, crew, stop)
    if outcome.interrupted:
        raise Interrupted
    return BLOCKS_FAILED if outcome.failed else COMPLETE


@contextmanager
def _workers(plan: Plan, config: Config) -> "Iterator[tuple[Client, Workers]]":
    """A client of the cluster asked for, and its workers: those that don't fit are refused."""
    from pipeline.execution.admission import checked_workers  # loads Dask

    with (
        dask_client(config.cluster) as client,
        checked_workers(client, plan, lambda line: console.complain([line])) as crew,
    ):
        yield client, crew


def _compute(plan: Plan, config: Config, client: "Client", crew: "Workers", stop: Stop) -> Outcome:
    """Compute the missing blocks and keep a record of the run in the store."""
    store = plan.store
    assert store is not None
    system = plan.sweep.system_name
    store.add_code_version(f"{code_digest(system):016x}", code_version(system))
    name = _run_name()
    record: dict[str, Any] = {
        **circumstances(),
        "config": config.model_dump(mode="json"),
        "code": f"{code_digest(system):016x}",
        "started": _now(),
        "state": "running",
        "blocks_computed": 0,
        "stale_blocks_kept": int(plan.stale.sum()) if plan.on_stale == "keep" else 0,
        "failed": [],
        "workers": [],
    }
    store.record_run(name, record)

    began, noted = time.monotonic(), 0
    workers = max(config.cluster.worker_count, sum(client.nthreads().values()))
    with console.progress(plan, workers) as progress:

        def done(block: BlockReport) -> None:
            nonlocal noted
            if noted < (noted := len(crew)):
                record["workers"] = crew.machines()
                store.record_run(name, record)
            progress(block)

        outcome = run_blocks(plan.jobs(), client, config.cluster, done, stop, crew.trouble)
    if isinstance(config.cluster, SchedulerCluster):
        workers = max(workers, len(crew))  # some came later
    for line in console.outcome_lines(plan, outcome, time.monotonic() - began, workers):
        console.say(line)
    ended = {
        "ended": _now(),
        "state": "interrupted" if outcome.interrupted else "ended",
        "blocks_computed": outcome.computed,
        "failed": console.failures(plan, outcome),
    }
    store.record_run(name, {**record, **ended})
    return outcome


def _run_name() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> None:
    """Carry out the command line's request, or several with -m; exit with the worst of their codes."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, where one line says what is wrong
    try:
        sys.argv[1:] = command_line(sys.argv[1:])
    except RequestError as faults:
        console.complain(faults.faults)
        sys.exit(CONFIG_WRONG)
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
                console.complain([str(error)])
        except KeyboardInterrupt:
            interrupted = True
            console.complain(["interrupted; the same command resumes, stored blocks are kept"])

    try:
        one_request()
    except (HydraException, OmegaConfBaseException) as error:
        console.complain([_one_line(error)])
        codes.append(CONFIG_WRONG)
    sys.exit(INTERRUPTED if interrupted else max(codes, default=COMPLETE))


def _carry_out(composed: DictConfig) -> int:
    """Check a request and carry it out; its exit code."""
    try:
        config = check(composed)
        return ACTIONS[config.action](config)
    except RequestError as faults:
        console.complain(faults.faults)
        return CONFIG_WRONG
    except ValueError as error:
        if "checksum" not in str(error):  # of a chunk, by Zarr
            raise
        why = "a chunk can't be read, its checksum does not match; find and mend it with action=verify"
        console.complain([f"{composed.store.root}/{composed.store.name}{composed.store.suffix}.zarr: {why}"])
        return BLOCKS_FAILED
    except OSError as error:
        if error.errno not in _DISK_TROUBLE:
            raise
        where = error.filename or composed.store.root
        console.complain([f"{where}: {error.strerror}; stored blocks are kept, the same command resumes"])
        return INTERRUPTED


def _one_line(error: Exception) -> str:
    """Hydra's message without its tips on internals."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"{group}: expected one of {', '.join(error.options)}, got {name}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])


if __name__ == "__main__":
    main()
