"""From intervals to verdicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import xarray
from scipy.special import ndtri
from scipy.stats import trim_mean

from pipeline.plan import intervals
from pipeline.systems import COMPUTED, DIVERGED, MISSING

Verdict = Literal["supported", "not supported", "undecided"]
Datasets = Mapping[str, xarray.Dataset]
"""Sweep → what its store holds."""
Bounds = Mapping[str, float]
"""Of a rule, by name."""
_RESAMPLES = 1000
LEAST = 10
"""Members of which an interval by drawing them anew is not far too narrow."""


class Interval(NamedTuple):
    """An estimate with its 95 % interval; NaN: there is none."""

    estimate: float
    low: float
    high: float


class Part(NamedTuple):
    """A statistic beside the bound that it is to be on one side of."""

    what: str
    interval: Interval
    wanted: str
    verdict: Verdict


def above(what: str, interval: Interval, bound: float) -> Part:
    """A statistic that is to be above a bound.

    Args:
        what: the statistic.
        interval: its estimate.
        bound: which its interval is to be above.

    Returns:
        The part.
    """
    return Part(what, interval, f"> {bound:g}", _verdict(interval.low > bound, interval.high < bound))


def below(what: str, interval: Interval, bound: float) -> Part:
    """A statistic that is to be below a bound; arguments as of `above`."""
    return Part(what, interval, f"< {bound:g}", _verdict(interval.high < bound, interval.low > bound))


def between(what: str, interval: Interval, least: float, most: float) -> Part:
    """A statistic that is to be between two bounds; arguments as of `above`."""
    holds = least <= interval.low and interval.high <= most
    return Part(
        what, interval, f"{least:g} … {most:g}", _verdict(holds, interval.high < least or interval.low > most)
    )


def _verdict(holds: bool, is_against: bool) -> Verdict:
    return "supported" if holds else "not supported" if is_against else "undecided"


def together(parts: Sequence[Part]) -> Verdict:
    """What several parts say: all must hold, and one against is against.

    Args:
        parts: of one claim.

    Returns:
        The verdict; "undecided" without any part.
    """
    verdicts = {part.verdict for part in parts}
    if "not supported" in verdicts:
        return "not supported"
    return "supported" if verdicts == {"supported"} else "undecided"


# --- statistics -------------------------------------------------------------------------------------------


def share(hits: xarray.DataArray, among: xarray.DataArray) -> Interval:
    """Share of members with its Wilson interval.

    Args:
        hits: (member,) booleans.
        among: (member,) which count.

    Returns:
        The interval.
    """
    return _of(intervals.fraction(hits, among))


def mean(values: xarray.DataArray) -> Interval:
    """Mean of (member,) values with Student's interval; NaN does not count."""
    return _of(intervals.mean(values))


def median(values: xarray.DataArray) -> Interval:
    """Median of (member,) values with its bootstrap interval; NaN does not count."""
    return _of(intervals.median(values))


def _of(found: xarray.Dataset) -> Interval:
    return Interval(*(float(found[name]) for name in Interval._fields))


def of_those_left(dataset: xarray.Dataset, values: xarray.DataArray) -> xarray.DataArray:
    """Values of members that did not diverge; NaN for all where half of them did, as the others say little then.

    Args:
        dataset: with `status`.
        values: of its members.

    Returns:
        The same dimensions.
    """
    there, diverged = (dataset["status"] != MISSING).sum("member"), (dataset["status"] == DIVERGED).sum("member")
    return values.where((dataset["status"] == COMPUTED) & (2 * diverged < there))


def difference(one: Interval, other: Interval) -> Interval:
    """One minus another that is independent of it, by Newcombe's squares of what each end is off.

    Source: Newcombe, Statist. Med. 17 (1998), 873, method 10; for means the same as normal theory.

    Args:
        one: an interval.
        other: an interval.

    Returns:
        The interval of the difference.
    """
    middle = one.estimate - other.estimate
    down = np.hypot(one.estimate - one.low, other.high - other.estimate)
    up = np.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(middle, float(middle - down), float(middle + up))


