"""Precision targets: members are added until every estimate is narrow, and its interval covers what it should."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.plan.stopping import call, half_width
from pipeline.request import Precision
from pipeline.store import open_store
from tests.command import elsewhere, tiny
from tests.contents import assert_same_values, stored_blocks

BLOCK = 24


def target(half_width, **others):
    return Precision(of="error", half_width=half_width, **others)


# --- the stopping rule --------------------------------------------------------------------------------------


def stopped(draw, kind, aim):
    """The sample of a point at which the rule stops."""
    members = draw(aim.max_members)
    size, _, narrow = call(members[: aim.min_members], kind, aim, BLOCK)
    while size > 0:
        called, _, narrow = call(members[:size], kind, aim, BLOCK)
        if called == size:
            return members[:size], narrow
        size = called
    raise AssertionError


def covers(sample, kind, truth):
    """Whether the interval that ends a run covers the truth."""
    import xarray

    from pipeline.plan import intervals

    values = xarray.DataArray(sample, dims="member")
    if kind == "fraction":
        estimate = intervals.fraction(values, xarray.ones_like(values, dtype=bool))
    else:
        estimate = {"mean": intervals.mean, "median": intervals.median}[kind](values)
    return bool(estimate["low"] <= truth <= estimate["high"])


CASES = {
    "normal": ("mean", lambda rng, n: rng.normal(size=n), 0.0, 0.15),
    "exponential": ("mean", lambda rng, n: rng.exponential(size=n), 1.0, 0.2),
    "one in ten far off": ("mean", lambda rng, n: (rng.random(n) < 0.1) + 0.1 * rng.normal(size=n), 0.1, 0.05),
    "three in ten": ("fraction", lambda rng, n: rng.random(n) < 0.3, 0.3, 0.07),
    "one in twenty": ("fraction", lambda rng, n: rng.random(n) < 0.05, 0.05, 0.05),
    "median": ("median", lambda rng, n: rng.exponential(size=n), np.log(2), 0.2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_intervals_at_which_a_run_stops_cover_the_truth(name):
    """Nominally 95 %; at least 93 % of 200 runs, less one standard error."""
    assert coverage(name, runs=200) >= 0.93 - 0.015


@pytest.mark.parametrize("name", ["normal", "three in ten", "median"])
def test_intervals_at_which_few_runs_stop_cover_the_truth(name):
    """Nominally 95 %; 30 runs of a rule whose intervals were half as wide would cover it in 20."""
    assert coverage(name, runs=30) >= 0.83


def coverage(name, runs):
    """In how many runs the interval at which it stops covers the truth, as a share; it stops as it should."""
    kind, distribution, truth, width = CASES[name]
    rng = np.random.default_rng(1)
    ends = [stopped(lambda n: distribution(rng, n), kind, target(width)) for _ in range(runs)]
    assert np.mean([narrow for _, narrow in ends]) > 0.99
    assert all(half_width(sample, kind, 0.95) <= width for sample, narrow in ends if narrow)
    assert len({len(sample) for sample, _ in ends}) > 1  # it does stop by what it sees
    return np.mean([covers(sample, kind, truth) for sample, _ in ends])


@given(seed=st.integers(0, 1000), more=st.integers(0, 500), width=st.floats(0.05, 1.0))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_decision_does_not_depend_on_members_beyond_it(seed, more, width):
    members = np.random.default_rng(seed).normal(size=960)
    aim = target(width)
    size, _, narrow = call(members, "mean", aim, BLOCK)
    again = call(members[: min(960, size + more)], "mean", aim, BLOCK)
    assert (again[0], again[2]) == (size, narrow)
    assert size % BLOCK == 0
    assert narrow or size == 960


def test_a_point_that_can_not_get_narrow_stops_at_most_members():
    members = np.random.default_rng(2).normal(size=960)
    assert call(members, "mean", target(1e-3, max_members=100), BLOCK)[::2] == (120, False)


def test_a_point_whose_members_all_agree_needs_no_more_than_two_looks():
    assert call(np.ones(960), "mean", target(0.1), BLOCK) == (72, 0.0, True)


def test_members_that_diverged_make_no_interval_narrower():
    members = np.where(np.arange(960) % 2, np.random.default_rng(3).normal(size=960), np.nan)
    size, _, narrow = call(members, "mean", target(0.2), BLOCK)
    assert narrow
    assert size > 2 * 80  # (1.96 / 0.2)² = 96 of those that count
    assert call(np.full(960, np.nan), "mean", target(0.2), BLOCK)[::2] == (960, False)


# --- whole runs ---------------------------------------------------------------------------------------------

AIM = "ensemble.precision={of: order_parameter, half_width: 0.07, min_members: 8, max_members: 64}"


def here(root, *overrides):
    """The tiny sweep in this process: what a run decides does not depend on where it computes."""
    return elsewhere(root, "cluster=serial", *overrides)


@pytest.mark.parametrize("asked", [here, pytest.param(tiny, marks=pytest.mark.slow)], ids=["serial", "local"])
def test_a_run_adds_members_where_they_are_needed_and_says_what_it_reached(asked, tmp_path, main):
    ended = main(asked(tmp_path, AIM))
    assert (ended.code, ended.err) == (COMPLETE, "")
    last = ended.out.splitlines()[-1]
    assert last.startswith("precision: order_parameter within ± 0.07 (95%) at ")
    stored = open_store(tmp_path / "kuramoto_T.zarr").stored
    members = 8 * stored.sum(axis=1)
    assert (np.sort(~stored, axis=1) == ~stored).all()  # from the first block on without a gap
    assert len(set(members.tolist())) > 1
    assert members.max() <= 64
    (record,) = open_store(tmp_path / "kuramoto_T.zarr").runs()  # one run, whatever its rounds
    assert (record["state"], record["blocks_computed"]) == ("ended", stored.sum())
    again = main(asked(tmp_path, AIM))
    assert again.code == COMPLETE
    assert again.out.splitlines() == [
        f"{tmp_path / 'kuramoto_T.zarr'}: nothing to compute, {stored.sum()} blocks stored", last
    ]  # fmt: skip


def test_an_interrupted_run_decides_as_one_that_was_not(tmp_path, main):
    main(here(tmp_path / "whole", AIM))
    main(here(tmp_path / "parts", "ensemble.members=8", "axes.T.values=[1,2]"))
    main(here(tmp_path / "parts", "ensemble.members=16", "axes.T.values=[3]"))
    main(here(tmp_path / "parts", AIM))
    names = [tmp_path / part / "kuramoto_T.zarr" for part in ("whole", "parts")]
    blocks = [stored_blocks(path) for path in names]
    assert blocks[0] <= blocks[1]  # the parts had been asked for one block more
    main(here(tmp_path / "whole", "ensemble.members=16", "axes.T.values=[3]"))
    assert_same_values(*names)


def test_points_that_miss_the_target_are_named(tmp_path, main):
    out = main(here(tmp_path, AIM.replace("0.07", "0.001"), "axes.T.values=[1,2]")).out
    assert "at 0 of 2 points; not at T=1 (± 0." in out
    assert "with 64 members)" in out


def test_a_narrow_interval_that_is_not_believed_is_told_with_the_members_that_it_takes(
    tmp_path, main, monkeypatch
):
    monkeypatch.setattr("pipeline.plan.stopping.COCHRAN", 1e6)
    out = main(here(tmp_path, AIM.replace("0.07", "0.9"), "axes.T.values=[1]")).out
    assert re.search(
        r"at 0 of 1 points; not at T=1 \(± 0\.\d+ with 64 members, too few for numbers this skew: "
        r"a mean needs \d+ to be believed\)",
        out,
    )


@pytest.mark.parametrize(
    ("precision", "key"),
    [
        ("{of: nonsense, half_width: 1}", "ensemble.precision.of"),
        ("{of: error, half_width: 0}", "ensemble.precision.half_width"),
        ("{of: error}", "ensemble.precision.half_width"),
        ("{of: error, half_width: 1, confidence: 1}", "ensemble.precision.confidence"),
        ("{of: error, half_width: 1, min_members: 64, max_members: 32}", "ensemble.precision"),
    ],
)
def test_a_wrong_target_is_told_by_its_key(precision, key, tmp_path, main):
    ended = main(tiny(tmp_path, f"ensemble.precision={precision}"))
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith(f"error: {key}: ")
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
