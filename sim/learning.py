"""Autonomous learning: the map that moves the weights of a system from one iteration to the next.

    w_i(n+1) = w_i(n) − η [ε(n) − ε(n−Δ)] [w_i(n) − w_i(n−Δ)] + σ ε(n) ξ_i(n) + g(n) w_i(n)

Without the last term this is eq. 4 of Bilen and Kaluza (arXiv 1611.03162); with g = β (W − ⟨|w|⟩) it is eq. 13.
ξ are independent standard normals, fresh for every weight and iteration. For n < Δ the drift is zero.

The weights of the iterations n−Δ … n are kept in a ring of Δ+1 generations: w(n+1) takes the place of w(n−Δ),
which is read for the last time as it is overwritten.
"""

from numba import njit

from sim.lanes import box_muller, broadcast, empty_rows, fma, fnma, load, store
from sim.noise import xoshiro


@njit(nogil=True, forceinline=True)
def delayed_change(history, iteration, delay, error):
    """ε(n) − ε(n−Δ), zero for n < Δ; remembers ε(n).

    history: (delay, 8) the last Δ errors, ε(n) in row n mod Δ; error: FLOATS, ε(n).
    """
    slot = iteration % delay
    change = broadcast(0.0)
    if iteration >= delay:
        change = error - load(history, slot)
    store(history, slot, error)
    return change


@njit(nogil=True, forceinline=True)
def start_generations(count, delay, value):
    """A ring of Δ+1 generations of `count` weights, (Δ+1) · count rows: all `value`, FLOATS."""
    generations = empty_rows((delay + 1) * count)
    for k in range(generations.shape[0]):
        store(generations, k, value)
    return generations


@njit(nogil=True, forceinline=True)
def weights_at(generations, iteration, delay):
    """The weights of an iteration, (count, 8), a view of the ring."""
    count = generations.shape[0] // (delay + 1)
    first = (iteration % (delay + 1)) * count
    return generations[first : first + count]


@njit(nogil=True, forceinline=True)
def _move(weights, delayed, k, drift, amplitude, growth, normal):
    """Weight k moves: `delayed` holds w(n−Δ) before and w(n+1) after."""
    weight = load(weights, k)
    drifted = fnma(drift, weight - load(delayed, k), weight)
    store(delayed, k, fma(amplitude, normal, fma(growth, weight, drifted)))


@njit(nogil=True, forceinline=True)
def move_weights(generations, iteration, delay, drift, amplitude, growth, state):
    """Apply the learning map to every weight: makes the generation n+1 from n and n−Δ.

    generations: the ring; drift: FLOATS, η [ε(n) − ε(n−Δ)]; amplitude: FLOATS, σ ε(n); growth: FLOATS, g(n);
    state: generator state of this iteration's noise.
    """
    weights, delayed = weights_at(generations, iteration, delay), weights_at(generations, iteration + 1, delay)
    count = weights.shape[0]
    s0, s1, s2, s3 = state
    for pair in range(count // 2):
        k = 2 * pair
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        normal, next_normal = box_muller(word, other)
        _move(weights, delayed, k, drift, amplitude, growth, normal)
        _move(weights, delayed, k + 1, drift, amplitude, growth, next_normal)
    if count % 2:
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        normal, _ = box_muller(word, other)
        _move(weights, delayed, count - 1, drift, amplitude, growth, normal)
