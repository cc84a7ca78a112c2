"""Blocks on their way into a store: one file each in its folder `pending`, written by a worker, filed by the driver.

A block's file is a header (what the block is, of which numbers, computed by what), the encoded chunk of every variable,
and a checksum over all. It is renamed into place, which commits it. Workers know no rows: a file is named for the id of
its point and the number of its block.
"""

import functools
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.digest import as_hex, digest_of_all
from pipeline.provenance import machine
from pipeline.store.chunks import BadChunk, checked, decoded, encoded, hash_of, unchecked
from pipeline.store.files import Files, Folder
from pipeline.store.layout import sealed

PENDING, MACHINES = "pending", "runs/machines"
NAME = re.compile(r"[0-9a-f]{16}-\d+")
_MAGIC = b"block 3\n"
_START = struct.Struct("<8sII")
"""Magic, length of the header that follows, length of all chunks."""
_FIRST_READ = 4096
"""Bytes that hold most headers."""


class Location(NamedTuple):
    """A store as a worker finds it: all that it needs to hand in blocks."""

    path: str
    sweep_id: int
    room: dict[str, int]
    """Dimension → room for values; shorter variables are filled up with NaN."""
    varying: tuple[str, ...]
    """Dimensions whose coordinate differs from point to point."""
    variables: tuple[tuple[str, tuple[str, ...]], ...]
    """Every variable that is stored, `status` left out, with its dimensions."""


class Block(NamedTuple):
    """What a block is, beside its numbers."""

    point: int
    """Id of its point."""
    block: int
    code: int
    machine: int
    seconds: float
    coordinates: dict[str, int]
    """Hashes of the coordinates that differ from point to point."""

    @property
    def name(self) -> str:
        """Its name in the folder of pending blocks."""
        return pending_name(self.point, self.block)


class Part(NamedTuple):
    """A variable in a block's file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """Without what fills it up."""
    stored_shape: tuple[int, ...]
    hash: int
    start: int
    """First byte of its chunk in the file."""
    length: int


class Header(NamedTuple):
    """The header of a block's file."""

    block: Block
    parts: dict[str, Part]
    size: int
    """Of the file."""


def pending_name(point: int, block: int) -> str:
    """The name of a block in the folder of pending blocks.

    Args:
        point: its id.
        block: number of the block.

    Returns:
        A file's name.
    """
    return f"{as_hex(point)}-{block}"


def is_pending(location: Location, point: int, block: int, code: int) -> bool:
    """Whether a block was handed in, computed by some code, and waits to be filed.

    Args:
        location: of the store.
        point: id of the point.
        block: number of the block.
        code: digest of the code.

    Returns:
        True if its file is there and checks.
    """
    try:
        header, _ = read_pending(Folder(Path(location.path)), pending_name(point, block), location.sweep_id)
    except (OSError, BadChunk):
        return False
    return header.block.code == code


def write_block(location: Location, block: Block, values: Mapping[str, np.ndarray]) -> None:
    """Hand in a block.

    Args:
        location: of the store.
        block: what it is.
        values: every variable, (member, …), and `status` (member,); one of no length may be left out.

    Raises:
        ValueError: a variable is longer than the store has room for.
        OSError: it can't be written.
    """
    parts, chunks, start = [], [], 0
    members = len(values["status"])
    for name, dims in (*location.variables, ("status", ())):
        array = values.get(name)
        if array is None:
            array = np.empty((members, *(0 for _ in dims)))
        stored = filled_up(array, (members, *(location.room[dim] for dim in dims)))
        chunk = encoded(stored)
        parts.append(Part(name, array.dtype.str, array.shape, stored.shape, hash_of(array), start, len(chunk)))
        chunks.append(chunk)
        start += len(chunk)
    head = json.dumps({**block._asdict(), "sweep_id": location.sweep_id, "parts": parts}).encode()
    begin = _START.pack(_MAGIC, len(head), len(b"".join(chunks)))
    content = checked(b"".join([checked(begin + head), *chunks]))
    Folder(Path(location.path)).write(f"{PENDING}/{block.name}", content, durable=False)


