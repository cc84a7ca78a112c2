"""A death at any step of growth, filing, replacement or record: nothing is lost, nothing wrong is read, and the next
run goes on. Deaths at creation and at the writing of a block: see test_creating.py and test_blocks.py."""

import shutil

import pytest

from pipeline.errors import Damaged
from pipeline.plan import make_plan, status
from pipeline.store import ask, only_driver, open_store, open_sweep
from tests.contents import assert_same_values, block_bytes, fill
from tests.dying import count_steps, dying_at
from tests.store.small import LARGE, SMALL, among, at_every, constant, file_all, hand_in, in_tiles_of, kept, made


def leftovers(path):
    return sorted(str(partial.relative_to(path)) for partial in path.rglob("*.partial"))


# --- growing --------------------------------------------------------------------------------------------------


@at_every
def test_growth_that_dies_at_any_step_is_completed_by_the_next(every, sweep, copy_of, templates):
    large = sweep(*LARGE)
    path = copy_of("small")
    steps = count_steps(lambda: made(path, large))
    assert steps > 8
    for step in among(steps, every):
        path = copy_of("small")
        with dying_at(step) as taken:
            made(path, large)
        assert len(taken) > step
        made(path, large)
        assert leftovers(path) == []
        fill(large, path)
        assert_same_values(path, templates / "large")


@at_every
def test_growth_that_dies_at_any_step_is_not_seen_by_readers(every, sweep, copy_of):
    large = sweep(*LARGE)
    path = copy_of("small")
    before = open_sweep(path).load()
    steps = count_steps(lambda: made(path, large))
    for step in among(steps, every):
        path = copy_of("small")
        with dying_at(step):
            made(path, large)
        read = open_sweep(path).load()
        assert read.identical(before), step
        assert open_store(path).n_points == (3 if step == steps else 2)


@at_every
def test_growth_that_died_leaves_no_trace_in_another_growth(every, sweep, copy_of, tmp_path):
    """The second growth is smaller in points and members than the one that died."""
    larger, smaller = sweep("axes.T.values=[1,2,7,8,9]", "ensemble.members=40"), sweep(*LARGE)
    path = copy_of("small")
    steps = count_steps(lambda: made(path, larger))
    fill(smaller, tmp_path / "expected")
    for step in among(steps, every):
        path = copy_of("small")
        with dying_at(step):
            made(path, larger)
        assert open_store(path).n_points == 2
        fill(smaller, path)
        assert_same_values(path, tmp_path / "expected")
        assert open_store(path).points() == [(1.0,), (2.0,), (3.0,)]


def test_what_was_asked_for_is_kept_or_not_when_its_writer_dies(sweep, copy_of):
    def asking(path):
        with only_driver(path):
            store = open_store(path)
            ask(store, store.rows_of(sweep(*SMALL)), [6, 16])

    for step in range(count_steps(lambda: asking(copy_of("large")))):
        path = copy_of("large")
        made(path, sweep(*LARGE))
        with dying_at(step):
            asking(path)
        assert open_store(path).asked.tolist() == [16, 16, 16]


# --- filing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(sweep, tmp_path, monkeypatch):
    """Make a store in which blocks of two tiles wait, beside one that is filed in each."""
    in_tiles_of(monkeypatch, 2, 2)

    def of(name):
        path = tmp_path / name
        fill(sweep("axes.T.values=[1,2,3]", "ensemble.members=8"), path)
        fill(sweep(*LARGE), path, file=False)
        assert len(open_store(path).pending) == 3
        return path

    return of


@at_every
def test_filing_that_dies_at_any_step_loses_no_block_and_reads_the_same(every, waiting, templates, tmp_path):
    template = waiting("template")
    whole, shown = block_bytes(template), open_sweep(template).load()
    shown.attrs = {}
    path = tmp_path / "a.zarr"

    def copied():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(template, path)

    copied()
    steps = count_steps(lambda: file_all(path))
    assert steps > 30
    for step in among(steps, every):
        copied()
        with dying_at(step) as taken:
            file_all(path)
        assert len(taken) > step
        assert block_bytes(path) == whole, step
        read = open_sweep(path).load()
        read.attrs = {}
        assert read.identical(shown), step
        file_all(path)
        assert list((path / "pending").glob("*-*")) == []
        assert_same_values(path, templates / "large")


@at_every
def test_nothing_half_written_is_left_by_the_run_that_follows_a_death_at_filing(every, sweep, waiting):
    counted = waiting("counted")
    steps = count_steps(lambda: file_all(counted))
    for step in among(steps, 3 * every):
        path = waiting(f"{step}")
        with dying_at(step):
            file_all(path)
        made(path, sweep(*LARGE))
        assert leftovers(path) == []


# --- blocks that are computed again -----------------------------------------------------------------------------


@at_every
def test_a_block_that_is_replaced_is_the_old_or_the_new_one_wherever_its_filing_dies(
    every, sweep, copy_of, templates
):
    def replacing(path):
        hand_in(open_store(path), 0, 0, constant(open_store(path), 2))
        file_all(path)

    old = block_bytes(templates / "small")
    replacing(replaced := copy_of("small", "replaced.zarr"))
    new = block_bytes(replaced)
    where = ((1.0,), 0)
    assert {key for key in old if old[key] != new[key]} == {where}
    seen = set()
    for step in among(count_steps(lambda: replacing(copy_of("small"))), every):
        path = copy_of("small")
        with dying_at(step):
            replacing(path)
        found = block_bytes(path)
        assert found in (old, new), step
        seen.add(found == new)
        fill(sweep(*SMALL), path, on_stale="recompute")
        assert_same_values(path, templates / "small")
    assert seen == {False, True}


# --- records of runs --------------------------------------------------------------------------------------------


def test_a_driver_that_dies_while_it_records_its_run_leaves_a_store_whose_status_can_be_told(sweep, copy_of):
    small = sweep(*SMALL)
    record = {"state": "running", "started": "2026-01-01T00:00:00+00:00", "failed": [], "blocks_computed": 0}

    def recorded(path):
        with only_driver(path):
            open_store(path).log_run(open_store(path).new_run(), record)

    path = copy_of("small")
    steps = count_steps(lambda: recorded(path))
    assert steps >= 2
    for step in range(steps):
        path = copy_of("small")
        with dying_at(step):
            recorded(path)
        assert open_store(path).runs() == []
        found = status(make_plan(small, path, open_store(path), "stop"), driven=False, unknown={})
        assert found.failed == []
        assert "2 of 2 blocks" in str(found).splitlines()[0]
        made(path, small)
        assert leftovers(path) == []


def test_runs_are_read_back_in_the_order_of_their_numbers_and_replaced_by_name(copy_of):
    store = open_store(copy_of("small"))
    assert store.new_run() == "000001"
    for name, state in (("999999", "running"), ("000002", "ended"), ("1000000", "ended"), ("999999", "ended")):
        store.log_run(name, {"name": name, "state": state})
    assert [run["name"] for run in store.runs()] == ["000002", "999999", "1000000"]
    assert {run["state"] for run in store.runs()} == {"ended"}
    assert store.new_run() == "1000001"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\x00", b'{"state": "ended"}'])
def test_a_record_that_was_edited_is_told_by_its_name_and_keeps_no_numbers_back(content, copy_of):
    path = copy_of("small")
    (path / "runs" / "000001.json").write_bytes(content)
    before = kept(path)
    with pytest.raises(Damaged, match=r"runs/000001\.json: expected a record"):
        open_store(path).runs()
    assert (open_sweep(path)["status"] > 0).all()
    assert kept(path) == before
