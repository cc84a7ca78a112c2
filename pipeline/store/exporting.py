"""Exports: a store, or a part of one, as a file for other programs. A file appears complete or not at all."""

import csv
import errno
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.digest import as_hex
from pipeline.errors import Damaged, Interrupted, RequestError
from pipeline.provenance import circumstances
from pipeline.store.arrays import read
from pipeline.store.blocks import MACHINES
from pipeline.store.files import Folder, rename
from pipeline.store.layout import Document
from pipeline.store.lock import is_driven
from pipeline.store.opening import open_store
from pipeline.store.stores import CHECKS, CODES, GROUPS, ROOT, SEARCHES, Store
from pipeline.words import one_line

_CONVENTIONS = "CF-1.9"  # the first with 64-bit whole numbers, and bytes without a sign
_GROUP_BYTES = 64_000_000
"""Scalars that are kept in memory while a CSV file is written."""
_METADATA_BYTES = 1_000_000
"""More than a netCDF file has beside its numbers."""
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
_KEPT = re.compile(r"zarr\.json|c\.[\d.]+|[0-9a-f]{16}-\d+|[0-9a-f]+\.json|(verify|converge)\.json")
"""Names of a store's files: metadata, chunks, pending blocks, records; no lock, and nothing half-written."""


class Part(NamedTuple):
    """What is exported of a store."""

    store: Store
    rows: np.ndarray
    """(point,) of the points."""
    members: np.ndarray
    """(point,) how many of each."""
    layout: Literal["grid", "points"]
    axes: tuple[str, ...]
    """All of the store's, in the order of the dimensions."""


def export_part(part: Part, to: Path, overwrite: bool, command: str) -> list[Path]:
    """Write a part of a store into a file, and its provenance beside it. An archive is of the whole store.

    Args:
        part: what is written.
        to: the file: netCDF (.nc), a table of the scalars (.csv), or a zip archive of the store (.zarr.zip).
        overwrite: whether to replace a file that is there.
        command: what was typed.

    Returns:
        The files written.

    Raises:
        RequestError: the file is there, or can't be.
        Interrupted: an archive was asked for, and a driver is at work on the store.
        Damaged: a file of the store is lost, damaged or was exchanged.
    """
    beside = to.with_name(f"{to.name}.json")
    _refuse_target((to, beside), overwrite)
    told = _provenance(part.store, command)
    with _written_aside(to) as aside:
        if to.name.endswith(".csv"):
            _write_table(part, aside)
        elif to.name.endswith(".nc"):
            _write_netcdf(part, aside, told["exported"], beside.name)
        else:
            _write_archive(part.store, aside)
        Folder(to.parent).write(beside.name, json.dumps(told, indent=1).encode())
    return [to, beside]


@contextmanager
def new_file(file: Path, overwrite: bool, make_folder: bool = False) -> Iterator[Path]:
    """A name under which a file can be written, which gets its own once it is complete.

    Args:
        file: that is to be; within no store.
        overwrite: whether it may replace another.
        make_folder: whether to make its folder, if there is none. Default: False.

    Yields:
        The name, of a file that is not there.

    Raises:
        RequestError: the file is there, or can't be.
    """
    _refuse_target((file,), overwrite, make_folder)
    with _written_aside(file) as aside:
        yield aside


def _refuse_target(files: Sequence[Path], overwrite: bool, make_folder: bool = False) -> None:
    folder = files[0].parent
    place = Path(os.path.realpath(folder))
    if any(one.suffix == ".zarr" or os.path.exists(one / "zarr.json") for one in (place, *place.parents)):
        raise RequestError([f"to: expected a file outside of stores, got {files[0]}"])
    if make_folder:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError([f"{files[0]}: expected a file that can be written: {error.strerror}"]) from error
    if not folder.is_dir():
        raise RequestError([f"to: expected a file in a folder that is there, got {files[0]}; make {folder} first"])
    for file in files:
        if file.is_dir():
            raise RequestError([f"to: expected a file, got the folder {file}"])
        if os.path.lexists(file) and not overwrite:
            raise RequestError(
                [f"to: expected a new file, got {file}, which is there; export.overwrite=true replaces it"]
            )


@contextmanager
def _written_aside(file: Path) -> Iterator[Path]:
    """A name for a new file, which gets its own once it is complete and on the disk."""
    aside = file.with_name(f"{file.name}.{token_hex(8)}.partial")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        rename(aside, file)
    except UnicodeEncodeError as error:
        raise RequestError([f"to: expected a name in UTF-8, got {str(file)!r}"]) from error
    except OSError as error:
        if error.errno in _NO_PLACE:
            raise RequestError([f"to: {file}: {error.strerror}; expected a file that can be written"]) from error
        raise OSError(error.errno, error.strerror or one_line(error), str(file)) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def _provenance(store: Store, command: str) -> Document:
    """Where the numbers come from: what they are of, all runs, the code and machines of the blocks."""
    return {
        "exported": {**circumstances(command), "when": datetime.now(UTC).isoformat(timespec="seconds")},
        "store": str(store.path),
        "sweep_id": as_hex(store.layout.sweep_id),
        "fingerprint": store.fingerprint,
        "runs": store.runs(),
        "code": store.code_versions,
        "machines": store.machines(),
    }


# --- a table ----------------------------------------------------------------------------------------------


