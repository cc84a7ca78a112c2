"""One Euler step of Kuramoto oscillators, eight systems side by side.

    dφ_i/dt = ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i)          (eq. 9)
    r(t) = |Σ_j e^(iφ_j)| / N                               (eq. 10)

Each oscillator is kept as the unit vector z = e^(iφ), so that sin(φ_j − φ_i) = s_j c_i − c_j s_i costs two
operations and a step ends in one small rotation. Rounding moves z off the circle by about 1e-16 a step; it is
put back every `RENORMALISE_EVERY` steps and at the end of every call.

A step is straight-line code for few oscillators, and goes tile by tile for many. Where a lane might turn by more
than `SMALL_ANGLE` in a step, that lane takes a range-reduced rotation; the other lanes are not affected.
"""

import itertools
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from sim.elementary import SMALL_ANGLE, absolute, any_greater, fma, fnma, maximum, sqrt, turn, turn_small
from sim.kernel_cache import kernel
from sim.memory import align_stack, aligned_rows, broadcast, copy_rows, empty_rows, load, store
from sim.vectors import FLOATS, LANES, Rows, Vector, inlined, traced

RENORMALISE_EVERY = 32
UNROLLED_UP_TO = 12
"""Above this many oscillators a step no longer fits the registers, nor its code the instruction cache."""

# Sizes known at compile time are passed as the lengths of tuples.
_TILE, _HALF_TILE, _SINGLE = (0,) * 10, (0,) * 5, (0,)


Size = tuple[int, ...] | int
"""N at compile time, the length of a tuple, or 0 for N at run time: see `size_of`."""
Vectors = tuple[Vector, ...]
"""One or two vectors an oscillator of a tile."""
Turning = Callable[[Vector, Vector, Vector], tuple[Vector, Vector]]
"""A function that turns the unit vector (c, s) by an angle."""


class Couplings(NamedTuple):
    """The frequencies and the pairs of oscillators as kernels take them; made by `connect`."""

    rotation: np.ndarray  # (N, 8) ω_i dt
    order: np.ndarray  # (edge,) edge number of every coupling, in the order of a step
    first: np.ndarray  # (edge,) i
    second: np.ndarray  # (edge,) j


