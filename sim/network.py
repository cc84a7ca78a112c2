"""Feed-forward networks that learn to classify patterns, by one error or by an error and their robustness.

    x_j = f(Σ_i w_ij x_i + w_0j),   f(a) = 1 / (1 + e^(−a))          (eq. 5)
    ε = (1 / QO) Σ_q Σ_k (ψ_k^q − x_k^q)²                            (eq. 6)
    R = (1 / H) Σ_k Θ(h − ε_k),   ε_k: ε with hidden node k deleted  (eq. 7)
    w: eq. 4 for ε with (η, σ), plus eq. 4 for 1 − R with (η_R, σ_R) (eq. 8)

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162). One hidden layer; every node beyond the input
layer has a threshold weight w_0j. Patterns are bitmaps: an input is 0 or 1.

symbol      setting          range
H           hidden           ≥ 1         hidden nodes
η, σ        eta, sigma       ≥ 0         drift and noise by the error
η_R, σ_R    robust_eta, robust_sigma  ≥ 0    the same by 1 − R; both 0: eq. 4 alone
Δ           delay            ≥ 1         iterations, the same for both
h           threshold        ≥ 0         a damaged network with an error below it still works

The two noises of eq. 8 are independent normals, so their sum is one normal of variance (σ ε)² + (σ_R (1 − R))²; it
is drawn as that. Deleting a hidden node takes its term from every output's sum, so all H damaged errors cost H
logistic functions an output and pattern, and no forward pass.
"""

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from sim.elementary import absolute, fma, fnma, logistic, logistics, sqrt, where_less
from sim.ensemble import MAX_MEAN_ABS_WEIGHT, Block, collect, eight_by_eight, lanes_last
from sim.kernel_cache import kernel
from sim.learning import delayed_change, move_weights, start_generations, weights_at
from sim.memory import align_stack, broadcast, copy_rows, empty_rows, load, store
from sim.noise import WEIGHT_NOISE, stream
from sim.sizes import connections
from sim.vectors import FLOATS, Rows, Vector, inlined, traced

CHECK_DIVERGENCE_EVERY = 64
"""Iterations between two checks of the weights; a check costs a tenth of an iteration."""


# Sizes known at compile time are passed as the lengths of tuples.
_TILE, _FEW, _SINGLE = (0,) * 10, (0,) * 5, (0,)


class Settings(NamedTuple):
    """How a network learns; symbols and ranges in the module's table."""

    hidden: int
    eta: float
    sigma: float
    delay: int
    iterations: int
    robust_eta: float
    robust_sigma: float
    threshold: float
    absolute_error: bool
    """Mean absolute error instead of mean square error."""

    @property
    def power(self) -> tuple[int, ...]:
        """The power of |ψ − x| in the error, 1 or 2, as kernels take it: the length of a tuple."""
        return (0,) if self.absolute_error else (0, 0)

    @property
    def robust(self) -> bool:
        """Whether learning depends on robustness."""
        return self.robust_eta > 0 or self.robust_sigma > 0


class Patterns(NamedTuple):
    """What a network is to classify; made by `encode`."""

    inputs: int
    active: np.ndarray  # the active inputs of every pattern, one pattern after the other
    first: np.ndarray  # (Q + 1,) where each pattern starts in `active`
    target: np.ndarray  # (Q, O) ψ
    target_by_output: np.ndarray  # (O Q,) the same, output by output


class Learned(NamedTuple):
    """What a block of members gives, member first (in kernels last); NaN from where a member has diverged."""

    error: np.ndarray
    """(member, record) ε of the recorded iterations."""
    robustness: np.ndarray
    """(member, record) R of the recorded iterations."""
    final_error: np.ndarray
    """(member,) mean ε over the last 1 % of iterations."""
    final_robustness: np.ndarray
    """(member,) mean R over the last 1 % of iterations."""
    original_error: np.ndarray
    """(member,) ε of the network after the last iteration."""
    damaged_error: np.ndarray
    """(member, hidden) ε_k of that network."""
    classified: np.ndarray
    """(member,) share of the patterns whose greatest output is their own, in that network."""
    weight: np.ndarray
    """(member, connection) the weights of that network; order as in `connections`."""
    status: np.ndarray
    """(member,) COMPUTED or DIVERGED."""


