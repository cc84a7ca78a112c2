"""Compiled kernels that are kept: whatever is wrong with their files or folder costs a compilation, never a number."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sim import kernel_folder
from tests.command import ROOT

KERNELS = """
import json, sys
from sim.kernel_cache import forgive_caches_of, kernel
from numba import njit

@kernel
def ours(x):
    return 3.0 * x

@njit(cache=True)
def plain(x):
    return 2.0 * x

if __name__ == "__main__":
    import kernels
    forgive_caches_of(kernels)
    values = [kernels.ours(1.0), kernels.ours(1), kernels.plain(1.0)]
    print(json.dumps([values, [sum(k.stats.cache_hits.values()) for k in (kernels.ours, kernels.plain)]]))
"""
VALUES = [3.0, 3.0, 2.0]


@pytest.fixture
def computed(tmp_path):
    """What kernels give in a process of its own, how many were found compiled, and what it said."""
    (tmp_path / "kernels.py").write_text(KERNELS)
    cache = tmp_path / "cache"

    def run(largest_file=None, **environment):
        limit = resource.RLIM_INFINITY if largest_file is None else largest_file
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", "import runpy; runpy.run_module('kernels', run_name='__main__')"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
            | {"NUMBA_CACHE_DIR": str(cache), "TMPDIR": str(tmp_path)} | environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        values, found = json.loads(ended.stdout)
        assert values == VALUES
        return found, ended.stderr.splitlines()

    return run


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x10
    file.write_bytes(content)


DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-40]),
    "flipped": _flip,
    "text": lambda file: file.write_text("no kernel"),
}


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("nbi", "empty"),
        ("nbc", "flipped"),
        *(pytest.param("nbi", damage, marks=pytest.mark.slow) for damage in ("cut", "flipped", "text")),
        *(pytest.param("nbc", damage, marks=pytest.mark.slow) for damage in ("empty", "cut", "text")),
    ],
)
def test_damaged_files_are_discarded_and_said_once(damage, suffix, computed, tmp_path):
    assert computed() == ([0, 0], [])
    assert computed() == ([2, 1], [])
    files = list((tmp_path / "cache").rglob(f"*.{suffix}"))
    assert len(files) >= 2
    for file in files:
        DAMAGE[damage](file)
    found, (said,) = computed()
    assert found == [0, 0]
    assert "compiled anew" in said
    assert computed() == ([2, 1], [])


def test_an_index_that_leads_to_another_overload_is_not_believed(computed, tmp_path):
    """Of a kernel of doubles and of integers: to run the one for the other would give a wrong number."""
    computed()
    (index,) = (tmp_path / "cache").rglob("kernels.ours*.nbi")
    content = index.read_bytes()
    assert content.count(b".1.nbc") == content.count(b".2.nbc") == 1
    index.write_bytes(
        content.replace(b".1.nbc", b".9.nbc").replace(b".2.nbc", b".1.nbc").replace(b".9.nbc", b".2.nbc")
    )
    found, (said,) = computed()
    assert (found[0], "damaged" in said) == (0, True)


def test_a_disk_without_room_costs_a_compilation_and_no_block(computed):
    """By a limit on the size of files, as every process may set one."""
    for _ in range(2):
        found, (said,) = computed(largest_file=100)
        assert (found, "not kept" in said) == ([0, 0], True)
    assert computed() == ([0, 0], [])


def test_kernels_are_compiled_where_there_is_no_place_for_them(computed):
    found, said = computed(NUMBA_CACHE_DIR="/dev/null/x", TMPDIR="/dev/null/y")
    assert found == [0, 0]
    assert len(said) <= 1


def test_a_user_without_home_keeps_kernels_in_a_private_folder(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    folder = kernel_folder.kernel_folder("some")
    assert folder.parent.parent == tmp_path
    assert folder.parent.stat().st_mode & 0o77 == 0


def test_a_private_folder_of_someone_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/dev/null/x")
    folder = kernel_folder.kernel_folder("some")
    shutil.rmtree(folder.parent)
    (tmp_path / "elsewhere").mkdir()
    folder.parent.symlink_to(tmp_path / "elsewhere")
    assert kernel_folder.kernel_folder("some") is None
    folder.parent.unlink()
    folder.parent.mkdir()
    there = Path.stat

    def of_someone_else(path, **options):
        status = there(path, **options)
        return os.stat_result((*status[:4], status.st_uid + 1, *status[5:])) if path == folder.parent else status

    monkeypatch.setattr(Path, "stat", of_someone_else)
    assert kernel_folder.kernel_folder("some") is None
