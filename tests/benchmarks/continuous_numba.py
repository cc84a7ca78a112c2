"""A step of continuous learning in scalar numba, member by member, without fast-math.

The variants differ in how they add the forces and in how they draw the noise.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tests.benchmarks.continuous_problem import Problem, contestant
from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_numba import RENORMALISE_EVERY, add_columns, renormalise, turn
from tests.benchmarks.network_numba import NOISES, scalar

FAMILY = "numba scalar"


def contestants(problem: Problem) -> Iterator[Contestant]:
    for forces, noise in itertools.product((_pairs, _columns), NOISES):
        variant = f"{forces.__doc__}; {noise.__doc__}"
        yield contestant(FAMILY, variant, partial(_Scalar, forces=forces, noise=noise), problem)


class _Scalar:
    def __init__(
        self, problem: Problem, members: int, given: np.ndarray | None, forces: Callable, noise: Callable
    ) -> None:
        draw, sources = noise(members) if given is None else (_next_given, _given(given))
        s, phases = problem.settings, problem.phases(members)
        self.settings, self.frequencies, self.run = s, problem.frequencies, _learn(scalar(forces), draw)
        weights = np.full((members, problem.window + problem.delay, len(problem.i)), s.target_mean_abs_weight)
        rings = np.zeros((members, problem.window)), np.zeros((members, problem.delay))
        self.members = list(zip(sources, np.cos(phases), np.sin(phases), weights, *rings, strict=True))
        self.step = 0

    def advance(self, steps: int) -> np.ndarray:
        for member in self.members:
            self.run(self.settings, self.frequencies, self.step, steps, *member)
        self.step += steps
        return np.array([weights[self.step % len(weights)] for _, _, _, weights, _, _ in self.members])


def _given(noise: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of every member the noise to take, (step, edge), and how much of it has been taken."""
    return [(np.ascontiguousarray(xi), np.zeros(1, dtype=np.int64)) for xi in np.moveaxis(noise, 1, 0)]


@scalar
def _next_given(source, out):
    noise, taken = source
    out[:] = noise[taken[0]]
    taken[0] += 1


# --- dφ of a step -----------------------------------------------------------------------------------------------


def _pairs(w, scale, c, s, rotation, matrix, along_c, along_s, angle):
    """each pair once"""
    N, edge = len(c), 0
    angle[:] = rotation
    for i in range(N):
        ci, si, total = c[i], s[i], 0.0
        for j in range(i + 1, N):
            force = scale * w[edge] * (s[j] * ci - c[j] * si)
            total += force
            angle[j] -= force
            edge += 1
        angle[i] += total


def _columns(w, scale, c, s, rotation, matrix, along_c, along_s, angle):
    """columns of the full matrix added"""
    N, edge = len(c), 0
    for i in range(N):
        for j in range(i + 1, N):
            matrix[i, j] = matrix[j, i] = w[edge]
            edge += 1
    add_columns(matrix, c, s, along_c, along_s)
    for i in range(N):
        angle[i] = rotation[i] + scale * (c[i] * along_s[i] - s[i] * along_c[i])


# --- learning -----------------------------------------------------------------------------------------------------


@functools.cache
def _learn(forces: Callable, draw: Callable) -> Callable:
    @scalar
    def learn(settings, frequencies, start, steps, source, c, s, weights, r, errors):
        N, dt, (length, count) = len(c), settings.dt, weights.shape
        rotation, matrix, xi = dt * frequencies, np.zeros((N, N)), np.empty(count)
        along_c, along_s, angle = np.empty(N), np.empty(N), np.empty(N)
        for k in range(start, start + steps):
            w, new, m = weights[k % length], weights[(k + 1) % length], k + 1 - len(r)
            forces(w, dt / N, c, s, rotation, matrix, along_c, along_s, angle)
            r[k % len(r)] = turn(c, s, angle)
            if k % RENORMALISE_EVERY == 0:
                renormalise(c, s)
            draw(source, xi)
            if m < 0:
                new[:] = w
                continue
            error = abs(settings.target_order_parameter - r.mean())
            change = error - errors[m % len(errors)] if m >= len(errors) else 0.0
            errors[m % len(errors)] = error
            total = 0.0
            for edge in range(count):
                total += abs(w[edge])
            growth = settings.weight_control * dt * (settings.target_mean_abs_weight - total / count)
            drift, amplitude = settings.eta * dt * change, settings.sigma * np.sqrt(dt) * error
            began = weights[m % length]
            for edge in range(count):
                moved = w[edge] - drift * (began[edge] - new[edge]) + growth * w[edge]
                new[edge] = moved + amplitude * xi[edge]

    return learn
