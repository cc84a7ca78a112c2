"""Sobol indices: the share of an estimate's variance over a sweep that each axis is responsible for.

Let f(x) be the mean over members at a point x, and the coordinates of x independent. The first order index of an axis
is the share of Var f that is left of it when all other coordinates are averaged over; the total index the share that
vanishes when the others are fixed:

    S_j = Var(E[f | x_j]) / Var f,   T_j = E[Var(f | x_others)] / Var f

With rows a of a matrix A, b of B, and c_j, A with the column j of B (Saltelli et al., Comput. Phys. Commun. 181 (2010),
259; Jansen, ibid. 117 (1999), 35):

    Var f = ⟨(a − μ)(a − μ)⟩,   Var f · S_j = ⟨(b − μ)(c_j − a)⟩,   Var f · T_j = ⟨(a − c_j)²⟩ / 2

A mean over finitely many members has noise, whose variance a square would count as f's. So each product is one of two
different members, averaged over all pairs of them, and μ a member's own mean over rows. That is right whether members
at different points have noise of their own or share it.
"""

from typing import NamedTuple

import numpy as np
import xarray

from pipeline.errors import RequestError
from pipeline.plan import by_member, estimand_of
from pipeline.request import LEAST_MEMBERS, Design
from pipeline.systems import DIVERGED, find_or_loaded
from pipeline.words import counted

MOST_DIVERGED = 0.01
"""Of the rows: more, and what is left is another sample than was drawn."""