def encode(bitmaps: np.ndarray, target: np.ndarray | None = None) -> Patterns:
    """What a network is to classify, from bitmaps.

    Args:
        bitmaps: (Q, inputs) of 0 and 1.
        target: (Q, O) ψ. Default: one output a pattern, 1 for its own and 0 for the others.

    Returns:
        `Patterns`.
    """
    lists = [np.flatnonzero(bitmap) for bitmap in bitmaps]
    targets = np.eye(len(bitmaps)) if target is None else np.asarray(target, dtype=float)
    first = np.concatenate([[0], np.cumsum([len(active) for active in lists])])
    active = np.concatenate(lists).astype(np.int64)
    return Patterns(
        bitmaps.shape[1], active, first.astype(np.int64), targets, np.ascontiguousarray(targets.T).ravel()
    )


# --- one evaluation of eight networks ---------------------------------------------------------------------


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _rows_apart(tile: int, rows: Rows, first: ir.Value, stride: ir.Value) -> tuple[Vector, ...]:
    """Every `stride`-th row from `first` on."""
    loaded, row = [], first
    for _ in range(tile):
        loaded.append(rows[row])
        row = rows.builder.add(row, stride)
    return tuple(loaded)


@traced(gives=lambda sums, _: sums)
def _add(sums: tuple[Vector, ...], others: tuple[Vector, ...]) -> tuple[Vector, ...]:
    return tuple(one + other for one, other in zip(sums, others, strict=True))


@traced(gives=types.none)
def _store_states(sums: tuple[Vector, ...], x: Rows, first: ir.Value, stride: ir.Value) -> None:
    """Their logistic functions to every `stride`-th row from `first` on."""
    row = first
    for state in logistics(sums):
        x[row] = state
        row = x.builder.add(row, stride)


@inlined
def _tile_states(tile: tuple[int, ...], h: int, weights: np.ndarray, patterns: Patterns, x: np.ndarray) -> None:
    """The states of as many hidden nodes as `tile` has elements, from h on: their sums fill the registers."""
    count, stride = patterns.target.shape[0], patterns.inputs + 1
    for q in range(count):
        sums = _rows_apart(tile, weights, h * stride + patterns.inputs, stride)
        for k in range(patterns.first[q], patterns.first[q + 1]):
            sums = _add(sums, _rows_apart(tile, weights, h * stride + patterns.active[k], stride))
        _store_states(sums, x, h * count + q, count)


@inlined
def hidden_states(weights: np.ndarray, patterns: Patterns, hidden: int, x: np.ndarray) -> None:
    """x_h = f(Σ_i w_ih x_i + w_0h) of every hidden node and pattern (eq. 5).

    Args:
        weights: (connection, 8); order as in `sim.sizes.connections`.
        patterns: made by `encode`.
        hidden: H, hidden nodes.
        x: (H Q, 8), filled: node h for pattern q in row h Q + q.
    """
    h = 0
    while h + len(_TILE) <= hidden:
        _tile_states(_TILE, h, weights, patterns, x)
        h += len(_TILE)
    while h < hidden:
        _tile_states(_SINGLE, h, weights, patterns, x)
        h += 1


@traced(gives=lambda tile, *_: types.UniTuple(FLOATS, tile.count))
def _repeated(tile: int, vector: Vector) -> tuple[Vector, ...]:
    return (vector,) * tile


@traced(gives=lambda sums, *_: sums)
def _add_terms(sums: tuple[Vector, ...], weight: Vector, x: Rows, first: ir.Value) -> tuple[Vector, ...]:
    """The sums plus weight times the states from row `first` on."""
    states = x.starting_at(first)
    return tuple(fma(weight, states[a], total) for a, total in enumerate(sums))


