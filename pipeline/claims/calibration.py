"""How well settings of the oscillators meet several claims at once: the objective of `+sweep=kuramoto_calibration`.

The score was written before the search:

    S = mean of S8, S9, S10, S11, S13, S14, each the mean of its terms;  g(x; a, b) = clip((x − a)/(b − a), 0, 1)

    S8   g(median ε of the successful; .03, .01)
    S9   at the largest β: g(|R − R_target|; .05, .15), g(sd of ⟨|w|⟩; .1, .02); at the least:
         g(|R − R_target|; .05, .02)
    S10  g(share that succeeds with |⟨|w|⟩ − W| ≤ .1; .1, .5), at the β within the scan where that is greatest
    S11  of the successful at the shortest T: g(⟨|w|⟩; 1.2, 2); at the longest: g(|⟨|w|⟩ − W|; .3, .05)
    S13  g(least over greatest share of success over T; .2, .8)
    S14  at the least β: g(⟨|w|⟩; 1.05, 1.5), g(sd of R; .1, .05)

A term of fewer than 5 successful members is 0. So is S, where over 5 % of the members diverge at any point.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray

from pipeline.systems import COMPUTED, DIVERGED, MISSING

INTERVALS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 200.0)
"""T over which success is compared, at the β that was chosen."""
SCANNED = 50.0
"""T at which β is scanned."""
TARGET, STRENGTH = 0.6, 1.0
"""R_target and W."""
_REACH, _NEAR = 0.05, 0.1
"""Of success, as the system has it; and of a fair ⟨|w|⟩."""
_FEASIBLE = 0.05
_LEAST = 5
_GROUPS = 8
"""Of the jackknife."""


def score(dataset: xarray.Dataset) -> tuple[float, float] | list[dict[str, Any]]:
    """S of a candidate, by a scan over β and one over T at the best β, which is asked for.

    Args:
        dataset: over `weight_control` and `T`, of which T = 50 at all β is there.

    Returns:
        S and its standard error by a jackknife over 8 groups of members; or the points of the scan over T that are
        not there yet.
    """
    dataset = dataset.sortby("weight_control")
    if _diverges(dataset):
        return 0.0, 0.0
    scan = dataset.sel(T=SCANNED)
    scan = scan.isel(weight_control=np.flatnonzero(_is_there(scan)))
    best = chosen(scan)
    there = dataset["T"].values[_is_there(dataset.sel(weight_control=best))].tolist()
    if missing := [T for T in INTERVALS if T not in there]:
        return [{"weight_control": best, "T": T} for T in missing]
    along = dataset.sel(weight_control=best, T=list(INTERVALS))
    return _with_error(lambda members: _score(scan.isel(member=members), along.isel(member=members)), dataset)


def chosen(scan: xarray.Dataset) -> float:
    """The β within a scan at which most members succeed with ⟨|w|⟩ near W.

    Args:
        scan: over `weight_control`, sorted.

    Returns:
        Its value, the least of several.
    """
    fair = _fair(scan).mean("member").values
    return float(scan["weight_control"][1 + int(np.argmax(fair[1:-1]))])


def _with_error(of: Callable[[np.ndarray], float], dataset: xarray.Dataset) -> tuple[float, float]:
    """A statistic of members with its standard error by leaving each of some groups out."""
    members = np.arange(dataset.sizes["member"])
    without = np.array([of(members[members % _GROUPS != group]) for group in range(_GROUPS)])
    return of(members), float(np.sqrt((_GROUPS - 1) * np.mean((without - without.mean()) ** 2)))


def _score(scan: xarray.Dataset, along: xarray.Dataset) -> float:
    """S, of a scan over β at one T and one over T at one β."""
    weak, strong = scan.isel(weight_control=0), scan.isel(weight_control=-1)
    at = along.sel(T=SCANNED)
    shortest, longest = along.isel(T=0), along.isel(T=-1)
    shares = _succeeds(along).mean("member")
    ratio = float(shares.min() / shares.max()) if bool(shares.max() > 0) else 0.0
    terms = [
        [_of_successful(at, "final_error", np.median, 0.03, 0.01)],
        [
            _g(_off(strong), 0.05, 0.15),
            _g(_spread(strong, "final_mean_abs_weight"), 0.1, 0.02),
            _g(_off(weak), 0.05, 0.02),
        ],
        [_g(float(_fair(at).mean()), 0.1, 0.5)],
        [
            _of_successful(shortest, "final_mean_abs_weight", np.mean, 1.2, 2.0),
            _of_successful(longest, "final_mean_abs_weight", lambda w: abs(np.mean(w) - STRENGTH), 0.3, 0.05),
        ],
        [_g(ratio, 0.2, 0.8)],
        [
            _g(float(_valid(weak, "final_mean_abs_weight").mean()), 1.05, 1.5),
            _g(_spread(weak, "fixed_order_parameter"), 0.1, 0.05),
        ],
    ]
    return float(np.mean([np.mean(one) for one in terms]))


def _g(x: float, a: float, b: float) -> float:
    """0 at a, 1 at b."""
    return float(np.clip((x - a) / (b - a), 0, 1))


def _of_successful(
    dataset: xarray.Dataset, name: str, statistic: Callable[[np.ndarray], Any], a: float, b: float
) -> float:
    values = dataset[name].values[_succeeds(dataset).values]
    return _g(float(statistic(values)), a, b) if len(values) >= _LEAST else 0.0


def _succeeds(dataset: xarray.Dataset) -> xarray.DataArray:
    return (abs(dataset["fixed_order_parameter"] - TARGET) < _REACH) & (dataset["status"] == COMPUTED)


def _fair(dataset: xarray.Dataset) -> xarray.DataArray:
    return _succeeds(dataset) & (abs(dataset["final_mean_abs_weight"] - STRENGTH) <= _NEAR)


def _valid(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    return dataset[name].where(dataset["status"] == COMPUTED)


def _off(dataset: xarray.Dataset) -> float:
    """|R − R_target|."""
    return abs(float(_valid(dataset, "fixed_order_parameter").mean()) - TARGET)


def _spread(dataset: xarray.Dataset, name: str) -> float:
    return float(_valid(dataset, name).std(ddof=1))


def _is_there(dataset: xarray.Dataset) -> np.ndarray:
    """(point,) whether all members are."""
    there: np.ndarray = (dataset["status"] != MISSING).all("member").values
    return there


def _diverges(dataset: xarray.Dataset) -> bool:
    """Whether too many members do at any point."""
    share = (dataset["status"] == DIVERGED).mean("member")
    return bool((share > _FEASIBLE).any())
