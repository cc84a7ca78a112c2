"""Feed-forward networks that learn, in the plainest NumPy: one network, every node and pattern as it is written.

    x_j = f(Σ_i w_ij x_i + w_0j),   f(a) = 1 / (1 + e^(−a))          (eq. 5)
    ε = (1 / QO) Σ_q Σ_k (ψ_k^q − x_k^q)², or |ψ_k^q − x_k^q|        (eq. 6)
    R = (1 / H) Σ_k Θ(h − ε_k),   ε_k: ε without hidden node k       (eq. 7)
    w: eq. 4 for ε, plus eq. 4 for 1 − R                             (eq. 8)

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162); Θ(0) = 0. A network is its weights
(connection,): for every hidden node its inputs and its threshold, then for every output its hidden nodes and its
threshold. Bitmaps are (Q, inputs), targets (Q, O).
"""

from typing import NamedTuple

import numpy as np

from tests.reference.learning import next_weights


class Learned(NamedTuple):
    """A learning run; iteration first."""

    error: np.ndarray
    """(iteration,) ε."""
    robustness: np.ndarray
    """(iteration,) R."""
    weight: np.ndarray
    """(iterations + 1, connection) w(0) … w(iterations)."""


def matrices(weights, inputs, hidden, outputs):
    """The weights as (hidden, inputs + 1) and (output, hidden + 1), thresholds last."""
    first = hidden * (inputs + 1)
    return weights[:first].reshape(hidden, inputs + 1), weights[first:].reshape(outputs, hidden + 1)


def flattened(into_hidden, into_outputs):
    """The inverse of `matrices`."""
    return np.concatenate([into_hidden.ravel(), into_outputs.ravel()])


def logistic(a):
    """f (eq. 5)."""
    with np.errstate(over="ignore"):  # e^(−a) = ∞ gives 0, as it should
        return 1 / (1 + np.exp(-a))


def layer(weights, states):
    """The states (Q, node) of the nodes with weights (node, before + 1), from those of the layer before."""
    with_threshold = np.concatenate([states, np.ones((len(states), 1))], axis=1)
    return logistic(with_threshold @ weights.T)


def forward(weights, bitmaps, outputs, hidden):
    """The states of the hidden nodes (Q, H) and of the outputs (Q, O)."""
    into_hidden, into_outputs = matrices(weights, bitmaps.shape[1], hidden, outputs)
    states = layer(into_hidden, bitmaps)
    return states, layer(into_outputs, states)


def error(weights, bitmaps, target, hidden, absolute=False):
    """ε (eq. 6)."""
    deviation = target - forward(weights, bitmaps, target.shape[1], hidden)[1]
    return np.mean(np.abs(deviation)) if absolute else np.mean(deviation**2)


def damaged_errors(weights, bitmaps, target, hidden, absolute=False):
    """ε_k of every hidden node k: the error of the network that has one node less."""
    into_hidden, into_outputs = matrices(weights, bitmaps.shape[1], hidden, target.shape[1])
    return np.array(
        [
            error(
                flattened(np.delete(into_hidden, k, axis=0), np.delete(into_outputs, k, axis=1)),
                bitmaps,
                target,
                hidden - 1,
                absolute,
            )
            for k in range(hidden)
        ]
    )


def robustness(weights, bitmaps, target, hidden, threshold, absolute=False):
    """R (eq. 7)."""
    return np.mean(damaged_errors(weights, bitmaps, target, hidden, absolute) < threshold)


def classified(weights, bitmaps, target, hidden):
    """The share of the patterns whose greatest output is that of their greatest target."""
    outputs = forward(weights, bitmaps, target.shape[1], hidden)[1]
    return np.mean(outputs.argmax(axis=1) == target.argmax(axis=1))


def learn(settings, bitmaps, target, noise):
    """A learning run from w = 0 (eq. 8).

    noise: ξ, (iterations, connection). Eq. 8 adds two independent noises, σ ε ξ and σ_R (1 − R) ξ'. Their sum is
    normal and has the variance (σ ε)² + (σ_R (1 − R))², so here, as in the kernels, one normal stands for both.
    """
    weights, errors, failures = [np.zeros(noise.shape[1])], [], []
    for xi in noise:
        w = weights[-1]
        case = w, bitmaps, target, settings.hidden
        errors.append(error(*case, settings.absolute_error))
        failures.append(1 - robustness(*case, settings.threshold, settings.absolute_error))
        by_error = next_weights(weights, errors, 0.0, settings.eta, 0.0, settings.delay) - w
        by_failure = next_weights(weights, failures, 0.0, settings.robust_eta, 0.0, settings.delay) - w
        amplitude = np.hypot(settings.sigma * errors[-1], settings.robust_sigma * failures[-1])
        weights.append(w + by_error + by_failure + amplitude * xi)
    return Learned(np.array(errors), 1 - np.array(failures), np.array(weights))


def gradient(weights, bitmaps, target, hidden):
    """∂ε/∂w of the mean square error, by back-propagation: (connection,)."""
    into_hidden, into_outputs = matrices(weights, bitmaps.shape[1], hidden, target.shape[1])
    slopes = np.zeros_like(into_hidden), np.zeros_like(into_outputs)
    for pattern, wanted in zip(bitmaps, target, strict=True):
        inputs = np.append(pattern, 1.0)
        states = logistic(into_hidden @ inputs)
        outputs = logistic(into_outputs @ np.append(states, 1.0))
        by_output = 2 / target.size * (outputs - wanted) * outputs * (1 - outputs)
        by_state = (into_outputs[:, :-1].T @ by_output) * states * (1 - states)
        slopes[0][...] += np.outer(by_state, inputs)
        slopes[1][...] += np.outer(by_output, np.append(states, 1.0))
    return flattened(*slopes)
