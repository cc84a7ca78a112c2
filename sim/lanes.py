"""Eight ensemble members side by side in one vector register.

A kernel written with this module computes eight members at once: its numbers are `FLOATS` (eight doubles)
or `WORDS` (eight 64-bit words), one lane a member. Operators lower to plain IEEE operations and fused
multiply-adds, never to reassociated or approximate ones, and the elementary functions below are polynomials
of such operations. So a lane's result depends on that lane alone and is bitwise the same on every
processor, whatever vector width it has.

`traced` functions are plain Python over `Vector`s that numba expands in place: their Python loops unroll
while the kernel compiles, which is how a sum over ten oscillators becomes straight-line code. Inside an
`@kernel` they are called like any other function.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 8

_DOUBLE, _WORD, _INT32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_FLOATS_IR, _WORDS_IR = ir.VectorType(_DOUBLE, LANES), ir.VectorType(_WORD, LANES)
_MASK_BITS = ir.IntType(LANES)


class _LaneType(types.Type):
    """A numba type that is one LLVM vector."""


class _FloatLanes(_LaneType):
    def __init__(self) -> None:
        super().__init__(name=f"float64x{LANES}")


class _WordLanes(_LaneType):
    def __init__(self) -> None:
        super().__init__(name=f"uint64x{LANES}")


FLOATS, WORDS = _FloatLanes(), _WordLanes()
_IR_TYPES = {FLOATS: _FLOATS_IR, WORDS: _WORDS_IR}


@register_model(_FloatLanes)
class _FloatModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lane_type: types.Type) -> None:
        super().__init__(manager, lane_type, _FLOATS_IR)


@register_model(_WordLanes)
class _WordModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lane_type: types.Type) -> None:
        super().__init__(manager, lane_type, _WORDS_IR)


class Vector:
    """Eight doubles or eight words while a kernel compiles; operators emit the instruction for all lanes.

    A Python or numba scalar operand is broadcast to all lanes.
    """

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    @property
    def is_float(self) -> bool:
        """Doubles, not words."""
        return self.value.type == _FLOATS_IR

    def lift(self, other: "Vector | float") -> "Vector":
        """`other` as a vector of this one's kind."""
        if isinstance(other, Vector):
            return other
        return Vector(self.builder, ir.Constant(self.value.type, [other] * LANES))

    def _emit(self, float_op: str | None, word_op: str | None, other: "Vector | float") -> "Vector":
        name = float_op if self.is_float else word_op
        if name is None:
            raise TypeError(f"operator not defined for {'FLOATS' if self.is_float else 'WORDS'}")
        return Vector(self.builder, getattr(self.builder, name)(self.value, self.lift(other).value))

    def __add__(self, other: "Vector | float") -> "Vector":
        return self._emit("fadd", "add", other)

    def __sub__(self, other: "Vector | float") -> "Vector":
        return self._emit("fsub", "sub", other)

    def __mul__(self, other: "Vector | float") -> "Vector":
        return self._emit("fmul", None, other)

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return self._emit("fdiv", None, other)

    def __radd__(self, other: float) -> "Vector":
        return self.lift(other) + self

    def __rsub__(self, other: float) -> "Vector":
        return self.lift(other) - self

    def __rmul__(self, other: float) -> "Vector":
        return self.lift(other) * self

    def __rtruediv__(self, other: float) -> "Vector":
        return self.lift(other) / self

    def __neg__(self) -> "Vector":
        return Vector(self.builder, self.builder.fneg(self.value))

    def __xor__(self, other: "Vector | int") -> "Vector":
        return self._emit(None, "xor", other)

    def __and__(self, other: "Vector | int") -> "Vector":
        return self._emit(None, "and_", other)

    def __or__(self, other: "Vector | int") -> "Vector":
        return self._emit(None, "or_", other)

    def __lshift__(self, places: int) -> "Vector":
        return self._emit(None, "shl", places)

    def __rshift__(self, places: int) -> "Vector":
        return self._emit(None, "lshr", places)

    def _call(self, name: str, *others: "Vector | float") -> "Vector":
        """LLVM's vector intrinsic `name` of this and the others."""
        kind = "f64" if self.is_float else "i64"
        operands = [self.value, *(self.lift(other).value for other in others)]
        function_type = ir.FunctionType(self.value.type, [self.value.type] * len(operands))
        function = cgutils.get_or_insert_function(
            self.builder.module, function_type, f"llvm.{name}.v{LANES}{kind}"
        )
        return Vector(self.builder, self.builder.call(function, operands))

    def rotate_left(self, places: int) -> "Vector":
        """The words with their bits rotated left."""
        return self._call("fshl", self, places)

    def as_words(self) -> "Vector":
        """The same bits, read as words."""
        return Vector(self.builder, self.builder.bitcast(self.value, _WORDS_IR))

    def as_floats(self) -> "Vector":
        """The same bits, read as doubles."""
        return Vector(self.builder, self.builder.bitcast(self.value, _FLOATS_IR))

    def where(self, comparison: str, other: "Vector | float", yes: "Vector", no: "Vector | float") -> "Vector":
        """Lane by lane `yes` where `self comparison other`, else `no`; a NaN compares false."""
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_unsigned
        mask = compare(comparison, self.value, self.lift(other).value)
        return Vector(self.builder, self.builder.select(mask, yes.value, yes.lift(no).value))


