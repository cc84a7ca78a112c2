"""Reading a store: a lazy xarray Dataset, its axes as sorted dimensions."""

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray
from xarray.backends import BackendArray
from xarray.core import indexing

from pipeline.errors import Damaged, NotComplete, RequestError
from pipeline.store.arrays import read
from pipeline.store.opening import open_store
from pipeline.store.stores import Identity, Store, needed

Layout = Literal["grid", "points"]


@dataclass(frozen=True)
class _View:
    """Which points and members of a store are shown, and how points are laid out."""

    dims: tuple[str, ...]
    rows: np.ndarray
    """One dimension each of `dims`: row of the store; −1: no such point."""
    members: np.ndarray
    """The same shape: how many members of the point are shown."""
    columns: Mapping[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]
    """Coordinates along points: name → dimensions, values, attributes."""

    @property
    def most(self) -> int:
        """The largest number of members of a point."""
        return int(self.members.max(initial=0))


class _StoredArray(BackendArray):
    """A variable of a store, laid out by a view, read when asked for; what can't be read raises Damaged."""

    def __init__(self, store: Store, name: str, rows: np.ndarray, members: np.ndarray) -> None:
        self._store: Store | None = store
        self._path, self._identity, self._name = store.files.root, store.identity, name
        self._rows, self._members = rows, members
        array = store.layout.arrays[name]
        self.dtype = np.dtype(array.dtype)
        self.shape: tuple[int, ...] = (*rows.shape, int(members.max(initial=0)), *array.sizes[2:])
        self._order = tuple(range(len(self.shape)))
        self._fill = array.fill

    def transposed(self, order: Sequence[int]) -> "_StoredArray":
        """The same with its dimensions in another order."""
        other = copy.copy(self)
        other._store = self._store
        other._order = tuple(self._order[axis] for axis in order)
        other.shape = tuple(self.shape[axis] for axis in order)
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}  # another process opens it again

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)
        # Not through the adapter: it would split slices of a negative step, and fails on empty ones (xarray 2026.9).
        return self._read(key.tuple)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = [
            np.arange(size)[part if isinstance(part, slice) else np.atleast_1d(part)]
            for part, size in zip(key, self.shape, strict=True)
        ]
        stored = [chosen[axis] for axis in np.argsort(self._order)]
        whole = tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)
        values: np.ndarray = self._chosen(stored).transpose(self._order)[whole]
        return values

    def _chosen(self, chosen: list[np.ndarray]) -> np.ndarray:
        """Some values, by their numbers along each dimension as it is stored."""
        points = self._rows.ndim
        shape = tuple(map(len, chosen))
        within = np.ix_(*chosen[:points]) if points else ()
        rows, shown = np.ravel(self._rows[within]), np.ravel(self._members[within])
        if 0 in shape:
            return np.empty(shape, self.dtype)
        values = read(self._opened(), self._name, rows, chosen[points], chosen[points + 1 :])
        hidden = chosen[points] >= shown[:, None]
        if hidden.any():
            values[hidden] = self._fill
        return values.reshape(shape)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = _reopened(self._path, self._identity, os.getpid())
        return self._store


class _LazyArray(indexing.LazilyIndexedArray):
    """A stored array of which parts are chosen.

    What xarray makes of a lazy array that is transposed takes no single numbers, nor some others (2026.9).
    """

    __slots__ = ()

    def transpose(self, order: Sequence[int]) -> "_LazyArray":
        key = self.key.tuple
        there = [axis for axis, part in enumerate(key) if not isinstance(part, int | np.integer)]
        dims = [there[axis] for axis in order] + [axis for axis in range(len(key)) if axis not in there]
        return _LazyArray(self.array.transposed(dims), indexing.OuterIndexer(tuple(key[axis] for axis in dims)))


@lru_cache(maxsize=4)
def _reopened(path: Path, identity: Identity, process: int) -> Store:
    """A store as another process opened it; once a process."""
    store = open_store(path)
    if store is None or not store.is_still(identity):
        raise Damaged(f"{path}: expected the store that the Dataset is of, got another or none; open it again")
    return store


