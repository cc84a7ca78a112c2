"""Kuramoto systems that learn: the plain-NumPy oracle, divergence, the same bytes on every machine."""

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import kuramoto, noise
from sim.elementary import SMALL_ANGLE
from sim.ensemble import COMPUTED, DIVERGED, MAX_MEAN_ABS_WEIGHT
from sim.kuramoto import Learned, Settings
from tests.reference import kuramoto as reference
from tests.reference.kuramoto import phase_distance

few_examples = settings(max_examples=25, deadline=None, derandomize=True)
SEED = 7
DEFAULT = Settings(
    eta=3.0,
    sigma=0.2,
    delay=2,
    T=1.0,
    dt=0.05,
    iterations=30,
    weight_control=0.1,
    target_order_parameter=0.6,
    target_mean_abs_weight=1.0,
    fixed_discarded=0.3,
    fixed_duration=0.5,
)


def learn(chosen, frequencies, members, trace_steps=0, recorded=None):
    """A learning run that records every iteration."""
    every = np.arange(chosen.iterations)
    return kuramoto.learn(
        chosen, frequencies, SEED, members, every if recorded is None else np.array(recorded), trace_steps
    )


def oracles(chosen, frequencies, members):
    """The same by the oracle, from the same phases and noise."""
    N = len(frequencies)
    phases = np.array([kuramoto.initial_phases(SEED, member, N) for member in members])
    drawn = [
        [noise.normals(SEED, member, n, N * (N - 1) // 2) for member in members] for n in range(chosen.iterations)
    ]
    return reference.learn(chosen, frequencies, phases, np.array(drawn))


# --- the oracle ---------------------------------------------------------------------------------------------


def assert_learns_as_the_oracle(chosen, frequencies, members, tolerance):
    got, expected = learn(chosen, frequencies, members), oracles(chosen, frequencies, members)
    pairs = [
        (got.order_parameter.T, expected.order_parameter),
        (got.error.T, expected.error),
        (got.mean_abs_weight.T, expected.mean_abs_weight),
        (got.final_order_parameter, reference.final_average(expected.order_parameter)),
        (got.final_error, reference.final_average(expected.error)),
        (got.final_mean_abs_weight, reference.final_average(expected.mean_abs_weight)),
        (got.weight, expected.weight[-1]),
        (
            got.fixed_order_parameter,
            reference.fixed_order_parameter(chosen, frequencies, expected.phase, expected.weight[-1]),
        ),
    ]
    for values, expected_values in pairs:
        np.testing.assert_allclose(values, expected_values, rtol=0, atol=tolerance)
    assert phase_distance(got.phase, expected.phase).max() < tolerance
    assert (got.status == COMPUTED).all()
    assert np.ptp(expected.mean_abs_weight) > 0.01  # there was something to follow


# Learning is chaotic: the 1e-12 to which the first phasors lie on the circle grows to some 1e-11 in 30 intervals.
# An interval is 35 steps long, so that phasors are renormalised within it too.
SHORT = DEFAULT._replace(T=0.35, dt=0.01)


@pytest.mark.parametrize("delay", [1, 2, 5])
@pytest.mark.parametrize("oscillators", [2, 3, 10, 13])
def test_thirty_iterations_are_the_oracles(oscillators, delay):
    frequencies = kuramoto.equidistant_frequencies(oscillators)
    assert_learns_as_the_oracle(SHORT._replace(delay=delay), frequencies, np.arange(11), tolerance=1e-10)


@pytest.mark.parametrize("oscillators", [10, 13])
def test_thirty_iterations_with_large_steps_are_the_oracles(oscillators):
    frequencies = kuramoto.equidistant_frequencies(oscillators, half_width=60.0)
    assert frequencies.max() * SHORT.dt > SMALL_ANGLE
    assert_learns_as_the_oracle(SHORT, frequencies, np.arange(11), tolerance=1e-10)


@given(
    eta=st.floats(0, 5),
    sigma=st.floats(0.1, 0.5),
    delay=st.integers(1, 40),
    weight_control=st.floats(0, 0.5),
    target=st.floats(0, 1),
    mean_weight=st.floats(0.5, 2),
    oscillators=st.sampled_from([3, 10, 13]),
)
@few_examples
def test_any_settings_learn_as_the_oracle(eta, sigma, delay, weight_control, target, mean_weight, oscillators):
    chosen = Settings(eta, sigma, delay, 0.2, 0.05, 30, weight_control, target, mean_weight, 0.0, 0.4)
    frequencies = np.random.default_rng(8).normal(size=oscillators)
    assert_learns_as_the_oracle(chosen, frequencies, np.arange(3), tolerance=1e-10)


@pytest.mark.parametrize("delay", [1, 2, 5, 29])
def test_there_is_no_drift_before_the_delay_has_passed(delay):
    frequencies = kuramoto.equidistant_frequencies(10)
    chosen = DEFAULT._replace(delay=delay, iterations=32)
    with_drift, without = (
        learn(chosen._replace(eta=eta), frequencies, np.arange(8)).mean_abs_weight for eta in (3.0, 0.0)
    )
    np.testing.assert_array_equal(with_drift[:, : delay + 1], without[:, : delay + 1])
    assert np.all(with_drift[:, delay + 1] != without[:, delay + 1])


def test_without_noise_and_control_weights_never_move():
    frequencies = kuramoto.equidistant_frequencies(10)
    chosen = DEFAULT._replace(sigma=0.0, weight_control=0.0, target_mean_abs_weight=1.5)
    np.testing.assert_array_equal(learn(chosen, frequencies, np.arange(8)).weight, 1.5)


# --- what is recorded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [[0], [29], [0, 29], [3, 4, 11], [*range(0, 30, 7)], [28, 29]])
def test_recorded_values_do_not_depend_on_what_else_is_recorded(recorded):
    frequencies = kuramoto.equidistant_frequencies(10)
    every = learn(DEFAULT, frequencies, np.arange(9))
    some = learn(DEFAULT, frequencies, np.arange(9), recorded=recorded)
    for field in ("order_parameter", "error", "mean_abs_weight"):
        np.testing.assert_array_equal(getattr(some, field), getattr(every, field)[:, recorded])
    np.testing.assert_array_equal(some.weight, every.weight)


@pytest.mark.parametrize(("iterations", "averaged"), [(1, 1), (30, 1), (199, 1), (200, 2), (1050, 10)])
def test_final_values_are_means_over_the_last_hundredth(iterations, averaged):
    chosen = DEFAULT._replace(iterations=iterations, T=0.2)
    got = learn(chosen, kuramoto.equidistant_frequencies(3), np.arange(9))
    for field in ("order_parameter", "error", "mean_abs_weight"):
        expected = getattr(got, field)[:, -averaged:].mean(axis=1)
        # Sums of at most ten numbers of order 1 in another order
        np.testing.assert_allclose(getattr(got, f"final_{field}"), expected, rtol=0, atol=1e-14)


def test_the_error_is_the_distance_to_the_target():
    got = learn(DEFAULT, kuramoto.equidistant_frequencies(10), np.arange(9))
    np.testing.assert_array_equal(got.error, np.abs(0.6 - got.order_parameter))


def test_the_final_mean_absolute_weight_is_that_of_the_weights():
    got = learn(DEFAULT, kuramoto.equidistant_frequencies(10), np.arange(9))
    one_more = learn(DEFAULT._replace(iterations=31), kuramoto.equidistant_frequencies(10), np.arange(9))
    # The last weights are those with which a further iteration would begin; ⟨|w|⟩ sums 45 of them
    np.testing.assert_allclose(
        np.abs(got.weight).mean(axis=1), one_more.mean_abs_weight[:, 30], rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("oscillators", [10, 13])
def test_traces_are_those_of_the_systems_before_and_after_learning(oscillators):
    frequencies = kuramoto.equidistant_frequencies(oscillators)
    got = learn(DEFAULT, frequencies, np.arange(9), trace_steps=20)
    start = np.array([kuramoto.initial_phases(SEED, member, oscillators) for member in range(9)])
    untrained = np.full_like(got.weight, DEFAULT.target_mean_abs_weight)
    _, before = kuramoto.evolve(start, untrained, frequencies, DEFAULT.dt, 20)
    _, after = kuramoto.evolve(got.phase, got.weight, frequencies, DEFAULT.dt, 20)
    # The first phasors are on the circle to 1e-12; those of the end have been an angle and back
    np.testing.assert_allclose(got.initial_trace, before, rtol=0, atol=1e-11)
    np.testing.assert_allclose(got.final_trace, after, rtol=0, atol=1e-11)
    # The first interval T = 1 is these twenty steps
    np.testing.assert_allclose(got.order_parameter[:, 0], before.mean(axis=1), rtol=0, atol=1e-11)


def test_traces_do_not_change_what_is_learnt():
    frequencies = kuramoto.equidistant_frequencies(10)
    without, with_traces = (learn(DEFAULT, frequencies, np.arange(9), steps) for steps in (0, 33))
    assert with_traces.initial_trace.shape == with_traces.final_trace.shape == (9, 33)
    np.testing.assert_array_equal(without.weight, with_traces.weight)
    np.testing.assert_array_equal(without.phase, with_traces.phase)


@pytest.mark.parametrize("oscillators", [10, 13])
@pytest.mark.parametrize(("discarded", "averaged"), [(0.0, 1.0), (0.25, 0.05), (2.0, 3.5)])
def test_the_order_parameter_with_fixed_weights_is_the_mean_of_the_trace_after_learning(
    oscillators, discarded, averaged
):
    chosen = DEFAULT._replace(fixed_discarded=discarded, fixed_duration=averaged)
    first, steps = round(discarded / DEFAULT.dt), round((discarded + averaged) / DEFAULT.dt)
    got = learn(chosen, kuramoto.equidistant_frequencies(oscillators), np.arange(9), trace_steps=steps)
    expected = got.final_trace[:, first:].mean(axis=1)
    # They differ in when phasors are renormalised alone
    np.testing.assert_allclose(got.fixed_order_parameter, expected, rtol=0, atol=1e-12)


def test_how_long_weights_are_fixed_changes_nothing_else():
    frequencies = kuramoto.equidistant_frequencies(10)
    short, long = (
        learn(DEFAULT._replace(fixed_duration=duration), frequencies, np.arange(9), trace_steps=5)
        for duration in (0.05, 50.0)
    )
    for name in Learned._fields:
        same = np.array_equal(getattr(short, name), getattr(long, name))
        assert same == (name != "fixed_order_parameter")


def test_by_default_weights_are_fixed_for_a_hundred_and_a_thousand_time_units():
    chosen = Settings(*DEFAULT[:9])
    assert (chosen.fixed_discarded, chosen.fixed_duration) == (100.0, 1000.0)
    # Identical oscillators that attract each other: r = 1 long before a hundred time units have passed, not at first
    together = chosen._replace(eta=0.0, sigma=0.0, weight_control=0.0, iterations=1, T=0.05)
    frequencies = np.ones(10)
    at_first = learn(together._replace(fixed_discarded=0.0), frequencies, np.arange(8))
    later = learn(together, frequencies, np.arange(8))
    assert (at_first.fixed_order_parameter < 1 - 1e-4).all()
    np.testing.assert_allclose(later.fixed_order_parameter, 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frequency", [1.0, 30.0], ids=["small steps", "large steps"])
@pytest.mark.parametrize("oscillators", [10, 13])
def test_phasors_stay_on_the_circle_however_long_an_interval(oscillators, frequency):
    # Identical oscillators that attract each other have long been together when the second interval begins: R = 1,
    # unless 20 000 rotations, or the 1e-12 of the first phasors, have changed their length
    fixed = DEFAULT._replace(T=1000.0, iterations=2, eta=0.0, sigma=0.0, weight_control=0.0)
    got = learn(fixed, np.full(oscillators, frequency), np.arange(8))
    np.testing.assert_allclose(got.order_parameter[:, 1], 1, rtol=0, atol=1e-13)


def test_an_interval_is_the_nearest_whole_number_of_steps():
    assert DEFAULT._replace(T=50.0, dt=0.05).steps == 1000
    assert DEFAULT._replace(T=0.3, dt=0.1).steps == 3  # 0.3 / 0.1 is below 3
    assert kuramoto.steps_in(1.0, 0.3) == 3


def test_another_seed_or_member_gives_another_system():
    frequencies, every = kuramoto.equidistant_frequencies(10), np.arange(30)
    ours, others = (kuramoto.learn(DEFAULT, frequencies, seed, np.arange(9), every) for seed in (1, 2))
    for values in (ours.order_parameter, ours.weight, ours.phase):
        assert len(np.unique(values[:, 0])) == 9
    assert not np.any(ours.weight == others.weight)
    assert not np.any(ours.order_parameter == others.order_parameter)


# --- divergence ---------------------------------------------------------------------------------------------

# Beyond W + 2/β the control overshoots and weights grow, each iteration by more: members with much noise get
# there, whatever their phases do. So, unlike divergence by drift, it is no matter of chaos.
OVERSHOOTING = DEFAULT._replace(sigma=1.0, weight_control=2.5, T=0.2, delay=3)


@pytest.mark.parametrize("oscillators", [2, 3, 10])
def test_members_diverge_when_the_oracles_do(oscillators):
    frequencies, members = kuramoto.equidistant_frequencies(oscillators), np.arange(96)
    got = learn(OVERSHOOTING, frequencies, members, trace_steps=5)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = oracles(OVERSHOOTING, frequencies, members)
    diverged = np.isnan(expected.weight[-1]).all(axis=1)
    assert 0 < diverged.sum() < len(members)
    np.testing.assert_array_equal(got.status, np.where(diverged, DIVERGED, COMPUTED))
    for field in ("order_parameter", "error", "mean_abs_weight"):
        np.testing.assert_array_equal(np.isnan(getattr(got, field).T), np.isnan(getattr(expected, field)))
    # What a member was before it left is comparable while its weights are moderate
    moderate = np.maximum.accumulate(expected.mean_abs_weight, axis=0) < 5
    np.testing.assert_allclose(got.error.T[moderate], expected.error[moderate], rtol=0, atol=1e-5)


def test_a_diverged_member_is_nan_from_there_on():
    got = learn(OVERSHOOTING, kuramoto.equidistant_frequencies(3), np.arange(96), trace_steps=5)
    diverged = got.status == DIVERGED
    assert 10 < diverged.sum() < 86
    assert np.isnan(got.weight[diverged]).all()
    assert np.isnan(got.final_trace[diverged]).all()
    assert np.isnan(got.fixed_order_parameter[diverged]).all()
    for record in (got.order_parameter, got.error, got.mean_abs_weight):
        missing = np.isnan(record)
        assert not missing[:, 0].any()
        np.testing.assert_array_equal(missing, np.maximum.accumulate(missing, axis=1))
        np.testing.assert_array_equal(missing, np.isnan(got.error))
    long_diverged = np.isnan(got.error[:, -1])
    for final in (got.final_order_parameter, got.final_error, got.final_mean_abs_weight, got.phase[:, 0]):
        np.testing.assert_array_equal(np.isnan(final), long_diverged)
    for field in got:
        assert np.isfinite(field[~diverged]).all()


def test_a_member_diverges_when_its_mean_absolute_weight_passes_a_million():
    got = learn(OVERSHOOTING, kuramoto.equidistant_frequencies(3), np.arange(96))
    for weights in got.mean_abs_weight[got.status == DIVERGED]:
        finite = weights[np.isfinite(weights)]
        assert finite[-1] >= MAX_MEAN_ABS_WEIGHT or len(finite) == len(weights)
        assert np.all(finite[:-1] < MAX_MEAN_ABS_WEIGHT)


def test_a_member_that_diverges_in_the_last_iteration_has_diverged():
    frequencies = kuramoto.equidistant_frequencies(3)
    longer = learn(OVERSHOOTING, frequencies, np.arange(96))
    last_with_values = np.isfinite(longer.error).sum(axis=1)
    member = np.flatnonzero(last_with_values < OVERSHOOTING.iterations)[0]
    up_to_there = OVERSHOOTING._replace(iterations=int(last_with_values[member]))
    got = learn(up_to_there, frequencies, np.array([member]))
    assert np.isfinite(got.error).all()
    assert got.status[0] == DIVERGED


# --- machines -----------------------------------------------------------------------------------------------

ORDINARY = DEFAULT._replace(T=2.0, delay=3)
DIGEST = """
import hashlib
import numpy as np
from sim import kuramoto

learned = kuramoto.learn(
    kuramoto.Settings(*{chosen}), np.linspace(-1, 1, {oscillators}), {seed}, np.arange(8), np.arange(30), 3
)
print(hashlib.sha256(b"".join(field.tobytes() for field in learned)).hexdigest())
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
@pytest.mark.parametrize("oscillators", [10, 13], ids=["unrolled", "tiled"])
def test_results_do_not_depend_on_the_vector_width(oscillators):
    script = DIGEST.format(chosen=tuple(ORDINARY), oscillators=oscillators, seed=SEED)
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | haswell, capture_output=True, text=True, check=True
    )
    ours = learn(ORDINARY, kuramoto.equidistant_frequencies(oscillators), np.arange(8), trace_steps=3)
    assert ran.stdout.strip() == hashlib.sha256(b"".join(field.tobytes() for field in ours)).hexdigest()


# --- the ensemble -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ensembles():
    """960 members by the kernels, 96 by the oracle with noise of its own: means over the second half of a run."""
    chosen = DEFAULT._replace(T=5.0, dt=0.1, delay=5, iterations=300, weight_control=0.05)
    frequencies, rng = kuramoto.equidistant_frequencies(10), np.random.default_rng(11)
    ours = learn(chosen, frequencies, np.arange(960))
    oracles = reference.learn(
        chosen, frequencies, rng.uniform(0, 2 * np.pi, (96, 10)), rng.normal(size=(300, 96, 45))
    )
    assert (ours.status == COMPUTED).all()
    second_half = slice(150, None)

    def observables(order_parameter, error, mean_abs_weight, weight):
        return {
            "R": order_parameter[:, second_half].mean(axis=1),
            "spread of R": order_parameter[:, second_half].std(axis=1),
            "error": error[:, second_half].mean(axis=1),
            "mean absolute weight": mean_abs_weight[:, second_half].mean(axis=1),
            "spread of weights": weight.std(axis=1),
        }

    return (
        observables(ours.order_parameter, ours.error, ours.mean_abs_weight, ours.weight),
        observables(oracles.order_parameter.T, oracles.error.T, oracles.mean_abs_weight.T, oracles.weight[-1]),
    )


@pytest.mark.parametrize("observable", ["R", "spread of R", "error", "mean absolute weight", "spread of weights"])
def test_the_ensemble_learns_as_the_oracles(ensembles, observable):
    ours, oracles = (values[observable] for values in ensembles)
    standard_error = np.sqrt(ours.var(ddof=1) / len(ours) + oracles.var(ddof=1) / len(oracles))
    # Independent ensembles of the same system: four combined standard errors
    assert abs(ours.mean() - oracles.mean()) < 4 * standard_error
    # and the comparison is sharp enough to see a difference of an eighth, most often of far less
    assert 4 * standard_error < oracles.mean() / 8


def test_two_thousand_iterations_bring_the_ensemble_closer_to_its_target():
    chosen = DEFAULT._replace(T=10.0, delay=5, iterations=2000, weight_control=0.01)
    frequencies = kuramoto.equidistant_frequencies(10)
    learnt = learn(chosen, frequencies, np.arange(96))
    undirected = learn(chosen._replace(eta=0.0), frequencies, np.arange(96))
    assert (learnt.status == COMPUTED).all()

    def late_error(got):
        errors = got.error[:, -500:].mean(axis=1)
        return errors.mean(), errors.std(ddof=1) / np.sqrt(len(errors))

    (late, se), (without_drift, se_without) = late_error(learnt), late_error(undirected)
    assert late + 4 * se < learnt.error[:, :20].mean()
    # It is the drift that learns: noise and control alone stay farther off
    assert late + 4 * np.hypot(se, se_without) < without_drift
