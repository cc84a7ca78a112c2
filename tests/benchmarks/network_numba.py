"""A learning iteration in scalar numba, network by network, without fast-math.

The variants differ in the order of the weights, and so of the sums' loops, and in how they draw the noise. Weights
into a layer are an array (nodes before it and threshold, nodes of it), by rows (C) or by columns (F).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numba import njit

from tests.benchmarks.harness import Contestant
from tests.benchmarks.network_problem import Problem, contestant

FAMILY = "numba scalar"
scalar = njit(error_model="numpy")


def contestants(problem: Problem) -> Iterator[Contestant]:
    for order, noise in itertools.product(ORDERS, NOISES):
        variant = f"{order.__doc__}; {noise.__doc__}"
        yield contestant(FAMILY, variant, partial(_Scalar, order=order, noise=noise), problem)


class _Scalar:
    def __init__(self, problem: Problem, members: int, order: type, noise: Callable) -> None:
        self.problem, self.order = problem, order
        begin = problem.start(members)
        draw, self.sources = noise(members)
        self.run = _learn(order.layers, order.states, order.sums, draw)
        self.generations = np.stack([begin.weights, begin.before], axis=1)
        if order is ByRows:
            self.generations = self.transposed(self.generations, (problem.hidden, problem.outputs))
        self.last = np.stack([begin.error, begin.failure], axis=1)
        self.iteration = 0

    def transposed(self, weights: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
        """Weights (…, connection) with the two layers' arrays, of so many rows, transposed."""
        layers = np.split(weights, [self.problem.before_outputs], axis=-1)
        leading = weights.shape[:-1]
        turned = (w.reshape(*leading, count, -1).swapaxes(-1, -2) for w, count in zip(layers, rows, strict=True))
        return np.concatenate([w.reshape(*leading, -1) for w in turned], axis=-1)

    def advance(self, iterations: int, noise: float = 1.0) -> np.ndarray:
        s = self.problem.settings
        chosen = s._replace(sigma=s.sigma * noise, robust_sigma=s.robust_sigma * noise, iterations=iterations)
        for generations, last, source in zip(self.generations, self.last, self.sources, strict=True):
            self.run(chosen, s.robust, self.problem.encoded, source, self.iteration, generations, last)
        self.iteration += iterations
        weights = self.generations[:, self.iteration % 2]
        if self.order is ByRows:
            weights = self.transposed(weights, (self.problem.inputs + 1, self.problem.hidden + 1))
        return weights


# --- the two orders: views of the weights, x (pattern, hidden) and the sums (pattern, output) -----------------


class ByColumns:
    """a node's weights side by side, sums one by one"""

    @scalar
    def layers(w, inputs, hidden, outputs):
        first = hidden * (inputs + 1)
        return w[:first].reshape(hidden, inputs + 1).T, w[first:].reshape(outputs, hidden + 1).T

    @scalar
    def states(into_hidden, patterns, x):
        for q in range(x.shape[0]):
            for h in range(x.shape[1]):
                total = into_hidden[patterns.inputs, h]
                for k in range(patterns.first[q], patterns.first[q + 1]):
                    total += into_hidden[patterns.active[k], h]
                x[q, h] = _logistic(total)

    @scalar
    def sums(into_outputs, x, sums):
        for q in range(x.shape[0]):
            for o in range(sums.shape[1]):
                total = into_outputs[x.shape[1], o]
                for h in range(x.shape[1]):
                    total += into_outputs[h, o] * x[q, h]
                sums[q, o] = total


class ByRows:
    """an input's weights side by side, sums of all nodes at once"""

    @scalar
    def layers(w, inputs, hidden, outputs):
        first = hidden * (inputs + 1)
        return w[:first].reshape(inputs + 1, hidden), w[first:].reshape(hidden + 1, outputs)

    @scalar
    def states(into_hidden, patterns, x):
        for q in range(x.shape[0]):
            for h in range(x.shape[1]):
                x[q, h] = into_hidden[patterns.inputs, h]
            for k in range(patterns.first[q], patterns.first[q + 1]):
                active = patterns.active[k]
                for h in range(x.shape[1]):
                    x[q, h] += into_hidden[active, h]
            for h in range(x.shape[1]):
                x[q, h] = _logistic(x[q, h])

    @scalar
    def sums(into_outputs, x, sums):
        for q in range(x.shape[0]):
            for o in range(sums.shape[1]):
                sums[q, o] = into_outputs[x.shape[1], o]
            for h in range(x.shape[1]):
                for o in range(sums.shape[1]):
                    sums[q, o] += into_outputs[h, o] * x[q, h]


ORDERS = (ByColumns, ByRows)


# --- noise: each gives a function that fills an array, and what it draws from for every member ------------------


def generator(members: int) -> tuple[Callable, list]:
    """NumPy's Generator, SFC64"""

    @scalar
    def draw(rng, out):
        for k in range(len(out)):
            out[k] = rng.standard_normal()

    return draw, [np.random.Generator(np.random.SFC64(member)) for member in range(members)]


