"""A Kuramoto step in NumPy: as one would write it, and every rewrite that promised to be faster.

The rewrites integrate an ensemble at once, in place, and use, with c = cos φ and s = sin φ,

    Σ_j w_ij sin(φ_j − φ_i) = c_i (w s)_i − s_i (w c)_i.

They differ in how they multiply by w, and in how they get the new c and s.
"""

from collections.abc import Callable, Iterator

import numpy as np

from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_problem import DT, Plain, Problem, contestant

PLAIN, PLAIN_ENSEMBLE, BEST = "NumPy, plain", "NumPy, plain, ensemble", "NumPy, best rewrite"
ENSEMBLES = (8, 64, 128, 512, 2048)
LARGEST_ARRAY = 2**21
"""Numbers in an ensemble's weights at most: 16 MB."""


def contestants(problem: Problem) -> Iterator[Contestant]:
    yield contestant(PLAIN, "member by member", Plain, problem)
    for members in _ensembles(problem):
        yield contestant(PLAIN_ENSEMBLE, f"{members} members at once", PlainEnsemble, problem, members)
    for multiply in PRODUCTS:
        for phasors in (Recomputed, Turned):
            for members in _ensembles(problem):
                name = f"{multiply.__doc__}; {phasors.__doc__}; {members} members"
                yield contestant(BEST, name, _rewrite(multiply, phasors), problem, members)


def _ensembles(problem: Problem) -> list[int]:
    return [members for members in ENSEMBLES if members * problem.oscillators**2 <= LARGEST_ARRAY]


class PlainEnsemble:
    """The plain step with a leading axis for the members."""

    def __init__(self, problem: Problem, members: int) -> None:
        self.frequencies = problem.frequencies
        self.phi, self.weights = problem.phases(members), problem.matrices(members)

    def advance(self, steps: int) -> np.ndarray:
        r_sum = np.zeros(len(self.phi))
        for _ in range(steps):
            differences = self.phi[:, None, :] - self.phi[:, :, None]
            pull = (self.weights * np.sin(differences)).sum(axis=2) / len(self.frequencies)
            self.phi += DT * (self.frequencies + pull)
            r_sum += np.abs(np.exp(1j * self.phi).mean(axis=1))
        return r_sum / steps


# --- multiply by w: each gives a function that writes the dφ due to the others ----------------------------------


def batched_matmul(w: np.ndarray) -> Callable:
    """batched matmul with c and s as two columns"""
    z, field = np.empty((2, *w.shape[:2], 2))
    product = np.empty(w.shape[:2])

    def pull(c, s, out):
        z[..., 0], z[..., 1] = c, s
        np.matmul(w, z, out=field)
        np.multiply(c, field[..., 1], out=out)
        np.multiply(s, field[..., 0], out=product)
        np.subtract(out, product, out=out)

    return pull


def stacked_matmul(w: np.ndarray) -> Callable:
    """batched matmul with c and s as two rows"""
    members, N, _ = w.shape
    z, field = np.empty((2, members, 2, N))
    product = np.empty((members, N))

    def pull(c, s, out):
        z[:, 0], z[:, 1] = c, s
        np.matmul(z, w, out=field)  # w is symmetric
        np.multiply(c, field[:, 1], out=out)
        np.multiply(s, field[:, 0], out=product)
        np.subtract(out, product, out=out)

    return pull


def complex_matmul(w: np.ndarray) -> Callable:
    """batched matmul of complex w and z"""
    w = w.astype(complex)
    z, field = np.empty((2, *w.shape[:2], 1), dtype=complex)

    def pull(c, s, out):
        z.real[..., 0], z.imag[..., 0] = c, s
        np.matmul(w, z, out=field)
        np.conjugate(z, out=z)
        np.multiply(z, field, out=field)
        out[...] = field.imag[..., 0]

    return pull


def matvec(w: np.ndarray) -> Callable:
    """np.matvec for c and for s"""
    field, product = np.empty((2, *w.shape[:2]))

    def pull(c, s, out):
        np.matvec(w, s, out=field)
        np.multiply(c, field, out=out)
        np.matvec(w, c, out=field)
        np.multiply(s, field, out=product)
        np.subtract(out, product, out=out)

    return pull


