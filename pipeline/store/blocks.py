"""Blocks of a store: written by workers, scanned by drivers, checked against their digests.

A block is one point × `block_members` members: one chunk of every variable and one cell of each of the arrays
`digest`, `code`, `machine` and `seconds`. It counts as stored once its digest is there, which is written last.
"""

import contextlib
import functools
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import zarr

from pipeline.digest import as_hex, digest_of_all
from pipeline.errors import Damaged
from pipeline.provenance import machine
from pipeline.words import one_line

BOOKKEEPING = {"digest": "u8", "code": "u8", "machine": "u8", "seconds": "f8"}
"""Arrays (point, block), one cell a chunk."""
Array = zarr.Array[Any]
ZARR = {"array.write_empty_chunks": True}
"""A chunk of zeros is written too, or "computed" could not be told from "missing"."""


class Location(NamedTuple):
    """A store as a worker finds it. The extent is part of the cache key: a grown store is opened again."""

    path: str
    points: int
    members: int


@functools.lru_cache(maxsize=4)
def _handles(location: Location, created: tuple[int, int]) -> dict[str, Array]:
    with zarr.config.set(ZARR):
        return dict(zarr.open_group(location.path, mode="r+", use_consolidated=False).arrays())


def _arrays(location: Location) -> dict[str, Array]:
    """The arrays of a store, opened once a process."""
    # A store that was made anew may get the inode of the one before. Its root is written once.
    return _handles(location, (os.stat(location.path).st_ino, os.stat(f"{location.path}/zarr.json").st_mtime_ns))


