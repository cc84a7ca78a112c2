"""Verify a store: every block against its digest, some of them against what they would be if computed today."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.cluster import map_unordered
from pipeline.digest import as_hex
from pipeline.errors import BlockError, Damaged
from pipeline.plan import Execution, Job, Plan
from pipeline.provenance import machine
from pipeline.request import Verify
from pipeline.store import open_store, read_block
from pipeline.systems import loaded
from pipeline.words import counted

if TYPE_CHECKING:
    from distributed import Client


class Checked(NamedTuple):
    """What became of a block."""

    k: int
    """Number of its point in the plan."""
    block: int
    damage: str
    """What is wrong; empty if nothing is."""
    differs: bool
    """Whether it reads well, yet is not what it would be if computed today."""


_NAMED = 4
"""Blocks that are named of those with the same damage."""
_BLOCKS_A_TASK = 256
"""A store is opened once a task."""


def verified(
    plan: Plan, chosen: set[tuple[int, int]], client: "Client | None", execution: Execution
) -> Iterator[Checked]:
    """Read and check all stored blocks of a plan, and compute the chosen ones again.

    Args:
        plan: of a store that is there.
        chosen: (point of the plan, block) to compute again.
        client: of a cluster; None: in this process.
        execution: what blocks are computed under.

    Yields:
        What became of every block, in any order; those that are known to be damaged first.
    """
    for k, block in np.argwhere(plan.damaged):
        yield Checked(int(k), int(block), "see the files above", differs=False)
    blocks = [(int(k), int(block)) for k, block in np.argwhere(plan.stored)]
    parts = [blocks[start : start + _BLOCKS_A_TASK] for start in range(0, len(blocks), _BLOCKS_A_TASK)]
    rows = [[(int(plan.rows[k]), k, block) for k, block in part] for part in parts]
    for found in map_unordered(client, read_blocks, [str(plan.path.resolve())] * len(rows), rows):
        yield from found
    again = sorted(chosen)
    jobs = [plan.job(k, block, execution) for k, block in again]
    yield from map_unordered(client, recompute, [int(plan.rows[k]) for k, _ in again], jobs)


def read_blocks(path: str, blocks: list[tuple[int, int, int]]) -> list[Checked]:
    """Read blocks of a store, which checks them.

    Args:
        path: of the store.
        blocks: (row, number of the point in the plan, block).

    Returns:
        What is wrong with those that are damaged.
    """
    store, found = open_store(Path(path), in_spite=True), []
    for row, k, block in blocks:
        if store is None:
            found.append(Checked(k, block, "its store is gone", differs=False))
            continue
        try:
            read_block(store, row, block)
        except Damaged as damage:
            what = getattr(damage.__cause__, "what", damage)  # of the file, so that its blocks are told together
            found.append(Checked(k, block, str(what), differs=False))
    return found


def sample(plan: Plan, options: Verify) -> set[tuple[int, int]]:
    """Stored blocks chosen at random.

    Args:
        plan: of a store that is there.
        options: how many, or what share, and the seed of the choice.

    Returns:
        (point of the plan, block) of each.
    """
    blocks = np.argwhere(plan.stored)
    share = options.share
    count = (options.sample or 0) if share is None else int(np.ceil(share * len(blocks)))
    chosen = np.random.default_rng(options.seed).permutation(len(blocks))[:count]
    return {(int(k), int(block)) for k, block in blocks[chosen]}


def recompute(row: int, job: Job) -> Checked:
    """Compute a block again and compare it bit by bit with what is stored.

    Args:
        row: of its point in the store.
        job: the block.

    Returns:
        How they differ, if they do.
    """
    where = job.k, job.block
    try:
        store = open_store(Path(job.location.path), in_spite=True)
        assert store is not None
        differences = _differences(read_block(store, row, job.block), job.values())
    except Damaged:
        return Checked(*where, "", differs=False)  # told by who reads all blocks
    except BlockError as error:
        return Checked(*where, f"it can't be computed again: {error}", differs=True)
    return Checked(*where, "; ".join(differences), differs=bool(differences))


def _differences(stored: dict[str, np.ndarray], today: dict[str, np.ndarray]) -> list[str]:
    found = []
    for name, values in stored.items():
        others = today.get(name, values[:0])
        if values.shape != others.shape:
            found.append(f"{name} has the shape {values.shape}, now {others.shape}")
        elif values.tobytes() != others.tobytes():
            unlike = (values != others) & ~(np.isnan(values) & np.isnan(others))
            off = np.abs(values.astype(float) - others.astype(float))
            largest = np.nanmax(off, initial=0.0)
            found.append(
                f"{name} differs in {int(unlike.sum())} of {values.size} numbers, by {largest:.3g} at most"
            )
    return found


def circumstances_of(plan: Plan, checked: Checked) -> str:
    """How the circumstances in which a block was computed differ from today's.

    Args:
        plan: of a store that is there.
        checked: the block.

    Returns:
        Code, versions and processor that differ, in words.
    """
    store = plan.store
    assert store is not None
    where, changes = (int(plan.rows[checked.k]), checked.block), []
    if int(store.books["code"][where]) != loaded(plan.sweep.system_name).digest:
        changes.append("code")
    then = store.machines().get(as_hex(int(store.books["machine"][where])))
    if then is None:
        changes.append("its machine is not known")
    else:
        changes += _changes(then, machine())
    return ", ".join(changes) or "none known"


def _changes(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Names and values that differ between two descriptions of a machine."""
    for name in then["versions"] | now["versions"]:
        before, after = then["versions"].get(name), now["versions"].get(name)
        if before != after:
            yield f"{name} {before}, now {after}"
    if then["cpu"]["name"] != now["cpu"]["name"]:
        yield f"processor {then['cpu']['name']}, now {now['cpu']['name']}"
    elif then["cpu"]["features"] != now["cpu"]["features"]:
        yield "processor features"


def verification_lines(plan: Plan, wrong: list[Checked], repairs: bool) -> list[str]:
    """What is wrong with which blocks, how their circumstances differ from today's, and what to do.

    Args:
        plan: of a store that is there.
        wrong: blocks with damage.
        repairs: whether they are about to be computed again.

    Returns:
        Lines for people.
    """
    assert plan.store is not None
    if not wrong:
        mended = "; verify.repair=true writes the files above again" if plan.store.faults else ""
        return [f"all blocks are as they should be{mended}"]
    lines, damaged = [], defaultdict[str, list[Checked]](list)
    for checked in wrong:
        if checked.differs:
            changes = circumstances_of(plan, checked)
            lines.append(
                f"differs: {_named(plan, checked)}: {checked.damage}; changed since it was computed: {changes}"
            )
        else:
            damaged[checked.damage].append(checked)
    for damage, blocks in damaged.items():
        first = "; ".join(_named(plan, checked) for checked in blocks[:_NAMED])
        more = f"; and {counted(len(blocks) - _NAMED, 'block')} more" if len(blocks) > _NAMED else ""
        lines.append(f"damaged: {first}{more}: {damage}")
    count = f"{counted(len(wrong), 'block')} {'is' if len(wrong) == 1 else 'are'} wrong"
    return [*lines, count if repairs else f"{count}; verify.repair=true computes what is wrong again"]


def _named(plan: Plan, checked: Checked) -> str:
    return f"{plan.sweep.named(plan.sweep.points[checked.k])}, block {checked.block}"