@traced(gives=types.none)
def _store_all(sums: tuple[Vector, ...], rows: Rows, first: ir.Value) -> None:
    there = rows.starting_at(first)
    for a, total in enumerate(sums):
        there[a] = total


@inlined
def _tile_sums(
    tile: tuple[int, ...],
    o: int,
    q: int,
    weights: np.ndarray,
    patterns: Patterns,
    hidden: int,
    x: np.ndarray,
    sums: np.ndarray,
) -> None:
    """The sums of output o and of as many patterns as `tile` has elements, from q on."""
    count, first = patterns.target.shape[0], hidden * (patterns.inputs + 1) + o * (hidden + 1)
    totals = _repeated(tile, load(weights, first + hidden))
    for h in range(hidden):
        totals = _add_terms(totals, load(weights, first + h), x, h * count + q)
    _store_all(totals, sums, o * count + q)


@inlined
def output_sums(weights: np.ndarray, patterns: Patterns, hidden: int, x: np.ndarray, sums: np.ndarray) -> None:
    """Σ_h w_ho x_h + w_0o of every output and pattern.

    Args:
        weights: (connection, 8); order as in `sim.sizes.connections`.
        patterns: made by `encode`.
        hidden: H, hidden nodes.
        x: (H Q, 8), as `hidden_states` fills it.
        sums: (O Q, 8), filled: output o for pattern q in row o Q + q.
    """
    count, outputs = patterns.target.shape
    for o in range(outputs):
        q = 0
        while q + len(_FEW) <= count:
            _tile_sums(_FEW, o, q, weights, patterns, hidden, x, sums)
            q += len(_FEW)
        while q < count:
            _tile_sums(_SINGLE, o, q, weights, patterns, hidden, x, sums)
            q += 1


def _add_errors(
    totals: tuple[Vector, ...], power: int, sums: list[Vector], targets: Rows, first: ir.Value
) -> tuple[Vector, ...]:
    """The totals plus |ψ − x| or its square, by its power, of outputs from their sums; ψ from row `first` on."""
    added, k = [], first
    for total, output in zip(totals, logistics(tuple(sums)), strict=True):
        deviation = output - targets.scalar(k)
        added.append(total + absolute(deviation) if power == 1 else fma(deviation, deviation, total))
        k = targets.builder.add(k, k.type(1))
    return tuple(added)


@traced(gives=lambda totals, *_: totals)
def _add_whole(
    totals: tuple[Vector, ...], power: int, sums: Rows, first: ir.Value, targets: Rows
) -> tuple[Vector, ...]:
    """The totals plus the errors of the outputs whose sums are the rows from `first` on."""
    there = sums.starting_at(first)
    return _add_errors(totals, power, [there[a] for a in range(len(totals))], targets, first)


@traced(gives=lambda totals, *_: totals)
def _add_damaged(
    totals: tuple[Vector, ...], power: int, weight: Vector, x: Rows, k: ir.Value, sums: Rows, first: ir.Value,
    targets: Rows,
) -> tuple[Vector, ...]:  # fmt: skip
    """The same without the term of a hidden node: its weight times its states from row k of x on."""
    states, there = x.starting_at(k), sums.starting_at(first)
    damaged = [fnma(weight, states[a], there[a]) for a in range(len(totals))]
    return _add_errors(totals, power, damaged, targets, first)


@traced(gives=FLOATS)
def _total(totals: tuple[Vector, ...]) -> Vector:
    return reduce(add, totals)


@inlined
def error_of(sums: np.ndarray, patterns: Patterns, power: tuple[int, ...]) -> Vector:
    """ε (eq. 6) from the outputs' sums.

    Args:
        sums: (O Q, 8), as `output_sums` fills it.
        patterns: made by `encode`.
        power: see `Settings.power`.

    Returns:
        FLOATS.
    """
    size = sums.shape[0]
    few, one = _repeated(_FEW, broadcast(0.0)), _repeated(_SINGLE, broadcast(0.0))
    k = 0
    while k + len(_FEW) <= size:
        few = _add_whole(few, power, sums, k, patterns.target_by_output)
        k += len(_FEW)
    while k < size:
        one = _add_whole(one, power, sums, k, patterns.target_by_output)
        k += 1
    return (_total(few) + _total(one)) * broadcast(1.0 / size)


