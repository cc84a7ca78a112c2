"""What the pipeline can do, action by action. `ACTIONS` is the one list of them."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline import checks, cluster, figures, report
from pipeline.errors import BLOCKS_FAILED, COMPLETE, INTERRUPTED, Damaged, Interrupted, RequestError
from pipeline.execution import (
    Observer,
    RunLog,
    Stop,
    announcement,
    complete,
    compute,
    log_of,
    stop_on_signals,
    workers_of,
)  # fmt: skip
from pipeline.plan import (
    Execution,
    Plan,
    Prediction,
    Record,
    explanation,
    history_of,
    left_of,
    make_plan,
    planned,
    precision_line,
    predict,
    reached,
    refuse_above,
    status,
    stores_in,
    sweep_of,
    too_large,
    whole_store,
)  # fmt: skip
from pipeline.request import (
    EXPORTS,
    PAGE,
    Config,
    Derived,
    FiguresConfig,
    Known,
    Origin,
    SlurmCluster,
    StoreAlone,
    check,
    check_store_alone,
    compose,
    define,
    ignored_settings,
    local_path,
    plain,
    unfit,
)  # fmt: skip
from pipeline.search import advanced, refuse_without_library
from pipeline.store import (
    Lock,
    Part,
    Store,
    check_same_sweep,
    derive,
    export_part,
    file_pending,
    filing,
    is_driven,
    mend_documents,
    needed,
    only_driver,
    open_store,
    prepare,
)  # fmt: skip
from pipeline.systems import search_in
from pipeline.words import counted, store_name

_WATCH_SECONDS = 2.0
_KEPT_LINES = 20
"""Of what a check says."""
_OF_ALL_STORES = ("list", "report")
"""Actions that, without a sweep or a path, are about all stores below the root."""

Request = Config | StoreAlone


class Ended(NamedTuple):
    """How an action ended."""

    value: Any
    """What it gives in Python."""
    code: int = COMPLETE
    lines: Sequence[str] = ()
    """What is left to say on a command line."""


def requested(origin: Origin, sources: Path | None = None) -> Request:
    """The checked request of some `key=value`; settings that stores give are from `sources`, by default its own folder.

    Raises RequestError with all that is wrong.
    """
    raw = plain(compose(origin.overrides, origin.config_dir))
    search_in(origin.folders)  # after Hydra, which imports all plugins that it finds in the path
    known = Known(tuple(ACTIONS), figures.known())
    settings, store = raw.get("settings"), raw.get("store")
    is_sweep = isinstance(store, dict) and store.get("name") is not None
    if raw.get("path") is not None or (raw.get("action") in _OF_ALL_STORES and not is_sweep):
        return check_store_alone(raw, known, tuple(_OF_A_STORE_ALONE), origin)
    derived = Derived({}, {}, {}, [])
    if isinstance(settings, dict) and isinstance(store, dict):
        derived = derive(settings, sources or _root_of(store))
    return check(raw, derived, known, origin)


def _root_of(store: dict[Any, Any]) -> Path:
    """The folder of stores that a request says; a place without any if that is no path, which `check` tells."""
    try:
        return Path(local_path(str(store.get("root"))))
    except ValueError:
        return Path(os.devnull)


def carry_out(request: Request, observer: Observer) -> Ended:
    """Do what a request asks for.

    Raises RequestError if it can't be done as asked, Interrupted if it was not done to the end.
    """
    if isinstance(request, StoreAlone):
        return _OF_A_STORE_ALONE[request.action](request, observer)
    return ACTIONS[request.action](request, observer)


# --- the actions ------------------------------------------------------------------------------------------


def run(config: Config, observer: Observer) -> Ended:
    """Compute what a request needs and the store lacks, then draw its figures. Gives the plan, complete."""
    _refuse_unknown(config)
    sweep, path = define(config), config.store.path
    cluster.refuse_unusable(config.cluster)
    refuse_without_library(config)
    if config.figures.folder is not None and config.figures.draw != []:
        figures.writable(config.figures.folder)  # before all is computed
    with stop_on_signals() as stop, only_driver(path, config.store.lock) as lock:
        plan = planned(sweep, config, open_store(path))
        _refuse_stale_or_costly(plan, config)

        def following(plan: Plan) -> Plan:
            after = advanced(plan, config, lock, observer.say)
            asks = after.record is not None and after.record.rounds[-1].further
            if after is not plan and (asks or sweep.system.work is None):  # what a search costs is known by rounds
                refuse_above(after, config.limits.core_hours, left_of(after, config))
            return after

        plan = plan if plan.store is None else following(plan)
        for warning in (*ignored_settings(config), *plan.advice):
            observer.say(f"warning: {warning}")
        observer.say(announcement(plan))
        with ExitStack() as stack:
            client = None
            if not plan.complete:  # before a store is made that would stay empty
                with stop.at_once():
                    client = stack.enter_context(cluster.maybe_client(config.cluster, observer.say))
            file_pending(prepare(path, plan.sweep, lock, plan.longest_first), lock)
            plan = following(planned(sweep, config, open_store(path)))
            outcome = complete(plan, config, client, lock, stop, observer, following)
    if outcome.interrupted:
        raise Interrupted
    plan = planned(sweep, config, open_store(path), "keep")
    if config.ensemble.precision is not None:
        observer.say(precision_line(plan, config.ensemble.precision, reached(plan, config.ensemble.precision)))
    if outcome.failed:
        return Ended(plan, BLOCKS_FAILED)
    if not plan.finished:
        raise Interrupted("blocks are missing though none failed; the same command computes them")
    for line in (*_sensitivity_lines(plan, config), *_search_lines(plan)):
        observer.say(line)
    drawn = _drawn(plan, _wanted(config), config.store.suffix, config.command)
    return drawn._replace(value=plan)


def submit(config: Config, observer: Observer) -> Ended:
    """Submit `run` to Slurm as a batch job of its own, and leave. Gives the job's id."""
    _refuse_unknown(config)
    refuse_without_library(config)
    _refuse_stale_or_costly(planned(define(config), config, open_store(config.store.path)), config)
    job = cluster.submit(config)
    hint = f"follow it with action=status watch=true, stop it with scancel {job}"
    return Ended(job, lines=[f"submitted batch job {job}; {hint}"])


