"""Kuramoto oscillators that learn to reach a target order parameter.

    dφ_i/dt = ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i)          (eq. 9)    w symmetric, either sign
    r(t) = |Σ_j e^(iφ_j)| / N,   R = mean of r over T       (eqs. 10, 11)
    ε = |R_target − R|                                      (eq. 12)
    w_ij: eq. 4 plus β (W − ⟨|w|⟩) w_ij                     (eq. 13)
    ⟨|w|⟩ = mean of |w_ij| over i < j                       (eq. 14)

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162). Integration is explicit Euler with step dt.
During an interval T the weights are fixed; phases carry over from interval to interval.

symbol      setting                     unit            range
N           oscillators                 –               ≥ 2
ω_i         frequencies                 rad / time      any
η, σ        eta, sigma                  –               ≥ 0
Δ           delay                       iterations      ≥ 1
T, dt       T, dt                       time            T ≥ dt > 0
β           weight_control              –               ≥ 0
R_target    target_order_parameter      –               0 … 1
W           target_mean_abs_weight      –               > 0

Whether learning has succeeded is judged afterwards: r, with the weights fixed and the phases carried on, averaged
over `fixed_duration` once `fixed_discarded` has passed.
"""

from typing import NamedTuple

import numpy as np

from sim.elementary import absolute, angle, unit_circle, where_less
from sim.ensemble import MAX_MEAN_ABS_WEIGHT, Block, collect, eight_by_eight, lanes_last
from sim.kernel_cache import kernel
from sim.kuramoto_step import (
    Couplings,
    Size,
    connect,
    phasors,
    renormalise,
    run_steps,
    set_weights,
    size_of,
    sum_over_steps,
    working_arrays,
)
from sim.learning import delayed_change, move_weights, start_generations, weights_at
from sim.memory import align_stack, broadcast, copy_rows, empty_rows, in_lanes, load, store
from sim.noise import INITIAL_PHASES, WEIGHT_NOISE, next_word, stream
from sim.sizes import steps_in
from sim.vectors import LANES, Vector, inlined


class Settings(NamedTuple):
    """One system and how it learns; symbols, units and ranges in the module's table."""

    eta: float
    sigma: float
    delay: int
    T: float
    dt: float
    iterations: int
    weight_control: float
    target_order_parameter: float
    target_mean_abs_weight: float
    fixed_discarded: float = 100.0
    """Time with fixed weights, after learning, that is not averaged over."""
    fixed_duration: float = 1000.0
    """Time with fixed weights, after that, over which r is averaged; at least one Euler step."""

    @property
    def steps(self) -> int:
        """Euler steps in an interval T: the nearest whole number."""
        return steps_in(self.T, self.dt)


class Learned(NamedTuple):
    """What a block of members gives, member first (in kernels last); NaN from where a member has diverged."""

    order_parameter: np.ndarray
    """(member, record) R of the recorded iterations."""
    error: np.ndarray
    """(member, record) ε of the recorded iterations."""
    mean_abs_weight: np.ndarray
    """(member, record) ⟨|w|⟩ of the recorded iterations, before the weights move."""
    final_order_parameter: np.ndarray
    """(member,) mean R over the last 1 % of iterations."""
    final_error: np.ndarray
    """(member,) mean ε over the last 1 % of iterations."""
    final_mean_abs_weight: np.ndarray
    """(member,) mean ⟨|w|⟩ over the last 1 % of iterations."""
    fixed_order_parameter: np.ndarray
    """(member,) mean r after learning, with the weights fixed."""
    weight: np.ndarray
    """(member, edge) w_ij at the end, i < j, row by row."""
    phase: np.ndarray
    """(member, oscillator) φ at the end, rad, in [−π, π]."""
    initial_trace: np.ndarray
    """(member, time) r(t) of the untrained system, from the first step on."""
    final_trace: np.ndarray
    """(member, time) r(t) after learning, weights fixed, phases carried on."""
    status: np.ndarray
    """(member,) COMPUTED or DIVERGED."""


def equidistant_frequencies(oscillators: int, half_width: float = 1.0) -> np.ndarray:
    """N natural frequencies, equidistant in [−half_width, half_width].

    Args:
        oscillators: N.
        half_width: rad / time. Default: 1.

    Returns:
        (N,) ω_i, rad / time, ascending.
    """
    return np.linspace(-half_width, half_width, oscillators)


@inlined
def mean_abs_weight(weights: np.ndarray) -> Vector:
    """⟨|w|⟩ = mean of |w_ij| over i < j (eq. 14).

    Args:
        weights: (edge, 8) w_ij.

    Returns:
        FLOATS.
    """
    total = broadcast(0.0)
    for k in range(weights.shape[0]):
        total = total + absolute(load(weights, k))
    return total / broadcast(float(weights.shape[0]))


