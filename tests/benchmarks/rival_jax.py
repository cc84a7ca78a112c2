"""JAX, in double precision, where it is installed."""

import functools
import importlib.util
from typing import Any

from tests.benchmarks.harness import Contestant, Unavailable

PLAIN, BEST = "JAX, plain", "JAX, best rewrite"


def is_installed() -> bool:
    return bool(importlib.util.find_spec("jax"))


def not_installed(family: str) -> Contestant:
    """What takes part where it isn't."""

    def prepare():
        raise Unavailable("jax is not installed")

    return Contestant(family, "any", prepare)


@functools.cache
def jax() -> Any:
    """The module; imported here and not above, for it takes seconds and may not be there."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax
