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

The kernels keep each oscillator as the unit vector z = e^(iφ), so that sin(φ_j − φ_i) = s_j c_i − c_j s_i costs
two operations and a step ends in one small rotation. Rounding moves z off the circle by about 1e-16 a step; it
is put back every `RENORMALISE_EVERY` steps and at the end of every interval.
"""

import itertools
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import overload

from sim.kernel_cache import kernel
from sim.lanes import (
    FLOATS,
    LANES,
    SMALL_ANGLE,
    Rows,
    Vector,
    absolute,
    align_stack,
    aligned_rows,
    angle,
    any_greater,
    broadcast,
    copy_rows,
    empty_rows,
    fma,
    fnma,
    load,
    maximum,
    sqrt,
    store,
    traced,
    turn,
    turn_small,
    unit_circle,
    where_less,
)
from sim.learning import delayed_change, move_weights
from sim.noise import INITIAL_PHASES, WEIGHT_NOISE, stream, xoshiro

RENORMALISE_EVERY = 32
UNROLLED_UP_TO = 12
"""Above this many oscillators a step no longer fits the registers, nor its code the instruction cache."""
MAX_MEAN_ABS_WEIGHT = 1e6
"""A member whose ⟨|w|⟩ passes this, or is no number, has diverged: from there on its values are NaN."""
DONE, DIVERGED = 1, 2

# Sizes that kernels know while they compile travel in the length of a tuple.
_TILE, _HALF_TILE, _SINGLE = (0,) * 10, (0,) * 5, (0,)


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

    @property
    def steps(self) -> int:
        """Euler steps in an interval T: the nearest whole number."""
        return steps_in(self.T, self.dt)


class Learned(NamedTuple):
    """What a block of members gives. Member first; NaN from where a member has diverged."""

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
    weight: np.ndarray
    """(member, edge) w_ij at the end, i < j, row by row."""
    phase: np.ndarray
    """(member, oscillator) φ at the end, rad, in [−π, π]."""
    initial_trace: np.ndarray
    """(member, time) r(t) of the untrained system, from the first step on."""
    final_trace: np.ndarray
    """(member, time) r(t) after learning, weights fixed, phases carried on."""
    status: np.ndarray
    """(member,) DONE or DIVERGED."""


def steps_in(duration: float, dt: float) -> int:
    """Euler steps in a duration: the nearest whole number."""
    return round(duration / dt)


def equidistant_frequencies(oscillators: int, half_width: float = 1.0) -> np.ndarray:
    """N natural frequencies equidistant in [−half_width, half_width], rad / time: shape (N,)."""
    return np.linspace(-half_width, half_width, oscillators)


def edges(oscillators: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs i < j in the order of every `edge` axis: two arrays (N(N−1)/2,)."""
    return np.triu_indices(oscillators, 1)


# --- one Euler step, unrolled -----------------------------------------------------------------------------


def _attract(
    ci: Vector, si: Vector, cj: Vector, sj: Vector, w: Vector, pull_i: Vector, pull_j: Vector
) -> tuple[Vector, Vector]:
    """Add w sin(φ_j − φ_i) to the pull on i and take it from that on j."""
    force = w * fnma(cj, si, sj * ci)
    return pull_i + force, pull_j - force


def _unrolled_step(n: int, phasor: Rows, coupling: Rows, rotation: Rows, turned) -> Vector:
    c = [phasor[2 * i] for i in range(n)]
    s = [phasor[2 * i + 1] for i in range(n)]
    pull = [rotation[i] for i in range(n)]
    edge = 0
    for i in range(n):
        for j in range(i + 1, n):
            pull[i], pull[j] = _attract(c[i], s[i], c[j], s[j], coupling[edge], pull[i], pull[j])
            edge += 1
    for i in range(n):
        c[i], s[i] = turned(c[i], s[i], pull[i])
        phasor[2 * i], phasor[2 * i + 1] = c[i], s[i]
    c_sum, s_sum = reduce(add, c), reduce(add, s)
    return sqrt(fma(c_sum, c_sum, s_sum * s_sum))


