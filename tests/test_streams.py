"""Streams that are closed, full, or that nobody reads: no output ends a run, no store gets what was meant for one."""

import os
import shlex
import subprocess
import sys

import pytest

from pipeline.errors import COMPLETE
from pipeline.request import define
from pipeline.store import open_store
from tests.command import PATIENCE, ROOT, elsewhere
from tests.contents import block_bytes, fill

STREAMS = {
    "a pipe that is read to its first line": "| head -n 1",
    "a log on a full disk": "> /dev/full",
    "no stdout": ">&-",
    "no stderr": "2>&-",
    "neither": ">&- 2>&-",
    "no streams at all": "<&- >&- 2>&-",
    "faults on a full disk": "2> /dev/full",
}


def shell(arguments, redirected):
    """What a command line and its redirections end with, under bash: (exit code of the program, stderr)."""
    line = f"{shlex.join([sys.executable, '-m', 'pipeline', *arguments])} {redirected}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("streams", STREAMS)
def test_no_output_ends_a_run(streams, tmp_path, configure):
    arguments = elsewhere(tmp_path / "a", "cluster=serial", "axes.T.values=[1,2]")
    assert shell(arguments, STREAMS[streams]) == (COMPLETE, "")
    store = open_store(tmp_path / "a" / "kuramoto_T.zarr")
    assert store.stored.all()
    fill(define(configure(tmp_path / "b", "axes.T.values=[1,2]")), tmp_path / "b.zarr")
    assert block_bytes(store.path) == block_bytes(tmp_path / "b.zarr")


def test_a_stream_of_another_encoding_gets_question_marks(tmp_path):
    for encoding in ("ascii", "latin-1"):
        line = ["env", f"PYTHONIOENCODING={encoding}", sys.executable, "-m", "pipeline"]
        arguments = elsewhere(tmp_path, "cluster=serial", "action=explain", f"store.root={tmp_path / 'μ'}")
        quoted = [argument for argument in arguments if not argument.startswith("store.root=/")]
        ended = subprocess.run(
            [*line, *quoted, f"store.root='{tmp_path / 'μ'}'"], cwd=ROOT, capture_output=True, check=False,
            timeout=PATIENCE, env=os.environ,
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (COMPLETE, b"")
        assert b"?/kuramoto_T.zarr" in ended.stdout
