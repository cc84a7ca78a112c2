"""Where results are kept: stores, their blocks, their lock, and how they are read."""

from typing import TYPE_CHECKING, Any

from pipeline.store.blocks import (
    Location,
    as_stored,
    cell,
    forget,
    is_stored,
    note_machine,
    read_block,
    scan,
    write_block,
)
from pipeline.store.derived import derive, statistic_of
from pipeline.store.lock import is_driven, only_driver
from pipeline.store.stores import Store, check_same_sweep, open_store, prepare

if TYPE_CHECKING:
    from pipeline.store.reading import on_grid, open_complete, open_sweep, stored_points

__all__ = [
    "Location", "Store", "as_stored", "cell", "check_same_sweep", "derive", "forget", "is_driven", "is_stored",
    "note_machine", "on_grid", "only_driver", "open_complete", "open_store",
    "open_sweep", "prepare", "read_block", "scan",
    "statistic_of", "stored_points", "write_block",
]  # fmt: skip

_READING = ("on_grid", "open_complete", "open_sweep", "stored_points")


def __getattr__(name: str) -> Any:
    """What reads Datasets is imported when it is used: workers, and whoever asks for a status, need no xarray."""
    if name in _READING:
        from pipeline.store import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
