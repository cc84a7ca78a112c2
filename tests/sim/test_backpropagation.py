"""Back-propagation: its gradient against the oracle's and finite differences, and what descent reaches."""

import autograd
import autograd.numpy as differentiable
import numpy as np
import pytest

from pipeline.systems import patterns
from sim import backpropagation, network, noise
from tests.command import ROOT
from tests.reference import network as reference

SEED = 7


def some_patterns(patterns=4, inputs=6, outputs=None):
    """Bitmaps and targets; outputs None: one output a pattern."""
    rng = np.random.default_rng(patterns * inputs)
    bitmaps = rng.integers(0, 2, (patterns, inputs))
    return bitmaps, np.eye(patterns) if outputs is None else rng.random((patterns, outputs))


def vowels():
    """The paper's five patterns of 35 pixels."""
    pixels = patterns.bitmaps(patterns.inline([str(ROOT / "data/patterns/vowels.txt")]))
    return network.encode(pixels.reshape(len(pixels), -1))


def some_weights(task, hidden, members=11, scale=1.0):
    bitmaps, target = task
    count = network.connections(bitmaps.shape[1], hidden, target.shape[1])
    return scale * np.random.default_rng(3).normal(size=(members, count))


@pytest.mark.parametrize("outputs", [None, 1, 3])
@pytest.mark.parametrize("hidden", [1, 2, 10, 13])
def test_the_gradient_is_the_oracles(hidden, outputs):
    task = some_patterns(outputs=outputs)
    weights = some_weights(task, hidden)
    got = backpropagation.gradient_of(weights, network.encode(*task), hidden)
    expected = [reference.gradient(w, *task, hidden) for w in weights]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert np.abs(got).max() > 0.01


@pytest.mark.parametrize("outputs", [None, 1, 3])
@pytest.mark.parametrize("hidden", [1, 2, 5])
def test_the_gradient_is_the_slope_of_the_error(hidden, outputs):
    task, step = some_patterns(outputs=outputs), 1e-5
    weights = some_weights(task, hidden, members=3)
    got = backpropagation.gradient_of(weights, network.encode(*task), hidden)
    for w, slope in zip(weights, got, strict=True):
        for k, along in enumerate(step * np.eye(len(w))):
            ahead, behind = (reference.error(w + sign * along, *task, hidden) for sign in (1, -1))
            # Truncated at step², and ε rounded to 1e-16 is divided by the step
            assert abs((ahead - behind) / (2 * step) - slope[k]) < 1e-9


@pytest.mark.parametrize("outputs", [None, 3])
@pytest.mark.parametrize("hidden", [1, 10])
def test_the_gradient_is_that_of_automatic_differentiation(hidden, outputs):
    task = some_patterns(outputs=outputs)
    bitmaps, target = task
    weights = some_weights(task, hidden, members=3)

    def layer(matrix, states):
        with_threshold = differentiable.concatenate([states, np.ones((len(states), 1))], axis=1)
        return 1 / (1 + differentiable.exp(-with_threshold @ matrix.T))

    def error(w):
        first = hidden * (bitmaps.shape[1] + 1)
        states = layer(w[:first].reshape(hidden, -1), bitmaps)
        return differentiable.mean((target - layer(w[first:].reshape(target.shape[1], -1), states)) ** 2)

    got = backpropagation.gradient_of(weights, network.encode(*task), hidden)
    expected = [autograd.grad(error)(w) for w in weights]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert np.isclose(error(weights[0]), reference.error(weights[0], *task, hidden), rtol=1e-12)


def test_the_gradient_of_a_network_does_not_depend_on_the_others():
    task = some_patterns()
    weights, encoded = some_weights(task, 3, members=19), network.encode(*task)
    together = backpropagation.gradient_of(weights, encoded, 3)
    for members in ([4], [18, 3], np.random.default_rng(4).permutation(19)):
        alone = backpropagation.gradient_of(weights[members], encoded, 3)
        assert alone.tobytes() == together[members].tobytes()


def test_hidden_nodes_are_all_alike_without_weights_so_that_descent_never_tells_them_apart():
    bitmaps, target = some_patterns()
    hidden, (count, inputs) = 5, bitmaps.shape
    weights = np.zeros((1, network.connections(inputs, hidden, count)))
    for _ in range(3):
        slope = backpropagation.gradient_of(weights, network.encode(bitmaps, target), hidden)
        into_hidden, into_outputs = reference.matrices(slope[0], inputs, hidden, count)
        np.testing.assert_array_equal(into_hidden, np.broadcast_to(into_hidden[0], into_hidden.shape))
        of_nodes = into_outputs[:, :hidden]
        np.testing.assert_array_equal(of_nodes, np.broadcast_to(of_nodes[:, :1], of_nodes.shape))
        weights = weights - slope
    first = backpropagation.gradient_of(np.zeros_like(weights), network.encode(bitmaps, target), hidden)
    assert not first[0, : hidden * (inputs + 1)].any()  # and at first nothing reaches them
    assert weights[0, : hidden * (inputs + 1)].any()


def test_descent_with_a_small_rate_lowers_the_error_at_every_step():
    every = np.arange(500)
    errors = backpropagation.descend(4, 0.5, 500, network.encode(*some_patterns()), SEED, np.arange(11), every)
    assert (np.diff(errors, axis=1) < 0).all()


def test_descent_follows_the_oracles_gradient():
    # From the errors alone: to first order a step lowers ε by λ |∂ε/∂w|²
    task, rate, every = some_patterns(), 1e-4, np.arange(2)
    got = backpropagation.descend(3, rate, 2, network.encode(*task), SEED, np.arange(9), every)
    for member, (first, second) in enumerate(got):
        count = network.connections(6, 3, 4)
        drawn = noise.normals(SEED, member, 0, count, noise.INITIAL_WEIGHTS)
        start = backpropagation.INITIAL_SCALE * drawn
        slope = reference.gradient(start, *task, 3)
        assert abs(first - reference.error(start, *task, 3)) < 1e-12
        assert abs(second - reference.error(start - rate * slope, *task, 3)) < 1e-12


@pytest.mark.parametrize("recorded", [[0], [49], [0, 49], [3, 4, 11]])
def test_recorded_errors_do_not_depend_on_what_else_is_recorded(recorded):
    encoded, members = network.encode(*some_patterns()), np.arange(9)
    every, some = (
        backpropagation.descend(3, 5.0, 50, encoded, SEED, members, np.array(times))
        for times in (range(50), recorded)
    )
    np.testing.assert_array_equal(some, every[:, recorded])


def test_back_propagation_learns_the_vowels_faster_than_autonomous_learning():
    members, iterations, last = np.arange(16), 2000, np.array([1999])
    directed = backpropagation.descend(10, 5.0, iterations, vowels(), SEED, members, last)[:, 0]
    chosen = network.Settings(10, 100.0, 0.1, 1, iterations, 0.0, 0.0, 0.084, False)
    autonomous = network.learn(chosen, vowels(), SEED, members, last).error[:, 0]
    assert directed.max() < 0.01 < autonomous.min()
