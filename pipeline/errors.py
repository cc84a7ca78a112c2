"""Errors a user can mend, and the exit codes they end in."""

from collections.abc import Iterable

COMPLETE, CONFIG_WRONG, BLOCKS_FAILED, INTERRUPTED = 0, 2, 3, 4


class RequestError(Exception):
    """What is wrong with a request: one line a fault, each with the key or file, what was expected and got."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class Interrupted(Exception):  # noqa: N818 (no error)
    """A run was stopped before it was complete; what it stored is kept."""


class ClusterLost(Interrupted):
    """There is no cluster to run on, or no more."""
