"""What is done with a Dataset that `open_sweep` gives: layouts, files of other formats, tables, selection, memory."""

import pickle
import tracemalloc

import numpy as np
import pytest
import xarray

from pipeline.errors import RequestError
from pipeline.store import open_store, open_sweep
from pipeline.store.files import Folder
from tests.contents import fill

EIGHT = "ensemble.members=8"
PAIRS = ("sampling.method=zip", EIGHT)
each_way = pytest.mark.parametrize(
    "options", [{}, {"chunks": {}}, {"layout": "points"}, {"layout": "grid", "chunks": {"member": 5}}], ids=str
)


@pytest.fixture(scope="module")
def holes(sweep, tmp_path_factory):
    """A store of three of the points of a 2 × 2 grid."""
    path = tmp_path_factory.mktemp("holes") / "a.zarr"
    fill(sweep("axes.T.values=[2,1]", "axes.eta.values=[1]", "ensemble.members=12"), path)
    fill(sweep("axes.T.values=[2]", "axes.eta.values=[3]", EIGHT), path, file=False)
    return path


# --- layouts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("Ts", "etas", "is_grid"),
    [
        ([2, 1], [1, 2], True),  # 2 of 4
        ([3, 1, 2], [1, 3, 2], False),  # 3 of 9
        ([1, 1, 2], [1, 2, 1], True),  # 3 of 4
        ([1, 2, 3, 1], [1, 2, 2, 2], True),  # 4 of 6
        ([1, 2, 3, 4, 1], [1, 2, 3, 3, 3], False),  # 5 of 12
    ],
)
def test_points_that_fill_half_of_their_grid_open_as_a_grid(Ts, etas, is_grid, sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep(*PAIRS, f"axes.T.values={Ts}", f"axes.eta.values={etas}"), path)
    points = sorted(zip(map(float, Ts), map(float, etas), strict=True))
    assert open_sweep(path)["status"].dims == (("T", "eta", "member") if is_grid else ("point", "member"))
    along = open_sweep(path, layout="points")
    assert list(zip(along["T"].values.tolist(), along["eta"].values.tolist(), strict=True)) == points
    grid = open_sweep(path, layout="grid")
    assert (grid["T"].values.tolist(), grid["eta"].values.tolist()) == (sorted(set(Ts)), sorted(set(etas)))
    for k, (T, eta) in enumerate(points):
        for name in grid.data_vars:
            assert grid[name].sel(T=T, eta=eta).values.tobytes() == along[name].isel(point=k).values.tobytes()
    holes = len(set(Ts)) * len(set(etas)) - len(points)
    assert int((grid["status"] == 0).all("member").sum()) == holes


