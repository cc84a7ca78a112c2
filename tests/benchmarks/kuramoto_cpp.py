"""Our kernel's loop in C++ (`kuramoto_step.cpp`), by every compiler, in tiles of five or ten oscillators."""

import ctypes
from collections.abc import Callable, Iterator

import numpy as np

from sim.vectors import LANES
from tests.benchmarks import cpp
from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_problem import DT, Problem, contestant


def contestants(problem: Problem) -> Iterator[Contestant]:
    builds = list(cpp.builds())
    if not builds:
        yield cpp.no_compiler()
    entries = ["tiles_of_5", "tiles_of_10", *(["unrolled_10"] if problem.oscillators == 10 else [])]
    for build in builds:
        for entry in entries:
            yield contestant(cpp.FAMILY, f"{build.name}, {entry.replace('_', ' ')}", _start(build, entry), problem)


def _start(build: cpp.Build, entry: str) -> Callable:
    return lambda problem, members: _Compiled(problem, members, build.library("kuramoto_step.cpp")[entry])


class _Compiled:
    def __init__(self, problem: Problem, members: int, function: Callable) -> None:
        if members != LANES:
            raise ValueError(f"{members} members: the C++ step takes {LANES}")
        phases = problem.phases(members).T
        self.oscillators, self.function = problem.oscillators, function
        self.phasor = cpp.aligned(np.stack([np.cos(phases), np.sin(phases)], axis=1).reshape(-1, LANES))
        self.weight = cpp.aligned(problem.weights(members).T)
        self.rotation = cpp.aligned(np.repeat(DT * problem.frequencies[:, None], LANES, axis=1))
        self.total = cpp.aligned(np.zeros((1, LANES)))
        arrays = [ctypes.c_void_p] * 3
        function.argtypes = [ctypes.c_int, ctypes.c_double, *arrays, ctypes.c_long, ctypes.c_void_p]
        function.restype = None

    def advance(self, steps: int) -> np.ndarray:
        phasor, weight, rotation, total = (
            a.ctypes.data for a in (self.phasor, self.weight, self.rotation, self.total)
        )
        self.function(self.oscillators, DT, phasor, weight, rotation, steps, total)
        return self.total[0] / (self.oscillators * steps)