def explain(config: Config, observer: Observer) -> Ended:
    """Say what `run` would do and what it would cost; compute nothing. Gives an Explanation."""
    plan = _asked(config)
    prediction = Prediction(float("nan"), next(iter(config.unknown.values()), ""))
    if not config.unknown:
        prediction = predict(plan)
    left = None if config.unknown else left_of(plan, config)
    explained = explanation(plan, prediction, config.cluster.worker_count, config.unknown, left)
    explained.warnings.extend(ignored_settings(config))
    if not config.unknown and (why := too_large(plan, *cluster.worker_memory(config.cluster))):
        explained.warnings.append(why)
    if isinstance(config.cluster, SlurmCluster) and (wrong := cluster.wrong_interface(config.cluster)):
        explained.warnings.append(f"{wrong}; a run on this host is refused")
    lines = str(explained).splitlines()
    if isinstance(config.cluster, SlurmCluster):
        if prediction.core_seconds > 0:
            lines += cluster.advice(plan, prediction.core_seconds, config.cluster)
        lines += ["", *cluster.job_script(config.cluster).splitlines()]
    return Ended(explained, lines=lines)


def show_status(config: Config, observer: Observer) -> Ended:
    """Say how far a sweep is, from its store alone; with `watch`, again and again until nobody is at work."""
    return _followed(
        config.watch, lambda: _asked(config), lambda: bool(cluster.queued_job(config)), config, observer
    )


def draw(config: Config, observer: Observer) -> Ended:
    """Draw the figures of a stored sweep. Gives the files."""
    plan = _asked(config, on_stale="keep")
    wanted = _wanted(config)
    return _drawn(
        plan, wanted.model_copy(update={"draw": wanted.draw or None}), config.store.suffix, config.command
    )


def verify(config: Config, observer: Observer) -> Ended:
    """Check all blocks of a store, compute some of them again, repair what is wrong if asked. Gives what is wrong."""
    return _verified(config, lambda: _whole(config), config.store.path, observer)


def take_over(config: Config, observer: Observer) -> Ended:
    """Take over the blocks of another store of the same sweep. Gives how many."""
    _refuse_unknown(config)
    if config.source is None:
        raise RequestError(["source: missing; expected the store to take blocks from"])
    path = config.store.path
    with only_driver(path, config.store.lock) as lock:
        merged = checks.merge(define(config), path, config.source, lock)
        store = open_store(path)
        assert store is not None
        log = RunLog(store, lock, config.command, source=str(config.source), blocks_taken=merged.taken)
        log.end("merged", blocks_computed=0, failed=merged.damaged)
    lines = [
        f"{path}: {counted(merged.taken, 'block')} taken over from {config.source}, {merged.known} were there already",
        *(f"failed: {line}" for line in merged.damaged),
    ]
    return Ended(merged.taken, BLOCKS_FAILED if merged.damaged else COMPLETE, lines)


