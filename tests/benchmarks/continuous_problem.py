"""The continuously learning Kuramoto system every contestant integrates, and the check that it does.

    φ_i ← φ_i + dt [ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i)],   R = mean of r over the last T       (eqs. 9–11)
    w ← w + dt {−η [ε(t) − ε(t−Δ)] [w(t−T) − w(t−T−Δ)] + β (W − ⟨|w|⟩) w} + σ ε(t) √dt ξ         (eq. 3)

T and Δ of twenty steps each; ξ fresh and independent for every weight, step and member. Contestants are checked
under the noise of `sim.noise`, which they are given, against the oracle; then they are timed with noise of their own.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np

from sim import kuramoto, noise
from sim.kuramoto_continuous import Settings
from sim.kuramoto_step import edges
from sim.sizes import steps_in
from tests.benchmarks.harness import Contestant, Prepared, Wrong
from tests.reference import kuramoto_continuous as reference

MEMBERS = 8
SEED = 7
CHECKED_STEPS = 100
"""Two and a half times T + Δ: every ring has turned at least twice."""
TOLERANCE = 1e-9
LEAST_STEPS = 100


class Problem:
    """N oscillators; members start with the phases and draw the noise that `sim` gives the members 0, 1, … of SEED."""

    def __init__(self, oscillators: int) -> None:
        self.oscillators = oscillators
        self.frequencies = kuramoto.equidistant_frequencies(oscillators)
        self.i, self.j = edges(oscillators)
        self.settings = Settings(
            eta=2.0, sigma=0.2, delay=1.0, T=1.0, dt=0.05, duration=0.0, weight_control=0.05,
            target_order_parameter=0.6, target_mean_abs_weight=1.0,
            fixed_discarded=0.0, fixed_duration=0.05,  # one step: what follows on learning is not raced
        )  # fmt: skip
        self.window, self.delay = (
            steps_in(duration, self.settings.dt) for duration in (self.settings.T, self.settings.delay)
        )

    def phases(self, members: int) -> np.ndarray:
        """(member, N) at the start: MEMBERS different ones, repeated."""
        drawn = [kuramoto.initial_phases(SEED, member, self.oscillators) for member in range(MEMBERS)]
        return np.resize(drawn, (members, self.oscillators))

    def matrix(self, weights: np.ndarray) -> np.ndarray:
        """The symmetric matrix (…, N, N) of weights (…, edge), zero on its diagonal."""
        full = np.zeros((*weights.shape[:-1], self.oscillators, self.oscillators))
        full[..., self.i, self.j] = full[..., self.j, self.i] = weights
        return full

    def noise(self, members: int) -> np.ndarray:
        """(step, member, edge) ξ of the checked steps."""
        return self._noise[:, np.arange(members) % MEMBERS]

    @cached_property
    def _noise(self) -> np.ndarray:
        count, purpose = len(self.i), noise.CONTINUOUS_WEIGHT_NOISE
        drawn = [
            [noise.normals(SEED, member, k, count, purpose) for member in range(MEMBERS)]
            for k in range(CHECKED_STEPS)
        ]
        return np.array(drawn)

    @cached_property
    def expected(self) -> np.ndarray:
        """(MEMBERS, edge) the oracle's weights after the checked steps."""
        starts = zip(self.phases(MEMBERS), np.moveaxis(self._noise, 1, 0), strict=True)
        return np.array([reference.learn(self.settings, self.frequencies, *start).weight[-1] for start in starts])


class Simulation(Protocol):
    """An ensemble that remembers its state."""

    def advance(self, steps: int) -> np.ndarray:
        """Integrate this many steps; returns w, (member, edge)."""


def contestant(
    family: str,
    variant: str,
    start: Callable[[Problem, int, np.ndarray | None], Simulation],
    problem: Problem,
    members: int = MEMBERS,
) -> Contestant:
    """A simulation, checked, then timed; a unit is one step of one member.

    start: (problem, members, noise to take in turn, (step, member, edge), or None for its own) → simulation.
    """

    def prepare() -> Prepared:
        given = start(problem, members, problem.noise(members))
        _compare(given.advance(CHECKED_STEPS), np.resize(problem.expected, (members, len(problem.i))))
        simulation = start(problem, members, None)
        return Prepared(lambda repeats: simulation.advance(repeats * LEAST_STEPS), members * LEAST_STEPS)

    return Contestant(family, variant, prepare)


def _compare(weights: np.ndarray, expected: np.ndarray) -> None:
    deviation = np.abs(weights - expected).max()
    if not deviation <= TOLERANCE:
        raise Wrong(f"weights after {CHECKED_STEPS} steps off by {deviation:.1e}, tolerance {TOLERANCE:.0e}")
