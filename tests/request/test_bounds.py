"""Bounds before work: what no machine can compute is refused in one line, before anything is computed or written."""

import re

import pytest

from pipeline import cluster
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG
from pipeline.plan import memory, memory_here
from tests.command import STUBS, elsewhere, tiny
from tests.systems.own import MODEL

NETWORK = ("+sweep=network_evolution", "settings.iterations=10")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("settings.oscillators=10001", "settings.oscillators"),
        ("settings.delay=1000000001", "settings.delay"),
        ("settings.iterations=1000000000001", "settings.iterations"),
        ("settings.dt=1e-320", "settings.fixed_duration"),
        ("settings.fixed_duration=1e12", "settings.fixed_duration"),
        ("settings.fixed_discarded=1e12", "settings.fixed_discarded"),
        ("settings.trace_duration=1e6", "settings.trace_duration"),
        ("axes.T.values=[1e12]", "axes.T.values[0]"),
        ("axes.T.num=3000000", "axes.T.num"),
        ("sampling.points=3000000", "sampling.points"),
        ("store.block_members=8000000", "store.block_members"),
        ("store.records=100000000", "store.records"),
        ("ensemble.members=10000000000", "ensemble.members"),
        ("converge.factors=[0]", "converge.factors[0]"),
        ("cluster.workers=1000000000", "cluster.workers"),
        ("cluster.grace_seconds=1e300", "cluster.grace_seconds"),
        ("limits.block_seconds=1e300", "limits.block_seconds"),
        (f"store.name={'x' * 300}", "store.name"),
        ("system=null", "system"),
        ("cluster=[[1]]", "cluster"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_key(override, key, tmp_path, main):
    ended = main(tiny(tmp_path, override, "action=explain"))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    keys = {line.removeprefix("error: ").split(": ")[0] for line in ended.err.splitlines()}
    assert key in keys
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["settings.hidden=1000001", "settings.delay=1000000001"])
def test_networks_have_bounds_too(override, tmp_path, main):
    ended = main([*NETWORK, f"store.root={tmp_path}", override])
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith(f"error: {override.split('=')[0]}: expected less than or equal to ")


def test_whole_numbers_that_no_store_holds_are_refused(tmp_path, main):
    stub = [
        "--config-dir",
        str(STUBS),
        "system=stub_tiny",
        f"store.root={tmp_path}",
        "store.name=x",
        "action=explain",
    ]
    ended = main([*stub, "settings={T: 1, n: 1, mode: up}", f"axes.iterations.values=[{2**63}]"])
    assert ended.err == f"error: axes.iterations: expected whole numbers of 64 bits, got {2**63}\n"


