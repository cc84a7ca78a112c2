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
_SURELY = 2.0
"""Standard errors that positive means are above 0, for a model of their logarithms."""
_POOLED = 8
"""Degrees of freedom that the noise of all places together counts beside that of one."""
_SAME = 0.15
"""Lengths of the kernel within which a place is not worth a new point: members are added to the known one."""
_GOOD, _DOUBT, _FAR = 0.1, 0.3, 2.0
"""Estimates worse than the best tenth are doubted, to this share of the difference, but of so much at most (in
logarithms), where a region is told.
"""
_EVERY = 2
"""In one of so many rounds a place is chosen by a draw of what may be."""
_APART = 0.5
"""Lengths of the kernel that the points of a round keep from each other, or half as likely."""
_DRAWS = 500
_MOST_CANDIDATES = 600
"""Whose joint posterior is drawn."""
_CERTAIN = 4.0
"""Standard deviations within which a loss lies without doubt."""


class Goal(NamedTuple):
    """What is looked for."""

    aim: Literal["min", "max", "target"]
    target: float = 0.0
    most_diverged: float = 0.05
    """Share of the members at a place that is feasible."""


class Models(NamedTuple):
    """What is expected anywhere, from what is known."""

    value: Model
    cautious: Model
    """The same, but that estimates far from the best say little: a landscape may be another between them."""
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

    The noise of a place is shrunk to what all places say: a few members may be alike by chance. Positive numbers
    often have a variance that is a power of their mean (Taylor, Nature 189 (1961), 732), which is fitted to all.

    Args:
        members: of each place (member,) numbers, NaN for those that diverged.

    Returns:
        Estimates, of places where at least two members count.
    """
    return estimates_of(*pooled(members))


def pooled(members: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means over members and the variances of their noise.

    Args:
        members: as of `of_means`.

    Returns:
        (place,) each, NaN where fewer than two members count.
    """
    counts = np.array([np.isfinite(numbers).sum() for numbers in members])
    known = counts > 1
    means, spreads = np.full((2, len(members)), np.nan)
    for k in np.flatnonzero(known).tolist():
        means[k], spreads[k] = np.nanmean(members[k]), np.nanvar(members[k], ddof=1)
    freedom = counts - 1
    logarithmic = bool((means[known] > 0).all())
    expected = _power_of_mean(means, spreads, freedom) if logarithmic else _weighted(spreads, freedom)
    variances = (freedom * spreads + _POOLED * expected) / (freedom + _POOLED) / counts
    return means, np.where(known, variances, np.nan)


def estimates_of(values: np.ndarray, variances: np.ndarray) -> Estimates:
    """Values of any origin: logarithms, if all are surely positive.

    Args:
        values: (place,) NaN: not known.
        variances: (place,) of their noise.

    Returns:
        Estimates.
    """
    if bool((values > _SURELY * np.sqrt(variances))[np.isfinite(values)].all()):
        return Estimates(np.log(values), variances / values**2, _log)
    return Estimates(values, variances, _same)


def _weighted(spreads: np.ndarray, freedom: np.ndarray) -> float:
    """The variance of all places together."""
    known = np.isfinite(spreads)
    if not known.any():
        return 0.0
    return float((freedom * spreads)[known].sum() / freedom[known].sum())


def _power_of_mean(means: np.ndarray, spreads: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """(place,) variances expected where they are a power, 0 to 2, of the mean; fitted in logarithms."""
    varied = spreads > 0
    power = 0.0
    if np.ptp(logs := np.log(means[varied])) > 0 if varied.any() else False:
        power = float(np.clip(np.polyfit(logs, np.log(spreads[varied]), 1, w=np.sqrt(freedom[varied]))[0], 0, 2))
    scaled = spreads / means**power
    return np.asarray(_weighted(scaled, freedom) * means**power)


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
    goal: Goal,
    places: np.ndarray,
    estimates: Estimates,
    diverged: np.ndarray,
    members: np.ndarray,
    start: Sequence[Sequence[float]] = (),
) -> Models:
    """Models of the estimate and of divergence.

    Args:
        goal: what is looked for.
        places: (place, axis) in the unit cube.
        estimates: of them.
        diverged: (place,) members that did.
        members: (place,) how many there are.
        start: parameters of an earlier fit of both. Default: none.

    Returns:
        The models.
    """
    known = np.isfinite(estimates.values)
    told, variances = estimates.values[known], estimates.variances[known]
    if not known.any():  # all members diverged: the value is anybody's guess
        known, told, variances = np.arange(len(places)) == 0, np.zeros(1), np.ones(1)
    value = Model(places[known], told, variances, start[0] if start else None)
    loss = _loss(estimates.as_fitted, goal, told)
    far = np.clip(loss - np.quantile(loss, _GOOD), 0, _FAR)
    cautious = Model(places[known], told, variances + (_DOUBT * far) ** 2, value.kernel.theta.tolist(), near=True)
    if not diverged.any():
        return Models(value, cautious, None, estimates.as_fitted)
    share = (diverged + 0.5) / (members + 1)
    variances = 1 / (members * share * (1 - share) + 0.25)  # at most 4: none of few says little
    model = Model(places, logit(share), variances, start[1] if start[1:] else None)
    return Models(value, cautious, model, estimates.as_fitted)


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