@inlined
def damaged_errors(
    weights: np.ndarray,
    patterns: Patterns,
    hidden: int,
    x: np.ndarray,
    sums: np.ndarray,
    power: tuple[int, ...],
    damaged: np.ndarray,
) -> None:
    """ε_k: ε with hidden node k deleted, of every hidden node; its term is taken away from each sum.

    Args:
        weights: (connection, 8); order as in `sim.sizes.connections`.
        patterns: made by `encode`.
        hidden: H, hidden nodes.
        x: (H Q, 8), as `hidden_states` fills it.
        sums: (O Q, 8), as `output_sums` fills it.
        power: see `Settings.power`.
        damaged: (H, 8), filled with ε_k.
    """
    count, outputs = patterns.target.shape
    for k in range(hidden):
        few, one = _repeated(_FEW, broadcast(0.0)), _repeated(_SINGLE, broadcast(0.0))
        for o in range(outputs):
            weight = load(weights, hidden * (patterns.inputs + 1) + o * (hidden + 1) + k)
            q, states, first = 0, k * count, o * count
            while q + len(_FEW) <= count:
                few = _add_damaged(few, power, weight, x, states + q, sums, first + q, patterns.target_by_output)
                q += len(_FEW)
            while q < count:
                one = _add_damaged(one, power, weight, x, states + q, sums, first + q, patterns.target_by_output)
                q += 1
        store(damaged, k, (_total(few) + _total(one)) * broadcast(1.0 / (count * outputs)))


@inlined
def robustness_of(damaged: np.ndarray, threshold: float) -> Vector:
    """R = (1 / H) Σ_k Θ(h − ε_k) (eq. 7).

    Args:
        damaged: (H, 8) ε_k.
        threshold: h.

    Returns:
        FLOATS; NaN if an error is NaN.
    """
    intact, level = broadcast(0.0), broadcast(threshold)
    for k in range(damaged.shape[0]):
        error = load(damaged, k)
        intact = intact + where_less(error, level, broadcast(1.0), error - error)
    return intact / broadcast(float(damaged.shape[0]))


@inlined
def _classified(sums: np.ndarray, patterns: Patterns) -> Vector:
    """Share of the patterns whose greatest output is that of their greatest target; NaN if outputs are NaN."""
    count, outputs = patterns.target.shape
    right = broadcast(0.0)
    for q in range(count):
        own = 0
        for o in range(outputs):
            if patterns.target[q, o] > patterns.target[q, own]:
                own = o
        best = broadcast(1.0)
        for o in range(outputs):
            if o != own:
                best = where_less(load(sums, o * count + q), load(sums, own * count + q), best, broadcast(0.0))
        right = right + best
    return right / broadcast(float(count)) + 0.0 * logistic(load(sums, 0))


# --- learning ---------------------------------------------------------------------------------------------


@inlined
def _unless_diverged(weights: np.ndarray, value: Vector) -> Vector:
    """`value`, or NaN in the lanes whose ⟨|w|⟩ is not below MAX_MEAN_ABS_WEIGHT."""
    total = broadcast(0.0)
    for k in range(weights.shape[0]):
        total = total + absolute(load(weights, k))
    limit = broadcast(MAX_MEAN_ABS_WEIGHT * weights.shape[0])
    return where_less(total, limit, value, broadcast(np.nan))


