"""A step of continuous learning in NumPy: as one would write it, and the ensemble in place."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tests.benchmarks.continuous_problem import Problem, contestant
from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_numpy import Recomputed, Turned, one_einsum

PLAIN, PLAIN_ENSEMBLE, BEST = "NumPy, plain", "NumPy, plain, ensemble", "NumPy, best rewrite"
ENSEMBLES = (8, 64, 512)
LARGEST_ARRAY = 2**22
"""Numbers in the past weights of an ensemble at most: 32 MB."""


def contestants(problem: Problem) -> Iterator[Contestant]:
    fitting = LARGEST_ARRAY // (len(problem.i) * (problem.window + problem.delay))
    ensembles = [members for members in ENSEMBLES if members <= fitting]
    yield contestant(PLAIN, "member by member", MemberByMember, problem)
    for members in ensembles:
        yield contestant(PLAIN_ENSEMBLE, f"{members} members at once", Plain, problem, members)
    for pull, phasors, members in itertools.product((by_pairs, by_matrix), (Recomputed, Turned), ensembles):
        name = f"{pull.__doc__}; {phasors.__doc__}; {members} members"
        yield contestant(BEST, name, partial(Rewrite, pull=pull, phasors=phasors), problem, members)


# --- plain ----------------------------------------------------------------------------------------------------


class Plain:
    """An ensemble, (member, edge), or with one member chosen that alone, (edge,)."""

    def __init__(
        self, problem: Problem, members: int, noise: np.ndarray | None, member: int | None = None
    ) -> None:
        which = ... if member is None else member
        self.problem, self.phases = problem, problem.phases(members)[which]
        self.noise, self.rng = (None if noise is None else noise[:, which]), np.random.default_rng(member)
        leading, s = self.phases.shape[:-1], problem.settings
        length = problem.window + problem.delay
        self.weights = np.full((length, *leading, len(problem.i)), s.target_mean_abs_weight)
        self.r, self.errors = np.zeros((problem.window, *leading)), np.zeros((problem.delay, *leading))
        self.step = 0

    def advance(self, steps: int) -> np.ndarray:
        for _ in range(steps):
            self.move(self.step)
            self.step += 1
        return self.weights[self.step % len(self.weights)]

    def move(self, k: int) -> None:
        """Step k; row n mod length of a ring holds what is of step n."""
        problem, s = self.problem, self.problem.settings
        w, new = self.weights[k % len(self.weights)], self.weights[(k + 1) % len(self.weights)]
        differences = self.phases[..., None, :] - self.phases[..., :, None]
        pull = (problem.matrix(w) * np.sin(differences)).sum(axis=-1) / problem.oscillators
        self.phases = self.phases + s.dt * (problem.frequencies + pull)
        self.r[k % problem.window] = np.abs(np.exp(1j * self.phases).mean(axis=-1))
        m = k + 1 - problem.window
        if m < 0:
            new[...] = w
            return
        error = np.abs(s.target_order_parameter - self.r.mean(axis=0))
        rate = s.weight_control * (s.target_mean_abs_weight - np.abs(w).mean(axis=-1))[..., None] * w
        if m >= problem.delay:
            change = error - self.errors[m % problem.delay]
            rate = rate - s.eta * change[..., None] * (self.weights[m % len(self.weights)] - new)
        self.errors[m % problem.delay] = error
        xi = self.rng.standard_normal(w.shape) if self.noise is None else self.noise[k]
        new[...] = w + s.dt * rate + s.sigma * np.sqrt(s.dt) * error[..., None] * xi


class MemberByMember:
    def __init__(self, problem: Problem, members: int, noise: np.ndarray | None) -> None:
        self.members = [Plain(problem, members, noise, member) for member in range(members)]

    def advance(self, steps: int) -> np.ndarray:
        return np.array([member.advance(steps) for member in self.members])


# --- rewrites: members last, in place -------------------------------------------------------------------------


def by_pairs(problem: Problem, members: int) -> Callable:
    """each pair once, forces added by matmul"""
    i, j, N = problem.i, problem.j, problem.oscillators
    sign = np.zeros((N, len(i)))
    sign[i, np.arange(len(i))], sign[j, np.arange(len(i))] = 1, -1
    force, other, taken = np.empty((3, len(i), members))

    def pull(w, c, s, out):
        for first, second, product in ((s, c, force), (c, s, other)):
            np.take(first, j, axis=0, out=product, mode="clip")
            np.take(second, i, axis=0, out=taken, mode="clip")
            np.multiply(product, taken, out=product)
        np.subtract(force, other, out=force)
        np.multiply(force, w, out=force)
        np.matmul(sign, force, out=out)

    return pull


def by_matrix(problem: Problem, members: int) -> Callable:
    """full matrices, one einsum for cos and sin"""
    N = problem.oscillators
    matrix = np.zeros((N, N, members))
    pull_by_matrix = one_einsum(np.moveaxis(matrix, -1, 0))  # which it uses as it is, with the members last

    def pull(w, c, s, out):
        matrix[problem.i, problem.j] = matrix[problem.j, problem.i] = w
        pull_by_matrix(c, s, out)

    return pull


class Rewrite:
    """Whole ensemble, in place, with one way to add forces and one way to move the phasors."""

    RENORMALISE_EVERY = 32

    def __init__(
        self, problem: Problem, members: int, noise: np.ndarray | None, pull: Callable, phasors: type
    ) -> None:
        s, edges = problem.settings, len(problem.i)
        self.problem, self.noise, self.rng = problem, noise, np.random.Generator(np.random.SFC64(0))
        self.phasors, self.pull = phasors(np.ascontiguousarray(problem.phases(members).T)), pull(problem, members)
        self.rotation = s.dt * problem.frequencies[:, None]
        self.weights = np.full((problem.window + problem.delay, edges, members), s.target_mean_abs_weight)
        self.r, self.errors = np.zeros((problem.window, members)), np.zeros((problem.delay, members))
        self.angle, (self.xi, self.product) = (
            np.empty((problem.oscillators, members)),
            np.empty((2, edges, members)),
        )
        self.step = 0

    def advance(self, steps: int) -> np.ndarray:
        for k in range(self.step, self.step + steps):
            self.turn(k)
            self.learn(k)
        self.step += steps
        return self.weights[self.step % len(self.weights)].T

    def turn(self, k: int) -> None:
        phasors, s = self.phasors, self.problem.settings
        self.pull(self.weights[k % len(self.weights)], phasors.c, phasors.s, self.angle)
        np.multiply(self.angle, s.dt / self.problem.oscillators, out=self.angle)
        np.add(self.angle, self.rotation, out=self.angle)
        phasors.turn(self.angle)
        if k % self.RENORMALISE_EVERY == 0:
            phasors.renormalise()
        c_sum, s_sum = np.add.reduce(phasors.c, axis=0), np.add.reduce(phasors.s, axis=0)
        self.r[k % len(self.r)] = np.sqrt(c_sum * c_sum + s_sum * s_sum) / self.problem.oscillators

    def learn(self, k: int) -> None:
        s, length, m = self.problem.settings, len(self.weights), k + 1 - len(self.r)
        w, new = self.weights[k % length], self.weights[(k + 1) % length]
        if m < 0:
            np.copyto(new, w)
            return
        error = np.abs(s.target_order_parameter - np.add.reduce(self.r, axis=0) / len(self.r))
        np.abs(w, out=self.product)
        growth = s.weight_control * (s.target_mean_abs_weight - np.add.reduce(self.product, axis=0) / len(w))
        change = error - self.errors[m % len(self.errors)] if m >= len(self.errors) else 0 * error
        self.errors[m % len(self.errors)] = error
        np.subtract(new, self.weights[m % length], out=new)
        np.multiply(new, s.dt * s.eta * change, out=new)
        np.multiply(w, 1 + s.dt * growth, out=self.product)
        np.add(new, self.product, out=new)
        if self.noise is None:
            self.rng.standard_normal(out=self.xi)
        else:
            self.xi[...] = self.noise[k].T
        np.multiply(self.xi, s.sigma * np.sqrt(s.dt) * error, out=self.xi)
        np.add(new, self.xi, out=new)