def filled_up(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values, filled up with NaN to a larger shape.

    Args:
        values: of any shape.
        shape: as many dimensions, each as long or longer.

    Returns:
        Doubles of that shape, the values first; the values themselves if they have it.

    Raises:
        ValueError: the shape is smaller.
    """
    if values.shape == shape:
        return values
    filled = np.full(shape, np.nan)
    filled[tuple(slice(size) for size in values.shape)] = values
    return filled


# --- reading them -----------------------------------------------------------------------------------------


def read_header(files: Files, name: str, sweep_id: int) -> Header:
    """The header of a pending block.

    Args:
        files: of the store.
        name: of the block's file.
        sweep_id: of the store.

    Returns:
        What the block is, and where its variables are.

    Raises:
        BadChunk: it is no block of this store, or damaged.
        OSError: it can't be read.
    """
    start = files.read_at(f"{PENDING}/{name}", 0, _FIRST_READ)
    if len(start) >= _START.size:
        size = _START.size + _START.unpack_from(start)[1] + 4
        if size > len(start):
            start += files.read_at(f"{PENDING}/{name}", len(start), min(size, 2**24) - len(start))
    return _header(start, name, sweep_id)


def _header(content: bytes, name: str, sweep_id: int) -> Header:
    """The header at the start of a block's file."""
    try:
        magic, length, payload = _START.unpack_from(content)
        end = _START.size + length
        if magic != _MAGIC:
            raise BadChunk("no block")
        told = json.loads(unchecked(content[: end + 4])[_START.size :])
        parts = [Part(n, d, tuple(shape), tuple(full), *rest) for n, d, shape, full, *rest in told.pop("parts")]
        sweep, block = told.pop("sweep_id"), Block(**told)
    except (struct.error, ValueError, TypeError, KeyError) as error:
        raise BadChunk(f"its header can't be read ({error})") from error
    if sweep != sweep_id or block.name != name:
        raise BadChunk("a block of another sweep, point or number")
    moved = {part.name: part._replace(start=part.start + end + 4) for part in parts}
    return Header(block, moved, end + 4 + payload + 4)


def read_pending(files: Files, name: str, sweep_id: int) -> tuple[Header, bytes]:
    """A pending block, checked as a whole.

    Args:
        files: of the store.
        name: of the block's file.
        sweep_id: of the store.

    Returns:
        Its header, and the content of its file.

    Raises:
        BadChunk: it is no block of this store, or damaged.
        OSError: it can't be read.
    """
    content = files.read(f"{PENDING}/{name}")
    unchecked(content)
    return _header(content, name, sweep_id), content


def read_part(files: Files, name: str, part: Part) -> np.ndarray:
    """A variable of a pending block.

    Args:
        files: of the store.
        name: of the block's file.
        part: which variable.

    Returns:
        (member, …) as it is stored, filled up.

    Raises:
        BadChunk: it is damaged.
        OSError: it can't be read.
    """
    return decoded(files.read_at(f"{PENDING}/{name}", part.start, part.length), part.dtype, part.stored_shape)


# --- the machine that computes ----------------------------------------------------------------------------


@functools.cache
def this_machine() -> tuple[int, dict[str, Any]]:
    """The digest and the description of this machine."""
    description = machine()
    return digest_of_all([repr(sorted(description.items())).encode()]), description


def note_this_machine(path: str) -> int:
    """Describe this machine in a store.

    Args:
        path: folder of the store.

    Returns:
        The digest of the description.
    """
    digest, description = this_machine()
    note_machine(Path(path), digest, description)
    return digest


def note_machine(path: Path, digest: int, description: Mapping[str, Any]) -> None:
    """Describe a machine in a store, unless it is known there.

    Args:
        path: folder of the store.
        digest: of the description.
        description: as `pipeline.provenance.machine` gives it.
    """
    files, name = Folder(path), f"{as_hex(digest)}.json"
    if name not in files.sizes(MACHINES):
        files.make(MACHINES)
        files.write(f"{MACHINES}/{name}", sealed(description))
