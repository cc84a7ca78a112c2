"""What is missing, in which order it is computed, and what becomes of blocks made by other code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.execution import compute_block
from pipeline.plan import make_plan
from pipeline.request import define
from pipeline.store import Block, file_pending, only_driver, open_store, read_block, write_block
from pipeline.systems import loaded
from tests.command import tiny
from tests.contents import assert_same_values, block_bytes, files, fill, prepared, records

few_examples = settings(max_examples=6, deadline=None, derandomize=True)
TODAY = loaded("kuramoto").digest


def plan_of(sweep, path, on_stale="stop"):
    return make_plan(sweep, path, open_store(path), on_stale)


def test_where_nothing_is_everything_is_missing(configure, tmp_path):
    plan = plan_of(define(configure(tmp_path)), tmp_path / "kuramoto_T.zarr")
    assert plan.missing.tolist() == [[True, True]] * 3
    assert plan.rows.tolist() == [-1, -1, -1]
    assert not plan.complete
    assert list(tmp_path.iterdir()) == []


@few_examples
@given(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 1))), st.permutations([1, 2, 3]))
def test_missing_are_the_blocks_without_a_digest_whatever_the_order_of_the_request(
    configure, tmp_path_factory, done, order
):
    root = tmp_path_factory.mktemp("root")
    config = configure(root)
    path, sweep = config.store.path, define(config)
    for job in list(prepared(sweep, path).jobs()):
        if (job.k, job.block) in done:
            compute_block(job)
    asked = define(configure(root, f"axes.T.values={order}"))
    plan = plan_of(asked, path)
    expected = [[(T - 1, block) not in done for block in range(2)] for T in order]
    assert plan.missing.tolist() == expected
    assert plan.complete == (len(done) == 6)
    assert {(order[job.k] - 1, job.block) for job in plan.jobs()} == {
        (p, b) for p in range(3) for b in range(2)
    } - done
    assert len(fill(asked, path)) == 6 - len(done)
    assert plan_of(asked, path).complete


def test_the_store_may_hold_fewer_or_more_members_than_are_asked_for(configure, tmp_path):
    config = configure(tmp_path)
    fill(define(config), config.store.path)
    more = plan_of(define(configure(tmp_path, "ensemble.members=20")), config.store.path)
    assert more.missing.tolist() == [[False, False, True]] * 3
    fewer = plan_of(define(configure(tmp_path, "ensemble.members=3")), config.store.path)
    assert fewer.missing.tolist() == [[False]] * 3


def test_blocks_come_breadth_first_over_members_and_longest_first_within(configure, tmp_path):
    config = configure(tmp_path, "axes.T.values=[2,9,1]", "ensemble.members=24")
    sweep = define(config)
    plan = prepared(sweep, config.store.path)
    assert [(job.block, job.settings["T"]) for job in plan.jobs()] == [
        (block, T) for block in range(3) for T in (9, 2, 1)
    ]


def test_a_job_carries_all_settings_of_its_point(configure, tmp_path):
    config = configure(tmp_path, "axes.delay.values=[3]", "settings.eta=7")
    sweep = define(config)
    for job in prepared(sweep, config.store.path).jobs():
        T = job.settings["T"]
        assert job.settings == {**config.settings, "T": T, "delay": 3, "eta": 7.0}
        assert job.seed == sweep.seed_at((T, 3))
        assert sweep.points[job.k] == (T, 3)
        assert open_store(config.store.path).ids[sweep.points.index((T, 3))] == job.point == sweep.ids[job.k]
        assert (job.block_members, job.records) == (8, 5)


def test_predicted_work_grows_with_what_has_to_be_computed(configure, tmp_path):
    config = configure(tmp_path, "axes.T.values=[1,2,3]")
    sweep = define(config)
    plan = plan_of(sweep, config.store.path)
    one, two, three = plan.block_work
    assert three - two == pytest.approx(two - one)
    assert plan.remaining_work == pytest.approx(2 * (one + two + three))
    fill(sweep, config.store.path)
    assert plan_of(sweep, config.store.path).remaining_work == 0


# --- stale blocks -------------------------------------------------------------------------------------------

OTHER = 7
STALE = ((2.0,), 0)


@pytest.fixture
def stale(configure, tmp_path):
    """A complete store, the numbers of one block changed as if other code had made it; its request."""
    config = configure(tmp_path)
    fill(define(config), config.store.path)
    with only_driver(config.store.path) as lock:
        store = open_store(config.store.path)
        row = store.points().index(STALE[0])
        values = {**read_block(store, row, STALE[1]), "final_error": np.full(8, -1.0)}
        write_block(store.location, Block(int(store.ids[row]), STALE[1], OTHER, 1, 0.1, {}), values)
        file_pending(store, lock)
    then = {**loaded("kuramoto").version, "sim.kuramoto.learn": "another", "sim.kuramoto.gone": "0"}
    store.add_code_version(f"{OTHER:016x}", then)
    return config


def test_stale_blocks_stop_a_run_with_exit_code_2_and_what_changed(stale, tmp_path, main):
    before = files(stale.store.path)
    ended = main(tiny(tmp_path))
    assert ended.code == CONFIG_WRONG
    (line,) = ended.err.splitlines()
    assert line.startswith("error: on_stale: 1 stored blocks")
    assert "on_stale=keep" in line
    assert "on_stale=recompute" in line
    assert "changed since: sim.kuramoto.gone, sim.kuramoto.learn)" in line
    assert files(stale.store.path) == before


def test_explain_names_the_stale_blocks_and_what_changed(stale, tmp_path, main):
    ended = main(tiny(tmp_path, "action=explain"))
    assert ended.code == COMPLETE
    assert "1 block (T=2 block 0); changed since: sim.kuramoto.gone, sim.kuramoto.learn; a run is ref" in ended.out


@pytest.mark.parametrize(
    ("choice", "does"), [("keep", "uses them as they are"), ("recompute", "computes them again")]
)
def test_explain_says_what_a_run_does_with_stale_blocks(choice, does, stale, tmp_path, main):
    assert f"; a run {does}\n" in main(tiny(tmp_path, "action=explain", f"on_stale={choice}")).out


def test_stale_blocks_are_kept_on_request(stale, tmp_path, main):
    before = block_bytes(stale.store.path)
    assert main(tiny(tmp_path, "on_stale=keep")).code == COMPLETE
    assert block_bytes(stale.store.path) == before


def test_stale_blocks_alone_are_recomputed_on_request(stale, tmp_path, configure):
    path = stale.store.path
    before = records(path)
    assert fill(define(stale), path, on_stale="recompute") == [STALE]
    after = records(path)
    assert {where for where in before if after[where] != before[where]} == {(1, 0)}
    fresh = configure(tmp_path / "fresh")
    fill(define(fresh), fresh.store.path)
    assert_same_values(path, fresh.store.path)
    assert not plan_of(define(stale), path).stale.any()


def test_stale_blocks_outside_a_request_do_not_stop_it(stale, tmp_path, main):
    assert main(tiny(tmp_path, "axes.T.values=[1,3]")).code == COMPLETE


def test_new_blocks_carry_the_digest_of_the_code_of_today(configure, tmp_path):
    config = configure(tmp_path)
    fill(define(config), config.store.path)
    assert np.unique(open_store(config.store.path).books["code"]).tolist() == [TODAY]