def converge(config: Config, observer: Observer) -> Ended:
    """Rerun some points with shorter steps; say which ensemble means move by more than their interval."""
    _refuse_unknown(config)
    sweep = define(config)
    with cluster.maybe_client(config.cluster) as client:
        found = list(checks.shifts(sweep, config.converge, client, config.folders))
    lines = checks.convergence_lines(found)
    if (store := open_store(config.store.path)) is not None:
        check_same_sweep(store, sweep)
        factors = ", ".join(f"dt/{factor}" for factor in config.converge.factors)
        done = f"{counted(config.converge.points, 'point')} with {factors}"
        _note_check(store, "converge", done, lines, config.command)
    return Ended(found, lines=lines)


def list_stores(config: Config, observer: Observer) -> Ended:
    """List the stores below the root. Gives a Listing."""
    return _told(stores_in(config.store.root))


def tell_history(config: Config, observer: Observer) -> Ended:
    """Say which runs filled a store, with which commands. Gives a History."""
    return _told(history_of(_there(config.store.path)))


def export(config: Config, observer: Observer) -> Ended:
    """Write what is asked for of a store into a file for other programs. Gives the files."""
    if _is_crate(config.to):
        _there(config.store.path)
        return _in_crate([_part_of(config.store.path)], config, None)
    return _exported(_asked(config, on_stale="keep"), config)


def write_report(config: Config, observer: Observer) -> Ended:
    """Write a page about a stored sweep. Gives the file."""
    wanted = _wanted(config)
    if not config.store.path.exists():
        raise Interrupted(f"{config.store.path}: nothing is stored yet; run the sweep first")
    part = report.Part(
        config.store.path, lambda: _asked(config, "keep"), wanted.draw or (), wanted.of, config.store.suffix
    )
    return _reported([part], config.store.root, config.store.full_name, config)


def _reported(
    parts: Sequence[report.Part],
    root: Path,
    name: str,
    request: Request,
    paper: Callable[[str], Config] | None = None,
) -> Ended:
    """The page about some stores, by default in a folder beside them."""
    if request.to is not None and request.to.suffix != PAGE:
        raise RequestError([f"to: expected a file that ends in {PAGE} for a page, got {request.to}"])
    file = request.to or root / "report" / f"{name}{PAGE}"
    overwrite = request.to is None or request.export.overwrite
    faults = report.write(parts, file, overwrite, name, request.command, paper)
    return Ended(file, lines=[*(f"on the page: {line}" for line in faults), f"report: {file}"])


def _verified(request: Request, plan_now: Callable[[], Plan], path: Path, observer: Observer) -> Ended:
    """Verify the plan of all that a store holds; to repair it, hold its lock from before it is planned."""
    if not request.verify.repair:
        wrong, lines = _check(plan_now(), request, observer)
        return Ended(wrong, BLOCKS_FAILED if lines[1:] or wrong else COMPLETE, lines)
    plan_now()  # so that what is no such store is refused before anything is made
    with stop_on_signals() as stop, only_driver(path, request.lock) as lock:
        plan = plan_now()
        assert plan.store is not None
        faults = plan.store.told()
        mend_documents(plan.store)
        file_pending(plan.store, lock, in_spite=True)  # blocks that wait would hide those that are computed again
        plan = plan_now()
        assert plan.store is not None
        left = plan.store.told()
        for line in faults:
            observer.say(f"{'damaged' if line in left else 'mended'}: {line}")
        wrong, lines = _check(plan, request, observer)
        for line in lines:
            observer.say(line)
        return Ended(wrong, _repair(request, plan, wrong, lock, stop, observer) if wrong else COMPLETE)


def _check(plan: Plan, request: Request, observer: Observer) -> tuple[list[checks.Checked], list[str]]:
    """What is wrong with a store: blocks, and lines for people."""
    assert plan.store is not None
    chosen = checks.sample(plan, request.verify)
    recorded = int((plan.stored | plan.damaged).sum())
    observer.say(f"{plan.path}: {counted(recorded, 'block')} to check, {len(chosen)} of them to compute again")
    with (
        cluster.maybe_client(request.cluster, observer.say) as client,
        workers_of(plan, request, client, observer),
    ):
        found = checks.verified(plan, chosen, client, Execution(request.folders))
        wrong = [checked for checked in found if checked.damage]
    files = [] if request.verify.repair else [f"damaged: {line}" for line in plan.store.told()]
    lines = [*files, *checks.verification_lines(plan, wrong, request.verify.repair)]
    done = f"{counted(recorded, 'block')} checked, {len(chosen)} computed again"
    _note_check(plan.store, "verify", done, lines, request.command)
    return wrong, lines


