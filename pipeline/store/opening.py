"""Opening a store: its metadata, its points and its bookkeeping, checked before any number of it is used."""

import json
import os
import re
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.digest import as_hex
from pipeline.errors import Damaged, RequestError
from pipeline.store.blocks import NAME, PENDING, Header, read_header
from pipeline.store.chunks import BadChunk, decoded, digests_of, hash_of, hashes_of
from pipeline.store.files import Archive, Files, Folder
from pipeline.store.layout import BOOKKEEPING, SCHEMA, Array, Document, Layout
from pipeline.store.lock import is_driven_elsewhere
from pipeline.store.stores import GROUP, GROUPS, ROOT, UNKNOWN, Fault, Store, reason
from pipeline.words import counted, refused_address

_TILE_FILE = re.compile(r"c\.(0|[1-9]\d*)\.(0|[1-9]\d*)((?:\.0)*)")
_TRIES, _WAIT_SECONDS = 20, 0.05
"""A reader that comes while the driver files blocks looks again."""


def open_store(path: str | os.PathLike[str], in_spite: bool = False) -> Store | None:
    """The store at a path, checked: its metadata, its points, its bookkeeping; numbers are checked when they are read.

    Args:
        path: folder of the store, or a zip archive of one.
        in_spite: whether to open it in spite of faults, which are noted in it. Default: False.

    Returns:
        The store; None if there is nothing.

    Raises:
        RequestError: what is there is no store of this pipeline, or has another schema.
        Damaged: a file of it is lost, damaged or was exchanged.
    """
    if why := refused_address(path):
        raise RequestError([f"{path}: {why}"])
    path = Path(path)
    if not path.exists():
        return None
    if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):
        raise RequestError(
            [f"{path}: expected a store, a folder or a zip archive of one, got another file; move it away"]
        )
    for tries in range(_TRIES):
        store = _opened(path)
        if not store.faults or (tries and not _is_changing(store)):  # twice, as a driver may just have ended
            break
        time.sleep(_WAIT_SECONDS)
    if store.faults and not in_spite:
        lines = store.told()
        more = f" (and {len(lines) - 1} more files)" if len(lines) > 1 else ""
        raise Damaged(f"{lines[0]}{more}; restore it from a copy, or see action=verify")
    return store


def _is_changing(store: Store) -> bool:
    """Whether a driver is at work on a store, so that what looks like a fault may be one half of a change."""
    return isinstance(store.files, Folder) and is_driven_elsewhere(store.path)


def _opened(path: Path) -> Store:
    root = Path(os.path.abspath(path))  # a Dataset is read later, whatever the working directory is then
    files: Files = Archive(root) if path.is_file() else Folder(root)
    try:
        layout = _root(path, files)
        store = Store(path, files, layout)
        _check_documents(store)
        _read_points(store)
        _read_coordinates(store)
        _read_books(store)
    except OSError as error:
        name = getattr(error, "filename", None) or path
        raise Damaged(
            f"{name}: can't be read: {reason(error)}; restore it from a copy, or mend its permissions"
        ) from error
    return store