def box_muller(members: int) -> tuple[Callable, list]:
    """xoshiro256++, Box–Muller"""
    return _fill_box_muller, _states(members)


def ziggurat(members: int) -> tuple[Callable, list]:
    """xoshiro256++, ziggurat"""
    return _fill_ziggurat, _states(members)


NOISES = (generator, box_muller, ziggurat)


def _states(members: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 2**64, (members, 4), dtype=np.uint64))


@scalar
def _rotate_left(word, places):
    return (word << np.uint64(places)) | (word >> np.uint64(64 - places))


@scalar
def _next(s):
    """The next word of xoshiro256++."""
    word = _rotate_left(s[0] + s[3], 23) + s[0]
    shifted = s[1] << np.uint64(17)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = _rotate_left(s[3], 45)
    return word


@scalar
def _uniform(s):
    """In [0, 1)."""
    return (_next(s) >> np.uint64(11)) * 2.0**-53


@scalar
def _fill_box_muller(s, out):
    for k in range(0, len(out), 2):
        radius = math.sqrt(-2 * math.log(1 - _uniform(s)))
        angle = 2 * math.pi * _uniform(s)
        out[k] = radius * math.cos(angle)
        if k + 1 < len(out):
            out[k + 1] = radius * math.sin(angle)


# Doornik, "An improved ziggurat method to generate normal random samples" (2005): 128 blocks of equal area.
BLOCKS, TAIL, AREA = 128, 3.442619855899, 9.91256303526217e-3


def _block_edges() -> np.ndarray:
    edges = [AREA / math.exp(-0.5 * TAIL**2), TAIL]
    while len(edges) < BLOCKS:
        edges.append(math.sqrt(-2 * math.log(AREA / edges[-1] + math.exp(-0.5 * edges[-1] ** 2))))
    return np.array([*edges, 0.0])


_EDGES = _block_edges()
_RATIOS = _EDGES[1:] / _EDGES[:-1]


@scalar
def _fill_ziggurat(s, out):
    for k in range(len(out)):
        word = _next(s)
        block = np.int64(word & np.uint64(BLOCKS - 1))
        u = (word >> np.uint64(11)) * 2.0**-52 - 1
        out[k] = u * _EDGES[block] if abs(u) < _RATIOS[block] else _beyond(s, block, u)


@scalar
def _beyond(s, block, u):
    """A normal for which the first look at a block does not suffice."""
    while True:
        x = u * _EDGES[block]
        if abs(u) < _RATIOS[block]:
            return x
        if block == 0:
            return math.copysign(_from_tail(s), u)
        above = math.exp(-0.5 * (_EDGES[block] ** 2 - x**2))
        below = math.exp(-0.5 * (_EDGES[block + 1] ** 2 - x**2))
        if below + _uniform(s) * (above - below) < 1:
            return x
        block, u = np.int64(_next(s) >> np.uint64(57)), 2 * _uniform(s) - 1


@scalar
def _from_tail(s):
    while True:
        x, y = -math.log(1 - _uniform(s)) / TAIL, -math.log(1 - _uniform(s))
        if 2 * y > x * x:
            return TAIL + x


# --- learning ---------------------------------------------------------------------------------------------------


@scalar
def _logistic(a):
    return 1 / (1 + math.exp(-a))


@scalar
def _error(sums, target):
    total = 0.0
    for q in range(sums.shape[0]):
        for o in range(sums.shape[1]):
            total += (_logistic(sums[q, o]) - target[q, o]) ** 2
    return total / sums.size


@scalar
def _failure(into_outputs, x, sums, target, threshold):
    """1 − R."""
    Q, H = x.shape
    broken = 0
    for k in range(H):
        total = 0.0
        for q in range(Q):
            for o in range(sums.shape[1]):
                total += (_logistic(sums[q, o] - into_outputs[k, o] * x[q, k]) - target[q, o]) ** 2
        broken += not total / sums.size < threshold
    return broken / H


@functools.cache
def _learn(layers: Callable, states: Callable, output_sums: Callable, draw: Callable) -> Callable:
    @scalar
    def learn(settings, robust, patterns, source, start, generations, last):
        (Q, O), H = patterns.target.shape, settings.hidden  # noqa: E741
        x, sums, xi = np.empty((Q, H)), np.empty((Q, O)), np.empty(generations.shape[1])
        for n in range(start, start + settings.iterations):
            weights, before = generations[n % 2], generations[(n + 1) % 2]
            into_hidden, into_outputs = layers(weights, patterns.inputs, H, O)
            states(into_hidden, patterns, x)
            output_sums(into_outputs, x, sums)
            error, failure = _error(sums, patterns.target), 0.0
            if robust:
                failure = _failure(into_outputs, x, sums, patterns.target, settings.threshold)
            drift = settings.eta * (error - last[0]) + settings.robust_eta * (failure - last[1])
            amplitude = math.hypot(settings.sigma * error, settings.robust_sigma * failure)
            last[0], last[1] = error, failure
            draw(source, xi)
            for k in range(len(xi)):
                before[k] = weights[k] - drift * (weights[k] - before[k]) + amplitude * xi[k]

    return learn
