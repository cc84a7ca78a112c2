"""Blocks that travel several a task: each is stored once, reported once, and lost alone."""

import contextlib
import signal
import types

import dask.utils
import distributed
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.actions import requested
from pipeline.cluster import dask_client
from pipeline.cluster.options import DASK_OPTIONS
from pipeline.errors import BLOCKS_FAILED, COMPLETE
from pipeline.execution import BlockReport, Stop, batches, blocks, worker
from pipeline.execution.batches import MOST_BLOCKS, TASK_SECONDS, Batches
from pipeline.execution.blocks import Patience, run_blocks
from pipeline.execution.worker import compute_on_dask, set_stopping
from pipeline.plan import Execution, Job
from pipeline.request import Origin, define
from pipeline.store import Location
from tests import command
from tests.command import STUB, STUBS, Gate, filled, stubbed, tiny, wait_for
from tests.contents import block_bytes, numbered_blocks, prepared

pytestmark = pytest.mark.timeout(900)  # of a busy machine

MANY = ("axes.T.values=[1,2,3,4,5,6,7,8,9,10]",)
"""Ten points × two blocks, the largest T first."""
TEN_BY_TWO = {(point, block) for point in range(10) for block in range(2)}
IN_A_BATCH = 3
"""A T whose first block is the eighth, so that it travels with others: the first three a worker travel alone."""


@pytest.fixture
def together(monkeypatch):
    """As many blocks travel in a task as may, however busy the machine is; the tasks that were handed to Dask."""
    monkeypatch.setattr(batches, "TASK_SECONDS", 1e6)
    handed = []
    submit = blocks._Window.submit

    def noted(window, tasks):
        handed.extend(tasks)
        submit(window, tasks)

    monkeypatch.setattr(blocks._Window, "submit", noted)
    return handed


def jobs_in(root):
    """The jobs of the stubbed sweep of ten points, whose store is made."""
    config = requested(Origin("python -m pipeline", (*STUB[2:], *tiny(root, *MANY)), STUBS))
    sweep = define(config)
    plan = prepared(sweep, config.store.path)
    return list(plan.jobs(Execution(config.folders)))


