"""Stateless normal noise: a number depends on (seed, member, iteration, purpose) and on nothing else.

Threefry4x64-20 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) turns the counter
(iteration, purpose, 0, 0) under the key (seed, member, 0, 0) into the 256-bit state of a xoshiro256++ generator
(Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021). Its words become normals by the
Box–Muller transform. So any iteration of any member can be drawn alone, in any order, on any machine, and a
block of noise costs one generator step a number.
"""

import numpy as np
from numba import types

from sim.elementary import box_muller
from sim.kernel_cache import kernel
from sim.memory import align_stack, broadcast_word, load, store
from sim.vectors import LANES, WORDS, Vector, inlined, traced

INITIAL_PHASES, WEIGHT_NOISE, INITIAL_WEIGHTS, CONTINUOUS_WEIGHT_NOISE = 0, 1, 2, 3
"""Purposes: one stream each, so that a new use of noise does not change another."""

_ROTATIONS = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
_PARITY = 0x1BD11BDAA9FC1A22
_ROUNDS = 20
_FOUR_WORDS = types.UniTuple(WORDS, 4)
_FIVE_WORDS = types.UniTuple(WORDS, 5)


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


@traced(gives=_FIVE_WORDS)
def xoshiro(s0: Vector, s1: Vector, s2: Vector, s3: Vector) -> tuple[Vector, ...]:
    """One step of xoshiro256++.

    Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.

    Args:
        s0: WORDS, first word of the state.
        s1: WORDS, second word of the state.
        s2: WORDS, third word of the state.
        s3: WORDS, fourth word of the state.

    Returns:
        Five WORDS: the next random word, then the new state.
    """
    word = (s0 + s3).rotate_left(23) + s0
    shifted = s1 << 17
    s2, s3 = s2 ^ s0, s3 ^ s1
    s1, s0 = s1 ^ s2, s0 ^ s3
    return word, s0, s1, s2 ^ shifted, s3.rotate_left(45)


@inlined
def stream(seed: np.uint64, members: Vector, iteration: int, purpose: int) -> tuple[Vector, ...]:
    """The generator's state for one iteration and purpose, eight members side by side.

    Args:
        seed: 64-bit, one a point of a sweep.
        members: WORDS, each lane's member number.
        iteration: 0 or more.
        purpose: one of those above, 0 or more.

    Returns:
        Four WORDS, a state for `xoshiro`.
    """
    zero = broadcast_word(np.uint64(0))
    return threefry(
        broadcast_word(np.uint64(iteration)),
        broadcast_word(np.uint64(purpose)),
        zero,
        zero,
        broadcast_word(np.uint64(seed)),
        members,
        zero,
        zero,
    )


@kernel
def _fill_normals(seed: np.uint64, members: np.ndarray, iteration: int, purpose: int, out: np.ndarray) -> None:
    align_stack()
    s0, s1, s2, s3 = stream(seed, load(members, 0), iteration, purpose)
    for k in range(0, out.shape[0], 2):
        word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        other, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
        first, second = box_muller(word, other)
        store(out, k, first)
        if k + 1 < out.shape[0]:
            store(out, k + 1, second)


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
