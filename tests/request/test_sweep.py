"""Points, and the seed of each: a function of the root seed and the swept values alone."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import CONFIG_WRONG, RequestError
from pipeline.request import define, point_seed
from pipeline.request.config import Axis
from pipeline.request.sampling import SCRAMBLINGS
from tests.command import tiny

many_examples = settings(max_examples=100, deadline=None, derandomize=True)
few_examples = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 2**64 - 1)
names = st.sampled_from(["T", "delay", "eta", "sigma", "weight_control"])
# -0.0 and 0.0 are one setting to a user
values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False).filter(lambda value: value != 0))
swept = st.dictionaries(names, values, max_size=4)
HYPERCUBE = ("sampling.method=latin_hypercube", "sampling.points=16")


@pytest.fixture
def sweep(configure):
    """A sweep from overrides; it needs no store."""
    return lambda *overrides: define(configure("nowhere", *overrides))


@pytest.fixture(scope="module")
def tiny_config(configure):
    """The request of the tiny sweep."""
    return configure("nowhere")


# --- points -------------------------------------------------------------------------------------------------


def test_product_is_every_combination_in_order(sweep):
    defined = sweep("axes.T.values=[3,1]", "axes.eta.values=[5,4,6]")
    assert defined.axes == ("T", "eta")
    assert defined.points == ((3, 5), (3, 4), (3, 6), (1, 5), (1, 4), (1, 6))


def test_zip_pairs_the_axes(sweep):
    defined = sweep("sampling.method=zip", "axes.T.values=[3,1,1]", "axes.eta.values=[5,4,6]")
    assert defined.points == ((3, 5), (1, 4), (1, 6))


def test_a_sweep_without_axes_is_one_point(sweep):
    defined = sweep("~axes.T", "settings.T=7")
    assert (defined.axes, defined.points) == ((), ((),))
    assert defined.settings_at(())["T"] == 7


def test_the_same_pair_twice_is_refused(sweep):
    with pytest.raises(RequestError, match="twice"):
        sweep("sampling.method=zip", "axes.T.values=[3,1,3]", "axes.eta.values=[5,4,5]")


def test_values_of_a_whole_setting_are_integers_and_of_a_real_one_floats(sweep):
    defined = sweep("axes.T.values=[3]", "axes.delay.values=[2.0,4]")
    assert [[type(value) for value in point] for point in defined.points] == [[float, int]] * 2
    assert defined.points == ((3.0, 2), (3.0, 4))


@pytest.mark.parametrize(
    ("spacing", "values"),
    [
        ("start:1,stop:3,num:3", [1, 2, 3]),
        ("start:0.1,stop:0.5,num:5,scale:linear", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("start:3,stop:1,num:3", [3, 2, 1]),
        ("start:0.1,stop:1000,num:5,scale:log", [0.1, 1, 10, 100, 1000]),
        ("start:7,stop:9,num:1", [7]),
    ],
)
def test_spaced_axes_equal_explicit_values_and_so_do_their_seeds(sweep, spacing, values):
    spaced, explicit = sweep(f"axes.T={{values:null,{spacing}}}"), sweep(f"axes.T.values={values}")
    assert spaced.points == explicit.points == tuple((value,) for value in values)
    assert [spaced.seed_at(point) for point in spaced.points] == [
        explicit.seed_at(point) for point in explicit.points
    ]


@pytest.mark.parametrize("points", [1, 2, 3, 7, 12, 1000])
def test_thinning_keeps_the_ends_and_the_order(sweep, points):
    full = sweep("axes.T.values=[1,2,3,5,7,10,20,30,50,70,100,200]")
    thinned = sweep("axes.T.values=[1,2,3,5,7,10,20,30,50,70,100,200]", f"sampling.points={points}")
    assert len(thinned.points) == min(points, 12)
    assert set(thinned.points) <= set(full.points)
    assert thinned.points == tuple(sorted(thinned.points))
    if points > 1:
        assert (thinned.points[0], thinned.points[-1]) == (full.points[0], full.points[-1])


@pytest.mark.parametrize(("points", "kept"), [(10, 10), (9, 8), (4, 4), (3, 1)])
def test_thinning_a_plane_with_a_short_axis_spends_its_budget_on_the_long_one(sweep, points, kept):
    defined = sweep("axes.T.values=[1,2,3,4,5]", "axes.eta.values=[1,2]", f"sampling.points={points}")
    assert len(defined.points) == kept


def test_more_points_than_can_be_checked_are_refused_before_they_are_made(tmp_path, main):
    axes = [
        f"axes.{name}={{start: 0.1, stop: 1, num: 1000, values: null}}"
        for name in ("eta", "sigma", "weight_control")
    ]
    ended = main(tiny(tmp_path, *axes, "action=explain"))
    assert ended.code == CONFIG_WRONG
    assert ended.err == "error: axes: expected at most 1000000 points, got 3000000000; ask for fewer values\n"


def test_more_blocks_than_a_store_can_have_are_refused_before_anything_is_made(tmp_path, main):
    for action in ("explain", "run"):
        ended = main(tiny(tmp_path, "ensemble.members=1000000000000", f"action={action}"))
        assert ended.code == CONFIG_WRONG
        assert ended.err.startswith("error: ensemble.members: expected at most 100000000 blocks, got 375000000000")
    assert list(tmp_path.iterdir()) == []


def test_thinning_a_plane_keeps_its_corners_and_its_budget(sweep):
    defined = sweep("axes.T.values=[1,2,3,4,5,6]", "axes.eta.values=[1,2,3,4,5]", "sampling.points=10")
    assert len(defined.points) == 9
    assert {(1, 1), (1, 5), (6, 1), (6, 5)} <= set(defined.points)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_latin_hypercube_has_one_point_in_every_stratum_of_every_axis(sweep, seed):
    defined = sweep(
        *HYPERCUBE, f"ensemble.seed={seed}",
        "axes.T.values=[10,20,50]", "axes.eta.values=[0.1,30]", "axes.target_order_parameter.values=[0,1]",
    )  # fmt: skip
    T, eta, target = np.array(defined.points).T
    for unit in (np.log(eta / 0.1) / math.log(300), target):
        assert sorted(np.floor(unit * 16).astype(int)) == list(range(16))
    beyond = np.sort(T) - np.linspace(10, 50, 17)[:-1]  # the beginning of each stratum
    assert -0.0251 < beyond.min() <= beyond.max() < 40 / 16 + 0.0251  # half a step of 0.05


@pytest.mark.parametrize("ends", ["[1,4]", "[0.3,4]"], ids=["linear", "logarithmic"])
@pytest.mark.parametrize(("dt", "points"), [(0.1, 5), (0.1, 31), (0.1, 30), (0.3, 10)])
def test_a_latin_hypercube_over_an_interval_has_whole_steps_all_different(sweep, ends, dt, points):
    drawn = sweep(
        "sampling.method=latin_hypercube",
        f"sampling.points={points}",
        f"axes.T.values={ends}",
        f"settings.dt={dt}",
    )
    T = np.array(drawn.points)[:, 0]
    steps = T / dt
    np.testing.assert_allclose(steps, np.round(steps), rtol=1e-9, atol=0)
    assert len(set(np.round(steps))) == points
    assert 0.3 <= T.min() <= T.max() <= 4
    assert T.min() >= 1 or ends == "[0.3,4]"


def test_steps_of_a_latin_hypercube_stay_where_they_were_drawn_if_they_are_far_apart(sweep):
    axes = (*HYPERCUBE, "axes.T.values=[0.1,1000]")
    coarse, fine = (np.array(sweep(*axes, f"settings.dt={dt}").points)[:, 0] for dt in (0.1, 1e-6))
    far = fine > 2  # strata a factor of 10^(4/16) wide: wider than steps from there on
    assert far.sum() > 8
    np.testing.assert_allclose(coarse[far], fine[far], rtol=0, atol=0.0501)


def test_a_latin_hypercube_over_interval_and_step_has_whole_steps_at_every_point(sweep):
    T, dt = np.array(sweep(*HYPERCUBE, "axes.T.values=[1,3]", "axes.dt.values=[0.01,0.2]").points).T
    np.testing.assert_allclose(T / dt, np.round(T / dt), rtol=1e-9, atol=0)
    assert 1 <= T.min() <= T.max() <= 3
    assert sorted(np.floor(np.log(dt / 0.01) / math.log(20) * 16).astype(int)) == list(range(16))


def test_a_latin_hypercube_has_as_many_whole_values_as_there_are(sweep):
    hypercube = ("sampling.method=latin_hypercube", "~axes.T", "settings.T=1")
    defined = sweep(*hypercube, "sampling.points=20", "axes.delay.values=[1,20]")
    assert sorted(defined.points) == [(delay,) for delay in range(1, 21)]
    defined = sweep(*hypercube, "sampling.points=50", "axes.delay.values=[2,19]", "axes.eta.values=[1,2]")
    assert {delay for delay, _ in defined.points} == set(range(2, 20))


def test_a_latin_hypercube_is_the_same_every_time_and_another_for_another_seed(sweep):
    axes = ("axes.T.values=[10,20]", "axes.eta.values=[1,2]")
    first, again, other = (sweep(*HYPERCUBE, *axes, f"ensemble.seed={seed}").points for seed in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)


def test_a_latin_hypercube_over_a_whole_setting_has_whole_values_within_bounds(sweep):
    defined = sweep(*HYPERCUBE, "axes.T.values=[10,20]", "axes.delay.values=[1,8]")
    delays = [delay for _, delay in defined.points]
    assert {type(delay) for delay in delays} == {int}
    assert min(delays) >= 1
    assert max(delays) <= 8


SOBOL = ("sampling.method=sobol", "axes.T={start: 1, stop: 20}", "axes.eta={start: 0.1, stop: 30}")


@given(
    seed=seeds, doublings=st.integers(0, 3), axes=st.sets(st.sampled_from(["delay", "sigma", "weight_control"]))
)
@few_examples
def test_a_sobol_sample_grows_when_it_is_doubled_and_keeps_its_first_points(configure, seed, doublings, axes):
    ranges = [f"axes.{name}={{start: 1, stop: 9}}" for name in sorted(axes)]
    fixed = ("ensemble.noise=common", f"ensemble.seed={seed}", *SOBOL, *ranges)
    points = 16 * 2**doublings
    few, many = (define(configure("nowhere", *fixed, f"sampling.points={size}")) for size in (points, 2 * points))
    assert many.points[: len(few.points)] == few.points
    assert len(few.points) <= points * (len(few.axes) + 2)
    assert (few.design.rows() == many.design.rows()[: points // SCRAMBLINGS]).all()


def test_rows_of_a_sobol_sample_differ_from_a_in_one_axis_alone_which_is_that_of_b(sweep):
    defined = sweep(*SOBOL, "axes.delay={start: 1, stop: 5}", "sampling.points=32")
    rows = defined.design.rows()
    assert rows.shape == (4, SCRAMBLINGS, 2 + 3, 3)
    first, second = rows[:, :, 0], rows[:, :, 1]
    for k in range(3):
        mixed = rows[:, :, 2 + k]
        assert (mixed[..., k] == second[..., k]).all()
        assert (np.delete(mixed, k, -1) == np.delete(first, k, -1)).all()
    assert {tuple(row) for row in rows.reshape(-1, 3).tolist()} == set(defined.points)
    T, eta, delay = rows.reshape(-1, 3).T
    np.testing.assert_allclose(T / 0.05, np.round(T / 0.05), rtol=1e-9, atol=0)
    assert set(delay) == {1, 2, 3, 4, 5}
    assert np.median(eta) == pytest.approx(np.sqrt(0.1 * 30), rel=0.3)  # even in the logarithm


@pytest.mark.parametrize(
    ("scale", "middle"), [("", np.sqrt(0.1 * 30)), (", scale: log", np.sqrt(3)), (", scale: linear", 15.05)]
)
def test_the_scale_of_a_range_says_how_it_is_drawn(sweep, scale, middle):
    axis = f"axes.eta={{start: 0.1, stop: 30{scale}}}"
    drawn = sweep(*HYPERCUBE, "~axes.T", "settings.T=1", axis)
    assert np.median([eta for (eta,) in drawn.points]) == pytest.approx(middle, rel=0.2)


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["sampling.points=100"], "sampling.points: expected a power of two from 16 on with sobol, got 100"),
        (["sampling.points=8"], "sampling.points: expected a power of two from 16 on"),
        ([], "sampling.points: missing; sobol needs the number of points"),
        (["sampling.points=524288"], "sampling.points: expected at most 1000000 points in all, got 2097152"),
        (["sampling.points=16", "axes.dt={start: 0.01, stop: 0.1}"], "axes.dt: expected to be fixed with sobol"),
        (["sampling.points=16", "axes.eta={start: -1, stop: 1, scale: log}"], "axes.eta: "),
    ],
)
def test_what_is_no_sobol_sample_is_told(sweep, overrides, fault):
    with pytest.raises(RequestError, match=re.escape(fault)):
        sweep(*SOBOL, *overrides)


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["sensitivity={of: [success]}"], "sensitivity: expected sampling.method=sobol, got product"),
        (["sensitivity={of: [gone]}"], "sensitivity.of[0]: expected a mean or a share, one of "),
        (["sensitivity={of: [median_error]}"], "sensitivity.of[0]: expected a mean or a share, one of "),
        (["sensitivity={of: []}"], "sensitivity.of: "),
        (
            [*SOBOL, "sampling.points=16", "sensitivity={of: [success]}", "ensemble.members=3"],
            "ensemble.members: ",
        ),
        (["axes.eta={start: 1, stop: 2}"], "axes.eta.num: missing; expected how many values"),
    ],
)
def test_requests_for_indices_that_cannot_be_given_are_told(configure, overrides, fault):
    with pytest.raises(RequestError, match=re.escape(fault)):
        configure("nowhere", *overrides)


# --- seeds --------------------------------------------------------------------------------------------------


def test_seeds_never_change_between_versions():
    assert point_seed(1, {}) == 18232024504446223411
    assert point_seed(1, {"T": 10.0}) == 8220136436197037627
    assert point_seed(2**64 - 1, {"delay": 5, "eta": 0.3}) == 9510906904843156468


@many_examples
@given(seeds, swept, st.randoms(use_true_random=False))
def test_seeds_do_not_depend_on_the_order_of_axes(root, point, random):
    shuffled = list(point.items())
    random.shuffle(shuffled)
    assert point_seed(root, dict(shuffled)) == point_seed(root, point)
    assert 0 <= point_seed(root, point) < 2**64


@many_examples
@given(seeds, swept, swept)
def test_seeds_differ_between_points(root, one, other):
    same = [(name, type(value), value) for name, value in sorted(one.items())] == [
        (name, type(value), value) for name, value in sorted(other.items())
    ]
    assert (point_seed(root, one) == point_seed(root, other)) == same


@many_examples
@given(seeds, seeds, swept)
def test_seeds_differ_between_root_seeds(one, other, point):
    assert (point_seed(one, point) == point_seed(other, point)) == (one == other)


@few_examples
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 50), max_size=4, unique=True),
    st.booleans(),
)
def test_seeds_of_points_do_not_depend_on_the_rest_of_the_grid(tiny_config, few, more, eta_first):
    def seeds_of(Ts, etas, eta_first=False):
        axes = {"T": Axis(values=Ts), "eta": Axis(values=etas)}
        ordered = dict(sorted(axes.items(), reverse=eta_first))
        defined = define(tiny_config.model_copy(update={"axes": ordered}))
        return {
            tuple(sorted(zip(defined.axes, point, strict=True))): defined.seed_at(point)
            for point in defined.points
        }

    small = seeds_of(few, [3])
    large = seeds_of(sorted({*few, *more}), [2, 3], eta_first)
    assert small.items() <= large.items()
    assert len(set(large.values())) == len(large)


def test_common_noise_is_the_same_at_every_point_and_depends_on_the_root_seed(sweep):
    common = sweep("ensemble.noise=common", "axes.eta.values=[1,2]")
    assert len({common.seed_at(point) for point in common.points}) == 1
    other = sweep("ensemble.noise=common", "ensemble.seed=2")
    assert other.seed_at(other.points[0]) != common.seed_at(common.points[0])


def test_independent_noise_differs_from_point_to_point(sweep):
    independent = sweep("axes.eta.values=[1,2]")
    assert len({independent.seed_at(point) for point in independent.points}) == len(independent.points) == 6


def test_minus_zero_is_the_point_zero(sweep):
    minus, zero = (sweep(f"axes.sigma.values=[{value}]") for value in ("-0.0", "0.0"))
    assert minus.seed_at(minus.points[0]) == zero.seed_at(zero.points[0])
