"""Where to compute next, by a Gaussian process of what is stored; and where the optimum may be.

What an ensemble at a place is worth is what it is expected to gain at the place that is best thereafter, wherever that
is: the knowledge gradient of Frazier, Powell and Dayanik, INFORMS J. Comput. 21 (2009), 599. Near an optimum a
landscape is flat, and noise hides where it is least; ensembles aside may tell more. The set in which the optimum lies
is that of highest mass over joint draws of the posterior, as in Hennig and Schuler, J. Mach. Learn. Res. 13 (2012),
1809.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from pipeline.search.gaussian import Model

_NODES = norm.ppf((np.arange(16) + 0.5) / 16)
"""Quantiles of a normal distribution, over which an expectation is a mean."""
_NEARLY = 0.8
"""Of the greatest chance to be feasible: no worse, where no place is feasible."""
_MOST_BEST = 100
"""Candidates that may be best after one more ensemble."""
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
    noise: float
    """Variance of what one more ensemble tells of the value."""
    shared: float
    """Variance of the noise that all places have in common."""
    as_fitted: Callable[[np.ndarray], np.ndarray]
    """Estimates → what `value` is a model of: logarithms of positive means, logits of shares."""


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
    means, variances, unit = pooled(members)
    return estimates_of(means, variances, unit)


def pooled(members: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Means over members and the variances of their noise.

    Args:
        members: as of `of_means`.

    Returns:
        (place,) each, NaN where fewer than two members count, and the unit that they are in.
    """
    members = [np.where(np.isfinite(numbers), numbers, np.nan) for numbers in members]
    unit = size_of(np.concatenate(members))
    members = [numbers / unit for numbers in members]
    counts = np.array([np.isfinite(numbers).sum() for numbers in members])
    known = counts > 1
    means, spreads = np.full((2, len(members)), np.nan)
    for k in np.flatnonzero(known).tolist():
        means[k], spreads[k] = np.nanmean(members[k]), np.nanvar(members[k], ddof=1)
    freedom = counts - 1
    logarithmic = bool((means[known] > 0).all())
    expected = _power_of_mean(means, spreads, freedom) if logarithmic else _weighted(spreads, freedom)
    variances = (freedom * spreads + _POOLED * expected) / (freedom + _POOLED) / counts
    return means, np.where(known, variances, np.nan), unit


def size_of(values: np.ndarray) -> float:
    """The size of some numbers, as a unit in which their squares are numbers too.

    Args:
        values: any.

    Returns:
        The greatest; 1, if there is none, or all are 0.
    """
    size = float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
    return size if np.isfinite(1 / size if size else np.inf) else 1.0


def estimates_of(values: np.ndarray, variances: np.ndarray, unit: float) -> Estimates:
    """Values of any origin: logarithms, if all are surely positive.

    Args:
        values: (place,) NaN: not known.
        variances: (place,) of their noise.
        unit: that they are in.

    Returns:
        Estimates.
    """
    if bool((values > _SURELY * np.sqrt(variances))[np.isfinite(values)].all()):
        return Estimates(np.log(values), variances / values**2, lambda given: _log(given / unit))
    return Estimates(values, variances, lambda given: given / unit)


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
    common: bool = False,
) -> Models:
    """Models of the estimate and of divergence.

    Args:
        goal: what is looked for.
        places: (place, axis) in the unit cube.
        estimates: of them.
        diverged: (place,) members that did.
        members: (place,) how many there are.
        start: parameters of an earlier fit of both. Default: none.
        common: whether members have the same noise everywhere. Default: no.

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
    shared = float(np.median(variances)) if common else 0.0
    good = np.argsort(loss, kind="stable")[
        : max(4, len(loss) // 4)
    ]  # where the optimum is, the noise may be another
    noise = max(float(np.median((variances * members[known])[good])) / members.min(), 1e-12)
    if not diverged.any():
        return Models(value, cautious, None, noise, shared, estimates.as_fitted)
    share = (diverged + 0.5) / (members + 1)
    variances = 1 / (members * share * (1 - share) + 0.25)  # at most 4: none of few says little
    model = Model(places, logit(share), variances, start[1] if start[1:] else None)
    return Models(value, cautious, model, noise, shared, estimates.as_fitted)


def _logit(shares: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(shares, 1e-6, 1 - 1e-6)))


def _log(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(values, 1e-300)))


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


def _expected(models: Models, goal: Goal, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The loss expected of normal distributions: what is to be least."""
    if goal.aim != "target":
        return mean if goal.aim == "min" else -mean
    apart = mean - models.as_fitted(np.array(goal.target))
    spread = np.maximum(deviation, 1e-12)
    bell = np.sqrt(2 / np.pi) * spread * np.exp(-((apart / spread) ** 2) / 2)
    return np.asarray(bell + apart * (1 - 2 * norm.cdf(-apart / spread)))


def _loss(as_fitted: Callable[[np.ndarray], np.ndarray], goal: Goal, values: np.ndarray) -> np.ndarray:
    """The loss of known values."""
    if goal.aim == "target":
        return np.asarray(np.abs(values - as_fitted(np.array(goal.target))))
    return values if goal.aim == "min" else -values