def _note_check(store: Store, kind: str, done: str, lines: Sequence[str], command: str) -> None:
    """Keep in a store what a check did and said."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    store.log_check(kind, {"when": when, "done": done, "said": list(lines[-_KEPT_LINES:]), "command": command})


ACTIONS: dict[str, Callable[[Config, Observer], Ended]] = {
    "run": run,
    "submit": submit,
    "explain": explain,
    "status": show_status,
    "figures": draw,
    "verify": verify,
    "merge": take_over,
    "converge": converge,
    "list": list_stores,
    "history": tell_history,
    "export": export,
    "report": write_report,
}


# --- of a store alone -------------------------------------------------------------------------------------


def _status_alone(request: StoreAlone, observer: Observer) -> Ended:
    """How far the sweep of a store is: all its points and members."""
    return _followed(request.watch, lambda: _plan_of(request.path), lambda: False, request, observer)


def _draw_alone(request: StoreAlone, observer: Observer) -> Ended:
    """Draw the figures that the last run of a store drew, or others, from all that it holds."""
    plan = _plan_of(request.path)
    last = _last_config(plan)
    names = request.figures.draw or (None if request.figures.of else last["figures"]["draw"] or None)
    why_not = _unfit(plan)
    whys = [why_not.get(name, f"there is no figure {name}") for name in names or ()]
    if faults := [f"figures.draw: {why}" for why in whys if why]:
        raise RequestError(faults)
    return _drawn(
        plan, request.figures.model_copy(update={"draw": names}), last["store"]["suffix"], request.command
    )


def _last_config(plan: Plan) -> dict[str, Any]:
    """What the last run of a store was asked for."""
    assert plan.store is not None
    told = [run["config"] for run in plan.store.runs() if "config" in run]
    return told[-1] if told else {"figures": {"draw": []}, "store": {"suffix": ""}}


def _report_alone(request: StoreAlone, observer: Observer) -> Ended:
    """Write a page about a store, or about all stores in a folder."""
    path, stores = request.path, _stores_at(request.path)
    if stores == [path]:
        return _reported([_part_of(path)], path.parent, store_name(path), request)
    return _reported([_part_of(store) for store in stores], path, "stores", request, _of_paper)


def _stores_at(path: Path) -> list[Path]:
    """The store at a path, or all stores in a folder."""
    if not path.exists():
        raise RequestError([f"path: expected a store or a folder of stores, got nothing at {path}"])
    if path.name.endswith((".zarr", ".zarr.zip")) or (path / "zarr.json").exists():
        return [path]
    if path.is_file():
        more = "; unpack it first" if path.suffix == ".zip" else ""
        raise RequestError([f"path: expected a store or a folder of stores, got the file {path}{more}"])
    stores = sorted(one for one in path.iterdir() if one.name.endswith((".zarr", ".zarr.zip")))
    if not stores:
        raise RequestError([f"path: expected a store or a folder of stores, got {path} without any"])
    return stores


def _is_crate(to: Path | None) -> bool:
    return to is not None and to.name.endswith(".zip") and not to.name.endswith(".zarr.zip")


def _in_crate(parts: Sequence[report.Part], request: Request, paper: Callable[[str], Config] | None) -> Ended:
    """Some stores, with a page about them, as an RO-Crate."""
    assert request.to is not None
    export = request.export
    faults = report.write_crate(parts, request.to, export.overwrite, export.licence, request.command, paper)
    return Ended([request.to], lines=[*(f"on the page: {line}" for line in faults), f"export: {request.to}"])


def _of_paper(sweep: str) -> Config:
    """The request of a sweep of the paper as its file has it; what other stores give is left open, whatever is here."""
    config = requested(Origin("", (f"+sweep={sweep}", "store.root=."), None), Path(os.devnull))
    assert isinstance(config, Config)
    return config


def _part_of(path: Path) -> report.Part:
    """A store with the figures that its last run drew, as far as they can be drawn of all that it holds."""
    try:
        plan = _plan_of(path)
        last, why_not = _last_config(plan), _unfit(plan)
    except (Damaged, RequestError, OSError):  # which the page says
        return report.Part(path, lambda: _plan_of(path), (), (), "")
    names = [name for name in last["figures"]["draw"] or () if not why_not.get(name, "unknown")]
    of = last["figures"].get("of") or ()
    return report.Part(path, lambda: _plan_of(path), names, of, last["store"]["suffix"])


def _verify_alone(request: StoreAlone, observer: Observer) -> Ended:
    """Check all blocks of a store, compute some of them again, repair what is wrong if asked."""
    return _verified(request, lambda: _plan_of(request.path, in_spite=True), request.path, observer)


def _list_alone(request: StoreAlone, observer: Observer) -> Ended:
    """List the stores in a folder."""
    return _told(stores_in(request.path))


def _history_alone(request: StoreAlone, observer: Observer) -> Ended:
    """Say which runs filled the store at a path."""
    return _told(history_of(_there(request.path)))


def _export_alone(request: StoreAlone, observer: Observer) -> Ended:
    """Write all that was ever asked for of a store, or with all stores of a folder, into a file for other programs."""
    if _is_crate(request.to):
        stores = _stores_at(request.path)
        return _in_crate(
            [_part_of(path) for path in stores], request, None if stores == [request.path] else _of_paper
        )
    return _exported(_plan_of(request.path), request)


_OF_A_STORE_ALONE: dict[str, Callable[[StoreAlone, Observer], Ended]] = {
    "status": _status_alone,
    "verify": _verify_alone,
    "figures": _draw_alone,
    "list": _list_alone,
    "history": _history_alone,
    "export": _export_alone,
    "report": _report_alone,
}


def _plan_of(path: Path, in_spite: bool = False) -> Plan:
    """All that was ever asked for of a store, told by the store alone."""
    store = open_store(path, in_spite)
    if store is None:
        raise RequestError([f"path: expected a store, got nothing at {path}"])
    plan = make_plan(sweep_of(store), path, store, "keep")
    plan = plan.narrowed_to(needed(store)[:, : plan.sweep.blocks])
    told = store.last_search()
    record = Record.from_json(told) if told else None
    if record is None:
        return plan
    return replace(plan, sweep=replace(plan.sweep, method="points"), record=record, goes_on=record.ended is None)


# --- what actions share -----------------------------------------------------------------------------------


def _refuse_unknown(config: Config) -> None:
    """Raise RequestError if settings are to come from stores that are not there yet."""
    if config.unknown:
        raise RequestError(config.unknown.values())


def _sensitivity_lines(plan: Plan, config: Config) -> list[str]:
    """Indices of what is asked for."""
    if config.sensitivity is None:
        return []
    from pipeline.plan import requested_part
    from pipeline.search import sensitivity_lines  # these two load xarray

    dataset = requested_part(plan)
    return [line for of in dict.fromkeys(config.sensitivity.of) for line in sensitivity_lines(dataset, of)]


def _search_lines(plan: Plan) -> list[str]:
    """What a search found."""
    if plan.record is None:
        return []
    from pipeline.search import search_lines  # loads xarray

    return search_lines(plan)


def _refuse_stale_or_costly(plan: Plan, config: Config) -> None:
    plan.refuse_stale()
    refuse_above(plan, config.limits.core_hours, left_of(plan, config))
    if why := too_large(plan, *cluster.worker_memory(config.cluster)):
        raise RequestError([why])


def _asked(config: Config, on_stale: str | None = None) -> Plan:
    """The plan of a request. Settings that are not known yet are taken from its own store, if that is there."""
    sweep, store = define(config), open_store(config.store.path)
    if config.unknown and store is not None:
        stored = store.fingerprint["settings"]
        sweep = replace(sweep, settings={**sweep.settings, **{name: stored[name] for name in config.unknown}})
    return planned(sweep, config, store, on_stale)


def _whole(config: Config) -> Plan:
    """All blocks of a request's store, asked for or not."""
    _refuse_unknown(config)
    path, sweep = config.store.path, define(config)
    store = open_store(path, in_spite=True)
    if store is None:
        raise RequestError([f"{path}: expected a store, got nothing there; run the sweep first"])
    check_same_sweep(store, sweep)
    return make_plan(whole_store(sweep, store), path, store, "keep")