def test_points_of_latin_hypercubes_open_along_point(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    hypercube = sweep(
        "sampling.method=latin_hypercube",
        "sampling.points=5",
        "axes.eta.values=[4,6]",
        "axes.T.values=[1,2]",
        EIGHT,
    )
    fill(hypercube, path)
    shown = open_sweep(path)
    assert shown["status"].dims == ("point", "member")
    assert list(zip(shown["T"].values, shown["eta"].values, strict=True)) == sorted(hypercube.points)


def test_another_layout_is_refused(holes):
    with pytest.raises(RequestError, match=r'^layout: expected "grid" or "points", got \'cube\'$'):
        open_sweep(holes, layout="cube")


# --- other formats ------------------------------------------------------------------------------------------------


@each_way
def test_a_dataset_goes_to_netcdf_and_back(options, holes, tmp_path):
    shown = open_sweep(holes, **options)
    shown.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf", mask_and_scale=False) as back:
        assert_same(back.load(), shown)


def test_a_dataset_with_labels_goes_to_netcdf_and_back(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("~axes.T", "axes.frequencies.values=[[0.5,-0.5],null]", "settings.oscillators=2", EIGHT), path)
    open_sweep(path).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf", mask_and_scale=False) as back:
        assert back["frequencies"].values.tolist() == ["[0.5, -0.5]", "null"]
        assert_same(back.load().drop_vars("frequencies"), open_sweep(path).drop_vars("frequencies"))


def assert_same(back, shown):
    """Assert that what came back is what was shown: numbers bit for bit, dimensions, names and attributes."""
    assert set(back.variables) == set(shown.variables)
    assert set(back.coords) == set(shown.coords)
    assert dict(back.attrs) == dict(shown.attrs)
    for name, variable in shown.variables.items():
        assert back[name].dims == variable.dims
        assert back[name].dtype == variable.dtype, name
        assert back[name].values.tobytes() == variable.values.tobytes(), name
        there = {key: value for key, value in back[name].attrs.items() if key != "_FillValue"}
        assert there.keys() == variable.attrs.keys(), name
        for key, value in variable.attrs.items():
            assert np.array_equal(there[key], value), (name, key)


@each_way
def test_a_dataset_becomes_a_table_with_a_row_for_every_combination(options, holes):
    shown = open_sweep(holes, **options)
    whole = shown.load()
    table = shown.drop_dims([dim for dim in shown.dims if dim not in shown["status"].dims]).to_dataframe()
    assert len(table) == shown["status"].size
    assert table["final_error"].to_numpy().tobytes() == whole["final_error"].values.tobytes()
    every = shown.to_dataframe()
    assert len(every) == np.prod(list(shown.sizes.values()))
    assert int((every["status"] > 0).sum()) == 32 * len(every) // shown["status"].size


# --- computing with it --------------------------------------------------------------------------------------------


@each_way
def test_where_keeps_what_was_computed(options, holes):
    shown = open_sweep(holes, **options)
    kept = shown["final_error"].where(shown["status"] == 1)
    assert int(kept.notnull().sum()) == 32
    assert float(kept.sum()) == pytest.approx(np.nansum(shown["final_error"].values))


@each_way
def test_groups_are_those_of_the_values_of_an_axis(options, holes):
    shown = open_sweep(holes, **options)
    means = shown["final_error"].groupby("T").mean(...)
    for T in (1.0, 2.0):
        of_T = shown.load()["final_error"].values[shown["T"].values == T]
        assert float(means.sel(T=T)) == pytest.approx(np.nanmean(of_T))


@each_way
def test_a_dataset_is_pickled_without_its_numbers_and_reads_on(options, holes):
    shown = open_sweep(holes, **options)
    pickled = pickle.dumps(shown)
    assert len(pickled) < 100_000
    assert pickle.loads(pickled).identical(shown)


# --- how much is read -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_path(sweep, tmp_path_factory):
    """A store of 4 points × 8 blocks, about 2 MB of series."""
    path = tmp_path_factory.mktemp("long") / "a.zarr"
    long = ("settings.iterations=1000", "store.records=1000", "ensemble.members=64")
    fill(sweep(*long, "axes.T.values=[1,2,3,4]"), path)
    return path


@pytest.fixture
def bytes_read(monkeypatch):
    """Bytes that are read of files of a series from here on, one number a reading."""
    read_at, counts = Folder.read_at, []

    def counted(self, name, start, count):
        content = read_at(self, name, start, count)
        if name.startswith("order_parameter/"):
            counts.append(len(content))
        return content

    monkeypatch.setattr(Folder, "read_at", counted)
    return counts


def test_only_the_blocks_that_are_asked_for_are_read(long_path, bytes_read):
    shown = open_sweep(long_path)["order_parameter"]
    assert bytes_read == []
    size = sum(file.stat().st_size for file in (long_path / "order_parameter").glob("c.*"))
    shown.sel(T=2).isel(member=slice(8)).load()
    of_one = sum(bytes_read)
    assert 0 < of_one < 1.3 * size / 32 + 40_000  # the index of a tile beside
    bytes_read.clear()
    shown.isel(member=slice(0)).load()
    assert bytes_read == []
    shown.sel(T=[2, 4]).load()
    assert size / 2 * 0.7 < sum(bytes_read) < size / 2 * 1.3 + 40_000


def test_memory_is_taken_for_what_is_read(long_path):
    shown = open_sweep(long_path)
    everything = shown["order_parameter"].nbytes
    assert everything == 8 * 4 * 64 * 1000
    for part in ({"T": 1, "member": 3}, {"T": 1, "member": slice(8)}, {"T": 1}, {}):
        lazy = shown["order_parameter"].isel(part)
        tracemalloc.start()
        lazy.values  # noqa: B018
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * max(lazy.nbytes, 8 * 8 * 1000) + 400_000, part


def test_a_sparse_grid_takes_no_memory_of_its_own(sweep, tmp_path):
    """40 points in a grid of 40 × 40: 100 MB of numbers, nearly all NaN."""
    path = tmp_path / "a.zarr"
    values = [k + 1 for k in range(40)]
    long = ("settings.iterations=1000", "store.records=1000", EIGHT)
    fill(
        sweep(*PAIRS, *long, f"axes.T.values={values}", f"axes.eta.values={[value / 100 for value in values]}"),
        path,
    )
    tracemalloc.start()
    shown = open_sweep(path, layout="grid")
    one = shown["order_parameter"].sel(T=7, eta=0.07).values
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shown["order_parameter"].nbytes > 100_000_000
    assert np.isfinite(one).all()
    assert peak < 5_000_000
    assert open_store(path).n_points == 40
