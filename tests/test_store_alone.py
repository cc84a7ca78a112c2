"""Stores told of and handed on: lists, histories, exports; of a store alone, and of what a sweep asks for."""

import csv
import json
import math
import os
import re
import resource
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

import pipeline
from pipeline.__main__ import exit_code
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, Damaged
from pipeline.plan.listing import Listed, Listing
from pipeline.store import exporting, only_driver, open_store, open_sweep
from tests.command import run
from tests.contents import block_bytes, files
from tests.tiny_store import LARGE, MORE_POINTS, SMALL, arguments, assert_true, copied, fill

SCATTERED = (
    "axes.T.values=[4,3,2,1]", "axes.n.values=[1,2,3,4]", "axes.mode.values=[up,up,down,up]", "sampling.method=zip",
)  # fmt: skip
KINDS = (".nc", ".csv", ".zarr.zip")
RECORD = {"command": "a command", "started": "2026-01-02T03:04:05+00:00", "state": "running", "failed": []}
TOLD = {"missing": 0, "computed": 1, "diverged": 2}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """`whole.zarr`, which two runs filled; `part.zarr`, grown, with blocks that wait and others that are missing."""
    folder = tmp_path_factory.mktemp("stores")
    for more in (SMALL, MORE_POINTS):
        assert exit_code(arguments(folder, *more, "store.name=whole")) == COMPLETE
    copied(folder / "whole.zarr", folder / "part.zarr")
    fill(folder / "part.zarr", *LARGE, most=12, file=False)
    return folder


@pytest.fixture
def folder(stores, tmp_path):
    """A folder with copies of the stores."""
    return copied(stores, tmp_path / "data")


@pytest.fixture(scope="module")
def exports(stores, tmp_path_factory):
    """Both stores, exported in every way."""
    folder = tmp_path_factory.mktemp("exports")
    for name in ("whole", "part"):
        for kind in KINDS:
            assert exit_code(export(stores / f"{name}.zarr", folder / f"{name}{kind}")) == COMPLETE
    return folder


def export(path, to, *overrides):
    return [f"path={path}", "action=export", f"to={to}", *overrides]


def refused(ended, code, *parts):
    """Assert that a command ended in one line that says some things."""
    assert (ended.code, ended.out) == (code, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert str(part) in line


# --- list -------------------------------------------------------------------------------------------------


def rows(text):
    """The lines of a list, taken apart: name → cells."""
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}


@pytest.mark.parametrize("where", ["store.root", "path"])
def test_a_list_has_a_line_for_every_store_of_a_folder_and_needs_no_sweep(where, stores, main):
    ended = main(["action=list", f"{where}={stores}"])
    assert (ended.code, ended.err) == (COMPLETE, "")
    found = rows(ended.out)
    assert list(found) == ["store", "part.zarr", "whole.zarr"]
    assert found["part.zarr"][:4] == ["stub_tiny", "T, n, mode", "12 × 7", "50%"]  # 24 of 48 blocks
    assert found["whole.zarr"][:4] == ["stub_tiny", "T, n, mode", "6 × 4", "100%"]
    on_disk = [path.stat().st_size for path in (stores / "whole.zarr").rglob("*") if path.is_file()]
    size, unit = found["whole.zarr"][4].split()
    assert float(size) * {"kB": 1e3, "MB": 1e6}[unit] == pytest.approx(sum(on_disk), rel=0.01)
    assert found["whole.zarr"][5] == str(len(on_disk))
    last = open_store(stores / "whole.zarr").runs()[-1]
    assert found["whole.zarr"][6] == f"ended {last['ended'][:16].replace('T', ' ')}"


def test_a_list_is_of_the_root_of_a_sweep_and_of_a_store_by_itself(stores, main):
    everything = main(["action=list", f"path={stores}"]).out
    assert main(arguments(stores, "action=list")).out == everything
    assert list(rows(main(["action=list", f"path={stores / 'part.zarr'}"]).out)) == ["store", "part.zarr"]


