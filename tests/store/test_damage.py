"""Disks that are full or can't be written: an error that says so, and nothing lost."""

import os
import shutil
import subprocess

import pytest

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.request import define
from tests import command
from tests.command import elsewhere, tiny
from tests.contents import assert_same_values, digests, files, fill


@pytest.fixture
def mounted(tmp_path):
    """Mount a small file system, (size, options) → its folder; skipped where that is not allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(size, *options):
        if os.geteuid() or not shutil.which("mount"):
            pytest.skip("mounting needs root")
        what = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(folder)]
        if subprocess.run(what, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


LONG = ("settings.iterations=400", "store.records=400")


@pytest.mark.parametrize("cluster", ["serial", pytest.param("local", marks=pytest.mark.slow)])
def test_a_disk_that_fills_up_costs_no_stored_block_and_the_run_goes_on_when_there_is_room(
    cluster, mounted, configure, tmp_path, main
):
    folder = mounted("400k")
    arguments = elsewhere(folder, *LONG, f"cluster={cluster}")
    ran = main(arguments)
    assert ran.code in (BLOCKS_FAILED, INTERRUPTED)
    assert "No space left on device" in ran.out + ran.err
    assert "Traceback" not in ran.err
    stored = digests(folder / "kuramoto_T.zarr")
    assert 0 < len(stored) < 6
    remount(folder, "size=20m")
    again = main(arguments)
    assert (again.code, again.err) == (COMPLETE, "")
    assert digests(folder / "kuramoto_T.zarr").items() >= stored.items()
    fill(define(configure(tmp_path / "other", *LONG)), tmp_path / "other.zarr")
    assert_same_values(folder / "kuramoto_T.zarr", tmp_path / "other.zarr")


def test_a_disk_without_any_room_is_told_by_the_driver(mounted):
    ran = command.run(tiny(mounted("16k")))
    assert ran.returncode in (CONFIG_WRONG, INTERRUPTED)
    assert "No space left on device" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_export_to_where_nothing_can_be_written_is_refused(mounted, configure, tmp_path, main):
    path = tmp_path / "kuramoto_T.zarr"
    fill(define(configure(tmp_path)), path)
    folder = mounted("1m")
    remount(folder, "ro")
    for name in ("a.csv", "a.nc", "a.zarr.zip"):
        ended = main([f"path={path}", "action=export", f"to={folder / name}"])
        assert (ended.code, ended.err.count("\n")) == (CONFIG_WRONG, 1)
        assert ended.err.startswith(f"error: to: {folder / name}: ")


def test_a_store_in_a_folder_whose_name_is_no_utf8_is_run_read_and_told_of(tmp_path, main):
    folder = tmp_path / os.fsdecode(b"ma\xdf")
    folder.mkdir()
    arguments = elsewhere(tmp_path, "cluster=serial", f"store.root='{folder}'")
    for action in ("run", "status", "history", "list", "verify"):
        assert main([*arguments, f"action={action}"]).code == COMPLETE, action
    assert main([*arguments, "action=export", f"to='{folder / 'a.csv'}'"]).code == COMPLETE
    refused = main([*arguments, "action=export", f"to='{folder / 'a.nc'}'"])
    assert (refused.code, "expected a name in UTF-8" in refused.err) == (CONFIG_WRONG, True)


SPARSE = (
    "zarr.json",
    "T/c.0",
    "asked/c.0",
    "digest/c.0.0",
    "final_error/c.0.0",
    "error/c.0.0.0",
    "runs/000001.json",
)


@pytest.mark.parametrize("name", SPARSE)
def test_a_file_that_is_larger_than_memory_is_told_by_its_name(name, configure, tmp_path, main):
    path = tmp_path / "kuramoto_T.zarr"
    assert main(elsewhere(tmp_path, "cluster=serial")).code == COMPLETE
    os.truncate(path / name, 2**43)  # without a block on the disk
    for action in ("verify", "export", "history", "list", "status", "run"):
        ended = main([*elsewhere(tmp_path, "cluster=serial"), f"action={action}", f"to={tmp_path / action}.csv"])
        assert ended.code in (COMPLETE, BLOCKS_FAILED), action
        assert "Traceback" not in ended.err
        if action == "verify" and not name.startswith("runs"):
            assert name in ended.err + ended.out


def test_a_special_file_at_the_path_of_a_store_is_none(tmp_path, main):
    os.mkfifo(tmp_path / "kuramoto_T.zarr")
    for action in ("run", "status", "verify"):
        ended = main(elsewhere(tmp_path, "cluster=serial", f"action={action}"))
        assert (ended.code, ended.err.count("\n")) == (CONFIG_WRONG, 1)
        assert "expected " in ended.err


def test_a_folder_that_can_only_be_read_is_read_but_not_run(mounted, configure, main):
    folder = mounted("20m")
    fill(define(configure(folder)), folder / "kuramoto_T.zarr")
    remount(folder, "ro")
    before = files(folder)
    for action in ("status", "explain", "verify"):
        ended = main(elsewhere(folder, f"action={action}", "cluster=serial"))
        assert (ended.code, ended.err) == (COMPLETE, ""), action
    ended = main([f"path={folder / 'kuramoto_T.zarr'}", "action=status"])
    assert (ended.code, ended.err) == (COMPLETE, "")
    refused = main(elsewhere(folder, "cluster=serial", "ensemble.members=24"))
    assert refused.code == CONFIG_WRONG
    assert "expected a folder that can be written" in refused.err
    assert files(folder) == before
