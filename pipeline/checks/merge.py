"""Merge stores: take over the blocks of a store of the same sweep, computed on another machine."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import Damaged, RequestError
from pipeline.plan import make_plan, whole_store
from pipeline.request import Sweep
from pipeline.store import Store, check_same_sweep, note_machine, open_store, prepare, read_block, write_block


class Merged(NamedTuple):
    """What a merge did."""

    taken: int
    known: int
    """Blocks that were there already."""
    damaged: list[str]
    """Blocks of the source that can't be read, and why."""


def merge(sweep: Sweep, path: Path, source: Path, tidy: bool) -> Merged:
    """Take over into the store at a path all blocks that it lacks and the source has.

    Blocks are checked against their digests on the way. The path's lock must be held; the source is only read.

    Args:
        sweep: what the store at the path is to hold at least.
        path: folder of the store, made if it is not there.
        source: folder of the other store.
        tidy: first remove half-written files of a driver or workers that died.

    Returns:
        How many blocks were taken or known already, and those of the source that can't be read.

    Raises:
        RequestError: the source is no store, is the same store, holds another sweep, or has variables of another
            length.
    """
    theirs = open_store(source)
    if theirs is None:
        raise RequestError([f"source: expected a store, got nothing at {source}"])
    if path.exists() and source.resolve() == path.resolve():
        raise RequestError([f"source: expected another store than {path}"])
    check_same_sweep(theirs, sweep)
    whole = whole_store(sweep, theirs)
    points = tuple(dict.fromkeys([*sweep.points, *whole.points]))
    ours = prepare(path, replace(sweep, points=points, members=max(sweep.members, whole.members)), tidy)
    _check_sizes(ours, theirs)
    for digest, description in theirs.machines().items():
        note_machine(path, digest, description)
    for digest, definitions in theirs.code_versions.items():
        ours.add_code_version(digest, definitions)
    return _take(whole, ours, theirs)


def _take(whole: Sweep, ours: Store, theirs: Store) -> Merged:
    from_theirs = make_plan(whole, theirs.path, theirs, "keep")
    to_ours = make_plan(whole, ours.path, ours, "keep")
    code, seconds, machine = (theirs.bookkeeping(name) for name in ("code", "seconds", "machine"))
    taken, damaged = 0, []
    for k, point in enumerate(whole.points):
        row, new_row = int(from_theirs.rows[k]), int(to_ours.rows[k])
        for block in (from_theirs.stored[k] & ~to_ours.stored[k]).nonzero()[0]:
            try:
                values = read_block(theirs.location, row, int(block))
            except Damaged as damage:
                damaged.append(f"{whole.named(point)}, block {block}: {damage}")
                continue
            made = int(code[row, block]), float(seconds[row, block]), int(machine[row, block])
            write_block(ours.location, new_row, int(block), values, *made)
            taken += 1
    return Merged(taken, int((from_theirs.stored & to_ours.stored).sum()), damaged)


def _check_sizes(ours: Store, theirs: Store) -> None:
    """Raise RequestError if some variable has another length in one of the stores."""
    for name, array in theirs.group.arrays():
        if array.ndim > 2 and ours.array(name).shape[2:] != array.shape[2:]:
            raise RequestError(
                [
                    f"source: {name} has {array.shape[2:]} values a member in {theirs.path}, {ours.path} was made "
                    f"for {ours.array(name).shape[2:]}; merge into a new store with both sets of points"
                ]
            )
