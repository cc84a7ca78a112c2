"""Where to look: which settings matter, and where the next points belong, from stored points alone."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.search.advancing import advanced, refuse_without_library

if TYPE_CHECKING:
    from pipeline.search.finding import found, search_lines
    from pipeline.search.indices import Indices, indices_of, sensitivity, sensitivity_lines

__all__ = [
    "Indices", "advanced", "found", "indices_of", "refuse_without_library", "search_lines", "sensitivity",
    "sensitivity_lines",
]  # fmt: skip

_LAZY = {
    "found": "finding", "search_lines": "finding", "Indices": "indices", "indices_of": "indices",
    "sensitivity": "indices", "sensitivity_lines": "indices",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """What reads Datasets loads xarray: only where it is used."""
    if name in _LAZY:
        return getattr(import_module(f"pipeline.search.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