def _loss(as_fitted: Callable[[np.ndarray], np.ndarray], goal: Goal, fitted_values: np.ndarray) -> np.ndarray:
    """What is to be least."""
    if goal.aim == "target":
        return np.asarray(np.abs(fitted_values - as_fitted(np.array(goal.target))))
    return fitted_values if goal.aim == "min" else -fitted_values


def expected_loss(models: Models, goal: Goal, candidates: np.ndarray, of: Model | None = None) -> np.ndarray:
    """The loss that is expected at some places.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.
        of: the model of the estimate. Default: `models.value`.

    Returns:
        (candidate,) numbers, less is better.
    """
    mean, deviation = (of or models.value).at(candidates)
    return np.asarray(_loss(models.as_fitted, goal, mean[:, None] + deviation[:, None] * _NODES).mean(axis=1))


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
    models: Models, goal: Goal, places: np.ndarray, candidates: np.ndarray, count: int, seed: int
) -> list[tuple[bool, int]]:
    """The most promising places by what is expected; in every second round the last one by a draw of what may be.

    The draws have every place explored where the optimum may be, so that the region is one that was looked at.

    Args:
        models: of what is known.
        goal: what is looked for.
        places: (place, axis) that are known.
        candidates: (candidate, axis) in the unit cube.
        count: of places that are wanted.
        seed: of the draw.

    Returns:
        Of each whether it is known, and its number among `places` or else among `candidates`.
    """
    chance = feasible(models, goal, candidates)
    mean, deviation = models.value.at(candidates)
    at_known = np.where(feasible(models, goal, places) > 0.5, expected_loss(models, goal, places), np.inf)
    least = at_known.min() if np.isfinite(at_known).any() else np.inf
    losses = _loss(models.as_fitted, goal, mean[:, None] + deviation[:, None] * _NODES)
    gain = np.maximum(least - losses, 0).mean(axis=1) if np.isfinite(least) else deviation
    worth, found = gain * chance, []
    kernel = models.value.kernel
    for number in range(count):
        k = int(np.argmax(worth))
        if number == count - 1 > 0 and seed % _EVERY == 0:
            k = int(_possible_optima(models, goal, candidates, 1, np.random.default_rng(seed))[0])
        apart = kernel.distances(candidates[[k]], places)[0]
        near = int(np.argmin(apart))
        found.append((True, near) if apart[near] < _SAME else (False, k))
        worth = worth * (1 - np.exp(-((kernel.distances(candidates, candidates[[k]])[:, 0] / _APART) ** 2) / 2))
    return found


def region(models: Models, goal: Goal, candidates: np.ndarray, step: float, seed: int) -> Region:
    """Where the optimum lies, among some candidates.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.
        step: how far they are apart along an axis.
        seed: of the draws.

    Returns:
        Chances, and the set of highest mass that holds it with 95 %, the next candidates with it: between them the
        optimum may lie anywhere.
    """
    optima = _possible_optima(models, goal, candidates, _DRAWS, np.random.default_rng(seed))
    mass = np.bincount(optima, minlength=len(candidates)) / _DRAWS
    order = np.argsort(-mass, kind="stable")
    inside = np.zeros(len(candidates), dtype=bool)
    inside[order[: int(np.searchsorted(np.cumsum(mass[order]), 0.95)) + 1]] = True
    for place in candidates[inside]:
        inside |= (np.abs(candidates - place) < 1.01 * step).all(axis=1)
    return Region(mass, inside)


def _possible_optima(
    models: Models, goal: Goal, candidates: np.ndarray, draws: int, random: np.random.Generator
) -> np.ndarray:
    """(draw,) numbers of the candidates that are best in joint draws of the posteriors."""
    some = _that_may_be_best(models, goal, candidates)
    losses = _loss(models.as_fitted, goal, models.cautious.drawn(candidates[some], draws, random))
    if models.diverged is not None:
        diverged = models.diverged.drawn(candidates[some], draws, random)
        few = diverged <= logit(goal.most_diverged)
        losses = np.where(few, losses, np.where(few.any(axis=1, keepdims=True), np.inf, diverged))
    return np.asarray(some[np.argmin(losses, axis=1)])


def _that_may_be_best(models: Models, goal: Goal, candidates: np.ndarray) -> np.ndarray:
    """(some,) numbers of the candidates of which any may be the optimum; the others are worse without doubt."""
    chance, loss = feasible(models, goal, candidates), expected_loss(models, goal, candidates, models.cautious)
    _, deviation = models.cautious.at(candidates)
    some = np.flatnonzero(chance > 0.02)
    if not len(some):
        some = np.arange(len(candidates))
    surely = chance > 0.98
    if surely.any():
        some = some[(loss - _CERTAIN * deviation)[some] <= (loss + _CERTAIN * deviation)[surely].min()]
    odds = (loss.min() - loss[some]) / deviation[some]
    return np.sort(some[np.argsort(-odds, kind="stable")[:_MOST_CANDIDATES]])
