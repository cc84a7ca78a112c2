"""What a request needs that the store lacks, and what computing it will cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from pipeline.digest import as_hex
from pipeline.errors import RequestError
from pipeline.plan.rounds import Record
from pipeline.request import Point, Sweep
from pipeline.store import Block, Location, Store, check_same_sweep, hash_of, note_this_machine
from pipeline.systems import Settings, compute_members, described, loaded, search_in
from pipeline.words import brief, one_line

Said = TypeVar("Said")

_MOST_ADVICE = 5
"""Warnings that are said, of a system that has another one at every point."""


def said_at_points(sweep: Sweep, name: str, function: Callable[[Settings], Said]) -> list[Said]:
    """What a function of a system says of every point.

    Args:
        sweep: whose points.
        name: what the system calls the function.
        function: of the settings of a point.

    Returns:
        (point,) what it says.

    Raises:
        RequestError: it raises; in one line, with the place in the system's code.
    """
    try:
        return [function(sweep.settings_at(point)) for point in sweep.points]
    except Exception as error:
        raise RequestError([f"system: {name}: {described(error, sweep.system)}"]) from error


class Execution(NamedTuple):
    """What every block of a run is computed under."""

    folders: tuple[str, ...] = ()
    """Where a worker looks for the system, beside its own path."""
    block_seconds: float | None = None
    """A block that takes longer is ended."""
    run: str = ""
    """Name of the run."""


_HERE = Execution()


class Job(NamedTuple):
    """One block, as a worker gets it."""

    location: Location
    system: str
    settings: dict[str, Any]
    seed: int
    k: int
    """Number of the point in the sweep."""
    point: int
    """Id of the point."""
    block: int
    block_members: int
    records: int
    execution: Execution = _HERE
    label: str = ""
    """What it is, for people who watch Dask: T=5, block 0."""

    def code(self) -> int:
        """The digest of the code that computes the block, as it is here.

        Raises:
            RequestError: there is no such system.
        """
        search_in(self.execution.folders)
        return loaded(self.system).digest

    def values(self) -> dict[str, np.ndarray]:
        """Compute the block.

        Returns:
            Every variable, (member, *dims), and `status` (member,).

        Raises:
            BlockError: the system raises, or gives something else than it declares.
        """
        self.code()
        members = np.arange(self.block * self.block_members, (self.block + 1) * self.block_members)
        return compute_members(self.system, self.settings, self.seed, members, self.records)

    def made(self, seconds: float) -> Block:
        """What the block is, computed here.

        Args:
            seconds: that it took.

        Returns:
            All that its file says beside its numbers.
        """
        varying = [d for d in loaded(self.system).system.dimensions if d.name in self.location.varying]
        coordinates = {d.name: hash_of(d.values(self.settings, self.records).astype("<f8")) for d in varying}
        machine = note_this_machine(self.location.path)
        return Block(self.point, self.block, self.code(), machine, seconds, coordinates)


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
    damaged: np.ndarray
    """(point, block) recorded as computed, but not as it should be; only where a store was opened in spite of that."""
    on_stale: str
    requested: np.ndarray
    """(point, block) asked for: all, unless a precision target or a search asks for fewer."""
    record: Record | None = None
    """Of a search or refinement that has begun."""
    goes_on: bool = False
    """Whether more points may be asked for once these are stored."""

    @cached_property
    def stale(self) -> np.ndarray:
        """(point, block) asked for and computed, by code that differs from today's."""
        stale = np.zeros_like(self.stored)
        if self.store is not None:
            known, blocks = self.rows >= 0, min(self.stored.shape[1], self.store.blocks)
            codes = self.store.books["code"][self.rows[known], :blocks]
            stale[known, :blocks] = codes != np.uint64(loaded(self.sweep.system_name).digest)
        made: np.ndarray = stale & self.stored & self.requested
        return made

    @cached_property
    def missing(self) -> np.ndarray:
        """(point, block) to be computed."""
        missing: np.ndarray = self.requested & ~self.stored
        return missing | self.stale if self.on_stale == "recompute" else missing

    @property
    def available(self) -> np.ndarray:
        """(point, block) asked for and there."""
        available: np.ndarray = self.requested & ~self.missing
        return available

    @cached_property
    def block_work(self) -> np.ndarray:
        """(point,) predicted cost of a block, in operations; all the same where the system predicts none."""
        work = self.sweep.system.work or (lambda settings: 1.0)
        per_member = np.array(said_at_points(self.sweep, "work", lambda settings: float(work(settings))))
        if not (per_member > 0).all():
            raise RequestError([f"system: work: expected numbers above 0, got {per_member.min():g}"])
        return per_member * self.sweep.block_members

    @cached_property
    def memory_beside(self) -> float:
        """Predicted memory of computing a block beside its variables, at the point where that is most, in bytes."""
        memory = self.sweep.system.memory
        if memory is None:
            return 0.0
        beside = np.array(said_at_points(self.sweep, "memory", lambda settings: float(memory(settings))))
        if not (beside >= 0).all():
            raise RequestError([f"system: memory: expected numbers from 0 on, got {beside.min():g}"])
        return float(beside.max())

    @cached_property
    def advice(self) -> list[str]:
        """What the system warns of: a line each, with the points that it holds for."""
        warned = self._warned()
        told = [f"{line} (at {self._few(at)})" if self.sweep.axes else line for line, at in warned.items()]
        return told if len(told) <= _MOST_ADVICE else [*told[:_MOST_ADVICE], f"{len(told) - _MOST_ADVICE} more"]

    def _warned(self) -> dict[str, list[Point]]:
        """The points of each warning."""
        advise, warned = self.sweep.system.advice, dict[str, list[Point]]()
        if advise is None:
            return warned

        def lines_at(settings: Settings) -> list[str]:
            lines = advise(settings)
            if isinstance(lines, str):
                raise TypeError(f"expected a list of lines, got {lines!r}")
            return [one_line(line) for line in lines]

        for point, lines in zip(self.sweep.points, said_at_points(self.sweep, "advice", lines_at), strict=True):
            for line in lines:
                warned.setdefault(line, []).append(point)
        return warned

    def _few(self, points: Sequence[Point]) -> str:
        """The first of some points, and how many others there are."""
        more = f" and {len(points) - 1} more of {len(self.sweep.points)} points" if len(points) > 1 else ""
        return f"{self.sweep.named(points[0])}{more}"

    @property
    def remaining_work(self) -> float:
        """Predicted cost of the missing blocks."""
        return float(self.block_work @ self.missing.sum(axis=1))

    @property
    def complete(self) -> bool:
        """Whether every block of the request is stored."""
        return not self.missing.any()

    @property
    def finished(self) -> bool:
        """Whether it is complete, and nothing more will be asked for."""
        return self.complete and not self.goes_on

    @cached_property
    def longest_first(self) -> np.ndarray:
        """(point,) their numbers, those whose blocks take longest first."""
        order: np.ndarray = np.argsort(-self.block_work, kind="stable")
        return order

    @property
    def members(self) -> np.ndarray:
        """(point,) members asked for."""
        asked: np.ndarray = np.minimum(self.requested.sum(axis=1) * self.sweep.block_members, self.sweep.members)
        return asked

    def jobs(self, execution: Execution = _HERE) -> Iterator[Job]:
        """Missing blocks, breadth-first over members, so that a partial store is usable; longest first.

        Args:
            execution: what they are computed under. Default: no limit, no further folders.

        Returns:
            Jobs, one after the other.
        """
        for block in range(self.sweep.blocks):
            for k in self.longest_first[self.missing[self.longest_first, block]]:
                yield self.job(int(k), block, execution)

    def job(self, k: int, block: int, execution: Execution = _HERE) -> Job:
        """A block, stored or not.

        Args:
            k: number of its point in the sweep; the store must have room for it.
            block: number of the block.
            execution: what it is computed under. Default: no limit, no further folders.

        Returns:
            The block, as a worker gets it.
        """
        assert self.store is not None
        assert self.rows[k] >= 0, "the store has no row for the point"
        point = self.sweep.points[k]
        return Job(
            location=self.store.location,
            system=self.sweep.system_name,
            settings=self.sweep.settings_at(point),
            seed=self.sweep.seed_at(point),
            k=k,
            point=int(self.sweep.ids[k]),
            block=block,
            block_members=self.sweep.block_members,
            records=self.sweep.records,
            execution=execution,
            label=brief(f"{self.sweep.named(point)}, block {block}"),
        )

    def narrowed_to(self, requested: np.ndarray) -> "Plan":
        """The same with fewer blocks asked for.

        Args:
            requested: (point, block) booleans.

        Returns:
            A new plan.
        """
        return replace(self, requested=requested)

    def changed_code(self) -> list[str]:
        """Names of the definitions in which today's code differs from that of the stale blocks."""
        if self.store is None or not self.stale.any():
            return []
        today = loaded(self.sweep.system_name).version
        codes, versions = self.store.books["code"][self.rows[self.rows >= 0]], self.store.code_versions
        changed: set[str] = set()
        for code in {as_hex(int(code)) for code in np.unique(codes)} & set(versions):
            then = versions[code]
            changed |= {name for name in today | then if today.get(name) != then.get(name)}
        return sorted(changed)

    def refuse_stale(self) -> None:
        """Refuse stale blocks where the request does not say what to do with them.

        Raises:
            RequestError: stored blocks were computed by other code, and `on_stale` is "stop".
        """
        if self.on_stale == "stop" and self.stale.any():
            raise RequestError(
                [
                    f"on_stale: {int(self.stale.sum())} stored blocks of {self.path} were computed by other code "
                    f"(changed since: {', '.join(self.changed_code()) or 'unknown'}); expected on_stale=keep, to "
                    "use them as they are, or on_stale=recompute, got on_stale=stop"
                ]
            )


