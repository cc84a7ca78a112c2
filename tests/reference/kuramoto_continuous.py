"""Kuramoto oscillators that learn continuously, in the plainest NumPy: one system, its whole past kept.

    w(t+dt) = w(t) + dt {−η [ε(t) − ε(t−Δ)] [w(t−T) − w(t−T−Δ)] + β (W − ⟨|w|⟩) w(t)} + σ ε(t) √dt ξ    (eq. 3)

Equation numbers are those of Bilen and Kaluza (arXiv 1611.03162); R(t) is the mean of r over (t−T, t]. Weights
rest while t < T, and there is no drift while t < T + Δ.
"""

from typing import NamedTuple

import numpy as np

from tests.reference import kuramoto


class Learned(NamedTuple):
    """A learning run, Euler step first."""

    order_parameter: np.ndarray
    """(step,) R; NaN before the first window is full."""
    weight: np.ndarray
    """(steps + 1, edge): row k is the weights of step k."""
    phase: np.ndarray
    """(N,) φ at the end, rad, not wrapped."""


def learn(settings, frequencies, phases, noise):
    """A run of as many Euler steps as there are rows of noise, ξ (step, edge), from w = W and phases (N,)."""
    window, delay = round(settings.T / settings.dt), round(settings.delay / settings.dt)
    root_dt = np.sqrt(settings.dt)
    phi, oscillators = phases, len(frequencies)
    weights = [np.full(noise.shape[1], settings.target_mean_abs_weight)]
    r, errors, order_parameters = [], [], []
    for k, xi in enumerate(noise):
        w = weights[k]
        phi = phi + settings.dt * kuramoto.velocity(phi, kuramoto.matrix(w, oscillators), frequencies)
        r.append(kuramoto.order_parameter(phi))
        begin = k + 1 - window  # the step with which the window of this one began
        if begin < 0:
            order_parameters.append(np.nan)
            weights.append(w)
            continue
        order_parameters.append(np.mean(r[begin:]))
        errors.append(abs(settings.target_order_parameter - order_parameters[-1]))
        rate = settings.weight_control * (settings.target_mean_abs_weight - np.mean(np.abs(w))) * w
        if begin >= delay:
            change = errors[begin] - errors[begin - delay]
            rate = rate - settings.eta * change * (weights[begin] - weights[begin - delay])
        weights.append(w + settings.dt * rate + settings.sigma * errors[-1] * root_dt * xi)
    return Learned(np.array(order_parameters), np.array(weights), phi)
