"""One Kuramoto Euler step (eq. 9 and the order parameter): our kernel and the alternatives."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numba import njit

from sim import kuramoto_step
from sim.memory import align_stack, broadcast, in_lanes
from sim.vectors import LANES
from tests.benchmarks import (
    cpp,
    kuramoto_cpp,
    kuramoto_jax,
    kuramoto_numba,
    kuramoto_numpy,
    kuramoto_package,
)
from tests.benchmarks.chains import keep, multiplied_and_added, starts
from tests.benchmarks.goals import Goal, at_least, at_most, goal_lines
from tests.benchmarks.harness import Contestant, Prepared, Race, Report, as_data, race, table
from tests.benchmarks.kuramoto_problem import DT, TOLERANCE, Problem, contestant

SIZES = (10, 50, 100, 300)
OURS, PEAK = "sim.kuramoto_step", "FMA peak"
FAMILIES = (
    OURS,
    cpp.FAMILY,
    kuramoto_numba.IDENTITY,
    kuramoto_numba.PLAIN,
    kuramoto_jax.BEST,
    kuramoto_jax.PLAIN,
    kuramoto_numpy.BEST,
    kuramoto_numpy.PLAIN_ENSEMBLE,
    kuramoto_numpy.PLAIN,
    kuramoto_package.DERIVATIVE,
    kuramoto_package.RUN,
)


def benchmark(rounds: int) -> Report:
    """Race at every size; the table, how close to the processor's peak, and the goals."""
    problems = [Problem(size) for size in SIZES]
    races = [race(f"N={problem.oscillators}", _contestants(problem), rounds) for problem in problems]
    of_peak = [_of_peak(entry, problem) for entry, problem in zip(races, problems, strict=True)]
    goals = _goals(races, of_peak)
    lines = [
        "One Kuramoto Euler step of one system, eq. 9 and r: nanoseconds and × ours",
        f"(median of {rounds} turns; mean r of every contestant within {TOLERANCE:.0e} of plain NumPy's;",
        f" {kuramoto_package.RUN} takes no Euler steps: within {kuramoto_package.RUN_TOLERANCE})",
        "",
        table(races, FAMILIES, OURS),
        "",
        "Of the core's measured FMA peak, counting 6 flops a pair, 25 an oscillator and 4:",
        *(f"  {entry.problem}: {_peak_line(each)}" for entry, each in zip(races, of_peak, strict=True)),
        "",
        *goal_lines(goals),
    ]
    data = {"races": as_data(races), "of_peak": of_peak, "goals": [goal._asdict() for goal in goals]}
    return Report("\n".join(lines), data)


def _contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(OURS, "run_steps", _Ours, problem)
    yield from _peak_contestants()
    for rivals in (kuramoto_cpp, kuramoto_numba, kuramoto_numpy, kuramoto_package, kuramoto_jax):
        yield from rivals.contestants(problem)


class _Ours:
    """`sim.kuramoto_step.run_steps`, eight members in a vector."""

    def __init__(self, problem: Problem, members: int) -> None:
        if members != LANES:
            raise ValueError(f"{members} members: run_steps takes {LANES}")
        self.oscillators = problem.oscillators
        self.size = kuramoto_step.size_of(problem.oscillators)
        self.couplings = kuramoto_step.connect(problem.frequencies, DT)
        self.phasor = kuramoto_step.phasors(in_lanes(problem.phases(members)))
        self.weight = in_lanes(problem.weights(members))
        self.total = np.empty((1, LANES))

    def advance(self, steps: int) -> np.ndarray:
        kuramoto_step.run_steps(self.size, self.couplings, DT, self.phasor, self.weight, steps, self.total)
        return self.total[0] / (self.oscillators * steps)


# --- the core's peak: chains of fused multiply-adds that don't wait for one another --------------------------

_CHAINS = (6, 8, 12, 16)
"""How many fill the pipelines depends on the processor; so many that they spill the registers are slow again."""
_LINKS = (0,) * 4


def _peak_contestants() -> Iterator[Contestant]:
    for chains in _CHAINS:
        yield Contestant(PEAK, f"{chains} chains", partial(_prepare_chains, chains))


def _prepare_chains(chains: int) -> Prepared:
    size, rows = (0,) * chains, np.random.default_rng(0).uniform(size=(chains, LANES))
    count = 1000
    return Prepared(
        lambda repeats: _multiply_add(size, rows, 0.5, 0.5, repeats * count),
        units=2 * LANES * chains * len(_LINKS) * count,
    )


@njit
def _multiply_add(size, rows, factor, addend, count):
    """Every row x ← x · factor + addend, `count` times the length of `_LINKS`; as many rows as `size` has elements."""
    align_stack()
    chains, f, a = starts(size, rows), broadcast(factor), broadcast(addend)
    for _ in range(count):
        chains = multiplied_and_added(chains, _LINKS, f, a)
    keep(rows, chains)


def _of_peak(entry: Race, problem: Problem) -> dict[str, float]:
    """The peak, flop/s, and the fraction of it that our kernel and the C++ reach."""
    peak = entry.winner(PEAK)
    ratios = {family: entry.ratio(family, PEAK) for family in (OURS, cpp.FAMILY)}
    fractions = {family: problem.flops / ratio for family, ratio in ratios.items() if ratio is not None}
    return {PEAK: 1 / peak.seconds, **fractions} if peak else {}


def _peak_line(of_peak: dict[str, float]) -> str:
    if not of_peak:
        return "not measured"
    fractions = (f"{family} {value:.0%}" for family, value in of_peak.items() if family != PEAK)
    return f"{', '.join(fractions)} of {of_peak[PEAK] / 1e9:.0f} GFLOP/s"


# --- goals ----------------------------------------------------------------------------------------------------

PLAIN_AT_LEAST, BEST_AT_LEAST = 250, 25
OF_PEAK_AT_LEAST = 0.70
CPP_AT_MOST = 1.15


def _goals(races: list[Race], of_peak: list[dict[str, float]]) -> list[Goal]:
    smallest = races[0]
    factors = {
        kuramoto_numpy.PLAIN: PLAIN_AT_LEAST,
        kuramoto_numpy.PLAIN_ENSEMBLE: PLAIN_AT_LEAST,
        kuramoto_numpy.BEST: BEST_AT_LEAST,
    }
    return [
        *(
            at_least(f"{smallest.problem}: times as fast as {family}", smallest.ratio(family, OURS), factor)
            for family, factor in factors.items()
        ),
        *(
            at_least(f"{entry.problem}: fraction of the FMA peak", fractions.get(OURS), OF_PEAK_AT_LEAST)
            for entry, fractions in zip(races[:2], of_peak[:2], strict=True)
        ),
        *(
            at_most(f"{entry.problem}: time over that of {cpp.FAMILY}", entry.ratio(OURS, cpp.FAMILY), CPP_AT_MOST)
            for entry in races
        ),
    ]
