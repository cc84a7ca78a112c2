"""Converging: runs with shorter steps keep the noise, and a mean that moves is told from one that does not."""

import numpy as np
import pytest

from pipeline.checks.timestep import Shift
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.systems import kuramoto
from sim import kuramoto as sim_kuramoto
from tests.command import elsewhere

SETTINGS = {
    "oscillators": 6, "frequencies": None, "frequency_half_width": 1.0, "eta": 3.0, "sigma": 0.2, "delay": 5,
    "T": 0.5, "dt": 0.05, "iterations": 4, "weight_control": 0.01, "target_order_parameter": 0.6,
    "target_mean_abs_weight": 1.0, "fixed_discarded": 1.0, "fixed_duration": 10.0, "trace_duration": 0.0,
}  # fmt: skip


def test_shorter_steps_of_the_same_noise_give_nearly_the_same_member_while_chaos_allows():
    runs = [
        kuramoto.SYSTEM.compute(kuramoto.SYSTEM.refined(SETTINGS, factor), 3, np.arange(8), 4)["weight"]
        for factor in (1, 2, 4, 64)
    ]
    off = [np.abs(weights - runs[-1]).max() for weights in runs[:-1]]
    assert off[0] > 1.5 * off[1] > 1.5 * 1.5 * off[2]  # first order: halved steps halve the error
    assert off[0] < 0.02


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_steps_that_are_shorter_are_that_many_more(factor, monkeypatch):
    # 0.3 / 0.1 is below 3 in floating point, and 0.3 / (0.1 / 3) above 9
    taken = []

    def noted(size, settings, steps, *others):
        taken.append(steps)

    monkeypatch.setattr(sim_kuramoto, "_learn", noted)
    for finer in (1, factor):
        kuramoto.SYSTEM.compute(
            kuramoto.SYSTEM.refined({**SETTINGS, "T": 0.3, "dt": 0.1}, finer), 3, np.arange(8), 4
        )
    assert taken == [3, 3 * factor]


def test_intervals_of_a_few_steps_are_rerun_with_any_factor(tmp_path, main):
    options = "action=converge", "converge.points=1", "converge.members=8", "converge.factors=[2,3,7]"
    ended = main(elsewhere(tmp_path, "cluster=serial", *options, "settings.dt=0.1", "axes.T.values=[0.3]"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    for factor in (2, 3, 7):
        assert sum(f"  dt/{factor} " in row for row in ended.out.splitlines()) == 4


@pytest.mark.parametrize("cluster", ["serial", pytest.param("local", marks=pytest.mark.slow)])
def test_every_observable_of_every_chosen_point_is_reported(cluster, tmp_path, main):
    options = "action=converge", "converge.points=2", "converge.members=12"
    ended = main(elsewhere(tmp_path, f"cluster={cluster}", *options))
    assert (ended.code, ended.err) == (COMPLETE, "")
    rows = ended.out.splitlines()
    assert len(rows) == 1 + 2 * 4 * 2 + 1
    for point in ("T=1", "T=3"):
        for observable in (
            "final_order_parameter",
            "final_error",
            "final_mean_abs_weight",
            "fixed_order_parameter",
        ):
            assert sum(row.startswith(f"{point}  {observable} ") for row in rows) == 2
    assert rows[-1].endswith("of 16 means move by more than their interval")
    assert not (tmp_path / "kuramoto_T.zarr").exists()


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [(0.05, 0.01, (False, False)), (0.3, 0.01, (True, False)), (0.3, 0.5, (False, True))],
)
def test_a_mean_has_moved_if_it_leaves_its_interval_and_not_by_chance(shift, noise, verdict):
    for sign in (1, -1):
        found = Shift("T=1", "final_error", 2, 0.5, 0.1, sign * shift, noise)
        assert (found.moved, found.undecided) == verdict


def test_a_system_without_steps_is_refused(tmp_path, main):
    ended = main([
        "system=network", "store.name=a", f"store.root={tmp_path}", "action=converge", "cluster=serial",
    ])  # fmt: skip
    assert ended.code == CONFIG_WRONG
    assert "system: network can't be rerun with shorter steps" in ended.err
