"""A Kuramoto step in JAX: jit-compiled loops over steps, double precision, one core.

The plain form is one member's step as one would write it, under vmap. The rewrites multiply by w in different
layouts, take cos φ and sin φ anew or turn z by polynomials, and try several ensemble sizes and both kinds of loop.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from tests.benchmarks import rival_jax
from tests.benchmarks.harness import Contestant
from tests.benchmarks.kuramoto_problem import DT, Problem, contestant
from tests.benchmarks.rival_jax import BEST, PLAIN
from tests.benchmarks.rival_jax import jax as _jax

ENSEMBLES = (8, 16, 64, 512)
LARGEST_ARRAY = 2**20
"""Numbers in an ensemble's weights at most; the caches hold no more."""
BLOCK = 100
"""Steps in a scan, whose length has to be known when it is compiled."""
# Taylor: 1e-14 at |a| = 0.25.
SIN = (1 / 362880, -1 / 5040, 1 / 120, -1 / 6)
COS = (-1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2)


def contestants(problem: Problem) -> Iterator[Contestant]:
    if not rival_jax.is_installed():
        yield from map(rival_jax.not_installed, (PLAIN, BEST))
        return
    ensembles = [members for members in ENSEMBLES if members * problem.oscillators**2 <= LARGEST_ARRAY]
    steps = [_matvec_recomputed, _matvec_turned, _products_recomputed, _products_turned]
    if problem.oscillators <= 10:
        steps.append(_pairs_turned)
    for family, tried in ((PLAIN, [_plain]), (BEST, steps)):
        for step, loop, members in itertools.product(tried, (_fori, _scan), ensembles):
            name = f"{step.__doc__}; {loop.__doc__}; {members} members"
            yield contestant(family, name, _start(step, loop), problem, members, least_steps=BLOCK)


# --- one step each: (state, w dt/N, ω dt) to (new state, N r) ---------------------------------------------------


def _plain(state, w, rotation):
    """vmap of sin of the differences"""
    jnp = _jax().numpy

    def one(phi, w):
        phi = phi + rotation + (w * jnp.sin(phi[None, :] - phi[:, None])).sum(axis=1)
        return phi, jnp.abs(jnp.exp(1j * phi).sum())

    (phi,) = state
    phi, r = _jax().vmap(one)(phi, w)
    return (phi,), r


def _matvec_recomputed(state, w, rotation):
    """vmap of matvec; cos and sin of φ"""
    jnp = _jax().numpy

    def one(phi, c, s, w):
        phi = phi + rotation + c * (w @ s) - s * (w @ c)
        c, s = jnp.cos(phi), jnp.sin(phi)
        return (phi, c, s), jnp.hypot(c.sum(), s.sum())

    return _jax().vmap(one)(*state, w)


def _matvec_turned(state, w, rotation):
    """vmap of matvec; z turned by polynomials"""
    jnp = _jax().numpy

    def one(c, s, w):
        c, s = _turn(c, s, rotation + c * (w @ s) - s * (w @ c))
        return (c, s), jnp.sqrt(c.sum() ** 2 + s.sum() ** 2)

    return _jax().vmap(one)(*state, w)


def _products_recomputed(state, w, rotation):
    """product and sum, members last; cos and sin of φ"""
    jnp = _jax().numpy
    phi, c, s = state
    phi = phi + rotation[:, None] + c * (w * s[:, None]).sum(axis=0) - s * (w * c[:, None]).sum(axis=0)
    c, s = jnp.cos(phi), jnp.sin(phi)
    return (phi, c, s), jnp.sqrt(c.sum(axis=0) ** 2 + s.sum(axis=0) ** 2)


def _products_turned(state, w, rotation):
    """product and sum, members last; z turned by polynomials"""
    jnp = _jax().numpy
    c, s = state
    angle = rotation[:, None] + c * (w * s[:, None]).sum(axis=0) - s * (w * c[:, None]).sum(axis=0)
    c, s = _turn(c, s, angle)
    return (c, s), jnp.sqrt(c.sum(axis=0) ** 2 + s.sum(axis=0) ** 2)


def _pairs_turned(state, w, rotation):
    """each pair once, unrolled, members last; z turned by polynomials"""
    jnp = _jax().numpy
    c, s = state
    N = len(rotation)
    angle = [rotation[i] for i in range(N)]
    for i in range(N):
        for j in range(i + 1, N):
            force = w[i, j] * (s[j] * c[i] - c[j] * s[i])
            angle[i], angle[j] = angle[i] + force, angle[j] - force
    c, s = _turn(c, s, jnp.stack(angle))
    return (c, s), jnp.sqrt(c.sum(axis=0) ** 2 + s.sum(axis=0) ** 2)


def _turn(c, s, a):
    """The unit vectors (c, s) turned by small angles."""
    jnp = _jax().numpy
    square = a * a
    sine = a + a * square * jnp.polyval(jnp.array(SIN), square)
    cosine = 1 + square * jnp.polyval(jnp.array(COS), square)
    c, s = c * cosine - s * sine, s * cosine + c * sine
    scale = 1.5 - 0.5 * (c * c + s * s)  # every step: cheaper here than to ask whether it is time
    return c * scale, s * scale


# --- loops over (state, Σ N r) --------------------------------------------------------------------------------


def _fori(advance: Callable, carry: tuple, blocks: int) -> tuple:
    """fori_loop"""
    return _jax().lax.fori_loop(0, blocks * BLOCK, lambda _, carry: advance(carry), carry)


def _scan(advance: Callable, carry: tuple, blocks: int) -> tuple:
    """scan"""
    lax = _jax().lax

    def block(_, carry):
        return lax.scan(lambda carry, _: (advance(carry), None), carry, None, length=BLOCK)[0]

    return lax.fori_loop(0, blocks, block, carry)


def _start(step: Callable, loop: Callable) -> Callable:
    return lambda problem, members: _Jitted(problem, members, step, loop)


class _Jitted:
    MEMBERS_LAST = (_products_recomputed, _products_turned, _pairs_turned)
    KEEPS_PHASES = (_matvec_recomputed, _products_recomputed)

    def __init__(self, problem: Problem, members: int, step: Callable, loop: Callable) -> None:
        jax = _jax()
        phi, w = problem.phases(members), problem.matrices(members) * (DT / problem.oscillators)
        if step in self.MEMBERS_LAST:
            phi, w = np.moveaxis(phi, 0, -1), np.moveaxis(w, 0, -1)
        phasors = (np.cos(phi), np.sin(phi))
        state = (phi,) if step is _plain else (phi, *phasors) if step in self.KEEPS_PHASES else phasors
        self.state = tuple(jax.numpy.asarray(np.ascontiguousarray(x)) for x in state)
        self.w = jax.numpy.asarray(np.ascontiguousarray(w))
        self.rotation = jax.numpy.asarray(DT * problem.frequencies)
        self.oscillators = problem.oscillators

        @jax.jit
        def run(state, w, rotation, blocks):
            def advance(carry):
                state, total = carry
                state, r = step(state, w, rotation)
                return state, total + r

            return loop(advance, (state, jax.numpy.zeros(members)), blocks)

        self.run = run

    def advance(self, steps: int) -> np.ndarray:
        self.state, total = self.run(self.state, self.w, self.rotation, steps // BLOCK)
        return np.asarray(total) / (self.oscillators * steps)
