"""Claims about oscillators: figures 5 to 7, and the two schemes of learning beside each other."""

import numpy as np
import xarray
from scipy.special import ndtri

from pipeline.claims.judging import (
    Bounds,
    Datasets,
    Interval,
    Part,
    above,
    apart,
    below,
    between,
    bootstrapped,
    difference,
    difference_of_pairs,
    mean,
    median,
    of_those_left,
    share,
    spread,
)  # fmt: skip
from pipeline.store import settings_of
from pipeline.systems import COMPUTED, MISSING, find_or_loaded

_END = 0.05
"""Share of the recorded iterations that are the first, or the last."""


def settling(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C8: successful members end with a small error, and their weights settle."""
    dataset = datasets["kuramoto_evolution"]
    succeeds = _succeeds(dataset)
    weight = dataset["mean_abs_weight"]
    records = weight.sizes["iteration"]
    if records < 2 / _END:
        raise ValueError(f"{2 / _END:g} records are needed, so that 5 % of them have a spread")
    count = round(_END * records)
    ends = slice(0, count), slice(-count, None)
    first, last = (_spread_over_time(weight.isel(iteration=end), "iteration").where(succeeds) for end in ends)
    ratio = last / first
    error = median(dataset["final_error"].where(succeeds))
    return [
        below("median final error of successful members", error, bounds["error"]),
        below("spread over time of ⟨|w|⟩, last over first 5 %", mean(ratio), bounds["ratio"]),
    ]


def some_fail(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C17: not all members succeed."""
    dataset = datasets["kuramoto_evolution"]
    return [below("share of success", _success(dataset), bounds["share"])]


def control(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C9: strong control of the weights keeps R from the target, weak control lets the weights grow."""
    dataset = datasets["kuramoto_weight_control"]
    (strong, weak), target = _ends(dataset, "weight_control"), float(_setting(dataset, "target_order_parameter"))
    off = [apart(mean(_valid(one, "fixed_order_parameter")), target) for one in (strong, weak)]
    weights = [_valid(one, "final_mean_abs_weight") for one in (strong, weak)]
    return [
        above("largest β: |R − R_target|", off[0], bounds["far"]),
        below("largest β: spread of ⟨|w|⟩ over members", spread(weights[0]), bounds["spread"]),
        below("least β: |R − R_target|", off[1], bounds["near"]),
        above("least β: ⟨|w|⟩", mean(weights[1]), bounds["weight"]),
    ]


def weak_control(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C14: at the least β the weights are much larger than W, and R hardly varies."""
    _, weak = _ends(datasets["kuramoto_weight_control"], "weight_control")
    return [
        above("least β: ⟨|w|⟩", mean(_valid(weak, "final_mean_abs_weight")), bounds["weight"]),
        below(
            "least β: spread of R over members", spread(_valid(weak, "fixed_order_parameter")), bounds["spread"]
        ),
    ]


def compromise(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C10: at some β within the scan a fair share succeeds with ⟨|w|⟩ near W; half of the members choose it."""
    dataset = _complete(datasets["kuramoto_weight_control"].sortby("weight_control")).isel(
        weight_control=slice(1, -1)
    )
    if not dataset.sizes["weight_control"] or dataset.sizes["member"] < 2:
        raise ValueError("three values of β and two members are needed")
    off = abs(dataset["final_mean_abs_weight"] - _setting(dataset, "target_mean_abs_weight"))
    fair = _succeeds(dataset) & (off <= bounds["apart"])
    half = dataset.sizes["member"] // 2
    chosen = int(fair.isel(member=slice(0, half)).mean("member").argmax("weight_control"))
    others = {"weight_control": chosen, "member": slice(half, None)}
    beta = float(dataset["weight_control"][chosen])
    of = share(fair.isel(others), xarray.ones_like(fair.isel(others)))
    return [above(f"share at β = {beta:.3g}", of, bounds["share"])]


def interval(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C11: at the shortest T more succeed than by luck, with strong weights; at the longest ⟨|w|⟩ is near W."""
    null = datasets["kuramoto_null"].sortby("T")
    longest, shortest = _ends(datasets["kuramoto_T"], "T")
    luck = null.sel(T=float(shortest["T"]), method="nearest", tolerance=1e-9)
    weight = [abs(one["weight"]).mean("edge").where(_succeeds(one)) for one in (shortest, longest)]
    gain, ends = difference(_success(shortest), _success(luck)), (bounds["low"], bounds["high"])
    first, last = (f"T = {float(one['T']):g}" for one in (shortest, longest))
    return [
        above(f"{first}: success minus that without learning", gain, bounds["gain"]),
        above(f"{first}: ⟨|w|⟩ of the successful", mean(weight[0]), bounds["weight"]),
        between(f"{last}: ⟨|w|⟩ of the successful", mean(weight[1]), *ends),
    ]


def any_interval(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C13: as many succeed at any T as at one, simultaneous intervals of ratios by their logarithms."""
    dataset = datasets["kuramoto_T"].sortby("T")
    hits, among = _succeeds(dataset).sum("member").values, (dataset["status"] != MISSING).sum("member").values
    at = int(np.abs(dataset["T"].values - bounds["at"]).argmin())
    if not np.isclose(dataset["T"].values[at], bounds["at"]) or len(dataset["T"]) < 2:
        raise ValueError(f"T = {bounds['at']:g} and others are needed")
    others = [k for k in range(dataset.sizes["T"]) if k != at]
    sure = float(ndtri(1 - 0.025 / len(others)))
    shares = (hits + 0.5) / (among + 1)
    error = np.sqrt((1 - shares) / (among + 1) / shares)
    parts, ends = [], (bounds["low"], bounds["high"])
    for k in others:
        middle, half = np.log(shares[k] / shares[at]), sure * float(np.hypot(error[k], error[at]))
        ratio = Interval(*np.exp([middle, middle - half, middle + half]).tolist())
        what = f"success at T = {float(dataset['T'][k]):g} over that at {float(dataset['T'][at]):g}"
        parts.append(between(what, ratio, *ends))
    return parts


def schemes(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C12: at short T more succeed by the discrete scheme, and it needs less simulated time."""
    dataset = _complete(datasets["kuramoto_continuous_T"].sortby("T"))
    parts, short = [], dataset["T"].values[dataset["T"].values <= bounds["longest"]]
    if not len(short):
        raise ValueError(f"T of at most {bounds['longest']:g} are needed")
    for T in short:
        at = dataset.sel(T=T)
        names = ("discrete_fixed_order_parameter", "fixed_order_parameter")
        gain = difference_of_pairs(*(_is_near(at, name).values for name in names))
        parts.append(above(f"T = {T:g}: success, discrete minus continuous", gain, bounds["gain"]))

    def ratio(some: np.ndarray) -> float:
        discrete, continuous = (
            _soonest(dataset, name, some, bounds["share"])
            for name in ("discrete_order_parameter", "order_parameter")
        )
        return discrete / continuous if continuous and np.isfinite(min(discrete, continuous)) else np.nan

    soonest = bootstrapped(ratio, dataset.sizes["member"], 200)
    what = f"simulated time until {bounds['share']:.0%} are at the target, discrete over continuous"
    return [*parts, below(what, soonest, bounds["ratio"])]


def fluctuations(datasets: Datasets, bounds: Bounds) -> list[Part]:
    """C19: at every T the error varies less along the second half of the time in the discrete scheme."""
    dataset = datasets["kuramoto_continuous_T"].sortby("T")
    parts = []
    for T in dataset["T"].values:
        at = dataset.sel(T=T)
        count = len(_times(at))
        late = at.isel(time=slice(count // 2, count))
        names = ("discrete_error", "error")
        spreads = np.array([of_those_left(at, _spread_over_time(late[name], "time")).values for name in names])
        ratio = _ratio_of_means(spreads[:, np.isfinite(spreads).all(axis=0)])
        what = f"T = {T:g}: spread over time of the error, discrete over continuous"
        parts.append(below(what, ratio, bounds["ratio"]))
    return parts


def _spread_over_time(series: xarray.DataArray, dim: str) -> xarray.DataArray:
    """(…, member) standard deviations of series; of no account of those that diverged."""
    return series.fillna(0).std(dim)


def _ratio_of_means(pairs: np.ndarray) -> Interval:
    """The mean of the first over that of the second of (2, member) numbers."""

    def ratio(some: np.ndarray) -> float:
        one, other = pairs[:, some].mean(axis=1)
        return float(one / other) if other else np.nan

    return bootstrapped(ratio, pairs.shape[1])


# --- what they share --------------------------------------------------------------------------------------


def _succeeds(dataset: xarray.Dataset) -> xarray.DataArray:
    """Whether members succeed, as the system says it; those that diverge do not."""
    return _is_near(dataset, "fixed_order_parameter") & (dataset["status"] == COMPUTED)


def _is_near(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    """Whether members are near the target by one of their R, which is NaN where its scheme diverged."""
    success = find_or_loaded(dataset.attrs["system"]).estimands["success"]
    target = {"target_order_parameter": _setting(dataset, "target_order_parameter")}
    near: xarray.DataArray = success.of_members({"fixed_order_parameter": dataset[name]}, target)
    return near


def _success(dataset: xarray.Dataset) -> Interval:
    return share(_succeeds(dataset), dataset["status"] != MISSING)


def _valid(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    return of_those_left(dataset, dataset[name])


def _complete(dataset: xarray.Dataset) -> xarray.Dataset:
    """The members that were computed at all points."""
    there = (dataset["status"] != MISSING).all([dim for dim in dataset["status"].dims if dim != "member"])
    return dataset.isel(member=np.flatnonzero(there.values))


def _setting(dataset: xarray.Dataset, name: str) -> xarray.DataArray:
    return dataset[name] if name in dataset.coords else xarray.DataArray(settings_of(dataset)[name])


def _ends(dataset: xarray.Dataset, axis: str) -> tuple[xarray.Dataset, xarray.Dataset]:
    """At the largest value of an axis and at the least."""
    if dataset.sizes[axis] < 2:
        raise ValueError(f"two values of {axis} are needed")
    ordered = dataset.sortby(axis)
    return ordered.isel({axis: -1}), ordered.isel({axis: 0})


def _times(dataset: xarray.Dataset) -> np.ndarray:
    """(record,) the recorded times of a point: where others have more, rows are filled up with NaN."""
    times = dataset["time_at" if "time_at" in dataset.coords else "time"].values.astype(float)
    there: np.ndarray = times[np.isfinite(times)]
    return there


def _soonest(dataset: xarray.Dataset, name: str, some: np.ndarray, wanted: float) -> float:
    """The least simulated time, over T, from which on so many members are within reach of the target; ∞: never."""
    near = _is_near(dataset, name).transpose("T", "member", "time").isel(member=some)
    enough = near.mean("member") >= wanted
    soonest = np.inf
    for k in range(dataset.sizes["T"]):
        times = _times(dataset.isel(T=k))
        holds = enough.isel(T=k).values[: len(times)]
        from_there = np.logical_and.accumulate(holds[::-1])[::-1]
        if from_there.any():
            soonest = min(soonest, float(times[int(from_there.argmax())]))
    return soonest
