"""From Python: the words of the command line, data for what it prints, and a program around it that stays as it was."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dask
import distributed  # noqa: F401 (its options are known to dask from now on)
import matplotlib as mpl
import numba
import numpy as np
import pytest
from scipy import stats

import pipeline
from pipeline.errors import BlockError, Interrupted
from pipeline.request import define
from pipeline.store import open_store
from pipeline.systems import find, known_systems, kuramoto
from tests.command import ROOT, STUBS, elsewhere, tiny
from tests.contents import block_bytes, files, fill, records, stored_blocks

DRAW = "figures.draw=[kuramoto_T]"


def here(root, *overrides):
    """The tiny sweep, its blocks computed in this process."""
    return elsewhere(root, "cluster=serial", *overrides)


def stubbed(root, *overrides):
    """The tiny sweep with blocks that do what the environment says, computed in this process."""
    return here(root, "system=stub_kuramoto", *overrides)


def surroundings():
    """What a program around has set: handlers of signals, options of libraries, its environment."""
    return {
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)},
        "dask": repr(sorted(dask.config.collect_env().items())) + repr(dask.config.config),
        "matplotlib": dict(mpl.rcParams),
        "backend": mpl.get_backend(auto_select=False),
        "numba": numba.config.CACHE_DIR,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }


@pytest.fixture(scope="module")
def by_workers(tmp_path_factory):
    """The tiny sweep computed by local workers: the store, the Dataset, and what was around before and after."""
    root = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context({"lines.linewidth": 3.5}):
        patch.setattr(numba.config, "CACHE_DIR", str(root / "kernels of the program around"))
        with dask.config.set({"distributed.worker.memory.target": 0.123}):
            handler = signal.signal(signal.SIGTERM, lambda *_: None)
            around = surroundings()
            dataset = pipeline.run(*tiny(root, DRAW))
            after = surroundings()
            signal.signal(signal.SIGTERM, handler)
    return root / "kuramoto_T.zarr", dataset, around, after


# --- run ----------------------------------------------------------------------------------------------------


def test_a_run_gives_the_dataset_of_what_was_asked_for_alone(configure, tmp_path):
    path = tmp_path / "kuramoto_T.zarr"
    fill(define(configure(tmp_path, "axes.T.values=[5,3,1,2]", "ensemble.members=24")), path)
    before = files(path)
    asked_for = pipeline.run(*here(tmp_path, "axes.T.values=[3,1]", "ensemble.members=5"))
    assert files(path) == before
    assert (asked_for["T"].values.tolist(), asked_for.sizes["member"]) == ([1, 3], 5)
    whole = pipeline.open_sweep(path)
    assert (whole["T"].values.tolist(), whole.sizes["member"]) == ([1, 2, 3, 5], 24)
    assert asked_for.identical(whole.sel(T=[1, 3]).isel(member=slice(5)))


def test_a_run_computes_what_is_missing_and_gives_all_of_it(tmp_path):
    pipeline.run(*here(tmp_path, "axes.T.values=[2]"))
    dataset = pipeline.run(*here(tmp_path))
    assert (dataset["status"] > 0).all()
    assert dataset.identical(pipeline.open_sweep(tmp_path / "kuramoto_T.zarr"))
    first, second = open_store(tmp_path / "kuramoto_T.zarr").runs()
    assert (first["blocks_computed"], second["blocks_computed"]) == (2, 4)
    assert second["command"].startswith("pipeline.run('+sweep=kuramoto_T', ")


def test_a_run_off_the_main_thread_gives_the_same(by_workers, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threading.current_thread).result() is not threading.main_thread()
        dataset = pool.submit(pipeline.run, *here(tmp_path)).result()
    assert dataset.equals(by_workers[1])


def test_a_run_leaves_the_program_around_it_as_it_was(by_workers, tmp_path, monkeypatch):
    _, _, before, after = by_workers
    assert after == before
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine too"))
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 3.5)
    around = surroundings()
    pipeline.run(*here(tmp_path, DRAW))
    assert surroundings() == around
    pipeline.run(*stubbed(tmp_path, "store.name=own"), config_dir=STUBS)
    assert surroundings() == around


# --- in this process ----------------------------------------------------------------------------------------


def test_blocks_of_this_process_are_those_of_workers_byte_for_byte(by_workers, tmp_path):
    dataset = pipeline.run(*here(tmp_path))
    assert dataset.equals(by_workers[1])
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == block_bytes(by_workers[0])


def test_blocks_of_this_process_are_computed_one_after_the_other_in_the_order_of_a_plan(tmp_path, monkeypatch):
    computed = []

    def noted(settings, seed, members, records):
        computed.append((settings["T"], int(members[0]), threading.current_thread()))
        return compute(settings, seed, members, records)

    compute = kuramoto.compute
    monkeypatch.setattr(kuramoto, "compute", noted)  # the stub's blocks call it by this name
    pipeline.run(*stubbed(tmp_path), config_dir=STUBS)
    main = threading.main_thread()
    assert computed == [(T, first, main) for first in (0, 8) for T in (3, 2, 1)]


def test_what_a_block_of_this_process_raises_reaches_the_caller_and_stored_blocks_stay(tmp_path, monkeypatch):
    path = tmp_path / "kuramoto_T.zarr"
    monkeypatch.setenv("RAISING", "2")
    with pytest.raises(Exception, match="this block always raises") as raised:
        pipeline.run(*stubbed(tmp_path), config_dir=STUBS)
    assert type(raised.value).__name__ == "Unpicklable"
    assert raised.traceback[-1].path == STUBS / "stub_kuramoto.py"  # where a debugger starts
    assert len(stored_blocks(path)) == 1
    stored = records(path)
    assert [failed.partition(": ")[0] for failed in open_store(path).runs()[-1]["failed"]] == ["T=2, block 0"]
    monkeypatch.delenv("RAISING")
    assert (pipeline.run(*stubbed(tmp_path), config_dir=STUBS)["status"] > 0).all()
    assert records(path).items() >= stored.items()


def write_system(folder, name, code, config):
    """Write a system of a user's own and its config file."""
    (folder / f"{name}.py").write_text(code)
    (folder / "system").mkdir()
    (folder / "system" / f"{name}.yaml").write_text(f"# @package _global_\n{config}\nsystem: {name}\n")