def open_sweep(
    path: str | os.PathLike[str],
    chunks: Any = None,
    layout: Layout | None = None,
    all_members: bool = False,
) -> xarray.Dataset:
    """A stored sweep as an xarray Dataset, its axes as sorted dimensions.

    Dimensions are the axes, `member`, and those of each variable. Points that fill less than half of the grid of their
    axes' values keep the dimension `point`, with the axes as coordinates along it, sorted. Combinations of values that
    were never asked for, and blocks not yet computed, have `status` 0 and NaN. Blocks that wait to be filed are seen.

    Args:
        path: folder of the store, or a zip archive that `action=export` made of it.
        chunks: as for `xarray.Dataset.chunk`; `{}`: those in which the store keeps them. Default: read lazily without
            Dask.
        layout: "grid" or "points". Default: "grid" if the points fill at least half of it.
        all_members: whether to show members beyond the largest number that was asked for, which fill up blocks.
            Default: False.

    Returns:
        The Dataset; values are read as they are used, when a block that is not as it should be raises Damaged.

    Raises:
        RequestError: the folder holds no store of this pipeline.
        Damaged: a file of the store is lost, damaged or was exchanged.
    """
    if layout not in (None, "grid", "points"):
        raise RequestError([f'layout: expected "grid" or "points", got {layout!r}'])
    store = open_store(path)
    if store is None:
        raise RequestError([f"{path}: expected a store, got nothing there; see which stores are in its folder"])
    rows = np.flatnonzero(store.asked)
    members = np.full(len(rows), store.layout.members) if all_members else store.asked[rows]
    dataset = dataset_of(store, rows, members, layout, chunks)
    if search := store.last_search():
        dataset.attrs["search"] = json.dumps(search)
    return dataset


def open_complete(path: Path) -> xarray.Dataset:
    """A stored sweep that lacks no member, for a request that needs all of it.

    Args:
        path: folder of the store; where there is none, an archive of it in the same place, `x.zarr.zip`, is read.

    Returns:
        A Dataset as `open_sweep` gives it.

    Raises:
        NotComplete: the store is not there, or lacks members.
        RequestError: the folder holds no store of this pipeline.
        Damaged: a file of the store is lost, damaged or was exchanged.
    """
    archive = path.with_name(f"{path.name}.zip")
    store = open_store(archive if archive.exists() and not path.exists() else path)
    if store is None:
        raise NotComplete([f"{path}: expected a store, got nothing there; run the sweep that fills it first"])
    absent = int((needed(store) & ~store.stored).sum())
    if absent:
        raise NotComplete([f"{path}: expected a complete store, got {absent} blocks missing; finish it first"])
    rows = np.flatnonzero(store.asked)
    if not len(rows):  # its driver died once it had made it
        raise NotComplete([f"{path}: expected a complete store, got one that is empty yet; fill it first"])
    return dataset_of(store, rows, store.asked[rows])


