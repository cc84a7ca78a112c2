"""Parameter sweeps of stochastic dynamical systems: planned, computed on Dask workers, stored in Zarr, drawn.

The words are those of the command line: `pipeline.run("+sweep=kuramoto_T", "axes.T.values=[5,10]")` does what
`python -m pipeline +sweep=kuramoto_T axes.T.values=[5,10]` does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import draw, explain, export, run, status, verify
    from pipeline.errors import BlocksFailed, Damaged, RequestError
    from pipeline.figures import plot
    from pipeline.plan import table
    from pipeline.search import found, sensitivity
    from pipeline.store import open_sweep

__all__ = [
    "BlocksFailed", "Damaged", "RequestError", "draw", "explain", "export", "found", "open_sweep", "plot", "run",
    "sensitivity", "status", "table", "verify",
]  # fmt: skip

_ROOMS = {
    "draw": "api", "explain": "api", "export": "api", "run": "api", "status": "api", "verify": "api",
    "plot": "figures", "found": "search", "sensitivity": "search", "table": "plan", "open_sweep": "store",
    "BlocksFailed": "errors",
    "Damaged": "errors", "RequestError": "errors",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Each is imported when it is used: a worker, or a status, needs few of them."""
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