class Rows:
    """A C-contiguous array (rows, 8) of doubles or words while a kernel compiles: `rows[k]` is one vector."""

    def __init__(self, builder: ir.IRBuilder, data: ir.Value, vector_type: ir.Type) -> None:
        self.builder = builder
        self.pointer = builder.bitcast(data, vector_type.as_pointer())

    def starting_at(self, row: int | ir.Value) -> "Rows":
        """The rows from `row` on."""
        kind = self.pointer.type.pointee
        return Rows(self.builder, self._address(row), kind)

    def scalar(self, k: ir.Value) -> "Vector":
        """Number k of an array of doubles, whatever its shape, in all lanes."""
        numbers = self.builder.bitcast(self.pointer, _DOUBLE.as_pointer())
        return _broadcast(self.builder, self.builder.load(self.builder.gep(numbers, [k])), _FLOATS_IR)

    def _address(self, row: int | ir.Value) -> ir.Value:
        index = ir.Constant(_WORD, row) if isinstance(row, int) else row
        return self.builder.gep(self.pointer, [index])

    def __getitem__(self, row: int | ir.Value) -> Vector:
        loaded = self.builder.load(self._address(row))
        loaded.align = 8
        return Vector(self.builder, loaded)

    def __setitem__(self, row: int | ir.Value, vector: Vector) -> None:
        self.builder.store(vector.value, self._address(row)).align = 8


def _broadcast(builder: ir.IRBuilder, scalar: ir.Value, vector_type: ir.Type) -> Vector:
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
    return Vector(builder, builder.shuffle_vector(first, undefined, zeros))


def _to_traced(context: Any, builder: ir.IRBuilder, numba_type: types.Type, value: ir.Value) -> Any:
    """What a traced function sees for an argument of a numba type."""
    if isinstance(numba_type, _LaneType):
        return Vector(builder, value)
    if isinstance(numba_type, types.Array):
        if numba_type.layout != "C":
            raise TypeError(f"expected C-contiguous rows of {LANES}, got {numba_type}")
        data = cgutils.create_struct_proxy(numba_type)(context, builder, value=value).data
        return Rows(builder, data, _FLOATS_IR if numba_type.dtype == types.float64 else _WORDS_IR)
    if isinstance(numba_type, types.UniTuple) and isinstance(numba_type.dtype, _LaneType):
        return tuple(Vector(builder, builder.extract_value(value, k)) for k in range(numba_type.count))
    if isinstance(numba_type, types.UniTuple):  # a size carried by its type: see `size_type`
        return numba_type.count
    if isinstance(numba_type, types.Float):
        return _broadcast(builder, context.cast(builder, value, numba_type, types.float64), _FLOATS_IR)
    if numba_type in (types.uint64, types.uint32):
        return _broadcast(builder, context.cast(builder, value, numba_type, types.uint64), _WORDS_IR)
    if isinstance(numba_type, types.Integer):
        return context.cast(builder, value, numba_type, types.intp)
    raise TypeError(f"a traced function can't take {numba_type}")