def dataset_of(
    store: Store,
    rows: np.ndarray,
    members: np.ndarray,
    layout: Layout | None = None,
    chunks: Any = None,
    axes: Sequence[str] | None = None,
) -> xarray.Dataset:
    """Some points of a store as a Dataset.

    Args:
        store: an open store.
        rows: (point,) of the points, distinct.
        members: (point,) how many of each are shown.
        layout: as of `open_sweep`.
        chunks: as of `open_sweep`.
        axes: all of the store's, in the order of the dimensions. Default: the store's.

    Returns:
        A Dataset as `open_sweep` gives it.
    """
    view = _view(store, rows, members, layout, tuple(axes if axes is not None else store.axes))
    coordinates = {name: xarray.Variable(*column) for name, column in view.columns.items()}
    coordinates["member"] = xarray.Variable(("member",), np.arange(view.most))
    for dimension in store.layout.dimensions:
        if dimension.size:
            array = store.layout.arrays[dimension.name]
            values = np.arange(dimension.size) if dimension.varies else store.coordinates[dimension.name]
            coordinates[dimension.name] = xarray.Variable((dimension.name,), values, array.attributes)
            if dimension.varies:
                at = _at_points(store.coordinates[dimension.name], view.rows)
                attributes = store.layout.arrays[f"{dimension.name}_at"].attributes
                coordinates[f"{dimension.name}_at"] = xarray.Variable((*view.dims, dimension.name), at, attributes)
    variables = {}
    for name in store.layout.hashed:
        array = store.layout.arrays[name]
        data = _LazyArray(_StoredArray(store, name, view.rows, view.members))
        variables[name] = xarray.Variable((*view.dims, *array.dims[1:]), data, _plain_attributes(array.attributes))
    dataset = xarray.Dataset(variables, coordinates, attrs=_attributes(store))
    if chunks is None:
        return dataset
    return dataset.chunk(_tiles(store, dataset) if chunks == {} else chunks)


def _view(
    store: Store, rows: np.ndarray, members: np.ndarray, layout: Layout | None, axes: tuple[str, ...]
) -> _View:
    if not axes:
        if not len(rows):
            rows, members = np.array([-1]), np.array([0])
        return _View((), rows.reshape(()), members.reshape(()), {})
    names = [store.coordinate_names[axis] for axis in axes]
    columns = [_sortable(store.columns[axis][rows]) for axis in axes]
    attributes = [store.layout.arrays[name].attributes for name in names]
    uniques = [np.unique(column, return_inverse=True) for column in columns]
    shape = tuple(len(values) for values, _ in uniques)
    if layout == "grid" or (layout is None and 2 * len(rows) >= np.prod(shape, dtype=float)):
        grid, shown = np.full(shape, -1), np.zeros(shape, dtype=int)
        where = tuple(inverse for _, inverse in uniques)
        grid[where], shown[where] = rows, members
        along = {
            name: ((name,), values, attrs)
            for name, (values, _), attrs in zip(names, uniques, attributes, strict=True)
        }
        return _View(tuple(names), grid, shown, along)
    order = np.lexsort([inverse for _, inverse in reversed(uniques)])
    along = {
        name: (("point",), column[order], attrs)
        for name, column, attrs in zip(names, columns, attributes, strict=True)
    }
    return _View(("point",), rows[order], members[order], along)


def _sortable(column: np.ndarray) -> np.ndarray:
    """The values of an axis as numbers or, for labels, text of a fixed width, which every format takes."""
    return column.astype(str) if column.dtype == object else column


def _at_points(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(point, …) values laid out along a view; NaN where there is no point."""
    at: np.ndarray = values[np.maximum(rows, 0)]
    at[rows < 0] = np.nan
    return at


def _plain_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of types that every format takes."""
    return {
        name: np.array(value, dtype=np.uint8) if isinstance(value, list) else value
        for name, value in attributes.items()
    }


def _attributes(store: Store) -> dict[str, Any]:
    """What a Dataset says of its store: text and numbers, which every format takes."""
    told = store.fingerprint
    return {
        "store": str(store.path),
        "system": told["system"],
        "settings": json.dumps(told["settings"], ensure_ascii=False),
        "axes": json.dumps(list(store.axes)),
        "seed": str(told["seed"]),
        "noise": told["noise"],
        "block_members": told["block_members"],
        "records": told["records"],
    }


def _tiles(store: Store, dataset: xarray.Dataset) -> dict[Any, int]:
    """Chunks about as large as the store's files."""
    rows, blocks = store.layout.tile
    chunks: dict[Any, int] = {"member": blocks * store.block_members}
    for dim in reversed([dim for dim in dataset["status"].dims if dim != "member"]):
        chunks[dim] = max(1, min(dataset.sizes[dim], rows))
        rows //= chunks[dim]
    return chunks
