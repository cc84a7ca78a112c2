"""Filing: blocks that wait go into the files of their tile, with the same numbers, digests and encoded bytes."""

import importlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import COMPLETE
from pipeline.execution import compute_block
from pipeline.plan import make_plan
from pipeline.store import ask, filing, only_driver, open_store, open_sweep, prepare
from pipeline.store import layout as layouts
from pipeline.store.chunks import index_size, shard_index
from pipeline.store.layout import BOOKKEEPING
from tests.command import elsewhere
from tests.contents import assert_same_values, block_bytes, blocks, digests, files, fill, stored_blocks
from tests.store.small import LARGE, SMALL, constant, file_all, hand_in, in_tiles_of, jobs_of, kept, wanted

few_examples = settings(max_examples=4, deadline=None, derandomize=True)


@pytest.fixture
def small_tiles(monkeypatch):
    """Files of two points and one block each."""
    in_tiles_of(monkeypatch, 2, 1)


def of_tile(path, row, block):
    """The files of a tile: name → (bytes, mtime in ns, inode)."""
    layout = open_store(path).layout
    names = [layout.arrays[name].file(row, block) for name in (*layout.hashed, *BOOKKEEPING)]
    there = files(path)
    return {name: there[name] for name in names if name in there}


def encoded_chunks(path, name):
    """The encoded chunks of a series: (row, block) → bytes."""
    store = open_store(path)
    array, (height, width) = store.layout.arrays[name], store.layout.tile
    found = {}
    for row, block in ((row, block) for row in range(store.n_points) for block in range(store.blocks)):
        file = path / array.file(row // height, block // width)
        if file.exists():
            content = file.read_bytes()
            index = shard_index(content[-index_size(height * width) :], height * width)
            start, length = index[row % height * width + block % width].tolist()
            if length >= 0:
                found[row, block] = content[start : start + length]
    return found


@pytest.mark.usefixtures("small_tiles")
def test_filing_changes_neither_numbers_nor_digests_nor_what_is_shown(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep(*LARGE), path, file=False)
    assert len(list((path / "pending").glob("*-*"))) == 6
    before, shown = block_bytes(path), open_sweep(path).load()
    assert len(before) == 6
    file_all(path)
    assert list((path / "pending").glob("*-*")) == []
    assert block_bytes(path) == before
    assert open_sweep(path).identical(shown)


@pytest.mark.usefixtures("small_tiles")
def test_a_tile_is_written_again_only_if_it_gains_blocks(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.T.values=[1,2,3]", "ensemble.members=8"), path)
    first, second = of_tile(path, 0, 0), of_tile(path, 1, 0)
    assert len(first) == len(second) > 5
    fill(sweep("axes.T.values=[1,2,3,4]", "ensemble.members=8"), path)
    assert of_tile(path, 0, 0) == first
    assert all(
        after[2] != before[2] for after, before in zip(of_tile(path, 1, 0).values(), second.values(), strict=True)
    )
    second = of_tile(path, 1, 0)
    fill(sweep("axes.T.values=[1,2]", "ensemble.members=16"), path)
    assert (of_tile(path, 0, 0), of_tile(path, 1, 0)) == (first, second)
    assert len(of_tile(path, 0, 1)) == len(first)
    before = kept(path)
    assert fill(sweep("axes.T.values=[1,2]", "ensemble.members=16"), path) == []
    file_all(path)
    assert kept(path) == before


def test_blocks_of_a_tile_that_is_written_again_keep_the_bytes_of_their_chunks(sweep, copy_of):
    path = copy_of("small")
    store = open_store(path)
    series = [name for name in store.layout.hashed if store.layout.arrays[name].inner is not None]
    assert len(series) > 2
    before = {name: encoded_chunks(path, name) for name in series}
    assert all(len(chunks) == 2 for chunks in before.values())
    fill(sweep(*LARGE), path)
    for name in series:
        after = encoded_chunks(path, name)
        assert len(after) == 6
        assert {where: after[where] for where in before[name]} == before[name]


@few_examples
@given(st.permutations(range(6)), st.sets(st.integers(1, 5)), st.tuples(st.integers(1, 3), st.integers(1, 2)))
def test_blocks_are_filed_in_any_order_and_in_any_parts(sweep, templates, tmp_path_factory, order, stops, tile):
    path, large = tmp_path_factory.mktemp("store") / "a.zarr", sweep(*LARGE)
    with pytest.MonkeyPatch.context() as patch:
        in_tiles_of(patch, *tile)
        with only_driver(path) as lock:
            store = prepare(path, large, lock)
            plan = make_plan(large, path, store, "stop")
            ask(store, plan.rows, plan.members)
    jobs = jobs_of(large, path)
    for done, k in enumerate(order):
        if done in stops:
            file_all(path)
            assert len(stored_blocks(path)) == done
        compute_block(jobs[k])
    file_all(path)
    assert_same_values(path, templates / "large")


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.usefixtures("small_tiles")
def test_a_run_files_while_it_goes_on_and_what_waits_at_its_end(most, sweep, templates, tmp_path, monkeypatch):
    """Where filing keeps up, never so many wait as may."""
    monkeypatch.setattr(importlib.import_module("pipeline.store.filing"), "MOST_PENDING", most)
    path, large, waited = tmp_path / "a.zarr", sweep(*LARGE), []
    with only_driver(path) as lock:
        store = prepare(path, large, lock)
        plan = make_plan(large, path, store, "stop")
        ask(store, plan.rows, plan.members)
        with filing(store, lock) as files_:
            files_.expect(plan.rows, plan.missing)
            for job in plan.jobs():
                compute_block(job)
                files_.arrived(int(plan.rows[job.k]), job.block)
                if files_._at_work is not None:
                    files_._at_work.result()
                waited.append(len(list((path / "pending").glob("*-*"))))
    assert max(waited) < most
    assert (max(waited) > 0) == (most > 1)
    assert list((path / "pending").glob("*-*")) == []
    assert_same_values(path, templates / "large")


def test_a_full_tile_is_filed_before_the_run_ends(sweep, tmp_path, monkeypatch):
    in_tiles_of(monkeypatch, 1, 1)
    path, large = tmp_path / "a.zarr", sweep(*LARGE)
    with only_driver(path) as lock:
        store = prepare(path, large, lock)
        plan = make_plan(large, path, store, "stop")
        ask(store, plan.rows, plan.members)
        with filing(store, lock) as files_:
            files_.expect(plan.rows, plan.missing)
            job = next(plan.jobs())
            compute_block(job)
            files_.arrived(int(plan.rows[job.k]), job.block)
            files_._at_work.result()
            assert len(open_store(path).pending) == 0
            assert len(stored_blocks(path)) == 1


def test_a_run_that_fails_files_what_it_computed(sweep, tmp_path):
    path, small = tmp_path / "a.zarr", sweep(*SMALL)
    wanted(path, small)

    def run():
        with only_driver(path) as lock, filing(open_store(path), lock):
            compute_block(jobs_of(small, path)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert list((path / "pending").glob("*-*")) == []
    assert len(stored_blocks(path)) == 1


@pytest.mark.parametrize("waiting", [1, 2])
def test_what_an_earlier_driver_left_is_seen_and_filed_by_the_next_run(
    waiting, copy_of, templates, configure, main, sweep
):
    path = copy_of("empty", "kuramoto_T.zarr")
    wanted(path, sweep(*SMALL))
    for job in jobs_of(sweep(*SMALL), path)[:waiting]:
        compute_block(job)
    before, left = block_bytes(path), kept(path / "pending")
    assert len(before) == waiting
    arguments = elsewhere(path.parent, *SMALL, "cluster=serial")
    assert f"{waiting} of 2 blocks" in main([*arguments, "action=status"]).out
    assert kept(path / "pending") == left
    assert main(arguments).code == COMPLETE
    assert list((path / "pending").glob("*-*")) == []
    assert block_bytes(path).items() >= before.items()
    assert_same_values(path, templates / "small")


def test_a_block_that_is_computed_again_takes_the_place_of_the_one_that_is_filed(sweep, copy_of, templates):
    path = copy_of("small")
    store = open_store(path)
    hand_in(store, 0, 0, constant(store, 2))
    replaced = digests(path)
    assert replaced[(1.0,), 0] != digests(templates / "small")[(1.0,), 0]
    assert replaced[(2.0,), 0] == digests(templates / "small")[(2.0,), 0]
    for _ in range(2):
        assert digests(path) == replaced
        assert (open_sweep(path)["order_parameter"].sel(T=1) == 2).all()
        assert blocks(path)[(2.0,), 0] == blocks(templates / "small")[(2.0,), 0]
        file_all(path)


@given(points=st.integers(1, 5000), blocks=st.integers(1, 5000))
def test_tiles_are_as_high_as_a_sweep_has_points_so_that_few_points_take_few_files(points, blocks):
    rows, columns = layouts._tile(points, 1)
    assert rows * columns <= layouts.TILE_BLOCKS
    tiles = math.ceil(points / rows) * math.ceil(blocks / columns)
    assert tiles <= 4 + points * blocks / 600
    assert rows in (min(points, layouts.TILE_BLOCKS), 3 * points, 256)  # room for points to come


@pytest.mark.parametrize("blocks_in_a_tile", [1, 2])
def test_few_files_hold_many_blocks(blocks_in_a_tile, sweep, tmp_path, monkeypatch):
    """A file an array and tile, beside what does not grow."""
    in_tiles_of(monkeypatch, 3, blocks_in_a_tile)
    path = tmp_path / "a.zarr"
    wanted(path, sweep(*LARGE))
    empty = len(kept(path))
    fill(sweep(*LARGE), path)
    layout = open_store(path).layout
    tiles = 2 // blocks_in_a_tile
    filed = {name for name in kept(path) if name.split("/")[0] in (*layout.hashed, *BOOKKEEPING) and "/c." in name}
    assert len(filed) == tiles * len((*layout.hashed, *BOOKKEEPING))
    assert len(kept(path)) - empty - len(filed) <= 2  # what is told of the machine, and of the code
