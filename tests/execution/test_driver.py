"""Blocks on real workers: the same bytes however they are run, failures recorded, nothing open to the network."""

import contextlib
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.cluster.clients import dask_client
from pipeline.execution.driver import Outcome, compute_block, run_blocks

from pipeline.errors import BLOCKS_FAILED, COMPLETE
from pipeline.plan import make_plan
from pipeline.request import define
from pipeline.store import open_sweep, prepare
from tests import command
from tests.command import STUB, tiny
from tests.contents import block_bytes, block_files, fill, stored_blocks

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
    plan = make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop")
    reported = []
    return run_blocks(plan.jobs(), client, config.cluster, reported.append), reported


# --- invariance ---------------------------------------------------------------------------------------------


def test_stores_of_one_and_of_two_workers_are_equal_byte_for_byte(configure, tmp_path, here, two_workers):
    expected = block_bytes(here)
    assert len(expected) > 50
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
    jobs = list(make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop").jobs())
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
    assert sorted((done.job.point, done.job.block) for done in reported) == sorted(
        stored_blocks(config.store.path)
    )
    assert all(done.computed for done in reported)


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
    plan = make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop")
    run_blocks(plan.jobs(), two_workers, config.cluster, lambda done: None)
    before = block_files(config.store.path)
    outcome = run_blocks(plan.jobs(), two_workers, config.cluster, lambda done: None)
    assert outcome.computed == 0
    assert block_files(config.store.path) == before


def test_no_more_blocks_are_handed_to_dask_than_workers_can_soon_begin(configure, tmp_path, two_workers):
    config = configure(tmp_path, "axes.T.values=[1,2,3,4,5,6,7,8,9,10]", "ensemble.members=24")
    sweep = define(config)
    plan = make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop")
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

    run_blocks(watched(), two_workers, config.cluster, progress)
    assert (handed, ended) == (30, 30)
    assert 2 <= most <= 8


def test_without_jobs_there_is_nothing_to_account_for(configure, two_workers):
    assert run_blocks(iter([]), two_workers, configure("nowhere").cluster, print) == Outcome()


# --- failures -----------------------------------------------------------------------------------------------


def test_a_block_that_raises_is_tried_three_times_and_reported_and_the_rest_goes_on(tmp_path, main):
    log, path = tmp_path / "log", tmp_path / "kuramoto_T.zarr"
    ran = command.run(tiny(tmp_path), module=STUB, RAISING="2", BLOCK_LOG=str(log))
    assert ran.returncode == BLOCKS_FAILED, ran.stdout + ran.stderr
    starts = log.read_text().splitlines()
    assert sorted(starts) == sorted(["1.0 0", "1.0 8", "2.0 8", "3.0 0", "3.0 8", *["2.0 0"] * 3])
    failure = "failed: T=2, block 0: ArithmeticError: this block always raises"
    assert failure in ran.stdout.splitlines()
    assert stored_blocks(path) == {(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)}

    told = main(tiny(tmp_path, "action=status"))
    assert told.code == BLOCKS_FAILED
    assert "5 of 6 blocks" in told.out
    assert failure in told.out.splitlines()

    before = block_files(path)
    log.unlink()
    again = command.run(tiny(tmp_path), module=STUB, BLOCK_LOG=str(log))
    assert again.returncode == COMPLETE
    assert log.read_text().splitlines() == ["2.0 0"]
    after = block_files(path)
    assert {name: after[name] for name in before} == before
    assert main(tiny(tmp_path, "action=status")).code == COMPLETE


def test_a_block_that_kills_its_worker_is_tried_alone_and_reported_and_the_rest_goes_on(tmp_path, here):
    """With one death allowed, two workers die of the block before it is tried alone, and then two again.

    Blocks that waited on both workers are blamed too, until they are tried alone.
    """
    log, path = tmp_path / "log", tmp_path / "kuramoto_T.zarr"
    ran = command.run(
        tiny(tmp_path),
        module=STUB,
        KILLING="2",
        BLOCK_LOG=str(log),
        DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
    )
    assert ran.returncode == BLOCKS_FAILED, ran.stdout + ran.stderr
    failures = [line for line in ran.stdout.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 1
    assert re.match(r"failed: T=2, block 0: KilledWorker: ", failures[0])
    assert stored_blocks(path) == {(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)}
    expected = block_bytes(here)
    assert {name for name in expected if block_bytes(path).get(name) != expected[name]} == {
        name for name in expected if re.search(r"/c/1/0(/0)*$", name)
    }
    assert log.read_text().splitlines().count("2.0 0") == 4


# --- what workers may do ------------------------------------------------------------------------------------

LISTENING = "0A"


def listening(pid):
    """Addresses on which a process listens, as the kernel writes them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                found.append(fields[1].partition(":")[0])
    return found


def test_nothing_listens_beyond_the_loopback_interface(two_workers):
    workers = list(two_workers.run(os.getpid).values())
    assert len(set(workers)) == 2
    for pid in (os.getpid(), *workers):
        addresses = listening(pid)
        assert addresses, "a driver or worker that listens nowhere can't be at work"
        assert set(addresses) == {"0100007F"}


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
