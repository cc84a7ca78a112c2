"""Kuramoto dynamics: the plain-NumPy oracle, exact solutions, the order of the method, symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sim import kuramoto
from sim.elementary import SMALL_ANGLE
from sim.kuramoto_step import connect, edges, phasors, run_steps, size_of
from sim.memory import in_lanes
from sim.vectors import LANES
from tests.reference import kuramoto as reference
from tests.reference import noise as reference_noise
from tests.reference.kuramoto import phase_distance

few_examples = settings(max_examples=25, deadline=None, derandomize=True)
# Kernels are compiled for every N ≤ 12; above, tiles of ten, five and one oscillators in every combination
SIZES = [2, 3, 10, 11, 12, 13, 17, 25, 27, 50]
seeds = st.integers(0, 2**32 - 1)


def random_system(seed, oscillators, members=11, weight=1.0, frequency=1.0):
    """Phases beyond one turn, weights of either sign. Eleven members are a block of eight and a part of one."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(-10, 10, (members, oscillators))
    weights = weight * rng.normal(size=(members, oscillators * (oscillators - 1) // 2))
    return phases, weights, frequency * rng.normal(size=oscillators)


def largest_step(weights, frequencies, dt):
    """The bound on |dφ| of every member: max_i (|ω_i| + (1/N) Σ_j |w_ij|) dt."""
    matrix = reference.matrix(np.abs(weights), len(frequencies))
    return (np.abs(frequencies) + matrix.sum(axis=-1) / len(frequencies)).max(axis=-1) * dt


def assert_evolves_as_the_oracle(system, dt, steps, tolerance):
    phases, trace = kuramoto.evolve(*system, dt, steps)
    expected_phases, expected_trace = reference.evolve(*system, dt, steps)
    assert trace.shape == (len(phases), steps)
    np.testing.assert_allclose(trace, expected_trace.T, rtol=0, atol=tolerance)
    assert phase_distance(phases, expected_phases).max() < tolerance
    assert np.abs(phases).max() <= np.pi


# --- the oracle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("oscillators", [*range(2, 33), 50])
def test_every_size_takes_the_oracles_steps(oscillators):
    system = random_system(oscillators, oscillators)
    assert largest_step(*system[1:], 0.02).max() < SMALL_ANGLE
    assert_evolves_as_the_oracle(system, 0.02, 20, tolerance=1e-13)


@given(seed=seeds, oscillators=st.sampled_from(SIZES), weight=st.sampled_from([0.3, 1.0, 2.0]))
@few_examples
def test_two_hundred_steps_are_the_oracles(seed, oscillators, weight):
    # In ten time units under such modest weights differences grow from 1e-15 to some 1e-13, as measured
    assert_evolves_as_the_oracle(random_system(seed, oscillators, weight=weight), 0.05, 200, tolerance=1e-11)


@given(seed=seeds, oscillators=st.sampled_from(SIZES))
@few_examples
def test_steps_of_many_turns_are_the_oracles(seed, oscillators):
    system = random_system(seed, oscillators, frequency=300.0)
    assert largest_step(*system[1:], 0.05).max() > SMALL_ANGLE
    # The oracle's own angles reach 1e4 rad: rounded to 1e-12 each, 200 times
    assert_evolves_as_the_oracle(system, 0.05, 200, tolerance=1e-10)


@given(seed=seeds, oscillators=st.sampled_from(SIZES))
@few_examples
def test_steps_under_strong_weights_are_the_oracles(seed, oscillators):
    system = random_system(seed, oscillators, weight=40.0)
    assert largest_step(*system[1:], 0.05).max() > SMALL_ANGLE
    # A step multiplies differences by up to 1 + |w| dt = 5: only few are comparable
    assert_evolves_as_the_oracle(system, 0.05, 6, tolerance=1e-11)


@pytest.mark.parametrize("oscillators", [10, 13])
def test_a_block_with_small_and_large_steps_takes_the_oracles(oscillators):
    phases, weights, frequencies = random_system(1, oscillators, members=16)
    weights *= np.geomspace(0.1, 8, 16)[:, None]
    large = largest_step(weights, frequencies, 0.05) > SMALL_ANGLE
    assert 0 < large[8:].sum() < 8  # within one block of eight
    assert_evolves_as_the_oracle((phases, weights, frequencies), 0.05, 100, tolerance=1e-10)


@pytest.mark.parametrize("oscillators", [2, 10, 13])
def test_one_step_may_follow_another_call_as_well_as_another_step(oscillators):
    phases, weights, frequencies = random_system(2, oscillators)
    _, together = kuramoto.evolve(phases, weights, frequencies, 0.05, 50)
    for k in range(50):
        phases, r = kuramoto.evolve(phases, weights, frequencies, 0.05, 1)
        # Phases pass through an angle and back, at a rounding or two each time
        np.testing.assert_allclose(r[:, 0], together[:, k], rtol=0, atol=1e-12)


@pytest.mark.parametrize("oscillators", [2, 10, 13])
def test_steps_run_without_a_trace_are_the_same_steps(oscillators):
    phases, weights, frequencies = random_system(3, oscillators, members=LANES)
    after, trace = kuramoto.evolve(phases, weights, frequencies, 0.05, 100)
    phasor, total, couplings = phasors(in_lanes(phases)), np.empty((1, LANES)), connect(frequencies, 0.05)
    run_steps(size_of(oscillators), couplings, 0.05, phasor, in_lanes(weights), 100, total)
    # They differ in when phasors are renormalised alone
    np.testing.assert_allclose(total[0] / oscillators, trace.sum(axis=1), rtol=0, atol=1e-10)
    np.testing.assert_allclose(phasor, phasors(in_lanes(after)), rtol=0, atol=1e-12)


def test_initial_phases_are_the_plain_ones():
    for seed, member, oscillators in ((0, 0, 10), (1, 2, 13), (2**64 - 1, 2**64 - 1, 3)):
        phases = kuramoto.initial_phases(seed, member, oscillators)
        expected = reference_noise.initial_phases(seed, member, oscillators)
        assert (
            phase_distance(phases, expected).max() < 2e-12
        )  # the unit circle's accuracy, 1e-12 in each coordinate
        assert np.abs(phases).max() <= np.pi


def test_initial_phases_are_uniform_on_the_circle():
    phases = np.array([kuramoto.initial_phases(5, member, 10) for member in range(2000)])
    octants, _ = np.histogram(phases, bins=8, range=(-np.pi, np.pi))
    assert octants.sum() == phases.size
    # Counts of 20 000 phases in 8 bins: five standard deviations of a binomial
    assert np.abs(octants - phases.size / 8).max() < 5 * np.sqrt(phases.size * 7 / 64)
    # ⟨N r²⟩ = 1 for independent phases; N r² is about exponential, so its mean has a standard error of 1/√2000
    assert abs(np.mean(10 * reference.order_parameter(phases) ** 2) - 1) < 5 / np.sqrt(2000)


def test_edges_are_the_pairs_row_by_row():
    i, j = edges(4)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_frequencies_are_equidistant():
    np.testing.assert_allclose(kuramoto.equidistant_frequencies(5), [-1, -0.5, 0, 0.5, 1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(kuramoto.equidistant_frequencies(3, 2.5), [-2.5, 0, 2.5], rtol=0, atol=1e-15)


# --- exact solutions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("half_width", [1.0, 200.0], ids=["small steps", "steps of many turns"])
@pytest.mark.parametrize("oscillators", [2, 10, 13])
def test_without_weights_every_oscillator_rotates_freely(oscillators, half_width):
    phases, weights, _ = random_system(3, oscillators)
    frequencies = kuramoto.equidistant_frequencies(oscillators, half_width)
    dt, steps = 2.0**-4, 1000  # a power of two: ω dt and its multiples are then as exact as ω
    after, trace = kuramoto.evolve(phases, 0 * weights, frequencies, dt, steps)
    expected = phases + frequencies * dt * steps
    # A thousand rotations, each right to 1e-16, and the rounding of an angle of 1e4 rad
    assert phase_distance(after, expected).max() < 1e-12 * max(1, half_width / 20)
    np.testing.assert_allclose(trace[:, -1], reference.order_parameter(expected), rtol=0, atol=1e-11)


def test_euler_is_of_first_order():
    oscillators, duration = 10, 2.0
    phases, weights, frequencies = random_system(4, oscillators, members=4, weight=3.0)

    def exact(phases, weights):
        coupling = reference.matrix(weights, oscillators)
        solution = solve_ivp(
            lambda _, phi: reference.velocity(phi, coupling, frequencies),
            (0, duration),
            phases,
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
        )
        return solution.y[:, -1]

    expected = np.array([exact(*member) for member in zip(phases, weights, strict=True)])
    steps = np.array([100, 200, 400, 800, 1600])
    errors = [
        phase_distance(kuramoto.evolve(phases, weights, frequencies, duration / count, count)[0], expected).max(
            axis=1
        )
        for count in steps
    ]
    orders = -np.diff(np.log2(errors), axis=0)
    # Halving dt halves the error but for terms of second order, which are halved themselves each time
    assert np.abs(orders[-1] - 1).max() < 0.02
    assert np.abs(orders - 1).max() < 0.2
    assert np.max(errors[-1]) < 0.01


def two_oscillators(difference, weight, dt, steps, start=(0.3, 0.0)):
    """dψ/dt = Δω − w sin ψ for ψ = φ_1 − φ_0, by eq. 9: ψ at the end and r (steps,)."""
    frequencies = np.array([0.4, 0.4 + difference])
    phases, trace = kuramoto.evolve(np.array([start]), np.array([[weight]]), frequencies, dt, steps)
    return phases[0, 1] - phases[0, 0], trace[0]


@given(
    weight=st.floats(0.5, 3.0), ratio=st.floats(-0.98, 0.98), sign=st.sampled_from([1, -1]), start=st.floats(-3, 3)
)
@few_examples
def test_two_oscillators_lock_at_the_phase_difference_of_theory(weight, ratio, sign, start):
    # Fixed points sin ψ = Δω / w; the stable one has w cos ψ > 0. Euler has the very same ones
    expected = np.arcsin(ratio) if sign > 0 else np.pi - np.arcsin(ratio)
    # The slowest rate towards it is w √(1 − 0.98²) = 0.2 w ≥ 0.1: 800 time units are e^-80
    psi, trace = two_oscillators(sign * weight * ratio, sign * weight, 0.05, 16_000, start=(start, 0.0))
    assert phase_distance(psi, expected) < 1e-11
    np.testing.assert_allclose(trace[-2000:], np.abs(np.cos(expected / 2)), rtol=0, atol=1e-11)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("weight", [0.5, 1.0, 2.5])
def test_two_oscillators_lock_up_to_a_frequency_difference_equal_to_the_weight_and_not_beyond(weight, sign):
    # At 1 ± δ the slowest time is 1 / (w √(2 δ)): 7 / w for δ = 0.01
    _, locked = two_oscillators(sign * 0.99 * weight, weight, 0.05, 8000)
    _, drifting = two_oscillators(sign * 1.01 * weight, weight, 0.05, 8000)
    assert np.ptp(locked[-4000:]) < 1e-6
    assert drifting[-4000:].min() < 0.05
    assert drifting[-4000:].max() > 0.99


@given(weight=st.floats(0.3, 2.0), ratio=st.floats(1.02, 5.0))
@few_examples
def test_unlocked_oscillators_beat_with_the_period_of_theory(weight, ratio):
    period = 2 * np.pi / (weight * np.sqrt(ratio**2 - 1))  # 2π / √(Δω² − w²)
    beats, dt = 20, min(0.002, period / 2000)
    _, r = two_oscillators(ratio * weight, weight, dt, round((beats + 1) * period / dt))
    minima = np.flatnonzero((r[1:-1] < r[:-2]) & (r[1:-1] <= r[2:])) + 1
    assert len(minima) in (beats, beats + 1, beats + 2)
    measured = (minima[-1] - minima[0]) * dt / (len(minima) - 1)
    # Euler's error is of order w dt, more so close to locking; minima are seen to within dt
    assert measured == pytest.approx(period, rel=0.01)


def test_identical_attracting_oscillators_synchronise():
    phases = np.random.default_rng(6).uniform(-1.5, 1.5, (8, 10))
    after, trace = kuramoto.evolve(phases, np.ones((8, 45)), np.full(10, 0.7), 0.05, 1000)
    np.testing.assert_allclose(trace[:, -1], 1, rtol=0, atol=1e-12)
    # The forces between them cancel, so the mean phase rotates with the common frequency: w symmetric, sin odd
    expected = phases.mean(axis=1) + 0.7 * 50
    assert phase_distance(after, expected[:, None]).max() < 1e-11


# --- symmetries ---------------------------------------------------------------------------------------------

# Symmetric starts differ by rounding, and grow apart as any two do: as with the oracle, 1e-11 after 200 steps
symmetry = given(seed=seeds, oscillators=st.sampled_from(SIZES), weight=st.sampled_from([1.0, 5.0]))
DT, STEPS = 0.05, 100


@symmetry
@few_examples
def test_turning_all_phases_turns_the_solution(seed, oscillators, weight):
    phases, weights, frequencies = random_system(seed, oscillators, weight=weight)
    shift = np.random.default_rng(seed).uniform(-10, 10, (len(phases), 1))
    after, trace = kuramoto.evolve(phases, weights, frequencies, DT, STEPS)
    shifted, same_trace = kuramoto.evolve(phases + shift, weights, frequencies, DT, STEPS)
    np.testing.assert_allclose(same_trace, trace, rtol=0, atol=1e-11)
    assert phase_distance(shifted, after + shift).max() < 1e-11


@symmetry
@few_examples
def test_relabelling_oscillators_relabels_the_solution(seed, oscillators, weight):
    phases, weights, frequencies = random_system(seed, oscillators, weight=weight)
    order = np.random.default_rng(seed).permutation(oscillators)
    matrix = reference.matrix(weights, oscillators)[:, order][:, :, order]
    relabelled = matrix[:, *edges(oscillators)]
    after, trace = kuramoto.evolve(phases, weights, frequencies, DT, STEPS)
    other, same_trace = kuramoto.evolve(phases[:, order], relabelled, frequencies[order], DT, STEPS)
    np.testing.assert_allclose(same_trace, trace, rtol=0, atol=1e-11)
    assert phase_distance(other, after[:, order]).max() < 1e-11


@symmetry
@few_examples
def test_reflecting_phases_and_frequencies_reflects_the_solution(seed, oscillators, weight):
    phases, weights, frequencies = random_system(seed, oscillators, weight=weight)
    after, trace = kuramoto.evolve(phases, weights, frequencies, DT, STEPS)
    reflected, same_trace = kuramoto.evolve(-phases, weights, -frequencies, DT, STEPS)
    np.testing.assert_allclose(same_trace, trace, rtol=0, atol=1e-11)
    assert phase_distance(reflected, -after).max() < 1e-11


@given(
    seed=seeds,
    oscillators=st.sampled_from(SIZES),
    weight=st.sampled_from([0.0, 1.0, 1e2, 1e6]),
    frequency=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
)
@few_examples
def test_the_order_parameter_lies_between_zero_and_one(seed, oscillators, weight, frequency):
    system = random_system(seed, oscillators, weight=weight, frequency=frequency)
    _, trace = kuramoto.evolve(*system, DT, STEPS)
    assert trace.min() >= 0
    assert trace.max() <= 1 + 1e-15


# --- members side by side -----------------------------------------------------------------------------------


@given(seed=seeds, oscillators=st.sampled_from([2, 10, 13, 17]), data=st.data())
@few_examples
def test_a_member_evolves_the_same_beside_any_neighbours(seed, oscillators, data):
    phases, weights, frequencies = random_system(seed, oscillators, members=8)
    others = st.sampled_from([1.0, 1e3, 1e20, 1e300, np.inf, np.nan, 0.0])
    factors = np.array(data.draw(st.lists(others, min_size=8, max_size=8)))
    lane = data.draw(st.integers(0, 7))
    factors[lane] = 1.0
    after, trace = kuramoto.evolve(phases, weights * factors[:, None], frequencies, DT, STEPS)
    alone, same_trace = kuramoto.evolve(phases[lane : lane + 1], weights[lane : lane + 1], frequencies, DT, STEPS)
    assert after[lane].tobytes() == alone[0].tobytes()
    assert trace[lane].tobytes() == same_trace[0].tobytes()
    assert np.isfinite(alone).all()


def test_evolving_leaves_its_arguments_as_they_were():
    arguments = random_system(7, 10)
    copies = [argument.copy() for argument in arguments]
    kuramoto.evolve(*arguments, DT, STEPS)
    for argument, copy in zip(arguments, copies, strict=True):
        np.testing.assert_array_equal(argument, copy)