def begun(gate):
    """(point, block) of the blocks that started, once for every start."""
    return sorted((int(T) - 1, member // 8) for T, member in gate.begun())


def markers(path):
    """What batches that have not ended left in a store."""
    return [file.name for file in (path / "runs").iterdir() if file.name.startswith(".batch-")]


# --- how many travel together -------------------------------------------------------------------------------


def job(point, block=0):
    return Job(Location("nowhere", 1, {}, (), ()), "none", {}, 0, point, point, block, 8, 5)


def test_a_dashboard_shows_which_blocks_a_task_computes(configure, tmp_path):
    first, second, third, *_ = prepared(define(configure(tmp_path)), tmp_path / "s.zarr").jobs()
    keys = []

    def noted(function, tasks, names, key, pure):
        keys.extend(key)
        return [types.SimpleNamespace(add_done_callback=lambda callback: None) for _ in tasks]

    blocks._Window(types.SimpleNamespace(map=noted)).submit([[first], [second, third]])
    assert [key[-1] for key in keys] == ["T=3, block 0", "T=2, block 0 and 1 more"]
    assert {dask.utils.key_split(key) for key in keys} == {"blocks"}


def computed(one, seconds):
    return BlockReport(one, "computed", worker_seconds=seconds)


def learned(jobs, seconds):
    """Batches of jobs, the first of which took so long."""
    made = Batches(iter(jobs))
    made.learn(computed(jobs[0], seconds))
    return made


def test_blocks_travel_alone_until_one_has_ended():
    assert [len(batch) for batch in Batches(job(k) for k in range(1000)).take(6)] == [1] * 6


@pytest.mark.parametrize(
    ("seconds", "a_task"),
    [(0.0, MOST_BLOCKS), (0.001, MOST_BLOCKS), (0.01, 10), (0.04, 2), (0.051, 1), (1.0, 1), (1000.0, 1)],
)
def test_so_many_blocks_travel_together_as_take_a_tenth_of_a_second(seconds, a_task):
    many = learned([job(k) for k in range(10_000)], seconds)
    assert [len(batch) for batch in many.take(6)] == [a_task] * 6
    assert a_task == 1 or a_task * seconds <= TASK_SECONDS


@given(st.integers(1, 300), st.integers(1, 20), st.floats(0, 0.02))
def test_what_is_left_is_spread_over_all_tasks_there_is_room_for(left, room, seconds):
    sizes = [len(batch) for batch in learned([job(k) for k in range(left)], seconds).take(room)]
    assert len(sizes) == min(left, room)
    assert max(sizes) <= -(-left // room)


@given(
    st.lists(st.sampled_from([1e-4, 1e-3, 0.01, 0.1, 10.0]), min_size=1, max_size=40),
    st.integers(1, 5),
    st.lists(st.integers(1, 6), min_size=1),
)
@example([10.0, 1e-4, 1e-4], 5, [3])
def test_every_job_is_handed_out_once_in_order_and_no_task_is_long_of_several_known_blocks(costs, rounds, rooms):
    """Though points differ by any factor, and each round begins again with the longest."""
    jobs = [job(point, block) for block in range(rounds) for point in range(len(costs))]
    made, known, handed = Batches(iter(jobs)), set(), []
    while True:
        tasks = made.take(rooms[len(handed) % len(rooms)])
        if not tasks:
            break
        for task in tasks:
            handed += task
            if known.issuperset(one.k for one in task):
                assert len(task) == 1 or sum(costs[one.k] for one in task) <= 1.001 * TASK_SECONDS
            assert 1 <= len(task) <= MOST_BLOCKS
        for one in (one for task in tasks for one in task):
            made.learn(computed(one, costs[one.k]))
            known.add(one.k)
    assert handed == jobs


def test_no_more_jobs_are_asked_for_than_fit_into_the_tasks_there_is_room_for():
    endless = (job(k) for k in range(10**9))
    made = Batches(endless)
    taken = sum(map(len, made.take(6)))
    made.learn(computed(job(0), 0.0))
    taken += sum(map(len, made.take(6)))
    assert next(endless).k <= taken + MOST_BLOCKS


# --- a batch on its worker ----------------------------------------------------------------------------------


@pytest.fixture
def as_worker(monkeypatch):
    """This process as a Dask worker."""
    here = types.SimpleNamespace()
    monkeypatch.setattr(distributed, "get_worker", lambda: here)
    return here


@pytest.fixture
def batch(tmp_path, monkeypatch, as_worker):
    """(twenty jobs, the folder of their store, the gate that logs them)."""
    gate = Gate(tmp_path)
    gate.open()
    for name, value in gate.environment.items():
        monkeypatch.setenv(name, value)
    jobs = jobs_in(tmp_path)
    return jobs, tmp_path / "kuramoto_T.zarr", gate


def states(reports):
    return [report.state for report in reports]


def test_every_block_of_a_batch_is_computed_stored_and_reported_once(batch):
    jobs, path, gate = batch
    reports = compute_on_dask(jobs, "one")
    assert [report.job for report in reports] == jobs
    assert states(reports) == ["computed"] * 20
    assert all(report.worker_seconds > report.seconds > 0 for report in reports)
    assert begun(gate) == sorted(numbered_blocks(path)) == sorted(TEN_BY_TWO)
    assert markers(path) == []
    assert states(compute_on_dask(jobs, "one")) == ["found"] * 20
    assert len(gate.begun()) == 20


def test_a_block_that_raises_and_one_that_cannot_be_written_cost_no_other(batch, monkeypatch):
    jobs, path, _ = batch
    monkeypatch.setenv("RAISING", "2")
    write, fourth = worker.write_block, next(one.point for one in jobs if one.k == 3)

    def full(location, block, values):
        if (block.point, block.block) == (fourth, 1):
            raise OSError(28, "No space left on device")
        write(location, block, values)

    monkeypatch.setattr(worker, "write_block", full)
    failed = {(report.job.k, report.job.block): report for report in compute_on_dask(jobs, "one")
              if report.state != "computed"}  # fmt: skip
    assert failed.keys() == {(1, 0), (3, 1)}
    assert {report.state for report in failed.values()} == {"failed"}
    assert failed[1, 0].error.endswith("Unpicklable: this block always raises")
    assert failed[3, 1].error == "OSError: [Errno 28] No space left on device"
    assert numbered_blocks(path) == TEN_BY_TWO - failed.keys()
    assert markers(path) == []


def test_a_batch_in_which_a_worker_died_is_handed_back_but_for_what_is_stored(batch, monkeypatch):
    jobs, path, gate = batch

    class Killed(BaseException):
        """No handler of ordinary exceptions runs after this, as none runs after kill -9."""

    compute, turns = worker.compute_block, iter(range(20))

    def dies(one):
        if next(turns) == 8:
            raise Killed
        return compute(one)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(worker, "compute_block", dies)
        compute_on_dask(jobs, "one")
    assert len(gate.begun()) == 8
    for _ in range(2):  # a result may be lost, too
        again = compute_on_dask(jobs, "one")
        assert [report.job for report in again] == jobs
        assert states(again) == ["found"] * 8 + ["returned singly"] * 12
    assert len(gate.begun()) == len(numbered_blocks(path)) == 8
    assert states(compute_on_dask(jobs[8:9], "two")) == ["computed"]
    assert states(compute_on_dask(jobs[9:], "three")) == ["computed"] * 11
    assert begun(gate) == sorted(TEN_BY_TWO)


def test_a_batch_that_cannot_be_marked_as_begun_is_handed_back(batch):
    """As on a full disk: what a block can't do it then says for itself."""
    jobs, path, gate = batch
    assert states(compute_on_dask(jobs, "no/such/folder")) == ["returned singly"] * 20
    assert gate.begun() == []
    assert numbered_blocks(path) == set()


def test_a_stop_in_the_middle_of_a_batch_hands_back_the_rest(batch, as_worker, monkeypatch):
    jobs, path, gate = batch
    compute = worker.compute_block

    def stopped_after_five(one):
        report = compute(one)
        if len(gate.begun()) == 5:
            set_stopping(one.location.path, True, as_worker)
        return report

    with monkeypatch.context() as patch:
        patch.setattr(worker, "compute_block", stopped_after_five)
        assert states(compute_on_dask(jobs, "one")) == ["computed"] * 5 + ["returned"] * 15
    assert len(numbered_blocks(path)) == 5
    assert markers(path) == []
    set_stopping(jobs[0].location.path, False, as_worker)
    assert states(compute_on_dask(jobs, "one")) == ["found"] * 5 + ["computed"] * 15


# --- batches through Dask -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of the blocks, computed in this process one after the other."""
    return block_bytes(filled(tmp_path_factory.mktemp("expected"), *MANY))


@pytest.fixture
def gated(tmp_path, monkeypatch):
    """A gate for workers that are started from here; open."""
    gate = Gate(tmp_path)
    gate.open()
    for name, value in gate.environment.items():
        monkeypatch.setenv(name, value)
    return gate


def sizes_with(tasks, point, block):
    """The sizes of the tasks in which a block was handed to Dask, one after the other."""
    return [len(task) for task in tasks if (point, block) in {(one.k, one.block) for one in task}]


def test_blocks_in_batches_are_those_of_blocks_alone_byte_for_byte(tmp_path, main, together, gated, expected):
    ran = main(stubbed(tmp_path, *MANY))
    assert ran.code == COMPLETE
    assert ran.out.count("blocks to compute") == 1
    assert max(map(len, together)) > 1
    assert sum(map(len, together)) == 20
    assert begun(gated) == sorted(TEN_BY_TWO)
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_a_block_that_raises_in_a_batch_is_tried_twice_more_alone(
    tmp_path, main, together, gated, expected, monkeypatch
):
    monkeypatch.setenv("RAISING", str(IN_A_BATCH))
    path, failing = tmp_path / "kuramoto_T.zarr", (IN_A_BATCH - 1, 0)
    ran = main(stubbed(tmp_path, *MANY))
    assert ran.code == BLOCKS_FAILED
    assert ran.out.count("blocks to compute") == 1, "a later round would compute what this one lost"
    assert [line for line in ran.out.splitlines() if line.startswith("failed: T=3, block 0: ")]
    first, *more = sizes_with(together, *failing)
    assert first > 1
    assert more == [1, 1]
    assert begun(gated) == sorted([*TEN_BY_TWO, failing, failing])
    assert numbered_blocks(path) == TEN_BY_TWO - {failing}
    assert all(expected[name] == content for name, content in block_bytes(path).items())


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_block_that_kills_its_worker_in_a_batch_fails_alone_and_nothing_is_computed_twice(
    allowed, tmp_path, main, together, gated, monkeypatch
):
    """A worker dies of it in the batch, others when it travels alone, others again with nothing beside it.

    Where no death is allowed, Dask gives up the batch, and those that waited on the same worker.
    """
    monkeypatch.setenv("KILLING", str(IN_A_BATCH))
    path, killer = tmp_path / "kuramoto_T.zarr", (IN_A_BATCH - 1, 0)
    monkeypatch.setitem(DASK_OPTIONS, "distributed.scheduler.allowed-failures", allowed)
    ran = main(stubbed(tmp_path, *MANY))
    assert ran.code == BLOCKS_FAILED
    assert ran.out.count("blocks to compute") == 1, "a later round would compute what this one lost"
    (failure,) = [line for line in ran.out.splitlines() if line.startswith("failed: ")]
    assert failure.startswith("failed: T=3, block 0: KilledWorker: ")
    first, *more = sizes_with(together, *killer)
    assert first > 1
    assert more == [1, 1]
    assert begun(gated) == sorted([*TEN_BY_TWO, *[killer] * 2 * (1 + allowed)])
    assert numbered_blocks(path) == TEN_BY_TWO - {killer}
    assert markers(path) == []


def test_a_stop_lets_the_running_block_of_a_batch_finish_and_the_rest_is_not_begun(
    tmp_path, together, gated, expected
):
    """Three blocks that travel alone and two of the batch have ended when the stop comes, in the third."""
    gated.allow(5)
    jobs, stop, ended = jobs_in(tmp_path), Stop(), []
    config = requested(Origin("", tuple(tiny(tmp_path, "cluster.workers=1")), None))
    path, patience = tmp_path / "kuramoto_T.zarr", Patience(command.PATIENCE, command.PATIENCE)

    def stop_in_the_batch():
        if len(gated.begun()) == 6 and not stop.requested:
            stop(signal.SIGTERM, None)
        return ""

    def go_on_once_the_worker_knows(_):
        wait_for(lambda: all(client.run(told).values()), "a worker that knows of the stop")
        gated.open()

    def told(dask_worker):
        return bool(getattr(dask_worker, "stores_that_stop", ()))

    with dask_client(config.cluster) as client:
        outcome = run_blocks(
            iter(jobs), client, patience, ended.append, stop, stop_in_the_batch, go_on_once_the_worker_knows
        )
    assert outcome.failed == {}
    assert (outcome.computed, outcome.interrupted) == (6, "SIGTERM")
    assert max(map(len, together)) > 3
    done = numbered_blocks(path)
    assert begun(gated) == sorted(done) == sorted((report.job.k, report.job.block) for report in ended)
    assert len(done) == 6
    assert markers(path) == []
    assert all(expected[name] == content for name, content in block_bytes(path).items())
