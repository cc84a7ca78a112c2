"""Where to compute next, by a Gaussian process of what is stored; and where the optimum may be.

Sources: expected improvement with noise, Huang et al., J. Global Optim. 34 (2006), 441, and with a constraint,
Gardner et al., ICML (2014), 937. The set in which the optimum lies is that of highest mass over joint draws of the
posterior, as in Hennig and Schuler, J. Mach. Learn. Res. 13 (2012), 1809.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from pipeline.search.gaussian import Model

_NODES = norm.ppf((np.arange(32) + 0.5) / 32)
"""Quantiles of a normal distribution, over which an expectation is a mean."""
_POOLED = 8
"""Degrees of freedom that the noise of all places together counts beside that of one."""
_SAME = 0.15
"""Lengths of the kernel within which a place is not worth a new point: members are added to the known one."""
_APART = 0.5
"""Lengths of the kernel that the points of a round keep from each other, or half as likely."""
_DRAWS = 500
_MOST_CANDIDATES = 1000
"""Whose joint posterior is drawn."""


class Goal(NamedTuple):
    """What is looked for."""

    aim: Literal["min", "max", "target"]
    target: float = 0.0
    most_diverged: float = 0.05
    """Share of the members at a place that is feasible."""


class Models(NamedTuple):
    """What is expected anywhere, from what is known."""

    value: Model
    diverged: Model | None
    """None: no member ever diverged."""
    as_fitted: Callable[[np.ndarray], np.ndarray]
    """Estimates → what `value` is a model of: logarithms of positive means, logits of shares."""


class Region(NamedTuple):
    """Where the optimum lies."""

    chance: np.ndarray
    """(candidate,) that it is there."""
    inside: np.ndarray
    """(candidate,) whether it is in the smallest set that holds it with 95 %."""


class Estimates(NamedTuple):
    """What is known of some places, as a model takes it."""

    values: np.ndarray
    """(place,) NaN: nothing is known of the estimate."""
    variances: np.ndarray
    """(place,) of their noise."""
    as_fitted: Callable[[np.ndarray], np.ndarray]
    """Estimates → values."""


def of_means(members: Sequence[np.ndarray]) -> Estimates:
    """Means over members: logarithms, if all are positive.

    The noise of a place is shrunk to that of all, relative to the mean: a few members may be alike by chance.

    Args:
        members: of each place (member,) numbers, NaN for those that diverged.

    Returns:
        Estimates, of places where at least two members count.
    """
    counts = np.array([np.isfinite(numbers).sum() for numbers in members])
    known = counts > 1
    means, spreads = np.full((2, len(members)), np.nan)
    for k in np.flatnonzero(known).tolist():
        means[k], spreads[k] = np.nanmean(members[k]), np.nanvar(members[k], ddof=1)
    logarithmic = bool((means[known] > 0).all())
    relative, freedom = (spreads / means**2 if logarithmic else spreads), counts - 1
    pooled = float((freedom * relative)[known].sum() / freedom[known].sum())
    variances = (freedom * relative + _POOLED * pooled) / (freedom + _POOLED) / counts
    return Estimates(np.log(means) if logarithmic else means, variances, _log if logarithmic else _same)


def of_shares(members: Sequence[np.ndarray]) -> Estimates:
    """Logits of shares, (k + ½)/(n + 1): 0 of 16 are no 0.

    Args:
        members: of each place (member,) 0 and 1.

    Returns:
        Estimates.
    """
    counts, hits = np.array(list(map(len, members))), np.array([float(numbers.sum()) for numbers in members])
    shares = (hits + 0.5) / (counts + 1)
    return Estimates(logit(shares), 1 / ((counts + 1) * shares * (1 - shares)), _logit)


def fitted(
    places: np.ndarray,
    estimates: Estimates,
    diverged: np.ndarray,
    members: np.ndarray,
    start: Sequence[Sequence[float]] = (),
) -> Models:
    """Models of the estimate and of divergence.

    Args:
        places: (place, axis) in the unit cube.
        estimates: of them.
        diverged: (place,) members that did.
        members: (place,) how many there are.
        start: parameters of an earlier fit of both. Default: none.

    Returns:
        The models.
    """
    known = np.isfinite(estimates.values)
    value = Model(places[known], estimates.values[known], estimates.variances[known], start[0] if start else None)
    if not diverged.any():
        return Models(value, None, estimates.as_fitted)
    share = (diverged + 0.5) / (members + 1)
    variances = 1 / (members * share * (1 - share) + 0.25)  # at most 4: none of few says little
    return Models(
        value, Model(places, logit(share), variances, start[1] if start[1:] else None), estimates.as_fitted
    )


def _logit(shares: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(shares, 1e-6, 1 - 1e-6)))


def _log(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(values, 1e-300)))


def _same(values: np.ndarray) -> np.ndarray:
    return values


def feasible(models: Models, goal: Goal, candidates: np.ndarray) -> np.ndarray:
    """How likely few enough members diverge.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.

    Returns:
        (candidate,) probabilities.
    """
    if models.diverged is None:
        return np.ones(len(candidates))
    mean, deviation = models.diverged.at(candidates)
    return np.asarray(norm.cdf((logit(goal.most_diverged) - mean) / deviation))


def _loss(models: Models, goal: Goal, fitted_values: np.ndarray) -> np.ndarray:
    """What is to be least."""
    if goal.aim == "target":
        return np.asarray(np.abs(fitted_values - models.as_fitted(np.array(goal.target))))
    return fitted_values if goal.aim == "min" else -fitted_values


def expected_loss(models: Models, goal: Goal, candidates: np.ndarray) -> np.ndarray:
    """The loss that is expected at some places.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.

    Returns:
        (candidate,) numbers, less is better.
    """
    mean, deviation = models.value.at(candidates)
    return np.asarray(_loss(models, goal, mean[:, None] + deviation[:, None] * _NODES).mean(axis=1))


def best(models: Models, goal: Goal, candidates: np.ndarray) -> int:
    """The candidate of the least expected loss, of those that are rather feasible than not.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.

    Returns:
        Its number.
    """
    chance, loss = feasible(models, goal, candidates), expected_loss(models, goal, candidates)
    if not (chance > 0.5).any():
        return int(np.argmax(chance))
    return int(np.argmin(np.where(chance > 0.5, loss, np.inf)))


def proposals(
    models: Models, goal: Goal, places: np.ndarray, candidates: np.ndarray, count: int
) -> list[tuple[bool, int]]:
    """The most promising places.

    Args:
        models: of what is known.
        goal: what is looked for.
        places: (place, axis) that are known.
        candidates: (candidate, axis) in the unit cube.
        count: of places that are wanted.

    Returns:
        Of each whether it is known, and its number among `places` or else among `candidates`.
    """
    chance = feasible(models, goal, candidates)
    mean, deviation = models.value.at(candidates)
    at_known = np.where(feasible(models, goal, places) > 0.5, expected_loss(models, goal, places), np.inf)
    least = at_known.min() if np.isfinite(at_known).any() else np.inf
    losses = _loss(models, goal, mean[:, None] + deviation[:, None] * _NODES)
    gain = np.maximum(least - losses, 0).mean(axis=1) if np.isfinite(least) else deviation
    worth, found = gain * chance, []
    kernel = models.value.kernel
    for _ in range(count):
        k = int(np.argmax(worth))
        apart = kernel.distances(candidates[[k]], places)[0]
        near = int(np.argmin(apart))
        found.append((True, near) if apart[near] < _SAME else (False, k))
        worth = worth * (1 - np.exp(-((kernel.distances(candidates, candidates[[k]])[:, 0] / _APART) ** 2) / 2))
    return found


def region(models: Models, goal: Goal, candidates: np.ndarray, seed: int) -> Region:
    """Where the optimum lies, among some candidates.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.
        seed: of the draws.

    Returns:
        Chances, and the set of highest mass that holds it with 95 %.
    """
    chance, loss = feasible(models, goal, candidates), expected_loss(models, goal, candidates)
    some = np.flatnonzero(chance > 0.05)
    if not len(some):
        some = np.arange(len(candidates))
    some = np.sort(some[np.argsort(loss[some], kind="stable")[:_MOST_CANDIDATES]])
    random = np.random.default_rng(seed)
    losses = _loss(models, goal, models.value.drawn(candidates[some], _DRAWS, random))
    if models.diverged is not None:
        few = models.diverged.drawn(candidates[some], _DRAWS, random) <= logit(goal.most_diverged)
        losses = np.where(few, losses, np.inf)
    mass = np.zeros(len(candidates))
    np.add.at(mass, some[np.argmin(losses, axis=1)], 1 / _DRAWS)
    order = np.argsort(-mass, kind="stable")
    inside = np.zeros(len(candidates), dtype=bool)
    inside[order[: int(np.searchsorted(np.cumsum(mass[order]), 0.95)) + 1]] = True
    return Region(mass, inside)