@pytest.mark.parametrize("override", ["settings.T=5e7", "settings.iterations=1000000000000"])
def test_a_long_plan_is_predicted_at_once(override, tmp_path, main):
    ended = main(tiny(tmp_path, "~axes.T", override, "action=explain"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert re.search(r"^predicted +[\d.]+ .*core-(hours|seconds)", ended.out, re.M)


# --- memory -------------------------------------------------------------------------------------------------

LARGE = ("settings.delay=1000000000", "limits.core_hours=null")
"""Some 3 TB of weights a block."""


def test_a_block_that_no_memory_holds_is_refused_before_anything_is_computed(tmp_path, main):
    ended = main(elsewhere(tmp_path, "cluster=serial", *LARGE))
    assert (ended.code, ended.out, ended.err.count("\n")) == (CONFIG_WRONG, "", 1)
    assert ended.err.startswith("error: settings: expected blocks of at most ")
    assert list(tmp_path.glob("*.zarr/*")) == []
    explained = main(elsewhere(tmp_path, "cluster=serial", *LARGE, "action=explain"))
    assert explained.code == COMPLETE
    assert f"warning     {ended.err.removeprefix('error: ')}" in explained.out


def test_members_are_to_be_fewer_where_their_variables_are_what_is_large(tmp_path, main, monkeypatch):
    monkeypatch.setattr(cluster, "memory_here", lambda: 1e6)
    large = ("store.block_members=100000", "ensemble.members=100000", "limits.core_hours=null")
    ended = main(elsewhere(tmp_path, "cluster=serial", *large))
    assert ended.err.startswith(
        "error: store.block_members: expected blocks of at most 1 MB, the memory of this machine"
    )
    assert ended.err.endswith("; choose fewer, or fewer store.records\n")


def test_the_limit_of_core_hours_is_told_first(tmp_path, main, monkeypatch):
    monkeypatch.setattr(cluster, "memory_here", lambda: 1.0)
    ended = main(elsewhere(tmp_path, "cluster=serial", "settings.iterations=1000000000000"))
    assert ended.err.startswith("error: limits.core_hours: ")


def test_the_limit_of_core_hours_is_told_first_where_nothing_can_be_measured(tmp_path, main):
    ended = main(
        elsewhere(tmp_path, "cluster=serial", "settings.oscillators=10000", "settings.iterations=1000000")
    )
    assert ended.err.startswith(
        "error: limits.core_hours: expected a plan of at most 24 core-hours, got one of at least "
    )


def test_workers_elsewhere_have_memory_of_their_own(tmp_path, configure):
    slurm = configure(tmp_path, "~cluster.workers", "cluster=slurm", "cluster.interface=lo", "cluster.memory=8GB")
    assert cluster.worker_memory(slurm.cluster)[0] == 2e9
    where = ("~cluster.workers", "cluster=scheduler", "cluster.address='tcp://127.0.0.1:8786'")
    assert cluster.worker_memory(configure(tmp_path, *where).cluster)[0] == float("inf")
    assert cluster.worker_memory(configure(tmp_path).cluster)[0] == memory_here()


def test_a_control_group_bounds_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    (tmp_path / "memory.max").write_text("12345\n")
    assert memory_here() == 12345
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_here() > 12345


def test_a_block_without_memory_is_a_failed_block_told_in_one_line(own, tmp_path, main):
    own.put("greedy.py", MODEL.replace("    given = values", "    np.empty(2**50)\n    given = values"))
    own.put("system/greedy.yaml", "# @package _global_\nsystem: greedy\nsettings: {a: 1, steps: 2}\n")
    request = ["--config-dir", str(own.folder), "system=greedy", f"store.root={tmp_path / 'root'}", "store.name=x"]
    ended = main([*request, "ensemble.members=1", "store.block_members=1", "cluster.workers=1"])
    assert ended.code == BLOCKS_FAILED
    (line,) = [line for line in (ended.out + ended.err).splitlines() if "MemoryError" in line]
    assert "greedy.py, line" in line
    assert "Traceback" not in ended.out + ended.err


# --- words --------------------------------------------------------------------------------------------------


def test_what_hangs_on_a_swept_setting_is_told_of_points(tmp_path, main):
    swept = tiny(
        tmp_path, "settings.frequencies=[-1,0,1]", "axes={oscillators: {values: [3, 6]}}", "action=explain"
    )
    fault = "settings.frequencies: expected one frequency for each of the 6 oscillators, got 3 (at oscillators=6)"
    assert main(swept).err == f"error: {fault}\n"
    assert main([*swept, "axes={oscillators: {values: [3]}}"]).code == COMPLETE


def test_explain_tells_near_values_apart(tmp_path, main):
    ended = main(tiny(tmp_path, "axes={eta: {values: [0.1, 0.1000000001]}}", "action=explain"))
    assert "(eta: 2 values 0.1 … 0.1000000001)" in ended.out


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("store.suffix='a b'", "store.suffix: expected at most 40 letters, digits and . + - _, got 'a b'"),
        ("figures.draw=x", "figures.draw: expected a list, got 'x'"),
        ("watch=3", "watch: expected true or false, got 3"),
        ("verify.share=0.5", "verify: expected sample or share, got both; set the other to null"),
        ("ensemble={precision: 3}", "ensemble.precision: expected keys with values, got 3"),
        ("settings=[]", "settings: expected keys with values, got a list"),
        ("figures.of={value: 1}", "figures.of: expected a list, got keys with values"),
        (f"settings.eta={'y' * 5000}", "settings.eta: expected a number, got 'yyyy"),
    ],
)
def test_faults_are_told_in_words(override, line, tmp_path, main):
    ended = main(tiny(tmp_path, override, "action=explain"))
    assert ended.err.startswith(f"error: {line}")
    assert len(ended.err) < 300