def test_what_is_no_store_or_a_damaged_one_is_told_in_a_line_and_hides_no_other(folder, main):
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("mine")
    copied(folder / "whole.zarr", folder / "lost.zarr")
    (folder / "lost.zarr" / "digest" / "c.0.0").unlink()
    copied(folder / "whole.zarr", folder / "rootless.zarr")
    (folder / "rootless.zarr" / "zarr.json").unlink()
    copied(folder / "whole.zarr", folder / "records.zarr")
    (folder / "records.zarr" / "runs" / "000001.json").write_text("{}")
    for name, attributes in (("old", {"schema": 2, "fingerprint": {}}), ("foreign", {})):
        (folder / f"{name}.zarr").mkdir()
        (folder / f"{name}.zarr" / "zarr.json").write_text(json.dumps({"attributes": attributes}))
    copied(folder / "whole.zarr", folder / "deeper" / "inner.zarr")
    (folder / "no.zarr.zip").write_bytes(b"no archive")
    (folder / "dead.zarr").symlink_to("nowhere")
    (folder / "two\nlines").mkdir()
    ended = main(["action=list", f"path={folder}"])
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert list(rows(ended.out)) == ["store", "part.zarr", "whole.zarr"]
    told = dict(line.split(": ", 1) for line in ended.out.splitlines()[3:])
    expected = {
        "empty": "no store: it has no zarr.json", "lost.zarr": "digest/c.0.0",
        "rootless.zarr": "zarr.json: lost", "records.zarr": "runs/000001.json",
        "dead.zarr": "a link to nothing", "two lines": "no store", "old.zarr": "schema 3, got 2",
        "foreign.zarr": "another Zarr group", "no.zarr.zip": "a zip archive of one",
        "deeper": "no store: it has no zarr.json; stores are in it, see action=list",
    }  # fmt: skip
    assert told.keys() == expected.keys()
    assert [name for name in expected if expected[name] not in told[name]] == []
    assert all(len(line) <= 120 for line in ended.out.splitlines())


def test_a_store_at_work_and_one_whose_driver_was_killed_are_told_apart(folder, main):
    path = folder / "whole.zarr"
    open_store(path).log_run("000003", RECORD)
    with only_driver(path):
        assert rows(main(["action=list", f"path={path}"]).out)["whole.zarr"][-1] == "running, 2026-01-02 03:04"
        assert "UTC, running: 0 blocks computed" in main([f"path={path}", "action=history"]).out
    assert rows(main(["action=list", f"path={path}"]).out)["whole.zarr"][-1] == "killed, 2026-01-02 03:04"
    assert "UTC, killed: 0 blocks computed" in main([f"path={path}", "action=history"]).out


def test_a_history_counts_what_killed_runs_added_by_what_the_next_one_found(folder, main):
    path = folder / "whole.zarr"
    store = open_store(path)
    for name, stored in (("000003", 5), ("000004", 6), ("000005", 9)):
        store.log_run(name, RECORD | {"blocks_stored": stored})
    store.log_run("000006", RECORD | {"state": "merged", "ended": RECORD["started"], "blocks_taken": 2})
    computed = re.findall(
        r"(\w+)(?: in 0 s)?: (\d+) blocks? (?:computed|taken)", main([f"path={path}", "action=history"]).out
    )
    assert computed[2:] == [("killed", "1"), ("killed", "3"), ("killed", "1"), ("merged", "2")]


def test_what_a_terminal_can_not_show_is_a_question_mark(folder):
    (folder / "whole.zarr").rename(folder / os.fsdecode(b"ma\xdfstab.zarr"))
    for encoding, sign in (("ascii", "?"), ("utf-8", "×")):
        ended = run(["action=list", f"path={folder}"], PYTHONIOENCODING=encoding)
        assert (ended.returncode, ended.stderr) == (COMPLETE, "")
        assert f"6 {sign} 4" in ended.stdout
        assert ended.stdout.count("stab.zarr") == 1


def test_a_list_of_nothing_says_so(tmp_path, monkeypatch, main):
    monkeypatch.chdir(tmp_path)
    refused(main(["action=list"]), CONFIG_WRONG, "data: expected a folder of stores, got nothing")
    (tmp_path / "data").mkdir()
    ended = main(["action=list"])
    assert (ended.code, ended.out, ended.err) == (COMPLETE, "data: no stores\n", "")


