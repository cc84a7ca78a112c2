"""The network every contestant lets learn, and the check that it does.

    ε (eqs. 5, 6) of all patterns; where robust, every ε_k and R (eq. 7); then the map (eq. 4 or 8) with Δ = 1

    w(n+1) = w(n) − {η [ε(n) − ε(n−1)] + η_R [R(n−1) − R(n)]} [w(n) − w(n−1)] + √{(σ ε)² + [σ_R (1 − R)]²} ξ

The project's patterns, one output a pattern; ξ fresh and independent for every weight, iteration and member. Each
contestant has noise of its own. So it is checked in turns: in a noisy iteration ξ has to look like independent
standard normals; a quiet one, the same code with its amplitudes times zero, has to agree with the oracle. Ours,
which starts from w = 0, and the C++, which draws our noise, have to follow the oracle under that noise.
"""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.systems import patterns
from sim import network, noise
from tests.benchmarks.harness import Contestant, Prepared, Wrong
from tests.reference import network as reference
from tests.reference.learning import next_weights

MEMBERS = 8
SEED = 7
CHECKED_ITERATIONS = 20
TOLERANCE = 1e-10
_FOLDER = Path(__file__).parents[2] / "data" / "patterns"


class Start(NamedTuple):
    """Where an ensemble starts, member first."""

    weights: np.ndarray
    """(member, connection) w(0)."""
    before: np.ndarray
    """(member, connection) w(−1)."""
    error: np.ndarray
    """(member,) ε(−1)."""
    failure: np.ndarray
    """(member,) 1 − R(−1); 0 unless robust."""


class Problem:
    """Networks with H hidden nodes that learn the patterns of some files."""

    def __init__(self, name: str, hidden: int, files: tuple[str, ...], robust: bool = False) -> None:
        self.name = name
        bitmaps = patterns.bitmaps(patterns.inline([str(_FOLDER / file) for file in files]))
        self.bitmaps = bitmaps.reshape(len(bitmaps), -1).astype(float)
        self.target = np.eye(len(bitmaps))
        self.encoded = network.encode(self.bitmaps)
        self.patterns, self.inputs = self.bitmaps.shape
        self.hidden, self.outputs = hidden, len(bitmaps)
        self.before_outputs = hidden * (self.inputs + 1)
        self.connections = network.connections(self.inputs, hidden, self.outputs)
        # Strengths that let weights stay moderate however long it takes; damaged errors fall on both sides of h
        strengths = {"robust_eta": 0.5 if robust else 0.0, "robust_sigma": 0.02 if robust else 0.0}
        self.settings = network.Settings(
            hidden, eta=10.0, sigma=0.1, delay=1, iterations=0, threshold=0.2502, absolute_error=False, **strengths
        )

    def start(self, members: int) -> Start:
        """The same for every contestant: MEMBERS different ones, repeated."""
        random = np.random.default_rng(self.hidden)
        weights = random.normal(0, 0.3, (MEMBERS, self.connections))
        before = weights + random.normal(0, 0.03, weights.shape)
        error, failure = zip(*map(self.error_and_failure, before), strict=True)
        return Start(*(np.resize(x, (members, *np.shape(x)[1:])) for x in (weights, before, error, failure)))

    def error_and_failure(self, weights: np.ndarray) -> tuple[float, float]:
        """ε and 1 − R of one network; 1 − R is 0 unless it matters."""
        case = weights, self.bitmaps, self.target, self.hidden
        failure = 1 - reference.robustness(*case, self.settings.threshold) if self.settings.robust else 0.0
        return reference.error(*case), failure

    def quiet_step(self, weights: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, float]:
        """One network: w(n+1) without noise, from w(n) and w(n−1); and the amplitude of the noise."""
        chosen = self.settings
        errors, failures = zip(self.error_and_failure(before), self.error_and_failure(weights), strict=True)
        past = [before, weights]
        by_error, by_failure = (
            next_weights(past, history, 0.0, eta, 0.0, 1) - weights
            for history, eta in ((errors, chosen.eta), (failures, chosen.robust_eta))
        )
        amplitude = np.hypot(chosen.sigma * errors[-1], chosen.robust_sigma * failures[-1])
        return weights + by_error + by_failure, amplitude

    @cached_property
    def expected(self) -> np.ndarray:
        """(MEMBERS, connection) the weights after the checked iterations from w = 0 under our noise."""
        drawn = [
            np.array([noise.normals(SEED, member, n, self.connections) for n in range(CHECKED_ITERATIONS)])
            for member in range(MEMBERS)
        ]
        runs = [reference.learn(self.settings, self.bitmaps, self.target, xi) for xi in drawn]
        if self.settings.robust and min(len(np.unique(run.robustness)) for run in runs) < 2:
            raise ValueError("R never changes, so nobody would notice who leaves it out; choose another h")
        return np.array([run.weight[-1] for run in runs])