def _register_typing(function: Callable, result_type: Callable[..., types.Type | None]) -> None:
    """Tell numba the result type of a call, from the types of its arguments (None: not for these)."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, arguments: tuple[types.Type, ...], keywords: dict) -> Any:
            result = result_type(*arguments)
            return None if result is None else signature(result, *arguments)

    infer(Template)
    infer_global(function, types.Function(Template))


def traced(gives: types.Type | Callable[..., types.Type]) -> Callable[[Callable], Callable]:
    """Let kernels call a Python function over `Vector`s; it is expanded, loops unrolled, where it is called.

    gives: numba type of the result (`FLOATS`, `WORDS`, `types.none` or a `UniTuple` of them), or a function
        of the numba argument types that returns it.

    Inside the function an array (rows, 8) is `Rows`, a float or uint64 scalar is a `Vector` with equal lanes,
    a signed integer is a row number, and a tuple of integers stands for its length.
    """

    def register(function: Callable) -> Callable:
        _register_typing(
            function, lambda *arguments: gives if isinstance(gives, types.Type) else gives(*arguments)
        )

        @lower_builtin(function, types.VarArg(types.Any))
        def _(context: Any, builder: ir.IRBuilder, call: Any, arguments: Any) -> ir.Value:
            operands = zip(call.args, arguments, strict=True)
            result = function(*(_to_traced(context, builder, *operand) for operand in operands))
            if isinstance(result, tuple):
                return context.make_tuple(builder, call.return_type, [v.value for v in result])
            return context.get_dummy_value() if result is None else result.value

        return function

    return register


def _pair(lane_type: types.Type, count: int = 2) -> types.Type:
    return types.UniTuple(lane_type, count)


def _register_operator(op: Callable) -> None:
    """Make a binary operator work between lane vectors, and between FLOATS and a scalar, inside kernels."""

    def result_type(*operands: types.Type) -> types.Type | None:
        lanes = next((t for t in operands if isinstance(t, _LaneType)), None)
        fits = all(t == lanes or (lanes == FLOATS and isinstance(t, types.Float)) for t in operands)
        return lanes if lanes is not None and fits and len(operands) == 2 else None

    _register_typing(op, result_type)

    def lower(context: Any, builder: ir.IRBuilder, call: Any, arguments: Any) -> ir.Value:
        left, right = (
            _to_traced(context, builder, *operand) for operand in zip(call.args, arguments, strict=True)
        )
        return op(left, right).value

    for left, right in (
        (_LaneType, _LaneType),
        (_LaneType, types.Float),
        (types.Float, _LaneType),
    ):
        lower_builtin(op, left, right)(lower)


for _operator in (operator.add, operator.sub, operator.mul, operator.truediv, operator.xor):
    _register_operator(_operator)


# --- memory ---------------------------------------------------------------------------------------------


@traced(gives=lambda rows, k: FLOATS if rows.dtype == types.float64 else WORDS)
def load(rows: Rows, k: int) -> Vector:
    """Vector k of an array (rows, 8)."""
    return rows[k]


@traced(gives=types.none)
def store(rows: Rows, k: int, vector: Vector) -> None:
    """Write a vector to row k of an array (rows, 8)."""
    rows[k] = vector


@traced(gives=FLOATS)
def broadcast(scalar: Vector) -> Vector:
    """A float in all lanes."""
    return scalar


@traced(gives=WORDS)
def broadcast_word(scalar: Vector) -> Vector:
    """A uint64 in all lanes."""
    return scalar


def align_stack() -> None:
    """Align the calling function's stack frame to a cache line.

    To be called first in every kernel, and in every function that holds vectors and is not inlined.

    LLVM decides on the frame before it knows that vectors will be spilled to it. Without this, spilled
    vectors straddle cache lines at the whim of address space randomisation, at a third of the speed. An
    aligned slot, kept alive by an empty assembly statement, settles it.
    """


_register_typing(align_stack, lambda: types.none)


@lower_builtin(align_stack)
def _(context: Any, builder: ir.IRBuilder, call: Any, arguments: Any) -> ir.Value:
    with builder.goto_entry_block():
        slot = builder.alloca(_FLOATS_IR)
        slot.align = 64
    use = ir.FunctionType(ir.VoidType(), [_FLOATS_IR.as_pointer()])
    builder.call(ir.InlineAsm(use, "", "r,~{memory}", side_effect=True), [slot])
    return context.get_dummy_value()


@njit(nogil=True, forceinline=True)
def empty_rows(count: int) -> np.ndarray:
    """An uninitialised array (count, 8) of doubles, aligned to cache lines."""
    raw = np.empty((count + 1) * LANES)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + count * LANES].reshape(count, LANES)


@njit(nogil=True, forceinline=True)
def aligned_rows(rows: np.ndarray) -> np.ndarray:
    """A copy of rows (count, 8) that is aligned to cache lines, as numpy's arrays are not."""
    copy = empty_rows(rows.shape[0])
    copy_rows(rows, copy)
    return copy


