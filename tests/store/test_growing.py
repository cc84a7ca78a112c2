"""Growing a store: what is there is left alone, and what it shows is what a store computed at once shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.store import ask, only_driver, open_store, open_sweep, prepare
from pipeline.store.layout import BOOKKEEPING
from tests.contents import digests, files, fill
from tests.store.small import LARGE, SMALL, in_tiles_of, kept, made

few_examples = settings(max_examples=3, deadline=None, derandomize=True)
EIGHT = "ensemble.members=8"


def shown(path, **options):
    """All that `open_sweep` shows of a store, but for where it is."""
    dataset = open_sweep(path, **options).load()
    del dataset.attrs["store"]
    return dataset


WAYS = ({}, {"chunks": {}}, {"layout": "points"}, {"layout": "grid"}, {"all_members": True})


def assert_shows_the_same(path, other, ways=WAYS):
    """Assert that two stores show the same, byte for byte, in some ways of showing."""
    for options in ways:
        ours, theirs = shown(path, **options), shown(other, **options)
        assert ours.identical(theirs), options
        assert list(ours.variables) == list(theirs.variables)
        for name, variable in ours.variables.items():
            assert (variable.dtype, variable.dims) == (theirs[name].dtype, theirs[name].dims), name
            assert variable.values.tobytes() == theirs[name].values.tobytes(), name
    assert digests(path) == digests(other)


@pytest.mark.parametrize("tiles", [None, (1, 1), (2, 1)])
def test_growth_leaves_every_file_of_blocks_alone_that_gains_none(tiles, sweep, tmp_path, monkeypatch):
    if tiles:
        in_tiles_of(monkeypatch, *tiles)
    path = tmp_path / "a.zarr"
    fill(sweep(*SMALL), path)
    before, digests_before = files(path), digests(path)
    made(path, sweep(*LARGE))
    after = files(path)
    of_blocks = {
        name
        for name in before
        if "/c." in name and name.split("/")[0] in (*open_store(path).layout.hashed, *BOOKKEEPING)
    }
    assert of_blocks
    assert {name: after[name] for name in of_blocks} == {name: before[name] for name in of_blocks}
    assert len(fill(sweep(*LARGE), path)) == 4
    assert digests(path).items() >= digests_before.items()
    assert len(digests(path)) == 6


def test_a_grown_store_equals_one_computed_at_once(sweep, copy_of, templates):
    path = copy_of("small")
    fill(sweep("axes.T.values=[3,2]", EIGHT), path)
    fill(sweep(*LARGE), path)
    assert_shows_the_same(path, templates / "large")


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
        st.lists(st.integers(1, 2), min_size=1, max_size=2, unique=True),
        st.integers(1, 24),
        st.booleans(),
    ),
    min_size=2,
    max_size=3,
)
"""Values of T and of η, members, and whether η is the first axis."""


@pytest.mark.parametrize("tiles", [None, (2, 1)])
def test_stores_grown_in_two_ways_equal_those_computed_at_once(tiles, sweep, tmp_path, monkeypatch):
    if tiles:
        in_tiles_of(monkeypatch, *tiles)
    assert_grown_equals_at_once(sweep, tmp_path, [([3, 1], [1], 8, False), ([2, 1], [1, 2], 9, True)])


@few_examples
@given(REQUESTS)
def test_stores_grown_in_any_way_equal_those_computed_at_once(sweep, tmp_path_factory, requests):
    assert_grown_equals_at_once(sweep, tmp_path_factory.mktemp("stores"), requests)


def assert_grown_equals_at_once(sweep, folder, requests):
    """Requests of any points and members, axes in either order; the union of all comes last, for both stores."""

    def request(Ts, etas, members, eta_first=False):
        axes = [f"axes.T.values={sorted(Ts)}", f"axes.eta.values={sorted(etas)}"]
        return sweep("~axes.T", *axes[:: -1 if eta_first else 1], f"ensemble.members={members}")

    for Ts, etas, members, eta_first in requests:
        fill(request(Ts, etas, members, eta_first), folder / "grown")
    union = request(
        {T for Ts, *_ in requests for T in Ts},
        {eta for _, etas, *_ in requests for eta in etas},
        max(members for *_, members, _ in requests),
        requests[0][3],
    )
    fill(union, folder / "grown")
    fill(union, folder / "at once")
    assert_shows_the_same(folder / "grown", folder / "at once", ways=({}, {"layout": "points"}))


def test_a_dataset_that_was_opened_before_a_growth_keeps_its_extent(sweep, copy_of, templates):
    path = copy_of("small")
    lazy, in_chunks = open_sweep(path), open_sweep(path, chunks={})
    fill(sweep("axes.T.values=[0.5,1,2]", "ensemble.members=16"), path)
    assert lazy.equals(open_sweep(templates / "small"))
    assert in_chunks.equals(open_sweep(templates / "small"))


def test_a_larger_system_than_the_store_was_made_for_is_refused_and_nothing_touched(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.iterations.values=[3,4]", "~axes.T", EIGHT), path)
    before = kept(path)
    with pytest.raises(RequestError, match="at most 4 values along iteration"):
        made(path, sweep("axes.iterations.values=[3,5]", "~axes.T", EIGHT))
    assert kept(path) == before


def test_a_store_made_for_ragged_points_grows_by_smaller_ones(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.iterations.values=[4]", EIGHT), path)
    fill(sweep("~axes.T", "axes.iterations.values=[4,3]", EIGHT), path)
    fill(sweep("~axes.T", "axes.iterations.values=[3,4]", EIGHT), tmp_path / "at once")
    assert_shows_the_same(path, tmp_path / "at once")


def test_a_store_of_another_sweep_is_refused_with_the_differences_and_nothing_touched(sweep, copy_of):
    path = copy_of("small")
    before = kept(path)
    with pytest.raises(RequestError) as raised:
        made(path, sweep(*SMALL, "ensemble.seed=2", "settings.eta=7"))
    told = [fault.partition(": ")[0] for fault in raised.value.faults]
    assert told == ["ensemble.seed", "settings.eta", "store.name"]
    assert kept(path) == before


# --- how many members were asked for ----------------------------------------------------------------------------


@few_examples
@given(st.lists(st.tuples(st.sets(st.integers(1, 3), min_size=1), st.integers(1, 30)), min_size=1, max_size=4))
def test_the_largest_number_of_members_ever_asked_for_is_kept_for_every_point(sweep, tmp_path_factory, requests):
    path, largest = tmp_path_factory.mktemp("store") / "a.zarr", {}
    for Ts, members in requests:
        asked = sweep(f"axes.T.values={sorted(Ts)}", f"ensemble.members={members}")
        with only_driver(path) as lock:
            store = prepare(path, asked, lock)
            ask(store, store.rows_of(asked), np.full(len(Ts), members))
        for T in Ts:
            largest[(float(T),)] = max(largest.get((float(T),), 0), members)
        store = open_store(path)
        assert dict(zip(store.points(), store.asked.tolist(), strict=True)) == largest
        dataset = open_sweep(path)
        assert dataset.sizes["member"] == max(largest.values())
        assert [(T,) for T in dataset["T"].values.tolist()] == sorted(largest)


def test_a_larger_number_of_members_that_is_asked_for_anew_reaches_no_other_point(sweep, copy_of):
    path = copy_of("small")
    fill(sweep("axes.T.values=[2]", "ensemble.members=12"), path)
    read = open_sweep(path)
    assert read.sizes["member"] == 12
    assert (read["status"] > 0).sum("member").values.tolist() == [8, 12]
    every = open_sweep(path, all_members=True)
    assert every.sizes["member"] == 16
    assert (every["status"] > 0).sum("member").values.tolist() == [8, 16]
    assert every.isel(member=slice(12)).sel(T=2).equals(read.sel(T=2))
