"""One Euler step of continuous learning (eq. 3: oscillators, window and weights): our kernel and the alternatives."""

from collections.abc import Iterator

import numpy as np

from sim import kuramoto_continuous
from tests.benchmarks import continuous_numba, continuous_numpy
from tests.benchmarks.continuous_problem import SEED, TOLERANCE, Problem, contestant
from tests.benchmarks.goals import Goal, at_least, goal_lines
from tests.benchmarks.harness import Contestant, Race, Report, as_data, race, table

SIZES = (10, 50)
OURS = "sim.kuramoto_continuous"
FAMILIES = (
    OURS,
    continuous_numba.FAMILY,
    continuous_numpy.BEST,
    continuous_numpy.PLAIN_ENSEMBLE,
    continuous_numpy.PLAIN,
)


def benchmark(rounds: int) -> Report:
    """Race at every size; the table and the goals."""
    problems = [Problem(size) for size in SIZES]
    races = [race(f"N={problem.oscillators}", _contestants(problem), rounds) for problem in problems]
    goals = _goals(races)
    lines = [
        "One Euler step of continuous learning of one system, eq. 3: nanoseconds and × ours",
        f"(median of {rounds} turns; T and Δ of {problems[0].window} and {problems[0].delay} steps;",
        f" weights of every contestant within {TOLERANCE:.0e} of the oracle's)",
        "",
        table(races, FAMILIES, OURS),
        "",
        *goal_lines(goals),
    ]
    return Report("\n".join(lines), {"races": as_data(races), "goals": [goal._asdict() for goal in goals]})


def _contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(OURS, "learn", _Ours, problem)
    for rivals in (continuous_numba, continuous_numpy):
        yield from rivals.contestants(problem)


class _Ours:
    """`sim.kuramoto_continuous.learn`, from w = W every time; of its course only the last step is recorded."""

    def __init__(self, problem: Problem, members: int, noise: np.ndarray | None) -> None:
        self.problem, self.members = problem, np.arange(members)  # whose noise is the one that others are given

    def advance(self, steps: int) -> np.ndarray:
        chosen = self.problem.settings._replace(duration=steps * self.problem.settings.dt)
        recorded = np.array([steps - 1])
        return kuramoto_continuous.learn(chosen, self.problem.frequencies, SEED, self.members, recorded).weight


# --- goals ----------------------------------------------------------------------------------------------------


def _goals(races: list[Race]) -> list[Goal]:
    bounds = {
        continuous_numba.FAMILY: 3,
        continuous_numpy.BEST: 5,
        continuous_numpy.PLAIN_ENSEMBLE: 25,
        continuous_numpy.PLAIN: 40,
    }
    return [
        at_least(f"{entry.problem}: times as fast as {family}", entry.ratio(family, OURS), bound)
        for entry in races
        for family, bound in bounds.items()
    ]
