"""Estimates over an ensemble, with the interval that suits each."""

import numpy as np
import xarray
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
_RESAMPLES = 2000


def mean(values: xarray.DataArray, dim: str = "member", confidence: float = CONFIDENCE) -> xarray.Dataset:
    """Mean over members and its Student t interval, m ± t_(n−1) s/√n.

    Args:
        values: any dimensions, `dim` among them; NaN: a member that does not count.
        dim: over which to estimate. Default: "member".
        confidence: of the interval. Default: 0.95.

    Returns:
        `estimate`, `low`, `high` and `count` without `dim`; NaN where no member counts, an unbounded interval
            where one
        does.
    """
    count = values.count(dim)
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the end of a float's range
        average = values.mean(dim)
        spread = np.sqrt(((values - average) ** 2).sum(dim) / (count - 1).where(count > 1))
    quantile = xarray.apply_ufunc(stdtrit, np.maximum(count - 1, 1), (1 + confidence) / 2)
    half = (quantile * spread / np.sqrt(count.where(count > 0))).where(count != 1, np.inf)
    return _dataset(average, average - half, average + half, count)


def fraction(
    hits: xarray.DataArray, among: xarray.DataArray, dim: str = "member", confidence: float = CONFIDENCE
) -> xarray.Dataset:
    """Share of the members `among` which are `hits`, and its Wilson score interval.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 209 (1927).

    Args:
        hits: booleans, any dimensions, `dim` among them.
        among: booleans, the same dimensions: which members count.
        dim: over which to estimate. Default: "member".
        confidence: of the interval. Default: 0.95.

    Returns:
        `estimate`, `low`, `high` and `count` (of `among`) without `dim`; NaN where no member counts.
    """
    count = among.sum(dim)
    n = count.where(count > 0)
    share = (hits & among).sum(dim) / n
    z2 = ndtri((1 + confidence) / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return _dataset(
        share,
        np.minimum(np.maximum(centre - half, 0), share),
        np.maximum(np.minimum(centre + half, 1), share),
        count,
    )


def median(values: xarray.DataArray, dim: str = "member", confidence: float = CONFIDENCE) -> xarray.Dataset:
    """Median over members and its percentile bootstrap interval, of 2000 resamples with a fixed seed.

    Args:
        values: any dimensions, `dim` among them; NaN: a member that does not count.
        dim: over which to estimate. Default: "member".
        confidence: of the interval. Default: 0.95.

    Returns:
        `estimate`, `low`, `high` and `count` without `dim`; NaN where no member counts, an unbounded interval where
        so few do that not even the least and the greatest enclose the median so often: five, at 95 %.
    """
    quantiles = xarray.apply_ufunc(
        _bootstrap,
        values,
        input_core_dims=[[dim]],
        output_core_dims=[["quantile"]],
        vectorize=True,
        kwargs={"confidence": confidence},
    )
    middle, low, high = (quantiles.isel(quantile=k) for k in range(3))
    return _dataset(middle, low, high, values.count(dim))


def _bootstrap(values: np.ndarray, confidence: float) -> np.ndarray:
    """The median of (member,) values and the ends of its interval."""
    values = values[np.isfinite(values)]
    if not len(values):
        return np.full(3, np.nan)
    if 1 - 2.0 ** (1 - len(values)) < confidence:  # what the least and the greatest of them enclose at best
        return np.array([np.median(values), -np.inf, np.inf])
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    tail = (1 - confidence) / 2
    return np.array([np.median(values), *np.quantile(np.median(values[drawn], axis=1), [tail, 1 - tail])])


def _dataset(
    estimate: xarray.DataArray, low: xarray.DataArray, high: xarray.DataArray, count: xarray.DataArray
) -> xarray.Dataset:
    return xarray.Dataset({"estimate": estimate, "low": low, "high": high, "count": count})
