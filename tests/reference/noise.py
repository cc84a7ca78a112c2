"""Normal noise that depends on (seed, member, iteration, purpose) alone, in plain Python integers.

    state = Threefry4x64-20(counter (iteration, purpose, 0, 0), key (seed, member, 0, 0))
    words a, b, … = xoshiro256++ from that state
    u = 1 − ⌊a / 2^12⌋ / 2^52,   v = ⌊b / 2^12⌋ / 2^52 − 1/2
    φ = π v, or π − π v where b is odd
    normals: √(−2 log u) cos φ, √(−2 log u) sin φ, …          (Box–Muller)
    initial phases: φ of one word each

Threefry: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11, and Random123's threefry.h.
xoshiro256++: Blackman and Vigna, https://prng.di.unimi.it/xoshiro256plusplus.c.
"""

import numpy as np

INITIAL_PHASES, WEIGHT_NOISE = 0, 1
MASK = 2**64 - 1


def rotate_left(word, places):
    return ((word << places) | (word >> (64 - places))) & MASK


ROTATIONS = [(14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32)]


def threefry4x64(counter, key):
    """Four words from four words under a key of four words, 20 rounds."""
    keys = [*key, 0x1BD11BDAA9FC1A22 ^ key[0] ^ key[1] ^ key[2] ^ key[3]]
    x = [(counter[i] + keys[i]) & MASK for i in range(4)]
    for round_number in range(20):
        first, second = ROTATIONS[round_number % 8]
        if round_number % 2 == 0:
            x[0] = (x[0] + x[1]) & MASK
            x[1] = rotate_left(x[1], first) ^ x[0]
            x[2] = (x[2] + x[3]) & MASK
            x[3] = rotate_left(x[3], second) ^ x[2]
        else:
            x[0] = (x[0] + x[3]) & MASK
            x[3] = rotate_left(x[3], first) ^ x[0]
            x[2] = (x[2] + x[1]) & MASK
            x[1] = rotate_left(x[1], second) ^ x[2]
        if round_number % 4 == 3:
            injection = (round_number + 1) // 4
            for i in range(4):
                x[i] = (x[i] + keys[(injection + i) % 5]) & MASK
            x[3] = (x[3] + injection) & MASK
    return x


def xoshiro256pp(state):
    """The next word and the next state (four words)."""
    s0, s1, s2, s3 = state
    word = (rotate_left((s0 + s3) & MASK, 23) + s0) & MASK
    shifted = (s1 << 17) & MASK
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = rotate_left(s3, 45)
    return word, [s0, s1, s2, s3]


def words(seed, member, iteration, purpose, count):
    """The first words of a stream."""
    state = threefry4x64([iteration, purpose, 0, 0], [seed, member, 0, 0])
    drawn = []
    for _ in range(count):
        word, state = xoshiro256pp(state)
        drawn.append(word)
    return drawn


def phase(word):
    """Uniform on the circle, in [−π/2, 3π/2]."""
    half_turn = np.pi * ((word >> 12) / 2**52 - 0.5)
    return np.pi - half_turn if word % 2 else half_turn


def normals(seed, member, iteration, count, purpose=WEIGHT_NOISE):
    """Standard normals: (count,)."""
    drawn, values = words(seed, member, iteration, purpose, count + count % 2), []
    for a, b in zip(drawn[::2], drawn[1::2], strict=True):
        radius = np.sqrt(-2 * np.log(1 - (a >> 12) / 2**52))
        values += [radius * np.cos(phase(b)), radius * np.sin(phase(b))]
    return np.array(values[:count])


def initial_phases(seed, member, oscillators):
    """The phases a member starts with: (N,) rad."""
    return np.array([phase(word) for word in words(seed, member, 0, INITIAL_PHASES, oscillators)])