# --- kernels ------------------------------------------------------------------------------------------------


@kernel
def _evolve(
    size: Size, couplings: Couplings, dt: float, phasor: np.ndarray, weight: np.ndarray, trace: np.ndarray
) -> None:
    """Euler steps with fixed weights; r after each into trace (steps, 8), phasors (2N, 8) moved in place."""
    align_stack()
    z, rotation, increment, coupling = working_arrays(couplings, phasor)
    bound = set_weights(weight, couplings, dt, coupling, increment)
    for k in range(trace.shape[0]):
        total = sum_over_steps(size, z, increment, coupling, rotation, bound, 1)
        store(trace, k, total / broadcast(float(rotation.shape[0])))
    copy_rows(z, phasor)


@kernel
def draw_phasors(seed: np.uint64, members: np.ndarray, phasor: np.ndarray) -> None:
    """The initial phases of eight members, uniform on the circle.

    Args:
        seed: 64-bit, one a point of a sweep.
        members: (1, 8) member numbers.
        phasor: (2N, 8), filled with rows cos φ_0, sin φ_0, cos φ_1, …
    """
    state = stream(seed, load(members, 0), 0, INITIAL_PHASES)
    for i in range(phasor.shape[0] // 2):
        word, state = next_word(state)
        c, s = unit_circle(word)
        store(phasor, 2 * i, c)
        store(phasor, 2 * i + 1, s)
    renormalise(phasor)


@kernel
def angles(phasor: np.ndarray, phase: np.ndarray) -> None:
    """Phases from phasors.

    Args:
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …
        phase: (N, 8), filled with φ_i, rad in [−π, π].
    """
    for i in range(phase.shape[0]):
        store(phase, i, angle(load(phasor, 2 * i), load(phasor, 2 * i + 1)))


@kernel
def _learn(
    size: Size,
    settings: Settings,
    steps: int,
    couplings: Couplings,
    block: Block,
    phasor: np.ndarray,
    out: Learned,
) -> None:
    """The learning run of eight members: eqs. 9–14, `settings.iterations` times."""
    align_stack()
    oscillators, count = couplings.rotation.shape[0], couplings.order.shape[0]
    z, rotation, increment, coupling = working_arrays(couplings, phasor)
    generations = start_generations(settings.delay + 1, count, broadcast(settings.target_mean_abs_weight))
    errors = empty_rows(settings.delay)
    averaged_from = settings.iterations - max(1, settings.iterations // 100)
    r_sum, error_sum, weight_sum = broadcast(0.0), broadcast(0.0), broadcast(0.0)
    recorded, record = block.recorded, 0
    for n in range(settings.iterations):
        weight = weights_at(generations, n)
        bound = set_weights(weight, couplings, settings.dt, coupling, increment)
        total = sum_over_steps(size, z, increment, coupling, rotation, bound, steps)
        order_parameter = total / broadcast(float(oscillators * steps))
        error = absolute(settings.target_order_parameter - order_parameter)
        mean_weight = mean_abs_weight(weight)

        if n == recorded[record]:
            store(out.order_parameter, record, order_parameter)
            store(out.error, record, error)
            store(out.mean_abs_weight, record, mean_weight)
            record = min(record + 1, recorded.shape[0] - 1)
        if n >= averaged_from:
            r_sum, error_sum, weight_sum = (
                r_sum + order_parameter,
                error_sum + error,
                weight_sum + mean_weight,
            )

        drift = settings.eta * delayed_change(errors, n, settings.delay, error)
        growth = settings.weight_control * (settings.target_mean_abs_weight - mean_weight)
        growth = where_less(mean_weight, broadcast(MAX_MEAN_ABS_WEIGHT), growth, broadcast(np.nan))
        state = stream(block.seed, load(block.members, 0), n, WEIGHT_NOISE)
        following = weights_at(generations, n + 1)
        move_weights(weight, weight, following, drift, settings.sigma * error, growth, state)

    averaged = broadcast(float(settings.iterations - averaged_from))
    store(out.final_order_parameter, 0, r_sum / averaged)
    store(out.final_error, 0, error_sum / averaged)
    store(out.final_mean_abs_weight, 0, weight_sum / averaged)
    copy_rows(weights_at(generations, settings.iterations), out.weight)
    copy_rows(z, phasor)


# --- arrays in, arrays out --------------------------------------------------------------------------------


def evolve(
    phases: np.ndarray, weights: np.ndarray, frequencies: np.ndarray, dt: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate dφ_i/dt = ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i) (eq. 9) with fixed weights, by explicit Euler steps.

    Args:
        phases: (member, N) φ_i at the start, rad.
        weights: (member, edge) w_ij, i < j, row by row.
        frequencies: (N,) ω_i, rad / time.
        dt: Euler step, time.
        steps: how many.

    Returns:
        Phases (member, N) after the last step, rad in [−π, π], and r (member, steps) after every step.
    """
    members, oscillators = phases.shape
    couplings = connect(frequencies, dt)
    after, trace = np.empty((members, oscillators)), np.empty((members, steps))
    for start in range(0, members, LANES):
        block = slice(start, start + LANES)
        kept = len(phases[block])
        phasor, weight = phasors(in_lanes(phases[block])), in_lanes(weights[block])
        phase, r = np.empty((oscillators, LANES)), np.empty((steps, LANES))
        _evolve(size_of(oscillators), couplings, dt, phasor, weight, r)
        angles(phasor, phase)
        after[block], trace[block] = phase.T[:kept], r.T[:kept]
    return after, trace


def initial_phases(seed: int, member: int, oscillators: int) -> np.ndarray:
    """The phases a member starts with, uniform on the circle.

    Args:
        seed: 64-bit, one a point of a sweep.
        member: its number.
        oscillators: N.

    Returns:
        (N,) φ_i, rad in [−π, π].
    """
    phasor, phase = np.empty((2 * oscillators, LANES)), np.empty((oscillators, LANES))
    draw_phasors(np.uint64(seed), np.full((1, LANES), member, dtype=np.uint64), phasor)
    angles(phasor, phase)
    return phase[:, 0].copy()


def mean_with_fixed_weights(
    couplings: Couplings, phasor: np.ndarray, weight: np.ndarray, dt: float, discarded: float, duration: float
) -> np.ndarray:
    """r of eight members averaged over a duration, their weights fixed.

    Args:
        couplings: made by `connect`.
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, … at the start; left as they are.
        weight: (edge, 8) w_ij.
        dt: Euler step, time.
        discarded: time that passes first.
        duration: time averaged over, at least one Euler step.

    Returns:
        (8,) mean r; NaN where a weight is no finite number.
    """
    oscillators, moved, total = len(phasor) // 2, phasor.copy(), np.empty((1, LANES))
    for time in (discarded, duration):
        run_steps(size_of(oscillators), couplings, dt, moved, weight, steps_in(time, dt), total)
    mean: np.ndarray = total[0] / (oscillators * steps_in(duration, dt))
    return mean


def learn(
    settings: Settings,
    frequencies: np.ndarray,
    seed: int,
    members: np.ndarray,
    recorded: np.ndarray,
    trace_steps: int = 0,
) -> Learned:
    """Let an ensemble learn: w_ij = W and uniform random phases at first, then `settings.iterations` of eqs. 9–13.

    Source: Bilen and Kaluza, arXiv 1611.03162; equations in the module's docstring.

    Args:
        settings: symbols, units and ranges in the module's table.
        frequencies: (N,) ω_i, rad / time.
        seed: 64-bit, one a point of a sweep.
        members: (member,) member numbers.
        recorded: (record,) iterations to record, ascending.
        trace_steps: Euler steps of r(t) to record before and after learning. Default: 0.

    Returns:
        `Learned`, member first; NaN from where a member has diverged.

    Raises:
        ValueError: no members, or nothing to record.
    """

    def learn_block(block: Block) -> Learned:
        return _learn_block(settings, frequencies, block, trace_steps)

    return eight_by_eight(learn_block, seed, members, recorded)


def _learn_block(settings: Settings, frequencies: np.ndarray, block: Block, trace_steps: int) -> Learned:
    oscillators, couplings = len(frequencies), connect(frequencies, settings.dt)
    size, edge_count, records = size_of(oscillators), len(couplings.order), len(block.recorded)
    out = lanes_last(
        Learned,
        order_parameter=(records,),
        error=(records,),
        mean_abs_weight=(records,),
        final_order_parameter=(),
        final_error=(),
        final_mean_abs_weight=(),
        fixed_order_parameter=(),
        weight=(edge_count,),
        phase=(oscillators,),
        initial_trace=(trace_steps,),
        final_trace=(trace_steps,),
    )
    phasor = np.empty((2 * oscillators, LANES))
    draw_phasors(block.seed, block.members, phasor)
    start = np.full((edge_count, LANES), settings.target_mean_abs_weight)
    _evolve(size, couplings, settings.dt, phasor.copy(), start, out.initial_trace)
    _learn(size, settings, settings.steps, couplings, block, phasor, out)
    angles(phasor, out.phase)
    fixed = settings.dt, settings.fixed_discarded, settings.fixed_duration
    out.fixed_order_parameter[:] = mean_with_fixed_weights(couplings, phasor, out.weight, *fixed)
    _evolve(size, couplings, settings.dt, phasor, out.weight, out.final_trace)
    return collect(out, block.kept)
