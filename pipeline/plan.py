"""What a request needs that the store lacks, and what computing it will cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.code import code_digest, code_version
from pipeline.faults import Faults
from pipeline.store import Location, Store, check_same_sweep
from pipeline.sweep import Sweep


class Job(NamedTuple):
    """One block, as a worker gets it."""

    location: Location
    system: str
    settings: dict[str, Any]
    seed: int
    point: int
    """Index of the point in the store."""
    block: int
    block_members: int
    records: int
    overwrite: bool
    """Compute even if stored: the stored block is stale."""


@dataclass(frozen=True)
class Plan:
    """The blocks of a sweep: (point, block) arrays in the order of the sweep's points."""

    sweep: Sweep
    path: Path
    store: Store | None
    rows: np.ndarray
    """(point,) index of each point in the store; -1: not there yet."""
    stored: np.ndarray
    """(point, block) recorded as computed."""
    stale: np.ndarray
    """(point, block) computed, by code that differs from today's."""
    on_stale: str

    @property
    def missing(self) -> np.ndarray:
        """(point, block) to be computed."""
        return ~self.stored | (self.stale if self.on_stale == "recompute" else False)

    @cached_property
    def block_work(self) -> np.ndarray:
        """(point,) predicted cost of a block, in floating-point operations."""
        work = self.sweep.system.work
        per_member = [work(self.sweep.settings_at(point)) for point in self.sweep.points]
        return np.array(per_member) * self.sweep.block_members

    @property
    def remaining_work(self) -> float:
        """Predicted cost of the missing blocks."""
        return float(self.block_work @ self.missing.sum(axis=1))

    @property
    def complete(self) -> bool:
        """Whether every block of the request is stored."""
        return not self.missing.any()

    def jobs(self) -> Iterator[Job]:
        """Missing blocks, breadth-first over members, so that a partial store is usable; longest first."""
        assert self.store is not None
        missing, longest_first = self.missing, np.argsort(-self.block_work, kind="stable")
        for block in range(self.sweep.blocks):
            for k in longest_first:
                if missing[k, block]:
                    point = self.sweep.points[k]
                    yield Job(
                        location=self.store.location,
                        system=self.sweep.system_name,
                        settings=self.sweep.settings_at(point),
                        seed=self.sweep.seed_at(point),
                        point=int(self.rows[k]),
                        block=block,
                        block_members=self.sweep.block_members,
                        records=self.sweep.records,
                        overwrite=bool(self.stored[k, block]),
                    )

    def changed_code(self) -> list[str]:
        """Names of the definitions in which today's code differs from that of the stale blocks."""
        if self.store is None or not self.stale.any():
            return []
        today = code_version(self.sweep.system_name)
        codes = self.store.bookkeeping("code")[self.rows[self.rows >= 0]]
        changed: set[str] = set()
        for code in {f"{code:016x}" for code in np.unique(codes[codes != 0])} & set(self.store.code_versions):
            then = self.store.code_versions[code]
            changed |= {name for name in today | then if today.get(name) != then.get(name)}
        return sorted(changed)

    def refuse_stale(self) -> None:
        """Raise Faults if stored blocks were made by other code and the request doesn't say what to do."""
        if self.on_stale == "stop" and self.stale.any():
            raise Faults(
                [
                    f"on_stale: {int(self.stale.sum())} stored blocks of {self.path} were computed by other code "
                    f"(changed since: {', '.join(self.changed_code()) or 'unknown'}); expected on_stale=keep, to "
                    "use them as they are, or on_stale=recompute, got on_stale=stop"
                ]
            )


def make_plan(sweep: Sweep, path: Path, store: Store | None, on_stale: str) -> Plan:
    """Compare a sweep with the store at a path (None: nothing there).

    Raises Faults if the store holds another sweep.
    """
    shape = len(sweep.points), sweep.blocks
    rows, stored, stale = np.full(shape[0], -1), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    if store is not None:
        check_same_sweep(store, sweep)
        by_axis = [store.axes.index(axis) for axis in sweep.axes]
        row_of = {tuple(point[k] for k in by_axis): row for row, point in enumerate(store.points())}
        rows = np.array([row_of.get(point, -1) for point in sweep.points])
        known, blocks = rows >= 0, min(sweep.blocks, store.blocks)
        stored[known, :blocks] = store.bookkeeping("digest")[rows[known], :blocks] != 0
        codes = store.bookkeeping("code")[rows[known], :blocks]
        stale[known, :blocks] = stored[known, :blocks] & (codes != np.uint64(code_digest(sweep.system_name)))
    return Plan(sweep, path, store, rows, stored, stale, on_stale)
