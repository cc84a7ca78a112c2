"""Merge stores: take over the blocks of a store of the same sweep, computed on another machine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import Damaged, RequestError
from pipeline.plan import sweep_of, whole_store
from pipeline.request import Sweep
from pipeline.store import (
    Block,
    Filing,
    Lock,
    Store,
    ask,
    check_same_sweep,
    coordinate_hashes,
    filing,
    note_machine,
    open_store,
    prepare,
    read_block,
    write_block,
)  # fmt: skip


class Merged(NamedTuple):
    """What a merge did."""

    taken: int
    known: int
    """Blocks that were there already."""
    damaged: list[str]
    """Blocks and records of searches of the source that can't be read, and why."""


def merge(sweep: Sweep, path: Path, source: Path, lock: Lock) -> Merged:
    """Take over into the store at a path all blocks that it lacks and the source has.

    Blocks are checked against their hashes on the way. A search that the source has and the store has not goes on here
    where it was. The source is only read.

    Args:
        sweep: what the store at the path is to hold at least.
        path: folder of the store, made if it is not there.
        source: folder of the other store, or an archive of one.
        lock: of the path, held.

    Returns:
        How many blocks were taken or known already, and what can't be read of the source.

    Raises:
        RequestError: the source is no store, is the same store, holds another sweep, or has variables of another
            length.
        Damaged: a file of one of the stores is lost, damaged or was exchanged.
    """
    theirs = open_store(source)
    if theirs is None:
        raise RequestError([f"source: expected a store, got nothing at {source}"])
    if path.exists() and source.samefile(path):
        raise RequestError([f"source: expected another store than {path}"])
    check_same_sweep(theirs, sweep, "source: choose the store of the same sweep, or undo the changes above")
    whole = whole_store(sweep, theirs)
    points = tuple(dict.fromkeys([*sweep.points, *whole.points]))
    ours = prepare(path, replace(sweep, points=points, members=max(sweep.members, whole.members)), lock)
    _check_same_arrays(ours, theirs)
    for digest, description in theirs.machines().items():
        note_machine(path, int(digest, 16), description)
    for digest, definitions in theirs.code_versions.items():
        ours.add_code_version(digest, definitions)
    rows = np.array([ours.row_of[point] for point in theirs.ids.tolist()])
    with filing(ours, lock) as files:
        ask(ours, rows, theirs.asked)
        ask(ours, ours.rows_of(sweep), np.full(len(sweep.points), sweep.members))
        merged = _take(ours, theirs, rows, files)
    return merged._replace(damaged=[*merged.damaged, *_take_searches(ours, theirs)])


def _take_searches(ours: Store, theirs: Store) -> list[str]:
    """Take over records of searches that we lack; those that can't be read, and why."""
    damaged = []
    for name in theirs.searches:
        if name not in ours.searches:
            try:
                ours.log_search(name, theirs.search(name))
            except Damaged as damage:
                damaged.append(str(damage))
    return damaged


def _take(ours: Store, theirs: Store, rows: np.ndarray, files: Filing) -> Merged:
    there = np.zeros(theirs.stored.shape, dtype=bool)
    there[:, : ours.blocks] = ours.stored[rows][:, : theirs.blocks]
    wanted = theirs.stored & ~there
    files.expect(rows, wanted)
    hashes, taken, damaged = coordinate_hashes(theirs), 0, []
    named = _names(theirs)
    for row, block in np.argwhere(wanted).tolist():
        try:
            values = read_block(theirs, row, block)
        except Damaged as damage:
            damaged.append(f"{named(row)}, block {block}: {damage.__cause__ or damage}")
            continue
        coordinates = dict(zip(theirs.layout.varying, hashes[row].tolist(), strict=True))
        code, machine, seconds = (theirs.books[name][row, block].item() for name in ("code", "machine", "seconds"))
        made = Block(int(theirs.ids[row]), block, code, machine, seconds, coordinates)
        write_block(ours.location, made, values)
        files.arrived(int(rows[row]), block)
        taken += 1
    return Merged(taken, int((theirs.stored & there).sum()), damaged)


def _names(store: Store) -> Callable[[int], str]:
    """Row of a store → its point for people."""
    sweep = sweep_of(store)
    return lambda row: sweep.named(sweep.points[row])


def _check_same_arrays(ours: Store, theirs: Store) -> None:
    """Raise RequestError if the stores have other variables, or one has no room for the other's."""
    if ours.layout.sweep_id != theirs.layout.sweep_id:
        raise RequestError(
            [f"source: {theirs.path} has other variables or coordinates than {ours.path}; compute it again here"]
        )
    for name, size in theirs.layout.room.items():
        if ours.layout.room[name] < size:
            raise RequestError(
                [
                    f"source: {theirs.path} has {size} values along {name}, {ours.path} was made for "
                    f"{ours.layout.room[name]}; merge into a new store with both sets of points"
                ]
            )
