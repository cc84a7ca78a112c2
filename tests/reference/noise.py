"""The definition of the noise, which depends on (seed, member, iteration, purpose) alone, in plain Python and NumPy.

    t_0 … t_3 = Threefry4x64-20(counter (iteration, purpose, 0, 0), key (seed, member, 0, 0))
    two xoshiro128++ generators: state of the first ⌊t mod 2^32⌋, of the second ⌊t / 2^32⌋
    of each the words a_1, b_1, a_2, b_2, …
    u = (a | 1) / 2^32,   v = b / 2^32 − (b ≥ 2^31)
    φ = π v, or π − π v where b is odd
    normals: √(−2 log u) cos φ, √(−2 log u) sin φ                                          (Box–Muller)
    in turns of four: cos of the first generator, of the second, sin of the first, of the second
    initial phases: φ to 52 bits of 64-bit words, low half by the first generator, high half by the second

Words become normals in single precision, every operation rounded once: `box_muller` is right to the last bit.
`exact_box_muller` is the same in doubles, of u and v as they are rounded to single precision.

Threefry: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11, and Random123's threefry.h.
xoshiro128++: Blackman and Vigna, https://prng.di.unimi.it/xoshiro128plusplus.c.
"""

import numpy as np

INITIAL_PHASES, WEIGHT_NOISE = 0, 1
MASK, MASK32 = 2**64 - 1, 2**32 - 1


def rotate_left(word, places, bits=64):
    return ((word << places) | (word >> (bits - places))) & (2**bits - 1)


# --- words ----------------------------------------------------------------------------------------------------

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


def xoshiro128pp(state):
    """The next 32-bit word and the next state (four words)."""
    s0, s1, s2, s3 = state
    word = (rotate_left((s0 + s3) & MASK32, 7, 32) + s0) & MASK32
    shifted = (s1 << 9) & MASK32
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = rotate_left(s3, 11, 32)
    return word, [s0, s1, s2, s3]


def words(seed, member, iteration, purpose, count):
    """The first 32-bit words of a stream: (count, 2), a column a generator."""
    seeds = threefry4x64([iteration, purpose, 0, 0], [seed, member, 0, 0])
    states = [[word & MASK32 for word in seeds], [word >> 32 for word in seeds]]
    drawn = np.empty((count, 2), dtype=np.uint32)
    for k in range(count):
        for generator in range(2):
            drawn[k, generator], states[generator] = xoshiro128pp(states[generator])
    return drawn


# --- single precision -----------------------------------------------------------------------------------------


def fma(x, y, z):
    """x y + z of float32, rounded once.

    The product is exact in doubles. Their sum with z is rounded to odd, which keeps what the rounding to float32
    has to know of the digits lost: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008.
    """
    product, z = np.multiply(x, y, dtype=np.float64), np.asarray(z, dtype=np.float64)
    total = product + z
    of_z = total - product
    lost = (product - (total - of_z)) + (z - of_z)
    is_even = total.view(np.uint64) % 2 == 0
    odd = np.where((lost != 0) & is_even, np.nextafter(total, np.copysign(np.inf, lost)), total)
    return odd.astype(np.float32)


def horner(x, coefficients):
    """Σ_k coefficients[k] x^k in float32."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = fma(total, x, np.float32(coefficient))
    return total


SIN_PI = (3.141592502593994, -5.1677021980285645, 2.549957752227783, -0.5976253747940063, 0.07643380761146545)
COS_PI = (0.9999999403953552, -4.93479061126709, 4.058358669281006, -1.3314926624298096, 0.21883797645568848)
MINUS_TWO_LOG = (
    -2.0000386238098145,
    0.9997227787971497,
    -0.6641147136688232,
    0.508743405342102,
    -0.4494549632072449,
    0.29204678535461426,
)


def rounded_uniforms(a, b):
    """u 2^32 and v of words, rounded to float32; both (…)."""
    return (a | np.uint32(1)).astype(np.float32), b.view(np.int32).astype(np.float32) * np.float32(2.0**-32)


def radius(scaled):
    """√(−2 log u) from u 2^32, both float32."""
    bits, root_half = scaled.view(np.int32), np.float32(np.sqrt(0.5)).view(np.int32) + 32 * 2**23
    exponent = (bits - root_half) // 2**23
    mantissa = np.ldexp(scaled, -32 - exponent)  # in [√½, √2)
    x = mantissa - np.float32(1)
    return np.sqrt(fma(exponent.astype(np.float32), np.float32(-2 * np.log(2)), x * horner(x, MINUS_TWO_LOG)))


def box_muller(a, b):
    """Two float32 normals of each pair of 32-bit words."""
    scaled, v = rounded_uniforms(a, b)
    square = v * v
    cosine, sine = horner(square, COS_PI), horner(square, SIN_PI) * v
    return radius(scaled) * np.where(b % 2 == 1, -cosine, cosine), radius(scaled) * sine


def exact_box_muller(a, b):
    """The same in doubles."""
    scaled, v = (rounded.astype(np.float64) for rounded in rounded_uniforms(a, b))
    length = np.sqrt(-2 * np.log(scaled / 2**32))
    return length * np.where(b % 2 == 1, -1, 1) * np.cos(np.pi * v), length * np.sin(np.pi * v)


# --- what systems draw ----------------------------------------------------------------------------------------


def normals(seed, member, iteration, count, purpose=WEIGHT_NOISE):
    """Standard normals: (count,)."""
    drawn = words(seed, member, iteration, purpose, 2 * (-(-count // 4)))
    cosines, sines = box_muller(drawn[::2], drawn[1::2])
    return np.concatenate([cosines, sines], axis=1).astype(np.float64).ravel()[:count]


def phase(word):
    """Uniform on the circle, in [−π/2, 3π/2], from a 64-bit word."""
    half_turn = np.pi * ((word >> 12) / 2**52 - 0.5)
    return np.pi - half_turn if word % 2 else half_turn


def initial_phases(seed, member, oscillators):
    """The phases a member starts with: (N,) rad."""
    drawn = words(seed, member, 0, INITIAL_PHASES, oscillators).tolist()
    return np.array([phase(low | high << 32) for low, high in drawn])
