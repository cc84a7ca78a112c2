"""Stateless normal noise: a number depends on (seed, member, iteration, purpose) and on nothing else.

Threefry4x64-20 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) turns the counter
(iteration, purpose, 0, 0) under the key (seed, member, 0, 0) into the states of two xoshiro128++ generators
(Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), which run side by side. Two 32-bit
words of a generator, one for the radius and one for the direction, become two normals by the Box–Muller transform in
single precision. So any iteration of any member can be drawn alone, in any order, on any machine. The noise has 24
bits, far fewer than the weights it is added to, and no number beyond 6.66 standard deviations, of which there would
be one in 4e10.
"""

import numpy as np
from numba import types

from sim.elementary import box_muller
from sim.kernel_cache import kernel
from sim.memory import align_stack, broadcast_word, load, store
from sim.vectors import HALVES, LANES, WORDS, Vector, inlined, traced

INITIAL_PHASES, WEIGHT_NOISE, INITIAL_WEIGHTS, CONTINUOUS_WEIGHT_NOISE = 0, 1, 2, 3
"""Purposes: one stream each, so that a new use of noise does not change another."""

_ROTATIONS = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
_PARITY = 0x1BD11BDAA9FC1A22
_ROUNDS = 20
_FOUR_WORDS = types.UniTuple(WORDS, 4)
_FOUR_HALVES, _FIVE_HALVES = types.UniTuple(HALVES, 4), types.UniTuple(HALVES, 5)


@traced(gives=_FOUR_WORDS)
def threefry(
    c0: Vector, c1: Vector, c2: Vector, c3: Vector, k0: Vector, k1: Vector, k2: Vector, k3: Vector
) -> tuple[Vector, ...]:
    """Threefry4x64-20: a counter enciphered under a key, lane by lane.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.

    Args:
        c0: WORDS, first word of the counter.
        c1: WORDS, second word of the counter.
        c2: WORDS, third word of the counter.
        c3: WORDS, fourth word of the counter.
        k0: WORDS, first word of the key.
        k1: WORDS, second word of the key.
        k2: WORDS, third word of the key.
        k3: WORDS, fourth word of the key.

    Returns:
        Four WORDS.
    """
    keys = [k0, k1, k2, k3, k0 ^ k1 ^ k2 ^ k3 ^ _PARITY]
    x = [counter + key for counter, key in zip((c0, c1, c2, c3), keys, strict=False)]
    for turn in range(_ROUNDS):
        partners = (1, 3) if turn % 2 == 0 else (3, 1)
        for left, right, places in zip((0, 2), partners, _ROTATIONS[turn % 8], strict=True):
            x[left] = x[left] + x[right]
            x[right] = x[right].rotate_left(places) ^ x[left]
        if turn % 4 == 3:
            injection = turn // 4 + 1
            x = [word + keys[(injection + i) % 5] for i, word in enumerate(x)]
            x[3] = x[3] + injection
    return tuple(x)


@traced(gives=_FIVE_HALVES)
def xoshiro(s0: Vector, s1: Vector, s2: Vector, s3: Vector) -> tuple[Vector, ...]:
    """One step of xoshiro128++, in sixteen generators, two a member.

    Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.

    Args:
        s0: HALVES, first word of the state.
        s1: HALVES, second word of the state.
        s2: HALVES, third word of the state.
        s3: HALVES, fourth word of the state.

    Returns:
        Five HALVES: the next random word, then the new state.
    """
    word = (s0 + s3).rotate_left(7) + s0
    shifted = s1 << 9
    s2, s3 = s2 ^ s0, s3 ^ s1
    s1, s0 = s1 ^ s2, s0 ^ s3
    return word, s0, s1, s2 ^ shifted, s3.rotate_left(11)


@traced(gives=_FOUR_HALVES)
def _split(t0: Vector, t1: Vector, t2: Vector, t3: Vector) -> tuple[Vector, ...]:
    """The low halves of four WORDS in lanes 0–7, the high ones in lanes 8–15."""
    return t0.split(), t1.split(), t2.split(), t3.split()


@traced(gives=WORDS)
def _joined(halves: Vector) -> Vector:
    return halves.joined()


@inlined
def stream(seed: np.uint64, members: Vector, iteration: int, purpose: int) -> tuple[Vector, ...]:
    """The generators' states for one iteration and purpose, eight members side by side.

    Args:
        seed: 64-bit, one a point of a sweep.
        members: WORDS, each lane's member number.
        iteration: 0 or more.
        purpose: one of those above, 0 or more.

    Returns:
        Four HALVES, a state for `xoshiro`: low halves of Threefry's words for the one generator of a member, high
        halves for the other.
    """
    zero = broadcast_word(np.uint64(0))
    t0, t1, t2, t3 = threefry(
        broadcast_word(np.uint64(iteration)),
        broadcast_word(np.uint64(purpose)),
        zero,
        zero,
        broadcast_word(np.uint64(seed)),
        members,
        zero,
        zero,
    )
    return _split(t0, t1, t2, t3)


@inlined
def next_word(state: tuple[Vector, ...]) -> tuple[Vector, tuple[Vector, ...]]:
    """The next 64 random bits of eight members.

    Args:
        state: four HALVES, made by `stream`.

    Returns:
        WORDS, low halves by the one generator of a member, high halves by the other; and the new state.
    """
    s0, s1, s2, s3 = state
    halves, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
    return _joined(halves), (s0, s1, s2, s3)


@inlined
def next_normals(state: tuple[Vector, ...]) -> tuple[tuple[Vector, ...], tuple[Vector, ...]]:
    """The next four standard normals of eight members.

    Args:
        state: four HALVES, made by `stream`.

    Returns:
        Four FLOATS; and the new state.
    """
    s0, s1, s2, s3 = state
    word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
    other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
    return box_muller(word, other), (s0, s1, s2, s3)


@inlined
def fill_normals(state: tuple[Vector, ...], out: np.ndarray) -> None:
    """Fill rows with standard normals.

    Args:
        state: four HALVES, made by `stream`.
        out: (rows, 8), filled.
    """
    count = out.shape[0]
    for k in range(0, count, 4):
        (first, second, third, fourth), state = next_normals(state)
        store(out, k, first)
        if k + 1 < count:
            store(out, k + 1, second)
        if k + 2 < count:
            store(out, k + 2, third)
        if k + 3 < count:
            store(out, k + 3, fourth)


@kernel
def _fill_normals(seed: np.uint64, members: np.ndarray, iteration: int, purpose: int, out: np.ndarray) -> None:
    align_stack()
    fill_normals(stream(seed, load(members, 0), iteration, purpose), out)


def normals(seed: int, member: int, iteration: int, count: int, purpose: int = WEIGHT_NOISE) -> np.ndarray:
    """The standard normals a member draws at one iteration, as the kernels draw them.

    Args:
        seed: 64-bit, one a point of a sweep.
        member: its number.
        iteration: 0 or more.
        count: how many.
        purpose: which stream. Default: WEIGHT_NOISE.

    Returns:
        (count,) normals.
    """
    members = np.full((1, LANES), member, dtype=np.uint64)
    out = np.empty((count, LANES))
    _fill_normals(np.uint64(seed), members, iteration, purpose, out)
    return out[:, 0].copy()
