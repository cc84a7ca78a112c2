"""A learning iteration in NumPy: as one would write it, and every rewrite that promised to be faster."""

import itertools
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.harness import Contestant
from tests.benchmarks.network_problem import Problem, contestant

PLAIN, PLAIN_ENSEMBLE, BEST = "NumPy, plain", "NumPy, plain, ensemble", "NumPy, best rewrite"
ENSEMBLES = (8, 32, 128, 512)


def contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(PLAIN, "member by member", MemberByMember, problem)
    for members in ENSEMBLES:
        yield contestant(PLAIN_ENSEMBLE, f"{members} members at once", PlainEnsemble, problem, members)
    for layout, members in itertools.product(LAYOUTS, ENSEMBLES):
        yield contestant(BEST, f"{layout.__doc__}; {members} members", layout, problem, members)


# --- plain ----------------------------------------------------------------------------------------------------


def _logistic(a):
    return 1 / (1 + np.exp(-a))


class Plain:
    """Networks with any number of leading axes: one at a time has none, an ensemble has one."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.rng = problem, np.random.default_rng(0)

    def errors(self, w):
        """ε and 1 − R."""
        problem, first = self.problem, self.problem.before_outputs
        into_hidden = w[..., :first].reshape(*w.shape[:-1], problem.hidden, problem.inputs + 1)
        into_outputs = w[..., first:].reshape(*w.shape[:-1], problem.outputs, problem.hidden + 1)
        x = _logistic(problem.bitmaps @ into_hidden[..., :-1].swapaxes(-1, -2) + into_hidden[..., None, :, -1])
        sums = x @ into_outputs[..., :-1].swapaxes(-1, -2) + into_outputs[..., None, :, -1]
        error = ((_logistic(sums) - problem.target) ** 2).mean(axis=(-2, -1))
        if not problem.settings.robust:
            return error, 0.0
        damaged = np.array(
            [
                ((_logistic(sums - x[..., k, None] * into_outputs[..., None, :, k]) - problem.target) ** 2).mean(
                    axis=(-2, -1)
                )
                for k in range(problem.hidden)
            ]
        )
        return error, 1 - (damaged < problem.settings.threshold).mean(axis=0)

    def learn(self, state, iterations, noise):
        """The state w(n), w(n−1), ε(n−1), 1 − R(n−1) after some iterations."""
        s = self.problem.settings
        w, before, error_before, failure_before = state
        for _ in range(iterations):
            error, failure = self.errors(w)
            drift = s.eta * (error - error_before) + s.robust_eta * (failure - failure_before)
            amplitude = noise * np.hypot(s.sigma * error, s.robust_sigma * failure)
            xi = self.rng.standard_normal(w.shape)
            new = w - drift[..., None] * (w - before) + amplitude[..., None] * xi
            w, before, error_before, failure_before = new, w, error, failure
        return w, before, error_before, failure_before


class MemberByMember:
    def __init__(self, problem: Problem, members: int) -> None:
        self.plain, self.states = Plain(problem), list(zip(*problem.start(members), strict=True))

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        self.states = [self.plain.learn(state, iterations, noise) for state in self.states]
        return np.array([state[0] for state in self.states])


class PlainEnsemble:
    def __init__(self, problem: Problem, members: int) -> None:
        self.plain, self.state = Plain(problem), tuple(problem.start(members))

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        self.state = self.plain.learn(self.state, iterations, noise)
        return self.state[0]


# --- rewrites -------------------------------------------------------------------------------------------------


def _logistic_in_place(a):
    np.negative(a, out=a)
    np.exp(a, out=a)
    np.add(a, 1, out=a)
    np.reciprocal(a, out=a)


class Rewrite:
    """Whole ensemble, in place: what the layouts share.

    Weights are a flat array with parts: views that broadcast with one number a member.
    """

    def __init__(self, problem: Problem, members: int) -> None:
        self.problem, self.members = problem, members
        begin = problem.start(members)
        self.weights, self.before = self.flat(begin.weights), self.flat(begin.before)
        self.error_before, self.failure_before = begin.error, begin.failure
        # The fastest of NumPy's generators, and twice as fast as Box–Muller with its cos and sin
        self.xi, self.rng = np.empty(members * problem.connections), np.random.Generator(np.random.SFC64(0))

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        s = self.problem.settings
        for _ in range(iterations):
            error, failure = self.errors(self.weights)
            drift = s.eta * (error - self.error_before)
            amplitude = noise * s.sigma * error
            if s.robust:
                drift += s.robust_eta * (failure - self.failure_before)
                amplitude = np.hypot(amplitude, noise * s.robust_sigma * failure)
            self.error_before, self.failure_before = error, failure
            self.move(drift, amplitude)
        return self.member_first(self.weights)

    def move(self, drift: np.ndarray, amplitude: np.ndarray) -> None:
        """Eq. 4; w(n−1) makes place for w(n+1)."""
        self.rng.standard_normal(out=self.xi)
        for w, new, xi in zip(*map(self.parts, (self.weights, self.before, self.xi)), strict=True):
            np.subtract(new, w, out=new)
            np.multiply(new, self.beside(drift), out=new)
            np.multiply(xi, self.beside(amplitude), out=xi)
            np.add(new, w, out=new)
            np.add(new, xi, out=new)
        self.weights, self.before = self.before, self.weights


class MembersLast(Rewrite):
    """members last, matmul and einsum"""

    def __init__(self, problem: Problem, members: int) -> None:
        super().__init__(problem, members)
        Q, H, O = problem.patterns, problem.hidden, problem.outputs  # noqa: E741
        self.inputs = np.concatenate([problem.bitmaps, np.ones((Q, 1))], axis=1)
        self.target = problem.target.T[:, :, None]
        self.x = np.ones((H + 1, Q, members))
        self.sums, self.output = np.empty((2, O, Q, members))
        self.damaged = np.empty((H, members))

    def flat(self, weights):
        return weights.T.ravel()

    def member_first(self, weights):
        return weights.reshape(-1, self.members).T

    def parts(self, weights):
        return (weights.reshape(-1, self.members),)

    def beside(self, numbers):
        return numbers

    def errors(self, weights):
        problem, first = self.problem, self.problem.before_outputs * self.members
        into_hidden = weights[:first].reshape(problem.hidden, problem.inputs + 1, self.members)
        into_outputs = weights[first:].reshape(problem.outputs, problem.hidden + 1, self.members)
        np.matmul(self.inputs, into_hidden, out=self.x[:-1])
        _logistic_in_place(self.x[:-1])
        np.einsum("ohm,hqm->oqm", into_outputs, self.x, out=self.sums)
        np.copyto(self.output, self.sums)
        error = self.deviation()
        if not problem.settings.robust:
            return error, None
        for k in range(problem.hidden):
            np.multiply(into_outputs[:, k, None], self.x[k], out=self.output)
            np.subtract(self.sums, self.output, out=self.output)
            self.damaged[k] = self.deviation()
        return error, 1 - (self.damaged < problem.settings.threshold).mean(axis=0)

    def deviation(self):
        """The error, given the sums in `output`."""
        _logistic_in_place(self.output)
        np.subtract(self.output, self.target, out=self.output)
        return np.einsum("oqm,oqm->m", self.output, self.output) / self.problem.target.size


class MembersFirst(Rewrite):
    """members first, one matmul for all hidden nodes, batched for outputs"""

    def __init__(self, problem: Problem, members: int) -> None:
        super().__init__(problem, members)
        Q, H, O = problem.patterns, problem.hidden, problem.outputs  # noqa: E741
        self.inputs = np.concatenate([problem.bitmaps, np.ones((Q, 1))], axis=1).T.copy()
        self.states = np.empty((members * H, Q))
        self.x = np.ones((members, H + 1, Q))
        self.sums = np.empty((members, O, Q))
        self.output, self.damaged = np.empty_like(self.sums), np.empty((members, H, O, Q))

    def flat(self, weights):
        first = self.problem.before_outputs
        return np.concatenate([weights[:, :first].ravel(), weights[:, first:].ravel()])

    def member_first(self, weights):
        return np.concatenate(self.parts(weights), axis=1)

    def parts(self, weights):
        first = self.problem.before_outputs * self.members
        return weights[:first].reshape(self.members, -1), weights[first:].reshape(self.members, -1)

    def beside(self, numbers):
        return numbers[:, None]

    def errors(self, weights):
        problem = self.problem
        into_hidden, into_outputs = self.parts(weights)
        into_outputs = into_outputs.reshape(self.members, problem.outputs, problem.hidden + 1)
        np.matmul(into_hidden.reshape(-1, problem.inputs + 1), self.inputs, out=self.states)
        _logistic_in_place(self.states)
        self.x[:, :-1] = self.states.reshape(self.members, problem.hidden, -1)
        np.matmul(into_outputs, self.x, out=self.sums)
        np.copyto(self.output, self.sums)
        error = self.deviation(self.output)
        if not problem.settings.robust:
            return error, None
        # (member, hidden, output, pattern)
        shares = into_outputs[:, :, :-1].swapaxes(1, 2)[..., None], self.x[:, :-1, None, :]
        np.multiply(*shares, out=self.damaged)
        np.subtract(self.sums[:, None], self.damaged, out=self.damaged)
        return error, 1 - (self.deviation(self.damaged) < problem.settings.threshold).mean(axis=1)

    def deviation(self, sums):
        """The errors, given the sums."""
        _logistic_in_place(sums)
        np.subtract(sums, self.problem.target.T, out=sums)
        return np.einsum("...oq,...oq->...", sums, sums) / self.problem.target.size


LAYOUTS = (MembersLast, MembersFirst)
