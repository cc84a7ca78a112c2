"""The store: what is written comes back, growth leaves the old alone, and a death at any write loses no more
than the block or the growth that was under way."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Damaged, RequestError
from pipeline.execution import compute_block
from pipeline.plan import make_plan, requested_part, status
from pipeline.request import define
from pipeline.store import is_stored, open_store, open_sweep, prepare, write_block
from pipeline.store.blocks import BOOKKEEPING
from pipeline.store.stores import SCHEMA
from pipeline.systems import finding, kuramoto, loaded
from tests.command import ROOT
from tests.contents import assert_same_values, block_files, files, fill, true_digest, values
from tests.dying import count_steps, dying_at

few_examples = settings(max_examples=5, deadline=None, derandomize=True)
at_every = pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
"""A death at each step or, in less time, at every fourth."""
SMALL = ("axes.T.values=[1,2]", "ensemble.members=8")
LARGE = ("axes.T.values=[1,2,3]", "ensemble.members=16")


VARIABLES = {"order_parameter", "final_error", "weight", "phase", "final_trace"}
"""One with each kind of dimensions. All would double the files that these tests write, thousands as it is."""


def few_of(settings, seed, members, records):
    """What kuramoto computes, few variables of it."""
    values = kuramoto.compute(settings, seed, members, records)
    return {name: values[name] for name in values if name in VARIABLES or name == "status"}


@pytest.fixture(scope="module", autouse=True)
def _few_variables():
    variables = tuple(variable for variable in kuramoto.SYSTEM.variables if variable.name in VARIABLES)
    assert len(variables) == len(VARIABLES)
    system = dataclasses.replace(kuramoto.SYSTEM, variables=variables, compute=few_of, estimands={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(finding._loaded, "kuramoto", loaded("kuramoto")._replace(system=system))
        patch.setattr(kuramoto, "SYSTEM", system)
        yield


@pytest.fixture(scope="module")
def sweep(configure):
    """A sweep from overrides."""
    return lambda *overrides: define(configure("nowhere", *overrides))


@pytest.fixture(scope="module")
def templates(sweep, tmp_path_factory):
    """Stores to copy: an empty and a filled one of the small sweep, a filled one of the large."""
    folder = tmp_path_factory.mktemp("templates")
    prepare(folder / "empty", sweep(*SMALL))
    fill(sweep(*SMALL), folder / "small")
    fill(sweep(*LARGE), folder / "large")
    return folder


@pytest.fixture
def copy_of(templates, tmp_path):
    """A fresh copy of a template."""

    def copied(name, to="a.zarr"):
        shutil.rmtree(tmp_path / to, ignore_errors=True)
        return shutil.copytree(templates / name, tmp_path / to)

    return copied


def among(steps, every):
    """Every so many of some steps, the last among them."""
    return sorted({*range(0, steps, every), steps - 1})


def the_job(sweep, path, on_stale="stop"):
    """The first missing block."""
    return next(make_plan(sweep, path, open_store(path), on_stale).jobs())


# --- blocks -------------------------------------------------------------------------------------------------


@few_examples
@given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.integers(0, 1))
def test_a_block_comes_back_bit_for_bit(sweep, tmp_path_factory, seed, point, block):
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    store = prepare(path, sweep(*LARGE))
    rng = np.random.default_rng(seed)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308])
    written = {}
    for name, array in store.group.arrays():
        if "member" in array.metadata.dimension_names:
            shape = (8, *array.shape[2:])
            written[name] = (
                rng.integers(1, 3, shape).astype("u1")
                if name == "status"
                else np.where(rng.random(shape) < 0.3, rng.choice(special, shape), rng.normal(size=shape))
            )
    write_block(store.location, point, block, written, code=7, seconds=0.5)
    assert is_stored(store.location, point, block)
    plain, members = zarr.open_group(path, mode="r", use_consolidated=False), slice(8 * block, 8 * block + 8)
    for name, block_values in written.items():
        assert plain[name][point, members].tobytes() == block_values.tobytes(), name
    assert plain["code"][point, block] == 7
    assert plain["seconds"][point, block] == 0.5
    assert plain["digest"][point, block] == true_digest(path, point, block)
    assert np.count_nonzero(plain["digest"]) == 1
    assert np.count_nonzero(plain["status"]) == 8


def test_the_smallest_block_of_zeros_counts_as_stored(sweep, tmp_path):
    store = prepare(tmp_path / "a.zarr", sweep(*SMALL))
    zeros = {
        name: np.zeros((8, *array.shape[2:]))
        for name, array in store.group.arrays()
        if "member" in array.metadata.dimension_names
    }
    write_block(store.location, 0, 0, zeros, code=1, seconds=0.0)
    assert is_stored(store.location, 0, 0)
    assert (tmp_path / "a.zarr" / "status" / "c" / "0" / "0").exists()
    assert values(tmp_path / "a.zarr")["final_error"][0].tolist() == [0.0] * 8


def test_a_writer_that_dies_at_any_write_leaves_a_block_that_does_not_count(sweep, copy_of, templates):
    small = sweep(*SMALL)
    path = copy_of("empty")
    steps = count_steps(lambda: compute_block(the_job(small, path)))
    assert steps > 6
    for step in range(steps):
        path = copy_of("empty")
        with dying_at(step) as taken:
            compute_block(the_job(small, path))
        assert len(taken) > step
        assert make_plan(small, path, open_store(path), "stop").missing.sum() == 2
        assert len(fill(small, path)) == 2
        assert_same_values(path, templates / "small")


def overwriting(sweep, path):
    """The job that overwrites a stored block, stale and different in every number."""
    store = open_store(path)
    other = {
        name: np.full((8, *array.shape[2:]), 2.0)
        for name, array in store.group.arrays()
        if "member" in array.metadata.dimension_names
    }
    write_block(store.location, 0, 0, other, code=7, seconds=0.5)
    jobs = make_plan(sweep, path, open_store(path), "recompute").jobs()
    return next(job for job in jobs if job.overwrite)


def test_recomputing_that_dies_at_any_write_leaves_no_digest_that_does_not_match(sweep, copy_of, templates):
    small = sweep(*SMALL)
    job = overwriting(small, copy_of("empty"))
    steps = count_steps(lambda: compute_block(job))
    wrong, expected = [], values(templates / "small")
    for step in range(steps):
        path = copy_of("empty")
        job = overwriting(small, path)
        with dying_at(step):
            compute_block(job)
        if open_store(path).bookkeeping("digest")[0, 0] not in (0, true_digest(path, 0, 0)):
            wrong.append(f"digest, {step} writes done")
        fill(small, path, on_stale="recompute")
        after = values(path)
        wrong += [
            f"{name}, {step} writes done and run again"
            for name, data in expected.items()
            if after[name].tobytes() != data.tobytes()
        ]
    assert not wrong


# --- creating -----------------------------------------------------------------------------------------------


@at_every
def test_creation_that_dies_at_any_step_leaves_no_store_and_the_next_one_cleans_up(every, sweep, tmp_path):
    small, whole = sweep(*SMALL), tmp_path / "whole.zarr"
    with dying_at(None) as to_whole:
        prepare(whole, small)
    assert to_whole[-1].name == f"whole.zarr.creating-{os.getpid()}"  # is renamed as the last step
    steps = len(to_whole)
    assert steps > 30
    path = tmp_path / "a.zarr"
    for step in among(steps, every):
        with dying_at(step) as taken:
            prepare(path, small)
        assert len(taken) > step
        assert open_store(path) is None
        (unfinished,) = tmp_path.glob(f"a.zarr.creating-{os.getpid()}")
        unfinished.rename(path.with_name("a.zarr.creating-1"))  # another process than the one that is next
        if step % 12 == 0 or step == steps - 1:
            prepare(path, small)
            assert sorted(left.name for left in tmp_path.iterdir()) == ["a.zarr", "whole.zarr"]
            assert {name: content for name, (content, *_) in files(path).items()} == {
                name: content for name, (content, *_) in files(whole).items()
            }
            shutil.rmtree(path)


def test_leftovers_of_other_stores_are_left_alone(sweep, tmp_path):
    other = tmp_path / "b.zarr.creating-1"
    other.mkdir()
    prepare(tmp_path / "a.zarr", sweep(*SMALL))
    assert other.exists()


def test_a_store_holds_what_identifies_its_numbers(sweep, templates):
    attributes = json.loads((templates / "small" / "zarr.json").read_text())["attributes"]
    assert attributes["schema"] == SCHEMA
    assert attributes["fingerprint"] == json.loads(json.dumps(sweep(*SMALL).fingerprint))
    assert attributes["fingerprint"] == {
        "system": "kuramoto",
        "settings": dict(sweep(*SMALL).settings),
        "axes": ["T"],
        "seed": 1,
        "noise": "independent",
        "block_members": 8,
        "records": 5,
    }


# --- growing ------------------------------------------------------------------------------------------------


def test_growth_leaves_every_old_block_file_alone(sweep, copy_of):
    path = copy_of("small")
    before = block_files(path)
    assert len(fill(sweep(*LARGE), path)) == 4
    after = block_files(path)
    assert len(after) > len(before)
    assert {name: after[name] for name in before} == before


def test_a_grown_store_equals_one_computed_at_once(sweep, copy_of, templates):
    path = copy_of("small")
    fill(sweep("axes.T.values=[3,2]", "ensemble.members=8"), path)
    fill(sweep(*LARGE), path)
    assert_same_values(path, templates / "large")
    assert open_sweep(path).equals(open_sweep(templates / "large"))


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


def test_stores_grown_in_two_ways_equal_those_computed_at_once(sweep, tmp_path):
    assert_grown_equals_at_once(sweep, tmp_path, [([3, 1], [1], 8, False), ([2, 1], [1, 2], 9, True)])


@pytest.mark.slow
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
    )
    fill(union, folder / "grown")
    fill(union, folder / "at once")
    assert open_sweep(folder / "grown").transpose("T", "eta", ...).equals(open_sweep(folder / "at once"))
    digests = {}
    for name in ("grown", "at once"):
        store = open_store(folder / name)
        points = [tuple(dict(zip(store.axes, point, strict=True)).items()) for point in store.points()]
        digests[name] = {
            tuple(sorted(point)): tuple(row)
            for point, row in zip(points, store.bookkeeping("digest").tolist(), strict=True)
        }
    assert digests["grown"] == digests["at once"]


@at_every
def test_growth_that_dies_at_any_step_is_completed_by_the_next(every, sweep, copy_of, templates):
    large = sweep(*LARGE)
    path = copy_of("small")
    steps = count_steps(lambda: prepare(path, large))
    assert steps > 8
    for step in among(steps, every):
        path = copy_of("small")
        with dying_at(step) as taken:
            prepare(path, large)
        assert len(taken) > step
        fill(large, path)
        assert_same_values(path, templates / "large")


def test_growth_that_dies_at_any_step_is_not_seen_by_readers(sweep, copy_of):
    large = sweep(*LARGE)
    path = copy_of("small")
    before = open_sweep(path).load()
    steps = count_steps(lambda: prepare(path, large))
    unreadable = {}
    for step in range(steps):
        path = copy_of("small")
        with dying_at(step):
            prepare(path, large)
        committed = open_store(path).n_points == 3
        for chunks in (None, {}):
            try:
                read = open_sweep(path, chunks).load()
            except Damaged as error:
                unreadable[step] = str(error)
            else:
                assert (
                    dict(read.sizes) | ({"T": 3, "member": 16} if committed else {"T": 2, "member": 8})
                    == read.sizes
                )
                assert read.sel(T=[1, 2]).isel(member=slice(8)).equals(before)
                assert int((read["status"] > 0).sum()) == 16
    assert not unreadable


def test_a_dataset_that_was_opened_before_a_growth_keeps_its_extent(sweep, copy_of, templates):
    path = copy_of("small")
    lazy, in_chunks = open_sweep(path), open_sweep(path, chunks={})
    fill(sweep("axes.T.values=[0.5,1,2]", "ensemble.members=16"), path)
    assert lazy.equals(open_sweep(templates / "small"))
    assert in_chunks.equals(open_sweep(templates / "small"))


@at_every
def test_growth_that_died_leaves_no_trace_in_another_growth(every, sweep, copy_of, tmp_path):
    """The second growth is smaller in points and members than the one that died."""
    larger, smaller = sweep("axes.T.values=[1,2,7,8,9]", "ensemble.members=40"), sweep(*LARGE)
    path = copy_of("small")
    steps = count_steps(lambda: prepare(path, larger))
    fill(smaller, tmp_path / "expected")
    uncommitted = 0
    for step in among(steps, every):
        path = copy_of("small")
        with dying_at(step):
            prepare(path, larger)
        if open_store(path).n_points == 2:
            uncommitted += 1
            fill(smaller, path)
            assert_same_values(path, tmp_path / "expected")
    assert uncommitted > 8 // every


@at_every
@pytest.mark.parametrize("work", ["grow", "compute", "record a run"])
def test_no_half_written_file_is_left_after_a_death_and_a_rerun(work, every, sweep, copy_of):
    def once(path):
        if work == "grow":
            prepare(path, sweep(*LARGE))
        elif work == "compute":
            compute_block(the_job(sweep(*SMALL), path))
        else:
            open_store(path).log_run("run", {"failed": []})

    template = "empty" if work == "compute" else "small"
    first = copy_of(template)
    steps = count_steps(lambda: once(first))
    left = set()
    for step in among(steps, every):
        path = copy_of(template)
        with dying_at(step):
            once(path)
        prepare(path, sweep(*LARGE))
        once(path)
        left |= {str(partial.relative_to(path)) for partial in path.rglob("*.partial")}
    assert not left


def test_a_larger_system_than_the_store_was_made_for_is_refused_and_nothing_touched(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.iterations.values=[3,4]", "~axes.T", "ensemble.members=8"), path)
    before = files(path)
    with pytest.raises(RequestError, match="at most 4 values along iteration"):
        prepare(path, sweep("axes.iterations.values=[3,5]", "~axes.T", "ensemble.members=8"))
    assert files(path) == before


# --- requests smaller than the store ------------------------------------------------------------------------


def test_a_smaller_request_deletes_nothing_and_its_figures_show_it_alone(sweep, copy_of):
    path = copy_of("large")
    before = files(path)
    smaller = sweep("axes.T.values=[3,1]", "ensemble.members=5")
    assert fill(smaller, path) == []
    assert files(path) == before
    part = requested_part(make_plan(smaller, path, open_store(path), "stop"))
    assert dict(part.sizes) | {"T": 2, "member": 5} == dict(part.sizes)
    assert part["T"].values.tolist() == [1, 3]
    assert part.equals(open_sweep(path).isel(member=slice(5)).sel(T=[1, 3]))
    assert (part["status"] > 0).all()


def test_figures_of_a_request_with_points_new_to_the_store_show_those_that_are_there(sweep, copy_of):
    path = copy_of("large")
    larger = sweep("axes.T.values=[2,3,4]", "ensemble.members=8")
    part = requested_part(make_plan(larger, path, open_store(path), "stop"))
    there = part.where(part["status"] > 0, drop=True)
    assert there["T"].values.tolist() == [2, 3]
    assert there.sizes["member"] == 8


def test_figures_of_pairs_show_them_also_from_a_store_that_was_made_as_a_grid(sweep, copy_of):
    path = copy_of("large")
    pairs = sweep("sampling.method=zip", "axes.T.values=[3,1]")
    assert fill(pairs, path) == []
    part = requested_part(make_plan(pairs, path, open_store(path), "stop"))
    assert part["status"].dims == ("point", "member")
    assert part["T"].values.tolist() == [3, 1]


def test_figures_of_a_grid_show_it_also_from_a_store_that_was_made_of_pairs(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("sampling.method=zip", "axes.T.values=[1,1,2]", "axes.eta.values=[3,4,3]"), path)
    grid = sweep("axes.T.values=[2,1]", "axes.eta.values=[3]")
    assert fill(grid, path) == []
    part = requested_part(make_plan(grid, path, open_store(path), "stop"))
    assert part["status"].dims == ("T", "eta", "member")
    assert (part["T"].values.tolist(), part["eta"].values.tolist()) == ([1, 2], [3])


# --- reading ------------------------------------------------------------------------------------------------


def plain(path):
    """A store as xarray reads it without our help; warnings are errors here."""
    return xarray.open_zarr(path, consolidated=False)


def test_axes_are_sorted_whatever_the_order_of_arrival(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.T.values=[3,1]", "ensemble.members=8"), path)
    fill(sweep("axes.T.values=[2]", "ensemble.members=8"), path)
    read = open_sweep(path)
    assert plain(path)["T"].values.tolist() == [3, 1, 2]
    assert read["T"].values.tolist() == [1, 2, 3]
    for T in (1, 2, 3):
        row = plain(path).isel(point=[3, 1, 2].index(T))
        for name in ("status", "final_error", "order_parameter"):
            assert read[name].sel(T=T).values.tobytes() == row[name].values.tobytes()


def test_holes_of_a_grid_have_status_0_and_nan(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    eight = ("ensemble.members=8",)
    fill(sweep("axes.T.values=[1,2]", "axes.eta.values=[1]", *eight), path)
    fill(sweep("axes.T.values=[2]", "axes.eta.values=[3]", *eight), path)
    read = open_sweep(path)
    assert dict(read.sizes)["T"] == dict(read.sizes)["eta"] == 2
    assert read["status"].dtype == np.uint8
    assert (read["status"] > 0).all("member").sel(T=1).values.tolist() == [True, False]
    assert (read["status"] > 0).all("member").sel(T=2).values.tolist() == [True, True]
    hole = read.sel(T=1, eta=3)
    assert (hole["status"] == 0).all()
    for name, variable in hole.data_vars.items():
        assert name == "status" or variable.isnull().all(), name
    raw = plain(path)
    for k, (T, eta) in enumerate([(1, 1), (2, 1), (2, 3)]):
        assert (float(raw["T"][k]), float(raw["eta"][k])) == (T, eta)
        for name in raw.data_vars:
            if "member" in raw[name].dims:
                expected = raw[name].isel(point=k).values
                assert read[name].sel(T=T, eta=eta).values.tobytes() == expected.tobytes(), name


def test_holes_of_a_grid_have_no_recorded_iterations(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    iterations, eight = "axes.iterations.values=[40,8]", "ensemble.members=8"
    fill(sweep("~axes.T", iterations, "axes.eta.values=[1]", eight), path)
    fill(sweep("~axes.T", "axes.iterations.values=[8]", "axes.eta.values=[3]", eight), path)
    hole = open_sweep(path).sel(iterations=40, eta=3)
    assert (hole["status"] == 0).all()
    assert hole["iteration_at"].isnull().all()


def test_blocks_not_computed_have_status_0_and_nan(sweep, copy_of):
    path = copy_of("small")
    prepare(path, sweep(*LARGE))
    read = open_sweep(path)
    missing = read["status"] == 0
    assert missing.sum("member").values.tolist() == [8, 8, 16]
    for name, variable in read.data_vars.items():
        if name != "status":
            assert (
                variable.isnull().all([dim for dim in variable.dims if dim not in missing.dims]) == missing
            ).all()


@pytest.mark.parametrize(
    "sampling", [("sampling.method=zip",), ("sampling.method=latin_hypercube", "sampling.points=3")]
)
def test_sweeps_off_a_grid_keep_their_points(sampling, sweep, tmp_path):
    path = tmp_path / "a.zarr"
    defined = sweep(*sampling, "axes.eta.values=[4,6,5]", "ensemble.members=8")
    fill(defined, path)
    read = open_sweep(path)
    assert read["status"].dims == ("point", "member")
    assert list(zip(read["T"].values, read["eta"].values, strict=True)) == list(defined.points)
    assert {"T", "eta"} <= set(read.coords)
    part = requested_part(make_plan(defined, path, open_store(path), "stop"))
    assert part["T"].values.tolist() == [T for T, _ in defined.points]


def test_a_sweep_without_axes_has_members_alone(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    defined = sweep("~axes.T", "settings.T=2", "settings.trace_duration=1")
    assert len(fill(defined, path)) == 2
    assert fill(defined, path) == []
    read = open_sweep(path)
    assert read["status"].dims == ("member",)
    assert read["final_trace"].dims == ("member", "time")
    assert np.allclose(read["time"], 0.05 * np.arange(1, 21))
    assert (
        len(fill(sweep("~axes.T", "settings.T=2", "settings.trace_duration=1", "ensemble.members=24"), path)) == 1
    )
    assert open_sweep(path).sizes["member"] == 24


def test_iterations_as_an_axis_pad_shorter_records(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.iterations.values=[40,3]", "ensemble.members=8"), path)
    read = open_sweep(path)
    assert read["iteration_at"].dims == ("iterations", "iteration")
    assert read["iteration_at"].sel(iterations=40).values.tolist() == [0, 10, 20, 29, 39]
    assert np.array_equal(read["iteration_at"].sel(iterations=3), [0, 1, 2, np.nan, np.nan], equal_nan=True)
    assert np.isfinite(read["order_parameter"].sel(iterations=40)).all()
    short = read["order_parameter"].sel(iterations=3).transpose("member", "iteration")
    assert np.isfinite(short.values).all(axis=0).tolist() == [True] * 3 + [False] * 2
    assert np.isfinite(read["weight"]).all()
    assert "iteration_at" in plain(path).coords


def test_oscillators_as_an_axis_pad_smaller_systems(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.oscillators.values=[2,3]", "ensemble.members=8"), path)
    read = open_sweep(path)
    assert (read.sizes["edge"], read.sizes["oscillator"]) == (3, 3)
    for N, pairs in ((2, 1), (3, 3)):
        of_size = read.sel(oscillators=N)
        assert np.isfinite(of_size["weight"]).all("member").values.tolist() == [k < pairs for k in range(3)]
        assert np.isfinite(of_size["phase"]).all("member").values.tolist() == [k < N for k in range(3)]
        assert np.isfinite(of_size["edge_at"]).values.tolist() == [k < pairs for k in range(3)]
    assert np.isfinite(read["order_parameter"]).all()


def test_a_store_made_for_ragged_points_grows_by_smaller_ones(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.iterations.values=[4]", "ensemble.members=8"), path)
    fill(sweep("~axes.T", "axes.iterations.values=[4,3]", "ensemble.members=8"), path)
    fill(sweep("~axes.T", "axes.iterations.values=[3,4]", "ensemble.members=8"), tmp_path / "at once")
    assert open_sweep(path).equals(open_sweep(tmp_path / "at once"))


@pytest.mark.parametrize(
    "overrides",
    [
        LARGE,
        ("axes.eta.values=[2,1]", *SMALL),
        ("sampling.method=zip", "axes.eta.values=[2,1]", *SMALL),
        ("~axes.T", "settings.trace_duration=0.5", "ensemble.members=8"),
        ("~axes.T", "axes.iterations.values=[8,3]", "ensemble.members=8"),
    ],
)
def test_plain_xarray_reads_what_open_sweep_reads_without_warnings(overrides, sweep, tmp_path):
    path = tmp_path / "a.zarr"
    defined = sweep(*overrides)
    fill(defined, path)
    raw, read = plain(path), open_sweep(path)
    assert set(defined.axes) <= set(raw.coords)
    assert set(raw.data_vars) - set(BOOKKEEPING) == set(read.data_vars)
    for k, point in enumerate(defined.points):
        at = dict(zip(defined.axes, point, strict=True))
        assert {axis: raw[axis].values[k] for axis in defined.axes} == at
        where = at if defined.method == "product" else None
        for name in read.data_vars:
            ours = read[name].sel(where) if where is not None else read[name].isel(point=k)
            assert ours.values.tobytes() == raw[name].isel(point=k).values.tobytes(), name
            assert (ours.attrs["long_name"], ours.dims) == (raw[name].attrs["long_name"], raw[name].dims[1:])


def test_a_fresh_process_opens_a_store_without_any_warning(templates):
    script = "import sys, xarray; print(xarray.open_zarr(sys.argv[1], consolidated=False).load().sizes['point'])"
    opened = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, templates / "large"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (opened.returncode, opened.stdout, opened.stderr) == (0, "3\n", "")


def test_variables_and_axes_say_what_they_are(templates):
    read = open_sweep(templates / "large")
    assert read["T"].attrs == {"long_name": "T", "units": "time", "symbol": "T"}
    for name, variable in read.data_vars.items():
        assert variable.attrs["long_name"], name
    assert read["phase"].attrs["units"] == "rad"
    assert read.attrs["settings"]["eta"] == 3.0


def test_reading_with_dask_chunks_gives_the_same_numbers(templates):
    lazy = open_sweep(templates / "large", chunks={})
    assert lazy["order_parameter"].chunks is not None
    assert lazy.equals(open_sweep(templates / "large"))


def an_index(size):
    """One index of a dimension: a number, a slice of either direction, or numbers in any order, none among them."""
    number = st.integers(-size, size - 1)
    return st.one_of(number, st.slices(size), st.just(slice(None, None, -1)), st.lists(number, max_size=2 * size))


def at(values, indices):
    """Outer indexing of an array, one dimension after the other."""
    for axis, index in reversed(list(enumerate(indices))):
        index = np.asarray(index, dtype=int) if isinstance(index, list) else index
        values = values[(slice(None),) * axis + (index,)]
    return values


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
@pytest.mark.parametrize("chunks", [None, {}])
def test_a_dataset_is_indexed_as_an_array_of_numpy_is(chunks, templates, data):
    stored = zarr.open_group(templates / "large", mode="r", use_consolidated=False)
    name = data.draw(st.sampled_from(["order_parameter", "final_error", "weight", "status"]))
    order = np.argsort(stored["T"][:])
    lazy, whole = open_sweep(templates / "large", chunks)[name], stored[name][:][order]
    assert lazy.shape == whole.shape
    for _ in range(data.draw(st.integers(1, 2))):  # a selection, and one of the selection
        if 0 in whole.shape:
            break
        indices = [data.draw(an_index(size)) for size in whole.shape]
        lazy, whole = lazy.isel(dict(zip(lazy.dims, indices, strict=True))), at(whole, indices)
    assert lazy.dtype == whole.dtype
    assert lazy.shape == whole.shape
    assert lazy.values.tobytes() == whole.tobytes()


def test_single_points_of_a_dataset_are_picked_as_numpy_picks_them(templates):
    for chunks in (None, {}):
        lazy = open_sweep(templates / "large", chunks)["order_parameter"]
        T, member = np.array([2, 0, 0, 1]), np.array([15, 3, 3, -1])
        picked = lazy.isel(T=("pick", T), member=("pick", member)).transpose("pick", "iteration")
        assert np.array_equal(picked.values, lazy.transpose("T", "member", "iteration").values[T, member])


LABELS = {
    "frequencies": ("[[0.5,-0.5],null]", ["[0.5, -0.5]", "null"], ("settings.oscillators=2",)),
    "error": ("[square,absolute]", ["absolute", "square"], ("system=network",)),
}


@pytest.mark.parametrize("axis", LABELS)
@pytest.mark.parametrize("method", ["product", "zip"])
def test_labels_of_an_axis_are_read_as_strings(method, axis, sweep, tmp_path):
    values, labels, overrides = LABELS[axis]
    path = tmp_path / "a.zarr"
    defined = sweep(
        "~axes.T", f"axes.{axis}.values={values}", f"sampling.method={method}", "ensemble.members=8", *overrides
    )
    fill(defined, path)
    assert fill(defined, path) == []
    name = open_store(path).coordinates[axis]
    for chunks in (None, {}):
        read = open_sweep(path, chunks)
        assert sorted(read[name].values.tolist()) == labels
        assert all(type(label) is str for label in read[name].values.tolist())
        if method == "product":
            assert read[name].values.tolist() == labels
            for label in labels:
                row = open_store(path).points().index((label,))
                there = read.sel({name: label})["status"].values
                assert there.tolist() == plain(path)["status"][row].values.tolist()


# --- damage -------------------------------------------------------------------------------------------------

BLOCK_ARRAYS = ["order_parameter", "final_error", "weight", "phase", "status", *BOOKKEEPING]


@pytest.mark.parametrize("name", BLOCK_ARRAYS)
def test_a_flipped_byte_anywhere_in_a_chunk_raises_rather_than_reading_wrong_numbers(name, copy_of):
    path = copy_of("small")
    (chunk,) = [file for file in (path / name / "c" / "1").rglob("*") if file.is_file()]
    content, sound = chunk.read_bytes(), open_sweep(path).load()
    for k in {0, len(content) // 2, len(content) - 1}:
        chunk.write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        with pytest.raises(ValueError, match="checksum"):
            plain(path)[name].load()
        if name not in BOOKKEEPING:
            for chunks in (None, {}):
                read = open_sweep(path, chunks)
                with pytest.raises(Damaged, match=rf"a\.zarr: {name} can't be read: .*checksum"):
                    read[name].load()
                assert read.drop_vars(name).equals(sound.drop_vars(name))


@pytest.mark.parametrize("name", BLOCK_ARRAYS)
def test_a_chunk_cut_short_raises_rather_than_reading_wrong_numbers(name, copy_of):
    path = copy_of("small")
    (chunk,) = [file for file in (path / name / "c" / "1").rglob("*") if file.is_file()]
    for length in (0, len(chunk.read_bytes()) // 2):
        chunk.write_bytes(chunk.read_bytes()[:length])
        with pytest.raises((ValueError, RuntimeError)):
            plain(path)[name].load()
        if name not in BOOKKEEPING:
            with pytest.raises(Damaged, match=rf"a\.zarr: {name} can't be read: .*action=verify"):
                open_sweep(path)[name].load()


def a_folder(path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def a_file(path):
    path.write_text("mine")


def a_foreign_group(path):
    zarr.open_group(path, mode="w").create_array("mine", shape=(3,), dtype="f8")


def a_foreign_group_with_a_schema(path):
    a_foreign_group(path)
    zarr.open_group(path, mode="r+").attrs.update(schema=1)


def a_foreign_array(path):
    zarr.create_array(path, shape=(3,), dtype="f8")


def a_damaged_group(path):
    a_foreign_group(path)
    (path / "zarr.json").write_text("{")


def a_newer_schema(path):
    a_foreign_group(path)
    zarr.open_group(path, mode="r+").attrs.update(schema=SCHEMA + 1)


STRANGERS = [
    a_folder,
    a_file,
    a_foreign_group,
    a_foreign_group_with_a_schema,
    a_foreign_array,
    a_damaged_group,
    a_newer_schema,
]


@pytest.mark.parametrize("make", STRANGERS)
def test_what_is_no_store_of_this_program_is_refused_and_left_alone(make, sweep, tmp_path):
    path = tmp_path / "a.zarr"
    make(path)
    before = files(tmp_path)
    for attempt in (lambda: prepare(path, sweep()), lambda: open_store(path), lambda: open_sweep(path)):
        with pytest.raises(RequestError, match=r"a\.zarr: "):
            attempt()
    assert files(tmp_path) == before


def test_reading_where_nothing_is_says_so(tmp_path):
    with pytest.raises(RequestError, match="got nothing there"):
        open_sweep(tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


# --- records of runs ----------------------------------------------------------------------------------------


def test_runs_are_read_back_oldest_first_and_replaced_by_name(copy_of):
    store = open_store(copy_of("small"))
    for name, state in (("2", "running"), ("1", "ended"), ("2", "ended")):
        store.log_run(name, {"name": name, "state": state})
    assert store.runs() == [{"name": "1", "state": "ended"}, {"name": "2", "state": "ended"}]


def test_a_driver_that_dies_while_it_records_its_run_leaves_a_store_whose_status_can_be_told(sweep, copy_of):
    small = sweep(*SMALL)
    record = {"state": "running", "started": "now", "failed": [], "blocks_computed": 0}
    path = copy_of("small")
    steps = count_steps(lambda: open_store(path).log_run("run", record))
    untold = []
    for step in range(steps):
        path = copy_of("small")
        with dying_at(step):
            open_store(path).log_run("run", record)
        plan = make_plan(small, path, open_store(path), "stop")
        try:
            found = status(plan, driven=False, unknown={})
            assert found.failed == []
            text = str(found)
        except (KeyError, UserWarning) as error:
            untold.append(f"{step} writes done: {error!r}")
        else:
            assert "2 of 2 blocks" in text.splitlines()[0]
    assert not untold
