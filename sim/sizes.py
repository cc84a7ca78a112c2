"""Counts that need no kernel, so that planning a sweep does not load numba."""


def steps_in(duration: float, dt: float) -> int:
    """Euler steps in a duration.

    Args:
        duration: time.
        dt: Euler step, the same unit.

    Returns:
        The nearest whole number.
    """
    return round(duration / dt)


def connections(inputs: int, hidden: int, outputs: int) -> int:
    """How many weights a network has: H (inputs + 1) + O (H + 1).

    Their order: for every hidden node its inputs and its threshold, then for every output its hidden nodes and
    its threshold.

    Args:
        inputs: of the network.
        hidden: H, hidden nodes.
        outputs: O.

    Returns:
        The length of every `connection` axis.
    """
    return hidden * (inputs + 1) + outputs * (hidden + 1)