def test_a_table_fits_a_screen_and_cuts_no_number():
    store = Listed(
        Path("a_name_of_a_store_that_goes_on_and_on_until_nobody_reads_it.zarr"), "a_system_with_a_very_long_name",
        tuple(f"axis_{k}" for k in range(20)), 1_000_000, (8, 100_000), 0.99999, 123_456_789_000, 1_234_567,
        "interrupted 2026-01-02 03:04", False,
    )  # fmt: skip
    lines = str(Listing(Path("data"), [store], {Path("b"): "what is wrong " * 20})).splitlines()
    assert [len(line) <= 120 for line in lines] == [True] * 3
    assert all(cell in lines[1] for cell in ("1000000 × 8 … 100000", " 99% ", "123 GB", "1234567", store.last_run))


# --- history ----------------------------------------------------------------------------------------------


def test_a_history_tells_every_run_in_order_with_its_command(stores, main):
    path = stores / "whole.zarr"
    ended = main([f"path={path}", "action=history"])
    assert (ended.code, ended.err) == (COMPLETE, "")
    title, first, command, second, other = ended.out.splitlines()
    assert title == f"{path}: 2 runs"
    records = open_store(path).runs()
    for number, line, record, blocks in ((1, first, records[0], 8), (2, second, records[1], 4)):
        began = record["started"][:16].replace("T", " ")
        assert line.startswith(f"{number}  {began} UTC, ended in ")
        assert f": {blocks} blocks computed" in line
        assert ("commit" in line) == (record["commit"] is not None)
        assert ("edited" in line) == bool(record["dirty"])
    assert (command.strip(), other.strip()) == (records[0]["command"], records[1]["command"])
    assert main(arguments(stores, "store.name=whole", "action=history")).out == ended.out


def test_a_history_tells_merges_failures_and_hosts_by_the_numbers_of_the_records(folder, main):
    path = folder / "merged.zarr"
    merge = arguments(folder, "store.name=merged", "action=merge", f"source={folder / 'whole.zarr'}")
    assert main(merge).code == COMPLETE
    workers = [{"hosts": ["node2", "node1"]}, {"hosts": ["node3", "node1"]}]
    ended = {
        "state": "interrupted",
        "ended": "2026-01-02T03:06:10+00:00",
        "blocks_computed": 5,
        "commit": "f" * 40,
    }
    (path / "runs" / "000001.json").rename(path / "runs" / "000011.json")
    open_store(path).log_run("000012", RECORD | ended | {"workers": workers, "failed": ["a", "b"], "dirty": True})
    lines = main([f"path={path}", "action=history"]).out.splitlines()
    assert re.match(rf"11  .* UTC, merged in .*: 12 blocks taken over from {folder / 'whole.zarr'}", lines[1])
    assert lines[3] == (
        "12  2026-01-02 03:04 UTC, interrupted in 2 min 05 s: 5 blocks computed, 2 failed, commit ffffffffffff, "
        "edited, on node1, node2, node3"
    )


def test_a_history_needs_a_store_whose_records_can_be_read(folder, main):
    refused(
        main([f"path={folder / 'none.zarr'}", "action=history"]), CONFIG_WRONG, folder / "none.zarr", "nothing"
    )
    record = folder / "whole.zarr" / "runs" / "000002.json"
    record.write_text(record.read_text().replace("ended", "eaten"))
    refused(main([f"path={folder / 'whole.zarr'}", "action=history"]), BLOCKS_FAILED, record)


# --- export: what is in it --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whole", "part"])
def test_netcdf_has_the_numbers_of_the_store_as_they_are(name, stores, exports):
    with xarray.open_dataset(exports / f"{name}.nc", engine="h5netcdf") as found:
        assert_true(found.load())
        expected = open_sweep(stores / f"{name}.zarr").load()
        xarray.testing.assert_equal(found, expected)
        assert {key: value.dtype for key, value in found.variables.items()} == {
            key: value.dtype for key, value in expected.variables.items()
        }


