"""The learning map, in the plainest NumPy.

    w_i(n+1) = w_i(n) − η [ε(n) − ε(n−Δ)] [w_i(n) − w_i(n−Δ)] + σ ε(n) ξ_i(n) + g(n) w_i(n)

g = 0 is eq. 4 of Bilen and Kaluza (arXiv 1611.03162), g = β (W − ⟨|w|⟩) is eq. 13. For n < Δ the drift is zero.
"""

import numpy as np


def next_weights(weights, errors, noise, eta, sigma, delay, growth=0.0):
    """w(n+1) from the whole past.

    weights: list of w(0) … w(n), each (…, weight); errors: list of ε(0) … ε(n), each (…);
    noise: ξ(n), (…, weight); growth: g(n), (…).
    """
    n = len(errors) - 1
    w, error = weights[n], np.asarray(errors[n])[..., None]
    drift = 0.0
    if n >= delay:
        drift = -eta * (error - np.asarray(errors[n - delay])[..., None]) * (w - weights[n - delay])
    return w + drift + sigma * error * noise + np.asarray(growth)[..., None] * w
