"""Vectors to and from memory: rows of eight doubles or words, one lane a member."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin

from sim.vectors import FLOATS, FLOATS_IR, LANES, WORDS, Rows, Vector, inlined, register_typing, traced


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

    LLVM fixes the frame's alignment before it allocates registers. Without this, spilled vectors may straddle
    cache lines, depending on address space randomisation, at a third of the speed. An aligned slot, kept by an
    empty assembly statement, prevents that.
    """


def _lower_align_stack(context: Any, builder: ir.IRBuilder, call: Any, arguments: Any) -> ir.Value:
    with builder.goto_entry_block():
        slot = builder.alloca(FLOATS_IR)
        slot.align = 64
    use = ir.FunctionType(ir.VoidType(), [FLOATS_IR.as_pointer()])
    builder.call(ir.InlineAsm(use, "", "r,~{memory}", side_effect=True), [slot])
    return context.get_dummy_value()


register_typing(align_stack, lambda: types.none)
lower_builtin(align_stack)(_lower_align_stack)


@inlined
def empty_rows(count: int) -> np.ndarray:
    """An uninitialised array (count, 8) of doubles, aligned to cache lines."""
    raw = np.empty((count + 1) * LANES)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + count * LANES].reshape(count, LANES)


@inlined
def aligned_rows(rows: np.ndarray) -> np.ndarray:
    """A copy of rows (count, 8) that is aligned to cache lines, as numpy's arrays are not."""
    copy = empty_rows(rows.shape[0])
    copy_rows(rows, copy)
    return copy


@inlined
def copy_rows(source: np.ndarray, target: np.ndarray) -> None:
    """Copy rows (count, 8) of doubles."""
    for k in range(source.shape[0]):
        store(target, k, load(source, k))


def in_lanes(values: np.ndarray) -> np.ndarray:
    """From member first to lanes last.

    Args:
        values: (member, …), 1 to 8 members.

    Returns:
        (…, 8), C-contiguous; lanes left over repeat the last member.
    """
    padded = np.concatenate([values, np.repeat(values[-1:], LANES - len(values), axis=0)])
    return np.ascontiguousarray(np.moveaxis(padded, 0, -1))
