"""Autonomous learning: the map that moves the weights of a system from one iteration to the next.

    w_i(n+1) = w_i(n) − η [ε(n) − ε(n−Δ)] [w_i(n) − w_i(n−Δ)] + σ ε(n) ξ_i(n) + g(n) w_i(n)

Without the last term this is eq. 4 of Bilen and Kaluza (arXiv 1611.03162); with g = β (W − ⟨|w|⟩) it is eq. 13.
ξ are independent standard normals, fresh for every weight and iteration. For n < Δ the drift is zero.

The weights of the iterations n−Δ … n are kept in a ring of Δ+1 generations: w(n+1) takes the place of w(n−Δ),
which is read for the last time as it is overwritten.
"""

import numpy as np

from sim.elementary import fma, fnma
from sim.memory import broadcast, empty_rows, load, store
from sim.noise import next_normals
from sim.vectors import LANES, Vector, inlined


@inlined
def delayed_change(history: np.ndarray, iteration: int, delay: int, error: Vector) -> Vector:
    """ε(n) − ε(n−Δ), zero for n < Δ; remembers ε(n).

    Args:
        history: (Δ, 8) the last Δ errors, ε(n) in row n mod Δ; updated in place.
        iteration: n.
        delay: Δ, iterations, at least 1.
        error: FLOATS, ε(n).

    Returns:
        FLOATS.
    """
    slot = iteration % delay
    change = broadcast(0.0)
    if iteration >= delay:
        change = error - load(history, slot)
    store(history, slot, error)
    return change


@inlined
def start_generations(length: int, count: int, value: Vector) -> np.ndarray:
    """A ring of generations of weights, all equal.

    Args:
        length: generations it holds.
        count: weights of a generation.
        value: FLOATS, of every weight.

    Returns:
        (length, count, 8).
    """
    rows = empty_rows(length * count)
    for k in range(rows.shape[0]):
        store(rows, k, value)
    return rows.reshape(length, count, LANES)


@inlined
def weights_at(generations: np.ndarray, iteration: int) -> np.ndarray:
    """The weights of an iteration.

    Args:
        generations: (length, count, 8), a ring.
        iteration: n; its weights are in generation n mod length.

    Returns:
        (count, 8), a view of the ring.
    """
    weights: np.ndarray = generations[iteration % generations.shape[0]]
    return weights


@inlined
def _move(
    weights: np.ndarray,
    earlier: np.ndarray,
    delayed: np.ndarray,
    k: int,
    drift: Vector,
    amplitude: Vector,
    growth: Vector | None,
    normal: Vector,
) -> None:
    weight = load(weights, k)
    moved = fnma(drift, load(earlier, k) - load(delayed, k), weight)
    if growth is not None:
        moved = fma(growth, weight, moved)
    store(delayed, k, fma(amplitude, normal, moved))


@inlined
def move_weights(
    weights: np.ndarray,
    earlier: np.ndarray,
    delayed: np.ndarray,
    drift: Vector,
    amplitude: Vector,
    growth: Vector | None,
    state: tuple[Vector, ...],
) -> None:
    """Apply the learning map to every weight; the equation is in the module's docstring.

    Args:
        weights: (count, 8) w(n), a view of the ring.
        earlier: (count, 8) the weights that ε(n) is attributed to, w(n) itself in the map above; a view of the
            ring.
        delayed: (count, 8) those Δ before, read for the last time and replaced by w(n+1); a view of the ring.
        drift: FLOATS, η [ε(n) − ε(n−Δ)].
        amplitude: FLOATS, σ ε(n).
        growth: FLOATS, g(n), or None for 0.
        state: four HALVES, made by `sim.noise.stream` for this iteration.
    """
    count = weights.shape[0]
    rest = count % 4
    for k in range(0, count - rest, 4):
        (first, second, third, fourth), state = next_normals(state)
        _move(weights, earlier, delayed, k, drift, amplitude, growth, first)
        _move(weights, earlier, delayed, k + 1, drift, amplitude, growth, second)
        _move(weights, earlier, delayed, k + 2, drift, amplitude, growth, third)
        _move(weights, earlier, delayed, k + 3, drift, amplitude, growth, fourth)
    if rest > 0:
        (first, second, third, _), state = next_normals(state)
        _move(weights, earlier, delayed, count - rest, drift, amplitude, growth, first)
        if rest > 1:
            _move(weights, earlier, delayed, count - rest + 1, drift, amplitude, growth, second)
        if rest > 2:
            _move(weights, earlier, delayed, count - 1, drift, amplitude, growth, third)
