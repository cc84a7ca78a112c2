"""Ensemble estimates: scipy's numbers, and intervals that cover the truth as often as they say."""

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from pipeline.plan import intervals

many_examples = settings(max_examples=100, deadline=None, derandomize=True)
REPETITIONS = 4000


def members(values):
    return xarray.DataArray(np.asarray(values), dims=("point", "member")[-np.ndim(values) :])


@many_examples
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_mean_and_interval_are_those_of_students_t(values, confidence):
    result = intervals.mean(members(values), confidence=confidence)
    average, error = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    tolerance = {"rel": 1e-9, "abs": 1e-9}
    assert float(result["estimate"]) == pytest.approx(average, **tolerance)
    assert int(result["count"]) == len(values)
    if error > 0:
        low, high = t.interval(confidence, len(values) - 1, loc=average, scale=error)
        assert (float(result["low"]), float(result["high"])) == (
            pytest.approx(low, **tolerance),
            pytest.approx(high, **tolerance),
        )


@many_examples
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_fraction_and_interval_are_wilsons(hits, misses, left_out, confidence):
    n = hits + misses
    among = members([True] * n + [False] * left_out)
    hit = members([True] * hits + [False] * misses + [True] * left_out)
    if n + left_out == 0:
        return
    result = intervals.fraction(hit, among, confidence=confidence)
    assert int(result["count"]) == n
    found = [float(result[name]) for name in ("estimate", "low", "high")]
    if n == 0:
        assert np.isnan(found).all()
    else:
        interval = binomtest(hits, n).proportion_ci(confidence, method="wilson")
        assert found == [
            pytest.approx(expected, abs=1e-12) for expected in (hits / n, interval.low, interval.high)
        ]


def test_members_that_are_nan_do_not_count():
    values = members([[1.0, 2.0, 4.0, np.nan], [np.nan, 3.0, np.nan, np.nan], [np.nan] * 4])
    result = intervals.mean(values)
    expected = intervals.mean(members([1.0, 2.0, 4.0]))
    for name in ("estimate", "low", "high", "count"):
        assert float(result[name][0]) == float(expected[name])
    assert result["count"].values.tolist() == [3, 1, 0]
    assert (float(result["estimate"][1]), float(result["low"][1]), float(result["high"][1])) == (
        3,
        -np.inf,
        np.inf,
    )
    assert all(np.isnan(float(result[name][2])) for name in ("estimate", "low", "high"))


def test_a_single_member_has_an_unbounded_interval():
    result = intervals.mean(members([2.0]))
    assert (float(result["estimate"]), float(result["low"]), float(result["high"])) == (2, -np.inf, np.inf)


def test_other_dimensions_are_kept():
    values = xarray.DataArray(np.arange(24.0).reshape(2, 3, 4), dims=("T", "member", "iteration"))
    for result in (intervals.mean(values), intervals.fraction(values > 5, values > 2)):
        assert set(result) == {"estimate", "low", "high", "count"}
        assert all(set(variable.dims) == {"T", "iteration"} for variable in result.values())


@pytest.mark.parametrize("n", [5, 20, 96])
def test_the_interval_of_the_mean_covers_the_truth_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    result = intervals.mean(members(rng.normal(3.0, 2.0, (REPETITIONS, n))))
    covered = float(((result["low"] <= 3) & (result["high"] >= 3)).mean())
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(("n", "share"), [(20, 0.5), (96, 0.1), (96, 0.8)])
def test_the_interval_of_a_fraction_covers_the_truth_as_often_as_it_says(n, share):
    rng = np.random.default_rng(n)
    hits = members(rng.random((REPETITIONS, n)) < share)
    result = intervals.fraction(hits, xarray.ones_like(hits))
    covered = float(((result["low"] <= share) & (result["high"] >= share)).mean())
    assert 0.93 <= covered <= 0.98
