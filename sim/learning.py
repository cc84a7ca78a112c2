"""Autonomous learning: the map that moves the weights of a system from one iteration to the next.

    w_i(n+1) = w_i(n) − η [ε(n) − ε(n−Δ)] [w_i(n) − w_i(n−Δ)] + σ ε(n) ξ_i(n) + g(n) w_i(n)

Without the last term this is eq. 4 of Bilen and Kaluza (arXiv 1611.03162); with g = β (W − ⟨|w|⟩) it is eq. 13.
ξ are independent standard normals, fresh for every weight and iteration. For n < Δ the drift is zero.
"""

from numba import njit

from sim.lanes import box_muller, broadcast, fma, fnma, load, store
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
def _move(weights, history, k, slot, drift, amplitude, growth, normal):
    weight, delayed = load(weights, k), load(history, slot)
    store(history, slot, weight)
    drifted = fnma(drift, weight - delayed, weight)
    store(weights, k, fma(amplitude, normal, fma(growth, weight, drifted)))


@njit(nogil=True, forceinline=True)
def move_weights(weights, history, iteration, delay, drift, amplitude, growth, state):
    """Apply the learning map to every weight, in place.

    weights: (count, 8), w(n) before and w(n+1) after; history: (delay · count, 8), w(n−Δ) … w(n−1), the
    weights of iteration m from row (m mod Δ) · count on; drift: FLOATS, η [ε(n) − ε(n−Δ)];
    amplitude: FLOATS, σ ε(n); growth: FLOATS, g(n); state: generator state of this iteration's noise.
    """
    count = weights.shape[0]
    first = (iteration % delay) * count
    s0, s1, s2, s3 = state
    for pair in range(count // 2):
        k = 2 * pair
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        normal, next_normal = box_muller(word, other)
        _move(weights, history, k, first + k, drift, amplitude, growth, normal)
        _move(weights, history, k + 1, first + k + 1, drift, amplitude, growth, next_normal)
    if count % 2:
        k = count - 1
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        normal, _ = box_muller(word, other)
        _move(weights, history, k, first + k, drift, amplitude, growth, normal)
