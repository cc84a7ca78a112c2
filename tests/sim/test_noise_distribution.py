"""Whether the noise is normal: moments, distribution, tails. Seeds are fixed; `normality` says what is refused.

Long samples, of 1e8 numbers, are slow; the short ones see defects ten times as large.
"""

import numpy as np
import pytest
from scipy import stats

from sim import noise
from sim.vectors import LANES
from tests.sim import normality
from tests.sim.words import box_muller

SHORT, LONG = 2**22, 10**8
EDGES = 45  # of ten oscillators: numbers a member draws in an iteration


def drawn_of(seed, first_member, iteration, count):
    """(count, 8) normals of eight members."""
    out = np.empty((count, LANES))
    members = np.arange(first_member, first_member + LANES, dtype=np.uint64)[None]
    noise._fill_normals(np.uint64(seed), members, iteration, noise.WEIGHT_NOISE, out)
    return out


def long_streams(count):
    """A few streams, each as long as it takes; float32, which loses nothing."""
    rows = 2**20
    parts = [drawn_of(21, 0, n, min(rows, count // LANES)) for n in range(-(-count // (rows * LANES)))]
    return np.concatenate([part.astype(np.float32).ravel() for part in parts])[:count]


def many_streams(count):
    """As learning draws them: 45 numbers an iteration."""
    iterations = -(-count // (EDGES * LANES))
    parts = (drawn_of(24, 8 * (n // 1000), n % 1000, EDGES).astype(np.float32) for n in range(iterations))
    return np.concatenate([part.ravel() for part in parts])[:count]


@pytest.fixture(scope="module", params=[long_streams, many_streams])
def short(request):
    return request.param(SHORT)


@pytest.fixture(scope="module", params=[long_streams, many_streams])
def long(request):
    return request.param(LONG)


def assert_normal(drawn, largest_tail):
    values = {
        "moments": normality.moments(drawn),
        "Kolmogorov–Smirnov": normality.kolmogorov_smirnov(drawn),
        "Anderson–Darling": normality.anderson_darling(drawn),
        **{f"beyond {x} σ": normality.tails(drawn, x) for x in (2.0, 3.0, 4.0, largest_tail)},
    }
    refused = {name: value for name, value in values.items() if not value > normality.ALPHA}
    assert not refused, refused


def test_moments_distribution_and_tails_are_normal(short):
    assert_normal(short, largest_tail=4.5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_moments_distribution_and_tails_of_a_hundred_million_numbers_are_normal(long):
    assert_normal(long, largest_tail=5.0)


LAGS = (1, 8, 16, 24, 32)
"""Places apart in samples, where eight members take turns: neighbours, then a member's own numbers, of which those 16
apart are pairs of one radius."""


def pairs(drawn, lag):
    """Disjoint pairs of numbers `lag` places apart."""
    blocks = drawn[: len(drawn) // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
    return blocks[:, 0].ravel(), blocks[:, 1].ravel()


@pytest.mark.parametrize("lag", LAGS)
def test_pairs_of_a_stream_fill_the_plane_evenly(short, lag):
    assert normality.grid(*pairs(short, lag)) > normality.ALPHA


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lag", LAGS)
def test_pairs_of_long_streams_fill_the_plane_evenly(long, lag):
    assert normality.grid(*pairs(long, lag), cells=256) > normality.ALPHA


# --- every radius ---------------------------------------------------------------------------------------------


def radii(words):
    """r of radius words: both normals of a pair together, as the kernels make them."""
    padded = np.resize(words, -(-len(words) // 16) * 16).astype(np.uint32)
    return np.hypot(*box_muller(padded, np.zeros_like(padded)))[: len(words)]


def chance_beyond(limit):
    """P(ξ > limit), summed over all 2^32 radius words and every direction."""
    words = np.arange(int(2**32 * np.exp(-(limit**2) / 2)) + 1000)  # no other has a radius beyond
    r = radii(words)
    assert r[-1] < limit < r[0]
    return np.sum(np.arccos(limit / r[r > limit])) / np.pi / 2**32


# Radius words are midpoints of 2^31 equal parts of u. Beyond 6 σ there are 33 of them, beyond 6.5 σ two.
@pytest.mark.parametrize(("limit", "tolerance"), [(4.0, 1e-4), (5.0, 1e-3), (5.5, 3e-3), (6.0, 0.03), (6.5, 0.5)])
def test_tails_are_normal_up_to_the_last_radius(limit, tolerance):
    assert abs(chance_beyond(limit) / stats.norm.sf(limit) - 1) < tolerance


def test_no_number_lies_beyond_the_radius_of_the_smallest_word():
    words = np.arange(2**20)
    r = radii(words)
    assert r.max() == r[0] == r[1] == pytest.approx(6.6604, abs=1e-4)  # √(64 log 2)
    assert (np.diff(r) <= 0).all()
    # One number in 4e10 should lie beyond
    assert 2 * stats.norm.sf(r.max()) == pytest.approx(1 / 3.7e10, rel=0.05)


def test_radii_fall_as_words_rise_up_to_the_accuracy_of_single_precision():
    words = np.linspace(0, 2**32 - 1, 2**20).astype(np.uint32)
    r = radii(words)
    assert r[-1] == 0
    assert np.diff(r).max() < 4e-6


def test_squares_of_radii_have_the_moments_of_minus_two_log_u():
    words = np.arange(512, 2**32, 1024)
    u = (words | 1) / 2**32
    for order in (1, 2, 3, 4):
        expected = np.mean((-2 * np.log(u)) ** order)
        assert np.mean(radii(words) ** (2 * order)) == pytest.approx(expected, rel=2e-6)
