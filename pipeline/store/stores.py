"""The store: one Zarr group a sweep, grown in both directions, written by workers, readable with plain xarray.

array                       dims                    content
one per axis (`T`, …)       point                   swept values, in order of arrival
variables of the system     point, member, …        float64, NaN where not computed; one chunk a block
status                      point, member           0 missing, 1 done, 2 diverged
digest                      point, block            0 never computed, else hash of the block's bytes; written last
code, machine, seconds      point, block            digests of the code and machine that made it; time it took

A block is one point × `block_members` members: one chunk of every variable, one task, one writer. So a kill
at any moment loses unfinished blocks and nothing else: chunks are renamed into place, and a block counts as
stored only once its digest is.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from pipeline.errors import RequestError
from pipeline.request import Point, Sweep, label_of
from pipeline.schema import kind_of
from pipeline.store.blocks import BOOKKEEPING, ZARR, Location, dims_of, padded, scan
from pipeline.systems import COMPUTED, DIVERGED, MISSING, Dimension
from pipeline.words import one_line

SCHEMA = 2
_AXIS_CHUNK = 4096
_AXIS_TYPES = {"whole": "i8", "real": "f8", "label": "string"}

# The default codecs read flipped bytes without complaint.
_COMPRESSORS = (ZstdCodec(level=1), Crc32cCodec())


def array_in(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    """An array of a group."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _is_labelled(axis: "zarr.Array[Any]") -> bool:
    """Whether the values of an axis are kept as text."""
    return axis.dtype.kind not in "if"


