"""Dynamical systems: what a system is, which there are, and how its members are computed.

A system of one's own is a module that assigns `SYSTEM`; the README's "Your own model" shows one.
"""

from pipeline.systems import patterns
from pipeline.systems.computing import compute_members, described
from pipeline.systems.finding import (
    described_anywhere,
    find,
    find_or_loaded,
    kernels_of,
    known_systems,
    loaded,
    search_in,
)
from pipeline.systems.functions import function_of, function_version, is_function
from pipeline.systems.interface import (
    COMPUTED,
    DIVERGED,
    ITERATION,
    MISSING,
    MOST_DELAY,
    MOST_ITERATIONS,
    Dimension,
    Estimand,
    Settings,
    System,
    Variable,
    evenly_spread,
    fewer_iterations,
    mean_of,
    median_of,
    recorded,
    streams,
)

__all__ = [
    "COMPUTED", "DIVERGED", "ITERATION", "MISSING", "MOST_DELAY", "MOST_ITERATIONS", "Dimension", "Estimand",
    "Settings", "System", "Variable",
    "compute_members", "described", "described_anywhere", "evenly_spread", "fewer_iterations", "find",
    "find_or_loaded", "function_of", "function_version", "is_function", "kernels_of", "known_systems", "loaded",
    "mean_of", "median_of", "patterns", "recorded", "search_in", "streams",
]  # fmt: skip
