"""Claims: for each, planted numbers that support it, that are against it, and that leave it open."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import xarray

from pipeline.claims import ASSUMED, CLAIMS, SWEEPS, judged
from pipeline.claims.judging import (
    Interval,
    Part,
    above,
    apart,
    below,
    between,
    bootstrapped,
    difference,
    difference_of_pairs,
    spread,
    together,
)
from pipeline.systems import COMPUTED, DIVERGED, MISSING, find
from tests.command import ROOT

OSCILLATORS = {"target_order_parameter": 0.6, "target_mean_abs_weight": 1.0}
MEMBERS = 96


def planted(system, axes=None, settings=None, diverged=0, **variables):
    """A dataset of a sweep: variables are (dims…, array over axes, member, dims…)."""
    axes = axes or {}
    status = np.full((*map(len, axes.values()), MEMBERS), COMPUTED)
    status[..., MEMBERS - diverged :] = DIVERGED
    extra = {"iteration": np.arange(100), "epoch": np.arange(100), "time": np.arange(1, 101) * 1.0}
    data = {"status": ((*axes, "member"), status)}
    for name, given in variables.items():
        dims, values = given if isinstance(given, tuple) else ((), given)
        shape = (*status.shape, *(len(extra.get(dim, np.arange(10))) for dim in dims))
        values = np.where(
            (status == COMPUTED).reshape(*status.shape, *(1 for _ in dims)),
            np.broadcast_to(values, shape),
            np.nan,
        )
        data[name] = ((*axes, "member", *dims), values)
    used = {dim for dims, _ in data.values() for dim in dims}
    coords = {**axes, **{dim: extra[dim] for dim in used if dim in extra}}
    attrs = {
        "system": system,
        "axes": json.dumps(list(axes)),
        "settings": json.dumps({**OSCILLATORS, **(settings or {})}),
    }
    return xarray.Dataset(data, coords=coords, attrs=attrs)


def noise(spread, *shape, seed=0):
    """Numbers around 0 along the members."""
    return spread * np.random.default_rng(seed).standard_normal((MEMBERS, *shape))


def hits(share):
    """R of members, of which a share reaches the target of 0.6."""
    return np.where(np.arange(MEMBERS) < share * MEMBERS, 0.6, 0.3)


# --- networks ---------------------------------------------------------------------------------------------


def evolution(classified=1.0, final=0.02, learned_at=90, descended_at=2):
    time = np.arange(100)
    return {
        "network_evolution": planted(
            "network",
            classified=np.where(np.arange(MEMBERS) < classified * MEMBERS, 1.0, 0.8),
            final_error=final + noise(0.001),
            error=(("iteration",), np.where(time < learned_at, 0.25, 0.05)),
            backpropagation_error=(("epoch",), np.where(time < descended_at, 0.25, 0.05)),
        )
    }


def surface(at=(0.0, 0.0), spread=0.005, slope=0.0, axes=("eta", "sigma"), seed=0, robust=False):
    """A map with a least value at some decades, and with a slope along its first axis."""
    sides = [np.linspace(-1, 1, 13), np.linspace(-1, 1, 13)]
    x, y = np.meshgrid(*sides, indexing="ij")
    depth = 0.3 * ((x - at[0]) ** 2 + (y - at[1]) ** 2)
    values = 0.1 + depth + slope * x
    values = values[..., None] + spread * np.random.default_rng(seed).standard_normal((13, 13, MEMBERS))
    named = dict(zip(axes, (10**side for side in sides), strict=True))
    kept = {"final_robustness": 1 - values} if robust else {"final_error": values}
    return planted("network", named, **kept)


def course(before=0.0, rise=0.5, late=1.0, share=1.0):
    """R and errors: the error is below h = 0.1 from the middle on, R rises after that."""
    time = np.arange(100)
    good = (np.arange(MEMBERS) < share * MEMBERS)[:, None]
    robustness = np.where(time < 50, before, np.where(time < 60, before + 0.01, before + rise))
    error = np.where(time < 50, 0.2, 0.05)
    error = np.where((time >= 50 + 50 * late), 0.2, error)
    return {
        "network_robust_evolution": planted(
            "network",
            settings={"threshold": 0.1},
            robustness=(("iteration",), np.where(good, robustness, 0.0)),
            error=(("iteration",), error),
        )
    }


def robust(gain=0.3, works=1.0, spread=0.05):
    nodes = np.linspace(0, 1, 10)
    of = {
        name: np.where(nodes < share, 0.05, 0.2) + noise(0.001, 10)
        for name, share in (("robust", 0.5 + gain), ("plain", 0.5))
    }
    settings, fine = {"threshold": 0.1}, np.where(np.arange(MEMBERS) < works * MEMBERS, 0.05, 0.2)
    named = {"network_robust": "robust", "network_functional_fresh": "plain"}
    return {
        sweep: planted(
            "network", settings=settings, damaged_error=(("hidden_node",), of[name]), original_error=fine
        )
        for sweep, name in named.items()
    }


# --- oscillators ------------------------------------------------------------------------------------------


def settled(error=0.01, late=0.02, share=0.5, diverged=0):
    wave = np.where(np.arange(100) < 50, 0.3, late) * (-1.0) ** np.arange(100)
    return {
        "kuramoto_evolution": planted(
            "kuramoto",
            diverged=diverged,
            fixed_order_parameter=hits(share),
            final_error=error + noise(0.001),
            mean_abs_weight=(("iteration",), 1 + wave),
        )
    }


def controlled(far=0.4, tight=0.01, near=0.6, weight=2.0, order=0.02, share=0.6):
    """Over β: the least, two within, the largest."""
    weights = np.stack([weight + noise(0.05), 1 + noise(0.02), 1 + noise(0.02), 1 + noise(tight)])
    orders = np.stack([near + noise(order), hits(share), hits(share), far + noise(0.02)])
    axes = {"weight_control": np.array([1e-4, 1e-3, 1e-2, 1.0])}
    if share < 1:  # those that choose and those that judge alike
        orders[1:3] = orders[1:3][:, np.random.default_rng(3).permutation(MEMBERS)]
    return {
        "kuramoto_weight_control": planted(
            "kuramoto", axes, fixed_order_parameter=orders, final_mean_abs_weight=weights
        )
    }


def scanned(shares=(0.5, 0.5, 0.5), weights=(3.0, 1.2, 1.0), luck=0.02, spread=0.05):
    axes = {"T": np.array([1.0, 50.0, 200.0])}
    strength = np.stack([(w + noise(spread))[:, None] * np.ones(45) for w in weights])
    orders = np.stack([hits(share) for share in shares])
    return {
        "kuramoto_T": planted(
            "kuramoto", axes, fixed_order_parameter=orders, weight=(("edge",), strength[..., :10])
        ),
        "kuramoto_null": planted("kuramoto", axes, fixed_order_parameter=hits(luck)),
    }


def compared(discrete=0.6, continuous=0.1, sooner=10, later=60, calm=0.01, wild=0.1):
    axes, time = {"T": np.array([5.0, 50.0])}, np.arange(100)
    some = (np.arange(MEMBERS) < 0.5 * MEMBERS)[:, None]
    random = np.random.default_rng(1)
    return {
        "kuramoto_continuous_T": planted(
            "kuramoto_continuous",
            axes,
            discrete_fixed_order_parameter=hits(discrete),
            fixed_order_parameter=hits(continuous)[::-1],
            discrete_order_parameter=(("time",), np.where(some & (time >= sooner), 0.6, 0.3)),
            order_parameter=(("time",), np.where(some & (time >= later), 0.6, 0.3)),
            discrete_error=(("time",), calm * random.standard_normal((2, MEMBERS, 100))),
            error=(("time",), wild * random.standard_normal((2, MEMBERS, 100))),
        )
    }


ROBUST_AXES = ("robust_eta", "robust_sigma")


def maps(**of_15):
    return {"network_eta_sigma": surface(), "network_eta_sigma_15": surface(**{"seed": 1, **of_15})}


CASES: dict[str, dict[str, Callable]] = {
    "C1": {
        "supported": evolution,
        "not supported": lambda: evolution(final=0.2),
        "undecided": lambda: evolution(classified=0.83),
    },
    "C2": {
        "supported": evolution,
        "not supported": lambda: evolution(learned_at=6),
        "undecided": lambda: evolution(learned_at=20),  # a ratio of 10: neither above nor below
    },
    "C3": {
        "supported": lambda: {"network_eta_sigma": surface()},
        "not supported": lambda: {"network_eta_sigma": surface(slope=0.6)},
        "undecided": lambda: {"network_eta_sigma": surface(at=(0.83, 0.0), spread=0.05, seed=2)},
    },
    "C4": {
        "supported": maps,
        "not supported": lambda: maps(at=(0.66, 0.0)),
        "undecided": lambda: maps(spread=2.0),
    },
    "C6": {
        "supported": lambda: {"network_robust_eta_sigma": surface(axes=ROBUST_AXES, robust=True)},
        "not supported": lambda: {"network_robust_eta_sigma": surface(axes=ROBUST_AXES, robust=True, slope=0.6)},
        "undecided": lambda: {
            "network_robust_eta_sigma": surface((0.83, 0.0), 0.05, axes=ROBUST_AXES, robust=True, seed=2)
        },
    },
    "C7": {
        "supported": robust,
        "not supported": lambda: robust(gain=-0.2),
        "undecided": lambda: robust(works=0.92),
    },
    "C8": {
        "supported": settled,
        "not supported": lambda: settled(error=0.05),
        "undecided": lambda: settled(share=0.01),  # a single member has no interval
    },
    "C9": {
        "supported": controlled,
        "not supported": lambda: controlled(far=0.6),
        "undecided": lambda: controlled(near=0.6, order=1.0),
    },
    "C10": {
        "supported": lambda: controlled(share=0.9),
        "not supported": lambda: controlled(share=0.05),
        "undecided": lambda: controlled(share=0.35),
    },
    "C11": {
        "supported": scanned,
        "not supported": lambda: scanned(weights=(1.1, 1.0, 1.0)),
        "undecided": lambda: scanned(shares=(0.04, 0.5, 0.5)),
    },
    "C12": {
        "supported": compared,
        "not supported": lambda: compared(discrete=0.1, continuous=0.6),
        "undecided": lambda: compared(discrete=0.3, continuous=0.3),
    },
    "C13": {
        "supported": lambda: scanned(shares=(1.0, 1.0, 1.0)),
        "not supported": lambda: scanned(shares=(0.05, 0.6, 0.6)),
        "undecided": lambda: scanned(shares=(0.4, 0.5, 0.5)),
    },
    "C14": {
        "supported": controlled,
        "not supported": lambda: controlled(weight=1.2),
        "undecided": lambda: controlled(order=0.05),
    },
    "C5": {
        "supported": course,
        "not supported": lambda: course(share=0.2),
        "undecided": lambda: course(share=0.52),
    },
    "C17": {
        "supported": settled,
        "undecided": lambda: settled(share=1.0),  # no share of members is surely all
    },
    "C18": {
        "supported": maps,
        "not supported": lambda: maps(at=(0.66, 0.66)),
        "undecided": lambda: maps(spread=0.5),
    },
    "C19": {
        "supported": compared,
        "not supported": lambda: compared(calm=0.2),
        "undecided": lambda: compared(calm=np.where(np.arange(MEMBERS) % 2, 0.02, 0.14)[:, None]),
    },
}
CASES |= {"C15": CASES["C5"], "C16": CASES["C3"]}


@pytest.mark.parametrize(("claim", "verdict"), [(claim, verdict) for claim in CASES for verdict in CASES[claim]])
def test_planted_numbers_have_their_verdict(claim, verdict):
    found = judged(CLAIMS[claim], CASES[claim][verdict](), {})
    told = [(part.what, part.interval, part.wanted, part.verdict) for part in found.parts]
    assert (found.verdict, found.why) == (verdict, ""), told


def test_every_claim_has_cases_and_sweeps_that_there_are():
    assert CASES.keys() == CLAIMS.keys() == {f"C{k}" for k in range(1, 20)}
    assert all((ROOT / "conf" / "sweep" / f"{sweep}.yaml").exists() for sweep in SWEEPS)
    assert ASSUMED


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_whose_store_is_not_there_says_which(claim):
    sweep = CLAIMS[claim].sweeps[-1]
    found = judged(CLAIMS[claim], {}, {sweep: "damaged: x.json"})
    assert (found.verdict, found.parts) == ("not computed", [])
    assert f"{sweep}: damaged: x.json" in found.why


def test_a_store_of_another_sweep_is_no_traceback():
    found = judged(CLAIMS["C13"], {"kuramoto_T": planted("kuramoto", fixed_order_parameter=hits(0.5))}, {})
    assert found.verdict == "not computed"


def test_members_that_diverge_do_not_succeed_and_are_in_no_mean():
    (few,) = judged(CLAIMS["C17"], settled(share=1.0, diverged=MEMBERS // 2), {}).parts
    assert few.interval.estimate == 0.5
    assert few.verdict == "supported"


# --- intervals --------------------------------------------------------------------------------------------

SIDES = {"supported": (1.0, 0.9, 1.1), "undecided": (1.0, -0.5, 2.0), "not supported": (-1.0, -1.1, -0.9)}


@pytest.mark.parametrize("verdict", SIDES)
def test_which_side_of_a_bound_an_interval_is_on(verdict):
    middle, low, high = SIDES[verdict]
    assert above("", Interval(middle, low, high), 0.0).verdict == verdict
    assert below("", Interval(-middle, -high, -low), 0.0).verdict == verdict
    assert between("", Interval(middle, low, high), 0.0, 1.5).verdict == verdict


def test_an_interval_that_touches_its_bound_decides_nothing_and_none_neither():
    assert above("", Interval(1.0, 0.0, 2.0), 0.0).verdict == "undecided"
    nothing = Interval(np.nan, np.nan, np.nan)
    parts = [above("", nothing, 0.0), below("", nothing, 0.0), between("", nothing, 0.0, 1.0)]
    assert {part.verdict for part in parts} == {"undecided"}


def test_one_part_against_is_against_and_none_is_undecided():
    def part(verdict):
        return Part("", Interval(0.0, 0.0, 0.0), "", verdict)

    assert together([part("supported"), part("undecided"), part("not supported")]) == "not supported"
    assert together([part("supported"), part("undecided")]) == "undecided"
    assert together([part("supported")] * 2) == "supported"
    assert together([]) == "undecided"


def test_differences_and_distances():
    assert difference(Interval(3.0, 0.0, 6.0), Interval(1.0, -3.0, 5.0)) == (2.0, -3.0, 7.0)
    assert apart(Interval(0.5, 0.4, 0.7), 0.6) == pytest.approx((0.1, 0.0, 0.2))
    assert apart(Interval(0.9, 0.8, 1.0), 0.6) == pytest.approx((0.3, 0.2, 0.4))


def test_bootstrap_intervals_cover():
    """Of means of 40 numbers: 400 intervals; 95 % nominal, of which percentile intervals reach some 93 %."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(400):
        numbers = random.standard_normal(40)
        _, low, high = bootstrapped(lambda some, of=numbers: float(of[some].mean()), 40, 200)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 400 <= 0.98


