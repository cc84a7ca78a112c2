"""Back-propagation: plain batch gradient descent on the network of `sim.network`, for comparison.

    w(n+1) = w(n) − λ ∂ε/∂w,   ε the mean square error (eq. 6)

The gradient of every layer, for a pattern q, with f' = x (1 − x):

    δ_k = (2 / QO) (x_k − ψ_k) x_k (1 − x_k)            outputs
    δ_h = x_h (1 − x_h) Σ_k w_hk δ_k                    hidden nodes
    ∂ε/∂w_ij = Σ_q x_i δ_j                              x_0 = 1 for thresholds

At w = 0, where autonomous learning starts, all hidden nodes are equal and stay equal: a saddle, which only noise
leaves.
So gradient descent starts from small normal weights instead.
"""

from typing import NamedTuple

import numpy as np

from sim.elementary import fma, fnma, logistic
from sim.ensemble import Block, eight_by_eight, member_first
from sim.kernel_cache import kernel
from sim.memory import align_stack, broadcast, empty_rows, in_lanes, load, store
from sim.network import Patterns, error_of, hidden_states, output_sums
from sim.noise import INITIAL_WEIGHTS, fill_normals, stream
from sim.vectors import LANES, inlined

_SQUARE = (0, 0)  # the power of the error, as in sim.network.Settings
INITIAL_SCALE = 0.1
"""Standard deviation of the weights at the start."""


@inlined
def gradient(
    weights: np.ndarray, patterns: Patterns, hidden: int, x: np.ndarray, sums: np.ndarray, slope: np.ndarray
) -> None:
    """∂ε/∂w of eight networks, from the states and sums of a forward pass; equations in the module's docstring.

    Args:
        weights: (connection, 8); order as in `sim.sizes.connections`.
        patterns: made by `sim.network.encode`.
        hidden: H, hidden nodes.
        x: (H Q, 8) states of the hidden nodes, as `sim.network.hidden_states` gives them.
        sums: (O Q, 8) sums of the outputs, as `sim.network.output_sums` gives them; overwritten.
        slope: (connection, 8), filled with ∂ε/∂w.
    """
    count, outputs = patterns.target.shape
    stride, first_output = patterns.inputs + 1, hidden * (patterns.inputs + 1)
    for k in range(slope.shape[0]):
        store(slope, k, broadcast(0.0))
    for q in range(count):
        for o in range(outputs):
            output, first = logistic(load(sums, o * count + q)), first_output + o * (hidden + 1)
            scale = broadcast(2.0 / (count * outputs))
            delta = scale * (output - patterns.target[q, o]) * output * (1.0 - output)
            store(sums, o * count + q, delta)
            for h in range(hidden):
                store(slope, first + h, fma(load(x, h * count + q), delta, load(slope, first + h)))
            store(slope, first + hidden, load(slope, first + hidden) + delta)
        for h in range(hidden):
            back = broadcast(0.0)
            for o in range(outputs):
                back = fma(load(weights, first_output + o * (hidden + 1) + h), load(sums, o * count + q), back)
            state = load(x, h * count + q)
            delta = back * state * (1.0 - state)
            for k in range(patterns.first[q], patterns.first[q + 1]):
                row = h * stride + patterns.active[k]
                store(slope, row, load(slope, row) + delta)
            store(slope, h * stride + patterns.inputs, load(slope, h * stride + patterns.inputs) + delta)


@kernel
def _gradient(patterns: Patterns, hidden: int, weights: np.ndarray, slope: np.ndarray) -> None:
    align_stack()
    count, outputs = patterns.target.shape
    x, sums = empty_rows(hidden * count), empty_rows(outputs * count)
    hidden_states(weights, patterns, hidden, x)
    output_sums(weights, patterns, hidden, x, sums)
    gradient(weights, patterns, hidden, x, sums, slope)


@kernel
def _descend(
    hidden: int, rate: float, iterations: int, patterns: Patterns, block: Block, error: np.ndarray
) -> None:
    """Gradient descent of eight members; ε of the recorded iterations into error (record, 8)."""
    align_stack()
    count, outputs = patterns.target.shape
    x, sums = empty_rows(hidden * count), empty_rows(outputs * count)
    size = hidden * (patterns.inputs + 1) + outputs * (hidden + 1)
    weights, slope = empty_rows(size), empty_rows(size)
    fill_normals(stream(block.seed, load(block.members, 0), 0, INITIAL_WEIGHTS), weights)
    for k in range(size):
        store(weights, k, INITIAL_SCALE * load(weights, k))
    recorded, record = block.recorded, 0
    for n in range(iterations):
        hidden_states(weights, patterns, hidden, x)
        output_sums(weights, patterns, hidden, x, sums)
        if n == recorded[record]:
            store(error, record, error_of(sums, patterns, _SQUARE))
            record = min(record + 1, recorded.shape[0] - 1)
        gradient(weights, patterns, hidden, x, sums, slope)
        for k in range(size):
            store(weights, k, fnma(broadcast(rate), load(slope, k), load(weights, k)))


def gradient_of(weights: np.ndarray, patterns: Patterns, hidden: int) -> np.ndarray:
    """∂ε/∂w of some networks, for the mean square error.

    Args:
        weights: (member, connection); order as in `sim.sizes.connections`.
        patterns: made by `sim.network.encode`.
        hidden: H, hidden nodes.

    Returns:
        (member, connection) ∂ε/∂w.
    """
    slope = np.empty_like(weights)
    for start in range(0, len(weights), LANES):
        block = weights[start : start + LANES]
        lanes = np.empty((weights.shape[1], LANES))
        _gradient(patterns, hidden, in_lanes(block), lanes)
        slope[start : start + LANES] = lanes.T[: len(block)]
    return slope


class _Descended(NamedTuple):
    error: np.ndarray


def descend(
    hidden: int,
    rate: float,
    iterations: int,
    patterns: Patterns,
    seed: int,
    members: np.ndarray,
    recorded: np.ndarray,
) -> np.ndarray:
    """Gradient descent of an ensemble: w(n+1) = w(n) − λ ∂ε/∂w, from small normal weights.

    Args:
        hidden: H, hidden nodes.
        rate: λ > 0.
        iterations: how many.
        patterns: made by `sim.network.encode`.
        seed: 64-bit, one a point of a sweep. With a member's number it chooses where the member starts.
        members: (member,) member numbers.
        recorded: (record,) iterations to record, ascending.

    Returns:
        (member, record) ε at the recorded iterations.

    Raises:
        ValueError: no members, or nothing to record.
    """

    def descend_block(block: Block) -> _Descended:
        error = np.full((len(block.recorded), LANES), np.nan)
        _descend(hidden, float(rate), iterations, patterns, block, error)
        return _Descended(member_first(error, block.kept))

    return eight_by_eight(descend_block, seed, members, recorded).error
