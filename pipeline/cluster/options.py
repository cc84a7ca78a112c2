"""Options of Dask that all clusters share."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import dask
from distributed.utils import silence_logging_cmgr  # imports distributed, whose defaults become Dask's

SINGLE_THREADED = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
}
DASK_OPTIONS: dict[str, Any] = {
    "distributed.scheduler.no-workers-timeout": None,  # the driver watches; not every scheduler has the option
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.low-level-log-length": 20,  # messages to each worker that the scheduler keeps, jobs and all
}
NO_PAGES: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Nothing is told over HTTP, which is open to every user of a host."""


@contextmanager
def dask_options(dashboard: bool = False, **more: Any) -> Iterator[None]:
    """Dask's defaults and our options, whatever a user's files and environment say, and no log, for the time of a run.

    Dask's clusters end the silence that they are asked for before their last messages are sent or given up.

    Args:
        dashboard: whether pages are shown over HTTP. Default: False.
        **more: further options.

    Yields:
        Nothing; what was set before comes back.
    """
    config, before = dask.config.config, deepcopy(dask.config.config)
    dask.config.refresh(paths=[], env={})
    try:
        with (
            dask.config.set({**DASK_OPTIONS, **({} if dashboard else NO_PAGES), **more}),
            silence_logging_cmgr("CRITICAL"),
        ):
            yield
    finally:
        config.clear()
        config.update(before)
