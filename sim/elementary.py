"""Arithmetic and elementary functions of vectors.

The elementary functions are polynomials of plain IEEE operations and fused multiply-adds, so that they give the
same bits on every processor. Functions that take or give tuples of vectors are for other traced functions; the
`traced` ones can be called from kernels too.
"""

import math
from typing import Any

from llvmlite import ir
from numba import types

from sim.vectors import FLOATS, LANES, Vector, traced

_MASK_BITS = ir.IntType(LANES)


def _pair(lane_type: types.Type, count: int = 2) -> types.Type:
    return types.UniTuple(lane_type, count)


# --- arithmetic -----------------------------------------------------------------------------------------


@traced(gives=FLOATS)
def fma(x: Vector, y: Vector, z: Vector) -> Vector:
    """x y + z, rounded once."""
    return x.intrinsic("fma", y, z)


@traced(gives=FLOATS)
def fnma(x: Vector, y: Vector, z: Vector) -> Vector:
    """z − x y, rounded once."""
    return fma(-x, y, z)


@traced(gives=FLOATS)
def sqrt(x: Vector) -> Vector:
    """Square root, correctly rounded."""
    return x.intrinsic("sqrt")


@traced(gives=FLOATS)
def absolute(x: Vector) -> Vector:
    """|x|."""
    return x.intrinsic("fabs")


@traced(gives=FLOATS)
def maximum(x: Vector, y: Vector) -> Vector:
    """The larger of x and y; y where either is NaN."""
    return x.where(">", y, x, y)


@traced(gives=FLOATS)
def where_less(x: Vector, y: Vector, yes: Vector, no: Vector) -> Vector:
    """Lane by lane `yes` where x < y, else `no`, also where x or y is NaN."""
    return x.where("<", y, yes, no)


@traced(gives=types.boolean)
def any_greater(x: Vector, y: Vector) -> Any:
    """Whether x > y in any lane, a boolean in kernels."""
    mask = x.builder.fcmp_ordered(">", x.value, y.value)
    bits = x.builder.bitcast(mask, _MASK_BITS)
    return Vector(x.builder, x.builder.icmp_unsigned("!=", bits, ir.Constant(_MASK_BITS, 0)))


# --- elementary functions -------------------------------------------------------------------------------


