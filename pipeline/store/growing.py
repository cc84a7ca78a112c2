"""Making a store, and making room in it for more points and members. The root is written last: that commits a growth.

Files of the axes may then already have values of points beyond the extent, and arrays may be larger: both are ignored,
and written again by the next growth.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.errors import Damaged, RequestError
from pipeline.request import MOST_BLOCKS, Point, Sweep, label_of
from pipeline.store.blocks import filled_up
from pipeline.store.chunks import decoded, encoded
from pipeline.store.files import Folder
from pipeline.store.layout import Array, Document, Layout, as_coordinate, coordinates_at, layout_of, varies
from pipeline.store.lock import Lock
from pipeline.store.opening import open_store
from pipeline.store.stores import GROUP, GROUPS, ROOT, Store, check_same_sweep


def prepare(path: Path, sweep: Sweep, lock: Lock, order: np.ndarray | None = None) -> Store:
    """The store at a path, made or grown so that it has room for all of a sweep.

    Args:
        path: folder of the store.
        sweep: whose points and members it is to hold.
        lock: of the store, held.
        order: (point,) in which new points get their rows: that in which their blocks are computed, so that one file
            after the other fills up. Default: that of the sweep.

    Returns:
        The store.

    Raises:
        RequestError: the store there holds another sweep, with the differences, or has no room for a point with
            longer coordinates.
        Damaged: a file of it is lost, damaged or was exchanged.
        Interrupted: another driver just made it.
    """
    store, ordered = (
        open_store(path),
        [sweep.points[k] for k in (order if order is not None else range(len(sweep.points)))],
    )
    if store is None:
        lock.create(lambda folder: _build(Folder(folder), sweep, ordered))
    else:
        check_same_sweep(store, sweep)
        if lock.died:
            store.folder.remove_leftovers()
        _grow(store, sweep, ordered)
    prepared = open_store(path)
    assert prepared is not None
    return prepared


def ask(store: Store, rows: np.ndarray, members: np.ndarray) -> None:
    """Keep how many members were asked for, where that is more than ever. The store's lock must be held.

    Args:
        store: an open store; what it knows is brought up to date.
        rows: (point,) of the points.
        members: (point,) how many.
    """
    asked = store.asked.copy()
    np.maximum.at(asked, rows, members)
    if (asked != store.asked).any():
        _write_asked(store, asked)
        store.asked = asked


def _write_asked(store: Store, asked: np.ndarray) -> None:
    _write_along_points(store.folder, store.layout, "asked", asked, first=0)
    store.folder.settle("asked")  # before any block of these members is


def mend_documents(store: Store) -> None:
    """Write again what follows from the rest of a store: all metadata, and members asked for. Its lock must be held.

    Args:
        store: a store that was opened in spite of faults.

    Raises:
        Damaged: its root, from which all follows, is not as it should be.
    """
    if any(fault.file == ROOT for fault in store.faults):
        raise Damaged(f"{store.told()[0]}; restore it from a copy")
    _write_documents(store.folder, store.layout)
    if any(fault.file.startswith("asked/") for fault in store.faults):
        _write_asked(store, store.asked)


# --- making -----------------------------------------------------------------------------------------------


def _build(files: Folder, sweep: Sweep, points: Sequence[Point]) -> None:
    layout = layout_of(sweep)
    files.make("")
    _write_documents(files, layout)
    for dimension, part in zip(sweep.system.dimensions, layout.dimensions, strict=True):
        if part.size:
            values = np.arange(part.size) if part.varies else coordinates_at(sweep, dimension, points[:1])[0]
            files.write(layout.arrays[part.name].file(0), encoded(as_coordinate(values)))
    _write_points(files, layout, sweep, points, np.zeros(0, np.int64), first=0)
    _write_root(files, layout)


def _write_documents(files: Folder, layout: Layout) -> None:
    """The zarr.json of every array and of the other folders, those that are there already left alone."""
    documents: dict[str, Document] = dict.fromkeys(GROUPS, GROUP)
    documents |= {name: array.document(layout.extent) for name, array in layout.arrays.items()}
    for name, document in documents.items():
        content = _as_json(document)
        files.make(name)
        if files.sizes(name).get(ROOT) != len(content) or files.read(f"{name}/{ROOT}") != content:
            files.write(f"{name}/{ROOT}", content)


def _write_root(files: Folder, layout: Layout) -> None:
    files.write(ROOT, _as_json(layout.root()))
    files.settle("")


def _as_json(document: Document) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


# --- points -----------------------------------------------------------------------------------------------


def _write_points(
    files: Folder, layout: Layout, sweep: Sweep, points: Sequence[Point], asked: np.ndarray, first: int
) -> None:
    """Write what is known of new points, from row `first` on, for an extent that already has room for them."""
    new = replace(sweep, points=tuple(points))
    columns = dict(zip(sweep.axes, zip(*points, strict=True), strict=True)) if sweep.axes else {}
    for axis in layout.axes:
        values = columns[axis.name]
        texts = [label_of(value) for value in values] if axis.kind == "label" else values
        column = np.array(texts, dtype=object if axis.kind == "label" else layout.arrays[axis.coordinate].dtype)
        _write_along_points(files, layout, axis.coordinate, column, first)
    _write_along_points(files, layout, "point_id", new.ids, first)
    _write_along_points(files, layout, "asked", np.concatenate([asked, np.zeros(len(points), np.int64)]), first=0)
    for dimension, part in zip(sweep.system.dimensions, layout.dimensions, strict=True):
        if part.varies and part.size:
            rows = [filled_up(row.astype(float), (part.size,)) for row in coordinates_at(sweep, dimension, points)]
            _write_along_points(files, layout, f"{part.name}_at", np.stack(rows), first)


def _write_along_points(files: Folder, layout: Layout, name: str, values: np.ndarray, first: int) -> None:
    """Write values of points from row `first` on; what is there before them is kept."""
    array = layout.arrays[name]
    height, stop = array.chunk[0], first + len(values)
    for place in range(first // height, -(-stop // height)):
        start = place * height
        chunk = _filled(array)
        if start < first:
            chunk[: first - start] = decoded(files.read(array.file(place)), array.dtype, array.chunk)[
                : first - start
            ]
        low, high = max(start, first), min(start + height, stop)
        chunk[low - start : high - start] = values[low - first : high - first]
        files.write(array.file(place), encoded(chunk))


def _filled(array: Array) -> np.ndarray:
    """A chunk of nothing but the fill value."""
    return np.full(array.chunk, array.fill, dtype=object if array.dtype == "string" else array.dtype)


# --- growing ----------------------------------------------------------------------------------------------


def _grow(store: Store, sweep: Sweep, ordered: Sequence[Point]) -> None:
    """Make room for more points and members. Files of blocks are left alone; the root commits the new extent."""
    _check_same_arrays(store, sweep)
    known = store.row_of
    new_ids = {int(point): k for k, point in enumerate(sweep.ids) if int(point) not in known}
    by_point = dict(zip(sweep.points, sweep.ids.tolist(), strict=True)) if new_ids else {}
    new = [point for point in ordered if by_point.get(point) in new_ids] if new_ids else []
    blocks = max(store.blocks, sweep.blocks)
    if not new and blocks == store.blocks:
        return
    _check_room(store, sweep, new)
    _check_labels(store, sweep, new)
    layout = store.layout.grown(store.n_points + len(new), blocks)
    if not layout.is_possible:
        raise RequestError(
            [
                f"{store.path}: expected at most {MOST_BLOCKS} blocks with all that it holds, got {layout.points} "
                f"points × {layout.blocks} blocks; choose another store.name"
            ]
        )
    if new:
        _write_points(store.folder, layout, sweep, new, store.asked, first=store.n_points)
    _write_documents(store.folder, layout)
    _write_root(store.folder, layout)


def _check_same_arrays(store: Store, sweep: Sweep) -> None:
    """Raise RequestError if the system's variables or coordinates are no longer those that are stored."""
    today, system = layout_of(sweep), sweep.system
    kept = {variable.name: variable.dims for variable in store.layout.variables}
    has_values = {v.name for v in system.variables if all(today.room[dim] for dim in v.dims)}
    given = {v.name: v.dims for v in system.variables if v.name in kept or v.name in has_values}
    faults = [
        f"{name}: stored along {_along(kept.get(name))}, given along {_along(given.get(name))}"
        for name in sorted(kept | given)
        if kept.get(name) != given.get(name)
    ]
    hashes = {dimension.name: dimension.hash for dimension in store.layout.dimensions}
    faults += [
        f"its coordinate {dimension.name} has other values"
        for dimension in today.dimensions
        if hashes.get(dimension.name) != dimension.hash
    ]
    if faults:
        raise RequestError(
            [
                f"{store.path}: not what system {sweep.system_name} gives now: {'; '.join(faults)}; undo the change, "
                "or choose another store.name"
            ]
        )


