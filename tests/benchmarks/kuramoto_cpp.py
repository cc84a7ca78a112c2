"""Our kernel's loop in C++ (`kuramoto_step.cpp`), by every compiler of the machine.

Besides -O3 -march=native each compiler gets to choose whether a product and a sum may become one fused operation
(-ffp-contract=fast); and tiles of five or ten are tried. The fastest starts.
"""

import atexit
import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sim.lanes import LANES
from tests.benchmarks import machine
from tests.benchmarks.harness import Contestant, Unavailable
from tests.benchmarks.kuramoto_problem import DT, Problem, contestant

FAMILY = "C++"
_SOURCE = Path(__file__).with_suffix("").with_name("kuramoto_step.cpp")


def contestants(problem: Problem) -> Iterator[Contestant]:
    compilers = machine.compilers()
    if not compilers:
        yield Contestant(FAMILY, "any", _no_compiler)
    entries = ["tiles_of_5", "tiles_of_10", *(["unrolled_10"] if problem.oscillators == 10 else [])]
    for compiler, version in compilers.items():
        for contraction in ("off", "fast"):
            for entry in entries:
                name = f"{version}, -ffp-contract={contraction}, {entry.replace('_', ' ')}"
                yield contestant(FAMILY, name, _start(compiler, contraction, entry), problem)


def _no_compiler():
    raise Unavailable("neither g++ nor clang++ on the path, nor $CXX")


@functools.cache
def _library(compiler: str, contraction: str) -> ctypes.CDLL:
    folder = tempfile.mkdtemp(prefix="kuramoto-step-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = f"{folder}/step.so"
    flags = ["-std=c++17", "-O3", "-march=native", f"-ffp-contract={contraction}", "-shared", "-fPIC"]
    built = subprocess.run([compiler, *flags, str(_SOURCE), "-o", library], capture_output=True, text=True)
    if built.returncode:
        raise Unavailable(f"{compiler} fails: {built.stderr.strip()[:300]}")
    return ctypes.CDLL(library)


def _start(compiler: str, contraction: str, entry: str) -> Callable:
    return lambda problem, members: _Compiled(problem, members, getattr(_library(compiler, contraction), entry))


def _aligned(rows: np.ndarray) -> np.ndarray:
    """A copy of rows (count, 8) at a multiple of 64 bytes."""
    raw = np.empty(rows.size + LANES)
    skip = (-raw.ctypes.data % 64) // 8
    copy = raw[skip : skip + rows.size].reshape(rows.shape)
    copy[...] = rows
    return copy


class _Compiled:
    def __init__(self, problem: Problem, members: int, function: Callable) -> None:
        if members != LANES:
            raise ValueError(f"{members} members: the C++ step takes {LANES}")
        phases = problem.phases(members).T
        self.oscillators, self.function = problem.oscillators, function
        self.phasor = _aligned(np.stack([np.cos(phases), np.sin(phases)], axis=1).reshape(-1, LANES))
        self.weight = _aligned(problem.weights(members).T)
        self.rotation = _aligned(np.repeat(DT * problem.frequencies[:, None], LANES, axis=1))
        self.total = _aligned(np.zeros((1, LANES)))
        arrays = [ctypes.c_void_p] * 3
        function.argtypes = [ctypes.c_int, ctypes.c_double, *arrays, ctypes.c_long, ctypes.c_void_p]
        function.restype = None

    def advance(self, steps: int) -> np.ndarray:
        phasor, weight, rotation, total = (
            a.ctypes.data for a in (self.phasor, self.weight, self.rotation, self.total)
        )
        self.function(self.oscillators, DT, phasor, weight, rotation, steps, total)
        return self.total[0] / (self.oscillators * steps)
