"""Searches of landscapes whose optimum is known: the region covers it, the interval covers its value."""

from multiprocessing import get_context

import numpy as np
import pytest

from tests.search.problems import PROBLEMS, simulated, simulated_of

SEARCHES = 100
LEAST = 0.93
"""Of nominal 0.95; beside that, what so many searches may miss by chance: three standard errors."""
BY_CHANCE = 3 * np.sqrt(LEAST * (1 - LEAST) / SEARCHES)


def test_a_search_of_each_landscape_ends_in_a_place_that_is_nearly_best():
    for problem in PROBLEMS.values():
        found = simulated(problem, 1)
        assert found.regret < 0.5
        assert found.share < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_regions_and_intervals_cover_the_truth(name):
    with get_context("spawn").Pool(2) as pool:
        found = pool.starmap(simulated_of, [(name, seed) for seed in range(SEARCHES)], chunksize=5)
    assert np.mean([one.covered for one in found]) >= LEAST - BY_CHANCE
    assert np.mean([one.right for one in found]) >= LEAST - BY_CHANCE
