"""What a store holds: its numbers by what they are of, its files down to their bytes."""

from pathlib import Path

import numpy as np

from pipeline.execution import compute_block
from pipeline.plan import make_plan
from pipeline.store import ask, filing, only_driver, open_store, prepare, read_block

RECORDED = ("digest", "code", "machine", "seconds")


def fill(sweep, path, on_stale="stop", file=True):
    """Compute what a store lacks of a sweep, in this process, block after block; (point, block) of those computed."""
    with only_driver(path) as lock:
        store = prepare(path, sweep, lock)
        plan = make_plan(sweep, path, store, on_stale)
        ask(store, plan.rows, plan.members)
        done = [compute_block(job) for job in plan.jobs()]
        if file:
            with filing(store, lock):
                pass
    return [(sweep.points[report.job.k], report.job.block) for report in done]


def prepared(sweep, path):
    """The plan of a sweep whose store has room for it."""
    with only_driver(path) as lock:
        plan = make_plan(sweep, path, prepare(path, sweep, lock), "stop")
        ask(plan.store, plan.rows, plan.members)
        return plan


def files(folder):
    """Every file in a folder: relative path → (bytes, mtime in ns, inode). Who drives a store is left out."""
    paths = sorted(
        path for path in Path(folder).rglob("*") if path.is_file() and path.parts[-2:] != ("runs", "lock")
    )
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in paths
    }


def digests(path):
    """The digest of every stored block, filed or pending: (point, block) → number. Empty without a store."""
    store = open_store(Path(path))
    if store is None:
        return {}
    points = store.points()
    return {
        (points[row], block): int(store.books["digest"][row, block])
        for row, block in np.argwhere(store.stored).tolist()
    }


def stored_blocks(path):
    """(point, block) of all blocks that are stored, filed or pending."""
    return set(digests(path))


def blocks(path):
    """The numbers of every stored block: (point, block) → variable → bytes."""
    store = open_store(Path(path))
    points = store.points()
    return {
        (points[row], block): {name: array.tobytes() for name, array in read_block(store, row, block).items()}
        for row, block in np.argwhere(store.stored).tolist()
    }


def block_bytes(path):
    """The numbers of every stored block, and its digest: (point, block) → …"""
    found = digests(path)
    return {where: (found[where], numbers) for where, numbers in blocks(path).items()}


def assert_same_values(path, other):
    """Assert that two stores hold the same numbers bit for bit, whatever the order in which points arrived."""
    these, those = block_bytes(path), block_bytes(other)
    assert these.keys() == those.keys()
    for where in these:
        assert these[where] == those[where], where
    ours, theirs = open_store(Path(path)), open_store(Path(other))
    asked, others = (dict(zip(store.points(), store.asked.tolist(), strict=True)) for store in (ours, theirs))
    assert asked == others


def records(path):
    """What is recorded of every stored block: (number of the point by value, block) → digest, code, machine, seconds.

    A block that is computed again has other seconds.
    """
    store = open_store(Path(path))
    if store is None:
        return {}
    number = {row: k for k, row in enumerate(sorted(range(store.n_points), key=store.points().__getitem__))}
    return {
        (number[row], block): tuple(store.books[name][row, block].item() for name in RECORDED)
        for row, block in np.argwhere(store.stored).tolist()
    }


def numbered_blocks(path):
    """(number of the point by value, block) of all blocks that are stored, filed or pending."""
    return set(records(path))