@njit(nogil=True, forceinline=True)
def copy_rows(source: np.ndarray, target: np.ndarray) -> None:
    """Copy rows (count, 8) of doubles."""
    for k in range(source.shape[0]):
        store(target, k, load(source, k))


def in_lanes(values: np.ndarray) -> np.ndarray:
    """(8 or fewer members, …) to (…, 8); lanes left over repeat the last member."""
    padded = np.concatenate([values, np.repeat(values[-1:], LANES - len(values), axis=0)])
    return np.ascontiguousarray(np.moveaxis(padded, 0, -1))


# --- arithmetic -----------------------------------------------------------------------------------------


@traced(gives=FLOATS)
def fma(x: Vector, y: Vector, z: Vector) -> Vector:
    """x y + z, rounded once."""
    return x._call("fma", y, z)


@traced(gives=FLOATS)
def fnma(x: Vector, y: Vector, z: Vector) -> Vector:
    """z − x y, rounded once."""
    return fma(-x, y, z)


@traced(gives=FLOATS)
def sqrt(x: Vector) -> Vector:
    """Square root, correctly rounded."""
    return x._call("sqrt")


@traced(gives=FLOATS)
def absolute(x: Vector) -> Vector:
    """|x|."""
    return x._call("fabs")


@traced(gives=FLOATS)
def maximum(x: Vector, y: Vector) -> Vector:
    """The larger of x and y; y where either is NaN."""
    return x.where(">", y, x, y)


@traced(gives=FLOATS)
def where_less(x: Vector, y: Vector, yes: Vector, no: Vector) -> Vector:
    """Lane by lane `yes` where x < y, else `no`, also where x or y is NaN."""
    return x.where("<", y, yes, no)


@traced(gives=types.boolean)
def any_greater(x: Vector, y: Vector) -> Vector:
    """Whether x > y in any lane."""
    mask = x.builder.fcmp_ordered(">", x.value, y.value)
    bits = x.builder.bitcast(mask, _MASK_BITS)
    return Vector(x.builder, x.builder.icmp_unsigned("!=", bits, ir.Constant(_MASK_BITS, 0)))


# --- elementary functions -------------------------------------------------------------------------------


def horner(x: Vector, coefficients: tuple[float, ...]) -> Vector:
    """Σ_k coefficients[k] x^k."""
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
    """The unit vector (c, s) turned by the angle a, |a| ≤ SMALL_ANGLE."""
    return _turn(c, s, *_sine_cosine(a, _SMALL_SIN, _SMALL_COS))


