"""Precision targets: how many members each point needs for its estimate to be narrow enough.

A point starts with `min_members`. While the interval of its estimate is too wide, it gets more: as many as the
width so far calls for, a quarter more at least, twice as many at most. The decision at any size depends on the
members up to that size alone, so a run that was interrupted, or one on other machines, decides the same.

An estimate that stops when it looks narrow stops too early now and then, with an interval that misses the truth
too often. So it has to be narrow at two sizes in a row, the second larger by a quarter; and a mean needs 25 γ²
members, γ the skewness of the numbers, before its t interval is believed (Cochran, Sampling Techniques, 3rd ed.,
section 2.15). The tests simulate what this is worth.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pipeline.plan.planning import Plan, make_plan
from pipeline.plan.rounds import in_rounds, record_of
from pipeline.request import Config, Precision, Sweep
from pipeline.store import Store, read
from pipeline.systems import Estimand

GROWTH = 1.25
COCHRAN = 25
_POINTS_A_READ = 256
"""Files of a store hold as many points at least."""


class Reached(NamedTuple):
    """How far a precision target is, by points."""

    members: np.ndarray
    """(point,) members it calls for now."""
    half_width: np.ndarray
    """(point,) half the interval's width with the members that are there; NaN without any."""
    narrow: np.ndarray
    """(point,) whether the target is met."""
    least: np.ndarray
    """(point,) members from which on the interval is to be believed."""


def reached(plan: Plan, precision: Precision) -> Reached:
    """How far a precision target is, from what is stored.

    Args:
        plan: of the sweep.
        precision: the target.

    Returns:
        By points: the members called for, half the interval's width, whether the target is met, and the members
        from which on the interval is to be believed.
    """
    estimand = plan.sweep.system.all_estimands[precision.of]
    points = len(plan.sweep.points)
    found = Reached(
        np.zeros(points, dtype=int), np.full(points, np.nan), np.zeros(points, dtype=bool), np.zeros(points)
    )
    for k, sample in enumerate(_samples(plan, estimand)):
        found.members[k], found.half_width[k], found.narrow[k] = call(
            sample, estimand.kind, precision, plan.sweep.block_members
        )
        found.least[k] = _least_members(sample, estimand.kind)
    return found


def call(sample: np.ndarray, kind: str, precision: Precision, block: int) -> tuple[int, float, bool]:
    """The members that one point calls for.

    Source: Cochran, Sampling Techniques, 3rd ed., section 2.15; see the module's docstring.

    Args:
        sample: (member,) numbers or, for a fraction, booleans, of the members there are, from the first on without
            a
            gap.
        kind: "mean", "median" or "fraction".
        precision: the target.
        block: members come in multiples of it.

    Returns:
        Members called for, half the width of the interval so far (NaN without any), and whether that is narrow
            enough.
    """
    most = _blocks(precision.max_members, block)
    size, width, was_narrow = _blocks(precision.min_members, block), float("nan"), False
    while size <= len(sample):
        width = half_width(sample[:size], kind, precision.confidence)
        narrow = width <= precision.half_width and size >= _least_members(sample[:size], kind)
        if narrow and (was_narrow or size == most):
            return size, width, True
        if size == most:
            break
        called = 0.0 if narrow else size * min(width / precision.half_width, 2.0) ** 2
        called = 2 * size if np.isnan(called) else np.clip(called, GROWTH * size, 2 * size)
        size, was_narrow = min(_blocks(int(np.ceil(called)), block), most), narrow
    return size, width, False


def _least_members(sample: np.ndarray, kind: str) -> float:
    """Members from which on an interval of this kind is to be believed."""
    values = sample[np.isfinite(sample)]
    if kind != "mean" or not len(values) or np.ptp(values) == 0:
        return 0.0
    return COCHRAN * _skewness(values) ** 2


