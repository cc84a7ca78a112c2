"""The PyPI package kuramoto: its derivative in an Euler loop, and its `run`, which calls SciPy's odeint."""

import importlib.util
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.harness import Contestant, Unavailable
from tests.benchmarks.kuramoto_problem import DT, Problem, contestant

DERIVATIVE, RUN = "PyPI kuramoto, Euler", "PyPI kuramoto, run()"
RUN_TOLERANCE = 0.05
"""odeint has an error of 1e-8, Euler with this dt one of some 1e-2: `run` can't be held to more."""


def contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(DERIVATIVE, "derivative() in an Euler loop", _Derivative, problem)
    run = "run() over 100 steps, tolerance 0.05"
    yield contestant(RUN, run, _Run, problem, least_steps=100, tolerance=RUN_TOLERANCE)


def _package() -> type:
    if not importlib.util.find_spec("kuramoto"):
        raise Unavailable("the package kuramoto is not installed")
    from kuramoto import Kuramoto

    return Kuramoto


class _Derivative:
    def __init__(self, problem: Problem, members: int) -> None:
        self.model = _package()(natfreqs=problem.frequencies)
        self.phases, self.matrices = problem.phases(members), problem.matrices(members)

    def advance(self, steps: int) -> np.ndarray:
        coupling, r_sum = 1 / self.model.n_nodes, np.zeros(len(self.phases))
        for member, weights in enumerate(self.matrices):
            phi = self.phases[member]
            for _ in range(steps):
                phi = phi + DT * self.model.derivative(phi, None, weights, coupling)
                r_sum[member] += np.abs(np.exp(1j * phi).mean())
            self.phases[member] = phi
        return r_sum / steps


class _Run:
    STEPS = 100

    def __init__(self, problem: Problem, members: int) -> None:
        N = problem.oscillators
        # It divides by the number of neighbours, N − 1, where eq. 9 has N.
        self.model = _package()(coupling=(N - 1) / N, dt=DT, T=self.STEPS * DT, natfreqs=problem.frequencies)
        self.phases, self.matrices = problem.phases(members), problem.matrices(members)

    def advance(self, steps: int) -> np.ndarray:
        r_sum = np.zeros(len(self.phases))
        for member, weights in enumerate(self.matrices):
            for _ in range(steps // self.STEPS):
                trajectory = self.model.run(adj_mat=weights, angles_vec=self.phases[member])
                r_sum[member] += self.model.phase_coherence(trajectory).mean()
                self.phases[member] = trajectory[:, -1]
        return r_sum / (steps // self.STEPS)
