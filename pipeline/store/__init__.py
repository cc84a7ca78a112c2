"""Where results are kept: stores, blocks on their way into them, their lock, and how they are read."""

from typing import TYPE_CHECKING, Any

from pipeline.store.arrays import read, read_block
from pipeline.store.blocks import Block, Location, is_pending, note_machine, note_this_machine, write_block
from pipeline.store.chunks import hash_of
from pipeline.store.derived import derive, settings_of, statistic_of
from pipeline.store.exporting import Part, export_part, new_file
from pipeline.store.files import disk_use
from pipeline.store.filing import Filing, file_pending, filing
from pipeline.store.growing import ask, mend_documents, prepare
from pipeline.store.lock import Lock, is_driven, only_driver
from pipeline.store.opening import coordinate_hashes, open_store
from pipeline.store.stores import Store, check_same_sweep, needed

if TYPE_CHECKING:
    from pipeline.store.reading import dataset_of, open_complete, open_sweep

__all__ = [
    "Block", "Filing", "Location", "Lock", "Part", "Store", "ask", "check_same_sweep", "coordinate_hashes",
    "dataset_of", "derive", "disk_use", "export_part", "file_pending", "filing", "hash_of", "is_driven",
    "is_pending", "mend_documents", "needed", "new_file", "note_machine", "note_this_machine", "only_driver",
    "open_complete", "open_store", "open_sweep", "prepare", "read", "read_block", "settings_of", "statistic_of",
    "write_block",
]  # fmt: skip

_READING = ("dataset_of", "open_complete", "open_sweep")


def __getattr__(name: str) -> Any:
    """What reads Datasets is imported when it is used: workers, and whoever asks for a status, need no xarray."""
    if name in _READING:
        from pipeline.store import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
