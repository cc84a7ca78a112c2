"""C++ rivals: compiled by every compiler of the machine, loaded, called with arrays of lanes.

Besides -O3 -march=native each compiler gets to choose whether a product and a sum may become one fused operation
(-ffp-contract=fast).
"""

import atexit
import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.vectors import LANES
from tests.benchmarks import machine
from tests.benchmarks.harness import Contestant, Unavailable

FAMILY = "C++"


class Build(NamedTuple):
    """One way to compile."""

    name: str
    compiler: str
    contraction: str

    def library(self, source: str, *definitions: str) -> ctypes.CDLL:
        """The compiled source, a file of this folder; definitions as in NAME=value. Raises Unavailable."""
        return _library(self.compiler, self.contraction, source, definitions)


def builds() -> Iterator[Build]:
    for compiler, version in machine.compilers().items():
        for contraction in ("off", "fast"):
            yield Build(f"{version}, -ffp-contract={contraction}", compiler, contraction)


def no_compiler() -> Contestant:
    """What takes part where there is none."""

    def prepare():
        raise Unavailable("neither g++ nor clang++ on the path, nor $CXX")

    return Contestant(FAMILY, "any", prepare)


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="benchmarks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def _library(compiler: str, contraction: str, source: str, definitions: tuple[str, ...]) -> ctypes.CDLL:
    library = _folder() / f"{len(list(_folder().iterdir()))}.so"
    flags = ["-std=c++17", "-O3", "-march=native", f"-ffp-contract={contraction}", "-shared", "-fPIC"]
    command = [compiler, *flags, *(f"-D{definition}" for definition in definitions)]
    path = str(Path(__file__).with_name(source))
    built = subprocess.run([*command, path, "-o", str(library)], capture_output=True, text=True)
    if built.returncode:
        raise Unavailable(f"{compiler} fails: {built.stderr.strip()[:300]}")
    return ctypes.CDLL(str(library))


def aligned(rows: np.ndarray) -> np.ndarray:
    """A copy of rows (…, 8) of doubles at a multiple of 64 bytes."""
    raw = np.empty(rows.size + LANES)
    skip = (-raw.ctypes.data % 64) // 8
    copy = raw[skip : skip + rows.size].reshape(rows.shape)
    copy[...] = rows
    return copy
