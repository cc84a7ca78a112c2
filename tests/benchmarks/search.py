"""Searches against a grid, random points, latin hypercubes and Optuna's default sampler, on known landscapes.

    python -m tests.benchmarks.search [searches] [searches against others]

Everybody gets ensembles of 16 members and, but for Optuna, the same model, by which the best place is read off what
was computed; Optuna's is its best trial. A core-second stands for an ensemble: all places cost the same. Regret is that
of the place which would be answered, in the truth: more than 5 % of members that diverge there make it infinite. The
first grid is of the size and the number of members that turn out cheapest for a landscape, which nobody knows
beforehand; the second one is the cheapest that does for all landscapes. What a search spends on the value of the place
that it found, a fifth of its ensembles, is not counted, as the others tell none.
"""

import sys
from functools import partial
from itertools import product
from multiprocessing import get_context

import numpy as np
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from pipeline.search.proposing import Goal, best, fitted
from tests.search.problems import FEASIBLE, MEMBERS, PROBLEMS, Simulation, regret, simulated_of

MOST = 250
"""Ensembles, beyond which nobody is followed but grids."""
GOOD, SHARE = 0.05, 0.9
"""Regret that is good enough, and the share of the searches that has to reach it."""
SIDES, REPEATS = (4, 5, 6, 7, 8, 9, 10, 11, 13, 15), (1, 2, 3)
"""Of grids: points along a side, and ensembles at each of them."""
MOST_OF_GRIDS = max(SIDES) ** 2 * max(REPEATS)
BUDGETS = [16, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250]


def answered(problem, points, numbers, gone):
    """The place that the model reads off some ensembles."""
    space, goal = problem.space, Goal(problem.goal)
    totals = np.array([len(row) for row in numbers])
    models = fitted(goal, space.places(points), problem.estimates(numbers), np.array(gone), totals)
    cube = space.places(space.candidates())
    near = space.places(space.around(cube[best(models, goal, cube)]))
    return near[best(models, goal, near)]


def of_search(problem, seed):
    """[(ensembles, place)] of one search after each of its rounds."""
    simulation = Simulation(problem, seed, MOST)
    found = []
    for _ in simulation.rounds():
        if simulation.record.rounds[-1].kind == "confirm":
            break
        data = simulation.data()
        numbers = [simulation.stored[point][0] for point in data.points]
        place = answered(problem, data.points, numbers, data.diverged)
        found.append((simulation.record.spent, place))
    return found


def of_points(problem, draw, seed):
    """[(ensembles, place)] of points drawn at once, for every budget."""
    random = np.random.default_rng([seed, 11])
    return [(budget, _judged(problem, draw(budget, random), 1, random)) for budget in BUDGETS]


def of_grid(problem, seed):
    """[(ensembles, place)] of grids of every size."""
    random = np.random.default_rng([seed, 13])
    found = []
    for side, repeats in product(SIDES, REPEATS):
        line = np.linspace(0, 1, side)
        places = np.array(list(product(line, line)))
        found.append((side * side * repeats, _judged(problem, places, repeats, random)))
    return found


def _judged(problem, places, repeats, random):
    points = list(dict.fromkeys(problem.space.points(places)))
    drawn = [problem.ensemble(place, repeats * MEMBERS, random) for place in problem.space.places(points)]
    return answered(problem, points, [row for row, _ in drawn], [gone for _, gone in drawn])


