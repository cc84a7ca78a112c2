"""The score of a joint calibration: what it asks for, and what each of its terms is worth."""

import json

import numpy as np
import pytest
import xarray

from pipeline.claims.calibration import INTERVALS, score
from pipeline.claims.searched import holds
from pipeline.systems import COMPUTED, DIVERGED, MISSING

BETAS = [1e-4, 1e-3, 1e-2, 1.0]
MEMBERS = 48
PERFECT = 1.0


def planted(intervals=INTERVALS, best=1e-2, **changed):
    """Numbers that meet all claims, over β and T; changed: (β or None, T or None) → name → values."""
    shape = (len(BETAS), len(intervals), MEMBERS)
    status = np.full(shape, MISSING)
    status[:, list(intervals).index(50.0)] = COMPUTED
    status[BETAS.index(best)] = COMPUTED
    wave = 0.001 * np.resize([1.0, -1.0], MEMBERS)
    dataset = xarray.Dataset(
        {
            "status": (("weight_control", "T", "member"), status),
            "fixed_order_parameter": (("weight_control", "T", "member"), np.full(shape, 0.6) + wave),
            "final_mean_abs_weight": (("weight_control", "T", "member"), np.full(shape, 1.0) + wave),
            "final_error": (("weight_control", "T", "member"), np.full(shape, 0.005) + wave),
        },
        {"weight_control": BETAS, "T": list(intervals)},
    )
    at = {"weight_control": 1.0, "T": 50.0}
    dataset["fixed_order_parameter"].loc[at] = 0.3 + wave  # strong control keeps R away
    dataset["final_mean_abs_weight"].loc[{"weight_control": 1e-4, "T": 50.0}] = 2.0 + wave
    dataset["fixed_order_parameter"].loc[{"weight_control": 1e-3, "T": 50.0}] = 0.2 + wave
    if 1.0 in intervals:
        dataset["final_mean_abs_weight"].loc[{"weight_control": best, "T": 1.0}] = 3.0 + wave
    return dataset


def changed(name, beta, T, value):
    dataset = planted()
    dataset[name].loc[{"weight_control": beta, "T": T}] = value
    return dataset


def test_settings_that_meet_all_have_a_score_of_one():
    assert score(planted()) == pytest.approx((PERFECT, 0.0), abs=1e-3)


def test_it_asks_for_the_scan_over_T_at_the_best_beta_and_for_nothing_twice():
    asked = score(planted(intervals=[50.0]))
    assert asked == [{"weight_control": 1e-2, "T": T} for T in INTERVALS if T != 50]
    some = planted()
    some["status"].loc[{"weight_control": 1e-2, "T": 200.0}] = MISSING
    assert score(some) == [{"weight_control": 1e-2, "T": 200.0}]
    assert score(planted(intervals=(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0))) == score(planted())


@pytest.mark.parametrize(
    ("name", "beta", "T", "value", "lost"),
    [
        ("final_error", 1e-2, 50.0, 0.02, 1 / 2),  # C8
        ("fixed_order_parameter", 1.0, 50.0, 0.6, 1 / 3),  # C9
        ("final_mean_abs_weight", 1.0, 50.0, np.linspace(0, 2, MEMBERS), 1 / 3),  # C9
        ("final_mean_abs_weight", 1e-2, 1.0, 1.2, 1 / 2),  # C11
        ("final_mean_abs_weight", 1e-2, 200.0, 1.3, 1 / 2),  # C11
        ("final_mean_abs_weight", 1e-4, 50.0, 1.0, 1 / 2),  # C14
        ("fixed_order_parameter", 1e-4, 50.0, 0.6 + np.resize([0.2, -0.2], MEMBERS), 1 / 2),  # C14
        ("fixed_order_parameter", 1e-2, 2.0, np.where(np.arange(MEMBERS) < MEMBERS / 2, 0.6, 0.3), 1 / 2),  # C13
    ],
)
def test_what_each_term_is_worth(name, beta, T, value, lost):
    found, _ = score(changed(name, beta, T, value))
    assert found == pytest.approx(PERFECT - lost / 6, abs=2e-3)


def test_terms_of_few_successful_members_are_nothing():
    rarely = np.where(np.arange(MEMBERS) < 4, 0.6, 0.3)
    found, _ = score(changed("fixed_order_parameter", 1e-2, 1.0, rarely))
    assert found == pytest.approx(PERFECT - (1 / 2 + 1) / 6, abs=2e-3)  # ⟨|w|⟩ at T = 1, and the shares over T


def test_where_members_diverge_there_is_no_score():
    dataset = planted()
    dataset["status"].loc[{"weight_control": 1e-3, "T": 50.0}] = np.where(
        np.arange(MEMBERS) < 3, DIVERGED, COMPUTED
    )
    assert score(dataset) == (0.0, 0.0)


def test_its_error_is_that_of_repeated_ensembles():
    random, found = np.random.default_rng(0), []
    for _ in range(80):
        dataset = planted()
        hits = np.where(random.random(MEMBERS) < 0.4, 0.6, 0.3)
        dataset["fixed_order_parameter"].loc[{"weight_control": 1e-2, "T": 50.0}] = hits
        found.append(score(dataset))
    scores, errors = np.array(found).T
    assert errors.mean() == pytest.approx(scores.std(), rel=0.3)


def searched(*candidates):
    """A dataset of a search, of candidates by their planted datasets: scans along `point`, as a store has them."""
    points = []
    for number, dataset in enumerate(candidates):
        stacked = dataset.stack(point=("weight_control", "T")).transpose("point", "member").reset_index("point")
        stacked = stacked.isel(point=np.flatnonzero((stacked["status"] != MISSING).any("member").values))
        place = {name: ("point", np.full(stacked.sizes["point"], value)) for name, value in zip(
            ("eta", "sigma", "delay"), (number + 1.0, 0.5, 3), strict=True)}  # fmt: skip
        points.append(stacked.assign_coords(place))
    whole = xarray.concat(points, "point")
    whole["weight"] = whole["final_mean_abs_weight"].expand_dims(edge=3, axis=-1)
    settings = {"target_order_parameter": 0.6, "target_mean_abs_weight": 1.0}
    return whole.assign_attrs(system="kuramoto", settings=json.dumps(settings))


def test_claims_are_judged_at_every_place_that_was_searched():
    few = changed("final_mean_abs_weight", 1e-4, 50.0, 1.0)  # against C9 and C14
    without = planted().where(planted()["T"] == 50, drop=True)  # its members diverged: no second scan
    null = planted()["fixed_order_parameter"].isel(weight_control=0, drop=True) * 0
    null = xarray.Dataset({"fixed_order_parameter": null, "status": xarray.ones_like(null, dtype=int)})
    null = null.assign_attrs(searched(planted()).attrs)
    found = holds(searched(planted(), few, without), {"kuramoto_null": null})
    assert found == {"C9": (1, 3), "C10": (2, 3), "C11": (2, 3), "C13": (2, 3), "C14": (1, 3)}
    assert "C11" not in holds(searched(planted()), {})
