"""What a store holds, down to the bytes of its files."""

import hashlib
from pathlib import Path

import numpy as np
import zarr

from pipeline.execution import compute_block
from pipeline.plan import make_plan
from pipeline.store import open_store, prepare

COORDINATES = ("iteration", "edge", "oscillator", "time")


def fill(sweep, path, on_stale="stop"):
    """Compute what a store lacks of a sweep, in this process, block after block; the blocks computed."""
    plan = make_plan(sweep, path, prepare(path, sweep), on_stale)
    return [
        (done.job.point, done.job.block) for done in map(compute_block, plan.jobs()) if done.state == "computed"
    ]


def files(folder):
    """Every file in a folder: relative path → (bytes, mtime in ns, inode)."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in paths
    }


def block_files(path, contents=None):
    """The files of all blocks, metadata, coordinates and times taken left out: relative path → bytes, …"""
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    by_block = [name for name, array in group.arrays() if array.ndim > 1 and not name.endswith("_at")]
    prefixes = tuple(f"{name}/c/" for name in by_block if name != "seconds")
    return {name: file for name, file in (contents or files(path)).items() if name.startswith(prefixes)}


def block_bytes(path):
    """The files of all blocks: relative path → bytes."""
    return {name: content for name, (content, *_) in block_files(path).items()}


def values(path):
    """Every array by name, points sorted by the axes' values, labels as text, times taken left out."""
    store = open_store(path)
    order = sorted(range(store.n_points), key=store.points().__getitem__)
    extent = {"point": store.n_points, "member": store.n_members, "block": store.blocks}
    found = {}
    for name, array in store.group.arrays():
        if name != "seconds":
            dims = array.metadata.dimension_names
            data = np.asarray(array[tuple(slice(extent.get(dim)) for dim in dims)])
            data = data.astype(str) if data.dtype.kind == "T" else data  # bytes of T are addresses of text
            found[name] = data[order] if dims[0] == "point" else data
    return found


def assert_same_values(path, other):
    """Assert that two stores hold the same numbers bit for bit, whatever the order in which points arrived."""
    these, those = values(path), values(other)
    assert these.keys() == those.keys()
    for name in these:
        assert these[name].dtype == those[name].dtype, name
        assert these[name].shape == those[name].shape, name
        assert these[name].tobytes() == those[name].tobytes(), name


def true_digest(path, point, block):
    """The digest of a block's bytes, computed from what is stored."""
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    digest = hashlib.blake2b(digest_size=8)
    for name, array in sorted(group.arrays()):
        if "member" in array.metadata.dimension_names:
            members = slice(block * array.chunks[1], (block + 1) * array.chunks[1])
            digest.update(name.encode() + b"\0" + np.ascontiguousarray(array[point, members]).tobytes())
    return int.from_bytes(digest.digest(), "little")


def stored_blocks(path):
    """(point, block) of all blocks that count as stored, by the files alone: those whose digest is not 0."""
    return {
        (int(file.parent.name), int(file.name))
        for file in Path(path).glob("digest/c/*/*")
        if file.suffix != ".partial" and any(file.read_bytes()[:8])
    }
