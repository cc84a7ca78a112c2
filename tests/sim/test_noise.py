"""The noise: known answers, the oracle's bits, and that it depends on seed, member, iteration and purpose alone."""

import hashlib
import itertools
import os
import platform
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from sim import noise
from sim.memory import load, store
from sim.vectors import LANES
from tests.reference import noise as reference
from tests.sim.words import box_muller

few_examples = settings(max_examples=40, deadline=None, derandomize=True)
words64 = st.integers(0, 2**64 - 1)
four_words = st.tuples(words64, words64, words64, words64)
singles = st.floats(2.0**-20, 2.0**20, width=32) | st.floats(-(2.0**20), -(2.0**-20), width=32)
ONES, MASK32 = 2**64 - 1, 2**32 - 1


def hexadecimal(text):
    return [int(word, 16) for word in text.split()]


# --- known answers ------------------------------------------------------------------------------------------

# Random123's kat_vectors, threefry4x64 20: counter, key, answer (the repeated word is theirs)
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 4, "09218ebde6c85537 55941f5266d86105 4bd25e16282434dc ee29ec846bd2e40b"),
    ([ONES] * 4, [ONES] * 4, "29c24097942bba1b 0371bbfb0f6f4e11 3c231ffa33f83a1c cd29113fde32d168"),
    (
        hexadecimal("243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89"),
        hexadecimal("452821e638d01377 be5466cf34e90c6c be5466cf34e90c6c c0ac29b7c97c50dd"),
        "a7e8fde591651bd9 baafd0c30138319b 84a5c1a729e685b9 901d406ccebc1ba4",
    ),
]


@njit
def _threefry(inputs, out):
    c0, c1, c2, c3 = load(inputs, 0), load(inputs, 1), load(inputs, 2), load(inputs, 3)
    k0, k1, k2, k3 = load(inputs, 4), load(inputs, 5), load(inputs, 6), load(inputs, 7)
    a, b, c, d = noise.threefry(c0, c1, c2, c3, k0, k1, k2, k3)
    store(out, 0, a)
    store(out, 1, b)
    store(out, 2, c)
    store(out, 3, d)


@njit
def _xoshiro(state, out):
    generators = noise._split(load(state, 0), load(state, 1), load(state, 2), load(state, 3))
    for k in range(out.shape[0]):
        word, generators = noise.next_word(generators)
        store(out, k, word)


def in_lanes(*columns):
    """One column a lane, repeated to fill eight lanes: (rows, 8) words."""
    return np.array([columns[lane % len(columns)] for lane in range(LANES)], dtype=np.uint64).T.copy()


def threefry(*counters_and_keys):
    out = np.empty((4, LANES), dtype=np.uint64)
    _threefry(in_lanes(*counters_and_keys), out)
    return out.T[: len(counters_and_keys)].tolist()


def xoshiro(count, *states):
    out = np.empty((count, LANES), dtype=np.uint64)
    _xoshiro(in_lanes(*states), out)
    return out.T[: len(states)].tolist()


def test_threefry_gives_the_known_answers():
    answers = [hexadecimal(answer) for _, _, answer in KNOWN_ANSWERS]
    assert [reference.threefry4x64(counter, key) for counter, key, _ in KNOWN_ANSWERS] == answers
    assert threefry(*([*counter, *key] for counter, key, _ in KNOWN_ANSWERS)) == answers


@given(st.lists(st.tuples(four_words, four_words), min_size=8, max_size=8))
@few_examples
def test_threefry_is_the_plain_one_in_every_lane(inputs):
    expected = [reference.threefry4x64(counter, key) for counter, key in inputs]
    assert threefry(*([*counter, *key] for counter, key in inputs)) == expected


def test_xoshiro_gives_the_known_answers():
    # The Rust crate rand_xoshiro's test of Xoshiro128PlusPlus, from the authors' C program
    answers = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295]
    answers += [495546011, 621204420]
    assert plain_xoshiro(len(answers), [1, 2, 3, 4]) == answers
    twice = [word | word << 32 for word in [1, 2, 3, 4]]
    assert xoshiro(len(answers), twice) == [[word | word << 32 for word in answers]]


def plain_xoshiro(count, state):
    drawn = []
    for _ in range(count):
        word, state = reference.xoshiro128pp(state)
        drawn.append(word)
    return drawn


@given(st.lists(four_words, min_size=8, max_size=8))
@few_examples
def test_low_and_high_halves_are_the_plain_xoshiros_in_every_lane(states):
    for words, state in zip(xoshiro(5, *states), states, strict=True):
        assert [word % 2**32 for word in words] == plain_xoshiro(5, [word % 2**32 for word in state])
        assert [word >> 32 for word in words] == plain_xoshiro(5, [word >> 32 for word in state])


# --- normals ------------------------------------------------------------------------------------------------


@given(seed=words64, member=words64, iteration=st.integers(0, 2**63 - 1), purpose=st.integers(0, 1000))
@few_examples
def test_normals_are_the_oracles_to_the_last_bit(seed, member, iteration, purpose):
    expected = reference.normals(seed, member, iteration, 45, purpose)
    assert noise.normals(seed, member, iteration, 45, purpose).tobytes() == expected.tobytes()