def test_systems_of_the_rules_are_there():
    for name in ("network", "kuramoto", "kuramoto_continuous"):
        assert find(name)


# --- uneven and odd stores --------------------------------------------------------------------------------


def parts_of(claim, datasets):
    found = judged(CLAIMS[claim], datasets, {})
    return {part.what: part for part in found.parts}, found


def fewer_at(dataset, members, **place):
    """The dataset with no more than so many members at all places but one."""
    status = dataset["status"].copy()
    number = xarray.DataArray(np.arange(MEMBERS), dims="member")
    rest = status.where(number < members, MISSING)
    rest[place] = status[place]
    return dataset.assign(status=rest)


@pytest.mark.parametrize("claim", ["C3", "C16"])
@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_a_place_with_more_members_changes_no_verdict_about_a_map(claim, slope):
    dataset = surface(slope=slope)
    grown = fewer_at(dataset, MEMBERS // 3, eta=3, sigma=3)
    verdicts = [judged(CLAIMS[claim], {"network_eta_sigma": one}, {}).verdict for one in (dataset, grown)]
    assert verdicts == (["not supported"] * 2 if slope else ["supported"] * 2)


def test_a_map_whose_edges_all_diverged_decides_nothing():
    dataset = surface()
    status = np.full(dataset["status"].shape, DIVERGED)
    status[1:-1, 1:-1] = COMPUTED
    found = judged(
        CLAIMS["C3"], {"network_eta_sigma": dataset.assign(status=(dataset["status"].dims, status))}, {}
    )
    assert found.verdict == "undecided"


@pytest.mark.parametrize("first", range(1, 6))
def test_a_region_as_long_as_its_bound_decides_nothing_wherever_it_is(first):
    """Of four places three steps of a sixth of a decade apart, which floats make a little more or less than 0.5."""
    sides = np.geomspace(31.62, 3162, 13), np.geomspace(0.001778, 0.1778, 13)
    values = 0.5 + noise(0.001) * np.ones((13, 13, 1))
    values[first : first + 4, 6] = 0.1 + noise(0.001)
    axes = dict(zip(("eta", "sigma"), sides, strict=True))
    parts, found = parts_of("C3", {"network_eta_sigma": planted("network", axes, final_error=values)})
    assert parts["decades of eta over which the minimum may lie"].interval.estimate == 0.5
    assert found.verdict == "undecided"


@pytest.mark.parametrize(("step", "verdict"), [(0.4, "supported"), (0.6, "undecided")])
def test_a_map_of_few_places_does_not_say_that_its_minimum_is_narrow(step, verdict):
    """One place is the best: the region that may hold the minimum ends somewhere within a step of the map, each way."""
    axes = {name: 10.0 ** (step * np.arange(5)) for name in ("eta", "sigma")}
    values = 0.5 + noise(0.001) * np.ones((5, 5, 1))
    values[2, 2] = 0.1 + noise(0.001)
    parts, found = parts_of("C3", {"network_eta_sigma": planted("network", axes, final_error=values)})
    assert parts["decades of eta over which the minimum may lie"].interval == (0, 0, step)
    assert found.verdict == verdict


@pytest.mark.parametrize("claim", ["C3", "C4", "C6", "C16", "C18"])
@pytest.mark.parametrize("members", [1, 2, 9])
def test_a_few_members_do_not_say_how_far_a_minimum_may_be_or_how_alike_maps_are(claim, members):
    for verdict in CASES[claim]:
        few = {name: one.isel(member=slice(members)) for name, one in CASES[claim][verdict]().items()}
        found = judged(CLAIMS[claim], few, {})
        told = {part.what: part.verdict for part in found.parts if "edge" not in part.what}
        assert told
        assert set(told.values()) == {"undecided"}


def test_maps_of_wide_steps_do_not_say_that_their_minima_are_at_one_place():
    one = {name: 10.0 ** np.arange(-1, 2) for name in ("eta", "sigma")}
    values = 0.5 + noise(0.001) * np.ones((3, 3, 1))
    values[1, 1] = 0.1 + noise(0.001)
    dataset = planted("network", one, final_error=values)
    found = judged(CLAIMS["C4"], dict.fromkeys(("network_eta_sigma", "network_eta_sigma_15"), dataset), {})
    assert found.verdict == "undecided"
    off = dataset.assign_coords(sigma=[0.0, 1.0, 10.0])
    found = judged(CLAIMS["C4"], dict.fromkeys(("network_eta_sigma", "network_eta_sigma_15"), off), {})
    assert (found.verdict, "above 0" in found.why) == ("not computed", True)


def test_the_same_map_twice_is_never_said_to_be_another():
    """Noise makes ranks of the means differ, however alike the maps are."""
    for seed in range(5):
        pair = maps(seed=seed + 10, spread=2.0)
        assert judged(CLAIMS["C18"], pair, {}).verdict != "not supported"


def test_learning_between_two_records_is_as_late_as_it_may_be_and_as_early():
    """Back-propagation gets there before its first record after 0, learning at its tenth: 9 to 20,000 times later."""
    dataset = evolution(learned_at=10, descended_at=1)["network_evolution"]
    apart = dataset.assign_coords({dim: 2000 * dataset[dim] for dim in ("iteration", "epoch")})
    (part,) = judged(CLAIMS["C2"], {"network_evolution": apart}, {}).parts
    assert part.interval == (10, 9, 20000)
    assert part.verdict == "undecided"


def test_maps_over_other_places_are_not_compared():
    other = surface(seed=1).assign_coords(eta=2 * surface()["eta"])
    found = judged(CLAIMS["C18"], {"network_eta_sigma": surface(), "network_eta_sigma_15": other}, {})
    assert (found.verdict, "same eta and sigma" in found.why) == ("not computed", True)


def test_descent_that_never_gets_there_is_no_support():
    dataset = evolution()["network_evolution"]
    error = dataset["backpropagation_error"].copy()
    error[: MEMBERS * 9 // 10] = 0.25
    parts, found = parts_of("C2", {"network_evolution": dataset.assign(backpropagation_error=error)})
    (part,) = parts.values()
    assert (part.interval.estimate, found.verdict) == (0, "not supported")


def test_a_scan_without_the_interval_that_others_are_compared_with_is_not_judged():
    found = judged(CLAIMS["C13"], {"kuramoto_T": scanned()["kuramoto_T"].isel(T=[0, 2])}, {})
    assert (found.verdict, "T = 50" in found.why) == ("not computed", True)
    found = judged(CLAIMS["C13"], {"kuramoto_T": scanned()["kuramoto_T"].isel(T=[1])}, {})
    assert found.verdict == "not computed"


def test_a_point_with_more_members_is_not_chosen_for_that():
    dataset = controlled(share=0.9)["kuramoto_weight_control"]
    grown = fewer_at(dataset, MEMBERS * 2 // 3, weight_control=1)
    assert judged(CLAIMS["C10"], {"kuramoto_weight_control": grown}, {}).verdict == "supported"


@pytest.mark.parametrize("diverged", [MEMBERS * 9 // 10, MEMBERS])
@pytest.mark.parametrize("claim", ["C2", "C9", "C14", "C19"])
def test_what_is_left_where_most_diverged_decides_nothing(claim, diverged):
    (sweep,) = CLAIMS[claim].sweeps
    dataset = {**evolution(), **controlled(), **compared()}[sweep]
    status = dataset["status"].copy()
    status[..., :diverged] = DIVERGED
    assert judged(CLAIMS[claim], {sweep: dataset.assign(status=status)}, {}).verdict == "undecided"


@pytest.mark.parametrize("claim", ["C4", "C18"])
def test_maps_on_which_nothing_was_learned_are_not_alike(claim):
    flat = {sweep: xarray.full_like(one, 0.25).assign(status=one["status"]) for sweep, one in maps().items()}
    assert judged(CLAIMS[claim], flat, {}).verdict == "undecided"


@pytest.mark.parametrize("claim", ["C5", "C15"])
def test_a_rise_between_the_records_at_which_the_error_falls_may_be_before_or_after(claim):
    ends = course(rise=0.5)["network_robust_evolution"].isel(iteration=[0, 99])
    (part,) = judged(CLAIMS[claim], {"network_robust_evolution": ends}, {}).parts
    assert part.interval.low < 0.05 < 0.95 < part.interval.high
    assert part.verdict == "undecided"


@pytest.mark.parametrize("records", [29, 39])
def test_a_few_records_do_not_say_whether_weights_settle(records):
    few = settled()["kuramoto_evolution"].isel(iteration=slice(0, records))
    found = judged(CLAIMS["C8"], {"kuramoto_evolution": few}, {})
    assert (found.verdict, "40 records are needed" in found.why) == ("not computed", True)


@pytest.mark.parametrize(
    ("claim", "axis", "kept"),
    [("C9", "weight_control", [0]), ("C14", "weight_control", [0]), ("C11", "T", [0]), ("C12", "T", [1])],
)
def test_a_scan_without_the_values_that_a_claim_is_about_is_not_judged(claim, axis, kept):
    datasets = {**controlled(), **scanned(), **compared()}
    sweep = CLAIMS[claim].sweeps[0]
    found = judged(CLAIMS[claim], {**datasets, sweep: datasets[sweep].isel({axis: kept})}, {})
    assert (found.verdict, " needed" in found.why) == ("not computed", True)


@pytest.mark.parametrize("claim", ["C9", "C12", "C14", "C19"])
def test_very_few_members_support_nothing(claim):
    datasets = {**controlled(), **compared()}
    few = {sweep: dataset.isel(member=slice(0, 3)) for sweep, dataset in datasets.items()}
    assert judged(CLAIMS[claim], few, {}).verdict != "supported"


def at_times(dataset, times):
    """The dataset as stored where the recorded times differ from T to T: numbered, the times beside them."""
    size = dataset.sizes["time"]
    filled = np.full((len(times), size), np.nan)
    for row, of in zip(filled, times, strict=True):
        row[: len(of)] = of
    there = xarray.DataArray(np.isfinite(filled), dims=("T", "time"))
    recorded = {name: dataset[name].where(there) for name in dataset.data_vars if "time" in dataset[name].dims}
    return dataset.assign(recorded).assign_coords(time=np.arange(size), time_at=(("T", "time"), filled))


def test_simulated_time_is_what_is_compared_not_the_number_of_a_record():
    """Discrete: 30 % at record 10 of T = 50, sooner at none of T = 5; continuous: at record 40 of T = 5."""
    dataset = compared()["kuramoto_continuous_T"]
    time = np.arange(100)
    some = (np.arange(MEMBERS) < 0.5 * MEMBERS)[:, None]
    orders = {
        "discrete_order_parameter": np.stack([0.3 + 0 * some * time, np.where(some & (time >= 10), 0.6, 0.3)]),
        "order_parameter": np.stack([np.where(some & (time >= 40), 0.6, 0.3), 0.3 + 0 * some * time]),
    }
    dataset = dataset.assign({name: (("T", "member", "time"), values) for name, values in orders.items()})
    times = (np.arange(1, 101) * 5.0, np.arange(1, 51) * 50.0)  # of T = 50 there are fewer records
    parts, _ = parts_of("C12", {"kuramoto_continuous_T": at_times(dataset, times)})
    ratio = parts["simulated time until 30% are at the target, discrete over continuous"]
    assert ratio.interval.estimate == pytest.approx(11 * 50 / (41 * 5))
    assert ratio.verdict == "not supported"


def test_records_that_a_point_does_not_have_are_in_no_spread():
    dataset = compared(calm=0.05, wild=0.1)["kuramoto_continuous_T"]
    whole, _ = parts_of("C19", {"kuramoto_continuous_T": dataset})
    dataset = at_times(dataset, (np.arange(1, 61) * 1.0, np.arange(1, 101) * 1.0))
    parts, _ = parts_of("C19", {"kuramoto_continuous_T": dataset})
    for what, part in parts.items():
        assert part.interval.estimate == pytest.approx(whole[what].interval.estimate, rel=0.1)


def test_a_scheme_whose_partner_diverged_counts_by_itself():
    dataset = compared(discrete=1.0, continuous=0.0)["kuramoto_continuous_T"]
    order = dataset["fixed_order_parameter"].copy()
    order[..., : MEMBERS // 2] = np.nan
    status = dataset["status"].copy()
    status[..., : MEMBERS // 2] = DIVERGED
    parts, _ = parts_of(
        "C12", {"kuramoto_continuous_T": dataset.assign(fixed_order_parameter=order, status=status)}
    )
    assert parts["T = 5: success, discrete minus continuous"].interval.estimate == 1.0


# --- intervals of spreads and of pairs --------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["standard_normal", "standard_exponential", "random"])
@pytest.mark.parametrize("members", [24, 96])
def test_intervals_of_spreads_cover(draw, members):
    """95 % nominal: of 500 sets of numbers; Bonett's reach .90 of exponential numbers of 24, as he finds."""
    random = np.random.default_rng(0)
    true = {"standard_normal": 1.0, "standard_exponential": 1.0, "random": 12**-0.5}[draw]
    sets = getattr(random, draw)((500, members))
    found = [spread(xarray.DataArray(one, dims="member")) for one in sets]
    assert np.mean([one.low <= true <= one.high for one in found]) >= 0.88


def test_a_spread_of_few_members_has_no_interval_and_of_equal_ones_is_0():
    assert np.isnan(spread(xarray.DataArray(np.arange(9.0), dims="member")).low)
    assert spread(xarray.DataArray(np.ones(20), dims="member")) == (0.0, 0.0, 0.0)


def test_differences_of_pairs_are_newcombes():
    """His table of 1998 (method 10): of 36 + 14 pairs, 12 with the first alone, 2 with the second alone."""
    one = np.repeat([True, True, False, False], [20, 12, 2, 16])
    other = np.repeat([True, False, True, False], [20, 12, 2, 16])
    assert difference_of_pairs(one, other) == pytest.approx((0.2, 0.0562, 0.3290), abs=5e-4)
    assert difference_of_pairs(~one, ~other) == pytest.approx((-0.2, -0.3290, -0.0562), abs=5e-4)
    nothing = np.zeros(2, dtype=bool)
    low, high = difference_of_pairs(nothing, nothing)[1:]
    assert low < 0 < high
    assert np.isnan(difference_of_pairs(nothing[:0], nothing[:0]).estimate)


def test_differences_of_pairs_cover():
    random, covered = np.random.default_rng(0), 0
    for _ in range(400):
        shared = random.random(60)
        one, other = shared < 0.6, np.where(random.random(60) < 0.5, shared, random.random(60)) < 0.4
        _, low, high = difference_of_pairs(one, other)
        covered += low <= 0.2 <= high
    assert covered / 400 >= 0.93
