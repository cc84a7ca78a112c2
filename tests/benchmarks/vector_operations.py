"""What the core's ports allow: vector operations counted in a kernel's assembly, times the time one takes at best.

Counted are the instructions of a loop that compute on vector registers: arithmetic, logic, conversions, shuffles.
Loads, stores, copies and scalar instructions go to other ports or to none, and count nothing. Each counts one, also
the few that take more (square roots, on some processors conversions). So no kernel with this loop takes less time.

The time of one is measured: chains of fused multiply-adds beside chains of integer additions and exclusive ors, which
do not wait for one another and fill all ports that vectors have.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numba import njit

from sim.memory import align_stack, broadcast
from sim.vectors import LANES, Vector, traced
from tests.benchmarks.chains import keep, multiplied_and_added, starts
from tests.benchmarks.harness import Contestant, Prepared, Unavailable

_LABEL = re.compile(r"^(\.?\w+):")
_JUMP = re.compile(r"^\s+j\w+\s+(\.?\w+)")
_COMPUTES = re.compile(r"^\s+v(?!mov|broadcast|pbroadcast|zero)\w+\s.*%[xyz]mm\d+(\s*\{.*\})*\s*$")

Loop = tuple[int, int]
"""First and last line."""


def loops_with(assembly: list[str], mark: str) -> list[Loop]:
    """The loops that contain an instruction, the innermost first.

    A loop is what lies between a label and a jump back to it.

    Raises:
        Unavailable: there is none; another processor's assembly, perhaps.
    """
    at = {match[1]: k for k, line in enumerate(assembly) if (match := _LABEL.match(line))}
    ends = {at[m[1]]: k for k, line in enumerate(assembly) if (m := _JUMP.match(line)) and at.get(m[1], k) < k}
    marked = [k for k, line in enumerate(assembly) if mark in line]
    found = [loop for loop in ends.items() if any(loop[0] < k < loop[1] for k in marked)]
    if not found:
        raise Unavailable(f"no loop with {mark} in the kernel's assembly")
    return sorted(found, key=lambda loop: loop[1] - loop[0])


def operations(assembly: list[str], loop: Loop) -> int:
    """Instructions of a loop that compute on vector registers."""
    return sum(bool(_COMPUTES.match(line)) for line in assembly[loop[0] : loop[1] + 1])


def assembly_of(compiled: Callable) -> list[str]:
    """Lines of the one signature a function has been compiled for."""
    (text,) = compiled.inspect_asm().values()
    return text.splitlines()


# --- the time of one operation --------------------------------------------------------------------------------

_CHAINS = (4, 5, 6, 8)
"""Of each kind; how many fill the ports depends on the processor."""
_LINKS = (0,) * 8


def ports_allow(family: str, operations_a_unit: Callable[[], float]) -> Iterator[Contestant]:
    """As many operations as a unit of work takes, at the core's best rate.

    Args:
        family: name of the row.
        operations_a_unit: counts them; called when the contestant prepares.
    """
    for chains in _CHAINS:
        yield Contestant(family, f"{chains} chains of each kind", partial(_prepare, chains, operations_a_unit))


def _prepare(chains: int, operations_a_unit: Callable[[], float]) -> Prepared:
    size, rows = (0,) * chains, np.random.default_rng(0).uniform(size=(chains, LANES))
    words, count = np.random.default_rng(1).integers(0, 2**64, (chains, LANES), dtype=np.uint64), 1000
    _mixed(size, rows, words, 0.5, 0.5, 1)
    done = count * _operations_of_chains(chains)
    return Prepared(
        lambda repeats: _mixed(size, rows, words, 0.5, 0.5, repeats * count), units=done / operations_a_unit()
    )


def _operations_of_chains(chains: int) -> int:
    """Vector operations of one turn of the loop with so many chains of each kind."""
    texts = {signature[0].count: text for signature, text in _mixed.inspect_asm().items()}
    assembly = texts[chains].splitlines()
    return operations(assembly, loops_with(assembly, "vfmadd")[0])


@traced(gives=lambda chains: chains)
def _extend_words(chains: tuple[Vector, ...]) -> tuple[Vector, ...]:
    for _ in range(len(_LINKS) // 2):
        chains = tuple((x + 0x9E3779B97F4A7C15) ^ 0x1BD11BDAA9FC1A22 for x in chains)
    return chains


@njit
def _mixed(size, rows, words, factor, addend, count):
    align_stack()
    floats, others, f, a = starts(size, rows), starts(size, words), broadcast(factor), broadcast(addend)
    for _ in range(count):
        floats = multiplied_and_added(floats, _LINKS, f, a)
        others = _extend_words(others)
    keep(rows, floats)
    keep(words, others)