def half_width(sample: np.ndarray, kind: str, confidence: float) -> float:
    """Half the width of the interval of an estimate.

    Args:
        sample: (member,) numbers, NaN for members that don't count; for a fraction, booleans.
        kind: "mean", "median" or "fraction".
        confidence: of the interval.

    Returns:
        In the unit of the numbers.
    """
    import xarray

    from pipeline.plan import intervals  # these two load scipy and xarray, which a plan without a target needs not

    values = xarray.DataArray(sample, dims="member")
    if kind == "fraction":
        estimate = intervals.fraction(values, xarray.ones_like(values, dtype=bool), confidence=confidence)
    else:
        interval = intervals.mean if kind == "mean" else intervals.median
        estimate = interval(values, confidence=confidence)
    return float(estimate["high"] - estimate["low"]) / 2


def _skewness(values: np.ndarray) -> float:
    from scipy.stats import skew  # half a second to import

    return float(skew(values))


def first_blocks(plan: Plan, members: np.ndarray) -> np.ndarray:
    """The blocks that hold the first members of every point.

    Args:
        plan: of the sweep.
        members: (point,) how many.

    Returns:
        (point, block) booleans.
    """
    needed = -(-members // plan.sweep.block_members)
    return np.asarray(np.arange(plan.sweep.blocks) < needed[:, None])


def _blocks(members: int, block: int) -> int:
    return -(-members // block) * block


def _samples(plan: Plan, estimand: Estimand) -> Iterator[np.ndarray]:
    """What an estimand says of the stored members of each point, up to the first block that is missing."""
    stored = plan.stored & ~(plan.stale if plan.on_stale == "recompute" else False)
    members = np.argmin(np.pad(stored, ((0, 0), (0, 1))), axis=1) * plan.sweep.block_members
    for first in range(0, len(members), _POINTS_A_READ):
        some = slice(first, first + _POINTS_A_READ)
        most, values = np.arange(members[some].max()), {}
        if plan.store is not None:
            values = {name: read(plan.store, name, plan.rows[some], most) for name in estimand.variables}
        for k, count in enumerate(members[some].tolist()):
            if not count:
                yield np.empty(0)
                continue
            of_point = {name: array[k, :count] for name, array in values.items()}
            yield np.asarray(estimand.of_members(of_point, plan.sweep.settings_at(plan.sweep.points[first + k])))


def planned(sweep: Sweep, config: Config, store: Store | None, on_stale: str | None = None) -> Plan:
    """What a request asks for: all its blocks or, with a precision target or of a search, those it calls for so far.

    Args:
        sweep: of the request.
        config: the request.
        store: the store at its path; None: nothing there.
        on_stale: "stop", "keep" or "recompute". Default: as the request says.

    Returns:
        The plan.

    Raises:
        RequestError: as `make_plan` does.
    """
    record = record_of(store, config) if config.in_rounds else None
    if record is not None:
        sweep, members = in_rounds(sweep, config, record)
    plan = make_plan(sweep, config.store.path, store, on_stale or config.on_stale)
    if record is not None:
        return replace(
            plan.narrowed_to(first_blocks(plan, members)), record=record, goes_on=record.goes_on(config)
        )
    if config.in_rounds:
        return replace(plan, goes_on=True)
    if config.ensemble.precision is None:
        return plan
    return plan.narrowed_to(first_blocks(plan, reached(plan, config.ensemble.precision).members))


def precision_line(plan: Plan, precision: Precision, found: Reached) -> str:
    """Which points missed a precision target, and by which rule.

    Args:
        plan: of the sweep.
        precision: the target.
        found: from `reached`.

    Returns:
        One line.
    """
    aim = f"{precision.of} within ± {precision.half_width:g} ({precision.confidence:.0%})"
    met = f"at {int(found.narrow.sum())} of {len(found.narrow)} points"
    missed = [
        f"{plan.sweep.named(plan.sweep.points[k])} (± {found.half_width[k]:.2g} with {found.members[k]} members"
        f"{_skew(precision, found, k)})"
        for k in np.flatnonzero(~found.narrow).tolist()
    ]
    return f"precision: {aim} {met}" + (f"; not at {', '.join(missed)}" if missed else "")


def _skew(precision: Precision, found: Reached, k: int) -> str:
    """That a point's numbers are too skew for the members it has, where that is why its narrow interval is no end."""
    if not found.half_width[k] <= precision.half_width or found.least[k] <= found.members[k]:
        return ""
    return f", too few for numbers this skew: a mean needs {np.ceil(found.least[k]):.0f} to be believed"