def _followed(
    watch: bool, plan_now: Callable[[], Plan], is_queued: Callable[[], bool], request: Request, observer: Observer
) -> Ended:
    """The status of a plan; with `watch`, said again whenever it changes, until it is complete or nobody works."""
    unknown = request.unknown if isinstance(request, Config) else {}
    said: list[str] = []
    while True:
        waiting = watch and is_queued()  # asked first: a job that ended since has left its mark
        plan = plan_now()
        found = status(plan, is_driven(plan.path), unknown)
        lines = str(found).splitlines()
        if found.complete or not (watch and (found.driven or waiting)):
            break
        for line in lines if lines != said else []:
            observer.say(line)
        said = lines
        time.sleep(_WATCH_SECONDS)
    code = COMPLETE if found.complete else (BLOCKS_FAILED if found.failed else INTERRUPTED)
    return Ended(found, code, lines if lines != said else [])


def _told(found: object) -> Ended:
    """What there is to say of stores, as data and as lines."""
    return Ended(found, lines=str(found).splitlines())


def _there(path: Path) -> Store:
    """The store at a path."""
    store = open_store(path)
    if store is None:
        raise RequestError([f"{path}: expected a store, got nothing there; see which there are by action=list"])
    return store


def _exported(plan: Plan, request: Request) -> Ended:
    """Write what a plan asks for, as far as it is stored, into the file asked for."""
    if request.to is None or request.to.suffix == PAGE:
        got = "missing" if request.to is None else f"got {request.to}"
        raise RequestError([f"to: {got}; expected a file that ends in one of {', '.join(EXPORTS)}"])
    store = _there(plan.path) if plan.store is None else plan.store
    there = (plan.rows >= 0) & (plan.members > 0)
    layout: Literal["grid", "points"] = "grid" if plan.sweep.method == "product" else "points"
    part = Part(store, plan.rows[there], plan.members[there], layout, plan.sweep.axes)
    files = export_part(part, request.to, request.export.overwrite, request.command)
    lines = [f"export: {file}" for file in files]
    if missing := int(plan.missing.sum()):
        lines.append(
            f"{plan.path}: {missing} of {int(plan.requested.sum())} blocks are missing; where there are none, the "
            "status says so"
        )
    return Ended(files, lines=lines)


