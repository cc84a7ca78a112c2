"""Blocks on real workers: the same bytes however they are run, failures recorded, nothing open to the network."""

import os
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster import dask_client
from pipeline.cluster.options import DASK_OPTIONS
from pipeline.cluster.security import write_certificates
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.execution import Outcome, batches, compute_block
from pipeline.execution.blocks import Patience, run_blocks
from pipeline.request import define
from pipeline.store import open_store, open_sweep
from tests import command
from tests.command import Gate, connects, filled, ports_of, stubbed
from tests.contents import block_bytes, files, fill, numbered_blocks, prepared, records, stored_blocks

pytestmark = pytest.mark.timeout(900)  # of a busy machine

PATIENCE = Patience(grace_seconds=60, no_workers_seconds=command.PATIENCE)
FOREVER = 1e6
"""Seconds: as many blocks travel in a task as may, however busy the machine is."""
few_examples = settings(max_examples=5, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def here(configure, tmp_path_factory):
    """The tiny sweep's store, computed in this process, block after block."""
    config = configure(tmp_path_factory.mktemp("here"))
    fill(define(config), config.store.path)
    return config.store.path


@pytest.fixture(scope="module")
def two_workers(configure):
    """A client with two workers."""
    config = configure("nowhere", "cluster.workers=2")
    with dask_client(config.cluster) as client:
        yield client


def run_on(client, config):
    """Compute a request's blocks on a client's workers: (outcome, what was reported of each)."""
    sweep = define(config)
    plan = prepared(sweep, config.store.path)
    reported = []
    return run_blocks(plan.jobs(), client, PATIENCE, reported.append), reported


# --- invariance ---------------------------------------------------------------------------------------------


def test_stores_of_one_and_of_two_workers_are_equal_byte_for_byte(configure, tmp_path, here, two_workers):
    expected = block_bytes(here)
    assert len(expected) == 6
    config = configure(tmp_path / "2")
    run_on(two_workers, config)
    assert block_bytes(config.store.path) == expected
    config = configure(tmp_path / "1", "cluster.workers=1")
    with dask_client(config.cluster) as one_worker:
        assert len(one_worker.nthreads()) == 1
        run_on(one_worker, config)
    assert block_bytes(config.store.path) == expected


@few_examples
@given(st.permutations(range(6)))
def test_stores_do_not_depend_on_the_order_of_blocks(configure, tmp_path_factory, here, order):
    config = configure(tmp_path_factory.mktemp("shuffled"))
    sweep = define(config)
    jobs = list(prepared(sweep, config.store.path).jobs())
    for k in order:
        compute_block(jobs[k])
    assert block_bytes(config.store.path) == block_bytes(here)


def test_members_do_not_depend_on_the_block_size(configure, tmp_path):
    read = {}
    for size in (8, 24):
        config = configure(tmp_path / f"{size}", f"store.block_members={size}", "ensemble.members=24")
        blocks = fill(define(config), config.store.path)
        assert len(blocks) == 3 * 24 // size
        read[size] = open_sweep(config.store.path).load()
    for name, variable in read[8].data_vars.items():
        assert variable.values.tobytes() == read[24][name].values.tobytes(), name


def test_members_and_points_differ_from_one_another(here):
    final = open_sweep(here)["weight"].values.reshape(3 * 16, -1)
    assert len(np.unique(final, axis=0)) == 3 * 16


# --- the driver's account -----------------------------------------------------------------------------------


def test_every_block_is_accounted_for_once(configure, tmp_path, two_workers):
    config = configure(tmp_path)
    outcome, reported = run_on(two_workers, config)
    assert (outcome.computed, outcome.diverged, outcome.failed, outcome.interrupted) == (6, 0, {}, "")
    assert outcome.seconds > 0
    assert sorted((done.job.k, done.job.block) for done in reported) == sorted(numbered_blocks(config.store.path))
    assert {done.state for done in reported} == {"computed"}


def test_members_that_diverge_are_stored_as_such_and_counted(configure, tmp_path, two_workers):
    config = configure(tmp_path, "settings.eta=1e200", "axes.T.values=[1]")
    outcome, reported = run_on(two_workers, config)
    status = open_sweep(config.store.path)["status"].values
    assert (status == 2).sum() > 0
    assert outcome.diverged == sum(done.diverged for done in reported) == (status == 2).sum()
    assert (outcome.computed, outcome.failed) == (2, {})


def test_stored_blocks_are_not_computed_again_even_if_asked_for(configure, tmp_path, two_workers):
    config = configure(tmp_path)
    sweep = define(config)
    plan = prepared(sweep, config.store.path)
    run_blocks(plan.jobs(), two_workers, PATIENCE, lambda done: None)
    before = records(config.store.path)
    outcome = run_blocks(plan.jobs(), two_workers, PATIENCE, lambda done: None)
    assert outcome.computed == 0
    assert records(config.store.path) == before


@pytest.mark.parametrize("a_task", [1, 4])
def test_no_more_blocks_are_handed_to_dask_than_workers_can_soon_begin(
    a_task, configure, tmp_path, two_workers, monkeypatch
):
    monkeypatch.setattr(batches, "TASK_SECONDS", FOREVER)
    monkeypatch.setattr(batches, "MOST_BLOCKS", a_task)
    config = configure(tmp_path, "axes.T.values=[1,2,3,4,5,6,7,8,9,10]", "ensemble.members=24")
    sweep = define(config)
    plan = prepared(sweep, config.store.path)
    handed, ended, most = 0, 0, 0

    def watched():
        nonlocal handed, most
        for job in plan.jobs():
            handed += 1
            most = max(most, handed - ended)
            yield job

    def progress(_):
        nonlocal ended
        ended += 1

    run_blocks(watched(), two_workers, PATIENCE, progress)
    assert (handed, ended) == (30, 30)
    assert 2 <= most <= 8 * a_task


def test_without_jobs_there_is_nothing_to_account_for(two_workers):
    assert run_blocks(iter([]), two_workers, PATIENCE, print) == Outcome()


# --- failures -----------------------------------------------------------------------------------------------


def failures(ended):
    """The lines of a run that tell of failed blocks."""
    return [line for line in ended.out.splitlines() if line.startswith("failed: ")]


def test_a_block_that_raises_is_tried_three_times_and_reported_and_the_rest_goes_on(tmp_path, main, monkeypatch):
    """Though the error is of a kind that can't be sent from worker to driver."""
    gate, path = Gate(tmp_path), tmp_path / "kuramoto_T.zarr"
    gate.open()
    with monkeypatch.context() as environment:
        for name, value in {**gate.environment, "RAISING": "2"}.items():
            environment.setenv(name, value)
        ran = main(stubbed(tmp_path, "cluster.workers=1"))
    assert (ran.code, ran.err) == (BLOCKS_FAILED, "")
    assert sorted(gate.begun()) == sorted([(1, 0), (1, 8), (2, 8), (3, 0), (3, 8), *[(2, 0)] * 3])
    (failure,) = failures(ran)
    assert re.fullmatch(
        r"failed: T=2, block 0: \S+/stub_kuramoto\.py, line \d+, in compute: Unpicklable: this block always raises",
        failure,
    )
    assert numbered_blocks(path) == {(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)}

    told = main(stubbed(tmp_path, "action=status"))
    assert told.code == BLOCKS_FAILED
    assert "5 of 6 blocks" in told.out
    assert failure in told.out.splitlines()

    before = records(path)
    again = main(stubbed(tmp_path, "cluster.workers=1"))
    assert again.code == COMPLETE
    assert "computed 1 block " in again.out
    after = records(path)
    assert {name: after[name] for name in before} == before
    assert main(stubbed(tmp_path, "action=status")).code == COMPLETE


def test_a_block_that_kills_its_worker_is_tried_alone_and_reported_and_the_rest_goes_on(
    tmp_path, tmp_path_factory, main, monkeypatch
):
    """With one death allowed, two workers die of the block before it is tried alone, and then two again.

    Blocks that waited on both workers are blamed too, until they are tried alone.
    """
    gate, path = Gate(tmp_path), tmp_path / "kuramoto_T.zarr"
    gate.open()
    with monkeypatch.context() as environment:
        environment.setitem(DASK_OPTIONS, "distributed.scheduler.allowed-failures", 1)
        for name, value in {**gate.environment, "KILLING": "2"}.items():
            environment.setenv(name, value)
        ran = main(stubbed(tmp_path))
    assert (ran.code, ran.err) == (BLOCKS_FAILED, "")
    (failure,) = failures(ran)
    assert re.match(r"failed: T=2, block 0: KilledWorker: ", failure)
    assert numbered_blocks(path) == {(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)}
    expected = block_bytes(filled(tmp_path_factory.mktemp("here")))
    assert {where for where in expected if block_bytes(path).get(where) != expected[where]} == {((2.0,), 0)}
    assert gate.begun().count((2, 0)) == 4


def test_a_driver_whose_store_was_moved_ends_and_leaves_nothing_in_its_place(tmp_path, start):
    """And nothing changes in a store that took its place, which another driver made meanwhile."""
    gate, path, moved = Gate(tmp_path), tmp_path / "kuramoto_T.zarr", tmp_path / "moved.zarr"
    first = start(stubbed(tmp_path), tmp_path / "log", **gate.environment)
    gate.wait_for(2)
    path.rename(moved)
    filled(tmp_path, "axes.T.values=[3,1,4]")
    before = files(path)
    gate.open()
    assert first.wait(command.PATIENCE) == INTERRUPTED
    assert "moved, removed or exchanged" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
    now = files(path)
    assert {name: now[name] for name in before} == before
    assert {name.split("/")[0] for name in now.keys() - before.keys()} <= {"pending", "runs"}


# --- models of a user's own ---------------------------------------------------------------------------------


def own_model(folder, name, body):
    """Write a model of a user's own, a module of some name, and a sweep of it; the arguments that run it.

    body: the first statements of its compute function. Its one setting is `case`.
    """
    (folder / "system").mkdir()
    (folder / "sweep").mkdir()
    (folder / f"{name}.py").write_text(MODEL.format(body="\n".join(f"    {line}" for line in body)))
    (folder / "system" / f"{name}.yaml").write_text(
        f"# @package _global_\nsystem: {name}\nsettings: {{case: good}}\n"
    )
    (folder / "sweep" / f"{name}.yaml").write_text(
        f"# @package _global_\ndefaults: [{{override /system: {name}}}]\n"
        "ensemble: {members: 16}\nstore: {name: own, block_members: 8}\n"
    )
    return ["--config-dir", str(folder), f"+sweep={name}", f"store.root={folder}", "cluster.workers=2"]


MODEL = """\
import numba
import numpy as np

from pipeline.schema import Section
from pipeline.systems import Dimension, System, Variable


class Settings(Section):
    case: str


@numba.njit(nogil=True)
def never_ends(x):
    while x > 0:
        x = 1.0 if x > 5 else x + 1
    return x


never_ends(0.0)  # compiled as the module is imported, which is in no block's time


class Unpicklable(Exception):
    def __init__(self, message, more):
        super().__init__(message)
        self.more = lambda: more


def compute(settings, seed, members, records):
    case, x, u = settings["case"], np.zeros((len(members), 5)), np.zeros(len(members))
{body}
    return {{"x": x, "u": u}}


SYSTEM = System(
    settings=Settings,
    dimensions=(Dimension("site", "site", "1", (), lambda settings, records: np.arange(5)),),
    variables=(Variable("x", ("site",), "x"), Variable("u", (), "u")),
    compute=compute,
)
"""
WRONG = {
    "missing": ('return {"x": x}', r"expected u of shape \(8,\), got no such variable"),
    "shape": ('return {"x": x.T, "u": u}', r"expected x of shape \(8, 5\), member first, got shape \(5, 8\)"),
    "few": ('return {"x": x[1:], "u": u}', r"expected x of shape \(8, 5\), member first, got shape \(7, 5\)"),
    "extra": ('return {"x": x, "u": u, "v": u}', r"expected only the variables of SYSTEM \(x, u\), got v"),
    "text": ('return {"x": x, "u": u.astype(str)}', r"expected u of real numbers, got u of <U\d+"),
    "nothing": ("return None", r"expected a dictionary of variables, got NoneType"),
    "status": (
        'return {"x": x, "u": u, "status": u}',
        r"expected status of shape \(8,\), 1 computed or 2 diverged",
    ),
    "raises": ('raise Unpicklable("no\\nway", 1)', r"Unpicklable: no way"),
}
"""Case → what a model gives then, and what is said of it."""


def test_what_a_wrong_model_gives_is_one_line_a_block_and_never_stored(tmp_path, main):
    body = [f'if case == "{case}": {statement}' for case, (statement, _) in WRONG.items()]
    cases = [*WRONG, "good"]
    ended = main(
        [*own_model(tmp_path, "wrong_model", body), "cluster.workers=1", f"axes.case.values=[{','.join(cases)}]"]
    )
    assert (ended.code, ended.err) == (BLOCKS_FAILED, "")
    lines = failures(ended)
    assert len(lines) == 2 * len(WRONG)
    for case, (_, words) in WRONG.items():
        for block in (0, 1):
            (line,) = [line for line in lines if line.startswith(f"failed: case={case}, block {block}: ")]
            assert re.search(rf"{tmp_path}/wrong_model\.py, line \d+, (in )?compute: {words}", line), line
    assert "Traceback" not in ended.out
    assert stored_blocks(tmp_path / "own.zarr") == {(("good",), 0), (("good",), 1)}


def test_blocks_that_never_end_are_ended_and_reported_once_each_and_the_rest_goes_on(tmp_path, main, monkeypatch):
    """In plain Python and in a compiled kernel that has let go of the interpreter's lock, in batches with others."""
    monkeypatch.setattr(batches, "TASK_SECONDS", FOREVER)
    log, good = tmp_path / "log", [f"good{k}" for k in range(9)]
    body = [
        f'open({str(log)!r}, "a").write(f"{{case}}\\n")',
        'if case == "kernel": never_ends(1.0)',
        'while case == "plain": pass',
    ]
    cases = [*good[:7], "plain", good[7], "kernel", good[8]]  # the first six travel alone
    ended = main(
        [
            *own_model(tmp_path, "endless_model", body),
            f"axes.case.values=[{','.join(cases)}]",
            "ensemble.members=8",
            "limits.block_seconds=2",
        ]
    )
    assert (ended.code, ended.err) == (BLOCKS_FAILED, "")
    limit = r"expected a block within limits\.block_seconds = 2, was ended after that"
    for line, case in zip(failures(ended), ("plain", "kernel"), strict=True):
        where = rf"failed: case={case}, block 0: {tmp_path}/endless_model\.py, line \d+, in compute"
        assert re.fullmatch(f"{where}: {limit}", line)
    assert stored_blocks(tmp_path / "own.zarr") == {((case,), 0) for case in good}
    assert sorted(log.read_text().split()) == sorted(cases), "tried again, it would never end again"
    stored = open_store(tmp_path / "own.zarr")
    (record,) = stored.runs()
    assert len(record["failed"]) == 2
    assert [
        path.name for path in (stored.path / "runs").iterdir() if re.match(r"\.(ended|batch)-", path.name)
    ] == []


def test_a_time_limit_in_this_process_is_refused_before_anything_is_written(tmp_path, main):
    """A block past it would end the run with it."""
    ended = main(stubbed(tmp_path / "new", "cluster=serial", "~cluster.workers", "limits.block_seconds=2"))
    assert ended.code == CONFIG_WRONG
    assert re.match(r"error: limits\.block_seconds: expected null with cluster=serial, got 2; ", ended.err)
    assert not (tmp_path / "new").exists()


# --- what workers may do ------------------------------------------------------------------------------------


def test_nothing_listens_beyond_the_loopback_interface(two_workers):
    workers = list(two_workers.run(os.getpid).values())
    assert len(set(workers)) == 2
    for pid in (os.getpid(), *workers):
        addresses = ports_of(pid).values()
        assert addresses, "a driver or worker that listens nowhere can't be at work"
        assert set(addresses) == {"127.0.0.1"}


def test_workers_of_this_machine_let_in_nobody_without_the_certificate_of_the_run(two_workers, tmp_path):
    address, tls = two_workers.cluster.scheduler_address, two_workers.security
    everyone = [address, *two_workers.run(lambda dask_worker: dask_worker.address)]
    assert len(everyone) == 3
    assert all(one.startswith("tls://127.0.0.1:") for one in everyone)
    write_certificates(tmp_path / "another")
    assert not connects(address.replace("tls", "tcp"), None)
    assert not connects(address, tmp_path / "another")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "ca.pem").write_text(tls.tls_ca_file)
    (tmp_path / "ours" / "key.pem").write_text(tls.tls_client_key)
    assert connects(address, tmp_path / "ours")


def test_libraries_on_workers_use_one_thread(two_workers):
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")

    def threads():
        import numba

        return [os.environ.get(f"{name}_NUM_THREADS") for name in names], numba.get_num_threads()

    assert list(two_workers.run(threads).values()) == [(["1"] * len(names), 1)] * 2
    assert list(two_workers.nthreads().values()) == [1, 1]


def test_workers_do_not_load_what_they_do_not_need(configure, tmp_path, two_workers):
    run_on(two_workers, configure(tmp_path))

    def loaded():
        return sorted({"matplotlib", "xarray", "pipeline.figures"} & set(sys.modules))

    assert list(two_workers.run(loaded).values()) == [[], []]