def _write_table(part: Part, file: Path) -> None:
    """The scalars as CSV (RFC 4180, UTF-8): one line a point and member, sorted by the axes; no number is empty."""
    names = [variable.name for variable in part.store.layout.variables if not variable.dims]
    axes = [part.store.coordinate_names[axis] for axis in part.axes]
    with file.open("x", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow([*axes, "member", "status", *names])
        for rows, members in _groups(part, len(names)):
            table.writerows(_lines(part, names, rows, members))


def _groups(part: Part, variables: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points in the order of their values, as many at a time as fit into memory; and how many members of each."""
    columns = [part.store.columns[axis][part.rows] for axis in part.axes]
    places = [np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)[1]
              for column in columns]  # fmt: skip
    order = np.lexsort(places[::-1]) if places else np.arange(len(part.rows))
    count = max(1, _GROUP_BYTES // (8 * (variables + 1) * int(part.members.max(initial=1))))
    for start in range(0, len(order), count):
        chosen = order[start : start + count]
        yield part.rows[chosen], part.members[chosen]


def _lines(part: Part, names: list[str], rows: np.ndarray, members: np.ndarray) -> Iterator[list[Any]]:
    store, numbers = part.store, np.arange(int(members.max(initial=0)))
    words = dict(enumerate(store.layout.arrays["status"].attributes["flag_meanings"].split()))
    status = read(store, "status", rows, numbers)
    values = [read(store, name, rows, numbers) for name in names]
    columns = [store.columns[axis] for axis in part.axes]
    for k, (row, count) in enumerate(zip(rows, members, strict=True)):
        point = [column[row : row + 1].tolist()[0] for column in columns]
        told = [words[code] for code in status[k, :count].tolist()]
        scalars = [array[k, :count].tolist() for array in values]
        for member, (state, *cells) in enumerate(zip(told, *scalars, strict=True)):
            yield [*point, member, state, *("" if np.isnan(cell) else cell for cell in cells)]


# --- netCDF -----------------------------------------------------------------------------------------------


def _write_netcdf(part: Part, file: Path, exported: Document, beside: str) -> None:
    """All variables as netCDF-4 by the CF conventions, a tile at a time."""
    import dask  # with xarray and h5netcdf loaded for this alone

    from pipeline.store.reading import dataset_of

    dataset = dataset_of(part.store, part.rows, part.members, part.layout, {}, part.axes)
    dataset.variables["member"].attrs.update(long_name="number of the member", units="1")
    dataset.attrs |= {
        "Conventions": _CONVENTIONS,
        "title": f"{dataset.attrs['system']}, {' × '.join(part.axes) or 'one point'}",
        "history": f"{exported['when']}: {exported['command']}",
        "source": f"sweep {as_hex(part.store.layout.sweep_id)}; its runs, code and machines: {beside}",
    }
    _ensure_room(file, dataset.nbytes)
    no_fill: dict[str, Any] = {"_FillValue": None}  # the conventions allow none in coordinates of dimensions
    try:
        with dask.config.set(scheduler="synchronous"):
            dataset.to_netcdf(file, engine="h5netcdf", encoding={str(name): no_fill for name in dataset.indexes})
    except (OSError, RuntimeError) as error:  # of HDF5, at length and over several lines
        code = getattr(error, "errno", None)
        raise OSError(code or errno.EIO, os.strerror(code) if code else one_line(error)) from error


def _ensure_room(file: Path, size: int) -> None:
    """Raise OSError if there is no room on the disk. HDF5 crashes the process where it can't write what it holds."""
    with file.open("xb") as opened:
        os.posix_fallocate(opened.fileno(), 0, size + _METADATA_BYTES)


# --- an archive -------------------------------------------------------------------------------------------


def _write_archive(store: Store, file: Path) -> None:
    """All files of a store as they are, its root with the metadata of all arrays; then checked, block by block."""
    if store.path.is_dir() and is_driven(store.path):
        raise Interrupted(
            f"{store.path}: a run is at work on it; archive it once that has ended, or write .nc or .csv now"
        )
    with zipfile.ZipFile(file, "x") as archive:
        archive.writestr(_entry(ROOT), _consolidated(store))
        for name in _contents(store):
            archive.writestr(_entry(name), _content(store, name))
    _check_archive(file, store)


def _contents(store: Store) -> Iterator[str]:
    """The names of a store's files, its root left out."""
    for folder in (*store.layout.arrays, *GROUPS, CODES, MACHINES, SEARCHES, CHECKS):
        for name, size in sorted(store.files.sizes(folder).items()):
            if size >= 0 and _KEPT.fullmatch(name):
                yield f"{folder}/{name}"


def _content(store: Store, name: str) -> bytes:
    try:
        return store.files.read(name)
    except OSError as error:
        raise Damaged(f"{store.path}/{name}: can't be read: {one_line(error.strerror or error)}") from error


def _entry(name: str) -> zipfile.ZipInfo:
    """The entry of a file, dated 1980: the same store gives the same archive."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    return entry


def _consolidated(store: Store) -> bytes:
    """The root with the metadata of all that is below it, so that a reader opens one file instead of all."""
    root = json.loads(_content(store, ROOT))
    below = {name: json.loads(_content(store, f"{name}/{ROOT}")) for name in (*store.layout.arrays, *GROUPS)}
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": below}
    return json.dumps(root, indent=1).encode()


def _check_archive(file: Path, store: Store) -> None:
    """Read all that is in an archive, each block against its hash; what is wrong is told of the store it is of."""
    try:
        made = open_store(file)
        assert made is not None
        if not np.array_equal(made.books["digest"], store.books["digest"]):
            raise Interrupted(f"{store.path}: it changed while it was archived; the same command tries again")
        height, width = made.layout.tile[0], made.layout.tile[1] * made.block_members
        for name in made.layout.hashed:
            for row in range(0, made.n_points, height):
                rows = np.arange(row, min(row + height, made.n_points))
                for member in range(0, made.layout.members, width):
                    read(made, name, rows, np.arange(member, min(member + width, made.layout.members)))
    except Damaged as damage:
        raise Damaged(str(damage).replace(str(file), str(store.path))) from damage
