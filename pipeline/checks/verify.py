"""Verify a store: every block against its digest, some of them against what they would be if computed today."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.execution.driver import block_values
from pipeline.plan.planning import Job, Plan
from pipeline.provenance import machine
from pipeline.request.config import Verify
from pipeline.store.blocks import Damaged, as_stored, cell, read_block
from pipeline.systems.code_version import code_digest

if TYPE_CHECKING:
    from distributed import Client

_BATCH = 1000
"""Blocks at Dask at any time."""


class Checked(NamedTuple):
    """What became of a block."""

    k: int
    """Number of its point in the plan."""
    block: int
    damage: str
    """What is wrong; empty if nothing is."""
    differs: bool
    """Whether it reads well, yet is not what it would be if computed today."""


def verified(plan: Plan, chosen: set[tuple[int, int]], client: "Client") -> Iterator[Checked]:
    """Check all stored blocks of a plan on Dask's workers, and compute the chosen ones again."""
    from distributed import as_completed

    blocks = [(int(k), int(block)) for k, block in np.argwhere(plan.stored)]
    for start in range(0, len(blocks), _BATCH):
        batch = blocks[start : start + _BATCH]
        jobs = [plan.job(*where) for where in batch]
        futures = client.map(check_block, batch, jobs, [where in chosen for where in batch], pure=False)
        for future in as_completed(futures):
            yield future.result()


def sample(plan: Plan, options: Verify) -> set[tuple[int, int]]:
    """Stored blocks (point, block) chosen at random."""
    blocks = np.argwhere(plan.stored)
    share = options.share
    count = (options.sample or 0) if share is None else int(np.ceil(share * len(blocks)))
    chosen = np.random.default_rng(options.seed).permutation(len(blocks))[:count]
    return {(int(k), int(block)) for k, block in blocks[chosen]}


def check_block(where: tuple[int, int], job: Job, recompute: bool) -> Checked:
    """Read a block and check its digest; compute it again if asked, and compare bit by bit."""
    try:
        stored = read_block(job.location, job.point, job.block)
    except Damaged as damage:
        return Checked(*where, str(damage), differs=False)
    differences = _differences(stored, as_stored(job.location, block_values(job))) if recompute else []
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
    """How the circumstances in which a block was computed differ from today's."""
    store = plan.store
    assert store is not None
    where = int(plan.rows[checked.k]), checked.block
    changes = []
    if cell(store.location, "code", *where) != code_digest(plan.sweep.system_name):
        changes.append("code")
    then = store.machines().get(f"{cell(store.location, 'machine', *where) or 0:016x}")
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
