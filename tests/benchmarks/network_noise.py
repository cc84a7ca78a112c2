"""The noise of a learning iteration alone, and the least time the core's ports allow for it and for the map."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numba import njit

from sim import network
from sim.memory import align_stack, load, store
from sim.noise import WEIGHT_NOISE, next_normals, stream
from sim.vectors import LANES
from tests.benchmarks.harness import Contestant, Prepared
from tests.benchmarks.network_problem import SEED, Problem
from tests.benchmarks.vector_operations import assembly_of, loops_with, operations, ports_allow

ALONE, NOISE_PORTS, MAP_PORTS = "noise alone", "noise: ports allow", "noise, map: ports allow"
_TURN = 4
_IN_NORMALS = "vsqrtps"
"""The instruction by which the loop over the noise is found: a radius takes one."""


def contestants(problem: Problem) -> Iterator[Contestant]:
    yield Contestant(ALONE, "sim.noise", lambda: _prepare(problem))
    yield from ports_allow(NOISE_PORTS, lambda: noise_operations(problem) / LANES)
    yield from ports_allow(MAP_PORTS, lambda: map_operations(problem) / LANES)


def what_was_counted() -> str:
    """Where the operations of the two rows come from, in a line."""
    return (
        f"{_in_turn(_learning())} vector operations for four weights of eight members,"
        f" {_in_turn(_drawing())} of them noise; {_seeding()} an iteration to seed"
    )


def _turns(problem: Problem) -> int:
    return -(-problem.connections // _TURN)


def _prepare(problem: Problem) -> Prepared:
    members, rows = np.arange(LANES, dtype=np.uint64)[None], np.empty((_TURN * _turns(problem), LANES))
    return Prepared(lambda repeats: _draw(np.uint64(SEED), members, repeats, rows), units=LANES)


@njit
def _draw(seed, members, iterations, rows):
    """The noise of so many iterations, each over that of the one before."""
    align_stack()
    for n in range(iterations):
        state = stream(seed, load(members, 0), n, WEIGHT_NOISE)
        for k in range(0, rows.shape[0], 4):
            (first, second, third, fourth), state = next_normals(state)
            store(rows, k, first)
            store(rows, k + 1, second)
            store(rows, k + 2, third)
            store(rows, k + 3, fourth)


def noise_operations(problem: Problem) -> int:
    """Vector operations of an iteration's noise for eight members: seeding, and a turn for every four weights."""
    return _seeding() + _turns(problem) * _in_turn(_drawing())


def map_operations(problem: Problem) -> int:
    """The same with those of the map, which moves the weights: its loop is that of our kernel."""
    return _seeding() + _turns(problem) * _in_turn(_learning())


def _in_turn(assembly: list[str]) -> int:
    """Vector operations for four weights of eight members: of the smallest loop with a radius."""
    return operations(assembly, loops_with(assembly, _IN_NORMALS)[0])


def _seeding() -> int:
    """Vector operations of an iteration outside of its turns."""
    inner, outer, *_ = loops_with(_drawing(), _IN_NORMALS)
    return operations(_drawing(), outer) - operations(_drawing(), inner)


@cache
def _drawing() -> list[str]:
    _draw(np.uint64(SEED), np.zeros((1, LANES), dtype=np.uint64), 1, np.empty((4, LANES)))
    return assembly_of(_draw)


@cache
def _learning() -> list[str]:
    """Our kernel's assembly, compiled anew: what comes from the disk has none."""
    problem = Problem("smallest", 1, ("vowels.txt",))
    network.learn(
        problem.settings._replace(iterations=1), problem.encoded, SEED, np.arange(LANES), np.zeros(1, dtype=int)
    )
    compiled = njit(network._learn.py_func, error_model="numpy")
    compiled.compile(network._learn.signatures[0])
    return assembly_of(compiled)