def test_netcdf_follows_the_cf_conventions(exports):
    with xarray.open_dataset(exports / "part.nc", engine="h5netcdf", decode_cf=False) as found:
        assert found.attrs["Conventions"] == "CF-1.9"
        assert "action=export" in found.attrs["history"]
        assert "part.nc.json" in found.attrs["source"]
        for name, variable in found.variables.items():
            assert variable.attrs["long_name"]
            assert name == "status" or variable.attrs["units"]
            assert "_FillValue" not in variable.attrs or name not in found.dims
        status = found["status"]
        assert status.attrs["flag_meanings"].split() == list(TOLD)
        assert status.attrs["flag_values"].tolist() == list(TOLD.values())
        assert status.attrs["flag_values"].dtype == status.dtype
        assert found["profile"].attrs["coordinates"] == "site_at"


@pytest.mark.parametrize("name", ["whole", "part"])
def test_a_table_has_a_line_for_every_point_and_member_with_its_numbers(name, stores, exports):
    content = (exports / f"{name}.csv").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n")
    head, *lines = csv.reader(content.decode().splitlines())
    assert head == ["T", "n", "mode", "member", "status", "value"]
    dataset = open_sweep(stores / f"{name}.zarr").load()
    assert len(lines) == dataset["status"].size
    for line, (T, n, mode, member) in zip(lines, np.ndindex(dataset["status"].shape), strict=True):  # sorted
        here = dataset.isel(T=T, n=n, mode=mode, member=member)
        assert [float(line[0]), int(line[1]), line[2], int(line[3])] == [here[axis].item() for axis in head[:4]]
        assert TOLD[line[4]] == here["status"].item()
        value = here["value"].item()
        assert line[5] == "" if math.isnan(value) else float(line[5]) == value


def test_a_table_is_written_some_points_at_a_time(stores, exports, tmp_path, monkeypatch, main):
    asked, read = [], exporting.read
    monkeypatch.setattr(exporting, "_GROUP_BYTES", 1)
    monkeypatch.setattr(exporting, "read", lambda *of: (asked.append(len(of[2])), read(*of))[1])
    assert main(export(stores / "part.zarr", tmp_path / "part.csv")).code == COMPLETE
    assert asked == [1] * 24  # 12 points, status and one scalar
    assert (tmp_path / "part.csv").read_bytes() == (exports / "part.csv").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_points_that_are_no_grid_are_exported_along_point(kind, tmp_path, main):
    fill(tmp_path / "tiny.zarr", *SCATTERED)
    to = tmp_path / f"x{kind}"
    assert main(export(tmp_path / "tiny.zarr", to)).code == COMPLETE
    expected = open_sweep(tmp_path / "tiny.zarr").load()
    assert expected["T"].dims == ("point",)
    if kind == ".csv":
        lines = list(csv.DictReader(to.read_text().splitlines()))
        assert [float(line["T"]) for line in lines[::4]] == [1, 2, 3, 4]
        assert [line["value"] and float(line["value"]) for line in lines] == [
            "" if math.isnan(value) else value for value in expected["value"].values.ravel()
        ]
    else:
        with xarray.open_dataset(to, engine="h5netcdf") if kind == ".nc" else open_sweep(to) as found:
            xarray.testing.assert_equal(found, expected)


def test_of_a_sweep_what_it_asks_for_is_exported_and_an_archive_is_of_the_whole_store(stores, tmp_path, main):
    for kind in KINDS:
        of_sweep = arguments(stores, *SMALL, "store.name=part", "ensemble.members=3", "action=export")
        assert main([*of_sweep, f"to={tmp_path / f'x{kind}'}"]).code == COMPLETE
    with xarray.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as found:
        assert dict(found.sizes) == {"T": 2, "n": 2, "mode": 1, "member": 3, "iteration": 3, "site": 3}
        assert_true(found.load())
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1 + 2 * 2 * 3
    assert block_bytes(tmp_path / "x.zarr.zip") == block_bytes(stores / "part.zarr")


@pytest.mark.parametrize("name", ["whole", "part"])
def test_an_archive_opens_as_the_store_it_is_of(name, stores, exports):
    archive, path = exports / f"{name}.zarr.zip", stores / f"{name}.zarr"
    assert block_bytes(archive) == block_bytes(path)
    assert len(open_store(archive).pending) == {"whole": 0, "part": 12}[name]
    for options in ({}, {"layout": "points"}, {"all_members": True}):
        found, expected = open_sweep(archive, **options).load(), open_sweep(path, **options).load()
        assert found.attrs.pop("store") == str(archive)
        del expected.attrs["store"]
        assert found.identical(expected)