def _turn_bounded(bound: Vector):
    """Turning by any angle. Lanes that could have taken the small-angle path get its very bits."""

    def turned(c: Vector, s: Vector, a: Vector) -> tuple[Vector, Vector]:
        pairs = zip(turn(c, s, a), turn_small(c, s, a), strict=True)
        new_c, new_s = (bound.where(">", SMALL_ANGLE, far, near) for far, near in pairs)
        return new_c, new_s

    return turned


@traced(gives=FLOATS)
def small_step(size: int, phasor: Rows, coupling: Rows, rotation: Rows) -> Vector:
    """One Euler step of eq. 9 for |dφ| ≤ SMALL_ANGLE; returns N r after it.

    size: tuple of N zeros; phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place;
    coupling: (edge, 8) w_ij dt / N; rotation: (N, 8) ω_i dt.
    """
    return _unrolled_step(size, phasor, coupling, rotation, turn_small)


@traced(gives=FLOATS)
def any_step(size: int, phasor: Rows, coupling: Rows, rotation: Rows, bound: Vector) -> Vector:
    """`small_step` where some lane's bound on |dφ| exceeds SMALL_ANGLE."""
    return _unrolled_step(size, phasor, coupling, rotation, _turn_bounded(bound))


# --- one Euler step, tile by tile: ten oscillators stay in registers while the others stream by -----------


@traced(gives=lambda tile, phasor, i: types.UniTuple(FLOATS, 2 * tile.count))
def _load_tile(tile: int, phasor: Rows, i: int) -> tuple[Vector, ...]:
    """cos φ_i, sin φ_i, cos φ_(i+1), … of a tile from oscillator i on (i doubled by the caller)."""
    rows = phasor.starting_at(i)
    return tuple(rows[k] for k in range(2 * tile))


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _attract_within(tile: int, z: tuple, pull: Rows, i: int, coupling: Rows, edge: int) -> tuple[Vector, ...]:
    """The pulls on a tile of oscillators from i on, after its own pairs."""
    before, w = pull.starting_at(i), coupling.starting_at(edge)
    pulls, k = [before[a] for a in range(tile)], 0
    for a in range(tile):
        for b in range(a + 1, tile):
            pulls[a], pulls[b] = _attract(z[2 * a], z[2 * a + 1], z[2 * b], z[2 * b + 1], w[k], pulls[a], pulls[b])
            k += 1
    return tuple(pulls)


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _attract_column(
    tile: int,
    z: tuple,
    pulls: tuple,
    phasor: Rows,
    twice_j: int,
    pull: Rows,
    j: int,
    coupling: Rows,
    edge: int,
) -> tuple[Vector, ...]:
    """The pulls on a tile after its pairs with oscillator j, whose own pull is updated in memory."""
    other, w, mine = phasor.starting_at(twice_j), coupling.starting_at(edge), pull.starting_at(j)
    cj, sj, pull_j = other[0], other[1], mine[0]
    after = []
    for a in range(tile):
        pull_a, pull_j = _attract(z[2 * a], z[2 * a + 1], cj, sj, w[a], pulls[a], pull_j)
        after.append(pull_a)
    mine[0] = pull_j
    return tuple(after)


def _turn_tile(tile: int, z: tuple, pulls: tuple, phasor: Rows, i: int, sums: tuple, turned):
    rows, (c_sum, s_sum) = phasor.starting_at(i), sums
    for a in range(tile):
        rows[2 * a], rows[2 * a + 1] = new_c, new_s = turned(z[2 * a], z[2 * a + 1], pulls[a])
        c_sum, s_sum = c_sum + new_c, s_sum + new_s
    return c_sum, s_sum


@traced(gives=types.UniTuple(FLOATS, 2))
def _turn_tile_small(tile: int, z: tuple, pulls: tuple, phasor: Rows, i: int, sums: tuple) -> tuple:
    return _turn_tile(tile, z, pulls, phasor, i, sums, turn_small)


