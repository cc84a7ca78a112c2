"""Every sweep of conf/sweep, shrunk, from its file to its figures."""

import re

import pytest

from pipeline.actions import requested
from pipeline.errors import COMPLETE
from pipeline.request import Origin
from pipeline.store import open_sweep
from pipeline.systems import DIVERGED
from tests import command
from tests.command import ROOT

FILES = sorted((ROOT / "conf" / "sweep").glob("*.yaml"))
MAIN_JOB = "kuramoto_T"
SHRUNK = ("+scale=quick", "ensemble.members=8", "sampling.points=4", "store.records=5")
ITERATIONS = {
    "kuramoto_continuous_T": 5000,  # Euler steps: two intervals of T = 100
    "kuramoto_continuous_delay": 5000,
    "kuramoto_calibration": 10,  # 15 points a candidate
}
FEW_ITERATIONS = 200


def test_there_are_sweeps():
    assert len(FILES) >= 14
    assert MAIN_JOB in {file.stem for file in FILES}


SAMPLES = [file.stem for file in FILES if "method: sobol" in file.read_text()]
"""They have 16 rows at least, each of as many points as axes and two more."""
SEARCHES = [file.stem for file in FILES if "search:" in file.read_text()]
"""They have 24 ensembles."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sweep_file_begins_with_the_command_that_runs_it(file):
    package, line = file.read_text().splitlines()[:2]
    assert package == "# @package _global_"
    assert line == f"# python -m pipeline +sweep={file.stem}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_quick_sweep_learns_no_longer_than_the_whole(file):
    """Its file alone knows if it needs fewer iterations than its system does."""
    configs = [requested(Origin("", (f"+sweep={file.stem}", *more), None)) for more in ((), ("+scale=quick",))]
    longest = [
        max(one.axes["iterations"].values if "iterations" in one.axes else [one.settings["iterations"]])
        for one in configs
    ]
    assert longest[1] <= longest[0]


def shrunk(name, root):
    """The arguments of a sweep of few points, members and iterations."""
    iterations = ITERATIONS.get(name, FEW_ITERATIONS)
    return [f"+sweep={name}", *SHRUNK, f"settings.iterations={iterations}", f"store.root={root}"]


def assert_complete_and_drawn(name, root, said):
    """A small store without missing members, a PNG and a PDF of more than an empty page, and the numbers in them."""
    read = open_sweep(root / f"{name}-quick.zarr")
    asked = read["status"].isel(member=slice(8))  # a search asks for more where it found the optimum
    assert (asked > 0).all()
    many = 1500 if name == "kuramoto_calibration" else 112 if name in SAMPLES else 96 if name in SEARCHES else 4
    assert 1 <= read["status"].size // 8 <= many
    figures = re.findall(r"^figure: (.*)$", said, re.M)
    assert {path.rpartition(".")[2] for path in figures} == {"png", "pdf", "csv"}
    for path in figures:
        assert len((root / path).read_bytes()) > (5000 if not path.endswith("csv") else 100)
    return figures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that the sweeps share, and how each of them ended: some take settings from the store of another."""
    return tmp_path_factory.mktemp("sweeps"), {}


@pytest.fixture
def ran(folder, main):
    """Run a sweep in this process, where any warning is an error, after those that it needs; once for all tests."""
    root, ended = folder

    def once(name):
        if name not in ended:
            text = (ROOT / "conf" / "sweep" / f"{name}.yaml").read_text()
            for needed in re.findall(r'store: "(\w+)\$\{store.suffix\}"', text):
                assert once(needed).code == COMPLETE
            ended[name] = main([*shrunk(name, root), "cluster=serial"])
        return ended[name]

    return once


@pytest.mark.parametrize("name", [file.stem for file in FILES if file.stem != MAIN_JOB])
def test_a_sweep_runs_to_its_figures_without_warnings(name, folder, ran):
    ended = ran(name)
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert_complete_and_drawn(name, folder[0], ended.out)


def test_a_figure_says_of_both_ensembles_how_many_they_are_and_where_a_setting_came_from(folder, ran, main):
    assert ran("network_robust").code == COMPLETE
    arguments = [*shrunk("network_robust", folder[0]), "action=figures", "figures.format=[svg]"]
    assert main(arguments).code == COMPLETE
    said = " ".join(
        re.findall(r">([^<>]+)</text>", (folder[0] / "figures" / "network_robust-quick.svg").read_text())
    )
    diverged = [
        int((open_sweep(folder[0] / f"{name}-quick.zarr")["status"] == DIVERGED).sum())
        for name in ("network_robust", "network_functional")
    ]
    both = "8 members a point, {} of 8 diverged; beside: 8 members, {} of 8 diverged; threshold = 0."
    assert both.format(*diverged) in said
    assert "median_damaged_error of network_functional-quick" in said


def test_the_main_job_runs_to_its_figures_in_processes_of_its_own(tmp_path, main):
    """Also drawn again in this process, where any warning is an error."""
    arguments = shrunk(MAIN_JOB, tmp_path)
    process = command.run(arguments)
    assert (process.returncode, process.stderr) == (COMPLETE, "")
    figures = assert_complete_and_drawn(MAIN_JOB, tmp_path, process.stdout)
    drawn_again = main([*arguments, "action=figures"])
    assert (drawn_again.code, drawn_again.err) == (COMPLETE, "")
    assert re.findall(r"^figure: (.*)$", drawn_again.out, re.M) == figures
