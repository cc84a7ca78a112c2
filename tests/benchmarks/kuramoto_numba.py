"""A Kuramoto step in scalar numba, member by member, without fast-math."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numba import njit

from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_problem import DT, Problem, contestant

PLAIN, IDENTITY = "numba scalar, plain", "numba scalar, identity"
# Taylor: 1e-14 at |a| = 0.25.
SIN = (1 / 362880, -1 / 5040, 1 / 120, -1 / 6)
COS = (-1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2)
RENORMALISE_EVERY = 32


def contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(PLAIN, "sin of every difference", _start(_plain), problem)
    yield contestant(IDENTITY, "row sums, cos and sin of φ", _start(_row_sums), problem)
    yield contestant(IDENTITY, "columns added, cos and sin of φ", _start(_columns), problem)
    yield contestant(IDENTITY, "columns added, z turned by polynomials", _start(_columns_turned), problem)
    yield contestant(IDENTITY, "each pair once, z turned by polynomials", _start(_pairs_turned), problem)


def _start(kernel: Callable) -> Callable:
    return lambda problem, members: _Scalar(problem, members, kernel)


class _Scalar:
    def __init__(self, problem: Problem, members: int, kernel: Callable) -> None:
        self.rotation, self.kernel = DT * problem.frequencies, kernel
        self.phases, self.matrices = (
            problem.phases(members),
            problem.matrices(members) * (DT / problem.oscillators),
        )

    def advance(self, steps: int) -> np.ndarray:
        r = np.empty(len(self.phases))
        for member, (phi, w) in enumerate(zip(self.phases, self.matrices, strict=True)):
            r[member] = self.kernel(phi, w, self.rotation, steps)
        return r


@njit
def _plain(phi, w, rotation, steps):
    N, r_sum = len(phi), 0.0
    pull = np.empty(N)
    for _ in range(steps):
        for i in range(N):
            pull[i] = rotation[i]
            for j in range(N):
                pull[i] += w[i, j] * math.sin(phi[j] - phi[i])
        c_sum = s_sum = 0.0
        for i in range(N):
            phi[i] += pull[i]
            c_sum += math.cos(phi[i])
            s_sum += math.sin(phi[i])
        r_sum += math.sqrt(c_sum**2 + s_sum**2) / N
    return r_sum / steps


@njit
def _row_sums(phi, w, rotation, steps):
    N, r_sum = len(phi), 0.0
    c, s = np.cos(phi), np.sin(phi)
    for _ in range(steps):
        for i in range(N):
            along_c = along_s = 0.0
            for j in range(N):
                along_c += w[i, j] * c[j]
                along_s += w[i, j] * s[j]
            phi[i] += rotation[i] + c[i] * along_s - s[i] * along_c
        r_sum += _phasors(phi, c, s)
    return r_sum / steps


@njit
def _columns(phi, w, rotation, steps):
    N, r_sum = len(phi), 0.0
    c, s = np.cos(phi), np.sin(phi)
    along_c, along_s = np.empty(N), np.empty(N)
    for _ in range(steps):
        add_columns(w, c, s, along_c, along_s)
        for i in range(N):
            phi[i] += rotation[i] + c[i] * along_s[i] - s[i] * along_c[i]
        r_sum += _phasors(phi, c, s)
    return r_sum / steps


@njit
def _columns_turned(phi, w, rotation, steps):
    N, r_sum = len(phi), 0.0
    c, s = np.cos(phi), np.sin(phi)
    along_c, along_s, angle = np.empty(N), np.empty(N), np.empty(N)
    for step in range(steps):
        add_columns(w, c, s, along_c, along_s)
        for i in range(N):
            angle[i] = rotation[i] + c[i] * along_s[i] - s[i] * along_c[i]
        r_sum += turn(c, s, angle)
        if step % RENORMALISE_EVERY == 0:
            renormalise(c, s)
    phi[:] = np.arctan2(s, c)
    return r_sum / steps


@njit
def _pairs_turned(phi, w, rotation, steps):
    N, r_sum = len(phi), 0.0
    c, s = np.cos(phi), np.sin(phi)
    angle = np.empty(N)
    for step in range(steps):
        angle[:] = rotation
        for i in range(N):
            ci, si, total = c[i], s[i], 0.0
            for j in range(i + 1, N):
                force = w[i, j] * (s[j] * ci - c[j] * si)
                total += force
                angle[j] -= force
            angle[i] += total
        r_sum += turn(c, s, angle)
        if step % RENORMALISE_EVERY == 0:
            renormalise(c, s)
    phi[:] = np.arctan2(s, c)
    return r_sum / steps


@njit
def add_columns(w, c, s, along_c, along_s):
    """w c and w s for symmetric w; an inner loop without a sum becomes vector instructions without fast-math."""
    N = len(c)
    along_c[:] = 0.0
    along_s[:] = 0.0
    for j in range(N):
        cj, sj = c[j], s[j]
        for i in range(N):
            along_c[i] += w[j, i] * cj
            along_s[i] += w[j, i] * sj


@njit
def _phasors(phi, c, s):
    """cos φ and sin φ; returns r."""
    c_sum = s_sum = 0.0
    for i in range(len(phi)):
        c[i], s[i] = math.cos(phi[i]), math.sin(phi[i])
        c_sum += c[i]
        s_sum += s[i]
    return math.sqrt(c_sum**2 + s_sum**2) / len(phi)


@njit
def turn(c, s, angle):
    """Turns the unit vectors (c, s) by small angles; returns r."""
    for i in range(len(angle)):
        a = angle[i]
        square = a * a
        sine = a + a * square * (((SIN[0] * square + SIN[1]) * square + SIN[2]) * square + SIN[3])
        rest = (((COS[0] * square + COS[1]) * square + COS[2]) * square + COS[3]) * square + COS[4]
        cosine = 1 + square * rest
        c[i], s[i] = c[i] * cosine - s[i] * sine, s[i] * cosine + c[i] * sine
    c_sum = s_sum = 0.0
    for i in range(len(angle)):
        c_sum += c[i]
        s_sum += s[i]
    return math.sqrt(c_sum**2 + s_sum**2) / len(angle)


@njit
def renormalise(c, s):
    for i in range(len(c)):
        scale = 1.5 - 0.5 * (c[i] * c[i] + s[i] * s[i])
        c[i] *= scale
        s[i] *= scale