@kernel
def _learn(
    settings: Settings, robust: bool, power: tuple[int, ...], patterns: Patterns, block: Block, out: Learned
) -> None:
    """The learning run of eight members: eqs. 4–8, `settings.iterations` times, from w = 0."""
    align_stack()
    hidden = settings.hidden
    count, outputs = patterns.target.shape
    x, sums, damaged = empty_rows(hidden * count), empty_rows(outputs * count), empty_rows(hidden)
    generations = start_generations(settings.delay + 1, out.weight.shape[0], broadcast(0.0))
    errors, failures = empty_rows(settings.delay), empty_rows(settings.delay)
    averaged_from = settings.iterations - max(1, settings.iterations // 100)
    error_sum, robustness_sum = broadcast(0.0), broadcast(0.0)
    recorded, record = block.recorded, 0
    for n in range(settings.iterations):
        weights = weights_at(generations, n)
        hidden_states(weights, patterns, hidden, x)
        output_sums(weights, patterns, hidden, x, sums)
        error = error_of(sums, patterns, power)
        drift = settings.eta * delayed_change(errors, n, settings.delay, error)
        amplitude = settings.sigma * error

        is_recorded = n == recorded[record]
        if robust or is_recorded or n >= averaged_from:
            damaged_errors(weights, patterns, hidden, x, sums, power, damaged)
            robustness = robustness_of(damaged, settings.threshold)
            if is_recorded:
                store(out.error, record, error)
                store(out.robustness, record, robustness)
                record = min(record + 1, recorded.shape[0] - 1)
            if n >= averaged_from:
                error_sum, robustness_sum = error_sum + error, robustness_sum + robustness
            if robust:
                failure = 1.0 - robustness
                change = delayed_change(failures, n, settings.delay, failure)
                drift = fma(broadcast(settings.robust_eta), change, drift)
                second = settings.robust_sigma * failure
                amplitude = sqrt(fma(second, second, amplitude * amplitude))

        if n % CHECK_DIVERGENCE_EVERY == 0:
            amplitude = _unless_diverged(weights, amplitude)
        state = stream(block.seed, load(block.members, 0), n, WEIGHT_NOISE)
        move_weights(weights, weights, weights_at(generations, n + 1), drift, amplitude, None, state)

    weights = weights_at(generations, settings.iterations)
    valid = _unless_diverged(weights, broadcast(1.0))
    for k in range(weights.shape[0]):
        store(weights, k, valid * load(weights, k))
    hidden_states(weights, patterns, hidden, x)
    output_sums(weights, patterns, hidden, x, sums)
    damaged_errors(weights, patterns, hidden, x, sums, power, out.damaged_error)
    averaged = broadcast(float(settings.iterations - averaged_from))
    store(out.final_error, 0, error_sum / averaged)
    store(out.final_robustness, 0, robustness_sum / averaged)
    store(out.original_error, 0, error_of(sums, patterns, power))
    store(out.classified, 0, _classified(sums, patterns))
    copy_rows(weights, out.weight)


def learn(settings: Settings, patterns: Patterns, seed: int, members: np.ndarray, recorded: np.ndarray) -> Learned:
    """Let an ensemble learn from w = 0: `settings.iterations` of eqs. 4–8.

    Source: Bilen and Kaluza, arXiv 1611.03162; equations in the module's docstring.

    Args:
        settings: symbols and ranges in the module's table.
        patterns: made by `encode`.
        seed: 64-bit, one a point of a sweep.
        members: (member,) member numbers.
        recorded: (record,) iterations to record, ascending.

    Returns:
        `Learned`, member first; NaN from where a member has diverged.

    Raises:
        ValueError: no members, or nothing to record.
    """

    def learn_block(block: Block) -> Learned:
        return _learn_block(settings, patterns, block)

    return eight_by_eight(learn_block, seed, members, recorded)


def _learn_block(settings: Settings, patterns: Patterns, block: Block) -> Learned:
    records, hidden = len(block.recorded), settings.hidden
    out = lanes_last(
        Learned,
        error=(records,),
        robustness=(records,),
        final_error=(),
        final_robustness=(),
        original_error=(),
        damaged_error=(hidden,),
        classified=(),
        weight=(connections(patterns.inputs, hidden, patterns.target.shape[1]),),
    )
    _learn(settings, settings.robust, settings.power, patterns, block, out)
    return collect(out, block.kept)
