"""Counts that need no kernel, so that planning a sweep does not load numba."""


def steps_in(duration: float, dt: float) -> int:
    """Euler steps in a duration: the nearest whole number."""
    return round(duration / dt)


def connections(inputs: int, hidden: int, outputs: int) -> int:
    """How many weights a network has.

    Their order: for every hidden node its inputs and its threshold, then for every output its hidden nodes and
    its threshold.
    """
    return hidden * (inputs + 1) + outputs * (hidden + 1)