class Store:
    """An open store. Readers see the committed extent: arrays may already be larger.

    Args:
        path: folder of the store.
        group: its Zarr group.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self.group = path, group
        attributes: dict[str, Any] = dict(group.attrs)
        state: dict[str, Any] = dict(self.runs_group.attrs)
        self.fingerprint: dict[str, Any] = attributes["fingerprint"]
        self.axes: tuple[str, ...] = tuple(attributes["axes"])
        self.coordinates: dict[str, str] = attributes.get("axis_names", {axis: axis for axis in self.axes})
        """Axis → name of the array of its values."""
        self.sampling: str = attributes["sampling"]
        self.n_points: int = state["n_points"]
        self.n_members: int = state["n_members"]
        self.code_versions: dict[str, dict[str, str]] = state["code_versions"]

    @property
    def runs_group(self) -> zarr.Group:
        """The group that holds what changes later: extent, code versions, logs of runs."""
        group = self.group["runs"]
        assert isinstance(group, zarr.Group)
        return group

    def array(self, name: str) -> "zarr.Array[Any]":
        """An array of the store."""
        return array_in(self.group, name)

    @property
    def block_members(self) -> int:
        """Members a block."""
        return int(self.fingerprint["block_members"])

    @property
    def blocks(self) -> int:
        """Blocks a point."""
        return self.n_members // self.block_members

    @property
    def location(self) -> Location:
        """What a worker needs to write to this store."""
        return Location(str(self.path.resolve()), self.n_points, self.n_members)

    def points(self) -> list[Point]:
        """The stored points, in order of arrival.

        Returns:
            Their values in the order of `axes`, labels as the text that stands for them.

        Raises:
            RequestError: the values of the axes can't be read.
        """
        try:
            arrays = [self.array(self.coordinates[axis]) for axis in self.axes]
            columns = [np.asarray(array[: self.n_points]).tolist() for array in arrays]
        except (ValueError, RuntimeError, OSError) as error:
            raise RequestError(
                [f"{self.path}: the values of its axes can't be read ({error}); restore them from a copy"]
            ) from error
        return list(zip(*columns, strict=True)) if columns else [()]

    def points_along(self, axes: Sequence[str]) -> list[Point]:
        """The stored points, in order of arrival.

        Args:
            axes: all of the store's, in any order.

        Returns:
            Their values in the order of these axes.

        Raises:
            RequestError: the values of the axes can't be read.
        """
        order = [self.axes.index(axis) for axis in axes]
        return [tuple(point[k] for k in order) for point in self.points()]

    def rows_of(self, sweep: Sweep) -> np.ndarray:
        """The row of every point of a sweep.

        Args:
            sweep: with the store's axes.

        Returns:
            (point,) index in the store; −1: not there.

        Raises:
            RequestError: the values of the axes can't be read.
        """
        row_of = {point: row for row, point in enumerate(self.points_along(sweep.axes))}
        return np.array([row_of.get(point, -1) for point in self.as_kept(sweep)])

    def as_kept(self, sweep: Sweep) -> list[Point]:
        """The points of a sweep as they are kept here.

        Args:
            sweep: with the store's axes.

        Returns:
            The points, the values of labelled axes as text.
        """
        labelled = [_is_labelled(self.array(self.coordinates[axis])) for axis in sweep.axes]
        return [
            tuple(label_of(value) if as_text else value for value, as_text in zip(point, labelled, strict=True))
            for point in sweep.points
        ]

    def bookkeeping(self, name: str) -> np.ndarray:
        """One entry of every block.

        Args:
            name: `digest`, `code`, `machine` or `seconds`.

        Returns:
            (point, block); 0 where there is none or it can't be read.
        """
        return scan(self.path, name, self.n_points, self.blocks)[0]

    def machines(self) -> dict[str, dict[str, Any]]:
        """The machines that computed blocks, by digest."""
        found = sorted(self.path.glob("machines/*/zarr.json"))
        return {path.parent.name: json.loads(path.read_text())["attributes"] for path in found}

    def add_code_version(self, digest: str, definitions: Mapping[str, str]) -> None:
        """Remember what a code digest stands for, so that a later one can be told apart by name.

        Args:
            digest: 16 hexadecimal digits.
            definitions: name → digest, as `pipeline.systems.loaded` gives them.
        """
        if digest not in self.code_versions:
            self.code_versions[digest] = dict(definitions)
            self.runs_group.attrs.update(code_versions=self.code_versions)

    def runs(self) -> list[dict[str, Any]]:
        """The records of all runs, oldest first."""
        # Read as JSON: zarr warns about metadata cut short by a kill.
        records = sorted(self.path.glob("runs/*/zarr.json"))
        return [json.loads(record.read_text())["attributes"] for record in records]

    def log_run(self, name: str, record: Mapping[str, Any]) -> None:
        """Write or replace the log of a run.

        Args:
            name: of the run.
            record: what JSON can hold.
        """
        path = self.path / "runs" / name
        if (path / "zarr.json").exists():
            zarr.open_group(path, mode="r+", use_consolidated=False).attrs.put(dict(record))
        else:  # as a root of its own: below another group, zarr would write that one's metadata again
            zarr.create_group(path, zarr_format=3, attributes=dict(record))


def open_store(path: Path) -> Store | None:
    """The store at a path.

    Args:
        path: folder of the store.

    Returns:
        The store; None if there is nothing.

    Raises:
        RequestError: what is there is no store of this pipeline, can't be read, or has another schema.
    """
    if not path.exists():
        return None
    if not (path / "zarr.json").exists():
        raise RequestError([f"{path}: expected a store written by this pipeline, got no zarr.json; move it away"])
    try:
        with zarr.config.set(ZARR):
            group = zarr.open_group(path, mode="r+", use_consolidated=False)
        schema = group.attrs.get("schema") if "fingerprint" in group.attrs else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RequestError(
            [f"{path}: can't be read as a Zarr group ({error}); restore it from a copy or move it away"]
        ) from error
    if not isinstance(schema, int):
        raise RequestError(
            [f"{path}: expected a store of this pipeline, got another Zarr group; choose another store.name"]
        )
    if schema != SCHEMA:
        remedy = "update this program to read it" if schema > SCHEMA else "move it away and compute it again"
        raise RequestError([f"{path}: expected a store of schema {SCHEMA}, got {schema}; {remedy}"])
    try:
        return Store(path, group)
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        why = f"{type(error).__name__}: {one_line(error)}"
        raise RequestError(
            [f"{path}/runs/zarr.json: expected the extent of the store, got {why}; restore it from a copy"]
        ) from error


def prepare(path: Path, sweep: Sweep, tidy: bool = True) -> Store:
    """The store at a path, made or grown so that it has room for all of a sweep. The lock must be held.

    Args:
        path: folder of the store.
        sweep: whose points and members it is to hold.
        tidy: first remove half-written files of a driver or workers that died. Default: True.

    Returns:
        The store.

    Raises:
        RequestError: the store there holds another sweep, with the differences, or has no room for a point with
            longer
            coordinates; or as `open_store`.
    """
    if tidy:
        _remove_leftovers(path)
    store = open_store(path)
    if store is None:
        _create(path, sweep)
    else:
        check_same_sweep(store, sweep)
        _grow(store, sweep)
    prepared = open_store(path)
    assert prepared is not None
    return prepared


def check_same_sweep(store: Store, sweep: Sweep) -> None:
    """Refuse a store whose numbers are not those of a sweep.

    Args:
        store: an open store.
        sweep: what is asked for.

    Raises:
        RequestError: one line a difference.
    """
    stored, asked = _flat(store.fingerprint), _flat(sweep.fingerprint)
    faults = [
        f"{key}: {store.path} holds {stored.get(key, 'nothing')}, got a request for {asked.get(key, 'nothing')}"
        for key in sorted(stored | asked)
        if stored.get(key) != asked.get(key)
    ]
    if faults:
        raise RequestError([*faults, "store.name: choose another name for this sweep, or undo the changes above"])


def _flat(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """A fingerprint by the keys a user would set."""
    where = {"seed": "ensemble.", "noise": "ensemble.", "block_members": "store.", "records": "store."}
    flat = {f"settings.{name}": value for name, value in fingerprint["settings"].items()}
    flat |= {f"{where.get(key, '')}{key}": value for key, value in fingerprint.items() if key != "settings"}
    return flat


def _remove_leftovers(path: Path) -> None:
    for unfinished in path.parent.glob(f"{path.name}.creating-*"):
        shutil.rmtree(unfinished)
    for partial in path.rglob("*.partial"):
        partial.unlink(missing_ok=True)


# --- creating and growing ---------------------------------------------------------------------------------


def _create(path: Path, sweep: Sweep) -> None:
    """Build a store aside and rename it: it appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f"{path.name}.creating-{os.getpid()}")
    try:
        _build(building, sweep)
    except Exception:
        shutil.rmtree(building, ignore_errors=True)
        raise
    building.rename(path)


