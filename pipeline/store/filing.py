"""Filing: the driver moves blocks that wait in the folder `pending` into the arrays of the store, a tile at a time.

A tile is some points × some blocks: one file of every array. Series become shards, by joining the encoded chunks that
workers wrote; scalars, status and the bookkeeping are plain chunks. Each file is written aside and renamed, first those
of the variables, then the bookkeeping, `digest` last; then the pending files are removed. A death in between leaves
blocks that are both filed and pending, with the same numbers.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from pipeline.errors import Damaged
from pipeline.store.blocks import NAME, PENDING, Header, pending_name, read_pending
from pipeline.store.chunks import BadChunk, decoded, encoded, index_size, joined, shard_index
from pipeline.store.files import Folder
from pipeline.store.layout import BOOKKEEPING, Array, Layout
from pipeline.store.lock import Lock
from pipeline.store.opening import digest_of_header
from pipeline.store.stores import Store

MOST_PENDING = 3500
"""Blocks that may wait before a tile is filed that will get more of them; those of one tile may wait beside."""
_VISIBLE_SECONDS, _LOOK_SECONDS = 10.0, 0.1
"""How long a block that a worker reported may take to be seen here, as on NFS."""
_ORDER = ("code", "machine", "seconds", "hashes", "digest")
"""Of the bookkeeping: a block counts as filed once it has a digest."""

Tile = tuple[int, int]


class Filing:
    """Blocks of a run on their way into its store.

    Args:
        store: as it was when the run began; rows of points do not change.
        lock: of the store, held.
        in_spite: whether to write files again in which blocks can't be read, without those. Default: False.
    """

    def __init__(self, store: Store, lock: Lock, in_spite: bool = False) -> None:
        self._lock = lock
        self._files, self._layout, self._row_of = store.folder, store.layout, store.row_of
        self._ids = store.ids.tolist()
        self._in_spite = in_spite
        self._waiting: dict[Tile, set[tuple[int, int]]] = {}
        self._expected: Counter[Tile] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="filing")
        self._at_work: Future[None] | None = None
        for row, block in store.pending:
            self._waiting.setdefault(self._tile(row, block), set()).add((row, block))

    def expect(self, rows: np.ndarray, missing: np.ndarray) -> None:
        """Say which blocks are about to be computed, so that a tile is filed once it will get no more.

        Args:
            rows: (point,) rows of points.
            missing: (point, block) booleans.
        """
        self._expected = Counter(self._tile(int(rows[k]), int(block)) for k, block in np.argwhere(missing))

    def arrived(self, row: int, block: int) -> None:
        """File what is due, now that a block was handed in. What is filed is filed beside what else goes on.

        Args:
            row: of its point.
            block: number of the block.

        Raises:
            OSError: an earlier tile could not be filed.
        """
        tile = self._tile(row, block)
        self._waiting.setdefault(tile, set()).add((row, block))
        self._expected[tile] -= 1
        if self._at_work is not None and (self._at_work.done() or self._count() >= MOST_PENDING):
            self.wait()  # where filing is slower than computing, computing waits
        if self._at_work is None and (due := self._due(tile)) is not None:
            blocks = self._waiting.pop(due)
            self._at_work = self._thread.submit(self._file, due, blocks)

    def _due(self, tile: Tile) -> Tile | None:
        """A tile that is to be filed now: one that is full, or the fullest if too many blocks wait."""
        full = [t for t in self._waiting if self._expected[t] <= 0]
        if full:
            return tile if tile in full else full[0]
        if self._count() < MOST_PENDING:
            return None
        return max(self._waiting, key=lambda t: len(self._waiting[t]))

    def _count(self) -> int:
        """Blocks that wait, those of the tile that is being filed left out."""
        return sum(map(len, self._waiting.values()))

    def wait(self) -> None:
        """Wait until no tile is half filed, so that the store can be opened.

        Raises:
            Damaged: a file in which blocks are filed can't be read.
            OSError: a tile could not be filed.
        """
        if self._at_work is not None:
            self._at_work.result()
            self._at_work = None

    def finish(self) -> None:
        """File all that waits.

        Raises:
            Damaged: a file in which blocks are filed can't be read; what waits is kept.
            OSError: a tile could not be filed; what waits is kept.
        """
        self._thread.shutdown(wait=True)
        self.wait()
        for name, size in self._files.sizes(PENDING).items():
            point, _, block = name.partition("-")
            row = self._row_of.get(int(point, 16)) if NAME.fullmatch(name) and size >= 0 else None
            if row is not None and int(block) < self._layout.blocks:
                self._waiting.setdefault(self._tile(row, int(block)), set()).add((row, int(block)))
        for tile, blocks in sorted(self._waiting.items()):
            self._file(tile, blocks)
        self._waiting.clear()

    def _tile(self, row: int, block: int) -> Tile:
        return row // self._layout.tile[0], block // self._layout.tile[1]

    def _file(self, tile: Tile, blocks: Iterable[tuple[int, int]]) -> None:
        self._lock.ensure_held()
        names = {(row, block): pending_name(self._ids[row], block) for row, block in blocks}
        file_tile(self._files, self._layout, tile, names, self._in_spite)


def file_pending(store: Store, lock: Lock, in_spite: bool = False) -> None:
    """File the blocks that wait in a store, which an earlier driver left. Those that are damaged are removed.

    Args:
        store: an open store.
        lock: of the store, held.
        in_spite: as of `Filing`.

    Raises:
        Damaged: a file in which blocks are filed can't be read.
        OSError: a file can't be written.
    """
    Filing(store, lock, in_spite).finish()


@contextmanager
def filing(store: Store, lock: Lock, in_spite: bool = False) -> Iterator[Filing]:
    """File the blocks of a run while it goes on, and all that wait at its end, however it ends.

    Args:
        store: an open store.
        lock: of the store, held.
        in_spite: as of `Filing`.

    Yields:
        What is told of every block that is handed in.
    """
    files = Filing(store, lock, in_spite)
    try:
        yield files
    finally:
        files.finish()


def file_tile(
    files: Folder, layout: Layout, tile: Tile, names: Mapping[tuple[int, int], str], in_spite: bool = False
) -> None:
    """File pending blocks of one tile, beside those that are in it already. A file that does not check is removed.

    Args:
        files: of the store, whose lock is held.
        layout: of the store.
        tile: its place in the grid of files.
        names: (row, block) → name of the pending file.
        in_spite: whether to go on where blocks that are filed already can't be read. Default: False.

    Raises:
        Damaged: a file of the tile can't be read; nothing is changed.
        OSError: a file can't be read or written; nothing is lost.
    """
    pending = _checked(files, layout, names)
    if pending:
        _file(_Tile(files, layout, tile, in_spite), pending)
    for name in names.values():
        files.remove(f"{PENDING}/{name}")


def _checked(files: Folder, layout: Layout, names: Mapping[tuple[int, int], str]) -> "New":
    """The pending blocks that are as they should be."""
    found, deadline = {}, time.monotonic() + _VISIBLE_SECONDS
    for where, name in names.items():
        try:
            _wait_for(files, name, deadline)
            header, content = read_pending(files, name, layout.sweep_id)
        except (FileNotFoundError, BadChunk):
            continue
        if tuple(header.parts) == layout.hashed and _fits(layout, header):
            found[where] = header, content
    return found


def _wait_for(files: Folder, name: str, deadline: float) -> None:
    """Wait until a block that was reported can be seen here."""
    while not (files.root / PENDING / name).exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        files.sizes(PENDING)  # to list a folder refreshes what NFS knows of it


def _fits(layout: Layout, header: Header) -> bool:
    """Whether the variables of a block have the shape that the store has room for."""
    return all(
        part.stored_shape == (layout.block_members, *layout.arrays[name].sizes[2:])
        and part.dtype == layout.arrays[name].dtype
        for name, part in header.parts.items()
    )


New = Mapping[tuple[int, int], tuple[Header, bytes]]
"""(row, block) → header and content of a block to be filed."""


class _Tile(NamedTuple):
    """A tile as it is on disk."""

    files: Folder
    layout: Layout
    place: Tile
    in_spite: bool

    def chunk(self, array: Array) -> np.ndarray:
        """A plain chunk, to be changed; of fill values if there is none."""
        file = array.file(*self.place)
        try:
            return decoded(self.files.read(file), array.dtype, array.chunk).copy()
        except FileNotFoundError:
            pass
        except BadChunk as error:
            self._refuse(file, error)
        return np.full(array.chunk, array.fill, dtype=array.dtype)

    def shard(self, array: Array, kept: np.ndarray) -> dict[int, bytes]:
        """The encoded chunks of those blocks of a shard that are kept, by their place."""
        file, count, places = array.file(*self.place), kept.size, np.flatnonzero(kept.ravel())
        if not len(places):
            return {}
        try:
            content = self.files.read(file)
            index = shard_index(content[-index_size(count) :], count)
        except FileNotFoundError:
            return {}
        except BadChunk as error:
            self._refuse(file, error)
            return {}
        return {
            int(place): content[index[place, 0] : index[place].sum()] for place in places if index[place, 1] >= 0
        }

    def _refuse(self, file: str, error: BadChunk) -> None:
        """Stop rather than write a file again without the blocks that could not be read."""
        if not self.in_spite:
            raise Damaged(
                f"{self.files.root}/{file}: blocks that are filed in it can't be read: {error}; restore it from a "
                "copy, or compute them again with action=verify verify.repair=true; what was computed now is kept"
            ) from error


def _file(tile: _Tile, new: New) -> None:
    """Write all files of a tile again, with new blocks."""
    layout, (height, width) = tile.layout, tile.layout.tile
    by_place = {(row % height, block % width): block_file for (row, block), block_file in new.items()}
    books = {name: tile.chunk(layout.arrays[name]) for name in BOOKKEEPING}
    kept = (books["digest"] != 0) | books["hashes"].any(axis=2)
    for place in by_place:
        kept[place] = False
    for name in layout.hashed:
        array = layout.arrays[name]
        parts = _plain(tile, array, by_place) if array.inner is None else _shard(tile, array, kept, by_place)
        tile.files.write(array.file(*tile.place), *parts)
        tile.files.settle(name)
    for place, (header, _) in by_place.items():
        books["hashes"][place] = [part.hash for part in header.parts.values()]
        books["digest"][place] = digest_of_header(layout, header)
        books["code"][place] = header.block.code
        books["machine"][place] = header.block.machine
        books["seconds"][place] = header.block.seconds
    for name in _ORDER:
        tile.files.write(layout.arrays[name].file(*tile.place), encoded(books[name]))
        tile.files.settle(name)


def _plain(tile: _Tile, array: Array, new: New) -> list[bytes]:
    """The file of a variable that is one number a member."""
    chunk, members = tile.chunk(array), tile.layout.block_members
    for (row, block), (header, content) in new.items():
        part = header.parts[array.name]
        raw = content[part.start : part.start + part.length]
        chunk[row, block * members : (block + 1) * members] = decoded(raw, part.dtype, part.stored_shape)
    return [encoded(chunk)]


def _shard(tile: _Tile, array: Array, kept: np.ndarray, new: New) -> list[bytes]:
    """The file of a series."""
    chunks = tile.shard(array, kept)
    for (row, block), (header, content) in new.items():
        part = header.parts[array.name]
        chunks[row * kept.shape[1] + block] = content[part.start : part.start + part.length]
    return joined(chunks, kept.size)
