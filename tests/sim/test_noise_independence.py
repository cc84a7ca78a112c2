"""Whether streams of noise are independent of each other, and numbers within one. Seeds are fixed."""

import numpy as np
import pytest
from scipy import stats

from sim import noise
from tests.sim import normality

EDGES = 45


def streams(keys, count=4096):
    """(stream, count) of (seed, member, iteration, purpose)."""
    return np.array([noise.normals(*key[:3], count, key[3]) for key in keys])


@pytest.mark.parametrize("purpose", [noise.INITIAL_PHASES, noise.WEIGHT_NOISE])
@pytest.mark.parametrize("first", [0, 2**32 - 2, 2**63 - 2])
def test_neighbouring_seeds_members_and_iterations_are_uncorrelated(purpose, first):
    several = range(first, first + 4)
    keys = [(seed, member, n, purpose) for seed in several for member in several for n in range(4)]
    assert normality.correlations_of_all(streams(keys)) > normality.ALPHA


def test_purposes_are_uncorrelated():
    keys = [(1, member, 1, purpose) for member in range(8) for purpose in range(4)]
    assert normality.correlations_of_all(streams(keys)) > normality.ALPHA


def test_swapping_seed_and_member_or_iteration_and_purpose_gives_another_stream():
    keys = [(1, 2, 3, 4), (2, 1, 3, 4), (1, 2, 4, 3), (2, 1, 4, 3), (3, 4, 1, 2)]
    assert normality.correlations_of_all(streams(keys)) > normality.ALPHA


@pytest.mark.parametrize("axis", ["seeds", "members", "iterations", "purposes"])
def test_neighbours_fill_the_plane_evenly(axis):
    place = ["seeds", "members", "iterations", "purposes"].index(axis)
    keys = [tuple(k if i == place else 7 for i in range(4)) for k in range(65)]
    drawn = streams(keys, 16_384)
    assert normality.grid(drawn[:-1].ravel(), drawn[1:].ravel()) > normality.ALPHA
    assert normality.correlations(drawn[:-1].ravel(), drawn[1:].ravel()) > normality.ALPHA


def test_edges_are_uncorrelated_over_members_and_over_iterations():
    over_members = streams([(31, member, 7, noise.WEIGHT_NOISE) for member in range(4000)], EDGES)
    over_iterations = streams([(31, 7, n, noise.WEIGHT_NOISE) for n in range(4000)], EDGES)
    for drawn in (over_members, over_iterations):
        assert normality.correlations_of_all(drawn.T) > normality.ALPHA


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_an_edge_does_not_remember_earlier_iterations_or_members(lag):
    over_iterations = streams([(32, 7, n, noise.WEIGHT_NOISE) for n in range(20_000)], EDGES)
    over_members = streams([(32, member, 7, noise.WEIGHT_NOISE) for member in range(20_000)], EDGES)
    for series in (over_iterations, over_members):
        assert normality.memory(series, lag) > normality.ALPHA


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 12])
def test_a_number_does_not_remember_earlier_ones_of_its_stream(lag):
    assert normality.memory(noise.normals(34, 1, 1, 2**21), lag) > normality.ALPHA


# Of four numbers in turn the first and third are a pair, by one radius, and so are the second and fourth
@pytest.mark.parametrize(("one", "other"), [(0, 2), (1, 3), (0, 1), (2, 3), (0, 3), (1, 2)])
def test_numbers_of_a_turn_are_independent(one, other):
    turns = noise.normals(33, 1, 1, 2**22).reshape(-1, 4)
    assert normality.correlations(turns[:, one], turns[:, other]) > normality.ALPHA
    assert normality.correlations(np.abs(turns[:, one]), turns[:, other]) > normality.ALPHA
    assert normality.grid(turns[:, one], turns[:, other]) > normality.ALPHA


def test_a_pair_has_a_uniform_direction_and_an_exponential_square():
    pairs = noise.normals(33, 1, 1, 2**20).reshape(-1, 4)[:, ::2]
    direction = np.arctan2(pairs[:, 1], pairs[:, 0]) / (2 * np.pi) + 0.5
    square = np.sum(pairs**2, axis=1) / 2
    assert stats.kstest(direction, "uniform").pvalue > normality.ALPHA
    assert stats.kstest(square, "expon").pvalue > normality.ALPHA
    octants = np.histogram2d(direction, 1 - np.exp(-square), bins=(64, 16), range=((0, 1), (0, 1)))[0]
    assert stats.chisquare(octants.ravel()).pvalue > normality.ALPHA
