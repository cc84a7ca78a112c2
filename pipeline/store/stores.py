"""An open store: what it holds, checked before any number of it is used.

A block is stored once its file is in the folder `pending`, or once it is filed: its numbers in the arrays, its entry in
each of the bookkeeping arrays, `digest` last. What differs from what it has to be is a fault that names a file.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.digest import digest_of
from pipeline.errors import Damaged, RequestError
from pipeline.request import Point, Sweep, Value, point_ids, values_of
from pipeline.store.blocks import MACHINES, PENDING, Header, Location
from pipeline.store.files import Files, Folder
from pipeline.store.layout import Document, Layout, sealed, unsealed
from pipeline.words import one_line

ROOT = "zarr.json"
CODES, SEARCHES, CHECKS = "runs/code", "runs/searches", "runs/checks"
GROUP: Document = {"zarr_format": 3, "node_type": "group", "attributes": {}}
"""The zarr.json of the folders `runs` and `pending`: plain readers list them as groups and find no array in them."""
GROUPS = ("runs", PENDING)
_RECORD = re.compile(r"(\d{6,})\.json")


class Identity(NamedTuple):
    """What tells a store that has grown, or was filed, from another in its place."""

    sweep_id: int
    points: int
    """How many there were."""
    rows: int
    """A digest of their ids, row by row."""


class Fault(NamedTuple):
    """What is wrong with a store."""

    file: str
    """Of the store."""
    what: str


@dataclass
class Store:
    """An open store, as it was when it was opened.

    Args:
        path: its folder, or zip archive.
        files: its files.
        layout: what its root says.
    """

    path: Path
    files: Files
    layout: Layout
    faults: list[Fault] = field(default_factory=list)
    """What is wrong; only where it was opened in spite of that."""
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """Axis → (point,) its values as stored: numbers, or text."""
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    """(point,) what the points are known by."""
    asked: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """(point,) the largest number of members ever asked for."""
    coordinates: dict[str, np.ndarray] = field(default_factory=dict)
    """Dimension → (size,) the coordinate that all points share, or (point, size), filled up with NaN."""
    books: dict[str, np.ndarray] = field(default_factory=dict)
    """Bookkeeping array → (point, block, …); of pending blocks by their headers."""
    pending: dict[tuple[int, int], Header] = field(default_factory=dict)
    """(row, block) → header of a block that waits to be filed."""
    damaged: np.ndarray = field(default_factory=lambda: np.empty((0, 0), bool))
    """(point, block) recorded, but not as it should be."""

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> dict[str, Any]:
        """All that determines its numbers, points and member count aside."""
        return self.layout.fingerprint

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of its axes."""
        return tuple(axis.name for axis in self.layout.axes)

    @property
    def coordinate_names(self) -> dict[str, str]:
        """Axis → name of the array of its values."""
        return {axis.name: axis.coordinate for axis in self.layout.axes}

    @property
    def n_points(self) -> int:
        """Rows of points."""
        return self.layout.points

    @property
    def blocks(self) -> int:
        """Blocks a point that there is room for."""
        return self.layout.blocks

    @property
    def block_members(self) -> int:
        """Members a block."""
        return self.layout.block_members

    @cached_property
    def identity(self) -> Identity:
        """What it is, as it is now."""
        return self._identity(self.n_points)

    def is_still(self, identity: Identity) -> bool:
        """Whether it is the store of an earlier opening: the same points in the same rows, more after them perhaps.

        Args:
            identity: of the earlier opening.

        Returns:
            True if rows of that opening are rows of this one.
        """
        return self.n_points >= identity.points and self._identity(identity.points) == identity

    def _identity(self, points: int) -> Identity:
        return Identity(self.layout.sweep_id, points, digest_of(self.ids[:points].tobytes()))

    @cached_property
    def location(self) -> Location:
        """What a worker needs to hand in blocks."""
        layout = self.layout
        variables = tuple((variable.name, variable.dims) for variable in layout.variables)
        return Location(str(self.path.resolve()), layout.sweep_id, layout.room, layout.varying, variables)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Id of a point → its row."""
        return {int(point): row for row, point in enumerate(self.ids)}

    @property
    def stored(self) -> np.ndarray:
        """(point, block) whether it is stored, filed or pending, as it should be."""
        there: np.ndarray = self.books["digest"] != 0
        there &= ~self.damaged
        return there

    @property
    def is_grid(self) -> bool:
        """Whether the points asked for fill at least half of the grid of their axes' values."""
        rows = self.asked > 0
        lengths = [
            len(np.unique(column[rows].astype(str) if column.dtype == object else column[rows]))
            for column in self.columns.values()
        ]
        return bool(2 * rows.sum() >= np.prod(lengths, dtype=float))

    # --- its points -----------------------------------------------------------------------------------------

    @cached_property
    def _points(self) -> list[Point]:
        return _typed_points(self.layout, self.columns, self.ids)

    def points(self) -> list[Point]:
        """The stored points, in order of arrival, their values in the order of `axes`."""
        return self._points

    def points_along(self, axes: Sequence[str]) -> list[Point]:
        """The stored points, in order of arrival.

        Args:
            axes: all of the store's, in any order.

        Returns:
            Their values in the order of these axes.
        """
        order = [self.axes.index(axis) for axis in axes]
        return [tuple(point[k] for k in order) for point in self.points()]

    def rows_of(self, sweep: Sweep) -> np.ndarray:
        """The row of every point of a sweep.

        Args:
            sweep: with the store's axes.

        Returns:
            (point,) index in the store; −1: not there.
        """
        return np.array([self.row_of.get(point, -1) for point in sweep.ids.tolist()], dtype=int)

    def lengths(self, row: int) -> dict[str, int]:
        """How many values there are along each dimension at a point.

        Args:
            row: of the point.

        Returns:
            Dimension → length, without what fills it up.
        """
        found = dict(self.layout.room)
        for name in self.layout.varying:
            if name in self.coordinates:
                found[name] = int(np.isfinite(self.coordinates[name][row]).sum())
        return found

    # --- its records ----------------------------------------------------------------------------------------

    def machines(self) -> dict[str, dict[str, Any]]:
        """The machines that computed blocks, by digest.

        Raises:
            Damaged: a description can't be read.
        """
        return self._described(MACHINES)

    @property
    def code_versions(self) -> dict[str, dict[str, str]]:
        """What code digests stand for: digest → name of a definition → its digest.

        Raises:
            Damaged: an entry can't be read.
        """
        return self._described(CODES)

    def _described(self, folder: str) -> dict[str, dict[str, Any]]:
        return {name: self._record(f"{folder}/{name}.json") for name in self._names(folder)}

    def _names(self, folder: str) -> list[str]:
        """Of the records in a folder."""
        names = sorted(name for name in self.files.sizes(folder) if re.fullmatch(r"[0-9a-f]{16}\.json", name))
        return [name.removesuffix(".json") for name in names]

    def add_code_version(self, digest: str, definitions: Mapping[str, str]) -> None:
        """Remember what a code digest stands for, so that a later one can be told apart by name.

        Args:
            digest: 16 hexadecimal digits.
            definitions: name → digest, as `pipeline.systems.loaded` gives them.
        """
        files = self.folder
        if f"{digest}.json" not in files.sizes(CODES):
            files.make(CODES)
            files.write(f"{CODES}/{digest}.json", sealed(definitions))

    @property
    def searches(self) -> list[str]:
        """Names of the searches that have begun."""
        return self._names(SEARCHES)

    def search(self, name: str) -> dict[str, Any]:
        """The record of a search: its rounds, each written before it began.

        Args:
            name: 16 hexadecimal digits.

        Returns:
            The record; empty before the search began.

        Raises:
            Damaged: it can't be read.
        """
        if name not in self.searches:
            return {}
        told = self._record(f"{SEARCHES}/{name}.json")
        if told.get("name") != name:
            raise Damaged(
                f"{self.path}/{SEARCHES}/{name}.json: expected the record of this search, got that of another; restore "
                "it from a copy, or move it away"
            )
        return told

    def log_search(self, name: str, record: Mapping[str, Any]) -> None:
        """Write or replace the record of a search.

        Args:
            name: 16 hexadecimal digits.
            record: what JSON can hold.
        """
        self.folder.make(SEARCHES)
        self.folder.write(f"{SEARCHES}/{name}.json", sealed({**record, "name": name}))

    def runs(self) -> list[dict[str, Any]]:
        """The records of all runs, oldest first.

        Raises:
            Damaged: a record can't be read.
        """
        return [self._record(f"runs/{name}") for name in _records(self.files)]

    def last_search(self) -> dict[str, Any]:
        """The record of the search that the last run went on with; empty if that was none, or if it can't be read."""
        if not self.files.sizes(SEARCHES):
            return {}
        try:
            told = self._record(f"runs/{_records(self.files)[-1]}")
            return self.search(told["search"]) if "search" in told else {}
        except (Damaged, IndexError):  # which says so where it is asked for: it keeps no numbers back
            return {}

    def check(self, kind: str) -> dict[str, Any]:
        """What the last check of a kind said.

        Args:
            kind: "verify" or "converge".

        Returns:
            The record; empty if there was none.

        Raises:
            Damaged: it can't be read.
        """
        name = f"{kind}.json"
        return self._record(f"{CHECKS}/{name}") if name in self.files.sizes(CHECKS) else {}

    def log_check(self, kind: str, record: Mapping[str, Any]) -> None:
        """Keep what a check said, for those who read the store later; not where nothing can be written.

        Args:
            kind: "verify" or "converge".
            record: what JSON can hold.
        """
        if isinstance(self.files, Folder):
            with suppress(OSError):
                self.files.make(CHECKS)
                self.files.write(f"{CHECKS}/{kind}.json", sealed(record))

    def new_run(self) -> str:
        """The name of the next run's record. Names follow the order of runs, whatever the clock says."""
        last = max((int(name.removesuffix(".json")) for name in _records(self.files)), default=0)
        return f"{last + 1:06d}"

    def log_run(self, name: str, record: Mapping[str, Any]) -> None:
        """Write or replace the record of a run.

        Args:
            name: from `new_run`.
            record: what JSON can hold.
        """
        self.folder.write(f"runs/{name}.json", sealed(record))

    @property
    def folder(self) -> Folder:
        """Its files, to be written.

        Raises:
            RequestError: it is an archive.
        """
        if not isinstance(self.files, Folder):
            raise RequestError([f"{self.path}: expected a store that can grow, got an archive; unpack it first"])
        return self.files

    def _record(self, name: str) -> dict[str, Any]:
        try:
            return unsealed(self.files.read(name))
        except (OSError, ValueError, RecursionError) as error:
            raise Damaged(
                f"{self.path}/{name}: expected a record of this store, got {reason(error)}; restore it from a copy, "
                "or move it away"
            ) from error

    def told(self) -> list[str]:
        """Its faults, one line a file."""
        by_file: dict[str, list[str]] = {}
        for fault in self.faults:
            by_file.setdefault(fault.file, []).append(fault.what)
        return [
            f"{self.path}/{file}: {what[0]}" + (f" (and so {len(what) - 1} times more)" if len(what) > 1 else "")
            for file, what in by_file.items()
        ]


