"""Numbers of a store, by rows of points and numbers of members, each block checked against its hash as it is read."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.errors import Damaged
from pipeline.store.blocks import Header, pending_name, read_part
from pipeline.store.chunks import BadChunk, decoded, hash_of, hashes_of, index_size, shard_index
from pipeline.store.layout import Array
from pipeline.store.lock import is_driven
from pipeline.store.opening import open_store
from pipeline.store.stores import Store
from pipeline.words import one_line

_LEAST_TRIES, _TRIES = 3, 50
"""To read what a driver may be filing: so often if none is at work any more, at most so often while one is."""


class _Wanted(NamedTuple):
    """The blocks of one tile that are asked for."""

    tile: tuple[int, int]
    rows: np.ndarray
    """Of points, in the store."""
    blocks: np.ndarray


class _Changed(Exception):  # noqa: N818 (a state of a store)
    """A block is not where it was, or not what it was: it was filed or replaced meanwhile, or it is damaged.

    Args:
        what: file and fault, the same for all blocks of the file that have it.
        where: the block, if the fault does not name it.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what, where)
        self.what = what

    def __str__(self) -> str:
        return " ".join(part for part in self.args if part)


def read(
    store: Store, name: str, rows: np.ndarray, members: np.ndarray, rest: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Values of a variable.

    Args:
        store: an open store.
        name: of the variable, or `status`.
        rows: (point,) of points; −1: none.
        members: (member,) their numbers, any.
        rest: which values along each further dimension. Default: all.

    Returns:
        (point, member, …) as stored, filled up; where there are none, NaN, for `status` 0.

    Raises:
        Damaged: a block can't be read, or its numbers are not those that were computed.
    """
    array = store.layout.arrays[name]
    there, where = np.unique(rows, return_inverse=True)
    sizes = array.sizes[2:] if rest is None else tuple(map(len, rest))
    found = np.full((len(there), len(members), *sizes), array.fill, dtype=array.dtype)
    if found.size:
        place = {int(row): k for k, row in enumerate(there)}
        of_block = _by_block(store, members)
        for wanted in _tiles(store, there[there >= 0], np.array(sorted(of_block), dtype=int)):
            for row, block, values in _read_again(store, array, wanted):
                columns, within = of_block[block]
                found[place[row], columns] = values[within] if rest is None else _taken(values[within], rest)
    return found if np.array_equal(where, np.arange(len(rows))) else found[where]


def _taken(values: np.ndarray, rest: Sequence[np.ndarray]) -> np.ndarray:
    """Some values along each dimension after the first."""
    for axis, part in enumerate(rest, start=1):
        if len(part) != values.shape[axis] or not np.array_equal(part, np.arange(len(part))):
            values = values.take(part, axis)
    return values


def _by_block(store: Store, members: np.ndarray) -> dict[int, tuple[np.ndarray | slice, np.ndarray | slice]]:
    """Block → where its members are among those asked for, and which of its own they are."""
    size, blocks = store.block_members, members // store.block_members
    found: dict[int, tuple[np.ndarray | slice, np.ndarray | slice]] = {}
    for block in np.unique(blocks[blocks < store.blocks]).tolist():
        columns = np.flatnonzero(blocks == block)
        whole = np.array_equal(members[columns], np.arange(block * size, (block + 1) * size))
        together = whole and columns[-1] - columns[0] == size - 1
        found[block] = (
            (slice(columns[0], columns[-1] + 1), slice(None)) if together else (columns, members[columns] % size)
        )
    return found


def read_block(store: Store, row: int, block: int) -> dict[str, np.ndarray]:
    """The numbers of a stored block, without what fills them up.

    Args:
        store: an open store.
        row: of its point.
        block: its number.

    Returns:
        Every variable, (member, …), `status` among them.

    Raises:
        Damaged: it can't be read, or its numbers are not those that were computed.
    """
    members = np.arange(block * store.block_members, (block + 1) * store.block_members)
    lengths, values = store.lengths(row), {}
    dims = {variable.name: variable.dims for variable in store.layout.variables}
    for name in store.layout.hashed:
        whole = read(store, name, np.array([row]), members)[0]
        values[name] = whole[(slice(None), *(slice(lengths[dim]) for dim in dims.get(name, ())))]
    return values


def _tiles(store: Store, rows: np.ndarray, blocks: np.ndarray) -> Iterator[_Wanted]:
    height, width = store.layout.tile
    for tile_row in np.unique(rows // height):
        for tile_column in np.unique(blocks // width):
            yield _Wanted(
                (int(tile_row), int(tile_column)),
                rows[rows // height == tile_row],
                blocks[blocks // width == tile_column],
            )


Values = Iterator[tuple[int, int, np.ndarray]]
"""(row, block, values of its members)."""


def _read_again(store: Store, array: Array, wanted: _Wanted) -> Values:
    """The blocks of a tile; where they change while they are read, once more from the first, as they are then."""
    now: Store | None = store
    for tries in range(_TRIES):
        if now is None or not now.is_still(store.identity):
            raise Damaged(f"{store.path}: it was removed or exchanged since it was opened; open it again")
        try:
            yield from _read_tile(now, array, wanted)
            return
        except _Changed as changed:
            if tries == _TRIES - 1 or (tries >= _LEAST_TRIES - 1 and not is_driven(store.files.root)):
                raise Damaged(f"{store.path}/{changed}; restore it from a copy, or see action=verify") from changed
        now = open_store(store.files.root)


def _read_tile(store: Store, array: Array, wanted: _Wanted) -> Values:
    stored = store.stored[np.ix_(wanted.rows, wanted.blocks)]
    filed = []
    for k, j in np.argwhere(stored):
        row, block = int(wanted.rows[k]), int(wanted.blocks[j])
        if (row, block) in store.pending:
            yield row, block, _pending(store, array, row, block, store.pending[row, block])
        else:
            filed.append((row, block))
    if filed:
        yield from (
            _plain(store, array, wanted.tile, filed)
            if array.inner is None
            else _shard(store, array, wanted.tile, filed)
        )


def _pending(store: Store, array: Array, row: int, block: int, header: Header) -> np.ndarray:
    name, part = pending_name(header.block.point, block), header.parts[array.name]
    try:
        values = read_part(store.files, name, part)
    except (OSError, BadChunk) as error:
        raise _Changed(f"pending/{name}: {array.name} can't be read: {one_line(error)}") from error
    _check(store, array, row, block, values, f"pending/{name}")
    return values


def _plain(store: Store, array: Array, tile: tuple[int, int], filed: list[tuple[int, int]]) -> Values:
    """Blocks of a tile that is one chunk."""
    file, (height, width) = array.file(*tile), store.layout.tile
    try:
        chunk = decoded(store.files.read(file), array.dtype, array.chunk)
    except (OSError, BadChunk) as error:
        raise _Changed(f"{file}: can't be read: {one_line(error)}") from error
    by_block = chunk.reshape(height, width, store.block_members)
    rows, blocks = np.array(filed).T
    values = by_block[rows % height, blocks % width]
    k = store.layout.hashed.index(array.name)
    differs = hashes_of(values) != store.books["hashes"][rows, blocks, k]
    if differs.any():
        first = int(np.flatnonzero(differs)[0])
        raise _exchanged(store, file, *filed[first])
    for (row, block), numbers in zip(filed, values, strict=True):
        yield row, block, numbers


def _shard(store: Store, array: Array, tile: tuple[int, int], filed: list[tuple[int, int]]) -> Values:
    """Blocks of a tile that is a shard, each a chunk of it."""
    file, (height, width) = array.file(*tile), store.layout.tile
    assert array.inner is not None
    footer = index_size(height * width)
    try:
        size = store.files.sizes(array.name).get(file.partition("/")[2], 0)
        index = shard_index(store.files.read_at(file, max(0, size - footer), footer), height * width)
        for row, block in filed:
            start, length = index[row % height * width + block % width].tolist()
            if start < 0 or length < 0 or start + length > size:
                raise BadChunk(f"it lacks {_named(store, row, block)}")
            values = decoded(store.files.read_at(file, start, length), array.dtype, array.inner)[0]
            _check(store, array, row, block, values, file)
            yield row, block, values
    except (OSError, BadChunk) as error:
        raise _Changed(f"{file}: can't be read: {one_line(error)}") from error


def _check(store: Store, array: Array, row: int, block: int, values: np.ndarray, file: str) -> None:
    """Raise _Changed unless values are those whose hash is recorded."""
    lengths = store.lengths(row)
    within = (slice(None), *(slice(lengths[dim]) for dim in array.dims[2:]))
    k = store.layout.hashed.index(array.name)
    if hash_of(np.ascontiguousarray(values[within])) != int(store.books["hashes"][row, block, k]):
        raise _exchanged(store, file, row, block)


def _exchanged(store: Store, file: str, row: int, block: int) -> _Changed:
    what = "it was exchanged or edited, or is older than the rest: its numbers are not those that were computed"
    return _Changed(f"{file}: {what}", f"({_named(store, row, block)})")


def _named(store: Store, row: int, block: int) -> str:
    point = ", ".join(f"{name}={column[row]}" for name, column in store.columns.items()) or "the point"
    return f"{point}, block {block}"
