"""Problems whose optimum is known, for searches that are simulated: no store, no system, only numbers with noise.

Places are in the unit square. Members that diverge give no number. The noise of a mean is that of the paper's learning
error: skewed, with a standard deviation of 0.63 of the mean (a gamma distribution of shape 2.5).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray
from threadpoolctl import threadpool_limits

from pipeline.plan import Record, Round, intervals
from pipeline.request import Search, Space
from pipeline.request.sampling import Range
from pipeline.search.proposing import of_means, of_shares
from pipeline.search.searching import Data, Value, conclusion, next_round

UNIT = Range(0.0, 1.0, logarithmic=False, step=None)
MEMBERS = 16
FEASIBLE = 0.05
_SHAPE = 2.5

Function = Callable[[np.ndarray], np.ndarray]


class Problem(NamedTuple):
    """A landscape with noise."""

    space: Space
    truth: Function
    """(place, axis) → (place,) what members give on average."""
    diverged: Function
    """(place, axis) → (place,) share of the members that diverge."""
    draw: Callable[[float, int, np.random.Generator], np.ndarray]
    """(truth at a place, members, generator) → (member,) numbers."""
    kind: str = "mean"
    goal: str = "min"
    slack: float = 0.0
    """Optima that are this close to the least value count as true ones."""

    def moved(self, seed):
        """The same landscape shifted by up to a twentieth of each side, so that no grid meets its optimum by chance."""
        shift = np.random.default_rng([seed, 3]).uniform(-0.05, 0.05, 2)
        if self.space.whole:
            shift[0] = np.rint(19 * 2 * shift[0]) / 19
        truth, diverged = self.truth, self.diverged
        return self._replace(
            truth=lambda places: truth(places - shift), diverged=lambda places: diverged(places - shift)
        )

    def loss(self, places):
        """What is least at the optimum; infinite where too many members diverge."""
        truth = self.truth(places) * (1 if self.goal == "min" else -1)
        return np.where(self.diverged(places) <= FEASIBLE, truth, np.inf)

    def optima(self):
        """(optimum, axis) the true places, and their value, on a grid of 501 × 501."""
        if self.space.whole:
            places = self.space.places(self.space.candidates())
            side = [np.unique(places[:, 0]), np.linspace(0, 1, 501)]
        else:
            side = [np.linspace(0, 1, 501)] * 2
        grid = np.stack(np.meshgrid(*side, indexing="ij"), -1).reshape(-1, 2)
        loss = self.loss(grid)
        order = np.argsort(loss, kind="stable")
        best = order[: np.searchsorted(loss[order], loss.min() + self.slack, side="right")]
        return grid[best], float(self.truth(grid[best[:1]])[0])

    def ensemble(self, place, members, random):
        """(member,) numbers, NaN for means of members that diverged, 0 for shares; and how many did."""
        places = np.array([place])
        gone = int(random.binomial(members, self.diverged(places)[0]))
        numbers = self.draw(float(self.truth(places)[0]), members - gone, random)
        return np.concatenate([numbers, np.full(gone, np.nan if self.kind == "mean" else 0.0)]), gone

    def estimates(self, numbers):
        """Estimates as a search makes them."""
        return (of_shares if self.kind == "fraction" else of_means)(numbers)


def branin(places):
    """Three equal minima of 0.397887; Branin, IBM J. Res. Dev. 16 (1972), 504."""
    x, y = 15 * places[:, 0] - 5, 15 * places[:, 1]
    return (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def _across_and_along(places, bend):
    """Decades across a ridge at 45° in a square of two decades, and along it."""
    x, y = 2 * places[:, 0], 2 * places[:, 1]
    along = (x - y) / np.sqrt(2)
    return (x + y - 2) / np.sqrt(2) + bend * along**2, along


def ridge(bend):
    """A valley, steeper on the side where members diverge."""

    def truth(places):
        across, along = _across_and_along(places, bend)
        left = 0.3 * (1 - np.exp(-((np.minimum(across, 0) / 0.35) ** 2)))
        right = 0.15 * (1 - np.exp(-((np.maximum(across, 0) / 0.2) ** 2)))
        return 0.03 + left + right + 0.02 * (along - 0.25) ** 2

    return truth


def cliff(bend):
    """Beyond which nearly all members diverge."""
    return lambda places: 1 / (1 + np.exp(-(_across_and_along(places, bend)[0] - 0.22) / 0.02))


def whole(places):
    """Least at 7 of 20, and 0.6 of the other axis."""
    number = 1 + 19 * places[:, 0]
    return 0.05 + 0.01 * (number - 7) ** 2 + 0.3 * (1 - np.exp(-(((places[:, 1] - 0.6) / 0.25) ** 2)))


def hill(places):
    """A share near 0 nearly everywhere, 0.35 at its top."""
    apart = (places - np.array([0.7, 0.3])) / 0.15
    return 0.002 + 0.35 * np.exp(-(apart**2).sum(axis=1) / 2)


def _nobody(places):
    return np.zeros(len(places))


def _skewed(truth, members, random):
    return random.gamma(_SHAPE, truth / _SHAPE, members)


SQUARE = Space({"x": UNIT, "y": UNIT})
PROBLEMS = {
    "Branin": Problem(
        SQUARE,
        branin,
        _nobody,
        lambda truth, members, random: truth + 0.3 * random.standard_normal(members),
        slack=2e-3,
    ),
    "straight ridge": Problem(SQUARE, ridge(0.0), cliff(0.0), _skewed),
    "curved ridge": Problem(SQUARE, ridge(0.25), cliff(0.25), _skewed),
    "whole numbers": Problem(
        Space({"n": Range(1, 20, logarithmic=False, step=1), "y": UNIT}, frozenset("n")), whole, _nobody, _skewed
    ),
    "share near 0": Problem(
        SQUARE,
        hill,
        _nobody,
        lambda truth, members, random: (random.random(members) < truth) * 1.0,
        "fraction",
        "max",
    ),
}


class Simulated(NamedTuple):
    """A search that was simulated."""

    covered: bool
    """Whether a true place is in the region."""
    right: bool
    """Whether the interval holds the true value of the place that was found."""
    regret: float
    """By how much that is worse than the best, as a share of the best."""
    share: float
    shape: str
    places: int


class Simulation:
    """A search of a problem, with stored numbers in memory.

    Args:
        problem: to be solved.
        seed: of the start and the noise.
        points: ensembles that it may cost.
    """

    def __init__(self, problem, seed, points=60):
        self.problem, self.random = problem, np.random.default_rng([seed, 7])
        self.search = Search(of="value", goal=problem.goal, points=points)
        start = problem.space.start(16, seed)
        self.record = Record({}, [], [Round("start", start, [MEMBERS] * len(start), [], len(start))])
        self.stored = {}

    def compute(self):
        """What the rounds ask for and is not there yet."""
        for point, members in self.record.known.items():
            numbers, gone = self.stored.get(point, (np.zeros(0), 0))
            if members > len(numbers):
                (place,) = self.problem.space.places([point])
                more, others = self.problem.ensemble(place, members - len(numbers), self.random)
                self.stored[point] = np.concatenate([numbers, more]), gone + others

    def data(self):
        """As a search reads it."""
        known = self.record.known
        numbers = [self.stored[point][0][:members] for point, members in known.items()]
        members = np.array(list(known.values()))
        gone = np.array([self.stored[point][1] for point in known])
        return Data(list(known), members, gone, members, self.problem.estimates(numbers), [])

    def rounds(self):
        """Every round, computed, until the search ends."""
        while True:
            self.compute()
            yield
            following = next_round(
                self.search, self.problem.space, self.data(), self.record, MEMBERS, common=False
            )
            if following is None:
                return
            self.record = self.record._replace(rounds=[*self.record.rounds, following])

    def found(self):
        """What it found, once it has ended."""
        last = self.record.rounds[-1]
        fresh = xarray.DataArray(self.stored[last.points[0]][0][-last.fresh :], dims="member")
        share = self.problem.kind == "fraction"
        told = intervals.fraction(fresh == 1, fresh.notnull()) if share else intervals.mean(fresh)
        value = Value(*(float(told[name]) for name in ("estimate", "low", "high")), int(told["count"]))
        return conclusion(self.search, self.problem.space, self.data(), self.record, value, common=False)


def regret(problem, place, best):
    """How much worse than the best a place is, as a share of the best; infinite where members diverge."""
    sign = 1 if problem.goal == "min" else -1
    return float((problem.loss(np.array([place]))[0] - sign * best) / abs(best))


def simulated(problem, seed, points=60):
    """A search from its start to its end."""
    problem = problem.moved(seed)
    simulation = Simulation(problem, seed, points)
    with threadpool_limits(1):  # as a search does; threads of small matrices wait for each other
        for _ in simulation.rounds():
            pass
        found, space = simulation.found(), problem.space
    cube = space.places(candidates := space.candidates())
    optima, best = problem.optima()
    nearest = {candidates[int(np.abs(cube - optimum).max(axis=1).argmin())] for optimum in optima}
    (place,) = space.places([tuple(found.point.values())])
    truth = float(problem.truth(np.array([place]))[0])
    return Simulated(
        bool(nearest & set(found.region)),
        found.low <= truth <= found.high,
        regret(problem, place, best),
        found.share,
        found.shape,
        len(simulation.stored),
    )


def simulated_of(name, seed):
    """As `simulated`, of a landscape by its name: functions can't be sent to another process."""
    return simulated(PROBLEMS[name], seed)
