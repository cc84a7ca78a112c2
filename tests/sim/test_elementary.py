"""Elementary functions to their stated accuracy; no lane depends on another."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit
from numba.core import types

from sim import elementary
from sim.memory import load
from sim.vectors import LANES, traced
from tests.sim.words import box_muller

EPSILON = np.finfo(float).eps  # 2^-52: rounding to double is wrong by half of it at most
few_examples = settings(max_examples=60, deadline=None, derandomize=True)


def eight_at_a_time(function, arguments, results=1):
    """A function of `Vector`s as a function of equally long arrays, whose length is a multiple of eight."""

    @traced(gives=types.none)
    def apply(taken, given):
        returned = function(*(taken[k] for k in range(arguments)))
        for k, vector in enumerate(returned if results > 1 else (returned,)):
            given[k] = vector

    @njit(error_model="numpy")
    def run(taken, given):
        for block in range(taken.shape[0]):
            apply(taken[block], given[block])

    def call(*columns):
        taken = np.stack([np.reshape(column, (-1, LANES)) for column in columns], axis=1)
        given = np.empty((len(taken), results, LANES))
        run(taken, given)
        returned = np.moveaxis(given, 1, 0).reshape(results, -1)
        return tuple(returned) if results > 1 else returned[0]

    return call


turn_small = eight_at_a_time(elementary.turn_small, 3, results=2)
turn = eight_at_a_time(elementary.turn, 3, results=2)
angle = eight_at_a_time(elementary.angle, 2)
sqrt = eight_at_a_time(elementary.sqrt, 1)
fma = eight_at_a_time(elementary.fma, 3)
fnma = eight_at_a_time(elementary.fnma, 3)
absolute = eight_at_a_time(elementary.absolute, 1)
maximum = eight_at_a_time(elementary.maximum, 2)
where_less = eight_at_a_time(elementary.where_less, 4)
logistic = eight_at_a_time(elementary.logistic, 1)
unit_circle = eight_at_a_time(elementary.unit_circle, 1, results=2)


def bits(values):
    return np.ascontiguousarray(values).view(np.uint64)


def in_all_lanes(*values, dtype=np.float64):
    return [np.full(LANES, value, dtype=dtype) for value in values]


# --- accuracy -----------------------------------------------------------------------------------------------


def turned(c, s, a):
    """(c, s) turned by a, in extended precision."""
    c, s, a = np.longdouble(c), np.longdouble(s), np.longdouble(a)
    return c * np.cos(a) - s * np.sin(a), c * np.sin(a) + s * np.cos(a)


def angles_within(limit):
    """Angles of all magnitudes up to a limit, with the limit, zero and multiples of π/4 themselves."""
    rng = np.random.default_rng(5)
    multiples = np.arange(-1000, 1000) * (np.pi / 4)
    angles = np.concatenate(
        [
            rng.uniform(-limit, limit, 20_000),
            limit * np.exp(rng.uniform(-30, 0, 20_000)) * rng.choice([-1.0, 1.0], 20_000),
            multiples[np.abs(multiples) <= limit],
            [limit, -limit, 0.0, -0.0],
        ]
    )
    return np.concatenate([angles, np.zeros(-len(angles) % LANES)])


def assert_turns(turn, angles):
    phase = np.random.default_rng(6).uniform(-np.pi, np.pi, len(angles))
    c, s = np.cos(phase), np.sin(phase)
    expected_c, expected_s = turned(c, s, angles)
    got_c, got_s = turn(c, s, angles)
    # Two roundings of numbers below 1, of half an epsilon each, and the polynomials' error
    assert np.abs(got_c - expected_c).max() < 1.25 * EPSILON
    assert np.abs(got_s - expected_s).max() < 1.25 * EPSILON


def test_small_turns_are_accurate_to_rounding():
    assert_turns(turn_small, angles_within(elementary.SMALL_ANGLE))


@pytest.mark.parametrize("limit", [0.25, 4.0, 100.0, 1e5, 1e6])
def test_turns_by_any_angle_are_accurate_to_rounding(limit):
    assert_turns(turn, angles_within(limit))


@pytest.mark.parametrize("turn", [turn_small, turn], ids=["turn_small", "turn"])
def test_a_turn_by_a_tiny_angle_keeps_its_relative_accuracy(turn):
    a = np.concatenate([np.exp(np.linspace(-300, -1.5, 4000)), -np.exp(np.linspace(-300, -1.5, 4000))])
    _, sine = turn(np.ones(8000), np.zeros(8000), a)
    # Were it lost, slow oscillators would stand still
    np.testing.assert_allclose(sine, np.sin(a), rtol=2 * EPSILON, atol=0)


def test_a_turn_by_nothing_changes_no_bit():
    phase = np.random.default_rng(7).uniform(-np.pi, np.pi, 80)
    c, s = np.cos(phase), np.sin(phase)
    for turn_by in (turn_small, turn):
        got_c, got_s = turn_by(c, s, np.zeros(80))
        np.testing.assert_array_equal(bits(got_c), bits(c))
        np.testing.assert_array_equal(bits(got_s), bits(s))


def test_angle_is_accurate_in_every_quadrant_and_for_every_length():
    rng = np.random.default_rng(8)
    phase, length = rng.uniform(-np.pi, np.pi, 40_000), 10.0 ** rng.uniform(-150, 150, 40_000)
    c, s = np.cos(phase) * length, np.sin(phase) * length
    expected = np.arctan2(np.longdouble(s), np.longdouble(c))
    np.testing.assert_allclose(angle(c, s), expected.astype(float), rtol=2 * EPSILON, atol=0)


def test_angle_is_accurate_for_every_slope():
    rng = np.random.default_rng(9)
    c, s = 10.0 ** rng.uniform(-150, 150, (2, 40_000)) * rng.choice([-1.0, 1.0], (2, 40_000))
    expected = np.arctan2(np.longdouble(s), np.longdouble(c))
    np.testing.assert_allclose(angle(c, s), expected.astype(float), rtol=2 * EPSILON, atol=0)


def test_angle_is_exact_on_the_axes():
    c = np.array([1.0, 0.0, -1.0, 0.0, 5.0, -5.0, -0.0, 1.0])
    s = np.array([0.0, 1.0, 0.0, -1.0, -0.0, -0.0, 3.0, 1.0])
    np.testing.assert_array_equal(bits(angle(c, s)), bits(np.arctan2(s, c)))


@pytest.mark.parametrize(("c", "s"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan), (np.nan, 0.0)])
def test_angle_of_no_number_is_no_number(c, s):
    assert np.isnan(angle(*in_all_lanes(c, s))).all()


def phase_of(words):
    """The phase `unit_circle` makes of words, in extended precision, from its definition."""
    half_turn = np.longdouble((words >> np.uint64(12)).astype(float)) / 2**52 - 0.5
    return np.where(words % 2 == 1, 1 - half_turn, half_turn) * np.longdouble("3.14159265358979323846264338328")


def some_words():
    drawn = np.random.default_rng(11).integers(0, 2**64, 40_000, dtype=np.uint64)
    limits = np.array([0, 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64 - 2, 2**12, 2**12 - 1], dtype=np.uint64)
    return np.concatenate([drawn, limits])


def test_points_on_the_unit_circle_are_accurate():
    words = some_words()
    c, s = unit_circle(words)
    assert np.abs(c - np.cos(phase_of(words))).max() < 1e-12  # as documented
    assert np.abs(s - np.sin(phase_of(words))).max() < 1e-12


def exact_logistic(x):
    with localcontext(prec=40):
        return 1 / (1 + (-Decimal(float(x))).exp())


def test_logistic_is_accurate_as_far_as_its_values_are_normal_numbers():
    rng = np.random.default_rng(1)
    tiny = rng.choice([-1.0, 1.0], 400) * 10.0 ** rng.uniform(-300, 1, 400)
    ordinary = [rng.uniform(-limit, limit, 1600) for limit in (700, 40)]
    x = np.concatenate([*ordinary, tiny, np.repeat([0.0, 700.0, -700.0, 0.5], 2)])
    got, expected = logistic(x), [exact_logistic(value) for value in x]
    wrong = [abs(float(Decimal(float(a)) / b - 1)) for a, b in zip(got, expected, strict=True)]
    assert max(wrong) < 1e-15


def test_logistic_saturates_beyond_seven_hundred():
    np.testing.assert_array_equal(logistic(np.array([700.0, 700.1, 1e4, 1e300, np.inf, 40, 100, 1e17])), 1.0)
    low = logistic(np.array([-700.0, -700.1, -1e4, -1e300, -np.inf, -1e17, -710.0, -745.0]))
    np.testing.assert_array_equal(low, low[0])
    assert 0 < low[0] < 1e-303


def test_the_logistic_function_of_no_number_is_no_number():
    got = logistic(np.array([np.nan, 0.0, -np.nan, 1.0, -np.inf, np.nan, np.inf, -1.0]))
    np.testing.assert_array_equal(np.isnan(got), [True, False, True, False, False, True, False, False])


# --- plain IEEE operations ----------------------------------------------------------------------------------

numbers = st.floats(min_value=-1e100, max_value=1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)
# Ordinary numbers beside NaN, infinities and the largest and smallest numbers
anything = arrays(np.float64, (4, LANES), elements=st.floats(width=64) | st.floats(0.01, 0.25))


@given(numbers, numbers, numbers)
@example(1 + EPSILON, 1 - EPSILON, -1.0)  # zero if the product were rounded
@few_examples
def test_fma_rounds_once(x, y, z):
    expected = float(Fraction(x) * Fraction(y) + Fraction(z))
    opposite = float(Fraction(z) - Fraction(x) * Fraction(y))
    assert fma(*in_all_lanes(x, y, z))[0] == expected
    assert fnma(*in_all_lanes(x, y, z))[0] == opposite


@given(anything)
@few_examples
def test_sqrt_and_absolute_are_numpys(values):
    x = values.ravel()
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(sqrt(x), np.sqrt(x))
    np.testing.assert_array_equal(absolute(x), np.abs(x))


@given(anything)
@few_examples
def test_comparisons_say_what_their_docstrings_say_of_nan(values):
    x, y, yes, no = values
    expected = [b if np.isnan(a) or np.isnan(b) else max(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(maximum(x, y), expected)
    np.testing.assert_array_equal(where_less(x, y, yes, no), np.where(x < y, yes, no))


@njit(error_model="numpy")
def _any_greater(x, y):
    return elementary.any_greater(load(x, 0), load(y, 0))


@given(anything)
@few_examples
def test_any_greater_looks_at_every_lane_and_ignores_nan(values):
    x, y = values[:2]
    assert _any_greater(x[None], y[None]) == (x > y).any()


@pytest.mark.parametrize("lane", range(LANES))
def test_any_greater_sees_a_single_lane(lane):
    x = np.zeros((1, LANES))
    x[0, lane] = 1.0
    assert _any_greater(x, np.full((1, LANES), 0.5))
    assert not _any_greater(x, np.ones((1, LANES)))


# --- lane independence --------------------------------------------------------------------------------------

OF_FLOATS = {
    "turn_small": (turn_small, 3),
    "turn": (turn, 3),
    "angle": (angle, 2),
    "sqrt": (sqrt, 1),
    "fma": (fma, 3),
    "maximum": (maximum, 2),
    "where_less": (where_less, 4),
    "logistic": (logistic, 1),
}


def assert_lanes_are_independent(function, arguments):
    """Every lane's bits are those it gets when all eight lanes hold its arguments."""
    together = np.atleast_2d(bits(np.stack(np.atleast_2d(function(*arguments)))))
    for lane in range(LANES):
        same = [np.full(LANES, column[lane], dtype=column.dtype) for column in arguments]
        alone = np.atleast_2d(bits(np.stack(np.atleast_2d(function(*same)))))
        np.testing.assert_array_equal(alone, np.repeat(together[:, lane : lane + 1], LANES, axis=1))