def horner(x: Vector, coefficients: tuple[float, ...]) -> Vector:
    """Σ_k coefficients[k] x^k.

    Args:
        x: FLOATS.
        coefficients: from the constant term on.

    Returns:
        FLOATS.
    """
    total = x.lift(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = fma(total, x, coefficient)
    return total


# Minimax on |a| ≤ SMALL_ANGLE for sin(a) = a + a³ S(a²) and cos(a) = 1 + a² C(a²); error below 5e-17.
SMALL_ANGLE = 0.25
_SMALL_SIN = (-0.1666666666666637, 0.008333333331805479, -0.00019841257617613103, 2.7526021333363912e-06)
_SMALL_COS = (
    -0.5,
    0.041666666666663556,
    -0.001388888888491021,
    2.4801569475683656e-05,
    -2.7524717487900135e-07,
)
# The same on |a| ≤ π/4 (Sun's fdlibm, k_sin.c and k_cos.c).
_QUADRANT_SIN = (
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
_QUADRANT_COS = (
    -0.5,
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)
# π/2 in three parts (fdlibm, e_rem_pio2.c): the first has 33 bits, so small multiples of it are exact.
_HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
_ROUND_TO_INTEGER = 6755399441055744.0  # 1.5·2^52: adding it leaves the nearest integer in the low bits


def _turn(c: Vector, s: Vector, sine: Vector, cosine_minus_one: Vector) -> tuple[Vector, Vector]:
    """The unit vector (c, s) turned by the angle with this sine and cosine − 1."""
    return (
        fnma(s, sine, fma(c, cosine_minus_one, c)),
        fma(c, sine, fma(s, cosine_minus_one, s)),
    )


def _sine_cosine(a: Vector, sine: tuple[float, ...], cosine: tuple[float, ...]) -> tuple[Vector, Vector]:
    """sin(a) and cos(a) − 1 from the polynomials S and C above."""
    square = a * a
    return fma(horner(square, sine), square * a, a), horner(square, cosine) * square


def turn_small(c: Vector, s: Vector, a: Vector) -> tuple[Vector, Vector]:
    """The unit vector (c, s) turned by a small angle.

    Args:
        c: FLOATS, cosine.
        s: FLOATS, sine.
        a: FLOATS, angle, rad, |a| ≤ SMALL_ANGLE.

    Returns:
        Cosine and sine of the turned vector, each FLOATS.
    """
    return _turn(c, s, *_sine_cosine(a, _SMALL_SIN, _SMALL_COS))


def turn(c: Vector, s: Vector, a: Vector) -> tuple[Vector, Vector]:
    """The unit vector (c, s) turned by any angle.

    Source: the reduction to a quadrant and the polynomials are those of Sun's fdlibm (e_rem_pio2.c, k_sin.c, k_cos.c).

    Args:
        c: FLOATS, cosine.
        s: FLOATS, sine.
        a: FLOATS, angle, rad; to full accuracy for |a| below about 1e6.

    Returns:
        Cosine and sine of the turned vector, each FLOATS.
    """
    quadrant = fma(a, 2 / math.pi, _ROUND_TO_INTEGER)
    rest = a
    for part in _HALF_PI:
        rest = fnma(quadrant - _ROUND_TO_INTEGER, rest.lift(part), rest)
    sine, cosine_minus_one = _sine_cosine(rest, _QUADRANT_SIN, _QUADRANT_COS)
    cosine = cosine_minus_one + 1.0
    bits = quadrant.as_words()
    odd = bits & 1
    sine, cosine = odd.where("!=", 0, cosine, sine), odd.where("!=", 0, sine, cosine)
    second_or_third, third_or_fourth = ((bits + 1) >> 1) << 63, (bits >> 1) << 63
    sine = (sine.as_words() ^ third_or_fourth).as_floats()
    cosine = (cosine.as_words() ^ second_or_third).as_floats()
    return fnma(s, sine, c * cosine), fma(c, sine, s * cosine)


# Minimax of sin(πv)/v and cos(πv) in v² on |v| ≤ 1/2.
_SIN_PI = (
    3.141592653589635,
    -5.167712779987959,
    2.550164035906745,
    -0.5992644339357286,
    0.08214479467064854,
    -0.007364005472115722,
    0.0004474920849077101,
)
_COS_PI = (
    0.9999999999992479,
    -4.93480220024985,
    4.0587121075374375,
    -1.33526231526157,
    0.2353254365877112,
    -0.02577631642731586,
    0.0018399894372694043,
)
_ONE_BITS = 0x3FF0000000000000


def _in_one_two(word: Vector) -> Vector:
    """A double in [1, 2) from the top 52 bits of a word."""
    return ((word >> 12) | _ONE_BITS).as_floats()


@traced(gives=_pair(FLOATS))
def unit_circle(word: Vector) -> tuple[Vector, Vector]:
    """A point uniform on the unit circle, to 1e-12.

    Args:
        word: WORDS, 64 uniform bits a lane.

    Returns:
        (cos φ, sin φ), each FLOATS.
    """
    v = _in_one_two(word) - 1.5  # half a circle; the lowest bit chooses which half
    square = v * v
    sine = horner(square, _SIN_PI) * v
    cosine = horner(square, _COS_PI).as_words() ^ (word << 63)
    return cosine.as_floats(), sine


# --- normals, in single precision ---------------------------------------------------------------------------

# Minimax in single precision: sin(πv)/v and cos(πv) in v² on |v| ≤ 1/2, wrong by 6e-8, and
# −2 log(1 + x)/x on [√½ − 1, √2 − 1] so that √(−2 log u) is wrong by at most 1.8e-6 for any u.
_SINGLE_SIN_PI = (
    3.141592502593994,
    -5.1677021980285645,
    2.549957752227783,
    -0.5976253747940063,
    0.07643380761146545,
)
_SINGLE_COS_PI = (
    0.9999999403953552,
    -4.93479061126709,
    4.058358669281006,
    -1.3314926624298096,
    0.21883797645568848,
)
_SINGLE_MINUS_TWO_LOG = (
    -2.0000386238098145,
    0.9997227787971497,
    -0.6641147136688232,
    0.508743405342102,
    -0.4494549632072449,
    0.29204678535461426,
)
_MINUS_TWO_LOG_TWO = -1.6525916635146132e-07  # −2 log 2 in single precision, over 2^23
_SINGLE_SIGN = 31  # where a single-precision number has its sign
_SINGLE_EXPONENT = 0xFF800000  # and its exponent, with the sign
_SINGLE_SQRT_HALF_BITS = 0x3F3504F3
_ROOT_OF_RANGE_BITS = _SINGLE_SQRT_HALF_BITS + (32 << 23)  # √½ · 2^32


def _radius(word: Vector) -> Vector:
    """√(−2 log u), u = (word | 1) / 2^32: SINGLES from HALVES. Its largest value is √(64 log 2) = 6.66."""
    scaled = (word | 1).rounded(signed=False).as_halves()  # u 2^32
    exponent = (scaled - _ROOT_OF_RANGE_BITS) & _SINGLE_EXPONENT  # e 2^23, u = 2^e m
    mantissa = (scaled - exponent).as_singles()  # m 2^32, m in [√½, √2)
    x = fma(mantissa, mantissa.lift(2.0**-32), mantissa.lift(-1.0))
    power = exponent.rounded(signed=True)
    return sqrt(fma(power, power.lift(_MINUS_TWO_LOG_TWO), x * horner(x, _SINGLE_MINUS_TWO_LOG)))


def _direction(word: Vector) -> tuple[Vector, Vector]:
    """cos φ and sin φ, φ = π v or, where the word is odd, π − π v; v = word / 2^32 of the signed word."""
    v = word.rounded(signed=True) * 2.0**-32
    square = v * v
    cosine = horner(square, _SINGLE_COS_PI).as_halves() ^ (word << _SINGLE_SIGN)
    return cosine.as_singles(), horner(square, _SINGLE_SIN_PI) * v


@traced(gives=_pair(FLOATS, 4))
def box_muller(word: Vector, other: Vector) -> tuple[Vector, ...]:
    """√(−2 log u) (cos φ, sin φ): independent standard normals by the Box–Muller transform, in single precision.

    Args:
        word: HALVES, 32 uniform bits a lane, for the radius.
        other: HALVES, the same for the direction.

    Returns:
        Four vectors, each FLOATS: cos φ of lanes 0–7 and of lanes 8–15, then sin φ of the same, times their radii.
        Of u and v as rounded to single precision they are exact to 4e-6, and at most 6.66.
    """
    radius, (cosine, sine) = _radius(word), _direction(other)
    return *(radius * cosine).widened(), *(radius * sine).widened()


# --- angles and exponentials --------------------------------------------------------------------------------

# arctan(x) = x + x³ P(x²)/Q(x²) on |x| ≤ 0.66 (Moshier's Cephes, atan.c).
_ATAN_P = (
    -6.485021904942025371773e1,
    -1.228866684490136173410e2,
    -7.500855792314704667340e1,
    -1.615753718733365076637e1,
    -8.750608600031904122785e-1,
)
_ATAN_Q = (
    1.945506571482613964425e2,
    4.853903996359136964868e2,
    4.328810604912902668951e2,
    1.650270098316988542046e2,
    2.485846490142306297962e1,
    1.0,
)
_ATAN_SPLIT = 0.66


@traced(gives=FLOATS)
def angle(c: Vector, s: Vector) -> Vector:
    """The angle of the vector (c, s) ≠ 0.

    Source: the rational approximation of arctan is that of Moshier's Cephes (atan.c).

    Args:
        c: FLOATS, first component.
        s: FLOATS, second component.

    Returns:
        FLOATS, rad, in [−π, π]; NaN for NaN.
    """
    x, y = absolute(c), absolute(s)
    steep = x.where("<", y, x.lift(1.0), 0.0)
    ratio = steep.where(">", 0.5, x / y, y / x)  # in [0, 1]
    large = ratio.where(">", _ATAN_SPLIT, x.lift(1.0), 0.0)
    t = large.where(">", 0.5, (ratio - 1.0) / (ratio + 1.0), ratio)
    square = t * t
    arctangent = fma(t * square, horner(square, _ATAN_P) / horner(square, _ATAN_Q), t)
    arctangent = fma(large, large.lift(math.pi / 4), arctangent)
    first_quadrant = steep.where(">", 0.5, math.pi / 2 - arctangent, arctangent)
    upper = c.where("<", 0.0, math.pi - first_quadrant, first_quadrant)
    return upper.intrinsic("copysign", s)


# exp(r) = Σ c_k r^k on |r| ≤ (log 2)/2, minimax; log 2 in two parts, multiples of the first exact.
_EXP = (
    1.0,
    1.0,
    0.5000000000000019,
    0.1666666666666668,
    0.0416666666664881,
    0.008333333333319601,
    0.0013888888952314775,
    0.00019841269890047113,
    2.4801485482328494e-05,
    2.755724091857897e-06,
    2.763263963904103e-07,
    2.5110037605963777e-08,
)
_LOG_TWO = (0.6931471805599453, 2.3190468138462996e-17)
_MAX_EXPONENT = 700.0  # exp of it, and 1 / exp of it, are normal doubles


def exponentials(xs: tuple[Vector, ...]) -> tuple[Vector, ...]:
    """exp(x) of several x together, to about 1 ulp: their chains of operations overlap.

    Args:
        xs: FLOATS each, |x| ≤ 700.

    Returns:
        As many vectors, each FLOATS.
    """
    shifted = [fma(x, 1 / math.log(2), x.lift(_ROUND_TO_INTEGER)) for x in xs]
    rests = list(xs)
    for part in _LOG_TWO:
        rests = [
            fnma(power - _ROUND_TO_INTEGER, power.lift(part), rest)
            for power, rest in zip(shifted, rests, strict=True)
        ]
    totals = [rest.lift(_EXP[-1]) for rest in rests]
    for coefficient in _EXP[-2::-1]:
        totals = [fma(total, rest, coefficient) for total, rest in zip(totals, rests, strict=True)]
    return tuple(
        (total.as_words() + (power.as_words() << 52)).as_floats()
        for total, power in zip(totals, shifted, strict=True)
    )


def logistics(xs: tuple[Vector, ...]) -> tuple[Vector, ...]:
    """1 / (1 + exp(−x)) of several x together.

    Args:
        xs: FLOATS each, any number.

    Returns:
        As many vectors, each FLOATS; NaN for NaN.
    """
    below = [x.where(">", _MAX_EXPONENT, x.lift(_MAX_EXPONENT), x) for x in xs]
    bounded = [x.where("<", -_MAX_EXPONENT, x.lift(-_MAX_EXPONENT), x) for x in below]
    return tuple(1.0 / (1.0 + grown) for grown in exponentials(tuple(-x for x in bounded)))


@traced(gives=FLOATS)
def logistic(x: Vector) -> Vector:
    """1 / (1 + exp(−x)); NaN for NaN."""
    return logistics((x,))[0]
