"""How surprising samples would be if they were independent standard normals: p-values, uniform on [0, 1] if they are.

Every function gives the p-value of one hypothesis test or, of several tests together, the smallest times their
number. `tests.sim.test_normality` shows that each sees the defect it is there for.
"""

import numpy as np
from scipy import special, stats

ALPHA = 1e-4
"""A sample is refused below it. Seeds are fixed: what passes once passes until the noise changes."""


def smallest(values):
    """p-value of several tests together (Bonferroni)."""
    return min(1.0, np.min(values) * np.size(values))


def of_scores(scores):
    """Of numbers that would be standard normals."""
    return smallest(2 * stats.norm.sf(np.abs(scores)))


# --- one distribution -----------------------------------------------------------------------------------------


def moment(order):
    """⟨x^order⟩ of a standard normal."""
    return special.factorial2(order - 1) if order % 2 == 0 else 0.0


def moments(drawn, highest=8):
    """The moments about 0 up to order 8, each against its expectation."""
    power, scores = np.ones_like(drawn, dtype=np.float64), []
    for order in range(1, highest + 1):
        power *= drawn
        variance = moment(2 * order) - moment(order) ** 2
        scores.append((power.mean() - moment(order)) / np.sqrt(variance / len(drawn)))
    return of_scores(scores)


def kolmogorov_smirnov(drawn):
    ordered, n = np.sort(drawn), len(drawn)
    largest = 0.0
    for start in range(0, n, 10**6):
        expected = special.ndtr(ordered[start : start + 10**6].astype(np.float64))
        rank = np.arange(start, start + len(expected))
        largest = max(largest, (expected - rank / n).max(), ((rank + 1) / n - expected).max())
    return special.kolmogorov(largest * np.sqrt(n))


def anderson_darling(drawn):
    """Its p-value by Marsaglia and Marsaglia, "Evaluating the Anderson–Darling distribution", 2004."""
    ordered, n = np.sort(drawn), len(drawn)
    total = 0.0
    for start in range(0, n, 10**6):
        rising = ordered[start : start + 10**6].astype(np.float64)
        falling = ordered[n - start - len(rising) : n - start][::-1].astype(np.float64)
        odd = 2 * np.arange(start, start + len(rising)) + 1
        total += np.sum(odd * (special.log_ndtr(rising) + special.log_ndtr(-falling)))
    z = -n - total / n
    return 1 - _anderson_darling_below(z)


def _anderson_darling_below(z):
    """P(A² < z) for n → ∞."""
    if z < 2:
        series = np.polynomial.polynomial.polyval(
            z, [2.00012, 0.247105, -0.0649821, 0.0347962, -0.011672, 0.00168691]
        )
        return np.exp(-1.2337141 / z) / np.sqrt(z) * series
    series = np.polynomial.polynomial.polyval(z, [1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146])
    return np.exp(-np.exp(series)) if z < 12 else 1.0  # the series is good to z = 12 or so, 1 − 1e-6 there


def tails(drawn, beyond):
    """How many numbers lie beyond ± so many standard deviations, each side against its expectation."""
    expected = stats.norm.sf(beyond)
    counts = [np.count_nonzero(drawn > beyond), np.count_nonzero(drawn < -beyond)]
    return smallest([stats.binomtest(count, len(drawn), expected).pvalue for count in counts])


# --- independence ---------------------------------------------------------------------------------------------


def grid(first, second, cells=64):
    """χ² of pairs on a grid of cells × cells that normal pairs fill evenly."""
    places = (np.minimum((special.ndtr(values) * cells).astype(int), cells - 1) for values in (first, second))
    row, column = places
    counts = np.bincount(row * cells + column, minlength=cells**2)
    return stats.chisquare(counts).pvalue


def correlations(first, second):
    """Of numbers, their squares, and each with the square of the other."""
    scores = [
        np.corrcoef(a, b)[0, 1] * np.sqrt(len(first)) for a in (first, first**2) for b in (second, second**2)
    ]
    return of_scores(scores)


def correlations_of_all(streams):
    """Every two of the rows (stream, draw), and their squares."""
    pairs = np.triu_indices(len(streams), 1)
    scores = [np.corrcoef(values)[pairs] * np.sqrt(streams.shape[1]) for values in (streams, streams**2)]
    return of_scores(np.array(scores))


def memory(series, lag):
    """Numbers and their squares against those `lag` places before, along the first axis of (time, …)."""
    return correlations(series[lag:].ravel(), series[:-lag].ravel())
