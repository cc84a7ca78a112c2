"""The statistics see the defects they are there for, and let NumPy's normals pass."""

import numpy as np
import pytest

from tests.sim import normality

N = 2**20


def good(seed=1, count=N):
    return np.random.default_rng(seed).normal(size=count)


def twelve_uniforms():
    """Its variance is 1, its fourth moment 2.9, and it ends at 6."""
    return np.random.default_rng(2).uniform(size=(12, N)).sum(axis=0) - 6


def without_tails(limit):
    drawn = good()
    return np.where(np.abs(drawn) > limit, 0.5, drawn)


def of_few_radii(radii):
    """By Box–Muller, from so many radii only."""
    rng = np.random.default_rng(3)
    u = (rng.integers(0, radii, N) + 0.5) / radii
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * rng.uniform(size=N))


def heavy_tails():
    """Every thousandth number is twice as large: the eighth moment grows by a quarter, the variance by 0.3 %."""
    drawn = good()
    drawn[::1000] *= 2
    return drawn


ONE_SAMPLE = [normality.moments, normality.kolmogorov_smirnov, normality.anderson_darling]
BROKEN = [
    (normality.moments, good() + 0.01),
    (normality.moments, good() * 1.005),
    (normality.moments, good() + 0.01 * (good() ** 2 - 1)),
    (normality.moments, twelve_uniforms()),
    (normality.moments, without_tails(3.5)),
    (normality.moments, heavy_tails()),
    (normality.moments, of_few_radii(2**6)),
    (normality.kolmogorov_smirnov, good() + 0.01),
    (normality.kolmogorov_smirnov, good() * 1.02),
    (normality.kolmogorov_smirnov, twelve_uniforms()),
    (normality.kolmogorov_smirnov, np.round(good(), 2)),
    (normality.anderson_darling, good() + 0.01),
    (normality.anderson_darling, good() * 1.01),
    (normality.anderson_darling, twelve_uniforms()),
    (normality.anderson_darling, good() * np.where(np.abs(good()) > 2, 1.05, 1)),
]


@pytest.mark.parametrize("statistic", ONE_SAMPLE)
def test_normals_pass(statistic):
    assert statistic(good()) > 0.01


@pytest.mark.parametrize(("statistic", "drawn"), BROKEN)
def test_what_is_not_normal_does_not(statistic, drawn):
    assert statistic(drawn) < normality.ALPHA / 100


@pytest.mark.parametrize("beyond", [2.0, 3.0, 4.0])
def test_tails_are_counted_on_both_sides(beyond):
    drawn = good(5, 2**22)
    assert normality.tails(drawn, beyond) > 0.01
    assert normality.tails(np.where(drawn > beyond, 0, drawn), beyond) < normality.ALPHA
    assert normality.tails(np.where(drawn < -beyond, 0, drawn), beyond) < normality.ALPHA
    assert normality.tails(np.concatenate([drawn, drawn[drawn > beyond]]), beyond) < normality.ALPHA


def test_dependent_pairs_are_seen():
    first, second = good(6), good(7)
    together = 0.99995**0.5 * second + 0.01 * first  # correlated by 0.01
    same_size = np.where(np.abs(first) > 2, np.sign(second) * np.maximum(np.abs(second), 0.5), second)
    assert normality.correlations(first, second) > 0.01
    assert normality.correlations(first, together) < normality.ALPHA / 100
    assert normality.correlations(first, same_size) < normality.ALPHA / 100
    assert normality.correlations(first, second + 0.02 * (first**2 - 1)) < normality.ALPHA / 100
    assert normality.grid(first, second) > 0.01
    assert normality.grid(first, same_size) < normality.ALPHA / 100
    # Uncorrelated, squared too: only the signs depend on each other, in one quarter of the plane's cells
    swapped = np.where((np.abs(first) < 0.5) & (np.abs(second) < 0.5), np.abs(second) * np.sign(first), second)
    assert normality.grid(first, swapped) < normality.ALPHA / 100


def test_one_pair_of_alike_streams_among_many_is_seen():
    streams = good(8).reshape(64, -1)
    assert normality.correlations_of_all(streams) > 0.01
    alike = streams.copy()
    alike[41] += 0.1 * streams[17]
    assert normality.correlations_of_all(alike) < normality.ALPHA
    of_one_size = streams.copy()
    of_one_size[41] = np.abs(streams[17]) * np.sign(streams[41])
    assert normality.correlations_of_all(of_one_size) < normality.ALPHA


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_memory_is_seen(lag):
    series = good(9).reshape(-1, 16)
    assert normality.memory(series, lag) > 0.01
    series[lag:] += 0.01 * series[:-lag]
    assert normality.memory(series, lag) < normality.ALPHA