def edges(oscillators: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs i < j in the order of every `edge` axis.

    Args:
        oscillators: N.

    Returns:
        Two arrays (N (N − 1) / 2,): i and j of every pair, row by row.
    """
    return np.triu_indices(oscillators, 1)


def connect(frequencies: np.ndarray, dt: float) -> Couplings:
    """The couplings of oscillators, as kernels take them.

    Args:
        frequencies: (N,) ω_i, rad / time.
        dt: Euler step, time.

    Returns:
        `Couplings` of all pairs.
    """
    first, second = edges(len(frequencies))
    rotation = np.repeat(np.asarray(frequencies, dtype=float)[:, None] * dt, LANES, axis=1)
    return Couplings(rotation, _coupling_order(len(frequencies)), first, second)


def size_of(oscillators: int) -> Size:
    """The `size` argument of kernels, which is known as they compile.

    Args:
        oscillators: N.

    Returns:
        A tuple of N zeros, which selects the step unrolled for N, up to `UNROLLED_UP_TO`; else 0, the tiled one.
    """
    return (0,) * oscillators if oscillators <= UNROLLED_UP_TO else 0


def phasors(phases: np.ndarray) -> np.ndarray:
    """Unit vectors from angles.

    Args:
        phases: (N, 8) φ_i, rad.

    Returns:
        (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …
    """
    return np.ascontiguousarray(np.stack([np.cos(phases), np.sin(phases)], axis=1).reshape(-1, LANES))


# --- one Euler step, unrolled -----------------------------------------------------------------------------


def _add_pair(
    ci: Vector, si: Vector, cj: Vector, sj: Vector, w: Vector, increment_i: Vector, increment_j: Vector
) -> tuple[Vector, Vector]:
    """Add w sin(φ_j − φ_i) to the increment dφ_i and take it from dφ_j."""
    force = w * fnma(cj, si, sj * ci)
    return increment_i + force, increment_j - force


def _unrolled_step(n: int, phasor: Rows, coupling: Rows, rotation: Rows, turned: Turning) -> Vector:
    c = [phasor[2 * i] for i in range(n)]
    s = [phasor[2 * i + 1] for i in range(n)]
    increment = [rotation[i] for i in range(n)]
    edge = 0
    for i in range(n):
        for j in range(i + 1, n):
            increment[i], increment[j] = _add_pair(
                c[i], s[i], c[j], s[j], coupling[edge], increment[i], increment[j]
            )
            edge += 1
    for i in range(n):
        c[i], s[i] = turned(c[i], s[i], increment[i])
        phasor[2 * i], phasor[2 * i + 1] = c[i], s[i]
    c_sum, s_sum = reduce(add, c), reduce(add, s)
    return sqrt(fma(c_sum, c_sum, s_sum * s_sum))


def _turn_bounded(bound: Vector) -> Turning:
    """Turning by any angle. Lanes that could have taken the small-angle path get exactly its bits."""

    def turned(c: Vector, s: Vector, a: Vector) -> tuple[Vector, Vector]:
        pairs = zip(turn(c, s, a), turn_small(c, s, a), strict=True)
        new_c, new_s = (bound.where(">", SMALL_ANGLE, far, near) for far, near in pairs)
        return new_c, new_s

    return turned


@traced(gives=FLOATS)
def small_step(size: int, phasor: Rows, coupling: Rows, rotation: Rows) -> Vector:
    """One Euler step of eq. 9 for |dφ| ≤ SMALL_ANGLE, unrolled.

    Args:
        size: N, which kernels pass as a tuple of N zeros.
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place.
        coupling: (edge, 8) w_ij dt / N.
        rotation: (N, 8) ω_i dt.

    Returns:
        FLOATS, N r after the step.
    """
    return _unrolled_step(size, phasor, coupling, rotation, turn_small)


@traced(gives=FLOATS)
def any_step(size: int, phasor: Rows, coupling: Rows, rotation: Rows, bound: Vector) -> Vector:
    """One Euler step of eq. 9, unrolled, where some lane's |dφ| may exceed SMALL_ANGLE.

    Args:
        size: N, which kernels pass as a tuple of N zeros.
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place.
        coupling: (edge, 8) w_ij dt / N.
        rotation: (N, 8) ω_i dt.
        bound: FLOATS, at least |dφ| of the step; lanes where it is at most SMALL_ANGLE get the bits of
            `small_step`.

    Returns:
        FLOATS, N r after the step.
    """
    return _unrolled_step(size, phasor, coupling, rotation, _turn_bounded(bound))


# --- one Euler step, tile by tile: ten oscillators stay in registers, the others are loaded in turn -------


@traced(gives=lambda tile, phasor, i: types.UniTuple(FLOATS, 2 * tile.count))
def _load_tile(tile: int, phasor: Rows, i: int) -> Vectors:
    """cos φ_i, sin φ_i, cos φ_(i+1), … of a tile from oscillator i on (i doubled by the caller)."""
    rows = phasor.starting_at(i)
    return tuple(rows[k] for k in range(2 * tile))


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _add_pairs_within(tile: int, z: Vectors, increment: Rows, i: int, coupling: Rows, edge: int) -> Vectors:
    """The increments of a tile of oscillators from i on, after its own pairs."""
    before, w = increment.starting_at(i), coupling.starting_at(edge)
    increments, k = [before[a] for a in range(tile)], 0
    for a in range(tile):
        for b in range(a + 1, tile):
            increments[a], increments[b] = _add_pair(
                z[2 * a], z[2 * a + 1], z[2 * b], z[2 * b + 1], w[k], increments[a], increments[b]
            )
            k += 1
    return tuple(increments)


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _add_pairs_with(
    tile: int,
    z: Vectors,
    increments: Vectors,
    phasor: Rows,
    twice_j: int,
    increment: Rows,
    j: int,
    coupling: Rows,
    edge: int,
) -> Vectors:
    """The increments of a tile after its pairs with oscillator j, whose own increment is updated in memory."""
    other, w, own = phasor.starting_at(twice_j), coupling.starting_at(edge), increment.starting_at(j)
    cj, sj, increment_j = other[0], other[1], own[0]
    after = []
    for a in range(tile):
        increment_a, increment_j = _add_pair(z[2 * a], z[2 * a + 1], cj, sj, w[a], increments[a], increment_j)
        after.append(increment_a)
    own[0] = increment_j
    return tuple(after)


def _turn_tile(
    tile: int, z: Vectors, increments: Vectors, phasor: Rows, i: int, sums: tuple[Vector, Vector], turned: Turning
) -> tuple[Vector, Vector]:
    rows, (c_sum, s_sum) = phasor.starting_at(i), sums
    for a in range(tile):
        rows[2 * a], rows[2 * a + 1] = new_c, new_s = turned(z[2 * a], z[2 * a + 1], increments[a])
        c_sum, s_sum = c_sum + new_c, s_sum + new_s
    return c_sum, s_sum


@traced(gives=types.UniTuple(FLOATS, 2))
def _turn_tile_small(
    tile: int, z: Vectors, increments: Vectors, phasor: Rows, i: int, sums: tuple[Vector, Vector]
) -> tuple[Vector, Vector]:
    return _turn_tile(tile, z, increments, phasor, i, sums, turn_small)


@traced(gives=types.UniTuple(FLOATS, 2))
def _turn_tile_any(
    tile: int, z: Vectors, increments: Vectors, phasor: Rows, i: int, sums: tuple[Vector, Vector], bound: Vector
) -> tuple[Vector, Vector]:
    return _turn_tile(tile, z, increments, phasor, i, sums, _turn_bounded(bound))


@inlined
def _step_rows(
    tile: tuple[int, ...],
    i: int,
    edge: int,
    phasor: np.ndarray,
    increment: np.ndarray,
    coupling: np.ndarray,
    sums: tuple[Vector, Vector],
    large: bool,
    bound: Vector,
) -> tuple[int, tuple[Vector, Vector]]:
    """Finish the oscillators i … i + len(tile) − 1: pairs among them, pairs with all later ones, rotation."""
    z = _load_tile(tile, phasor, 2 * i)
    increments = _add_pairs_within(tile, z, increment, i, coupling, edge)
    edge += len(tile) * (len(tile) - 1) // 2
    for j in range(i + len(tile), increment.shape[0]):
        increments = _add_pairs_with(tile, z, increments, phasor, 2 * j, increment, j, coupling, edge)
        edge += len(tile)
    if large:
        return edge, _turn_tile_any(tile, z, increments, phasor, 2 * i, sums, bound)
    return edge, _turn_tile_small(tile, z, increments, phasor, 2 * i, sums)


@inlined
def tiled_step(
    phasor: np.ndarray,
    increment: np.ndarray,
    coupling: np.ndarray,
    rotation: np.ndarray,
    large: bool,
    bound: Vector,
) -> Vector:
    """One Euler step of eq. 9 for any N, tile by tile.

    Args:
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place.
        increment: (N, 8), overwritten.
        coupling: (edge, 8) w_ij dt / N, in the order of a step: see `Couplings.order`.
        rotation: (N, 8) ω_i dt.
        large: whether some lane's |dφ| may exceed SMALL_ANGLE.
        bound: FLOATS, at least |dφ| of the step.

    Returns:
        FLOATS, N r after the step.
    """
    count = rotation.shape[0]
    for i in range(count):
        store(increment, i, load(rotation, i))
    sums = broadcast(0.0), broadcast(0.0)
    i, edge = 0, 0
    while i + len(_TILE) <= count:
        edge, sums = _step_rows(_TILE, i, edge, phasor, increment, coupling, sums, large, bound)
        i += len(_TILE)
    if i + len(_HALF_TILE) <= count:
        edge, sums = _step_rows(_HALF_TILE, i, edge, phasor, increment, coupling, sums, large, bound)
        i += len(_HALF_TILE)
    while i < count:
        edge, sums = _step_rows(_SINGLE, i, edge, phasor, increment, coupling, sums, large, bound)
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


def sum_over_steps(
    size: Size,
    phasor: np.ndarray,
    increment: np.ndarray,
    coupling: np.ndarray,
    rotation: np.ndarray,
    bound: Vector,
    steps: int,
) -> Vector:
    """Σ N r over the next Euler steps, which move the phasors in place.

    Args:
        size: tuple of N zeros for the unrolled step, 0 for the tiled one: see `size_of`.
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place.
        increment: (N, 8), overwritten.
        coupling: (edge, 8) w_ij dt / N, in the order of a step, as `set_weights` fills it.
        rotation: (N, 8) ω_i dt.
        bound: FLOATS, at least |dφ| of any step.
        steps: how many.

    Returns:
        FLOATS, the sum over the steps of N r after each.

    Raises:
        NotImplementedError: called from Python, not from a kernel.
    """
    raise NotImplementedError("only compiled kernels can call this")


def _sum_unrolled(
    size: Size,
    phasor: np.ndarray,
    increment: np.ndarray,
    coupling: np.ndarray,
    rotation: np.ndarray,
    bound: Vector,
    steps: int,
) -> Vector:
    align_stack()
    total, large, done = broadcast(0.0), any_greater(bound, broadcast(SMALL_ANGLE)), 0
    while done < steps:
        stop = min(done + RENORMALISE_EVERY, steps)
        if large:
            for _ in range(done, stop):
                total = total + any_step(size, phasor, coupling, rotation, bound)
        else:
            for _ in range(done, stop):
                total = total + small_step(size, phasor, coupling, rotation)
        renormalise(phasor)
        done = stop
    return total


def _sum_tiled(
    size: Size,
    phasor: np.ndarray,
    increment: np.ndarray,
    coupling: np.ndarray,
    rotation: np.ndarray,
    bound: Vector,
    steps: int,
) -> Vector:
    align_stack()
    total, large, done = broadcast(0.0), any_greater(bound, broadcast(SMALL_ANGLE)), 0
    while done < steps:
        stop = min(done + RENORMALISE_EVERY, steps)
        for _ in range(done, stop):
            total = total + tiled_step(phasor, increment, coupling, rotation, large, bound)
        renormalise(phasor)
        done = stop
    return total


def _sum_for_size(size: types.Type, *_arguments: types.Type) -> Callable[..., Vector]:
    return _sum_unrolled if isinstance(size, types.BaseTuple) else _sum_tiled


overload(sum_over_steps, strict=False)(_sum_for_size)  # strict would compare their annotations too


@inlined
def renormalise(phasor: np.ndarray) -> None:
    """Put every phasor back on the unit circle: one Newton step for 1/|z|.

    Args:
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, changed in place.
    """
    for i in range(phasor.shape[0] // 2):
        c, s = load(phasor, 2 * i), load(phasor, 2 * i + 1)
        scale = fma(broadcast(-0.5), fma(c, c, s * s), broadcast(1.5))
        store(phasor, 2 * i, c * scale)
        store(phasor, 2 * i + 1, s * scale)


@inlined
def set_weights(
    weights: np.ndarray, couplings: Couplings, dt: float, coupling: np.ndarray, scratch: np.ndarray
) -> Vector:
    """coupling ← w_ij dt / N, in the order of a step.

    Args:
        weights: (edge, 8) w_ij.
        couplings: made by `connect`.
        dt: Euler step, time.
        coupling: (edge, 8), filled.
        scratch: (N, 8), overwritten.

    Returns:
        FLOATS, an upper bound on |dφ| of any oscillator in a step: max_i (|ω_i| + (1/N) Σ_j |w_ij|) dt.
    """
    oscillators = couplings.rotation.shape[0]
    scale = broadcast(dt / oscillators)
    for i in range(oscillators):
        store(scratch, i, absolute(load(couplings.rotation, i)))
    for k in range(weights.shape[0]):
        edge = couplings.order[k]
        scaled = load(weights, edge) * scale
        store(coupling, k, scaled)
        for i in (couplings.first[edge], couplings.second[edge]):
            store(scratch, i, load(scratch, i) + absolute(scaled))
    bound = broadcast(0.0)
    for i in range(oscillators):
        bound = maximum(load(scratch, i), bound)
    return bound


@inlined
def working_arrays(
    couplings: Couplings, phasor: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Copies and scratch of one kernel call, aligned to cache lines.

    Args:
        couplings: made by `connect`.
        phasor: (2N, 8), copied.

    Returns:
        Phasors (2N, 8), rotation (N, 8), increment (N, 8) and coupling (edge, 8); the last two uninitialised.
    """
    oscillators, count = couplings.rotation.shape[0], couplings.order.shape[0]
    return aligned_rows(phasor), aligned_rows(couplings.rotation), empty_rows(oscillators), empty_rows(count)


@kernel
def run_steps(
    size: Size,
    couplings: Couplings,
    dt: float,
    phasor: np.ndarray,
    weight: np.ndarray,
    steps: int,
    total: np.ndarray,
) -> None:
    """Σ N r over Euler steps with fixed weights.

    Args:
        size: see `size_of`.
        couplings: made by `connect`.
        dt: Euler step, time.
        phasor: (2N, 8) rows cos φ_0, sin φ_0, cos φ_1, …, moved in place.
        weight: (edge, 8) w_ij.
        steps: how many.
        total: (1, 8), filled with the sum.
    """
    align_stack()
    z, rotation, increment, coupling = working_arrays(couplings, phasor)
    bound = set_weights(weight, couplings, dt, coupling, increment)
    store(total, 0, sum_over_steps(size, z, increment, coupling, rotation, bound, steps))
    copy_rows(z, phasor)
