"""Predictions: what a pilot measures, and how long workers take together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline
from pipeline.plan import Prediction, make_plan, predict
from pipeline.request import define
from tests.systems.own import MODEL

# --- how long workers take together -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(configure, tmp_path_factory):
    """Three points × two blocks, nothing stored."""
    folder = tmp_path_factory.mktemp("nothing")
    return make_plan(define(configure(folder)), folder / "s.zarr", None, "stop")


def prediction(plan, *of_block):
    """A prediction of so many seconds for a block of each point."""
    total = float(np.array(of_block) @ plan.missing.sum(axis=1))
    return Prediction(total, "", total, total, np.array(of_block))


def test_a_block_is_computed_by_one_worker_however_many_there_are(configure, tmp_path):
    sweep = define(configure(tmp_path, "axes.T.values=[1]", "ensemble.members=8"))
    one_block = make_plan(sweep, tmp_path / "s.zarr", None, "stop")
    for workers in (1, 2, 10**6):
        assert prediction(one_block, 7.0).wall_seconds(one_block, workers) == 7


@given(of_block=st.lists(st.floats(0.01, 100), min_size=3, max_size=3), workers=st.integers(1, 9))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_workers_take_as_long_as_the_work_and_its_longest_block_allow(of_block, workers, plan):
    wall = prediction(plan, *of_block).wall_seconds(plan, workers)
    shared, longest = 2 * sum(of_block) / workers, max(of_block)
    assert max(shared, longest) <= wall * (1 + 1e-9)
    assert wall <= (shared + longest) * (1 + 1e-9)


def test_what_is_not_known_stays_so(plan):
    assert np.isnan(Prediction(float("nan"), "no pilot").wall_seconds(plan, 2))


# --- pilots -------------------------------------------------------------------------------------------------


def test_the_range_holds_the_prediction(plan):
    predicted = predict(plan)
    assert 0 < predicted.least <= predicted.core_seconds <= predicted.greatest
    assert predicted.of_block @ plan.missing.sum(axis=1) == pytest.approx(predicted.core_seconds)


@pytest.fixture
def explained(tmp_path):
    """(name, edit) → what `explain` says of a model of a user's own: one block of eight members."""

    def explain(name, old="", new=""):
        (tmp_path / f"model_of_{name}.py").write_text(MODEL.replace(old, new, 1))
        (tmp_path / "system").mkdir(exist_ok=True)
        (tmp_path / "system" / f"{name}.yaml").write_text(
            f"# @package _global_\nsystem: model_of_{name}\nsettings: {{a: 1.0, steps: 1}}\n"
        )
        asked = [f"system={name}", "store.name=s", f"store.root={tmp_path}"]
        return pipeline.explain(
            *asked, "ensemble.members=8", "store.block_members=8", config_dir=tmp_path
        ).prediction

    return explain


def test_what_a_pilot_waits_for_is_no_processor_time(explained):
    sleeping = explained(
        "sleeping", "    given = values", "    import time\n\n    time.sleep(1)\n    given = values"
    )
    assert sleeping.core_seconds < 0.5


def test_a_system_that_predicts_its_work_and_can_not_be_shortened_is_timed_by_a_whole_member(explained):
    with_work = explained("working", "compute=compute,", "compute=compute, work=lambda settings: 1e9,")
    assert 0 < with_work.core_seconds < 10
