"""Gaussian processes over swept settings, given estimates with their noise.

Places are in the unit cube, a side for each axis. The kernel is Matérn 5/2 under a linear map A of the axes that is
learned, as what a model answers to is rarely a setting by itself but a product or a quotient of several:

    k(x, y) = s² (1 + √5 r + 5 r²/3) exp(−√5 r),   r = |A (x − y)|

A is upper triangular with a positive diagonal, so that AᵀA is any metric, each by one A. Source: Rasmussen and
Williams, Gaussian Processes for Machine Learning (2006), chapters 2, 4.2 and 5.4.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

_SHORT, _LONG = 0.15, 0.5
"""Lengths, in sides of the cube, from which the fit starts, across and along a ridge."""
_LENGTH = 0.3
"""Expected before any number is seen, to a factor of e."""
_SKEW = 4.0
"""Standard deviation expected of the entries of A beside the diagonal."""
_ITERATIONS = 60
"""Of a fit, at most."""
_KERNELS, _WIDEST = 10, 2.0
"""Kernels that the numbers allow for, of which functions are drawn, and how far their parameters may be spread at most:
standard deviations, in the units of the parameters.
"""


_corner = cache(np.triu_indices)
"""Rows and columns of the entries of A that are not 0."""


class MappedMatern(Kernel):  # type: ignore[misc]
    """Matérn 5/2 under a linear map of the axes.

    Args:
        axes: how many.
        theta: the logarithm of s, then the rows of A from the diagonal on, the diagonal as logarithms.
    """

    def __init__(self, axes: int, theta: np.ndarray):
        self.axes = axes
        self.theta = theta

    @property
    def theta(self) -> np.ndarray:
        """(parameter,) those that are learned."""
        return self._theta

    @theta.setter
    def theta(self, theta: np.ndarray) -> None:
        self._theta = np.asarray(theta, dtype=float)

    @property
    def bounds(self) -> np.ndarray:
        """(parameter, 2) so far from what is expected that they hold nothing back."""
        return np.full((len(self._theta), 2), [-20.0, 20.0])

    @property
    def hyperparameters(self) -> list[Any]:
        """None with a name and bounds of its own."""
        return []

    @property
    def n_dims(self) -> int:
        """How many parameters are learned."""
        return len(self._theta)

    @property
    def matrix(self) -> np.ndarray:
        """(axis, axis) A."""
        matrix = np.zeros((self.axes, self.axes))
        matrix[_corner(self.axes)] = self._theta[1:]
        diagonal = np.diag_indices(self.axes)
        matrix[diagonal] = np.exp(matrix[diagonal])
        return matrix

    def __call__(self, X: np.ndarray, Y: np.ndarray | None = None, eval_gradient: bool = False) -> Any:
        """(of X, of Y) covariances; with `eval_gradient` their derivatives by the parameters too, along a last axis."""
        Y, matrix = X if Y is None else Y, self.matrix
        mapped_X, mapped_Y = X @ matrix.T, Y @ matrix.T
        squared = cdist(mapped_X, mapped_Y, "sqeuclidean")
        scaled = np.sqrt(5 * squared)
        decay = np.exp(2 * self._theta[0] - scaled)
        kernel = (1 + scaled + 5 / 3 * squared) * decay
        if not eval_gradient:
            return kernel
        by_squared = -5 / 6 * (1 + scaled) * decay
        gradient = np.empty((*kernel.shape, len(self._theta)))
        gradient[..., 0] = 2 * kernel
        for k, (row, column) in enumerate(zip(*_corner(self.axes), strict=True), start=1):
            mapped = np.subtract.outer(mapped_X[:, row], mapped_Y[:, row])
            factor = matrix[row, row] if row == column else 1.0  # the diagonal is in logarithms
            gradient[..., k] = 2 * factor * by_squared * mapped * np.subtract.outer(X[:, column], Y[:, column])
        return kernel, gradient

    def diag(self, X: np.ndarray) -> np.ndarray:
        """(of X,) variances."""
        return np.full(len(X), np.exp(2 * self._theta[0]))

    def is_stationary(self) -> bool:
        """Yes."""
        return True

    def distances(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """(of X, of Y) in lengths of the kernel."""
        return np.asarray(cdist(X @ self.matrix.T, Y @ self.matrix.T))


class Model:
    """A Gaussian process that was fitted to estimates.

    Args:
        places: (place, axis) in the unit cube.
        values: (place,) estimates.
        variances: (place,) of their noise.
        start: the parameters of an earlier fit, from which this one starts beside a general one. Default: several
            general ones.
        near: whether to start from `start` alone. Default: no.
    """

    def __init__(
        self,
        places: np.ndarray,
        values: np.ndarray,
        variances: np.ndarray,
        start: Sequence[float] | None = None,
        near: bool = False,
    ):
        axes = places.shape[1]
        self._unit = float(values.std()) or float(np.sqrt(variances.mean())) or 1.0
        values, variances = values / self._unit, variances / self._unit**2
        self.middle = float(np.average(values, weights=1 / (variances + 1)))
        scale = float(np.log(values.std() + 1e-3))
        starts = _starts(axes, scale)
        if start is not None:
            starts = [np.array(start), *starts[: 0 if near else 1]]
        self._noise = variances + 1e-8 * np.exp(2 * scale)
        self._data = places, values - self.middle
        self._costs: list[Any] = []
        self._process = GaussianProcessRegressor(
            MappedMatern(axes, starts[0]), alpha=self._noise, optimizer=_search(starts, scale, self._costs)
        ).fit(*self._data)

    @property
    def kernel(self) -> MappedMatern:
        """As it was fitted."""
        kernel: MappedMatern = self._process.kernel_
        return kernel

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, (place,) each, of what it expects."""
        mean, deviation = self._process.predict(places, return_std=True)
        return self._unit * (mean + self.middle), self._unit * np.maximum(deviation, 1e-9)

    def moved(
        self, places: np.ndarray, by: np.ndarray, noise: float, beside: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """By how much an estimate more would move what is expected.

        Args:
            places: (place, axis) where it is expected.
            by: (candidate, axis) where the estimate is made.
            noise: its variance.
            beside: (axis,) places of further such estimates that are made at the same time. Default: none.

        Returns:
            (place, candidate) standard deviations of the mean at a place, with a sign.
        """
        known, noise = np.vstack([self._data[0], *beside]), noise / self._unit**2
        noises = np.concatenate([self._noise, np.full(len(beside), noise)])
        root = np.linalg.cholesky(self.kernel(known) + np.diag(noises))
        there, new = (solve_triangular(root, self.kernel(known, at), lower=True) for at in (places, by))
        left = self.kernel.diag(by) - (new**2).sum(axis=0)
        moves = (self.kernel(places, by) - there.T @ new) / np.sqrt(np.maximum(left, 0) + noise)
        return np.asarray(self._unit * moves)

    def drawn(self, places: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
        """(draw, place) functions that it takes for possible."""
        found, kernels = [], min(draws, _KERNELS)
        for theta in self._possible(kernels, random):
            process = GaussianProcessRegressor(
                MappedMatern(self.kernel.axes, theta), alpha=self._noise, optimizer=None
            ).fit(*self._data)
            mean, covariance = process.predict(places, return_cov=True)
            root = _root(covariance, float(np.exp(2 * theta[0])))
            found.append(mean + random.standard_normal((draws // kernels, len(places))) @ root.T)
        return self._unit * (np.concatenate(found) + self.middle)

    def _possible(self, count: int, random: np.random.Generator) -> np.ndarray:
        """(draw, parameter) parameters that the numbers allow for, by Laplace's approximation."""
        best, cost = self.kernel.theta, self._costs[0]
        step = 1e-4
        hessian = np.array(
            [(cost(best + e)[1] - cost(best - e)[1]) / (2 * step) for e in step * np.eye(len(best))]
        )
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        root = vectors / np.sqrt(np.maximum(values, 1.0 / _WIDEST**2))
        return np.asarray(best + random.standard_normal((count, len(best))) @ root.T)


def _root(covariance: np.ndarray, variance: float) -> np.ndarray:
    """A lower triangle whose square is a covariance, but for as little of the variance as rounding asks for."""
    diagonal = np.eye(len(covariance))
    for jitter in (1e-9, 1e-7, 1e-5):
        with suppress(np.linalg.LinAlgError):
            return np.asarray(np.linalg.cholesky(covariance + jitter * variance * diagonal))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _starts(axes: int, scale: float) -> list[np.ndarray]:
    """Parameters to start from: a ball, and ridges along every axis and between every two of them."""
    metrics = [np.eye(axes) / _LENGTH**2]
    across = np.array([[1 / _SHORT**2, 0], [0, 1 / _LONG**2]])
    for i in range(axes):
        along = np.full(axes, 1 / _LONG**2)
        along[i] = 1 / _SHORT**2
        metrics.append(np.diag(along))
        for j in range(i + 1, axes):
            for angle in (np.pi / 4, -np.pi / 4):
                turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
                metric = np.eye(axes) / _LENGTH**2
                metric[np.ix_([i, j], [i, j])] = turn.T @ across @ turn
                metrics.append(metric)
    return [_parameters(np.linalg.cholesky(metric).T, scale) for metric in metrics]


def _parameters(matrix: np.ndarray, scale: float) -> np.ndarray:
    matrix = matrix.copy()
    diagonal = np.diag_indices(len(matrix))
    matrix[diagonal] = np.log(matrix[diagonal])
    return np.concatenate([[scale], matrix[_corner(len(matrix))]])


def _search(
    starts: Sequence[np.ndarray], scale: float, kept: list[Any]
) -> Callable[..., tuple[np.ndarray, float]]:
    """Find the parameters that are most probable after the numbers, from the best of the starts and one more."""
    axes = int((np.sqrt(8 * len(starts[0]) - 7) - 1) / 2)
    rows, columns = _corner(axes)
    expected = np.concatenate([[scale], np.where(rows == columns, -np.log(_LENGTH), 0)])
    spread = np.concatenate([[1.0], np.where(rows == columns, 1.0, _SKEW)])

    options: Any = {"maxiter": _ITERATIONS}

    def optimizer(objective: Callable[..., Any], _: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
        def cost(theta: np.ndarray) -> Any:
            value, gradient = objective(theta)
            off = (theta - expected) / spread
            return value + off @ off / 2, gradient + off / spread

        kept.append(cost)
        best = sorted(starts, key=lambda theta: cost(theta)[0])[:2]
        found = [
            minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds.tolist(), options=options)
            for start in best
        ]
        least = min(found, key=lambda result: float(result.fun))
        return least.x, float(least.fun)

    return optimizer
