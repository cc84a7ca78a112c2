"""One learning iteration of one network (eqs. 4–8): our kernel and the alternatives."""

from collections.abc import Iterator

import numpy as np

from sim import network
from tests.benchmarks import cpp, network_cpp, network_jax, network_noise, network_numba, network_numpy
from tests.benchmarks.goals import Goal, at_least, at_most, goal_lines
from tests.benchmarks.harness import Contestant, Race, Report, as_data, race, table
from tests.benchmarks.network_problem import SEED, TOLERANCE, Problem, ours_alike

OURS = "sim.network"
FAMILIES = (
    OURS,
    network_noise.ALONE,
    network_noise.NOISE_PORTS,
    network_noise.MAP_PORTS,
    cpp.FAMILY,
    network_cpp.IN_DOUBLES,
    network_numba.FAMILY,
    network_jax.BEST,
    network_jax.PLAIN,
    network_numpy.BEST,
    network_numpy.PLAIN_ENSEMBLE,
    network_numpy.PLAIN,
)


def problems() -> list[Problem]:
    vowels, both = ("vowels.txt",), ("vowels.txt", "digits.txt")
    return [
        Problem("10,5,5", 10, vowels),
        Problem("20,15,15", 20, both),
        Problem("robust", 10, vowels, robust=True),
    ]


def benchmark(rounds: int) -> Report:
    """Race for every problem; the table and the goals."""
    races = [race(problem.name, _contestants(problem), rounds) for problem in problems()]
    goals = _goals(races)
    lines = [
        "One learning iteration of one network, eqs. 4–8: nanoseconds and × ours",
        f"(median of {rounds} turns; H,O,Q: hidden nodes, outputs and patterns, of 35 inputs;",
        " robust: 10,5,5 with the errors of all damaged networks;",
        f" weights of every contestant within {TOLERANCE:.0e} of the oracle's;",
        " what the core's ports allow: operations counted in our kernel's assembly, times the time of one at best)",
        "",
        table(races, FAMILIES, OURS),
        "",
        *_limits(races),
        "",
        *goal_lines(goals),
    ]
    return Report("\n".join(lines), {"races": as_data(races), "goals": [goal._asdict() for goal in goals]})


def _contestants(problem: Problem) -> Iterator[Contestant]:
    yield ours_alike(OURS, "learn", _Ours, problem)
    for rivals in (network_noise, network_cpp, network_numba, network_numpy, network_jax):
        yield from rivals.contestants(problem)


class _Ours:
    """`sim.network.learn`, from w = 0 every time; of its course only first and last iteration are recorded."""

    def __init__(self, problem: Problem, members: int) -> None:
        self.problem, self.members = problem, np.arange(members)

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        s = self.problem.settings
        strengths = {"sigma": s.sigma * noise, "robust_sigma": s.robust_sigma * noise}
        chosen, recorded = s._replace(iterations=iterations, **strengths), np.array([0, iterations - 1])
        return network.learn(chosen, self.problem.encoded, SEED, self.members, recorded).weight


def _limits(races: list[Race]) -> list[str]:
    """How far noise alone is from what the ports allow, and how much of an iteration that limit is."""
    lines = (
        [network_noise.what_was_counted()] if any(entry.winner(network_noise.MAP_PORTS) for entry in races) else []
    )
    for entry in races:
        noise, whole = (entry.ratio(network_noise.NOISE_PORTS, name) for name in (network_noise.ALONE, OURS))
        with_map = entry.ratio(network_noise.MAP_PORTS, OURS)
        if noise and whole and with_map:
            lines.append(
                f"  {entry.problem}: noise alone at {noise:.0%} of what the ports allow;"
                f" that limit is {whole:.0%} of an iteration, with the map {with_map:.0%}"
            )
    return lines


# --- goals ----------------------------------------------------------------------------------------------------

CPP_AT_MOST = 1.15


def _goals(races: list[Race]) -> list[Goal]:
    small, large, _ = races
    bounds = [
        (small, network_numba.FAMILY, 8),
        (small, network_numpy.PLAIN, 15),
        (small, network_numpy.PLAIN_ENSEMBLE, 15),
        (large, network_numpy.PLAIN, 10),
        (large, network_numpy.PLAIN_ENSEMBLE, 10),
    ]
    return [
        *(
            at_least(f"{entry.problem}: times as fast as {family}", entry.ratio(family, OURS), bound)
            for entry, family, bound in bounds
        ),
        *(
            at_most(f"{entry.problem}: time over that of {cpp.FAMILY}", entry.ratio(OURS, cpp.FAMILY), CPP_AT_MOST)
            for entry in races
        ),
    ]