def _root(path: Path, files: Files) -> Layout:
    """What a store's root says."""
    remedy = "restore it from a copy, or move the store away"
    try:
        document = json.loads(files.read(ROOT))
        attributes = document["attributes"]
        schema, is_ours = attributes.get("schema"), "fingerprint" in attributes
    except FileNotFoundError as error:
        if ROOT in files.sizes("runs"):  # which no other folder has
            raise Damaged(f"{path}/{ROOT}: lost; the rest of a store is there; {remedy}") from error
        if any(path.glob("*.zarr*")):
            raise RequestError([f"{path}: expected a store, got a folder of stores; name one of them"]) from error
        raise RequestError(
            [f"{path}: expected a store written by this pipeline, got no {ROOT}; move it away"]
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(
            f"{path}/{ROOT}: the metadata of a store can't be read: {reason(error)}; {remedy}"
        ) from error
    if not is_ours:
        raise RequestError(
            [f"{path}: expected a store of this pipeline, got another Zarr group; choose another store.name"]
        )
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        what = "update this program to read it" if newer else "move it away and compute it again"
        raise RequestError([f"{path}: expected a store of schema {SCHEMA}, got {schema}; {what}"])
    try:
        return Layout.of_root(document)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise Damaged(f"{path}/{ROOT}: it was edited or is damaged: {reason(error)}; {remedy}") from error


def _check_documents(store: Store) -> None:
    """Compare the metadata of every array with what the root says; arrays may have room for more already."""
    for name, array in store.layout.arrays.items():
        expected = array.document(store.layout.extent)
        if difference := _difference(expected, _document(store.files, f"{name}/{ROOT}"), array):
            store.faults.append(Fault(f"{name}/{ROOT}", difference))
    for name in GROUPS:
        found = _document(store.files, f"{name}/{ROOT}")
        if found != GROUP:
            store.faults.append(Fault(f"{name}/{ROOT}", f"expected an empty Zarr group, got {_shown(found)}"))


def _document(files: Files, name: str) -> Document | str:
    """A zarr.json, or why it can't be read."""
    try:
        document = json.loads(files.read(name))
    except (OSError, ValueError, RecursionError) as error:
        return reason(error)
    return document if isinstance(document, dict) else f"{document!r:.40}"


def _difference(expected: Document, found: Document | str, array: Array) -> str:
    """How the metadata of an array differs from what it has to be; empty if it does not."""
    if isinstance(found, str):
        return f"expected the metadata of an array, got {found}"
    for key in sorted(expected | found):
        if key == "shape":
            grown = found.get(key)
            if not _has_room(grown, expected[key], array):
                return f"expected the shape {expected[key]} at least, got {_shown(grown)}"
        elif json.dumps(expected.get(key), sort_keys=True) != json.dumps(found.get(key), sort_keys=True):
            return f"expected {key} {_shown(expected.get(key))}, got {_shown(found.get(key))}"
    return ""


def _has_room(shape: Any, least: Sequence[int], array: Array) -> bool:
    """Whether an array is as large as it has to be; larger only where a store grows, and where a driver died then."""
    if not isinstance(shape, list) or len(shape) != len(least):
        return False
    return all(
        type(size) is int and (size == need or (size > need and not fixed))
        for size, need, fixed in zip(shape, least, array.sizes, strict=True)
    )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


# --- points and coordinates -------------------------------------------------------------------------------


def _read_points(store: Store) -> None:
    """Axes, ids and members asked for; the ids have to be those of the values."""
    layout = store.layout
    for axis in layout.axes:
        store.columns[axis.name] = _along_points(store, axis.coordinate)
    store.ids = _along_points(store, "point_id").astype(np.uint64)
    store.asked = _along_points(store, "asked").astype(np.int64)
    for row, point in enumerate(store.points()):
        if point is UNKNOWN:
            first, *others = _files_of_row(store, row)
            raise Damaged(
                f"{store.path}/{first}: expected the values of point {row} (id {as_hex(int(store.ids[row]))}), got "
                f"{_of_row(store, row)}: {' or '.join(['it', *others])} was exchanged, edited, or is older than the "
                "rest; restore it from a copy"
            )
    wrong = (store.asked < 0) | (store.asked > layout.members)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        what = f"expected 0 … {layout.members} members for {_asked_file(store, row)}, got {store.asked[row]} there"
        store.faults.append(Fault(ROOT, f"{what}: it is older than that file, or that was exchanged"))
        store.asked = np.clip(store.asked, 0, layout.members)


def _asked_file(store: Store, row: int) -> str:
    array = store.layout.arrays["asked"]
    return array.file(row // array.chunk[0])


def _files_of_row(store: Store, row: int) -> list[str]:
    """The files that hold the values and the id of a point."""
    arrays = [store.layout.arrays[name] for name in (*store.coordinate_names.values(), "point_id")]
    return [array.file(row // array.chunk[0]) for array in arrays]


def _of_row(store: Store, row: int) -> str:
    return ", ".join(f"{name}={column[row]}" for name, column in store.columns.items()) or "the point"


def _along_points(store: Store, name: str) -> np.ndarray:
    """An array (point, …) as a whole."""
    array, points = store.layout.arrays[name], store.n_points
    parts = []
    for place in range(-(-points // array.chunk[0])):
        file = array.file(place)
        try:
            parts.append(decoded(store.files.read(file), array.dtype, array.chunk))
        except (OSError, BadChunk) as error:
            raise Damaged(
                f"{store.path}/{file}: values of points can't be read: {reason(error)}; restore it from a copy"
            ) from error
    return np.concatenate(parts)[:points]


def _read_coordinates(store: Store) -> None:
    """Coordinates of the dimensions; those that all points share have to be those of the sweep id."""
    for dimension in store.layout.dimensions:
        if not dimension.size:
            continue
        if dimension.varies:
            store.coordinates[dimension.name] = _along_points(store, f"{dimension.name}_at")
        array = store.layout.arrays[dimension.name]
        file = array.file(0)
        try:
            values = decoded(store.files.read(file), array.dtype, array.chunk)
        except (OSError, BadChunk) as error:
            raise Damaged(
                f"{store.path}/{file}: expected a coordinate, got {reason(error)}; restore it from a copy"
            ) from error
        if not dimension.varies:
            store.coordinates[dimension.name] = values
        expected = hash_of(np.arange(dimension.size)) if dimension.varies else dimension.hash
        if hash_of(values) != expected:
            raise Damaged(
                f"{store.path}/{file}: its values are not those of the sweep; it was exchanged; restore it from a copy"
            )


def coordinate_hashes(store: Store) -> np.ndarray:
    """(point, varying dimension) hashes of the coordinates that differ from point to point."""
    found = np.zeros((store.n_points, len(store.layout.varying)), dtype=np.uint64)
    for k, name in enumerate(store.layout.varying):
        values = store.coordinates.get(name, np.empty((store.n_points, 0)))
        lengths = np.isfinite(values).sum(axis=1)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            found[rows, k] = hashes_of(values[rows, :length].astype("<f8"))
    return found


# --- bookkeeping ------------------------------------------------------------------------------------------


def _read_books(store: Store) -> None:
    """What is known of every block, filed or pending, and whether it can be so."""
    layout = store.layout
    pending = _headers(store)  # first: a block that is filed meanwhile is seen twice rather than not at all
    shape = layout.points, layout.blocks
    order = ("digest", "hashes", "code", "machine", "seconds")  # digest, which is written last, first
    store.books = {
        name: np.zeros((*shape, len(layout.hashed)) if name == "hashes" else shape, dtype=BOOKKEEPING[name])
        for name in order
    }
    store.damaged = np.zeros(shape, dtype=bool)
    sizes = {name: store.files.sizes(name) for name in layout.arrays}
    for name in order:
        _read_book(store, name, sizes[name])
    _check_tiles(store, sizes)
    _check_digests(store, pending)
    for (row, block), header in pending.items():
        store.pending[row, block] = header
        _enter(store, row, block, header)
    _check_asked(store)


def _headers(store: Store) -> dict[tuple[int, int], Header]:
    """The headers of blocks that wait to be filed. A file that does not check is as good as absent."""
    found = {}
    for name, size in store.files.sizes(PENDING).items():
        if not NAME.fullmatch(name) or size < 0:
            continue
        try:
            header = read_header(store.files, name, store.layout.sweep_id)
        except (OSError, BadChunk):
            continue
        row = store.row_of.get(header.block.point)
        fits = tuple(header.parts) == store.layout.hashed and header.size == size
        if row is not None and header.block.block < store.blocks and fits:
            found[row, header.block.block] = header
    return found


def _enter(store: Store, row: int, block: int, header: Header) -> None:
    """Enter a pending block, which counts for more than one that is filed."""
    hashes = [part.hash for part in header.parts.values()]
    store.books["hashes"][row, block] = hashes
    store.books["digest"][row, block] = digest_of_header(store.layout, header)
    store.books["code"][row, block] = header.block.code
    store.books["machine"][row, block] = header.block.machine
    store.books["seconds"][row, block] = header.block.seconds
    store.damaged[row, block] = False


def digest_of_header(layout: Layout, header: Header) -> int:
    """The digest of a pending block."""
    block = header.block
    coordinates = [block.coordinates[name] for name in layout.varying]
    hashes = [part.hash for part in header.parts.values()]
    numbers = [layout.sweep_id, block.point, block.block, block.code, *coordinates, *hashes]
    return int(digests_of(np.array([numbers], dtype=np.uint64))[0])


def _tiles_of(layout: Layout, names: Iterable[str], dims: int) -> list[tuple[int, int]]:
    """The tiles of an array that has files, by their names; within the extent."""
    found = []
    for name in names:
        match = _TILE_FILE.fullmatch(name)
        if match and len(match[3]) == 2 * (dims - 2):
            row, column = int(match[1]), int(match[2])
            if row * layout.tile[0] < layout.points and column * layout.tile[1] < layout.blocks:
                found.append((row, column))
    return found


def tile_slices(layout: Layout, tile: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and the blocks of a tile, within the extent."""
    (rows, blocks), (row, column) = layout.tile, tile
    return (
        slice(row * rows, min((row + 1) * rows, layout.points)),
        slice(column * blocks, min((column + 1) * blocks, layout.blocks)),
    )


def _read_book(store: Store, name: str, sizes: Mapping[str, int]) -> None:
    layout, array = store.layout, store.layout.arrays[name]
    for tile in _tiles_of(layout, sizes, len(array.dims)):
        rows, blocks = tile_slices(layout, tile)
        try:
            chunk = decoded(store.files.read(array.file(*tile)), array.dtype, array.chunk)
        except (OSError, BadChunk) as error:
            store.faults.append(Fault(array.file(*tile), f"can't be read: {reason(error)}"))
            store.damaged[rows, blocks] |= store.books["digest"][rows, blocks] != 0
            continue
        store.books[name][rows, blocks] = chunk[: rows.stop - rows.start, : blocks.stop - blocks.start]
        _refuse_beyond(store, array, tile, chunk)


def _refuse_beyond(store: Store, array: Array, tile: tuple[int, int], chunk: np.ndarray) -> None:
    """Blocks beyond the extent: the root is older than they are."""
    rows, blocks = tile_slices(store.layout, tile)
    if array.name == "digest":
        beyond = chunk[rows.stop - rows.start :].any() or chunk[:, blocks.stop - blocks.start :].any()
        if beyond:
            store.faults.append(
                Fault(
                    ROOT, f"it is older than {array.file(*tile)}, which has blocks of points or members it lacks"
                )
            )


def _check_tiles(store: Store, sizes: Mapping[str, Mapping[str, int]]) -> None:
    """All files of a tile in which blocks are filed have to be there."""
    layout, filed = store.layout, store.books["digest"] != 0
    rows, columns = layout.tile
    tiles = np.unique(np.argwhere(filed) // (rows, columns), axis=0)
    for tile in [(int(row), int(column)) for row, column in tiles]:
        span = tile_slices(layout, tile)
        for name in (*layout.hashed, *BOOKKEEPING):
            file = layout.arrays[name].file(*tile)
            size = sizes[name].get(file.partition("/")[2])
            if size is None or size < 0:
                what = "lost" if size is None else "expected a file, got something else"
                count = counted(int(filed[span].sum()), "block")
                store.faults.append(Fault(file, f"{what}; {count} filed in it"))
                store.damaged[span] |= filed[span]


def _check_digests(store: Store, pending: Mapping[tuple[int, int], Header]) -> None:
    """Every digest has to be the one of sweep, point, block, code and hashes; there is none without hashes."""
    books, layout = store.books, store.layout
    where = np.argwhere(books["digest"] != 0)
    rows, blocks = where[:, 0], where[:, 1]
    table = np.column_stack(
        [
            np.full(len(where), layout.sweep_id, dtype=np.uint64),
            store.ids[rows],
            blocks.astype(np.uint64),
            books["code"][rows, blocks],
            coordinate_hashes(store)[rows],
            books["hashes"][rows, blocks],
        ]
    )
    differs = digests_of(table) != books["digest"][rows, blocks]
    store.damaged[rows[differs], blocks[differs]] = True
    for row, block in where[differs]:
        if (row, block) not in pending:  # else a driver died while it filed the block anew
            _note_difference(
                store, int(row), int(block), "what is recorded does not belong to its point and block"
            )
    lost = books["hashes"].any(axis=2) & (books["digest"] == 0)
    for row, block in np.argwhere(lost):
        if (row, block) not in pending:
            store.damaged[row, block] = True
            _note_difference(store, int(row), int(block), "it has no entry for a block that is filed")


def _check_asked(store: Store) -> None:
    """Members are asked for before they are computed: an older file of them would hide blocks."""
    last = np.max(np.arange(1, store.blocks + 1) * store.stored, axis=1)
    least = (last - 1) * store.block_members + 1
    for row in np.flatnonzero((last > 0) & (store.asked < least)):
        named = f"{_of_row(store, int(row))}, block {last[row] - 1}"
        what = f"it is older than a stored block, or was exchanged: expected {least[row]} members at least"
        store.faults.append(Fault(_asked_file(store, int(row)), f"{what} ({named}), got {store.asked[row]}"))
        store.asked[row] = last[row] * store.block_members


def _note_difference(store: Store, row: int, block: int, what: str) -> None:
    layout = store.layout
    place = row // layout.tile[0], block // layout.tile[1]
    varying = [layout.arrays[f"{name}_at"] for name in layout.varying if name in store.coordinates]
    books = [layout.arrays[name].file(*place) for name in ("hashes", "code")]
    beside = [*books, *(at.file(row // at.chunk[0]) for at in varying)]
    named = f"{_of_row(store, row)}, block {block}"
    told = f"{what}: {named}; {' or '.join(['it', *beside])} is lost, was exchanged, or is older than the rest"
    store.faults.append(Fault(layout.arrays["digest"].file(*place), told))
