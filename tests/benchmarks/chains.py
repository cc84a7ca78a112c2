"""Chains of operations that do not wait for one another, by which a core's best rate is measured."""

from numba.core import types

from sim.elementary import fma
from sim.vectors import FLOATS, WORDS, Rows, Vector, traced


@traced(gives=lambda size, rows: types.UniTuple(FLOATS if rows.dtype == types.float64 else WORDS, size.count))
def starts(size: int, rows: Rows) -> tuple[Vector, ...]:
    """The first vector of each chain, of as many as `size` has elements."""
    return tuple(rows[k] for k in range(size))


@traced(gives=lambda chains, *_: chains)
def multiplied_and_added(
    chains: tuple[Vector, ...], links: int, factor: Vector, addend: Vector
) -> tuple[Vector, ...]:
    """Every chain longer by x ← x · factor + addend, as often as `links` has elements."""
    for _ in range(links):
        chains = tuple(fma(x, factor, addend) for x in chains)
    return chains


@traced(gives=types.none)
def keep(rows: Rows, chains: tuple[Vector, ...]) -> None:
    """Store the ends of the chains, so that none is left out as unused."""
    for k, x in enumerate(chains):
        rows[k] = x