@traced(gives=types.UniTuple(FLOATS, 2))
def _turn_tile_any(tile: int, z: tuple, pulls: tuple, phasor: Rows, i: int, sums: tuple, bound: Vector) -> tuple:
    return _turn_tile(tile, z, pulls, phasor, i, sums, _turn_bounded(bound))


@njit(nogil=True, forceinline=True)
def _step_rows(tile, i, edge, phasor, pull, coupling, sums, large, bound):
    """Finish the oscillators i … i + len(tile) − 1: pairs among them, pairs with all later ones, rotation."""
    z = _load_tile(tile, phasor, 2 * i)
    pulls = _attract_within(tile, z, pull, i, coupling, edge)
    edge += len(tile) * (len(tile) - 1) // 2
    for j in range(i + len(tile), pull.shape[0]):
        pulls = _attract_column(tile, z, pulls, phasor, 2 * j, pull, j, coupling, edge)
        edge += len(tile)
    if large:
        return edge, _turn_tile_any(tile, z, pulls, phasor, 2 * i, sums, bound)
    return edge, _turn_tile_small(tile, z, pulls, phasor, 2 * i, sums)


@njit(nogil=True, forceinline=True)
def tiled_step(phasor, pull, coupling, rotation, large, bound):
    """One Euler step of eq. 9 for any N; returns N r after it. As `small_step`; pull: scratch (N, 8)."""
    count = rotation.shape[0]
    for i in range(count):
        store(pull, i, load(rotation, i))
    sums = broadcast(0.0), broadcast(0.0)
    i, edge = 0, 0
    while i + len(_TILE) <= count:
        edge, sums = _step_rows(_TILE, i, edge, phasor, pull, coupling, sums, large, bound)
        i += len(_TILE)
    if i + len(_HALF_TILE) <= count:
        edge, sums = _step_rows(_HALF_TILE, i, edge, phasor, pull, coupling, sums, large, bound)
        i += len(_HALF_TILE)
    while i < count:
        edge, sums = _step_rows(_SINGLE, i, edge, phasor, pull, coupling, sums, large, bound)
        i += 1
    c_sum, s_sum = sums
    return sqrt(fma(c_sum, c_sum, s_sum * s_sum))