def difference_of_pairs(one: np.ndarray, other: np.ndarray) -> Interval:
    """Share of hits in one of two trials of the same members minus that in the other.

    Source: Newcombe, Statist. Med. 17 (1998), 2635, method 10.

    Args:
        one: (member,) booleans.
        other: (member,) booleans.

    Returns:
        The interval of the difference; NaN without members.
    """
    n = len(one)
    if not n:
        return Interval(np.nan, np.nan, np.nan)
    everyone = xarray.DataArray(np.ones(n, dtype=bool), dims="member")
    first, second = (share(xarray.DataArray(hits, dims="member"), everyone) for hits in (one, other))
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    product = both * neither - int((one & ~other).sum()) * int((~one & other).sum())
    sums = one.sum() * (n - one.sum()) * other.sum() * (n - other.sum())
    excess = max(product - n / 2, 0.0) if product > 0 else float(product)
    phi = excess / np.sqrt(float(sums)) if sums else 0.0

    def reach(down: float, up: float) -> float:
        return float(np.sqrt(max(down**2 - 2 * phi * down * up + up**2, 0.0)))

    middle = first.estimate - second.estimate
    low = middle - reach(first.estimate - first.low, second.high - second.estimate)
    high = middle + reach(first.high - first.estimate, second.estimate - second.low)
    return Interval(middle, low, high)


def apart(one: Interval, value: float) -> Interval:
    """How far an estimate is from a value, whichever way.

    Args:
        one: an interval.
        value: any.

    Returns:
        The interval of the distance.
    """
    ends = abs(one.low - value), abs(one.high - value)
    low = 0.0 if one.low <= value <= one.high else min(ends)
    return Interval(abs(one.estimate - value), low, max(ends))


def bootstrapped(statistic: Callable[[np.ndarray], float], members: int, resamples: int = _RESAMPLES) -> Interval:
    """A statistic of members with its percentile bootstrap interval.

    Args:
        statistic: (member,) numbers of members, some more than once → a value; NaN where it has none.
        members: how many there are.
        resamples: that are drawn. Default: 1000.

    Returns:
        The interval; NaN of fewer than ten members, or where the statistic of all members is no number.
    """
    if members < LEAST:
        return Interval(np.nan, np.nan, np.nan)
    estimate = statistic(np.arange(members))
    return resampled(estimate, lambda random: statistic(random.integers(0, members, members)), resamples)


def resampled(estimate: float, statistic: Callable[[np.random.Generator], float], resamples: int) -> Interval:
    """An estimate with the percentile interval of the same statistic of members drawn anew; a fixed seed.

    Args:
        estimate: of the members as they are.
        statistic: draws members anew → a value; NaN where it has none.
        resamples: how many values.

    Returns:
        The interval; NaN where the estimate is. Values that are NaN count as infinite, whichever way makes it wider.
    """
    if np.isnan(estimate):
        return Interval(np.nan, np.nan, np.nan)
    random = np.random.default_rng(0)
    found = np.array([statistic(random) for _ in range(resamples)])
    low, high = (np.where(np.isnan(found), worst, found) for worst in (-np.inf, np.inf))
    ends = [float(np.quantile(low, 0.025, method="lower")), float(np.quantile(high, 0.975, method="higher"))]
    return Interval(float(estimate), *ends)


def spread(values: xarray.DataArray) -> Interval:
    """Standard deviation over members with Bonett's interval, which holds for distributions that are not normal.

    Source: Bonett, Comput. Stat. Data Anal. 50 (2006), 775.

    Args:
        values: (member,) numbers; NaN does not count.

    Returns:
        The interval; NaN of fewer than ten members.
    """
    numbers = values.values[np.isfinite(values.values)]
    n, z = len(numbers), float(ndtri(0.975))
    if n < LEAST:
        return Interval(np.nan, np.nan, np.nan)
    deviation = float(numbers.std(ddof=1))
    if not deviation:
        return Interval(0.0, 0.0, 0.0)
    around = trim_mean(numbers, 1 / (2 * np.sqrt(n - 4)))
    kurtosis = n * ((numbers - around) ** 4).sum() / ((numbers - numbers.mean()) ** 2).sum() ** 2
    small = n / (n - z)
    half = z * small * np.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    low, high = deviation * np.sqrt(small * np.exp([-half, half]))
    return Interval(deviation, float(low), float(high))
