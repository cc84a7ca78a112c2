"""Every sweep of conf/sweep, shrunk, from its file to its figures."""

import re

import pytest

from pipeline.errors import COMPLETE
from pipeline.store import open_sweep
from tests import command
from tests.command import ROOT

FILES = sorted((ROOT / "conf" / "sweep").glob("*.yaml"))
SHRUNK = (
    "+scale=quick", "settings.iterations=5000", "ensemble.members=8", "sampling.points=4", "store.records=5",
)  # fmt: skip


def test_there_are_sweeps():
    assert len(FILES) >= 14


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sweep_file_begins_with_the_command_that_runs_it(file):
    package, line = file.read_text().splitlines()[:2]
    assert package == "# @package _global_"
    assert line == f"# python -m pipeline +sweep={file.stem}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sweep_runs_to_its_figures_without_warnings(file, tmp_path, main):
    """Also drawn again in this process, where any warning is an error."""
    for needed in re.findall(r'store: "(\w+)\$\{store.suffix\}"', file.read_text()):
        before = command.run([f"+sweep={needed}", *SHRUNK, f"store.root={tmp_path}"])
        assert (before.returncode, before.stderr) == (COMPLETE, "")
    arguments = [f"+sweep={file.stem}", *SHRUNK, f"store.root={tmp_path}"]
    ran = command.run(arguments)
    assert (ran.returncode, ran.stderr) == (COMPLETE, "")
    read = open_sweep(tmp_path / f"{file.stem}-quick.zarr")
    assert (read["status"] > 0).all()
    assert 1 <= read["status"].size // 8 <= 4
    figures = re.findall(r"^figure: (.*)$", ran.stdout, re.M)
    assert {path.rpartition(".")[2] for path in figures} == {"png", "pdf"}
    drawn_again = main([*arguments, "action=figures"])
    assert (drawn_again.code, drawn_again.err) == (COMPLETE, "")
    assert re.findall(r"^figure: (.*)$", drawn_again.out, re.M) == figures
    for path in figures:
        assert len((tmp_path / path).read_bytes()) > 5000