def _records(files: Files) -> list[str]:
    """The files of runs' records, in the order of the runs."""
    return sorted(
        (name for name in files.sizes("runs") if _RECORD.fullmatch(name)), key=lambda name: (len(name), name)
    )


def reason(error: Exception) -> str:
    """Why a file can't be read, in one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, json.JSONDecodeError):
        return "it is no JSON"
    return one_line(getattr(error, "strerror", None) or error)


UNKNOWN: Point = ("unknown",) * 64


def _typed_points(layout: Layout, columns: Mapping[str, np.ndarray], ids: np.ndarray) -> list[Point]:
    """Points with the types that their ids tell; UNKNOWN where no value fits the id."""
    names = [axis.name for axis in layout.axes]
    labelled = [axis.kind == "label" for axis in layout.axes]
    points: list[Point] = list(zip(*(columns[name].tolist() for name in names), strict=True)) if names else []
    points = points or [()] * len(ids)
    for k, (found, known) in enumerate(zip(point_ids(names, points), ids.tolist(), strict=True)):
        if found != known:
            candidates = _candidates(points[k], labelled)
            fitting = zip(point_ids(names, candidates), candidates, strict=True)
            points[k] = next((point for other, point in fitting if other == known), UNKNOWN)
    return points


def _candidates(values: Sequence[Any], labelled: Sequence[bool]) -> list[Point]:
    """What a point with labels may be: a label may stand for text, a boolean, a list, …"""
    found: list[tuple[Value, ...]] = [()]
    for value, is_label in zip(values, labelled, strict=True):
        found = [(*point, each) for point in found for each in (values_of(value) if is_label else [value])]
    return found


def needed(store: Store) -> np.ndarray:
    """The blocks of a store that hold members which were asked for.

    Args:
        store: an open store.

    Returns:
        (point, block) booleans.
    """
    blocks: np.ndarray = np.arange(store.blocks) < -(-store.asked // store.block_members)[:, None]
    return blocks


# --- is it the store of a sweep ---------------------------------------------------------------------------

_OTHER_NAME = "store.name: choose another name for this sweep, or undo the changes above"


def check_same_sweep(store: Store, sweep: Sweep, remedy: str = _OTHER_NAME) -> None:
    """Refuse a store whose numbers are not those of a sweep.

    Args:
        store: an open store.
        sweep: what is asked for.
        remedy: what to do. Default: choose another store.name.

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
        raise RequestError([*faults, remedy])


def _flat(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """A fingerprint by the keys a user would set."""
    where = {"seed": "ensemble.", "noise": "ensemble.", "block_members": "store.", "records": "store."}
    flat = {f"settings.{name}": value for name, value in fingerprint["settings"].items()}
    flat |= {f"{where.get(key, '')}{key}": value for key, value in fingerprint.items() if key != "settings"}
    return flat