def einsum_members_first(w: np.ndarray) -> Callable:
    """einsum, members first"""
    field, product = np.empty((2, *w.shape[:2]))

    def pull(c, s, out):
        np.einsum("mij,mj->mi", w, s, out=field)
        np.multiply(c, field, out=out)
        np.einsum("mij,mj->mi", w, c, out=field)
        np.multiply(s, field, out=product)
        np.subtract(out, product, out=out)

    return pull


def einsum_members_last(w: np.ndarray) -> Callable:
    """einsum, members last"""
    w = np.ascontiguousarray(np.moveaxis(w, 0, -1))
    field, product = np.empty((2, *w.shape[1:]))

    def pull(c, s, out):
        np.einsum("jim,jm->im", w, s, out=field)
        np.multiply(c, field, out=out)
        np.einsum("jim,jm->im", w, c, out=field)
        np.multiply(s, field, out=product)
        np.subtract(out, product, out=out)

    return pull


def one_einsum(w: np.ndarray) -> Callable:
    """one einsum for c and s, members last"""
    w = np.ascontiguousarray(np.moveaxis(w, 0, -1))
    z, field = np.empty((2, 2, *w.shape[1:]))
    product = np.empty(w.shape[1:])

    def pull(c, s, out):
        z[0], z[1] = c, s
        np.einsum("jim,kjm->kim", w, z, out=field)
        np.multiply(c, field[1], out=out)
        np.multiply(s, field[0], out=product)
        np.subtract(out, product, out=out)

    return pull


def loop_over_oscillators(w: np.ndarray) -> Callable:
    """loop over j, members last"""
    w = np.ascontiguousarray(np.moveaxis(w, 0, -1))
    field, product = np.empty((2, *w.shape[1:]))

    def weighted_sum(x):
        np.multiply(w[0], x[0], out=field)
        for w_j, x_j in zip(w[1:], x[1:], strict=True):
            np.multiply(w_j, x_j, out=product)
            np.add(field, product, out=field)

    def pull(c, s, out):
        weighted_sum(s)
        np.multiply(c, field, out=out)
        weighted_sum(c)
        np.multiply(s, field, out=product)
        np.subtract(out, product, out=out)

    return pull


def product_and_sum(w: np.ndarray) -> Callable:
    """product and sum, members last"""
    w = np.ascontiguousarray(np.moveaxis(w, 0, -1))
    products = np.empty_like(w)
    field, product = np.empty((2, *w.shape[1:]))

    def pull(c, s, out):
        np.multiply(w, s[:, None], out=products)
        np.add.reduce(products, axis=0, out=field)
        np.multiply(c, field, out=out)
        np.multiply(w, c[:, None], out=products)
        np.add.reduce(products, axis=0, out=field)
        np.multiply(s, field, out=product)
        np.subtract(out, product, out=out)

    return pull


def rows_of_pairs(w: np.ndarray) -> Callable:
    """each pair once, row by row, members last"""
    N = w.shape[1]
    rows = [np.ascontiguousarray(w[:, i, i + 1 :].T) for i in range(N - 1)]
    forces, product = np.empty((2, N, w.shape[0]))
    total = np.empty(w.shape[0])

    def pull(c, s, out):
        out[...] = 0
        for i, row in enumerate(rows):
            force, other = forces[i + 1 :], product[i + 1 :]
            np.multiply(s[i + 1 :], c[i], out=force)
            np.multiply(c[i + 1 :], s[i], out=other)
            np.subtract(force, other, out=force)
            np.multiply(force, row, out=force)
            np.subtract(out[i + 1 :], force, out=out[i + 1 :])
            np.add.reduce(force, axis=0, out=total)
            np.add(out[i], total, out=out[i])

    return pull


MEMBERS_LAST = (einsum_members_last, one_einsum, loop_over_oscillators, product_and_sum, rows_of_pairs)
MEMBERS_FIRST = (batched_matmul, stacked_matmul, complex_matmul, einsum_members_first)
PRODUCTS = (*MEMBERS_LAST, *MEMBERS_FIRST, *((matvec,) if hasattr(np, "matvec") else ()))


