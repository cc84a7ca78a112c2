"""All stores below a folder, a line each, told by their files alone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import Damaged, RequestError
from pipeline.store import Store, disk_use, is_driven, needed, open_store
from pipeline.words import moment, one_line, size, span

_WIDTH = 120
_OTHERS = ("figures", "patterns", "report")
"""Folders beside stores that are there for something else."""
_COLUMNS = ("store", "system", "axes", "points × members", "done", "size", "files", "last run (UTC)")
_MAY_SHRINK = 3
"""So many columns, from the left, are cut where a line would be longer than a screen is wide."""


@dataclass(frozen=True)
class Listed:
    """A store as a list shows it."""

    path: Path
    system: str
    axes: tuple[str, ...]
    points: int
    """Points that were asked for."""
    members: tuple[int, int]
    """Least and greatest number of members a point."""
    done: float
    """Share of the blocks asked for that are stored."""
    bytes: int
    files: int
    last_run: str
    """How the last run ended, and when; killed or running, when it started; empty if there was none."""
    running: bool
    """Whether a driver is at work on it now."""


@dataclass(frozen=True)
class Listing:
    """The stores in a folder."""

    root: Path
    stores: list[Listed]
    others: dict[Path, str]
    """What else is there, or can't be read: path → why it is no store."""

    def __str__(self) -> str:
        return "\n".join([*_table([_cells(store) for store in self.stores]), *self._others()])

    def _others(self) -> Iterator[str]:
        if not self.stores:
            yield f"{self.root}: no stores"
        for path, why in self.others.items():
            yield _cut(f"{_name(path)}: {why}", _WIDTH)


def stores_in(root: Path) -> Listing:
    """The stores in a folder, each opened and checked.

    Args:
        root: the folder; or a store, which is listed alone.

    Returns:
        Data, which printed is a table.

    Raises:
        RequestError: there is nothing.
    """
    if not root.exists():
        raise RequestError([f"{root}: expected a folder of stores, got nothing there; set store.root or path"])
    is_store = root.is_file() or (root / "zarr.json").exists()
    stores, others = [], {}
    for path in [root] if is_store else sorted(root.iterdir()):
        if not is_store and not (path.is_dir() or path.name.endswith((".zarr", ".zarr.zip"))):
            continue
        if path.name in _OTHERS and not (path / "zarr.json").exists():
            continue
        try:
            stores.append(_listed(path))
        except (RequestError, Damaged, OSError) as error:
            told = getattr(error, "strerror", None) or error
            others[path] = one_line(told).removeprefix(f"{path}: ").removeprefix(f"{path}/")
    return Listing(root, stores, others)


def _listed(path: Path) -> Listed:
    if path.is_dir() and not (os.path.lexists(path / "zarr.json") or (path / "runs" / "zarr.json").exists()):
        within = len(list(path.glob("*.zarr")))
        there = f"; stores are in it, see action=list path={path}" if within else ""
        raise RequestError([f"no store: it has no zarr.json{there}"])
    store = open_store(path)
    if store is None:
        raise RequestError(["a link to nothing"])
    asked, wanted = store.asked[store.asked > 0], needed(store)
    count, files = disk_use(path)
    running = is_driven(path)
    return Listed(
        path=path,
        system=store.fingerprint["system"],
        axes=store.axes,
        points=len(asked),
        members=(int(asked.min()), int(asked.max())) if len(asked) else (0, 0),
        done=float((store.stored & wanted).sum() / max(1, np.count_nonzero(wanted))),
        bytes=count,
        files=files,
        last_run=_last_run(store, running),
        running=running,
    )


def _last_run(store: Store, running: bool) -> str:
    runs = store.runs()
    if not runs:
        return "running" if running else ""
    started, state, ended = (runs[-1].get(key, "") for key in ("started", "state", "ended"))
    if running:
        return f"running, {moment(started)}"
    return f"killed, {moment(started)}" if state == "running" else f"{state} {moment(ended)}"


# --- as a table -------------------------------------------------------------------------------------------


def _cells(store: Listed) -> tuple[str, ...]:
    done = f"{store.done:.0%}"
    return (
        _name(store.path),
        store.system,
        ", ".join(store.axes) or "none",
        f"{store.points} × {span(store.members)}",
        "99%" if done == "100%" and store.done < 1 else done,
        size(store.bytes),
        str(store.files),
        store.last_run or "none",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they need to be, the first ones cut to fit a screen; numbers to the right."""
    lines = [_COLUMNS, *rows] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + 2 * len(widths) - 2 > _WIDTH:
        widest = max(range(_MAY_SHRINK), key=lambda k: widths[k])
        widths[widest] -= 1
    for line in lines:
        cells = [_cut(cell, width) for cell, width in zip(line, widths, strict=True)]
        left = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(cells[3:-1], widths[3:-1], strict=True)]
        yield "  ".join([*left, *right, cells[-1]])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _name(path: Path) -> str:
    """A file's name for people, whatever bytes and line breaks are in it."""
    return one_line(os.fsencode(path.name).decode(errors="replace"))
