"""Small sweeps and their stores, and what tests of stores do with them again and again."""

import numpy as np
import pytest

from pipeline.plan import make_plan
from pipeline.store import Block, ask, file_pending, only_driver, open_store, prepare, write_block
from pipeline.store import layout as layouts
from tests.contents import files

SMALL = ("axes.T.values=[1,2]", "ensemble.members=8")
LARGE = ("axes.T.values=[1,2,3]", "ensemble.members=16")
at_every = pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
"""A death at each step or, in less time, at some: an odd number, as writings and renamings alternate."""


def among(steps, every):
    """Every so many of some steps, the last among them."""
    return sorted({*range(0, steps, every), steps - 1})


def in_tiles_of(patch, points, blocks):
    """Let files of stores that are made from here on hold few points and blocks, so that small stores have several."""
    patch.setattr(layouts, "_tile", lambda n_points, block_bytes: (points, blocks))


def made(path, sweep):
    """The store at a path, made or grown for a sweep by a driver of its own."""
    with only_driver(path) as lock:
        return prepare(path, sweep, lock)


def wanted(path, sweep):
    """The store at a path, made or grown for a sweep, all of whose members are asked for."""
    with only_driver(path) as lock:
        store = prepare(path, sweep, lock)
        ask(store, store.rows_of(sweep), np.full(len(sweep.points), sweep.members))
        return store


def file_all(path):
    """File the blocks that wait in a store."""
    with only_driver(path) as lock:
        file_pending(open_store(path), lock)


def kept(path):
    """Every file of a store, whoever drives it: name → (bytes, mtime in ns, inode)."""
    return {name: file for name, file in files(path).items() if name != "runs/lock"}


def jobs_of(sweep, path, on_stale="stop"):
    """The blocks of a sweep that a store lacks."""
    return list(make_plan(sweep, path, open_store(path), on_stale).jobs())


def shapes(store):
    """Every variable of a block: name → (member, …)."""
    arrays, members = store.layout.arrays, store.block_members
    return {name: (members, *arrays[name].sizes[2:]) for name in store.layout.hashed}


def constant(store, value):
    """A block that holds one number everywhere, `status` included."""
    return {name: np.full(shape, value, dtype="u1" if name == "status" else "f8")
            for name, shape in shapes(store).items()}  # fmt: skip


def hand_in(store, row, block, values, code=7):
    """Hand in a block that other code than today's made."""
    write_block(store.location, Block(int(store.ids[row]), block, code, 1, 0.5, {}), values)