OWN = """
import numpy as np
from pipeline.schema import Real, Section
from pipeline.systems import System, Variable

class Settings(Section):
    a: Real

SYSTEM = System(
    settings=Settings, dimensions=(), variables=(Variable("x", (), "a number"),),
    compute=lambda settings, seed, members, records: {"y": np.zeros(len(members))},
)
"""


def test_a_block_of_this_process_that_is_not_what_its_system_declares_is_an_error_that_says_so(tmp_path):
    write_system(tmp_path, "gives_another_variable", OWN, "settings: {a: 1.0}")
    with pytest.raises(BlockError, match="expected only the variables of SYSTEM"):
        pipeline.run(
            "system=gives_another_variable", "cluster=serial", "store.name=a",
            f"store.root={tmp_path}", config_dir=tmp_path,
        )  # fmt: skip


# --- the other actions --------------------------------------------------------------------------------------


def test_an_explanation_is_data_and_printed_what_the_command_line_prints(configure, tmp_path, main):
    path = tmp_path / "kuramoto_T.zarr"
    fill(define(configure(tmp_path, "axes.T.values=[2]")), path)
    explained = pipeline.explain(*here(tmp_path, "axes.T.values=[1,2]"))
    assert (explained.path, explained.exists, explained.points, explained.members) == (path, True, 2, (16, 16))
    assert (explained.blocks, explained.stored, explained.missing) == (4, 2, 2)
    assert explained.reasons == {"of points new to the store": 2}
    assert explained.prediction.core_seconds > 0
    printed = main(here(tmp_path, "axes.T.values=[1,2]", "action=explain"))
    assert printed.out == f"{explained}\n"


def test_a_status_is_data_and_printed_what_the_command_line_prints(by_workers, main):
    path = by_workers[0]
    for words in (tiny(path.parent), [f"path={path}"]):
        status = pipeline.status(*words)
        assert (status.path, status.complete, status.driven, status.failed) == (path, True, False, [])
        assert (status.points, status.members, status.blocks, status.stored) == (3, 16, 6, 6)
        assert [run["blocks_computed"] for run in status.runs] == [6]
        assert main([*words, "action=status"]).out == f"{status}\n"
    nothing = pipeline.status(*tiny(path.parent / "nowhere"))
    assert (nothing.exists, nothing.complete, nothing.stored) == (False, False, 0)


def test_drawing_gives_the_files(configure, tmp_path):
    path = tmp_path / "kuramoto_T.zarr"
    fill(define(configure(tmp_path)), path)
    expected = [tmp_path / "figures" / f"kuramoto_T.{kind}" for kind in ("png", "pdf", "csv")]
    assert pipeline.draw(*here(tmp_path, DRAW)) == expected
    for file in expected:
        assert file.stat().st_size > 1000
        file.unlink()
    assert pipeline.draw(f"path={path}", DRAW) == expected
    assert all(file.exists() for file in expected)
    with pytest.raises(Interrupted, match="3 of 9 blocks are missing"):
        pipeline.draw(*here(tmp_path, DRAW, "ensemble.members=24"))


