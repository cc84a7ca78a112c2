"""Blocks computed: what a worker does, the driver's loop through Dask or in this process, the log of runs."""

from pipeline.execution.blocks import Outcome
from pipeline.execution.reports import announcement
from pipeline.execution.running import Dask, Observer, Progress, RunLog, complete, compute, log_of, workers_of
from pipeline.execution.signals import Stop, interrupt_on_signals, stop_on_signals, told_as_interrupted
from pipeline.execution.worker import BlockReport, compute_block

__all__ = [
    "BlockReport", "Dask", "Observer", "Outcome", "Progress", "RunLog", "Stop", "announcement", "complete", "compute",
    "compute_block", "interrupt_on_signals", "log_of", "stop_on_signals", "told_as_interrupted", "workers_of",
]  # fmt: skip
