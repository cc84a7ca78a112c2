"""A learning iteration in JAX: jit-compiled loops, double precision, one core.

The plain form is one network's iteration as one would write it, under vmap. The rewrites put members first or
last, and draw noise by JAX's generator or by an inlined one. (JAX's other one, rbg, takes three times as long.)
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tests.benchmarks import rival_jax
from tests.benchmarks.harness import Contestant
from tests.benchmarks.network_problem import Problem, contestant
from tests.benchmarks.rival_jax import BEST, PLAIN
from tests.benchmarks.rival_jax import jax as _jax

ENSEMBLES = (8, 64, 512)


def contestants(problem: Problem) -> Iterator[Contestant]:
    if not rival_jax.is_installed():
        yield from map(rival_jax.not_installed, (PLAIN, BEST))
        return
    for members in ENSEMBLES:
        start = partial(_Jitted, errors=_plain, noise=_Keys)
        yield contestant(PLAIN, f"{members} members", start, problem, members)
    for errors, noise, members in itertools.product((_members_first, _members_last), (_Keys, _Xoshiro), ENSEMBLES):
        name = f"{errors.__doc__}; {noise.__doc__}; {members} members"
        yield contestant(BEST, name, partial(_Jitted, errors=errors, noise=noise), problem, members)


# --- ε and 1 − R (None unless robust) of an ensemble: of weights (member, connection) or (connection, member) ---


def _logistic(a):
    return 1 / (1 + _jax().numpy.exp(-a))


def _plain(problem: Problem, w):
    """vmap"""
    jnp = _jax().numpy

    def square_error(sums):
        return ((_logistic(sums) - problem.target) ** 2).mean()

    def one(w):
        into_hidden = w[: problem.before_outputs].reshape(problem.hidden, problem.inputs + 1)
        into_outputs = w[problem.before_outputs :].reshape(problem.outputs, problem.hidden + 1)
        x = _logistic(problem.bitmaps @ into_hidden[:, :-1].T + into_hidden[:, -1])
        sums = x @ into_outputs[:, :-1].T + into_outputs[:, -1]
        if not problem.settings.robust:
            return square_error(sums), None

        def damaged(state, weights):
            return square_error(sums - jnp.outer(state, weights))

        intact = _jax().vmap(damaged, in_axes=1)(x, into_outputs[:, :-1]) < problem.settings.threshold
        return square_error(sums), 1 - intact.mean(dtype=float)

    return _jax().vmap(one)(w)


def _members_first(problem: Problem, w):
    """members first, one product for all hidden nodes"""
    members, first = len(w), problem.before_outputs
    into_outputs = w[:, first:].reshape(members, problem.outputs, problem.hidden + 1)
    x = _logistic(w[:, :first].reshape(-1, problem.inputs + 1) @ _with_ones(problem).T)
    x = x.reshape(members, problem.hidden, problem.patterns)
    sums = into_outputs[:, :, :-1] @ x + into_outputs[:, :, -1:]

    def square_error(sums):
        return ((_logistic(sums) - problem.target.T) ** 2).mean(axis=(-2, -1))

    if not problem.settings.robust:
        return square_error(sums), None
    shares = into_outputs[:, :, :-1].swapaxes(1, 2)[..., None] * x[:, :, None, :]
    intact = square_error(sums[:, None] - shares) < problem.settings.threshold
    return square_error(sums), 1 - intact.mean(axis=1, dtype=float)


def _members_last(problem: Problem, w):
    """members last, sums unrolled"""
    jnp = _jax().numpy
    first, H = problem.before_outputs, problem.hidden
    into_hidden = w[:first].reshape(H, problem.inputs + 1, -1)
    into_outputs = w[first:].reshape(problem.outputs, H + 1, -1)
    x = _logistic(jnp.einsum("qi,him->hqm", _with_ones(problem), into_hidden))
    sums = into_outputs[:, -1, None] + sum(into_outputs[:, h, None] * x[h] for h in range(H))

    def square_error(sums):
        return ((_logistic(sums) - problem.target.T[:, :, None]) ** 2).mean(axis=(0, 1))

    if not problem.settings.robust:
        return square_error(sums), None
    intact = [square_error(sums - into_outputs[:, k, None] * x[k]) < problem.settings.threshold for k in range(H)]
    return square_error(sums), 1 - jnp.mean(jnp.stack(intact), axis=0, dtype=float)


def _with_ones(problem: Problem) -> np.ndarray:
    return np.concatenate([problem.bitmaps, np.ones((problem.patterns, 1))], axis=1)


# --- noise: a state to start from, and from a state to the next and normals ------------------------------------


class _Keys:
    """jax.random, a key split every iteration"""

    def start(shape: tuple[int, int]):
        return _jax().random.key(0)

    def draw(key, shape: tuple[int, int]):
        key, now = _jax().random.split(key)
        return key, _jax().random.normal(now, shape)


class _Xoshiro:
    """a xoshiro256++ for every weight, inverse of the normal distribution"""

    def start(shape: tuple[int, int]):
        words = np.random.default_rng(0).integers(0, 2**64, (4, *shape), dtype=np.uint64)
        return tuple(_jax().numpy.asarray(word) for word in words)

    def draw(state, shape: tuple[int, int]):
        s0, s1, s2, s3 = state
        word = _rotated(s0 + s3, 23) + s0
        shifted = s1 << 17
        s2, s3 = s2 ^ s0, s3 ^ s1
        s1, s0 = s1 ^ s2, s0 ^ s3
        uniform = ((word >> 12) + 0.5) * 2.0**-51 - 1
        return (s0, s1, s2 ^ shifted, _rotated(s3, 45)), np.sqrt(2) * _jax().lax.erf_inv(uniform)


def _rotated(word, places: int):
    return word << places | word >> (64 - places)


# --- the loop ---------------------------------------------------------------------------------------------------


class _Jitted:
    def __init__(self, problem: Problem, members: int, errors: Callable, noise: type) -> None:
        asarray = _jax().numpy.asarray
        begin, self.is_last = problem.start(members), errors is _members_last
        weights, before = (asarray(self.turned(w)) for w in (begin.weights, begin.before))
        last = asarray(begin.error), asarray(begin.failure) if problem.settings.robust else None
        self.state = weights, before, last, noise.start(weights.shape)
        self.run = _jax().jit(partial(_learn, problem, errors, noise, self.is_last))

    def turned(self, weights: np.ndarray) -> np.ndarray:
        return weights.T if self.is_last else weights

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        self.state = self.run(self.state, iterations, noise)
        return self.turned(np.asarray(self.state[0]))


def _learn(problem: Problem, errors: Callable, noise: type, is_last: bool, state, iterations, strength):
    jnp, s = _jax().numpy, problem.settings

    def beside(numbers):
        return numbers if is_last else numbers[:, None]

    def iterate(_, state):
        w, before, (error_before, failure_before), source = state
        error, failure = errors(problem, w)
        drift, amplitude = s.eta * (error - error_before), strength * s.sigma * error
        if s.robust:
            drift += s.robust_eta * (failure - failure_before)
            amplitude = jnp.hypot(amplitude, strength * s.robust_sigma * failure)
        source, xi = noise.draw(source, w.shape)
        new = w - beside(drift) * (w - before) + beside(amplitude) * xi
        return new, w, (error, failure), source

    return _jax().lax.fori_loop(0, iterations, iterate, state)