def of_optuna(problem, seed):
    """[(ensembles, place)] of the best trial so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random = np.random.default_rng([seed, 17])
    study = optuna.create_study(
        direction="minimize" if problem.goal == "min" else "maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
    )
    found, ranges = [], problem.space.ranges
    for number in range(1, MOST + 1):
        trial = study.ask()
        point = tuple(
            trial.suggest_int(name, int(of.low), int(of.high))
            if name in problem.space.whole
            else trial.suggest_float(name, of.low, of.high)
            for name, of in ranges.items()
        )
        (place,) = problem.space.places([point])
        numbers, gone = problem.ensemble(place, MEMBERS, random)
        value = float(np.nanmean(numbers)) if gone < MEMBERS else np.nan
        if gone > FEASIBLE * MEMBERS or np.isnan(value):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
        if number in BUDGETS and any(one.value is not None for one in study.trials):
            chosen = [tuple(study.best_trial.params[name] for name in ranges)]
            found.append((number, problem.space.places(chosen)[0]))
    return found


def random_points(problem, seed):
    return of_points(problem, lambda count, random: random.random((count, 2)), seed)


def latin_hypercube(problem, seed):
    return of_points(problem, lambda count, random: qmc.LatinHypercube(2, rng=random).random(count), seed)


METHODS = {
    "search": of_search,
    "grid": of_grid,
    "random": random_points,
    "latin hypercube": latin_hypercube,
    "Optuna": of_optuna,
}


def needed(traces):
    """Ensembles from which on so many of the searches are good enough; infinite if they never are."""
    costs = sorted({cost for trace in traces for cost, _ in trace})
    for cost in costs:
        so_far = [[one for at, one in trace if at <= cost] for trace in traces]
        if all(so_far) and np.mean([one[-1] <= GOOD for one in so_far]) >= SHARE:
            return cost
    return np.inf


def good_alone(traces):
    """{ensembles: whether so many searches are good enough}, each size by itself: one tells nothing of another."""
    costs = [cost for cost, _ in traces[0]]
    good = np.array([[one <= GOOD for _, one in trace] for trace in traces]).mean(axis=0) >= SHARE
    return dict(zip(costs, good.tolist(), strict=True))


def least(good):
    """The fewest ensembles that are enough, infinite if none are."""
    return min((cost for cost, enough in good.items() if enough), default=np.inf)


def _against(function, name, seed):
    """What a method answers of a landscape that is moved, with the value of its optimum."""
    problem = PROBLEMS[name].moved(seed)
    _, best = problem.optima()
    with threadpool_limits(1):
        return [(cost, regret(problem, place, best)) for cost, place in function(problem, seed)]


def coverage(pool, searches):
    """Print how often regions and intervals hold the truth."""
    print(f"Coverage: {searches} searches of 60 ensembles of {MEMBERS} members each, nominal 0.95")
    print("| landscape | region covers the place | interval covers the value | share of the square | places |")
    print("|---|---|---|---|---|")
    for name in PROBLEMS:
        found = pool.starmap(simulated_of, [(name, seed) for seed in range(searches)], chunksize=10)
        covered, right, share, places = (
            np.mean([getattr(one, of) for one in found]) for of in ("covered", "right", "share", "places")
        )
        print(f"| {name} | {covered:.3f} | {right:.3f} | {share:.3f} | {places:.0f} |", flush=True)


def costs(pool, searches):
    """Print what everybody needs."""
    print(f"\nEnsembles until the regret is at most {GOOD:.0%} in {SHARE:.0%} of {searches} searches")
    print(f"| landscape | {' | '.join(METHODS)} | grid / search | best other / search |")
    print("|---|" + "---|" * (len(METHODS) + 2))
    by_search, by_grid = {}, []
    for name in PROBLEMS:
        enough = {}
        for method, function in METHODS.items():
            traces = pool.starmap(
                partial(_against, function), [(name, 10**6 + seed) for seed in range(searches)], chunksize=2
            )
            if method == "grid":
                by_grid.append(good_alone(traces))
            enough[method] = needed(traces) if method in ("search", "Optuna") else least(good_alone(traces))
        by_search[name] = enough["search"]
        others = min(enough[method] for method in METHODS if method not in ("search", "grid"))
        ratios = _ratio(enough["grid"], MOST_OF_GRIDS, by_search[name]), _ratio(others, MOST, by_search[name])
        told = [_told(cost, MOST_OF_GRIDS if method == "grid" else MOST) for method, cost in enough.items()]
        print(f"| {name} | {' | '.join([*told, *ratios])} |", flush=True)
    one = least({cost: all(good[cost] for good in by_grid) for cost in by_grid[0]})
    print(f"\nA grid that does for all of them: {_told(one, MOST_OF_GRIDS)} ensembles. Against the search:")
    print(", ".join(f"{name} {_ratio(one, MOST_OF_GRIDS, cost)}" for name, cost in by_search.items()))


def _told(cost, most):
    return f"{cost:.0f}" if np.isfinite(cost) else f"> {most}"


def _ratio(cost, most, of_search):
    return f"{'' if np.isfinite(cost) else '> '}{min(cost, most) / of_search:.1f}"


def main(searches=1000, against=100):
    """Print both tables."""
    with get_context("spawn").Pool() as pool:
        coverage(pool, searches)
        costs(pool, against)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