def test_an_archive_has_the_files_of_the_store_as_they_are_and_no_lock(stores, exports):
    with zipfile.ZipFile(exports / "part.zarr.zip") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        found = {name: archive.read(name) for name in archive.namelist()}
    there = {name: content for name, (content, *_) in files(stores / "part.zarr").items()}
    assert found.keys() == there.keys() - {"runs/lock"}
    assert {name for name in found if found[name] != there[name]} == {"zarr.json"}
    root = json.loads(found["zarr.json"])
    assert root.pop("consolidated_metadata")["metadata"].keys() == {
        name.removesuffix("/zarr.json") for name in found if name.endswith("/zarr.json")
    }
    assert root == json.loads(there["zarr.json"])


def test_plain_xarray_reads_an_archive_without_a_warning(stores, exports):
    store = zarr.storage.ZipStore(exports / "whole.zarr.zip", mode="r")
    assert zarr.open_group(store, mode="r").metadata.consolidated_metadata is not None
    plain = xarray.open_zarr(store).load()
    expected = xarray.open_zarr(stores / "whole.zarr", consolidated=False).load()
    assert plain.identical(expected)
    assert np.isfinite(plain["path"]).any()


def test_every_chunk_of_an_archive_is_checked_as_it_is_read(exports, tmp_path):
    bad = tmp_path / "bad.zarr.zip"
    with zipfile.ZipFile(exports / "whole.zarr.zip") as archive, zipfile.ZipFile(bad, "x") as other:
        for name in archive.namelist():
            swapped = {"path/c.0.0.0": "profile/c.0.0.0"}.get(name, name)
            other.writestr(name, archive.read(swapped))
    dataset = open_sweep(bad)
    dataset["value"].load()
    with pytest.raises(Damaged, match=r"path/c\.0\.0\.0"):
        dataset["path"].load()


def test_the_same_store_gives_the_same_archive_also_by_way_of_an_archive(exports, tmp_path, main):
    for kind in KINDS:
        to = tmp_path / f"again{kind}"
        assert main(export(exports / "part.zarr.zip", to)).code == COMPLETE
        if kind != ".nc":  # which has its own date
            assert to.read_bytes() == (exports / f"part{kind}").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_where_its_numbers_come_from_is_beside_an_export(kind, stores, exports):
    told, store = json.loads((exports / f"part{kind}.json").read_text()), open_store(stores / "part.zarr")
    assert told["runs"] == store.runs()
    assert told["machines"] == store.machines()
    assert told["code"] == store.code_versions
    assert told["fingerprint"] == store.fingerprint
    assert told["exported"]["command"].endswith(f"to={exports / f'part{kind}'}")


def test_exporting_from_python_gives_the_files(stores, tmp_path):
    to = tmp_path / "x.csv"
    assert pipeline.export(f"path={stores / 'whole.zarr'}", f"to={to}") == [to, tmp_path / "x.csv.json"]
    assert to.exists()


