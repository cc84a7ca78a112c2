"""Verify a store: every block against its digest, some of them against what they would be if computed today."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.cluster import map_unordered
from pipeline.digest import as_hex
from pipeline.errors import BlockError, Damaged
from pipeline.plan import Execution, Job, Plan
from pipeline.provenance import machine
from pipeline.request import Verify
from pipeline.store import as_stored, cell, read_block
from pipeline.systems import loaded

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


def verified(
    plan: Plan, chosen: set[tuple[int, int]], client: "Client | None", execution: Execution
) -> Iterator[Checked]:
    """Check all stored blocks of a plan, and compute the chosen ones again.

    Args:
        plan: of a store that is there.
        chosen: (point of the plan, block) to compute again.
        client: of a cluster; None: in this process.
        execution: what blocks are computed under.

    Returns:
        What became of every block, in any order.
    """
    blocks = [(int(k), int(block)) for k, block in np.argwhere(plan.stored)]
    jobs = [plan.job(k, block, execution) for k, block in blocks]
    return map_unordered(client, check_block, blocks, jobs, [where in chosen for where in blocks])


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


def check_block(where: tuple[int, int], job: Job, recompute: bool) -> Checked:
    """Read a block and check its digest; compute it again if asked, and compare bit by bit.

    Args:
        where: (point of the plan, block).
        job: the block.
        recompute: whether to compute it again.

    Returns:
        What is wrong with it, if anything.
    """
    try:
        stored = read_block(job.location, job.point, job.block)
    except Damaged as damage:
        return Checked(*where, str(damage), differs=False)
    try:
        differences = _differences(stored, as_stored(job.location, job.values())) if recompute else []
    except BlockError as error:
        return Checked(*where, f"it can't be computed again: {error}", differs=True)
    return Checked(*where, "; ".join(differences), differs=bool(differences))


def _differences(stored: dict[str, np.ndarray], today: dict[str, np.ndarray]) -> list[str]:
    found = []
    for name, values in stored.items():
        others = today[name]
        if values.tobytes() != others.tobytes():
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
    where = int(plan.rows[checked.k]), checked.block
    changes = []
    if cell(store.location, "code", *where) != loaded(plan.sweep.system_name).digest:
        changes.append("code")
    then = store.machines().get(as_hex(cell(store.location, "machine", *where) or 0))
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


def verification_lines(plan: Plan, wrong: list[Checked]) -> list[str]:
    """What is wrong with which blocks, how their circumstances differ from today's, and what to do.

    Args:
        plan: of a store that is there.
        wrong: blocks with damage.

    Returns:
        Lines for people.
    """
    if not wrong:
        return ["all blocks are as they should be"]
    lines = []
    for checked in wrong:
        where = f"{plan.sweep.named(plan.sweep.points[checked.k])}, block {checked.block}: {checked.damage}"
        if checked.differs:
            lines.append(f"differs: {where}; changed since it was computed: {circumstances_of(plan, checked)}")
        else:
            lines.append(f"damaged: {where}")
    return [*lines, f"{len(wrong)} blocks are wrong; verify.repair=true computes them again"]
