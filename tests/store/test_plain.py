"""Stores as plain Zarr and xarray read them: what is filed, without a warning."""

import subprocess
import sys

import numpy as np
import pytest
import xarray
import zarr

from pipeline.store import open_store, open_sweep
from pipeline.store.layout import BOOKKEEPING
from tests.command import ROOT
from tests.contents import fill
from tests.store.small import LARGE, SMALL, file_all

EIGHT = "ensemble.members=8"


def plain(path):
    """A store as xarray reads it without our help; warnings are errors here."""
    return xarray.open_zarr(path, consolidated=False)


REQUESTS = {
    "a grid of one axis": LARGE,
    "a grid of two": ("axes.eta.values=[2,1]", *SMALL),
    "pairs": ("sampling.method=zip", "axes.eta.values=[2,1]", *SMALL),
    "no axis": ("~axes.T", "settings.trace_duration=0.5", EIGHT),
    "records of two lengths": ("~axes.T", "axes.iterations.values=[8,3]", EIGHT),
    "systems of two sizes": ("~axes.T", "axes.oscillators.values=[2,3]", EIGHT),
    "labels": ("~axes.T", "axes.frequencies.values=[[0.5,-0.5],null]", "settings.oscillators=2", EIGHT),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_plain_xarray_reads_what_open_sweep_reads_without_warnings(case, sweep, tmp_path):
    path, defined = tmp_path / "a.zarr", sweep(*REQUESTS[case])
    fill(defined, path)
    raw, shown = plain(path), open_sweep(path, layout="points")
    store = open_store(path)
    assert set(store.coordinate_names.values()) <= set(raw.coords)
    assert set(raw.data_vars) - {*BOOKKEEPING, "asked"} == set(shown.data_vars)
    columns = [np.unique(store.columns[axis], return_inverse=True)[1] for axis in reversed(store.axes)]
    of_points = raw.isel(point=np.lexsort(columns) if columns else 0)
    for name, variable in shown.variables.items():
        if name != "member":
            there, is_number = of_points[name], variable.dtype.kind == "f"
            assert variable.dims == there.dims, name
            assert np.array_equal(variable.values.astype(there.dtype), there.values, equal_nan=is_number), name
            assert variable.attrs.get("long_name") == there.attrs.get("long_name")


def test_labels_are_strings_on_disk(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep(*REQUESTS["labels"]), path)
    array = zarr.open_group(path, mode="r", use_consolidated=False)["frequencies"]
    assert array.metadata.data_type.to_json(zarr_format=3) == "string"
    assert list(array[:]) == ["[0.5, -0.5]", "null"]


def test_points_keep_the_order_of_their_arrival(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    fill(sweep("axes.T.values=[3,1]", EIGHT), path)
    fill(sweep("axes.T.values=[2]", EIGHT), path)
    assert plain(path)["T"].values.tolist() == [3, 1, 2]
    assert [T for (T,) in open_store(path).points()] == [3, 1, 2]


def test_what_waits_to_be_filed_is_missing(sweep, copy_of):
    path = copy_of("small")
    fill(sweep(*LARGE), path, file=False)
    assert (plain(path)["status"] > 0).sum() == 16
    file_all(path)
    assert (plain(path)["status"] > 0).all()


@pytest.mark.parametrize("name", ["order_parameter", "final_error", "weight", "status", "digest", "hashes"])
def test_a_flipped_byte_raises(name, copy_of):
    path = copy_of("small")
    (chunk,) = (path / name).glob("c.*")
    content = chunk.read_bytes()
    for k in {0, len(content) // 2, len(content) - 1}:
        chunk.write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        with pytest.raises((ValueError, RuntimeError)):
            plain(path)[name].load()


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
