"""Eight ensemble members side by side in one vector register.

A kernel written with this module computes eight members at once: its numbers are `FLOATS` (eight doubles)
or `WORDS` (eight 64-bit words), one lane a member. Noise is made of `SINGLES` (sixteen single-precision numbers) and
`HALVES` (sixteen 32-bit words), two lanes a member: k and k + 8. Operators lower to plain IEEE operations and fused
multiply-adds, never to reassociated or approximate ones. So a lane's result depends on that lane alone and is
bitwise the same on every processor, whatever vector width it has. `sim.memory` loads and stores vectors,
`sim.elementary` has the functions of them.

`traced` functions are plain Python over `Vector`s that numba expands in place: their Python loops unroll
while the kernel compiles, which is how a sum over ten oscillators becomes straight-line code. Inside an
`@kernel` they are called like any other function.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 8

Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])

_DOUBLE, _WORD, _SINGLE, _INT32 = ir.DoubleType(), ir.IntType(64), ir.FloatType(), ir.IntType(32)
FLOATS_IR, _WORDS_IR = ir.VectorType(_DOUBLE, LANES), ir.VectorType(_WORD, LANES)
_SINGLES_IR, _HALVES_IR = ir.VectorType(_SINGLE, 2 * LANES), ir.VectorType(_INT32, 2 * LANES)
_SUFFIXES = {_DOUBLE: "f64", _WORD: "i64", _SINGLE: "f32", _INT32: "i32"}


class _LaneType(types.Type):
    """A numba type that is one LLVM vector."""


def _lane_type(name: str, vector_type: ir.Type) -> types.Type:
    """A numba type of this name that is this LLVM vector."""
    kind = type(name, (_LaneType,), {})

    class Model(models.PrimitiveModel):
        def __init__(self, manager: Any, lane_type: types.Type) -> None:
            super().__init__(manager, lane_type, vector_type)

    register_model(kind)(Model)
    return kind(name=name)


FLOATS, WORDS = _lane_type("float64x8", FLOATS_IR), _lane_type("uint64x8", _WORDS_IR)
SINGLES, HALVES = _lane_type("float32x16", _SINGLES_IR), _lane_type("uint32x16", _HALVES_IR)


class Vector:
    """A vector of any kind while a kernel compiles; operators emit the instruction for all lanes.

    A Python or numba scalar operand is broadcast to all lanes.

    Args:
        builder: where instructions go.
        value: an LLVM vector: FLOATS, WORDS, SINGLES or HALVES.
    """

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    @property
    def is_float(self) -> bool:
        """Doubles or single-precision numbers, not words."""
        return self.value.type in (FLOATS_IR, _SINGLES_IR)

    def lift(self, other: "Vector | float") -> "Vector":
        """`other` as a vector of this one's kind."""
        if isinstance(other, Vector):
            return other
        return Vector(self.builder, ir.Constant(self.value.type, [other] * self.value.type.count))

    def _emit(self, float_op: str | None, word_op: str | None, other: "Vector | float") -> "Vector":
        name = float_op if self.is_float else word_op
        if name is None:
            raise TypeError(f"operator not defined for {'numbers' if self.is_float else 'words'}")
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

    def intrinsic(self, name: str, *others: "Vector | float") -> "Vector":
        """LLVM's vector intrinsic `name` of this and the others.

        Args:
            name: without prefix and type: "sqrt".
            *others: further operands, lifted to this one's kind.

        Returns:
            A vector of this one's kind.
        """
        kind = f"v{self.value.type.count}{_SUFFIXES[self.value.type.element]}"
        operands = [self.value, *(self.lift(other).value for other in others)]
        function_type = ir.FunctionType(self.value.type, [self.value.type] * len(operands))
        function = cgutils.get_or_insert_function(self.builder.module, function_type, f"llvm.{name}.{kind}")
        return Vector(self.builder, self.builder.call(function, operands))

    def rotate_left(self, places: int) -> "Vector":
        """The words with their bits rotated left."""
        return self.intrinsic("fshl", self, places)

    def as_words(self) -> "Vector":
        """The same bits of FLOATS, read as WORDS."""
        return Vector(self.builder, self.builder.bitcast(self.value, _WORDS_IR))

    def as_floats(self) -> "Vector":
        """The same bits of WORDS, read as FLOATS."""
        return Vector(self.builder, self.builder.bitcast(self.value, FLOATS_IR))

    def as_halves(self) -> "Vector":
        """The same bits of SINGLES, read as HALVES."""
        return Vector(self.builder, self.builder.bitcast(self.value, _HALVES_IR))

    def as_singles(self) -> "Vector":
        """The same bits of HALVES, read as SINGLES."""
        return Vector(self.builder, self.builder.bitcast(self.value, _SINGLES_IR))

    def rounded(self, signed: bool) -> "Vector":
        """The numbers that HALVES stand for, rounded to SINGLES.

        Args:
            signed: whether they stand for −2^31 … 2^31 − 1, not for 0 … 2^32 − 1.
        """
        convert = self.builder.sitofp if signed else self.builder.uitofp
        return Vector(self.builder, convert(self.value, _SINGLES_IR))

    def widened(self) -> tuple["Vector", "Vector"]:
        """SINGLES as two FLOATS: of the first and of the last eight lanes."""
        first, last = (Vector(self.builder, self.builder.fpext(part, FLOATS_IR)) for part in self._in_two())
        return first, last

    def joined(self) -> "Vector":
        """HALVES as WORDS: lane k is the low half of a word, lane k + 8 the high one."""
        low, high = (Vector(self.builder, self.builder.zext(part, _WORDS_IR)) for part in self._in_two())
        return low | (high << 32)

    def split(self) -> "Vector":
        """WORDS as HALVES, the opposite of `joined`."""
        halves_of_words = self.builder.bitcast(self.value, _HALVES_IR)
        low_then_high = [2 * k for k in range(LANES)] + [2 * k + 1 for k in range(LANES)]
        return Vector(self.builder, _shuffled(self.builder, halves_of_words, low_then_high))

    def _in_two(self) -> tuple[ir.Value, ir.Value]:
        first, last = range(LANES), range(LANES, 2 * LANES)
        return _shuffled(self.builder, self.value, first), _shuffled(self.builder, self.value, last)

    def where(self, comparison: str, other: "Vector | float", yes: "Vector", no: "Vector | float") -> "Vector":
        """Lane by lane `yes` where `self comparison other`, else `no`; a NaN compares false.

        Args:
            comparison: "<", "<=", ">", ">=", "==" or "!=".
            other: of this one's kind.
            yes: FLOATS or WORDS.
            no: of the kind of `yes`.

        Returns:
            A vector of the kind of `yes`.
        """
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_unsigned
        mask = compare(comparison, self.value, self.lift(other).value)
        return Vector(self.builder, self.builder.select(mask, yes.value, yes.lift(no).value))


