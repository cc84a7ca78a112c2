"""Kuramoto oscillators that learn, in the plainest NumPy: angles, full matrices, every term as it is written.

    dφ_i/dt = ω_i + (1/N) Σ_j w_ij sin(φ_j − φ_i)          (eq. 9)
    r(t) = |Σ_j e^(iφ_j)| / N                               (eq. 10)
    R = mean of r after each of the S = T/dt steps          (eq. 11)
    ε = |R_target − R|                                      (eq. 12)
    w_ij(n+1): eq. 4 with g = β (W − ⟨|w|⟩)                 (eq. 13)
    ⟨|w|⟩ = mean of |w_ij| over i < j                       (eq. 14)

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162). Integration is explicit Euler. Arrays may have
leading axes, one entry a system: phases (…, N), weights (…, edge) with the edges i < j row by row.
"""

from typing import NamedTuple

import numpy as np

from tests.reference.learning import next_weights

MAX_MEAN_ABS_WEIGHT = 1e6
"""From the iteration where ⟨|w|⟩ is not below this (NaN included) a system's weights are NaN."""


class Learned(NamedTuple):
    """A learning run; iteration first."""

    order_parameter: np.ndarray
    """(iteration, …) R."""
    error: np.ndarray
    """(iteration, …) ε."""
    mean_abs_weight: np.ndarray
    """(iteration, …) ⟨|w|⟩, before the weights move."""
    weight: np.ndarray
    """(iterations + 1, …, edge) w(0) … w(iterations)."""
    phase: np.ndarray
    """(…, N) φ at the end, rad, not wrapped."""


def matrix(weights, oscillators):
    """The symmetric matrix (…, N, N) of weights (…, edge), zero on its diagonal."""
    full = np.zeros((*np.shape(weights)[:-1], oscillators, oscillators))
    i, j = np.triu_indices(oscillators, 1)
    full[..., i, j] = weights
    full[..., j, i] = weights
    return full


def velocity(phases, coupling, frequencies):
    """dφ/dt (eq. 9); coupling: w_ij as a full matrix (…, N, N)."""
    differences = phases[..., None, :] - phases[..., :, None]
    return frequencies + np.sum(coupling * np.sin(differences), axis=-1) / len(frequencies)


def order_parameter(phases):
    """r (eq. 10)."""
    return np.abs(np.mean(np.exp(1j * phases), axis=-1))


def evolve(phases, weights, frequencies, dt, steps):
    """Explicit Euler: the phases (…, N) after the last step and r (steps, …) after every step."""
    coupling, trace = matrix(weights, len(frequencies)), []
    for _ in range(steps):
        phases = phases + dt * velocity(phases, coupling, frequencies)
        trace.append(order_parameter(phases))
    return phases, np.array(trace)


def learn(settings, frequencies, phases, noise):
    """`settings.iterations` of eqs. 9–14 from w_ij = W and the given phases (…, N).

    settings: any object with the fields eta, sigma, delay, T, dt, iterations, weight_control,
    target_order_parameter, target_mean_abs_weight; noise: ξ, (iteration, …, edge).
    """
    target = settings.target_mean_abs_weight
    steps = round(settings.T / settings.dt)
    weights, R, error, mean_abs_weight = [np.full(noise.shape[1:], target)], [], [], []
    for n in range(settings.iterations):
        phases, r = evolve(phases, weights[n], frequencies, settings.dt, steps)
        R.append(np.mean(r, axis=0))
        error.append(np.abs(settings.target_order_parameter - R[n]))
        mean_abs_weight.append(np.mean(np.abs(weights[n]), axis=-1))
        growth = settings.weight_control * (target - mean_abs_weight[n])
        growth = np.where(mean_abs_weight[n] < MAX_MEAN_ABS_WEIGHT, growth, np.nan)
        weights.append(
            next_weights(weights, error, noise[n], settings.eta, settings.sigma, settings.delay, growth)
        )
    return Learned(np.array(R), np.array(error), np.array(mean_abs_weight), np.array(weights), phases)


def fixed_order_parameter(settings, frequencies, phases, weights):
    """The mean of r (…,) over `settings.fixed_duration` with fixed weights, once `settings.fixed_discarded` has passed.

    phases: (…, N) at the end of learning; weights: (…, edge) w_ij then.
    """
    discarded, averaged = (round(t / settings.dt) for t in (settings.fixed_discarded, settings.fixed_duration))
    _, r = evolve(phases, weights, frequencies, settings.dt, discarded + averaged)
    return np.mean(r[discarded:], axis=0)


def final_average(values):
    """The mean over the last 1 % of iterations, at least one; values: (iteration, …)."""
    return np.mean(values[len(values) - max(1, len(values) // 100) :], axis=0)


def phase_distance(phases, others):
    """|φ − φ'| around the circle, in [0, π]."""
    return np.abs((phases - others + np.pi) % (2 * np.pi) - np.pi)