def _unfit(plan: Plan) -> dict[str, str]:
    """Every figure there is, with why it can't draw a stored sweep; empty if it can."""
    assert plan.store is not None
    sweep, shape = plan.sweep, plan.store.layout
    has = {*(variable.name for variable in shape.variables), *sweep.settings, *sweep.axes}
    return {name: unfit(name, needs, sweep.axes, sweep.method, has) for name, needs in figures.known().items()}


def _wanted(config: Config) -> FiguresConfig:
    """The figures asked for; of a sample for sensitivity indices, of what these are asked of."""
    wanted, asked = config.figures, config.sensitivity
    return wanted if wanted.of or asked is None else wanted.model_copy(update={"of": asked.of})


def _drawn(plan: Plan, wanted: FiguresConfig, suffix: str, command: str) -> Ended:
    """Figures of a plan, unless its store is incomplete and that was not asked for."""
    if wanted.draw == []:
        return Ended([])
    if plan.store is None:
        raise Interrupted(f"{plan.path}: nothing is stored yet; run the sweep first")
    if not (plan.finished or wanted.incomplete):
        if plan.complete:
            raise Interrupted(
                f"{plan.path}: the search goes on; run it to its end, or set figures.incomplete=true to draw what is "
                "there, marked so"
            )
        raise Interrupted(
            f"{plan.path}: {int(plan.missing.sum())} of {int(plan.requested.sum())} blocks are missing; run the "
            "sweep to complete it, or set figures.incomplete=true to draw what is there, marked so"
        )
    paths = figures.draw(plan, wanted, suffix, command)
    return Ended(paths, lines=[f"figure: {path}" for path in paths])


def _repair(
    request: Request, plan: Plan, wrong: list[checks.Checked], lock: Lock, stop: Stop, observer: Observer
) -> int:
    """Compute blocks again that are not as they should be, and file them in place of those."""
    assert plan.store is not None
    bad = np.zeros_like(plan.stored)
    for checked in wrong:
        bad[checked.k, checked.block] = True
    again = replace(plan, stored=plan.stored & ~bad, requested=bad)
    with (
        filing(plan.store, lock, in_spite=True) as files,
        cluster.maybe_client(request.cluster, observer.say) as client,
        workers_of(plan, request, client, observer) as dask,
    ):
        outcome = compute(again, request, dask, stop, observer, files, log_of(again, request, lock))
    if outcome.interrupted:
        raise Interrupted
    open_store(plan.path)  # tells what could not be mended
    return BLOCKS_FAILED if outcome.failed else COMPLETE