def test_verifying_gives_the_blocks_that_are_wrong(configure, tmp_path):
    path = tmp_path / "kuramoto_T.zarr"
    fill(define(configure(tmp_path)), path)
    assert pipeline.verify(*here(tmp_path, "verify.sample=2")) == []
    (path / "weight" / "c.0.0.0").write_bytes(b"")
    wrong = pipeline.verify(*here(tmp_path, "verify.sample=0"))
    assert {(checked.k, checked.block) for checked in wrong} == {(k, block) for k in range(3) for block in (0, 1)}
    assert not any(checked.differs for checked in wrong)
    assert all("weight/c.0.0.0: can't be read" in checked.damage for checked in wrong)


def test_a_wrong_request_raises_all_that_is_wrong_with_it_and_touches_nothing(tmp_path):
    for action in (pipeline.run, pipeline.explain, pipeline.status, pipeline.draw, pipeline.verify):
        with pytest.raises(pipeline.RequestError) as raised:
            action(*here(tmp_path / "new", "settings.eta=-1", "ensemble.members=0"))
        keys = sorted(fault.partition(": ")[0] for fault in raised.value.faults)
        assert keys == ["ensemble.members", "settings.eta"]
    assert list(tmp_path.iterdir()) == []


def test_failed_blocks_raise_with_a_line_each_and_the_others_are_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("RAISING", "2")
    with pytest.raises(pipeline.BlocksFailed) as raised:
        pipeline.run(*elsewhere(tmp_path, "system=stub_kuramoto", "cluster.workers=1"), config_dir=STUBS)
    (failure,) = raised.value.failures
    assert failure.startswith("T=2, block 0: ")
    assert "this block always raises" in failure
    assert len(stored_blocks(tmp_path / "kuramoto_T.zarr")) == 5


# --- estimates ----------------------------------------------------------------------------------------------

SWEEPS = {
    "kuramoto": ("axes.target_order_parameter.values=[0.3,0.5]", "settings.iterations=40", "settings.T=2"),
    "kuramoto_continuous": ("axes.T.values=[1,2]", "settings.T=1", "settings.iterations=400"),
    "network": ("axes.eta.values=[3,30]", "settings.iterations=40", "settings.hidden=3"),
}
"""Of every system a sweep that takes a moment."""


def _near(dataset, name="fixed_order_parameter"):
    """Which members reached their target."""
    target = json.loads(dataset.attrs["settings"]).get("target_order_parameter")
    target = dataset["target_order_parameter"].values[:, None] if target is None else target
    return np.abs(dataset[name].values - target) < 0.05


OSCILLATORS = {
    "order_parameter": (np.mean, "final_order_parameter"),
    "error": (np.mean, "final_error"),
    "mean_abs_weight": (np.mean, "final_mean_abs_weight"),
    "median_error": (np.median, "final_error"),
    "success": ("share", _near),
}
ESTIMANDS = {
    "kuramoto": OSCILLATORS,
    "kuramoto_continuous": {
        **OSCILLATORS,
        "discrete_success": ("share", partial(_near, name="discrete_fixed_order_parameter")),
        "discrete_error": (np.mean, "discrete_final_error"),
    },
    "network": {
        "error": (np.mean, "final_error"),
        "robustness": (np.mean, "final_robustness"),
        "median_error": (np.median, "final_error"),
        "classified": ("share", lambda dataset: dataset["classified"].values == 1),
    },
}
"""Beside means and medians of scalar variables: what is estimated, and of what."""


@pytest.fixture(scope="module", params=sorted(SWEEPS))
def computed(request, tmp_path_factory):
    """A system, and a sweep of it in which a member has diverged and another is missing."""
    dataset = pipeline.run(
        f"system={request.param}", "ensemble.members=16", "store.block_members=8", "store.records=3",
        "cluster=serial", "store.name=a", f"store.root={tmp_path_factory.mktemp('table')}", *SWEEPS[request.param],
    ).load()  # fmt: skip
    dataset["status"][0, 3], dataset["status"][1, 5] = 2, 0
    return request.param, dataset


def test_every_system_has_a_sweep_whose_estimates_are_tested():
    assert sorted(SWEEPS) == sorted(known_systems())