class Simulation(Protocol):
    """An ensemble that remembers its state."""

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        """Learn for this many iterations with σ and σ_R times `noise`; returns w, (member, connection)."""


def contestant(
    family: str,
    variant: str,
    start: Callable[[Problem, int], Simulation],
    problem: Problem,
    members: int = MEMBERS,
    check: Callable[[Simulation, Problem, int], None] | None = None,
) -> Contestant:
    """A simulation, checked, then timed; a unit is one iteration of one member.

    check: None for one with noise of its own that starts from `problem.start(members)`.
    """

    def prepare() -> Prepared:
        simulation = start(problem, members)
        (check or _check_in_turns)(simulation, problem, members)
        return Prepared(simulation.advance, members)

    return Contestant(family, variant, prepare)


def check_under_our_noise(simulation: Simulation, problem: Problem, members: int) -> None:
    """Of one that starts from w = 0 and draws the noise of sim.noise for SEED and members 0, 1, …"""
    _compare(simulation.advance(CHECKED_ITERATIONS), np.resize(problem.expected, (members, problem.connections)))


ours_alike = partial(contestant, check=check_under_our_noise)


def _checked(members: int) -> np.ndarray:
    """The members that are compared: MEMBERS at most, spread over the ensemble."""
    return np.unique(np.linspace(0, members - 1, MEMBERS).astype(int))


def _check_in_turns(simulation: Simulation, problem: Problem, members: int) -> None:
    chosen, begin = _checked(members), problem.start(members)
    before, weights, drawn = begin.before[chosen], begin.weights[chosen], []
    for n in range(CHECKED_ITERATIONS):
        is_quiet = n % 2 == 0
        new = simulation.advance(1, noise=0.0 if is_quiet else 1.0)[chosen].copy()
        expected, amplitude = map(np.array, zip(*map(problem.quiet_step, weights, before), strict=True))
        if is_quiet:
            _compare(new, expected)
        else:
            drawn.append((new - expected) / amplitude[:, None])
        before, weights = weights, new
    _check_normals(np.array(drawn))
    for _ in range(3):
        before, weights = (
            weights,
            np.array([problem.quiet_step(*pair)[0] for pair in zip(weights, before, strict=True)]),
        )
    _compare(simulation.advance(3, noise=0.0)[chosen], weights)


def _compare(weights: np.ndarray, expected: np.ndarray) -> None:
    deviation = np.abs(weights - expected).max()
    if not deviation <= TOLERANCE:
        raise Wrong(f"weights off by {deviation:.1e}, tolerance {TOLERANCE:.0e}")


def _check_normals(xi: np.ndarray) -> None:
    """(iteration, member, connection): moments and correlations within six standard errors."""
    moments = (
        ("mean", xi.mean(), 1),
        ("variance", (xi**2).mean() - 1, 2),
        ("fourth moment", (xi**4).mean() - 3, 96),
    )
    for name, excess, variance in moments:
        if not abs(excess) < 6 * np.sqrt(variance / xi.size):
            raise Wrong(f"the noise has a {name} off by {excess:.2g}")
    for axis, name in enumerate(("iterations", "members", "weights")):
        rows = np.moveaxis(xi, axis, 0).reshape(xi.shape[axis], -1)
        correlation = np.abs(np.corrcoef(rows) - np.eye(len(rows))).max()
        if not correlation < 6 / np.sqrt(rows.shape[1]):
            raise Wrong(f"the noise of different {name} has a correlation of {correlation:.2g}")