@pytest.mark.parametrize("name", OF_FLOATS)
@given(values=anything)
@few_examples
def test_a_lane_does_not_depend_on_the_others(name, values):
    function, arguments = OF_FLOATS[name]
    assert_lanes_are_independent(function, values[:arguments])


@given(arrays(np.uint64, LANES, elements=st.integers(0, 2**64 - 1)))
@few_examples
def test_a_lane_of_random_words_does_not_depend_on_the_others(words):
    assert_lanes_are_independent(unit_circle, [words])


def test_a_pair_of_words_becomes_the_same_normals_in_any_of_the_sixteen_lanes():
    words, others = np.random.default_rng(12).integers(0, 2**32, (2, 16), dtype=np.uint32)
    together = box_muller(words, others)
    for turn in range(16):
        turned = box_muller(np.roll(words, turn), np.roll(others, turn))
        for values, expected in zip(turned, together, strict=True):
            assert np.roll(values, -turn).tobytes() == expected.tobytes()


def test_box_muller_reaches_from_zero_to_six_and_two_thirds():
    smallest, largest = np.zeros(16, dtype=np.uint32), np.full(16, 2**32 - 1, dtype=np.uint32)
    phase_zero = np.zeros(16, dtype=np.uint32)
    assert (box_muller(largest, phase_zero)[0] == 0).all()
    assert box_muller(smallest, phase_zero)[0] == pytest.approx(math.sqrt(64 * math.log(2)), abs=2e-6)