def test_estimates_and_intervals_of_every_estimand_are_those_of_numpy_and_scipy(computed):
    name, dataset = computed
    scalars = [variable.name for variable in find(name).variables if not variable.dims]
    assert len(scalars) >= 3
    expected = {variable: (np.mean, variable) for variable in scalars}
    expected |= {f"median_{variable}": (np.median, variable) for variable in scalars}
    expected |= ESTIMANDS[name]
    assert find(name).all_estimands.keys() == expected.keys()
    for of, (statistic, what) in expected.items():
        found = pipeline.table(dataset, of, confidence=0.9)
        assert found["estimate"].dims == (dataset["status"].dims[0],)
        for k in range(2):
            row = {part: float(found[part][k]) for part in ("estimate", "low", "high", "count")}
            counts = dataset["status"][k].values == 1
            if statistic == "share":
                _assert_share(row, (what(dataset)[k] & counts).sum(), (dataset["status"][k].values != 0).sum())
            else:
                _assert_location(row, statistic, dataset[what][k].values[counts])


def _assert_share(row, hits, members):
    wilson = stats.binomtest(int(hits), int(members)).proportion_ci(0.9, method="wilson")
    assert row["count"] == members
    assert np.allclose([row["estimate"], row["low"], row["high"]], [hits / members, wilson.low, wilson.high])


def _assert_location(row, statistic, values):
    assert row["count"] == len(values) == 15
    assert np.isclose(row["estimate"], statistic(values), rtol=1e-12)
    if statistic is np.mean:
        half = stats.t.ppf(0.95, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        assert np.allclose([row["low"], row["high"]], [np.mean(values) - half, np.mean(values) + half])
    else:
        assert values.min() <= row["low"] <= row["estimate"] <= row["high"] <= values.max()


def test_an_unknown_estimand_is_refused_with_those_there_are(by_workers):
    with pytest.raises(pipeline.RequestError, match=r"of: expected one of .*median_error.*, got 'mode'"):
        pipeline.table(by_workers[1], "mode")


# --- programs around ----------------------------------------------------------------------------------------


def run_script(script, folder, *arguments):
    """Run a script with the checkout on its path; what it printed."""
    path = folder / "script.py"
    path.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    ended = subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout.splitlines()


APPLICATION = """
import os, sys
import hydra
from hydra.core.hydra_config import HydraConfig
import pipeline

@hydra.main(config_path=None, version_base="1.3")
def main(config):
    before = HydraConfig.get().job.override_dirname, os.getcwd()
    dataset = pipeline.run(*config.words)
    assert (HydraConfig.get().job.override_dirname, os.getcwd()) == before
    print("status", dataset["status"].values.min(), dataset.sizes["T"])

main()
"""


def test_a_run_inside_a_running_hydra_application_disturbs_neither(by_workers, tmp_path):
    words = ",".join(f"'{word}'" for word in here(tmp_path))
    said = run_script(APPLICATION, tmp_path, f"+words=[{words}]", f"hydra.run.dir={tmp_path}/outputs")
    assert said[-1] == "status 1 3"
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == block_bytes(by_workers[0])


DIES_ONCE = """
import dataclasses, os, signal
from pathlib import Path
from pipeline.systems import kuramoto

def compute(settings, seed, members, records):
    try:
        Path(os.environ["DEATH"]).touch(exist_ok=False)
    except FileExistsError:
        return kuramoto.compute(settings, seed, members, records)
    os.kill(os.getpid(), signal.SIGKILL)

SYSTEM = dataclasses.replace(kuramoto.SYSTEM, compute=compute)
"""
PLAIN = """
import os, sys
with open("executed", "a") as log:
    log.write(f"{os.getpid()}\\n")
import pipeline
dataset = pipeline.run(*sys.argv[1:], config_dir=".")
print("status", dataset["status"].values.min(), dataset.sizes["T"])
"""


@pytest.mark.timeout(300)
def test_a_script_without_a_guard_is_executed_once_also_when_a_worker_is_killed_and_restarts(
    by_workers, tmp_path, monkeypatch
):
    write_system(tmp_path, "dies_once", DIES_ONCE, "defaults: [kuramoto, _self_]")
    monkeypatch.setenv("DEATH", str(tmp_path / "died"))
    said = run_script(PLAIN, tmp_path, *elsewhere(tmp_path, "system=dies_once", "cluster.workers=1"))
    assert said[-1] == "status 1 3"
    assert (tmp_path / "died").exists()
    assert len((tmp_path / "executed").read_text().splitlines()) == 1
    numbers = pipeline.open_sweep(tmp_path / "kuramoto_T.zarr")
    assert numbers.equals(by_workers[1])