def _along(dims: Sequence[str] | None) -> str:
    return "nothing, as it is not there" if dims is None else f"({', '.join(dims)})"


def _check_room(store: Store, sweep: Sweep, new: Sequence[Point]) -> None:
    """Raise RequestError if a new point has longer coordinates than the store was made for."""
    for dimension in sweep.system.dimensions:
        if new and varies(sweep, dimension):
            size, need = store.layout.room[dimension.name], coordinates_at(sweep, dimension, new)
            if any(len(coordinate) > size for coordinate in need):
                raise RequestError(
                    [
                        f"{store.path}: made for at most {size} values along {dimension.name}, got a point with "
                        f"{max(map(len, need))}; choose another store.name for the larger systems"
                    ]
                )


def _check_labels(store: Store, sweep: Sweep, new: Sequence[Point]) -> None:
    """Raise RequestError if a new point would look like one that is there, as with `true` and "true"."""
    there = {tuple(map(label_of, point)): point for point in store.points_along(sweep.axes)}
    for point in new:
        other = there.get(tuple(map(label_of, point)))
        if other is not None:
            raise RequestError(
                [
                    f"axes: {store.path} holds {sweep.named(other)} as {other!r}, got {point!r}, which has the same "
                    "label; choose another store.name"
                ]
            )
