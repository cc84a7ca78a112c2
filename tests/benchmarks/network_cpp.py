"""Our learning loop in C++ (`network_iteration.cpp`): five or ten sums at a time, H, O and Q known or not.

With our noise, and with Box–Muller in doubles, which is compared under noise of its own.
"""

import ctypes
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from sim.vectors import LANES
from tests.benchmarks import cpp
from tests.benchmarks.harness import Contestant
from tests.benchmarks.network_problem import SEED, Problem, contestant, ours_alike

IN_DOUBLES = "C++, noise in doubles"


def contestants(problem: Problem) -> Iterator[Contestant]:
    builds = list(cpp.builds())
    if not builds:
        yield cpp.no_compiler()
    sizes = [f"HIDDEN={problem.hidden}", f"OUTPUTS={problem.outputs}", f"PATTERNS={problem.patterns}"]
    entry = "robust" if problem.settings.robust else "by_error"
    for build, known, nodes in itertools.product(builds, ([], sizes), (5, 10)):
        name = f"{build.name}, {nodes} sums at a time{', sizes known' if known else ''}"
        start = partial(_start, build, known, f"{entry}_{nodes}")
        yield ours_alike(cpp.FAMILY, name, partial(start, "singles"), problem)
        yield contestant(IN_DOUBLES, name, partial(start, "doubles"), problem)


def _start(
    build: cpp.Build, known: list[str], entry: str, noise: str, problem: Problem, members: int
) -> "_Compiled":
    function = build.library("network_iteration.cpp", *known)[f"{entry}_{noise}"]
    return _Compiled(problem, members, function, from_zero=noise == "singles")


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("inputs", "hidden", "outputs", "patterns")),
        *((name, ctypes.c_void_p) for name in ("active", "first", "target")),
    )


class _Learning(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_double) for name in ("eta", "sigma", "robust_eta", "robust_sigma", "threshold")),
        ("seed", ctypes.c_uint64),
    )


class _Compiled:
    def __init__(self, problem: Problem, members: int, function: Callable, from_zero: bool) -> None:
        if members != LANES:
            raise ValueError(f"{members} members: the C++ takes {LANES}")
        self.function, self.settings, self.encoded = function, problem.settings, problem.encoded
        arrays = (self.encoded.active, self.encoded.first, self.encoded.target)
        self.network = _Network(
            problem.inputs, problem.hidden, problem.outputs, problem.patterns, *(a.ctypes.data for a in arrays)
        )
        self.members = np.arange(LANES, dtype=np.uint64)
        self.iteration = 0
        self.generations = cpp.aligned(np.zeros((2, problem.connections, LANES)))
        self.last = cpp.aligned(np.zeros((2, LANES)))
        if not from_zero:
            begin = problem.start(members)
            self.generations[0], self.generations[1] = begin.weights.T, begin.before.T
            self.last[0], self.last[1] = begin.error, begin.failure
        function.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_long, ctypes.c_long, *[ctypes.c_void_p] * 2]
        function.restype = None

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        s = self.settings
        learning = _Learning(s.eta, s.sigma * noise, s.robust_eta, s.robust_sigma * noise, s.threshold, SEED)
        members, generations, last = (a.ctypes.data for a in (self.members, self.generations, self.last))
        self.function(
            ctypes.byref(self.network),
            ctypes.byref(learning),
            members,
            self.iteration,
            iterations,
            generations,
            last,
        )
        self.iteration += iterations
        return self.generations[self.iteration % 2].T