def whole_store(sweep: Sweep, store: Store) -> Sweep:
    """A sweep of all points and members that a store of its kind holds, whatever was asked for.

    Args:
        sweep: with the store's axes.
        store: an open store.

    Returns:
        The larger sweep.
    """
    return replace(sweep, points=tuple(store.points_along(sweep.axes)), members=store.layout.members)


def sweep_of(store: Store) -> Sweep:
    """All that a store holds as a sweep, told by the store alone.

    Args:
        store: an open store.

    Returns:
        The sweep, with as many members as were ever asked for at a point.
    """
    told = store.fingerprint
    return Sweep(
        system_name=told["system"],
        settings=told["settings"],
        axes=store.axes,
        points=tuple(store.points()),
        members=max(1, int(store.asked.max(initial=0))),
        seed=told["seed"],
        noise=told["noise"],
        block_members=told["block_members"],
        records=told["records"],
        method="product" if store.is_grid else "points",
    )


def make_plan(sweep: Sweep, path: Path, store: Store | None, on_stale: str) -> Plan:
    """Compare a sweep with the store at a path.

    Args:
        sweep: what is asked for.
        path: folder of the store.
        store: the store there; None: nothing.
        on_stale: "stop", "keep" or "recompute".

    Returns:
        A plan in which all blocks are asked for.

    Raises:
        RequestError: the store holds another sweep.
    """
    shape = len(sweep.points), sweep.blocks
    rows, stored, damaged = np.full(shape[0], -1), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    if store is not None:
        check_same_sweep(store, sweep)
        rows = store.rows_of(sweep)
        known, blocks = rows >= 0, min(sweep.blocks, store.blocks)
        stored[known, :blocks] = store.stored[rows[known], :blocks]
        damaged[known, :blocks] = store.damaged[rows[known], :blocks]
    return Plan(sweep, path, store, rows, stored, damaged, on_stale, np.ones(shape, dtype=bool))
