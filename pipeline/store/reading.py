"""Reading a store: a lazy xarray Dataset with the axes as sorted dimensions."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from xarray.backends import BackendArray
from xarray.core import indexing

from pipeline.errors import Damaged, NotComplete, RequestError
from pipeline.store.blocks import BOOKKEEPING, dims_of, first_line
from pipeline.store.stores import Store, open_store
from pipeline.systems import MISSING


class _StoredArray(BackendArray):
    """An array of a store, read when asked for; what can't be read raises Damaged, with its name."""

    def __init__(self, store: Store, name: str) -> None:
        self._array, self._what = store.array(name), f"{store.path}: {name}"
        extent = {"point": store.n_points, "member": store.n_members}
        self.dims = dims_of(self._array)
        self.shape = tuple(extent.get(dim, size) for dim, size in zip(self.dims, self._array.shape, strict=True))
        self.dtype = np.dtype(object) if self._array.dtype.kind in "TO" else self._array.dtype
        self.attrs = dict(self._array.attrs)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        # xarray can't take slices apart that run backwards and hold nothing.
        parts = zip(key.tuple, self.shape, strict=True)
        usable = type(key)(tuple(slice(0, 0) if _is_empty(part, size) else part for part, size in parts))
        return indexing.explicit_indexing_adapter(usable, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        whole = tuple(
            part.indices(size) if isinstance(part, slice) else part
            for part, size in zip(key, self.shape, strict=True)
        )
        try:
            selection = tuple(slice(*part) if isinstance(part, tuple) else part for part in whole)
            return np.asarray(self._array.oindex[selection], dtype=self.dtype)
        except Exception as error:  # whatever codecs and the file system come up with
            raise Damaged(
                f"{self._what} can't be read: {first_line(error)}; find and mend it with action=verify"
            ) from error


def _is_empty(part: Any, size: int) -> bool:
    return isinstance(part, slice) and not len(range(*part.indices(size)))


def open_sweep(path: str | os.PathLike[str], chunks: Any = None) -> xarray.Dataset:
    """A stored sweep as an xarray Dataset, its axes as sorted dimensions.

    Dimensions are the axes, `member`, and those of each variable. A sweep that was not sampled on a grid keeps
    the dimension `point`, with its axes as coordinates along it. Combinations of axis values that were never
    asked for, and blocks not yet computed, have `status` 0 and NaN.

    Args:
        path: folder of the store.
        chunks: as for `xarray.Dataset.chunk`. Default: read lazily without Dask.

    Returns:
        The Dataset; values are read as they are used, when a chunk that can't be read raises Damaged.

    Raises:
        RequestError: the folder holds no store of this pipeline.
    """
    store = open_store(Path(path))
    if store is None:
        raise RequestError([f"{path}: expected a store, got nothing there; see which stores are in its folder"])
    dataset = stored_points(store, chunks)
    if not store.axes:
        return dataset.isel(point=0)
    return (
        on_grid(dataset, [store.coordinates[axis] for axis in store.axes])
        if store.sampling == "product"
        else dataset
    )


def open_complete(path: Path) -> xarray.Dataset:
    """A stored sweep that lacks no member, for a request that needs all of it.

    Args:
        path: folder of the store.

    Returns:
        A Dataset as `open_sweep` gives it.

    Raises:
        NotComplete: the store is not there, or lacks members.
        RequestError: the folder holds no store of this pipeline.
    """
    if not path.exists():
        raise NotComplete([f"{path}: expected a store, got nothing there; run the sweep that fills it first"])
    dataset = open_sweep(path)
    absent = int((dataset["status"] == MISSING).sum())
    if absent:
        raise NotComplete([f"{path}: expected a complete store, got {absent} members missing; finish it first"])
    return dataset


def stored_points(store: Store, chunks: Any = None) -> xarray.Dataset:
    """The committed part of a store, with the dimensions it is stored by.

    Args:
        store: an open store.
        chunks: as for `xarray.Dataset.chunk`. Default: read lazily without Dask.

    Returns:
        A Dataset (point, member, …), points in order of arrival.
    """
    arrays = dict(sorted(store.group.arrays()))  # zarr lists them in whatever order they are read
    dimensions = {dim for array in arrays.values() for dim in dims_of(array)}
    coordinates = {*store.coordinates.values(), *dimensions}
    variables = {}
    for name in arrays:
        if name not in BOOKKEEPING:
            stored = _StoredArray(store, name)
            data = indexing.LazilyIndexedArray(stored)
            variables[name] = xarray.Variable(stored.dims, data, stored.attrs)
            if name.endswith("_at") and name.removesuffix("_at") in dimensions:
                coordinates.add(name)
    labels = {name: variables[name] for name in variables if name in coordinates}
    others = {name: variables[name] for name in variables if name not in coordinates}
    dataset = xarray.Dataset(others, labels, attrs={"store": str(store.path), **store.fingerprint})
    dataset = dataset.assign_coords(member=np.arange(store.n_members))
    return dataset if chunks is None else dataset.chunk(chunks)


def on_grid(dataset: xarray.Dataset, axes: Sequence[str]) -> xarray.Dataset:
    """Points laid out along sorted axes.

    Args:
        dataset: as `stored_points` gives it.
        axes: names of the coordinates along `point` that become dimensions.

    Returns:
        A Dataset with the axes in place of `point`; holes of the grid have status 0 and NaN.
    """
    values = {axis: np.unique(dataset[axis].values) for axis in axes}
    index = np.full([len(column) for column in values.values()], -1)
    where = tuple(np.searchsorted(column, dataset[axis].values) for axis, column in values.items())
    index[where] = np.arange(dataset.sizes["point"])
    attributes = {axis: dataset[axis].attrs for axis in axes}
    grid = dataset.drop_vars(list(axes)).isel(point=xarray.DataArray(np.maximum(index, 0), dims=tuple(axes)))
    if (index < 0).any():
        present = xarray.DataArray(index >= 0, dims=tuple(axes))
        status = grid["status"].where(present, MISSING).astype(np.uint8)
        grid = grid.where(present).assign(status=status)
        at_points = {name: grid[name].where(present) for name in grid.coords if set(axes) <= set(grid[name].dims)}
        grid = grid.assign_coords(at_points)
    return grid.assign_coords({axis: (axis, column, attributes[axis]) for axis, column in values.items()})