def best(models: Models, goal: Goal, candidates: np.ndarray) -> int:
    """The candidate of the least expected loss, of those that are rather feasible than not.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.

    Returns:
        Its number.
    """
    chance, loss = feasible(models, goal, candidates), _expected(models, goal, *models.value.at(candidates))
    if not (chance > 0.5).any():
        return int(np.argmin(np.where(chance >= _NEARLY * chance.max(), loss, np.inf)))
    return int(np.argmin(np.where(chance > 0.5, loss, np.inf)))


def proposals(
    models: Models, goal: Goal, places: np.ndarray, candidates: np.ndarray, count: int, seed: int
) -> list[tuple[bool, int]]:
    """The places that are worth most; of several, the last one by a draw of where the optimum may be.

    The draws have every place explored where it may be, so that the region is one that was looked at.

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
    chosen, found = list[np.ndarray](), list[tuple[bool, int]]()
    for number in range(count):
        if number == count - 1 > 0:
            k = int(_possible_optima(models, goal, candidates, 1, np.random.default_rng(seed))[0])
        else:
            k = int(np.argmax(_worth(models, goal, candidates, chosen)))
        apart = models.value.kernel.distances(candidates[[k]], places)[0]
        near = int(np.argmin(apart))
        found.append((True, near) if apart[near] < _SAME else (False, k))
        chosen.append(candidates[k])
    return found


def _worth(models: Models, goal: Goal, candidates: np.ndarray, beside: Sequence[np.ndarray]) -> np.ndarray:
    """(candidate,) by how much an ensemble there is expected to lower the least loss, given others `beside`."""
    chance, (mean, deviation) = feasible(models, goal, candidates), models.value.at(candidates)
    may = np.flatnonzero(chance > 0.5)
    if not len(may):
        return _untried(models, chance * deviation, candidates, beside)
    loss = _expected(models, goal, mean[may], deviation[may])
    likely = np.argsort((loss - loss.min()) / deviation[may], kind="stable")[:_MOST_BEST]
    may, least = may[likely], loss.min()
    moves = models.value.moved(candidates[may], candidates, models.noise, beside)
    left = np.sqrt(np.maximum(deviation[may, None] ** 2 - moves**2, 0)) if goal.aim == "target" else moves
    after = [_expected(models, goal, mean[may, None] + node * moves, left).min(axis=0) for node in _NODES]
    counted = 1.0 if models.diverged is None else 1 - expit(models.diverged.at(candidates)[0])
    return np.asarray((least - np.mean(after, axis=0)) * counted)


def _untried(
    models: Models, worth: np.ndarray, candidates: np.ndarray, beside: Sequence[np.ndarray]
) -> np.ndarray:
    """What candidates are worth away from others that are tried at the same time."""
    for place in beside:
        apart = models.value.kernel.distances(candidates, place[None])[:, 0]
        worth = worth * (1 - np.exp(-((apart / _APART) ** 2) / 2))
    return worth


def region(models: Models, goal: Goal, candidates: np.ndarray, step: np.ndarray, seed: int) -> np.ndarray:
    """Where the optimum lies, among some candidates.

    Args:
        models: of what is known.
        goal: what is looked for.
        candidates: (candidate, axis) in the unit cube.
        step: (axis,) how far they are apart.
        seed: of the draws.

    Returns:
        (candidate,) whether it is in the smallest set that holds the optimum with 95 %, or next to one that is: between
        them it may lie anywhere.
    """
    optima = _possible_optima(models, goal, candidates, _DRAWS, np.random.default_rng(seed))
    mass = np.bincount(optima, minlength=len(candidates)) / _DRAWS
    order = np.argsort(-mass, kind="stable")
    inside = np.zeros(len(candidates), dtype=bool)
    inside[order[: int(np.searchsorted(np.cumsum(mass[order]), 0.95)) + 1]] = True
    for place in candidates[inside]:
        inside |= (np.abs(candidates - place) <= 1.01 * step + 1e-9).all(axis=1)
    return inside


def _possible_optima(
    models: Models, goal: Goal, candidates: np.ndarray, draws: int, random: np.random.Generator
) -> np.ndarray:
    """(draw,) numbers of the candidates that are best in joint draws of the posteriors."""
    some = _that_may_be_best(models, goal, candidates)
    values = models.cautious.drawn(candidates[some], draws, random)
    values = values + np.sqrt(models.shared) * random.standard_normal((draws, 1))  # of no account but for a target
    losses = _loss(models.as_fitted, goal, values)
    if models.diverged is not None:
        diverged = models.diverged.drawn(candidates[some], draws, random)
        few = diverged <= logit(goal.most_diverged)
        losses = np.where(few, losses, np.where(few.any(axis=1, keepdims=True), np.inf, diverged))
    return np.asarray(some[np.argmin(losses, axis=1)])


def _that_may_be_best(models: Models, goal: Goal, candidates: np.ndarray) -> np.ndarray:
    """(some,) numbers of the candidates of which any may be the optimum; the others are worse without doubt."""
    chance, (mean, deviation) = feasible(models, goal, candidates), models.cautious.at(candidates)
    loss = _expected(models, goal, mean, deviation)
    some = np.flatnonzero(chance > 0.02)
    if not len(some):
        some = np.arange(len(candidates))
    surely = chance > 0.98
    if surely.any():
        some = some[(loss - _CERTAIN * deviation)[some] <= (loss + _CERTAIN * deviation)[surely].min()]
    odds = (loss.min() - loss[some]) / deviation[some]
    return np.sort(some[np.argsort(-odds, kind="stable")[:_MOST_CANDIDATES]])