def _build(building: Path, sweep: Sweep) -> None:
    points, members = len(sweep.points), sweep.blocks * sweep.block_members
    with zarr.config.set(ZARR):
        group = zarr.open_group(building, mode="w", zarr_format=3)
        coordinates = _create_coordinates(group, sweep)
        sizes = {name: array_in(group, name).shape[-1] for name in coordinates}
        for variable in sweep.system.variables:
            if all(sizes[dim] for dim in variable.dims):
                array = group.create_array(
                    variable.name,
                    shape=(points, members, *(sizes[dim] for dim in variable.dims)),
                    chunks=(1, sweep.block_members, *(sizes[dim] for dim in variable.dims)),
                    dtype="f8",
                    fill_value=np.nan,
                    compressors=_COMPRESSORS,
                    dimension_names=("point", "member", *variable.dims),
                )
                array.attrs.update(long_name=variable.long_name, units=variable.units)
        status = group.create_array(
            "status",
            shape=(points, members),
            chunks=(1, sweep.block_members),
            dtype="u1",
            fill_value=MISSING,
            compressors=_COMPRESSORS,
            dimension_names=("point", "member"),
        )
        status.attrs.update(
            long_name="0 missing, 1 computed, 2 diverged", flag_values=[MISSING, COMPUTED, DIVERGED]
        )
        for name, dtype in BOOKKEEPING.items():
            group.create_array(
                name,
                shape=(points, sweep.blocks),
                chunks=(1, 1),
                dtype=dtype,
                fill_value=0,
                compressors=(Crc32cCodec(),),
                dimension_names=("point", "block"),
            )
        _write_axes(group, sweep, sweep.points, first=0)
        axis_names = {axis: sweep.system.coordinate_of(axis) for axis in sweep.axes}
        at_points = [f"{d.name}_at" for d in sweep.system.dimensions if _varies(sweep, d)]
        group.attrs.update(
            schema=SCHEMA,
            fingerprint=sweep.fingerprint,
            axes=list(sweep.axes),
            axis_names=axis_names,
            coordinates=" ".join([*axis_names.values(), *at_points]),
            sampling=sweep.method,
        )
        # What changes later is kept out of the root, which so is never seen half-written.
        group.create_group("runs", attributes={"n_points": points, "n_members": members, "code_versions": {}})
        group.create_group("machines")


def _create_coordinates(group: zarr.Group, sweep: Sweep) -> list[str]:
    """Coordinate arrays of the system's dimensions and of the axes; names of the dimensions."""
    model = sweep.system.settings
    for axis in sweep.axes:
        symbol, units = sweep.system.symbols.get(axis, (axis, "1"))
        array = group.create_array(
            sweep.system.coordinate_of(axis),
            shape=(0,),
            chunks=(_AXIS_CHUNK,),
            dtype=_AXIS_TYPES[kind_of(model, axis)],
            fill_value="" if kind_of(model, axis) == "label" else 0,
            compressors=_COMPRESSORS,
            dimension_names=("point",),
        )
        array.attrs.update(long_name=axis, units=units, symbol=symbol)
    for dimension in sweep.system.dimensions:
        _create_dimension(group, sweep, dimension)
    return [dimension.name for dimension in sweep.system.dimensions]


def _coordinates_at(sweep: Sweep, dimension: Dimension, points: Sequence[Point]) -> list[np.ndarray]:
    return [dimension.values(sweep.settings_at(point), sweep.records) for point in points]


