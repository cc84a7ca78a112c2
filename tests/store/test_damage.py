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
