"""Options of Dask that all clusters share."""

SINGLE_THREADED = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
}
DASK_OPTIONS = {
    "distributed.scheduler.no-workers-timeout": None,  # the driver watches; not every scheduler has the option
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.low-level-log-length": 20,  # messages to each worker that the scheduler keeps, jobs and all
}
