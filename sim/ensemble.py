"""Members in blocks of eight: from member numbers to lanes and back, and the status of a member."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from sim.vectors import LANES

COMPUTED, DIVERGED = 1, 2
"""Status of a member."""
MAX_MEAN_ABS_WEIGHT = 1e6
"""A member whose ⟨|w|⟩ passes this, or is no number, has diverged: from there on its values are NaN."""

Fields = TypeVar("Fields", bound=tuple[Any, ...])


def eight_by_eight(compute: Callable[[np.ndarray], Fields], members: np.ndarray) -> Fields:
    """Join what `compute` gives for at most eight members at a time: a named tuple of arrays, member first.

    Raises ValueError for no members.
    """
    members = np.asarray(members, dtype=np.uint64)
    if not len(members):
        raise ValueError("expected at least one member, got none")
    parts = [compute(members[start : start + LANES]) for start in range(0, len(members), LANES)]
    return type(parts[0])(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def member_first(rows: np.ndarray, members: int) -> np.ndarray:
    """(…, 8) lanes to (members, …)."""
    return np.ascontiguousarray(np.moveaxis(rows, -1, 0)[:members])


def status_of(weights: np.ndarray, members: int) -> np.ndarray:
    """(members,) COMPUTED, or DIVERGED where some weight of (weight, 8) is no finite number."""
    return np.where(np.isfinite(weights).all(axis=0), COMPUTED, DIVERGED).astype(np.uint8)[:members]