def _block_arrays(arrays: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The arrays of which a block is one chunk, in a fixed order."""
    return ((name, arrays[name]) for name in sorted(arrays) if "member" in dims_of(arrays[name]))


def dims_of(array: Array) -> tuple[str, ...]:
    """The names of an array's dimensions.

    Args:
        array: of a Zarr group.

    Returns:
        As many names as dimensions; none if they have no names.
    """
    names = getattr(array.metadata, "dimension_names", None)
    return tuple(map(str, names or ()))


# --- one block --------------------------------------------------------------------------------------------


def is_stored(location: Location, point: int, block: int) -> bool:
    """Whether a block has been written completely.

    Args:
        location: of the store.
        point: index in the store.
        block: number of the block.

    Returns:
        True if its digest is there.
    """
    return cell(location, "digest", point, block) not in (0, None)


def cell(location: Location, name: str, point: int, block: int) -> int | None:
    """A block's entry in one of the bookkeeping arrays of whole numbers.

    Args:
        location: of the store.
        name: `digest`, `code` or `machine`.
        point: index in the store.
        block: number of the block.

    Returns:
        64-bit number; 0 if there is none, None if it can't be read.
    """
    number: int | None = _cell(_cell_file(location, name, point, block), "<Q")
    return number


def _cell_file(location: Location, name: str, point: int, block: int) -> Path:
    return Path(location.path) / name / "c" / str(point) / str(block)


def write_block(
    location: Location, point: int, block: int, values: Mapping[str, np.ndarray], code: int, seconds: float,
    machine_digest: int | None = None,
) -> None:  # fmt: skip
    """Write a block: its chunk of every variable, then its digest, which makes it count.

    A block that is there already first stops counting.

    Args:
        location: of the store, which must have room for the block.
        point: index in the store.
        block: number of the block.
        values: every variable, (member, …), filled up with NaN where the store has more room; `status` (member,).
        code: digest of the code that computed it.
        seconds: that it took.
        machine_digest: of the machine that computed it. Default: this one, described in the store.
    """
    arrays = _arrays(location)
    if _cell_file(location, "digest", point, block).exists():
        arrays["digest"][point, block] = 0
    stored = as_stored(location, values)
    for name, data in stored.items():
        size = arrays[name].chunks[1]
        arrays[name][point, block * size : (block + 1) * size] = data
    arrays["code"][point, block] = code
    if machine_digest is None:
        digest, description = _here()
        note_machine(Path(location.path), digest, description)
        machine_digest = int(digest, 16)
    arrays["machine"][point, block] = machine_digest
    arrays["seconds"][point, block] = seconds
    arrays["digest"][point, block] = digest_of(stored)


def read_block(location: Location, point: int, block: int) -> dict[str, np.ndarray]:
    """The chunk of every variable of a stored block.

    Args:
        location: of the store.
        point: index in the store.
        block: number of the block.

    Returns:
        Every variable, (member, …), `status` among them.

    Raises:
        Damaged: a chunk can't be read or the digest does not fit, with the variable's name where it is known.
    """
    values = {}
    for name, array in _block_arrays(_arrays(location)):
        size = array.chunks[1]
        try:
            values[name] = np.asarray(array[point, block * size : (block + 1) * size])
        except Exception as error:  # whatever codecs and the file system come up with
            raise Damaged(f"{name} can't be read: {first_line(error)}") from error
    digest = cell(location, "digest", point, block)
    if digest is None:
        raise Damaged("its digest can't be read")
    if digest != digest_of(values):
        raise Damaged("its bytes are not those its digest was made of: a file is lost or was exchanged")
    return values


def as_stored(location: Location, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a store would hold of a block's values: its variables, in its types, filled up to its sizes.

    Args:
        location: of the store.
        values: every variable, (member, …), and `status` (member,).

    Returns:
        As `read_block` gives them.
    """
    arrays, members = _arrays(location), len(values["status"])
    return {
        name: np.ascontiguousarray(padded(values[name], (members, *array.shape[2:])), dtype=array.dtype)
        for name, array in _block_arrays(arrays)
    }


def padded(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values, filled up with NaN to a larger shape.

    Args:
        values: of any shape.
        shape: as many dimensions, each as long or longer.

    Returns:
        Doubles of that shape, the values first; the values themselves if they have it.
    """
    if values.shape == shape:
        return values
    filled = np.full(shape, np.nan)
    filled[tuple(slice(size) for size in values.shape)] = values
    return filled


def digest_of(values: Mapping[str, np.ndarray]) -> int:
    """64-bit hash of a block's bytes.

    Args:
        values: every variable, whatever their order.

    Returns:
        1 … 2^64 − 1; 0 stands for a block that is not there.
    """
    return digest_of_all(name.encode() + b"\0" + values[name].tobytes() for name in sorted(values)) or 1


def forget(location: Location, point: int, block: int) -> None:
    """Let a block count as not stored, so that the next run computes it.

    Args:
        location: of the store.
        point: index in the store.
        block: number of the block.
    """
    _arrays(location)["digest"][point, block] = 0


@functools.cache
def _here() -> tuple[str, dict[str, Any]]:
    """The digest and the description of this machine."""
    description = machine()
    return as_hex(digest_of_all([repr(sorted(description.items())).encode()])), description


def note_machine(path: Path, digest: str, description: Mapping[str, Any]) -> None:
    """Describe a machine in a store, unless it is known there.

    Args:
        path: folder of the store.
        digest: of the description, 16 hexadecimal digits.
        description: as `pipeline.provenance.machine` gives it.
    """
    if not (path / "machines" / digest / "zarr.json").exists():
        # As a root of its own. Others may do so at the same time: what they write says the same, and has to stay.
        with contextlib.suppress(zarr.errors.ContainsGroupError):
            zarr.create_group(path / "machines" / digest, attributes=dict(description), zarr_format=3)


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line."""
    return one_line((str(error).splitlines() or [""])[0]) or type(error).__name__


# --- all blocks -------------------------------------------------------------------------------------------


def scan(path: Path, name: str, points: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """One of the bookkeeping arrays, and which of its cells can't be read.

    Read file by file: through Zarr, the cells of a hundred thousand blocks would take half a minute, this way a
    second or two.

    Args:
        path: folder of the store.
        name: `digest`, `code`, `machine` or `seconds`.
        points: how many rows.
        blocks: how many columns.

    Returns:
        The cells (point, block), 0 where they are not there or can't be read, and booleans (point, block): can't
            be
        read.
    """
    dtype = np.dtype(BOOKKEEPING[name]).newbyteorder("<")
    code = {"u8": "<Q", "f8": "<d"}[BOOKKEEPING[name]]
    cells, damaged = np.zeros((points, blocks), dtype=dtype), np.zeros((points, blocks), dtype=bool)
    for point, row in _numbered(path / name / "c", points):
        for block, cell in _numbered(row, blocks):
            value = _cell(cell, code)
            if value is None:
                damaged[point, block] = True
            else:
                cells[point, block] = value
    return cells, damaged


def _numbered(folder: Path | str, count: int) -> Iterator[tuple[int, str]]:
    """Entries of a folder that are named for a number below `count`."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.isdecimal() and int(entry.name) < count:
                    yield int(entry.name), entry.path
    except FileNotFoundError:
        return


def _cell(path: Path | str, code: str) -> Any:
    """The number in a chunk of one number and its CRC-32C; 0 without such a file, None if it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    try:
        content = os.read(descriptor, 64)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if len(content) != 12 or google_crc32c.value(content[:8]) != int.from_bytes(content[8:], "little"):
        return None
    return struct.unpack(code, content[:8])[0]
