"""Kuramoto oscillators that learn continuously, while they run: eq. 3 with weight control.

    dw_ij/dt = −η [ε(t) − ε(t−Δ)] [w_ij(t−T) − w_ij(t−T−Δ)] + β (W − ⟨|w|⟩) w_ij + σ ε(t) ξ_ij(t)
    R(t) = mean of r over (t−T, t],   ε(t) = |R_target − R(t)|

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162), section IV.2.3: r is averaged over a sliding
window, and its error is attributed to the weights with which that window began. Oscillators and weights move in
the same Euler step of length dt; ξ is white noise, so a step adds σ ε √dt times a standard normal
(Euler–Maruyama). Weights are constant until the first window is full, t < T; there is no drift before t = T + Δ.
With T = dt this is eq. 13 with η dt, β dt and σ √dt for η, β and σ.

symbol      setting                     unit            range
η           eta                         1 / time        ≥ 0
σ           sigma                       1 / √time       ≥ 0
Δ           delay                       time            ≥ dt
T, dt       T, dt                       time            T ≥ dt > 0
β           weight_control              1 / time        ≥ 0
R_target    target_order_parameter      –               0 … 1
W           target_mean_abs_weight      –               > 0

A step costs the same for every T and Δ: the window is a ring with a running sum, the past weights are a ring of
T + Δ. The sum starts anew with each turn of its ring, so that rounding errors do not accumulate.
"""

from typing import NamedTuple

import numpy as np

from sim.elementary import absolute, where_less
from sim.ensemble import MAX_MEAN_ABS_WEIGHT, Block, collect, eight_by_eight, lanes_last
from sim.kernel_cache import kernel
from sim.kuramoto import angles, draw_phasors, mean_abs_weight, mean_with_fixed_weights
from sim.kuramoto_step import Couplings, Size, connect, set_weights, size_of, sum_over_steps, working_arrays
from sim.learning import delayed_change, move_weights, start_generations, weights_at
from sim.memory import align_stack, broadcast, copy_rows, empty_rows, load, store
from sim.noise import CONTINUOUS_WEIGHT_NOISE, stream
from sim.sizes import steps_in
from sim.vectors import LANES, Vector, inlined


class Settings(NamedTuple):
    """One system and how it learns; symbols, units and ranges in the module's table."""

    eta: float
    sigma: float
    delay: float
    T: float
    dt: float
    duration: float
    """Simulated time, T or longer."""
    weight_control: float
    target_order_parameter: float
    target_mean_abs_weight: float
    fixed_discarded: float = 100.0
    """Time with fixed weights, after learning, that is not averaged over."""
    fixed_duration: float = 1000.0
    """Time with fixed weights, after that, over which r is averaged; at least one Euler step."""


class Learned(NamedTuple):
    """What a block of members gives, member first (in kernels last); NaN from where a member has diverged."""

    order_parameter: np.ndarray
    """(member, record) R at the end of the recorded steps."""
    error: np.ndarray
    """(member, record) ε at the end of the recorded steps."""
    mean_abs_weight: np.ndarray
    """(member, record) ⟨|w|⟩ during the recorded steps."""
    final_order_parameter: np.ndarray
    """(member,) mean R over the last 1 % of steps."""
    final_error: np.ndarray
    """(member,) mean ε over the last 1 % of steps."""
    final_mean_abs_weight: np.ndarray
    """(member,) mean ⟨|w|⟩ over the last 1 % of steps."""
    fixed_order_parameter: np.ndarray
    """(member,) mean r after learning, with the weights fixed, as in `sim.kuramoto`."""
    weight: np.ndarray
    """(member, edge) w_ij at the end, i < j, row by row."""
    phase: np.ndarray
    """(member, oscillator) φ at the end, rad, in [−π, π]."""
    status: np.ndarray
    """(member,) COMPUTED or DIVERGED."""


# --- the sliding window -----------------------------------------------------------------------------------


@inlined
def start_window(length: int) -> tuple[np.ndarray, np.ndarray]:
    """An empty sliding window: zeros.

    Args:
        length: values it holds.

    Returns:
        The last values (length, 8), and (2, 8): their sum, and the sum since the ring's last turn.
    """
    values, sums = empty_rows(length), empty_rows(2)
    for k in range(length):
        store(values, k, broadcast(0.0))
    store(sums, 0, broadcast(0.0))
    store(sums, 1, broadcast(0.0))
    return values, sums


@inlined
def slide(window: tuple[np.ndarray, np.ndarray], step: int, value: Vector) -> Vector:
    """The sum of the last values after one more, in constant time.

    Args:
        window: made by `start_window`; updated in place.
        step: number of the value since the start, from 0 on.
        value: FLOATS.

    Returns:
        FLOATS, the sum of the last `length` values, this one among them; those before the start count as 0.
    """
    values, sums = window
    slot = step % values.shape[0]
    total = load(sums, 0) + (value - load(values, slot))
    since_turn = load(sums, 1) + value
    if slot == values.shape[0] - 1:
        total, since_turn = since_turn, broadcast(0.0)
    store(values, slot, value)
    store(sums, 0, total)
    store(sums, 1, since_turn)
    return total


# --- the kernel -------------------------------------------------------------------------------------------


