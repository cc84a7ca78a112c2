"""The noise: known answers, the shape of the distribution, and streams that are independent of each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from sim import noise
from sim.memory import load, store
from sim.vectors import LANES
from tests.reference import noise as reference

few_examples = settings(max_examples=40, deadline=None, derandomize=True)
words64 = st.integers(0, 2**64 - 1)
four_words = st.tuples(words64, words64, words64, words64)
ONES = 2**64 - 1


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
    s0, s1, s2, s3 = load(state, 0), load(state, 1), load(state, 2), load(state, 3)
    for k in range(out.shape[0]):
        word, s0, s1, s2, s3 = noise.xoshiro(s0, s1, s2, s3)
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
    # The Rust crate rand_xoshiro's test of Xoshiro256PlusPlus, from the authors' C program
    answers = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    answers += [9973669472204895162, 14011001112246962877, 12406186145184390807, 15849039046786891736]
    state, drawn = [1, 2, 3, 4], []
    for _ in answers:
        word, state = reference.xoshiro256pp(state)
        drawn.append(word)
    assert drawn == answers
    assert xoshiro(len(answers), [1, 2, 3, 4]) == [answers]


@given(st.lists(four_words, min_size=8, max_size=8))
@few_examples
def test_xoshiro_is_the_plain_one_in_every_lane(states):
    expected = []
    for state in states:
        drawn = []
        for _ in range(5):
            word, state = reference.xoshiro256pp(state)
            drawn.append(word)
        expected.append(drawn)
    assert xoshiro(5, *states) == expected


@given(seed=words64, member=words64, iteration=st.integers(0, 2**63 - 1), purpose=st.integers(0, 1000))
@few_examples
def test_normals_are_the_plain_ones(seed, member, iteration, purpose):
    expected = reference.normals(seed, member, iteration, 45, purpose)
    # The unit circle is accurate to 1e-12, radii reach 8.5
    np.testing.assert_allclose(noise.normals(seed, member, iteration, 45, purpose), expected, rtol=0, atol=1e-11)


# --- stateless ----------------------------------------------------------------------------------------------


def test_an_iteration_drawn_alone_equals_the_same_drawn_among_others():
    forwards = [noise.normals(1, 2, n, 45) for n in range(50)]
    backwards = [noise.normals(1, 2, n, 45) for n in reversed(range(50))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    np.testing.assert_array_equal(noise.normals(1, 2, 17, 45), forwards[17])


@pytest.mark.parametrize("count", [1, 2, 7, 44, 45, 999])
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


# --- the distribution ---------------------------------------------------------------------------------------

LONG, SHORT = 2**21, 45


def one_long_stream():
    return noise.normals(21, 22, 23, LONG)


def many_short_streams():
    """As learning draws them: 45 numbers an iteration."""
    return np.concatenate([noise.normals(24, member, n, SHORT) for member in range(20) for n in range(1000)])


@pytest.fixture(scope="module", params=[one_long_stream, many_short_streams])
def drawn(request):
    """About a million normals."""
    return request.param()


def test_moments_are_those_of_a_standard_normal(drawn):
    n = len(drawn)
    # Standard errors of the moments of n standard normals; five of them
    assert abs(drawn.mean()) < 5 * np.sqrt(1 / n)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs(np.mean(drawn**3)) < 5 * np.sqrt(15 / n)
    assert abs(np.mean(drawn**4) - 3) < 5 * np.sqrt(96 / n)
    assert abs(stats.skew(drawn)) < 5 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(drawn)) < 5 * np.sqrt(24 / n)


def test_the_distribution_is_normal_everywhere(drawn):
    # A fixed sample: fails where the noise changes and becomes wrong, not one time in a thousand
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    uniform = stats.norm.cdf(drawn)
    counts, _ = np.histogram(uniform, bins=1000, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("beyond", [2.0, 3.0, 4.0])
def test_tails_hold_as_many_numbers_as_they_should(drawn, sign, beyond):
    expected = len(drawn) * stats.norm.sf(beyond)
    assert abs(np.sum(sign * drawn > beyond) - expected) < 5 * np.sqrt(expected)


def test_a_million_numbers_reach_the_extremes_they_should(drawn):
    # Probability that none of n passes x: exp(−n sf(x)). With n ≥ 9e5 it is 1e-5 at x = 4.2
    assert drawn.max() > 4.2
    assert drawn.min() < -4.2
    # and that one passes 6.5: 1e-4
    assert np.abs(drawn).max() < 6.5


# --- independence -------------------------------------------------------------------------------------------


def assert_uncorrelated(samples):
    """No two of these samples (stream, draw), nor their squares, correlate by more than 5.5 standard errors.

    Of some thousands of pairs the largest is near 4.
    """
    streams, draws = samples.shape
    for values in (samples, samples**2):
        correlation = np.corrcoef(values)[np.triu_indices(streams, 1)]
        assert np.abs(correlation).max() < 5.5 / np.sqrt(draws)


@pytest.mark.parametrize("purpose", [noise.INITIAL_PHASES, noise.WEIGHT_NOISE])
def test_neighbouring_seeds_members_and_iterations_are_uncorrelated(purpose):
    def draw(seed, member, iteration):
        return noise.normals(seed, member, iteration, 4096, purpose)

    streams = [(seed, member, n) for seed in range(4) for member in range(4) for n in range(4)]
    assert_uncorrelated(np.array([draw(*stream) for stream in streams]))


def test_purposes_are_uncorrelated():
    draws = [noise.normals(1, member, 1, 4096, purpose) for member in range(8) for purpose in range(4)]
    assert_uncorrelated(np.array(draws))


def test_swapping_seed_and_member_or_iteration_and_purpose_gives_another_stream():
    swapped = [(1, 2, 3, 4), (2, 1, 3, 4), (1, 2, 4, 3), (2, 1, 4, 3), (3, 4, 1, 2)]
    assert_uncorrelated(np.array([noise.normals(s, m, n, 4096, purpose=p) for s, m, n, p in swapped]))


def test_edges_are_uncorrelated_over_members_and_over_iterations():
    over_members = np.array([noise.normals(31, member, 7, SHORT) for member in range(4000)])
    over_iterations = np.array([noise.normals(31, 7, n, SHORT) for n in range(4000)])
    assert_uncorrelated(over_members.T)
    assert_uncorrelated(over_iterations.T)


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_an_edge_does_not_remember_earlier_iterations(lag):
    series = np.array([noise.normals(32, 7, n, SHORT) for n in range(4000)])
    products = series[lag:] * series[:-lag]
    assert np.abs(products.mean(axis=0)).max() < 5 / np.sqrt(len(products))
    assert abs(products.mean()) < 5 / np.sqrt(products.size)


def test_the_two_numbers_of_a_pair_are_independent():
    first, second = one_long_stream().reshape(-1, 2).T
    for f, g in ((first, second), (first**2, second**2), (np.abs(first), second), (first, second**2)):
        assert abs(np.corrcoef(f, g)[0, 1]) < 5 / np.sqrt(len(f))


def test_a_pair_has_a_uniform_direction_and_an_exponential_square():
    pairs = noise.normals(33, 1, 1, 2**18).reshape(-1, 2)
    direction = np.arctan2(pairs[:, 1], pairs[:, 0]) / (2 * np.pi) + 0.5
    square = np.sum(pairs**2, axis=1) / 2
    assert stats.kstest(direction, "uniform").pvalue > 1e-3
    assert stats.kstest(square, "expon").pvalue > 1e-3
    assert abs(np.corrcoef(square, np.cos(2 * np.pi * direction))[0, 1]) < 5 / np.sqrt(len(pairs))
    octants, _ = np.histogram(direction, bins=8, range=(0, 1))
    assert stats.chisquare(octants).pvalue > 1e-3