# --- export: what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_unfinished_store_is_exported_and_said_to_lack_blocks(kind, stores, tmp_path, main):
    ended = main(export(stores / "part.zarr", tmp_path / f"x{kind}"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    *written, lacking = ended.out.splitlines()
    assert written == [f"export: {tmp_path}/x{kind}", f"export: {tmp_path}/x{kind}.json"]
    assert "24 of 48 blocks are missing" in lacking


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_there_is_replaced_only_if_asked_for(kind, stores, exports, tmp_path, main):
    for name in (f"x{kind}", f"x{kind}.json"):
        (tmp_path / name).write_text("mine")
        before = files(tmp_path)
        refused(main(export(stores / "whole.zarr", tmp_path / f"x{kind}")), CONFIG_WRONG, "to: ", tmp_path / name)
        assert files(tmp_path) == before
        overwriting = export(stores / "whole.zarr", tmp_path / f"x{kind}", "export.overwrite=true")
        assert main(overwriting).code == COMPLETE
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"x{kind}", f"x{kind}.json"]
        assert (tmp_path / f"x{kind}").stat().st_size == (exports / f"whole{kind}").stat().st_size or kind == ".nc"
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()


@pytest.mark.parametrize(
    ("to", "parts"),
    [("nowhere/x.nc", ["in a folder that is there", "make"]), ("x.hdf", [".nc, .csv, .zarr.zip"]),
     ("x.zarr", [".nc, .csv, .zarr.zip"]), ("folder.nc", ["got the folder"]), ("data/whole.zarr/x.csv", ["outside"]),
     ("data/whole.zarr/runs/x.csv", ["outside"])],
)  # fmt: skip
def test_a_file_that_can_not_be_is_refused(to, parts, folder, tmp_path, main):
    (tmp_path / "folder.nc").mkdir()
    before = files(tmp_path)
    refused(main(export(folder / "whole.zarr", tmp_path / to)), CONFIG_WRONG, "to: ", tmp_path / to, *parts)
    assert files(tmp_path) == before


def test_an_export_needs_a_store_and_a_file_to_write(folder, tmp_path, main):
    refused(main([f"path={folder / 'whole.zarr'}", "action=export"]), CONFIG_WRONG, "to: missing")
    refused(main(export(folder / "none.zarr", tmp_path / "x.nc")), CONFIG_WRONG, folder / "none.zarr", "nothing")
    never_run = arguments(tmp_path, "action=export", f"to={tmp_path / 'x.nc'}")
    refused(main(never_run), CONFIG_WRONG, tmp_path / "tiny.zarr", "nothing")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["value/c.0.0", "status/c.0.0", "digest/c.0.0", "runs/000001.json"])
@pytest.mark.parametrize("damage", ["lost", "flipped"])
def test_a_damaged_store_is_refused_and_nothing_is_left(damage, file, kind, folder, tmp_path, main):
    path = folder / "whole.zarr" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.unlink()
    if damage == "flipped":
        path.write_bytes(content)
    elif file.startswith("runs"):
        path.mkdir()
    (tmp_path / "out").mkdir()
    refused(main(export(folder / "whole.zarr", tmp_path / "out" / f"x{kind}")), BLOCKS_FAILED, path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_store_at_work_is_exported_but_not_archived(folder, tmp_path, main):
    with only_driver(folder / "part.zarr"):
        refused(
            main(export(folder / "part.zarr", tmp_path / "x.zarr.zip")), INTERRUPTED, folder / "part.zarr", "run"
        )
        assert list(tmp_path.glob("x*")) == []
        for kind in (".nc", ".csv"):
            assert main(export(folder / "part.zarr", tmp_path / f"x{kind}")).code == COMPLETE


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_ends_an_export_in_one_line_and_leaves_nothing(kind, stores, tmp_path, monkeypatch, main):
    def full(path, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(exporting, "rename", full)
    monkeypatch.setattr("pipeline.store.files.rename", full)
    refused(main(export(stores / "whole.zarr", tmp_path / f"x{kind}")), INTERRUPTED, "No space left")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [0, 300, 9000])
def test_a_file_for_which_there_is_no_room_is_told_in_one_line_and_leaves_nothing(
    room, kind, stores, tmp_path, main
):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    to = tmp_path / f"x{kind}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if kind == ".csv" else room, before[1]))
    try:
        ended = main(export(stores / "whole.zarr", to))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(ended, CONFIG_WRONG, f"error: {to}: File too large")
    assert list(tmp_path.iterdir()) == []


# --- addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["s3://bucket/x.zarr", "GS://b/x.nc", "simplecache::s3://b/x.nc", "file:///a/x%20y.nc"]
)
@pytest.mark.parametrize("key", ["path", "store.root", "source", "to"])
def test_addresses_are_refused_in_one_line(key, address, tmp_path, monkeypatch, main):
    monkeypatch.chdir(tmp_path)
    words = {
        "path": ["action=status"], "store.root": arguments("x", "action=status"),
        "source": arguments("x", "action=merge"), "to": arguments("x", "action=export"),
    }[key]  # fmt: skip
    expected = "the path alone, /a/x y.nc" if address.startswith("file") else "a path of a POSIX file system"
    refused(main([*words, f"{key}='{address}'"]), CONFIG_WRONG, f"{key}: expected {expected}", address)
    assert list(tmp_path.iterdir()) == []
