"""Continuous learning: the plain-NumPy oracle, the sliding window, the discrete map as its limit T = dt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numba import njit

from sim import kuramoto, kuramoto_continuous, noise
from sim.ensemble import COMPUTED, DIVERGED
from sim.kuramoto_continuous import Settings
from sim.memory import load, store
from tests.reference import kuramoto as discrete_reference
from tests.reference import kuramoto_continuous as reference

SEED = 11
DEFAULT = Settings(
    eta=2.0,
    sigma=0.4,
    delay=0.6,
    T=1.0,
    dt=0.05,
    duration=25.0,
    weight_control=0.05,
    target_order_parameter=0.6,
    target_mean_abs_weight=1.0,
    fixed_discarded=0.3,
    fixed_duration=0.5,
)


def steps(chosen):
    return round(chosen.duration / chosen.dt)


def first(chosen):
    """The step with which the first window is full."""
    return round(chosen.T / chosen.dt) - 1


def learn(chosen, members=(0, 1, 2), oscillators=5):
    recorded = np.arange(first(chosen), steps(chosen))
    return kuramoto_continuous.learn(
        chosen, kuramoto.equidistant_frequencies(oscillators), SEED, np.array(members), recorded
    )


def oracle(chosen, member, oscillators=5):
    edges, purpose = oscillators * (oscillators - 1) // 2, noise.CONTINUOUS_WEIGHT_NOISE
    drawn = [noise.normals(SEED, member, k, edges, purpose) for k in range(steps(chosen))]
    phases = kuramoto.initial_phases(SEED, member, oscillators)
    return reference.learn(chosen, kuramoto.equidistant_frequencies(oscillators), phases, np.array(drawn))


@pytest.mark.parametrize(
    "chosen",
    [
        DEFAULT,
        DEFAULT._replace(T=0.05),
        DEFAULT._replace(delay=0.05),
        DEFAULT._replace(T=3.0, delay=7.0),
        DEFAULT._replace(eta=0.0, weight_control=0.0),
        DEFAULT._replace(sigma=0.0),
    ],
    ids=["default", "T = dt", "delay = dt", "delay beyond T", "noise alone", "no noise"],
)
@pytest.mark.parametrize("oscillators", [5, 13], ids=["unrolled", "tiled"])
def test_five_hundred_steps_are_the_oracles(chosen, oscillators):
    got = learn(chosen, oscillators=oscillators)
    for row, member in enumerate((0, 1, 2)):
        expected = oracle(chosen, member, oscillators)
        R = expected.order_parameter[first(chosen) :]
        assert len(R) + first(chosen) == 500
        mean_abs = np.abs(expected.weight[first(chosen) : -1]).mean(axis=1)
        last = slice(-max(1, steps(chosen) // 100), None)
        turns = (got.phase[row] - expected.phase) / (2 * np.pi)
        pairs = [
            (got.order_parameter[row], R),
            (got.error[row], np.abs(R - 0.6)),
            (got.mean_abs_weight[row], mean_abs),
            (got.weight[row], expected.weight[-1]),
            (turns, np.round(turns)),
            (got.final_order_parameter[row], R[last].mean()),
            (got.final_error[row], np.abs(R - 0.6)[last].mean()),
            (got.final_mean_abs_weight[row], mean_abs[last].mean()),
            (
                got.fixed_order_parameter[row],
                discrete_reference.fixed_order_parameter(
                    chosen, kuramoto.equidistant_frequencies(oscillators), expected.phase, expected.weight[-1]
                ),
            ),
        ]
        for mine, its in pairs:
            np.testing.assert_allclose(mine, its, rtol=0, atol=1e-10)


def test_weights_rest_until_the_first_window_is_full():
    chosen = DEFAULT._replace(duration=DEFAULT.T)
    np.testing.assert_array_equal(learn(chosen).mean_abs_weight, 1.0)
    moved = learn(chosen).weight
    assert (moved != 1.0).all()  # by the noise of the step that filled it
    assert (learn(chosen._replace(sigma=0.0, weight_control=0.0)).weight == 1.0).all()


def test_a_window_of_one_step_is_the_discrete_map():
    """Without noise, whose streams differ."""
    dt, frequencies = 0.05, kuramoto.equidistant_frequencies(5)
    chosen = DEFAULT._replace(T=dt, delay=3 * dt, sigma=0.0, weight_control=0.5, duration=100 * dt)
    discrete = kuramoto.Settings(
        eta=chosen.eta * dt, sigma=0.0, delay=3, T=dt, dt=dt, iterations=100, weight_control=0.5 * dt,
        target_order_parameter=0.6, target_mean_abs_weight=1.0,
    )  # fmt: skip
    expected = kuramoto.learn(discrete, frequencies, SEED, np.arange(3), np.arange(100))
    got = learn(chosen)
    np.testing.assert_allclose(got.order_parameter, expected.order_parameter, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.weight, expected.weight, rtol=0, atol=1e-12)


def test_the_learning_noise_is_white():
    """Noise alone moves weights by σ² Σ ε² dt, however long the step."""
    for dt in (0.05, 0.0125):
        chosen = DEFAULT._replace(dt=dt, eta=0.0, weight_control=0.0, sigma=0.3, delay=0.05, duration=20.0)
        got = learn(chosen, members=range(64), oscillators=4)
        variance = chosen.sigma**2 * (got.error**2).sum(axis=1) * dt
        ratio = ((got.weight - 1) ** 2).mean(axis=1) / variance
        assert abs(ratio.mean() - 1) < 4 * ratio.std(ddof=1) / 8  # 64 members: four standard errors


def test_a_member_that_diverges_is_marked():
    wild = DEFAULT._replace(eta=450.0, sigma=5.0, duration=10.0)
    got = learn(wild, members=range(16))
    diverged = got.status == DIVERGED
    assert 0 < diverged.sum() < 16
    np.testing.assert_array_equal(np.isnan(got.weight).all(axis=1), diverged)
    np.testing.assert_array_equal(np.isnan(got.final_error), diverged)
    np.testing.assert_array_equal(np.isnan(got.fixed_order_parameter), diverged)
    assert (learn(DEFAULT).status == COMPUTED).all()


@pytest.mark.parametrize("recorded", [[18], [0, 30]])
def test_nothing_is_recorded_before_the_first_window_is_full(recorded):
    with pytest.raises(ValueError, match="recorded steps from 19 on"):
        kuramoto_continuous.learn(
            DEFAULT, kuramoto.equidistant_frequencies(5), SEED, np.arange(3), np.array(recorded)
        )


@njit(error_model="numpy")
def _slide_all(length, values, sums):
    window = kuramoto_continuous.start_window(length)
    for k in range(values.shape[0]):
        store(sums, k, kuramoto_continuous.slide(window, k, load(values, k)))


@hypothesis_settings(max_examples=25, deadline=None, derandomize=True)
@given(length=st.integers(1, 40), count=st.integers(1, 300), scale=st.floats(1e-3, 1e3))
def test_a_sliding_sum_is_the_sum_of_the_window(length, count, scale):
    values = scale * np.random.default_rng(count).normal(size=(count, 8))
    sums = np.empty_like(values)
    _slide_all(length, values, sums)
    direct = np.array([values[max(0, k + 1 - length) : k + 1].sum(axis=0) for k in range(count)])
    np.testing.assert_allclose(sums, direct, rtol=0, atol=1e-13 * scale * length)


def test_rounding_does_not_pile_up_in_a_sliding_sum():
    values = np.random.default_rng(1).normal(size=(100_000, 8)) + 1e6
    sums = np.empty_like(values)
    _slide_all(7, values, sums)
    np.testing.assert_allclose(sums[-1], values[-7:].sum(axis=0), rtol=1e-14)