def words_of_all_sizes(count):
    """Pairs of 32-bit words: uniform ones, small and large ones, limits."""
    rng = np.random.default_rng(10)
    a, b = rng.integers(0, 2**32, (2, count), dtype=np.uint32)
    third = count // 3
    for words in (a, b):
        words[:third] >>= rng.integers(0, 32, third, dtype=np.uint32)
        words[third : 2 * third] |= ~(np.uint32(MASK32) >> rng.integers(0, 32, third, dtype=np.uint32))
        rng.shuffle(words)
    limits = [0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, MASK32, MASK32 - 1, 3037000500, 3037000499]
    a[: len(limits) ** 2], b[: len(limits) ** 2] = np.array(list(itertools.product(limits, limits))).T
    return a, b


@pytest.mark.parametrize("count", [2**18, pytest.param(2**22, marks=pytest.mark.slow)])
def test_any_words_become_the_oracles_normals_to_the_last_bit(count):
    a, b = words_of_all_sizes(count)
    for got, expected in zip(box_muller(a, b), reference.box_muller(a, b), strict=True):
        differ = got.view(np.uint64) != expected.astype(np.float64).view(np.uint64)
        assert not differ.any()


@pytest.mark.parametrize("count", [2**18, pytest.param(2**22, marks=pytest.mark.slow)])
def test_normals_are_those_of_box_muller_in_doubles(count):
    a, b = words_of_all_sizes(count)
    exact = reference.exact_box_muller(a, b)
    for got, oracle, expected in zip(box_muller(a, b), reference.box_muller(a, b), exact, strict=True):
        for values in (got, oracle):
            error = np.abs(values - expected)
            assert error.max() < 4e-6  # as documented


@given(st.lists(singles, min_size=3, max_size=3), singles)
@few_examples
def test_the_oracles_fma_rounds_once(numbers, near):
    x, y, z = (np.array([number], dtype=np.float32) for number in numbers)
    for addend in (z, -x * y, -x * y + np.float32(near) * np.float32(2.0**-24)):
        got = reference.fma(x, y, addend)[0]
        exact = Fraction(float(x[0])) * Fraction(float(y[0])) + Fraction(float(addend[0]))
        assert got == nearest_single(exact)


def test_the_oracles_fma_is_right_where_the_sum_in_doubles_is_a_tie():
    # x y = 2^-24 (1 − 2^-46): rounded to double, x y + z is half way between two single-precision numbers
    x, y, z = (np.array([value], dtype=np.float32) for value in (1 + 2.0**-23, 2.0**-24 - 2.0**-47, 1 + 2.0**-23))
    assert np.float32(float(x[0]) * float(y[0]) + float(z[0])) == np.float32(1 + 2.0**-22)
    assert reference.fma(x, y, z)[0] == np.float32(1 + 2.0**-23)


def nearest_single(exact):
    """The float32 nearest to a fraction, the even one of two."""
    guess = np.float32(float(exact))
    around = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(around, key=lambda single: (abs(Fraction(float(single)) - exact), single.view(np.uint32) % 2))


# --- stateless ----------------------------------------------------------------------------------------------


def test_an_iteration_drawn_alone_equals_the_same_drawn_among_others():
    forwards = [noise.normals(1, 2, n, 45) for n in range(50)]
    backwards = [noise.normals(1, 2, n, 45) for n in reversed(range(50))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    np.testing.assert_array_equal(noise.normals(1, 2, 17, 45), forwards[17])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 44, 45, 46, 999])
def test_a_longer_draw_starts_with_the_shorter(count):
    np.testing.assert_array_equal(noise.normals(3, 4, 5, count), noise.normals(3, 4, 5, 1000)[:count])


def test_a_member_draws_the_same_in_any_lane_beside_any_others():
    rng = np.random.default_rng(20)
    for members in (np.arange(8), np.arange(8)[::-1], rng.integers(0, 2**64, 8, dtype=np.uint64)):
        members = np.ascontiguousarray(members, dtype=np.uint64)
        out = np.empty((45, LANES))
        noise._fill_normals(np.uint64(9), members[None], 6, noise.WEIGHT_NOISE, out)
        np.testing.assert_array_equal(out.T, [noise.normals(9, member, 6, 45) for member in members])


@pytest.mark.parametrize(
    "other",
    [(2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2), (1 + 2**63, 1, 1, 1), (1, 1 + 2**63, 1, 1)],
)
def test_seed_member_iteration_and_purpose_each_make_another_stream(other):
    def draw(seed, member, iteration, purpose):
        return noise.normals(seed, member, iteration, 45, purpose)

    assert not np.any(draw(1, 1, 1, 1) == draw(*other))


# --- machines -----------------------------------------------------------------------------------------------

DIGEST = """
import hashlib
import numpy as np
from tests.sim.test_noise import words_of_all_sizes
from tests.sim.words import box_muller

print(hashlib.sha256(b"".join(normals.tobytes() for normals in box_muller(*words_of_all_sizes(2**18)))).hexdigest())
"""
HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
def test_normals_do_not_depend_on_the_vector_width():
    ran = subprocess.run(
        [sys.executable, "-c", DIGEST], env=os.environ | HASWELL, capture_output=True, text=True, check=True
    )
    ours = box_muller(*words_of_all_sizes(2**18))
    assert ran.stdout.strip() == hashlib.sha256(b"".join(normals.tobytes() for normals in ours)).hexdigest()
