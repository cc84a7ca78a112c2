"""`python -m pipeline +sweep=NAME`: plan, compute what is missing, draw."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import report
from pipeline.cluster import dask_client
from pipeline.code import code_digest, code_version
from pipeline.config import Config, check, command_line
from pipeline.execute import Outcome, Stop, run_blocks, stop_on_signals
from pipeline.faults import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, Faults, Interrupted
from pipeline.lock import is_driven, only_driver
from pipeline.plan import Plan, make_plan
from pipeline.provenance import circumstances
from pipeline.store import open_store, prepare
from pipeline.sweep import Sweep, define

_CONF = str(Path(__file__).parent.parent / "conf")


def run(config: Config) -> int:
    """Compute what a request needs and the store lacks, then draw its figures."""
    sweep, path = define(config), config.store.path
    with stop_on_signals() as stop, only_driver(path) as earlier_died:
        make_plan(sweep, path, open_store(path), config.on_stale).refuse_stale()
        plan = make_plan(sweep, path, prepare(path, sweep, tidy=earlier_died), config.on_stale)
        outcome = Outcome() if plan.complete else _compute(plan, config, stop)
    if outcome.interrupted:
        raise Interrupted
    return max(BLOCKS_FAILED if outcome.failed else COMPLETE, _draw(config, sweep))


def explain(config: Config) -> int:
    """Print what `run` would do and what it would cost; compute nothing."""
    sweep = define(config)
    plan = make_plan(sweep, config.store.path, open_store(config.store.path), config.on_stale)
    seconds = report.seconds_per_operation(plan) if plan.missing.any() else None
    for line in report.explanation(plan, seconds, config.cluster.worker_count):
        report.say(line)
    return COMPLETE


def status(config: Config) -> int:
    """Print how far a sweep is, from its store alone."""
    sweep = define(config)
    plan = make_plan(sweep, config.store.path, open_store(config.store.path), config.on_stale)
    for line in report.status_lines(plan, is_driven(config.store.path)):
        report.say(line)
    if plan.complete:
        return COMPLETE
    runs = plan.store.runs() if plan.store else []
    return BLOCKS_FAILED if runs and runs[-1]["failed"] else INTERRUPTED


def draw(config: Config) -> int:
    """Draw the figures of a stored sweep."""
    return _draw(config, define(config))


ACTIONS = {"run": run, "explain": explain, "status": status, "figures": draw}


def _compute(plan: Plan, config: Config, stop: Stop) -> Outcome:
    """Compute the missing blocks and keep a record of the run in the store."""
    store = plan.store
    assert store is not None
    system = plan.sweep.system_name
    store.add_code_version(f"{code_digest(system):016x}", code_version(system))
    started = datetime.now(UTC)
    name = f"{started:%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    record = {
        **circumstances(),
        "config": config.model_dump(mode="json"),
        "code": f"{code_digest(system):016x}",
        "started": started.isoformat(timespec="seconds"),
        "state": "running",
        "blocks_computed": 0,
        "failed": [],
    }
    store.record_run(name, record)

    report.say(f"{config.store.path}: {int(plan.missing.sum())} of {plan.missing.size} blocks to compute")
    with dask_client(config.cluster) as client:
        report.say(f"dashboard: {client.dashboard_link}")
        began = time.monotonic()
        with report.progress(plan, config.cluster.worker_count) as progress:
            outcome = run_blocks(plan.jobs(), client, config.cluster, progress, stop)
        lines = report.outcome_lines(plan, outcome, time.monotonic() - began, config.cluster.worker_count)
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
        except Interrupted:
            interrupted = True
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