def turn(c: Vector, s: Vector, a: Vector) -> tuple[Vector, Vector]:
    """The unit vector (c, s) turned by any angle a (to full accuracy for |a| below about 1e6)."""
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


# Minimax of sin(πv)/v and cos(πv) in v² on |v| ≤ 1/2, and of log((1+t)/(1−t))·(−2)/t in t² on |t| ≤ 0.172.
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
_MINUS_TWO_LOG = (
    -3.9999999999998943,
    -1.3333333335915851,
    -0.7999998978366476,
    -0.5714433229175145,
    -0.4434849982015498,
    -0.3921619127950611,
)
_ONE_BITS = 0x3FF0000000000000
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def _in_one_two(word: Vector) -> Vector:
    """A double in [1, 2) from the top 52 bits of a word."""
    return ((word >> 12) | _ONE_BITS).as_floats()


def minus_two_log(u: Vector) -> Vector:
    """−2 log(u) for positive normal u, to 1e-13."""
    bits = u.as_words()
    above = bits - _SQRT_HALF_BITS
    # The exponent as a double, without a conversion: written into the mantissa of 2^52, biased by 1024.
    biased = (above + 0x4000000000000000) >> 52
    exponent = (biased | 0x4330000000000000).as_floats() - (2.0**52 + 1024)
    mantissa = (bits - (above & 0xFFF0000000000000)).as_floats()  # in [√½, √2)
    t = (mantissa - 1.0) / (mantissa + 1.0)
    return fma(exponent, exponent.lift(-2 * math.log(2)), t * horner(t * t, _MINUS_TWO_LOG))


@traced(gives=_pair(FLOATS))
def unit_circle(word: Vector) -> tuple[Vector, Vector]:
    """A point uniform on the unit circle, to 1e-12, from 64 uniform bits: (cos φ, sin φ)."""
    v = _in_one_two(word) - 1.5  # half a circle; the lowest bit chooses which half
    square = v * v
    sine = horner(square, _SIN_PI) * v
    cosine = horner(square, _COS_PI).as_words() ^ (word << 63)
    return cosine.as_floats(), sine


@traced(gives=_pair(FLOATS, 3))
def polar(word: Vector, other: Vector) -> tuple[Vector, Vector, Vector]:
    """Two standard normals as −2 log u, cos φ and sin φ, from two words of 64 uniform bits."""
    return minus_two_log(2.0 - _in_one_two(word)), *unit_circle(other)


@traced(gives=_pair(FLOATS))
def cartesian(square: Vector, cosine: Vector, sine: Vector) -> tuple[Vector, Vector]:
    """(r cos φ, r sin φ) from r², cos φ and sin φ."""
    radius = sqrt(square)
    return radius * cosine, radius * sine


@traced(gives=_pair(FLOATS))
def box_muller(word: Vector, other: Vector) -> tuple[Vector, Vector]:
    """Two independent standard normals from two words of 64 uniform bits: √(−2 log u) (cos φ, sin φ)."""
    return cartesian(*polar(word, other))


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
    """The angle in [−π, π] of the vector (c, s) ≠ 0; NaN for NaN."""
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
    return upper._call("copysign", s)


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
    """exp(x) for |x| ≤ 700, to about 1 ulp, of several x in step: their chains of operations overlap."""
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
    """1 / (1 + exp(−x)) of several x in step; NaN for NaN."""
    below = [x.where(">", _MAX_EXPONENT, x.lift(_MAX_EXPONENT), x) for x in xs]
    bounded = [x.where("<", -_MAX_EXPONENT, x.lift(-_MAX_EXPONENT), x) for x in below]
    return tuple(1.0 / (1.0 + grown) for grown in exponentials(tuple(-x for x in bounded)))


@traced(gives=FLOATS)
def logistic(x: Vector) -> Vector:
    """1 / (1 + exp(−x)); NaN for NaN."""
    return logistics((x,))[0]
