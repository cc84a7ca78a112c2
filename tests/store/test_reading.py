"""Reading a store: what `open_sweep` shows of points, holes, missing blocks, ragged dimensions and labels."""

import importlib
import pickle

import numpy as np
import pytest

from pipeline.errors import Damaged
from pipeline.execution import compute_block
from pipeline.plan import make_plan, requested_part
from pipeline.store import open_store, open_sweep, read, settings_of
from tests.command import default
from tests.contents import fill
from tests.store.small import LARGE, SMALL, file_all, jobs_of, kept, made, wanted

EIGHT = "ensemble.members=8"


def part_of(sweep, path):
    """The part of a store that a request asks for."""
    return requested_part(make_plan(sweep, path, open_store(path), "stop"))


# --- requests smaller than the store ----------------------------------------------------------------------------


def test_a_smaller_request_deletes_nothing_and_its_figures_show_it_alone(sweep, copy_of):
    path = copy_of("large")
    before = kept(path)
    smaller = sweep("axes.T.values=[3,1]", "ensemble.members=5")
    assert fill(smaller, path) == []
    assert kept(path) == before
    part = part_of(smaller, path)
    assert dict(part.sizes) | {"T": 2, "member": 5} == dict(part.sizes)
    assert part["T"].values.tolist() == [1, 3]
    assert part.equals(open_sweep(path).isel(member=slice(5)).sel(T=[1, 3]))
    assert (part["status"] > 0).all()


def test_figures_of_a_request_with_points_new_to_the_store_show_those_that_are_there(sweep, copy_of):
    path = copy_of("large")
    part = part_of(sweep("axes.T.values=[2,3,4]", EIGHT), path)
    there = part.where(part["status"] > 0, drop=True)
    assert there["T"].values.tolist() == [2, 3]
    assert there.sizes["member"] == 8


def test_figures_of_pairs_show_them_also_from_a_store_that_was_made_as_a_grid(sweep, copy_of):
    path = copy_of("large")
    pairs = sweep("sampling.method=zip", "axes.T.values=[3,1]")
    assert fill(pairs, path) == []
    part = part_of(pairs, path)
    assert part["status"].dims == ("point", "member")
    assert part["T"].values.tolist() == [1, 3]


def test_figures_of_a_grid_show_it_also_from_a_store_that_was_made_of_pairs(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("sampling.method=zip", "axes.T.values=[1,1,2]", "axes.eta.values=[3,4,3]"), path)
    grid = sweep("axes.T.values=[2,1]", "axes.eta.values=[3]")
    assert fill(grid, path) == []
    part = part_of(grid, path)
    assert part["status"].dims == ("T", "eta", "member")
    assert (part["T"].values.tolist(), part["eta"].values.tolist()) == ([1, 2], [3])


# --- what is not there ------------------------------------------------------------------------------------------


def numbers_of(path, row):
    """Every variable of a point, by the row of its arrival."""
    store, members = open_store(path), np.arange(open_store(path).layout.members)
    return {name: read(store, name, np.array([row]), members)[0] for name in store.layout.hashed}


