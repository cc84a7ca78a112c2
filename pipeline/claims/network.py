"""Claims about networks: figures 2 to 4."""

from collections.abc import Callable

import numpy as np
import xarray
from scipy.stats import spearmanr

from pipeline.claims.judging import (
    LEAST,
    Bounds,
    Datasets,
    Interval,
    Part,
    above,
    below,
    between,
    bootstrapped,
    difference,
    mean,
    of_those_left,
    resampled,
    share,
)  # fmt: skip
from pipeline.store import settings_of
from pipeline.systems import COMPUTED, MISSING

_BOTH = ("network_eta_sigma", "network_eta_sigma_15")
_RESAMPLED_MAPS = 300
_NOTHING = Interval(np.nan, np.nan, np.nan)


def learning(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C1: the error becomes small and the patterns are told apart."""
    dataset = datasets["network_evolution"]
    ratio = (dataset["final_error"] / dataset["error"].isel(iteration=0)).where(dataset["status"] == COMPUTED)
    right = (dataset["classified"] == 1) & (dataset["status"] == COMPUTED)
    return [
        above(
            "share of members that tell all patterns", share(right, dataset["status"] != MISSING), bounds["share"]
        ),
        below("final error over first error", mean(ratio), bounds["ratio"]),
    ]


def descent(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C2: back-propagation needs far fewer iterations to the same error."""
    dataset = datasets["network_evolution"]
    if not dataset.sizes["epoch"]:
        return []
    not_yet, learned = _first(dataset["error"] <= bounds["error"], "iteration")
    not_yet_descended, descended = _first(dataset["backpropagation_error"] <= bounds["error"], "epoch")
    left = of_those_left(dataset, dataset["status"]).notnull().values
    known = (np.isfinite(learned) | np.isfinite(descended)) & left

    def ratio(iterations: np.ndarray, epochs: np.ndarray) -> Interval:
        each = iterations[known] / np.maximum(epochs[known], 1)  # 0 where descent alone never gets there
        return bootstrapped(lambda some: float(np.median(each[some])) if len(some) else np.nan, len(each))

    # Either gets there between two records: the ratio is least and largest at their ends.
    least, largest = ratio(not_yet, descended), ratio(learned, not_yet_descended)
    found = Interval(ratio(learned, descended).estimate, least.low, largest.high)
    return [above(f"iterations to {bounds['error']:g}, over those of back-propagation", found, bounds["ratio"])]


def minimum(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C3, C16: the map of mean errors has one minimum, within it and small."""
    dataset = datasets["network_eta_sigma"]
    return _interior(dataset, dataset["final_error"], ("eta", "sigma"), bounds)


def robust_minimum(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C6: so has the map of mean 1 − R."""
    dataset = datasets["network_robust_eta_sigma"]
    return _interior(dataset, 1 - dataset["final_robustness"], ("robust_eta", "robust_sigma"), bounds)


def same_place(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C4: the minima of both maps are near each other, by members drawn anew."""
    grids = [_grid(datasets[name]) for name in _BOTH]
    members = [one.values for one in grids]
    parts = []
    for one in grids:
        _need_positive(one, ("eta", "sigma"))
    for axis, name in enumerate(("eta", "sigma")):
        sides = [np.log10(one[name].values) for one in grids]

        def decades(means: list[np.ndarray], axis: int = axis, sides: list[np.ndarray] = sides) -> float:
            if any(np.isnan(one).all() for one in means):
                return np.nan
            places = [np.argwhere(one == np.nanmin(one)) for one in means]
            if any(len(place) > 1 for place in places):
                return np.nan
            return float(sides[1][places[1][0, axis]] - sides[0][places[0][0, axis]])

        is_fine = all(len(side) > 2 and np.diff(side).max() <= bounds["decades"] for side in sides)
        found = _of_maps(members, decades) if is_fine else _NOTHING
        what = f"decades in {name} from the minimum of 5 patterns to that of 15"
        parts.append(between(what, found, -bounds["decades"], bounds["decades"]))
    return parts


def same_surface(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C18: the ranks of the means in both maps are almost the same."""

    def correlation(means: list[np.ndarray]) -> float:
        known = np.isfinite(means[0]) & np.isfinite(means[1])
        one, other = (some[known] for some in means)
        if known.sum() < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
            return np.nan
        return float(spearmanr(one, other).statistic)

    grids = [_grid(datasets[name]) for name in _BOTH]
    if any(not np.array_equal(grids[0][name], grids[1][name]) for name in ("eta", "sigma")):
        raise ValueError("maps over the same eta and sigma are needed")
    found = _of_maps([grid.values for grid in grids], correlation)
    # Noise lowers a correlation of ranks, and members drawn anew lower it as much again: the true one may be higher,
    # by as much as halves of one map differ from each other (Spearman, Am. J. Psychol. 15 (1904), 72).
    alike = float(np.prod([_reliability(grid.values, correlation) for grid in grids])) ** 0.5
    high = max(found.high, 2 * found.estimate - found.low)
    found = found._replace(high=min(high / alike, 1.0) if alike else 1.0)
    return [above("rank correlation of the maps", found, bounds["correlation"])]


def robust_course(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C5, C15: R is 0 until the error is below h, then rises while the error stays there."""
    dataset = datasets["network_robust_evolution"]
    is_below = (dataset["error"] < settings_of(dataset)["threshold"]).transpose("member", "iteration").values
    robustness = dataset["robustness"].transpose("member", "iteration").values
    holds = np.zeros((2, len(is_below)), dtype=bool)
    for k, (there, R) in enumerate(zip(is_below, robustness, strict=True)):
        if there.any():
            first = int(there.argmax())
            low_before = bool((R[:first] < bounds["before"]).all())
            # The error gets there between two records: R rises from then on by what is least or most at their ends.
            rises = R[first:].max() - R[[first, max(first - 1, 0)]] > bounds["rise"]
            holds[:, k] = rises & (low_before and there[first:].mean() >= bounds["later"])
    least, most = (
        share(xarray.DataArray(one, dims="member") & (dataset["status"] == COMPUTED), dataset["status"] != MISSING)
        for one in holds
    )
    found = Interval(least.estimate, least.low, most.high)
    return [above("share of members with such a course", found, bounds["share"])]


def robust_gain(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C7: robust learning makes networks more robust than learning by the error alone, at the same h."""
    robust, plain = datasets["network_robust"], datasets["network_functional_fresh"]
    threshold = settings_of(robust)["threshold"]
    gain = difference(*(mean(_robustness(one, threshold)) for one in (robust, plain)))
    works = (robust["original_error"] < threshold) & (robust["status"] == COMPUTED)
    return [
        above("R, robust minus functional", gain, bounds["gain"]),
        above(
            "share of the robust with an error below h", share(works, robust["status"] != MISSING), bounds["share"]
        ),
    ]


# --- what they share --------------------------------------------------------------------------------------


def _robustness(dataset: xarray.Dataset, threshold: float) -> xarray.DataArray:
    return (dataset["damaged_error"] < threshold).mean("hidden_node").where(dataset["status"] == COMPUTED)


def _first(holds: xarray.DataArray, dim: str) -> tuple[np.ndarray, np.ndarray]:
    """(member,) the record before, and that where along a dimension something holds first; ∞: nowhere."""
    there, records = holds.transpose("member", dim).values, holds[dim].values
    at = there.argmax(axis=1)
    before, first = (np.where(there.any(axis=1), records[k], np.inf) for k in (np.maximum(at - 1, 0), at))
    return before, first


def _interior(
    dataset: xarray.Dataset, values: xarray.DataArray, axes: tuple[str, str], bounds: Bounds
) -> list[Part]:
    """The least value on every edge against the least within, and how far the least may be spread."""
    grid = of_those_left(dataset, values).sortby(list(axes)).transpose(*axes, "member")
    _need_positive(grid, axes)
    estimates = {place: mean(grid[place]) for place in np.ndindex(grid.shape[:2])}
    counts = np.isfinite(grid.values).any(axis=2)
    last = [size - 1 for size in grid.shape[:2]]
    within = [
        place for place in estimates if counts[place] and all(0 < i < n for i, n in zip(place, last, strict=True))
    ]
    if not within:
        return []
    best = min(within, key=lambda place: estimates[place].estimate)
    parts = []
    for axis, name in enumerate(axes):
        edges = {
            word: [place for place in estimates if place[axis] == end and counts[place]]
            for end, word in ((0, "least"), (last[axis], "largest"))
        }
        if not any(edges.values()):
            parts.append(above(f"edges of {name}: their least minus the least within", _NOTHING, bounds["above"]))
        for word, edge in edges.items():
            if edge:  # where most members diverge everywhere, nothing is less
                least = min(edge, key=lambda place: estimates[place].estimate)
                found = difference(estimates[least], estimates[best])
                parts.append(
                    above(f"edge of {word} {name}: its least minus the least within", found, bounds["above"])
                )
    # Members that are too few for an interval say nothing of how far the minimum may be.
    is_known = np.isfinite(grid.values).sum(axis=2)[counts].min() >= LEAST
    near = [place for place in estimates if counts[place] and estimates[place].low <= estimates[best].high]
    for axis, name in enumerate(axes):
        what = f"decades of {name} over which the minimum may lie"
        extent = _extent(grid[name].values, {place[axis] for place in near}) if is_known else _NOTHING
        parts.append(below(what, extent, bounds["decades"]))
    return parts


def _extent(values: np.ndarray, near: set[int]) -> Interval:
    """Decades between the outermost of some values, at most half a step more each way: nothing between was computed."""
    side, least, greatest = np.log10(values), min(near), max(near)
    extent = side[greatest] - side[least]
    steps = side[[least, min(greatest + 1, len(side) - 1)]] - side[[max(least - 1, 0), greatest]]
    # Rounded: a step may be a whole number of decades.
    return Interval(*(round(float(value), 3) for value in (extent, extent, extent + steps.sum() / 2)))


def _need_positive(grid: xarray.DataArray, axes: tuple[str, str]) -> None:
    if not (grid[axes[0]] > 0).all() or not (grid[axes[1]] > 0).all():
        raise ValueError(f"{' and '.join(axes)} above 0 are needed")


def _grid(dataset: xarray.Dataset) -> xarray.DataArray:
    """(eta, sigma, member) final errors, NaN where a member diverged, and of all where most did."""
    return (
        of_those_left(dataset, dataset["final_error"]).sortby(["eta", "sigma"]).transpose("eta", "sigma", "member")
    )


def _of_maps(maps: list[np.ndarray], statistic: Callable[[list[np.ndarray]], float]) -> Interval:
    """A statistic of maps of means, by members drawn anew at every place by itself; NaN of fewer than ten."""
    counts = [np.isfinite(one).sum(axis=2) for one in maps]
    if any(one.any() and one[one > 0].min() < LEAST for one in counts):
        return _NOTHING

    def drawn(random: np.random.Generator) -> float:
        return statistic([_drawn(one, random) for one in maps])

    return resampled(statistic([_means(one) for one in maps]), drawn, _RESAMPLED_MAPS)


def _reliability(members: np.ndarray, correlation: Callable[[list[np.ndarray]], float]) -> float:
    """Of a map of means, 0 … 1: by the correlation of those of its even members and those of its odd ones."""
    halves = correlation([_means(members[..., ::2]), _means(members[..., 1::2])])
    return 2 * halves / (1 + halves) if halves > 0 else 0.0


def _means(members: np.ndarray) -> np.ndarray:
    counts = np.isfinite(members).sum(axis=2)
    return np.where(counts > 0, np.nansum(members, axis=2) / np.maximum(counts, 1), np.nan)


def _drawn(members: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Means of members that are drawn anew."""
    chosen = random.integers(0, members.shape[2], members.shape)
    return _means(np.take_along_axis(members, chosen, axis=2))
