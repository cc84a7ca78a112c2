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
    together,
)
from pipeline.systems import COMPUTED, DIVERGED, find
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
    sides = [np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)]
    x, y = np.meshgrid(*sides, indexing="ij")
    depth = 0.3 * ((x - at[0]) ** 2 + (y - at[1]) ** 2)
    values = 0.1 + depth + slope * x
    values = values[..., None] + spread * np.random.default_rng(seed).standard_normal((7, 7, MEMBERS))
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
        "not supported": lambda: evolution(learned_at=10),
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