class Indices(NamedTuple):
    """First order and total indices, (2, axis), with the ends of their intervals."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def sensitivity(dataset: xarray.Dataset, of: str, confidence: float = 0.95) -> xarray.Dataset:
    """Sobol indices of every axis, free of the noise of finite members.

    Args:
        dataset: of a sweep with `sampling.method=sobol`, from `pipeline.run`, with at least 4 members.
        of: a mean of a scalar variable, or a mean or share that the system declares.
        confidence: of the intervals, from the differences between independent designs and, with common noise, those
            between members. Default: 0.95.

    Returns:
        `first` and `total`, each with `_low` and `_high`, over `axis`, the names of the settings. Attributes: `of`,
        `rows` that count and `rows_left_out`, as a member diverged there.

    Raises:
        RequestError: the points are no such sample or not all there, members diverged in over 1 % of the rows, there
            are fewer than 4 members, or the estimate is the same everywhere.
    """
    if "design" not in dataset.attrs:
        raise RequestError(
            ["sensitivity: expected the dataset of a sweep with sampling.method=sobol, got another"]
        )
    if estimand_of(dataset, of).kind == "median":
        raise RequestError([f"of: expected a mean or a share, got {of}"])
    design = Design.from_json(dataset.attrs["design"])
    values, rows, left_out = _in_rows(dataset, design, of)
    indices = indices_of(values, common=dataset.attrs["noise"] == "common", confidence=confidence)
    named = {
        f"{order}{end}": ("axis", column)
        for end, both in zip(("", "_low", "_high"), indices, strict=True)
        for order, column in zip(("first", "total"), both, strict=True)
    }
    attributes = {"of": of, "rows": rows, "rows_left_out": left_out}
    return xarray.Dataset(named, {"axis": list(design.ranges)}, attributes)


def sensitivity_lines(dataset: xarray.Dataset, of: str) -> list[str]:
    """Sobol indices, a line an axis.

    Args:
        dataset: as of `sensitivity`.
        of: an estimand.

    Returns:
        Lines for people; one that says why, if there are no indices.
    """
    try:
        found = sensitivity(dataset, of)
    except RequestError as error:
        return [f"sensitivity of {of}: not given: {error.faults[0]}"]
    left_out = f"; {counted(found.attrs['rows_left_out'], 'row')} left out, where members diverged"
    head = f"sensitivity of {of}: shares of its variance, 95 % intervals, {counted(found.attrs['rows'], 'row')}"
    width = max(map(len, found["axis"].values.tolist()))
    return [
        head + (left_out if found.attrs["rows_left_out"] else ""),
        *(
            f"  {one['axis'].item()!s:{width}}  first order {_told(one, 'first')}  total {_told(one, 'total')}"
            for one in (found.isel(axis=k) for k in range(found.sizes["axis"]))
        ),
    ]


def _told(index: xarray.Dataset, order: str) -> str:
    estimate, low, high = (float(index[order + end]) for end in ("", "_low", "_high"))
    return f"{estimate:5.2f} [{low:5.2f}, {high:5.2f}]"


def _in_rows(dataset: xarray.Dataset, design: Design, of: str) -> tuple[np.ndarray, int, int]:
    """(scrambling, matrix, row, member) numbers, NaN in rows that don't count; how many count, and how many don't."""
    if not {"point", "member"} <= set(dataset.dims):
        raise RequestError(["sensitivity: expected all points and members of a sweep, got a selection"])
    if (members := dataset.sizes["member"]) < LEAST_MEMBERS:
        raise RequestError([f"sensitivity: expected at least {LEAST_MEMBERS} members, got {members}"])
    system = find_or_loaded(dataset.attrs["system"])
    names = [system.coordinate_of(name) for name in design.ranges]
    points = zip(*(dataset[name].values.tolist() for name in names), strict=True)
    place_of, rows = {point: k for k, point in enumerate(points)}, design.rows()
    try:
        places = np.array([place_of[tuple(row)] for row in rows.reshape(-1, len(names)).tolist()])
    except KeyError as missing:
        raise RequestError([f"sensitivity: expected all points of the design, got none at {missing}"]) from missing
    places = places.reshape(rows.shape[:-1])
    values = by_member(dataset, of).transpose("point", "member").values[places]
    diverged = (dataset["status"] == DIVERGED).any("member").values[places].any(-1)
    if diverged.mean() > MOST_DIVERGED:
        raise RequestError(
            [
                f"sensitivity: expected members that diverge in at most {MOST_DIVERGED:.0%} of the rows, got "
                f"{diverged.mean():.1%}; narrow the axes"
            ]
        )
    out = ~np.isfinite(values).all((-2, -1))
    values[out] = np.nan
    if (~out).sum(0).min() < 2:
        raise RequestError(["sensitivity: expected two rows or more of each scrambling without gaps, got fewer"])
    return np.moveaxis(values, 0, 2), int((~out).sum()), int(out.sum())


def indices_of(values: np.ndarray, *, common: bool, confidence: float = 0.95) -> Indices:
    """Sobol indices of numbers in the rows of a design.

    Args:
        values: (scrambling, matrix, row, member): matrices A, B and, for every axis, their mixture; NaN in rows that
            don't count.
        common: whether a member has the same noise at all points, so that scramblings are not independent.
        confidence: of the intervals. Default: 0.95.

    Returns:
        Indices with jackknife t intervals: over scramblings and, with common noise, over members too.

    Raises:
        RequestError: the numbers are the same everywhere.
    """
    from scipy.stats import t

    scramblings, members = values.shape[0], values.shape[-1]
    parts = _parts(values)
    if not parts[0].sum() > 0:
        raise RequestError(
            ["sensitivity: expected an estimate that varies over the sweep, got the same everywhere"]
        )
    estimate = _ratio(parts)
    variance = _jackknife(np.array([_ratio(np.delete(parts, k, axis=1)) for k in range(scramblings)]))
    freedom = np.full(estimate.shape, scramblings - 1.0)
    if common:
        among = _jackknife(np.array([_ratio(_parts(np.delete(values, m, axis=-1))) for m in range(members)]))
        # Welch and Satterthwaite; a degree less than members have, as pairs of few of them are far from normal
        weights = variance**2 / freedom + among**2 / (members - 2)
        variance = variance + among
        freedom = np.divide(variance**2, weights, out=freedom, where=weights > 0)
    half = t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance)
    return Indices(estimate, estimate - half, estimate + half)


def _parts(values: np.ndarray) -> np.ndarray:
    """(1 + 2 axes, scrambling) variance, first order parts and total parts, a mean over rows each."""
    centred = values - np.nanmean(values[:, :2], axis=(0, 1, 2))
    a, b, mixed = centred[:, 0], centred[:, 1], np.moveaxis(centred[:, 2:], 1, 0)
    variance = (_of_pairs(a, a) + _of_pairs(b, b)) / 2
    parts = [variance[None], _of_pairs(b, mixed - a), _of_pairs(a - mixed, a - mixed) / 2]
    return np.asarray(np.nanmean(np.concatenate(parts), axis=-1))


def _of_pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The mean product of two different members, over the last axis."""
    members = left.shape[-1]
    pairs = left.sum(-1) * right.sum(-1) - (left * right).sum(-1)
    return np.asarray(pairs / (members * (members - 1)))


def _ratio(parts: np.ndarray) -> np.ndarray:
    """(2, axis) indices of parts that are averaged over scramblings."""
    sums = parts.sum(axis=1)
    return np.asarray((sums[1:] / sums[0]).reshape(2, -1))


def _jackknife(without: np.ndarray) -> np.ndarray:
    """The variance of an estimate, from those without one of its parts each, along the first axis."""
    return np.asarray((len(without) - 1) * without.var(axis=0))