# --- the new c and s ------------------------------------------------------------------------------------------


class Recomputed:
    """np.cos and np.sin of φ"""

    def __init__(self, phi: np.ndarray) -> None:
        self.phi, self.c, self.s = phi.copy(), np.cos(phi), np.sin(phi)

    def turn(self, angle: np.ndarray) -> None:
        np.add(self.phi, angle, out=self.phi)
        np.cos(self.phi, out=self.c)
        np.sin(self.phi, out=self.s)

    def renormalise(self) -> None:
        pass


class Turned:
    """z turned by dφ, sin from its Taylor series, cos from sin"""

    SIN = (1 / 362880, -1 / 5040, 1 / 120, -1 / 6)  # sin a = a + a³ S(a²): 1e-14 at a = 0.25

    def __init__(self, phi: np.ndarray) -> None:
        self.c, self.s = np.cos(phi), np.sin(phi)
        self.square, self.sine, self.cosine = np.empty((3, *phi.shape))

    def turn(self, angle: np.ndarray) -> None:
        c, s, square, sine, cosine = self.c, self.s, self.square, self.sine, self.cosine
        np.multiply(angle, angle, out=square)
        np.multiply(square, self.SIN[0], out=sine)
        for coefficient in self.SIN[1:]:
            np.add(sine, coefficient, out=sine)
            np.multiply(sine, square, out=sine)
        np.multiply(sine, angle, out=sine)
        np.add(sine, angle, out=sine)
        np.multiply(sine, sine, out=cosine)
        np.subtract(1, cosine, out=cosine)
        np.sqrt(cosine, out=cosine)
        np.multiply(s, sine, out=square)
        np.multiply(c, sine, out=sine)
        np.multiply(c, cosine, out=c)
        np.subtract(c, square, out=c)
        np.multiply(s, cosine, out=s)
        np.add(s, sine, out=s)

    def renormalise(self) -> None:
        length = np.sqrt(self.c * self.c + self.s * self.s)
        self.c /= length
        self.s /= length


class Rewrite:
    """Whole ensemble, in place, with one way to multiply and one way to move the phasors."""

    RENORMALISE_EVERY = 32

    def __init__(self, problem: Problem, members: int, multiply: Callable, phasors: type) -> None:
        last = multiply in MEMBERS_LAST
        phases = problem.phases(members)
        self.oscillators, self.axis = problem.oscillators, 0 if last else 1
        self.rotation = DT * (problem.frequencies[:, None] if last else problem.frequencies)
        self.phasors = phasors(np.ascontiguousarray(phases.T) if last else phases)
        self.pull = multiply(problem.matrices(members) * (DT / problem.oscillators))
        self.angle = np.empty_like(self.phasors.c)
        self.r_sum, self.c_sum, self.s_sum = np.empty((3, members))

    def advance(self, steps: int) -> np.ndarray:
        self.r_sum[...] = 0
        for step in range(steps):
            self.pull(self.phasors.c, self.phasors.s, self.angle)
            np.add(self.angle, self.rotation, out=self.angle)
            self.phasors.turn(self.angle)
            if step % self.RENORMALISE_EVERY == 0:
                self.phasors.renormalise()
            self._add_order_parameter()
        return self.r_sum / (self.oscillators * steps)

    def _add_order_parameter(self) -> None:
        np.add.reduce(self.phasors.c, axis=self.axis, out=self.c_sum)
        np.add.reduce(self.phasors.s, axis=self.axis, out=self.s_sum)
        np.multiply(self.c_sum, self.c_sum, out=self.c_sum)
        np.multiply(self.s_sum, self.s_sum, out=self.s_sum)
        np.add(self.c_sum, self.s_sum, out=self.c_sum)
        np.sqrt(self.c_sum, out=self.c_sum)
        np.add(self.r_sum, self.c_sum, out=self.r_sum)


def _rewrite(multiply: Callable, phasors: type) -> Callable[[Problem, int], Rewrite]:
    return lambda problem, members: Rewrite(problem, members, multiply, phasors)