def _coupling_order(oscillators: int) -> np.ndarray:
    """The edges in the order in which a step reads their couplings: (edge,) indices."""
    if oscillators <= UNROLLED_UP_TO:
        return np.arange(oscillators * (oscillators - 1) // 2)
    number = np.zeros((oscillators, oscillators), dtype=np.int64)
    number[edges(oscillators)] = np.arange(oscillators * (oscillators - 1) // 2)
    tiled, half_tiled = (oscillators - oscillators % len(tile) for tile in (_TILE, _HALF_TILE))
    starts = [
        *range(0, tiled, len(_TILE)),
        *range(tiled, half_tiled, len(_HALF_TILE)),
        *range(half_tiled, oscillators + 1),
    ]
    order = []
    for start, stop in itertools.pairwise(starts):
        order += [number[i, j] for i in range(start, stop) for j in range(i + 1, stop)]
        order += [number[i, j] for j in range(stop, oscillators) for i in range(start, stop)]
    return np.array(order, dtype=np.int64)


# --- an interval T ----------------------------------------------------------------------------------------


def sum_over_steps(size, phasor, pull, coupling, rotation, bound, steps):
    """Σ N r over the next Euler steps, which move the phasors in place.

    size: tuple of N zeros for the unrolled step, 0 for the tiled one; bound: FLOATS, at least |dφ| of any step.
    """


@overload(sum_over_steps)
def _(size, phasor, pull, coupling, rotation, bound, steps):
    def unrolled(size, phasor, pull, coupling, rotation, bound, steps):
        total, large, done = broadcast(0.0), any_greater(bound, broadcast(SMALL_ANGLE)), 0
        while done < steps:
            stop = min(done + RENORMALISE_EVERY, steps)
            if large:
                for _ in range(done, stop):
                    total = total + any_step(size, phasor, coupling, rotation, bound)
            else:
                for _ in range(done, stop):
                    total = total + small_step(size, phasor, coupling, rotation)
            _renormalise(phasor)
            done = stop
        return total

    def tiled(size, phasor, pull, coupling, rotation, bound, steps):
        total, large, done = broadcast(0.0), any_greater(bound, broadcast(SMALL_ANGLE)), 0
        while done < steps:
            stop = min(done + RENORMALISE_EVERY, steps)
            for _ in range(done, stop):
                total = total + tiled_step(phasor, pull, coupling, rotation, large, bound)
            _renormalise(phasor)
            done = stop
        return total

    return unrolled if isinstance(size, types.BaseTuple) else tiled


@njit(nogil=True, forceinline=True)
def _renormalise(phasor):
    """Put every phasor back on the unit circle: one Newton step for 1/|z|."""
    for i in range(phasor.shape[0] // 2):
        c, s = load(phasor, 2 * i), load(phasor, 2 * i + 1)
        scale = fma(broadcast(-0.5), fma(c, c, s * s), broadcast(1.5))
        store(phasor, 2 * i, c * scale)
        store(phasor, 2 * i + 1, s * scale)


@njit(nogil=True, forceinline=True)
def _set_weights(weights, network, dt, coupling, scratch):
    """coupling ← w_ij dt / N, in the order of a step.

    Returns FLOATS, an upper bound on |dφ| of any oscillator in a step: max_i (|ω_i| + (1/N) Σ_j |w_ij|) dt.
    """
    oscillators = network.rotation.shape[0]
    scale = broadcast(dt / oscillators)
    for i in range(oscillators):
        store(scratch, i, absolute(load(network.rotation, i)))
    for k in range(weights.shape[0]):
        edge = network.order[k]
        scaled = load(weights, edge) * scale
        store(coupling, k, scaled)
        for i in (network.first[edge], network.second[edge]):
            store(scratch, i, load(scratch, i) + absolute(scaled))
    bound = broadcast(0.0)
    for i in range(oscillators):
        bound = maximum(load(scratch, i), bound)
    return bound


@njit(nogil=True, forceinline=True)
def mean_abs_weight(weights):
    """⟨|w|⟩ (eq. 14) of weights (edge, 8)."""
    total = broadcast(0.0)
    for k in range(weights.shape[0]):
        total = total + absolute(load(weights, k))
    return total / broadcast(float(weights.shape[0]))


# --- kernels ------------------------------------------------------------------------------------------------


class _Network(NamedTuple):
    """What kernels need to know of the frequencies and the pairs."""

    rotation: np.ndarray  # (N, 8) ω_i dt
    order: np.ndarray  # (edge,) edge number of every coupling, in the order of a step
    first: np.ndarray  # (edge,) i
    second: np.ndarray  # (edge,) j


class _Out(NamedTuple):
    """A kernel's output, lanes last; `Learned` says what each is."""

    order_parameter: np.ndarray
    error: np.ndarray
    mean_abs_weight: np.ndarray
    final: np.ndarray  # (3, 8): order parameter, error, mean absolute weight
    weight: np.ndarray
    phase: np.ndarray
    initial_trace: np.ndarray
    final_trace: np.ndarray


@njit(nogil=True, forceinline=True)
def _working_arrays(network, phasor):
    """Aligned phasors (2N, 8), rotation (N, 8), pull (N, 8) and coupling (edge, 8)."""
    oscillators, count = network.rotation.shape[0], network.order.shape[0]
    return aligned_rows(phasor), aligned_rows(network.rotation), empty_rows(oscillators), empty_rows(count)


@kernel
def _evolve(size, network, dt, phasor, weight, trace):
    """Euler steps with fixed weights; r after each into trace (steps, 8), phasors (2N, 8) moved in place."""
    align_stack()
    z, rotation, pull, coupling = _working_arrays(network, phasor)
    bound = _set_weights(weight, network, dt, coupling, pull)
    for k in range(trace.shape[0]):
        total = sum_over_steps(size, z, pull, coupling, rotation, bound, 1)
        store(trace, k, total / broadcast(float(rotation.shape[0])))
    copy_rows(z, phasor)


@kernel
def run_steps(size, network, dt, phasor, weight, steps, total):
    """Euler steps with fixed weights; Σ N r over them into total (1, 8), phasors (2N, 8) moved in place."""
    align_stack()
    z, rotation, pull, coupling = _working_arrays(network, phasor)
    bound = _set_weights(weight, network, dt, coupling, pull)
    store(total, 0, sum_over_steps(size, z, pull, coupling, rotation, bound, steps))
    copy_rows(z, phasor)


@kernel
def _draw_phasors(seed, members, phasor):
    """Phases uniform on the circle."""
    s0, s1, s2, s3 = stream(seed, load(members, 0), 0, INITIAL_PHASES)
    for i in range(phasor.shape[0] // 2):
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        c, s = unit_circle(word)
        store(phasor, 2 * i, c)
        store(phasor, 2 * i + 1, s)


@kernel
def _angles(phasor, phase):
    for i in range(phase.shape[0]):
        store(phase, i, angle(load(phasor, 2 * i), load(phasor, 2 * i + 1)))


@kernel
def _learn(size, settings, steps, network, seed, members, phasor, recorded, out):
    """The learning run of eight members: eqs. 9–14, `settings.iterations` times."""
    align_stack()
    oscillators, count = network.rotation.shape[0], network.order.shape[0]
    z, rotation, pull, coupling = _working_arrays(network, phasor)
    weight, history = empty_rows(count), empty_rows(settings.delay * count)
    errors = empty_rows(settings.delay)
    for k in range(count):
        store(weight, k, broadcast(settings.target_mean_abs_weight))
    for k in range(settings.delay * count):
        store(history, k, broadcast(0.0))  # read, times zero, before it is first written
    averaged_from = settings.iterations - max(1, settings.iterations // 100)
    r_sum, error_sum, weight_sum = broadcast(0.0), broadcast(0.0), broadcast(0.0)
    record = 0
    for n in range(settings.iterations):
        bound = _set_weights(weight, network, settings.dt, coupling, pull)
        total = sum_over_steps(size, z, pull, coupling, rotation, bound, steps)
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
        state = stream(seed, load(members, 0), n, WEIGHT_NOISE)
        move_weights(weight, history, n, settings.delay, drift, settings.sigma * error, growth, state)

    averaged = broadcast(float(settings.iterations - averaged_from))
    store(out.final, 0, r_sum / averaged)
    store(out.final, 1, error_sum / averaged)
    store(out.final, 2, weight_sum / averaged)
    copy_rows(weight, out.weight)
    copy_rows(z, phasor)


# --- arrays in, arrays out --------------------------------------------------------------------------------


def _network(frequencies: np.ndarray, dt: float) -> _Network:
    first, second = edges(len(frequencies))
    rotation = np.repeat(np.asarray(frequencies, dtype=float)[:, None] * dt, LANES, axis=1)
    return _Network(rotation, _coupling_order(len(frequencies)), first, second)


def _size(oscillators: int) -> tuple[int, ...] | int:
    return (0,) * oscillators if oscillators <= UNROLLED_UP_TO else 0


def _in_lanes(values: np.ndarray) -> np.ndarray:
    """(8 or fewer members, …) to (…, 8); lanes left over repeat the last member."""
    padded = np.concatenate([values, np.repeat(values[-1:], LANES - len(values), axis=0)])
    return np.ascontiguousarray(np.moveaxis(padded, 0, -1))


def evolve(
    phases: np.ndarray, weights: np.ndarray, frequencies: np.ndarray, dt: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate eq. 9 with fixed weights by explicit Euler steps.

    phases: (member, N) rad; weights: (member, edge) w_ij, i < j, row by row; frequencies: (N,) rad / time;
    dt: step, time; steps: how many.
    Returns phases (member, N) in [−π, π] after the last step, and r (member, steps) after every step.
    """
    members, oscillators = phases.shape
    network = _network(frequencies, dt)
    after, trace = np.empty((members, oscillators)), np.empty((members, steps))
    for start in range(0, members, LANES):
        block = slice(start, start + LANES)
        kept = len(phases[block])
        phasor, weight = _phasors(_in_lanes(phases[block])), _in_lanes(weights[block])
        phase, r = np.empty((oscillators, LANES)), np.empty((steps, LANES))
        _evolve(_size(oscillators), network, dt, phasor, weight, r)
        _angles(phasor, phase)
        after[block], trace[block] = phase.T[:kept], r.T[:kept]
    return after, trace


def _phasors(phases: np.ndarray) -> np.ndarray:
    """(N, 8) angles to (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …"""
    return np.stack([np.cos(phases), np.sin(phases)], axis=1).reshape(-1, LANES)


def initial_phases(seed: int, member: int, oscillators: int) -> np.ndarray:
    """The phases a member starts with, uniform on the circle: (N,) rad in [−π, π]."""
    phasor, phase = np.empty((2 * oscillators, LANES)), np.empty((oscillators, LANES))
    _draw_phasors(np.uint64(seed), np.full((1, LANES), member, dtype=np.uint64), phasor)
    _angles(phasor, phase)
    return phase[:, 0].copy()


def learn(
    settings: Settings,
    frequencies: np.ndarray,
    seed: int,
    members: np.ndarray,
    recorded: np.ndarray,
    trace_steps: int = 0,
) -> Learned:
    """Let an ensemble learn: w_ij = W and uniform random phases at first, then `settings.iterations` of eqs. 9–13.

    frequencies: (N,) ω_i, rad / time; seed: 64-bit, one a point of a sweep; members: (member,) member numbers;
    recorded: (record,) iterations to record, ascending; trace_steps: Euler steps of r(t) to record before and
    after learning.
    """
    members = np.asarray(members, dtype=np.uint64)
    blocks = [members[start : start + LANES] for start in range(0, len(members), LANES)]
    parts = [_learn_lanes(settings, frequencies, seed, block, recorded, trace_steps) for block in blocks]
    return Learned(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _learn_lanes(
    settings: Settings,
    frequencies: np.ndarray,
    seed: int,
    members: np.ndarray,
    recorded: np.ndarray,
    trace_steps: int,
) -> Learned:
    """`learn` for at most eight members."""
    oscillators, network = len(frequencies), _network(frequencies, settings.dt)
    size, lanes = _size(oscillators), _in_lanes(members[:, None])
    edge_count = len(network.order)
    rows = (len(recorded),) * 3 + (3, edge_count, oscillators, trace_steps, trace_steps)
    out = _Out(*(np.full((count, LANES), np.nan) for count in rows))

    phasor = np.empty((2 * oscillators, LANES))
    _draw_phasors(np.uint64(seed), lanes, phasor)
    start = np.full((edge_count, LANES), settings.target_mean_abs_weight)
    _evolve(size, network, settings.dt, phasor.copy(), start, out.initial_trace)
    _learn(size, settings, settings.steps, network, np.uint64(seed), lanes, phasor, recorded, out)
    _angles(phasor, out.phase)
    _evolve(size, network, settings.dt, phasor, out.weight, out.final_trace)

    status = np.where(np.isfinite(out.weight).all(axis=0), DONE, DIVERGED).astype(np.uint8)
    last_r, last_error, last_weight = out.final[:, : len(members)]

    def member_first(rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(rows.T[: len(members)])

    return Learned(
        order_parameter=member_first(out.order_parameter),
        error=member_first(out.error),
        mean_abs_weight=member_first(out.mean_abs_weight),
        final_order_parameter=last_r,
        final_error=last_error,
        final_mean_abs_weight=last_weight,
        weight=member_first(out.weight),
        phase=member_first(out.phase),
        initial_trace=member_first(out.initial_trace),
        final_trace=member_first(out.final_trace),
        status=status[: len(members)],
    )
