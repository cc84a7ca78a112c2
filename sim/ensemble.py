"""Members in blocks of eight: from member numbers to lanes and back, and the status of a member."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sim.memory import in_lanes
from sim.vectors import LANES

COMPUTED, DIVERGED = 1, 2
"""Status of a member."""
MAX_MEAN_ABS_WEIGHT = 1e6
"""A member whose ⟨|w|⟩ passes this, or is no number, has diverged: from there on its values are NaN."""

Fields = TypeVar("Fields", bound=tuple[Any, ...])


class Block(NamedTuple):
    """Members that a kernel computes side by side, and which of their iterations it records."""

    seed: np.uint64
    """One a point of a sweep."""
    members: np.ndarray
    """(1, 8) member numbers; lanes left over repeat the last."""
    recorded: np.ndarray
    """(record,) iterations, or steps where learning is continuous; ascending, at least one."""
    kept: int
    """How many members there are, 8 or fewer."""


def eight_by_eight(
    compute: Callable[[Block], Fields], seed: int, members: np.ndarray, recorded: np.ndarray
) -> Fields:
    """Join what a function gives for at most eight members at a time.

    Args:
        compute: gives a named tuple of arrays, member first, for a `Block`.
        seed: 64-bit, one a point of a sweep.
        members: (member,) member numbers.
        recorded: (record,) iterations to record, ascending.

    Returns:
        The same named tuple for all members, member first.

    Raises:
        ValueError: no members, or nothing to record.
    """
    members, recorded = np.asarray(members, dtype=np.uint64), np.asarray(recorded, dtype=np.int64)
    if not len(members):
        raise ValueError("expected at least one member, got none")
    if not len(recorded):  # kernels compare each iteration with the next to record
        raise ValueError("expected at least one recorded iteration, got none")
    chunks = (members[start : start + LANES] for start in range(0, len(members), LANES))
    blocks = (Block(np.uint64(seed), in_lanes(chunk[:, None]), recorded, len(chunk)) for chunk in chunks)
    parts = [compute(block) for block in blocks]
    return type(parts[0])(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def lanes_last(fields: Callable[..., Fields], **shapes: tuple[int, ...]) -> Fields:
    """Arrays for a kernel to fill.

    Args:
        fields: named tuple of the arrays, `status` among them.
        **shapes: of every other field, without the lanes.

    Returns:
        The named tuple: (…, 8) NaN for every field with a shape (…), and `status` (8,) of zeros.
    """
    rows = {name: np.full((*shape, LANES), np.nan) for name, shape in shapes.items()}
    return fields(**rows, status=np.zeros(LANES, dtype=np.uint8))


def collect(out: Fields, kept: int) -> Fields:
    """What a kernel gives, member first, with the status of every member from its weights.

    Args:
        out: named tuple of arrays (…, 8), as made by `lanes_last`, among them `weight` (weight, 8) and `status`
            (8,).
        kept: how many of the first lanes are members.

    Returns:
        The named tuple with arrays (kept, …); `status` is DIVERGED where a weight is no finite number, else
            COMPUTED.
    """
    named: Any = out  # the checker does not know the fields
    with_status = named._replace(status=_status_of(named.weight))
    return type(out)(*(member_first(rows, kept) for rows in with_status))


def member_first(rows: np.ndarray, members: int) -> np.ndarray:
    """From lanes last to member first.

    Args:
        rows: (…, 8).
        members: how many of the first lanes are members.

    Returns:
        (members, …), C-contiguous.
    """
    return np.ascontiguousarray(np.moveaxis(rows, -1, 0)[:members])


def _status_of(weights: np.ndarray) -> np.ndarray:
    """(8,) COMPUTED, or DIVERGED where some weight of (weight, 8) is no finite number."""
    return np.where(np.isfinite(weights).all(axis=0), COMPUTED, DIVERGED).astype(np.uint8)