class _StepCounts(NamedTuple):
    """Durations in Euler steps."""

    window: int
    delay: int
    total: int


@kernel
def _learn(
    size: Size,
    settings: Settings,
    steps: _StepCounts,
    couplings: Couplings,
    block: Block,
    phasor: np.ndarray,
    out: Learned,
) -> None:
    """The learning run of eight members: weights j are those of step j, and window m begins with step m."""
    align_stack()
    dt, oscillators = settings.dt, couplings.rotation.shape[0]
    z, rotation, increment, coupling = working_arrays(couplings, phasor)
    count, start = couplings.order.shape[0], broadcast(settings.target_mean_abs_weight)
    generations = start_generations(steps.window + steps.delay, count, start)
    window, errors = start_window(steps.window), empty_rows(steps.delay)
    averaged_from = steps.total - max(1, steps.total // 100)
    r_sum, error_sum, weight_sum = broadcast(0.0), broadcast(0.0), broadcast(0.0)
    recorded, record = block.recorded, 0
    for k in range(steps.total):
        weight = weights_at(generations, k)
        bound = set_weights(weight, couplings, dt, coupling, increment)
        r = sum_over_steps(size, z, increment, coupling, rotation, bound, 1)
        total = slide(window, k, r)
        m = k + 1 - steps.window
        if m < 0:
            continue
        order_parameter = total / broadcast(float(oscillators * steps.window))
        error = absolute(settings.target_order_parameter - order_parameter)
        mean_weight = mean_abs_weight(weight)

        if k == recorded[record]:
            store(out.order_parameter, record, order_parameter)
            store(out.error, record, error)
            store(out.mean_abs_weight, record, mean_weight)
            record = min(record + 1, recorded.shape[0] - 1)
        if k >= averaged_from:
            r_sum, error_sum, weight_sum = r_sum + order_parameter, error_sum + error, weight_sum + mean_weight

        drift = settings.eta * dt * delayed_change(errors, m, steps.delay, error)
        growth = settings.weight_control * dt * (settings.target_mean_abs_weight - mean_weight)
        growth = where_less(mean_weight, broadcast(MAX_MEAN_ABS_WEIGHT), growth, broadcast(np.nan))
        amplitude = settings.sigma * np.sqrt(dt) * error
        state = stream(block.seed, load(block.members, 0), k, CONTINUOUS_WEIGHT_NOISE)
        following = weights_at(generations, k + 1)
        move_weights(weight, weights_at(generations, m), following, drift, amplitude, growth, state)

    averaged = broadcast(float(steps.total - averaged_from))
    store(out.final_order_parameter, 0, r_sum / averaged)
    store(out.final_error, 0, error_sum / averaged)
    store(out.final_mean_abs_weight, 0, weight_sum / averaged)
    copy_rows(weights_at(generations, steps.total), out.weight)
    copy_rows(z, phasor)


# --- arrays in, arrays out --------------------------------------------------------------------------------


def learn(
    settings: Settings, frequencies: np.ndarray, seed: int, members: np.ndarray, recorded: np.ndarray
) -> Learned:
    """Let an ensemble learn for `settings.duration`, from w_ij = W and uniform random phases.

    Source: Bilen and Kaluza, arXiv 1611.03162, eq. 3 and section IV.2.3; equations in the module's docstring.

    Args:
        settings: symbols, units and ranges in the module's table.
        frequencies: (N,) ω_i, rad / time.
        seed: 64-bit, one a point of a sweep.
        members: (member,) member numbers, which start with the phases that `sim.kuramoto.learn` gives them.
        recorded: (record,) Euler steps to record, ascending, none before the first window is full; step k ends at
            time
            (k + 1) dt.

    Returns:
        `Learned`, member first; NaN from where a member has diverged.

    Raises:
        ValueError: no members, nothing to record, or a recorded step before the first full window.
    """
    first = steps_in(settings.T, settings.dt) - 1
    if np.any(np.asarray(recorded) < first):
        raise ValueError(f"expected recorded steps from {first} on, got {np.min(recorded)}")

    def learn_block(block: Block) -> Learned:
        return _learn_block(settings, frequencies, block)

    return eight_by_eight(learn_block, seed, members, recorded)


def _learn_block(settings: Settings, frequencies: np.ndarray, block: Block) -> Learned:
    oscillators, couplings = len(frequencies), connect(frequencies, settings.dt)
    records = len(block.recorded)
    out = lanes_last(
        Learned,
        order_parameter=(records,),
        error=(records,),
        mean_abs_weight=(records,),
        final_order_parameter=(),
        final_error=(),
        final_mean_abs_weight=(),
        fixed_order_parameter=(),
        weight=(len(couplings.order),),
        phase=(oscillators,),
    )
    phasor = np.empty((2 * oscillators, LANES))
    draw_phasors(block.seed, block.members, phasor)
    durations = settings.T, settings.delay, settings.duration
    steps = _StepCounts(*(steps_in(duration, settings.dt) for duration in durations))
    _learn(size_of(oscillators), settings, steps, couplings, block, phasor, out)
    angles(phasor, out.phase)
    fixed = settings.dt, settings.fixed_discarded, settings.fixed_duration
    out.fixed_order_parameter[:] = mean_with_fixed_weights(couplings, phasor, out.weight, *fixed)
    return collect(out, block.kept)