def _varies(sweep: Sweep, dimension: Dimension) -> bool:
    """Whether a dimension's coordinate differs from point to point."""
    return any(axis in dimension.depends_on for axis in sweep.axes)


def _create_dimension(group: zarr.Group, sweep: Sweep, dimension: Dimension) -> None:
    """The coordinate of a dimension; where it differs between points, a plain index and `<name>_at` (point, …)."""
    varies = _varies(sweep, dimension)
    coordinates = _coordinates_at(sweep, dimension, sweep.points if varies else sweep.points[:1])
    size = max(len(coordinate) for coordinate in coordinates)
    values = np.arange(size) if varies else coordinates[0]
    array = group.create_array(
        dimension.name,
        shape=(size,),
        chunks=(max(1, size),),
        dtype=values.dtype,
        fill_value=0,
        compressors=_COMPRESSORS,
        dimension_names=(dimension.name,),
    )
    array[:] = values
    array.attrs.update(
        long_name=f"index of {dimension.name}" if varies else dimension.long_name, units=dimension.units
    )
    if varies:
        at = group.create_array(
            f"{dimension.name}_at",
            shape=(0, size),
            chunks=(64, max(1, size)),
            dtype="f8",
            fill_value=np.nan,
            compressors=_COMPRESSORS,
            dimension_names=("point", dimension.name),
        )
        at.attrs.update(long_name=dimension.long_name, units=dimension.units)


def _write_axes(group: zarr.Group, sweep: Sweep, points: Sequence[Point], first: int) -> None:
    """Write the coordinates of points, from row `first` on."""
    rows = slice(first, first + len(points))
    for k, axis in enumerate(sweep.axes):
        array = array_in(group, sweep.system.coordinate_of(axis))
        array.resize((rows.stop,))
        values = [label_of(point[k]) if _is_labelled(array) else point[k] for point in points]
        array[rows] = np.array(values, dtype=array.dtype)
    for dimension in sweep.system.dimensions:
        if _varies(sweep, dimension):
            array = array_in(group, f"{dimension.name}_at")
            coordinates = _coordinates_at(sweep, dimension, points)
            array.resize((rows.stop, *array.shape[1:]))
            array[rows] = np.stack([padded(row.astype(float), array.shape[1:]) for row in coordinates])


def _grow(store: Store, sweep: Sweep) -> None:
    """Make room for more points and members. Old chunks are left alone; the new extent is committed last."""
    _check_coordinates(store, sweep)
    group, known = store.group, store.points_along(sweep.axes)
    arrived = set(known)
    new = [point for point, kept in zip(sweep.points, store.as_kept(sweep), strict=True) if kept not in arrived]
    members = max(store.n_members, sweep.blocks * sweep.block_members)
    if not new and members == store.n_members:
        return
    _check_room(store, sweep, new)
    n_points = len(known) + len(new)
    for name, array in group.arrays():
        dims = dims_of(array)
        extent = {"point": n_points, "member": members, "block": members // store.block_members}
        shape = tuple(extent.get(dim, size) for dim, size in zip(dims, array.shape, strict=True))
        if shape != array.shape and name not in store.coordinates.values() and not name.endswith("_at"):
            array.resize(shape)
    _write_axes(store.group, sweep, new, first=len(known))
    store.runs_group.update_attributes({"n_points": n_points, "n_members": members})  # both in one write


def _check_coordinates(store: Store, sweep: Sweep) -> None:
    """Raise RequestError if a coordinate that all points share is no longer the one stored."""
    for dimension in sweep.system.dimensions:
        if not _varies(sweep, dimension):
            (today,) = _coordinates_at(sweep, dimension, sweep.points[:1])
            if not np.array_equal(np.asarray(store.array(dimension.name)[:]), today):
                raise RequestError(
                    [
                        f"{store.path}: its coordinate {dimension.name} is not the one that system {sweep.system_name} "
                        "gives now; undo the change, or choose another store.name"
                    ]
                )


def _check_room(store: Store, sweep: Sweep, new: Sequence[Point]) -> None:
    """Raise RequestError if a new point has longer coordinates than the store was made for."""
    for dimension in sweep.system.dimensions:
        if _varies(sweep, dimension):
            size, need = store.array(dimension.name).shape[0], _coordinates_at(sweep, dimension, new)
            if any(len(coordinate) > size for coordinate in need):
                raise RequestError(
                    [
                        f"{store.path}: made for at most {size} values along {dimension.name}, got a point with "
                        f"{max(map(len, need))}; choose another store.name for the larger systems"
                    ]
                )
