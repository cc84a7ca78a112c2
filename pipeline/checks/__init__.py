"""Checks of a store: blocks against their digests, blocks of another store, and points with shorter Euler steps."""

from typing import TYPE_CHECKING, Any

from pipeline.checks.merge import Merged, merge
from pipeline.checks.verify import Checked, sample, verification_lines, verified

if TYPE_CHECKING:
    from pipeline.checks.timestep import Shift, convergence_lines, shifts

__all__ = [
    "Checked", "Merged", "Shift", "convergence_lines", "merge", "sample", "shifts", "verification_lines", "verified",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """What compares means loads xarray and scipy: only where it is used."""
    if name in ("Shift", "convergence_lines", "shifts"):
        from pipeline.checks import timestep

        return getattr(timestep, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