class Rows:
    """A C-contiguous array (rows, 8) of doubles or words while a kernel compiles: `rows[k]` is one vector.

    Args:
        builder: where instructions go.
        data: pointer to the array's first element.
        vector_type: the LLVM vector that is a row.
    """

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
        return _broadcast(self.builder, self.builder.load(self.builder.gep(numbers, [k])), FLOATS_IR)

    def _address(self, row: int | ir.Value) -> ir.Value:
        index = ir.Constant(_WORD, row) if isinstance(row, int) else row
        return self.builder.gep(self.pointer, [index])

    def __getitem__(self, row: int | ir.Value) -> Vector:
        loaded = self.builder.load(self._address(row))
        loaded.align = 8
        return Vector(self.builder, loaded)

    def __setitem__(self, row: int | ir.Value, vector: Vector) -> None:
        self.builder.store(vector.value, self._address(row)).align = 8


def _shuffled(builder: ir.IRBuilder, vector: ir.Value, lanes: Sequence[int]) -> ir.Value:
    """A vector of these lanes of another."""
    places = ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), places)


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
        return Rows(builder, data, FLOATS_IR if numba_type.dtype == types.float64 else _WORDS_IR)
    if isinstance(numba_type, types.UniTuple) and isinstance(numba_type.dtype, _LaneType):
        return tuple(Vector(builder, builder.extract_value(value, k)) for k in range(numba_type.count))
    if isinstance(numba_type, types.UniTuple):  # a size that is the length of a tuple
        return numba_type.count
    if isinstance(numba_type, types.Float):
        return _broadcast(builder, context.cast(builder, value, numba_type, types.float64), FLOATS_IR)
    if numba_type in (types.uint64, types.uint32):
        return _broadcast(builder, context.cast(builder, value, numba_type, types.uint64), _WORDS_IR)
    if isinstance(numba_type, types.Integer):
        return context.cast(builder, value, numba_type, types.intp)
    raise TypeError(f"a traced function can't take {numba_type}")


def register_typing(function: Callable[..., Any], result_type: Callable[..., types.Type | None]) -> None:
    """Tell numba the result type of a call.

    Args:
        function: that is called in kernels.
        result_type: gets the numba types of the arguments, gives that of the result; None: not for these
            arguments.
    """

    class Template(AbstractTemplate):
        key = function

        def generic(self, arguments: tuple[types.Type, ...], keywords: dict[str, types.Type]) -> Any:
            result = result_type(*arguments)
            return None if result is None else signature(result, *arguments)

    infer(Template)
    infer_global(function, types.Function(Template))


def traced(
    gives: types.Type | Callable[..., types.Type],
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Let kernels call a Python function over `Vector`s; it is expanded, loops unrolled, where it is called.

    Inside the function an array (rows, 8) is `Rows`, a float or uint64 scalar is a `Vector` with equal lanes,
    a signed integer is a row number, and a tuple of integers is its length.
    What kernels pass differs from what the function gets, so only the type it returns is kept.

    Args:
        gives: numba type of the result (`FLOATS`, `WORDS`, `types.none` or a `UniTuple` of them), or a function
            of the numba argument types that returns it.

    Returns:
        A decorator, which gives the function back as it is.
    """

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        register_typing(function, lambda *arguments: gives if isinstance(gives, types.Type) else gives(*arguments))

        def lower(context: Any, builder: ir.IRBuilder, call: Any, arguments: Any) -> ir.Value:
            operands = zip(call.args, arguments, strict=True)
            result: Any = function(*(_to_traced(context, builder, *operand) for operand in operands))
            if isinstance(result, tuple):
                return context.make_tuple(builder, call.return_type, [v.value for v in result])
            return context.get_dummy_value() if result is None else result.value

        lower_builtin(function, types.VarArg(types.Any))(lower)
        return function

    return register


def inlined(function: Function) -> Function:
    """Compile a function into the kernels that call it."""
    compiled: Function = njit(function, nogil=True, forceinline=True)
    return compiled


def _register_operator(op: Callable[..., Any]) -> None:
    """Make a binary operator work between lane vectors, and between FLOATS and a scalar, inside kernels."""

    def result_type(*operands: types.Type) -> types.Type | None:
        lanes = next((t for t in operands if isinstance(t, _LaneType)), None)
        fits = all(t == lanes or (lanes == FLOATS and isinstance(t, types.Float)) for t in operands)
        return lanes if lanes is not None and fits and len(operands) == 2 else None

    register_typing(op, result_type)

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