def test_axes_are_sorted_whatever_the_order_of_arrival(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.T.values=[3,1]", EIGHT), path)
    fill(sweep("axes.T.values=[2]", EIGHT), path)
    shown, points = open_sweep(path), open_store(path).points()
    assert shown["T"].values.tolist() == [1, 2, 3]
    for row, (T,) in enumerate(points):
        for name, numbers in numbers_of(path, row).items():
            assert shown[name].sel(T=T).values.tobytes() == numbers.tobytes()


def test_holes_of_a_grid_have_status_0_and_nan(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.T.values=[1,2]", "axes.eta.values=[1]", EIGHT), path)
    fill(sweep("axes.T.values=[2]", "axes.eta.values=[3]", EIGHT), path)
    shown = open_sweep(path)
    assert shown.sizes["T"] == shown.sizes["eta"] == 2
    assert shown["status"].dtype == np.uint8
    assert (shown["status"] > 0).all("member").sel(T=1).values.tolist() == [True, False]
    assert (shown["status"] > 0).all("member").sel(T=2).values.tolist() == [True, True]
    hole = shown.sel(T=1, eta=3)
    assert (hole["status"] == 0).all()
    for name, variable in hole.data_vars.items():
        assert name == "status" or variable.isnull().all(), name
    for row, (T, eta) in enumerate(open_store(path).points()):
        for name, numbers in numbers_of(path, row).items():
            assert shown[name].sel(T=T, eta=eta).values.tobytes() == numbers.tobytes(), name


def test_holes_of_a_grid_have_no_recorded_iterations(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.iterations.values=[40,8]", "axes.eta.values=[1]", EIGHT), path)
    fill(sweep("~axes.T", "axes.iterations.values=[8]", "axes.eta.values=[3]", EIGHT), path)
    hole = open_sweep(path).sel(iterations=40, eta=3)
    assert (hole["status"] == 0).all()
    assert hole["iteration_at"].isnull().all()


def test_blocks_not_computed_have_status_0_and_nan(sweep, copy_of):
    path = copy_of("small")
    large = sweep(*LARGE)
    wanted(path, large)
    compute_block(jobs_of(large, path)[0])  # the first block of T=3
    shown = open_sweep(path)
    missing = shown["status"] == 0
    assert missing.sum("member").values.tolist() == [8, 8, 8]
    assert not missing.sel(T=3).isel(member=slice(8)).any()
    for name, variable in shown.data_vars.items():
        if name != "status":
            of_others = [dim for dim in variable.dims if dim not in missing.dims]
            assert (variable.isnull().all(of_others) == missing).all()


def test_points_that_were_never_asked_for_are_not_shown(sweep, copy_of):
    path = copy_of("small")
    made(path, sweep(*LARGE))
    assert open_store(path).n_points == 3
    assert open_sweep(path)["T"].values.tolist() == [1, 2]
    assert open_sweep(path, all_members=True)["T"].values.tolist() == [1, 2]


def test_a_store_of_which_nothing_was_asked_for_opens_empty(templates):
    for options in ({}, {"chunks": {}}, {"layout": "points"}, {"all_members": True}):
        shown = open_sweep(templates / "empty", **options).load()
        assert 0 in shown["status"].shape


def test_a_sweep_without_axes_has_members_alone(sweep, tmp_path):
    path, none = tmp_path / "a.zarr", ("~axes.T", "settings.T=2", "settings.trace_duration=1")
    defined = sweep(*none)
    assert len(fill(defined, path)) == 2
    assert fill(defined, path) == []
    for layout in (None, "grid", "points"):
        shown = open_sweep(path, layout=layout)
        assert shown["status"].dims == ("member",)
        assert shown["final_trace"].dims == ("member", "time")
        assert np.allclose(shown["time"], 0.05 * np.arange(1, 21))
    assert len(fill(sweep(*none, "ensemble.members=24"), path)) == 1
    assert open_sweep(path).sizes["member"] == 24


# --- dimensions that differ from point to point -------------------------------------------------------------------


def test_iterations_as_an_axis_pad_shorter_records(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.iterations.values=[40,3]", EIGHT), path)
    shown = open_sweep(path)
    assert shown["iteration_at"].dims == ("iterations", "iteration")
    assert shown["iteration_at"].sel(iterations=40).values.tolist() == [0, 10, 20, 29, 39]
    assert np.array_equal(shown["iteration_at"].sel(iterations=3), [0, 1, 2, np.nan, np.nan], equal_nan=True)
    assert np.isfinite(shown["order_parameter"].sel(iterations=40)).all()
    short = shown["order_parameter"].sel(iterations=3).transpose("member", "iteration")
    assert np.isfinite(short.values).all(axis=0).tolist() == [True] * 3 + [False] * 2
    assert np.isfinite(shown["weight"]).all()


def test_oscillators_as_an_axis_pad_smaller_systems(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.oscillators.values=[2,3]", EIGHT), path)
    shown = open_sweep(path)
    assert (shown.sizes["edge"], shown.sizes["oscillator"]) == (3, 3)
    for N, pairs in ((2, 1), (3, 3)):
        of_size = shown.sel(oscillators=N)
        assert np.isfinite(of_size["weight"]).all("member").values.tolist() == [k < pairs for k in range(3)]
        assert np.isfinite(of_size["phase"]).all("member").values.tolist() == [k < N for k in range(3)]
        assert np.isfinite(of_size["edge_at"]).values.tolist() == [k < pairs for k in range(3)]
    assert np.isfinite(shown["order_parameter"]).all()


# --- labels ---------------------------------------------------------------------------------------------------------

LABELS = {
    "frequencies": ("[[0.5,-0.5],null]", ["[0.5, -0.5]", "null"], ("settings.oscillators=2",)),
    "error": ("[square,absolute]", ["absolute", "square"], ("system=network",)),
}


@pytest.mark.parametrize("axis", LABELS)
@pytest.mark.parametrize("method", ["product", "zip"])
def test_labels_of_an_axis_are_read_as_strings(method, axis, sweep, tmp_path):
    values, labels, overrides = LABELS[axis]
    path = tmp_path / "a.zarr"
    defined = sweep("~axes.T", f"axes.{axis}.values={values}", f"sampling.method={method}", EIGHT, *overrides)
    fill(defined, path)
    assert fill(defined, path) == []
    name = open_store(path).coordinate_names[axis]
    for options in ({}, {"chunks": {}}, {"layout": "points"}):
        shown = open_sweep(path, **options)
        assert shown[name].values.tolist() == labels
        assert shown[name].dtype.kind == "U"
        of_label = shown.swap_dims(point=name) if "point" in shown.dims else shown
        for label in labels:
            row = open_store(path).columns[axis].tolist().index(label)
            expected = numbers_of(path, row)["status"]
            assert of_label.sel({name: label})["status"].values.tolist() == expected.tolist()


# --- what they are ----------------------------------------------------------------------------------------------------


def test_variables_and_axes_say_what_they_are(templates):
    shown = open_sweep(templates / "large")
    assert shown["T"].attrs == {"long_name": "T", "units": "time", "symbol": "T"}
    for name, variable in shown.data_vars.items():
        assert variable.attrs["long_name"], name
    assert shown["phase"].attrs["units"] == "rad"
    assert settings_of(shown)["eta"] == default("eta")
    assert all(isinstance(value, str | int) for value in shown.attrs.values())


def test_reading_with_dask_chunks_gives_the_same_numbers(templates):
    lazy = open_sweep(templates / "large", chunks={})
    assert lazy["order_parameter"].chunks is not None
    assert lazy.equals(open_sweep(templates / "large"))


def test_pending_blocks_are_shown_beside_those_that_are_filed(sweep, copy_of, templates):
    path = copy_of("small")
    fill(sweep(*LARGE), path, file=False)
    assert len(open_store(path).pending) == 4
    for options in ({}, {"chunks": {}}, {"layout": "points"}):
        assert open_sweep(path, **options).equals(open_sweep(templates / "large", **options))


def test_a_dataset_that_was_opened_before_its_blocks_were_filed_reads_them_all_the_same(sweep, copy_of, templates):
    path = copy_of("small")
    fill(sweep(*LARGE), path, file=False)
    lazy = open_sweep(path)
    file_all(path)
    assert lazy.equals(open_sweep(templates / "large"))


def test_a_store_that_was_exchanged_for_another_since_it_was_opened_is_refused(sweep, copy_of, tmp_path):
    path = copy_of("small")
    lazy = open_sweep(path)
    path.rename(tmp_path / "away.zarr")
    fill(sweep(*SMALL, "ensemble.seed=2"), path)
    with pytest.raises(Damaged, match=r"a\.zarr"):
        lazy.load()


@pytest.mark.parametrize("later", [("axes.T.values=[2,1]",), ("axes.T.values=[1,3,2]",), ("axes.T.values=[1]",)])
def test_a_store_of_the_same_sweep_with_other_rows_is_refused_by_a_dataset_of_the_first(
    later, sweep, copy_of, tmp_path
):
    """Its numbers would be shown under the points that had those rows."""
    path = copy_of("small")
    lazy = open_sweep(path)
    passed_on = pickle.dumps(lazy)
    path.rename(tmp_path / "away.zarr")
    fill(sweep("axes.T.values=[1,2]", *later, "ensemble.members=8"), path)
    with pytest.raises(Damaged, match=r"a\.zarr"):
        lazy.load()
    with pytest.raises(Damaged, match=r"a\.zarr"):
        pickle.loads(passed_on).load()


def test_a_dataset_is_read_whatever_the_working_directory_is_by_then(copy_of, templates, tmp_path, monkeypatch):
    path = copy_of("small")
    monkeypatch.chdir(path.parent)
    lazy = open_sweep(path.name)
    monkeypatch.chdir(tmp_path.parent)
    assert pickle.loads(pickle.dumps(lazy)).load().equals(open_sweep(templates / "small").load())
    assert lazy.load().equals(open_sweep(templates / "small").load())


def test_blocks_that_are_filed_again_and_again_while_they_are_read_are_found(sweep, tmp_path, monkeypatch):
    """A reader looks once more, and what it then sees waiting is filed before it has read it, too."""
    path = tmp_path / "a.zarr"
    fill(sweep(*SMALL), path, file=False)
    before, waiting = open_sweep(path).load(), open_store(path)
    lazy = open_sweep(path)
    file_all(path)
    looks = iter([waiting])
    arrays = importlib.import_module("pipeline.store.arrays")
    now = arrays.open_store
    monkeypatch.setattr(arrays, "open_store", lambda at: next(looks, None) or now(at))
    assert lazy.load().identical(before)
    assert next(looks, None) is None, "it never looked again"
