"""The Kuramoto system every contestant integrates, and the check that it does.

    φ_i ← φ_i + dt [ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i)]     (eq. 9, explicit Euler)
    r = |Σ_j e^(iφ_j)| / N                                    (eq. 10, after every step)

Eight different members; larger ensembles repeat them. Fixed symmetric weights of either sign, of the size that
learning gives them, and dt as in the paper.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np

from sim.kuramoto import equidistant_frequencies
from sim.kuramoto_step import edges
from tests.benchmarks.harness import Contestant, Prepared, Wrong

DT = 0.05
MEMBERS = 8
CHECKED_STEPS = 100
TOLERANCE = 1e-10
"""On the mean of r over the checked steps, member by member: rounding, and polynomials good to 5e-17."""


class Problem:
    """One size N: phases (member, N), weights (member, edge) and the same as symmetric matrices (member, N, N)."""

    def __init__(self, oscillators: int) -> None:
        self.oscillators = oscillators
        self.frequencies = equidistant_frequencies(oscillators)
        random = np.random.default_rng(oscillators)
        i, j = edges(oscillators)
        self._phases = random.uniform(-np.pi, np.pi, (MEMBERS, oscillators))
        self._weights = random.normal(1.0, 1.0, (MEMBERS, len(i)))
        self._matrices = np.zeros((MEMBERS, oscillators, oscillators))
        self._matrices[:, i, j] = self._matrices[:, j, i] = self._weights
        largest = DT * (1 + np.abs(self._matrices).sum(axis=2).max() / oscillators)
        if largest > 0.25:
            raise ValueError(
                f"dφ up to {largest:.2f}: contestants that assume 0.25 at most would be wrong; lower DT"
            )

    def phases(self, members: int) -> np.ndarray:
        return np.resize(self._phases, (members, self.oscillators))

    def weights(self, members: int) -> np.ndarray:
        return np.resize(self._weights, (members, self._weights.shape[1]))

    def matrices(self, members: int) -> np.ndarray:
        return np.resize(self._matrices, (members, self.oscillators, self.oscillators))

    @cached_property
    def expected(self) -> np.ndarray:
        """The mean of r over the checked steps, (MEMBERS,), by plain NumPy."""
        return Plain(self, MEMBERS).advance(CHECKED_STEPS)

    @property
    def flops(self) -> int:
        """Floating-point operations of a step: 6 a pair, 25 an oscillator, 4 for r."""
        return 3 * self.oscillators * (self.oscillators - 1) + 25 * self.oscillators + 4


class Simulation(Protocol):
    """An ensemble that remembers its state."""

    def advance(self, steps: int) -> np.ndarray:
        """Integrate this many steps; returns the mean of r over them, (member,)."""


class Plain:
    """NumPy as one would write it, member by member. The others have to agree with it."""

    def __init__(self, problem: Problem, members: int) -> None:
        self.frequencies = problem.frequencies
        self.phases, self.matrices = problem.phases(members), problem.matrices(members)

    def advance(self, steps: int) -> np.ndarray:
        N = len(self.frequencies)
        r_sum = np.zeros(len(self.phases))
        for member, weights in enumerate(self.matrices):
            phi = self.phases[member]
            for _ in range(steps):
                pull = (weights * np.sin(phi[None, :] - phi[:, None])).sum(axis=1) / N
                phi = phi + DT * (self.frequencies + pull)
                r_sum[member] += np.abs(np.exp(1j * phi).mean())
            self.phases[member] = phi
        return r_sum / steps


def contestant(
    family: str,
    variant: str,
    start: Callable[[Problem, int], Simulation],
    problem: Problem,
    members: int = MEMBERS,
    least_steps: int = 1,
    tolerance: float = TOLERANCE,
) -> Contestant:
    """A simulation, checked, then timed in multiples of `least_steps`; a unit is one step of one member."""

    def prepare() -> Prepared:
        simulation = start(problem, members)
        _check(simulation.advance(CHECKED_STEPS), problem, tolerance)
        return Prepared(lambda repeats: simulation.advance(repeats * least_steps), members * least_steps)

    return Contestant(family, variant, prepare)


def _check(mean_r: np.ndarray, problem: Problem, tolerance: float) -> None:
    expected = np.resize(problem.expected, len(mean_r))
    deviation = np.abs(mean_r - expected).max()
    if not deviation <= tolerance:
        raise Wrong(f"mean r over {CHECKED_STEPS} steps off by {deviation:.1e}, tolerance {tolerance:.0e}")
