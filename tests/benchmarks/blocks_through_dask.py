"""What the executor adds to a block, in time and memory: many blocks that do nothing, against plain `client.map`.

    python -m tests.benchmarks.blocks_through_dask                    200 000 blocks, 20 000 of them by client.map
    python -m tests.benchmarks.blocks_through_dask --blocks 20000

Scheduler and driver are one process here, as in a run on this machine or under Slurm; its memory is that of both.
"""

import argparse
import gc
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.cluster import dask_client
from pipeline.execution import BlockReport, blocks
from pipeline.execution.blocks import Patience, run_blocks
from pipeline.plan import Job
from pipeline.request import LocalCluster
from pipeline.store import Location

WORKERS = 2
PATIENCE = Patience(grace_seconds=1, no_workers_seconds=60)
MAPPED = 20_000
"""Blocks for `client.map`, which has all of them in memory at once."""
SETTINGS = {
    "oscillators": 10, "frequencies": None, "frequency_half_width": 1.0, "eta": 3.0, "sigma": 0.2, "delay": 5,
    "T": 50.0, "dt": 0.05, "iterations": 50, "weight_control": 0.01, "target_order_parameter": 0.6,
    "target_mean_abs_weight": 1.0, "fixed_discarded": 100.0, "fixed_duration": 1000.0,
    "trace_duration": 0.0,
}  # fmt: skip

STORE = Location("nowhere", 1, {"iteration": 5}, (), (("error", ("iteration",)), ("final_error", ())))


def nothing(jobs: Sequence[Job], key: str = "") -> list[BlockReport]:
    """Blocks that compute and store nothing."""
    return [BlockReport(job, "computed") for job in jobs]


def jobs(count: int) -> Iterator[Job]:
    """Blocks as a plan gives them, a hundred a point."""
    for k in range(count):
        yield Job(STORE, "kuramoto", dict(SETTINGS), k, k // 100, k // 100, k % 100, 8, 5)


def cluster() -> LocalCluster:
    return LocalCluster(kind="local", workers=WORKERS, dashboard=False, grace_seconds=1, no_workers_seconds=60)


def resident_mb() -> float:
    """Memory this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def through_the_executor(count: int, samples: int) -> tuple[float, list[float]]:
    """(seconds a block, memory in MB after equal parts of the blocks) of the executor."""
    from tests.benchmarks.blocks_through_dask import nothing  # by this name workers can import it, too

    memory: list[float] = []
    ended = 0

    def progress(_: BlockReport) -> None:
        nonlocal ended
        ended += 1
        if ended % (count // samples) == 0:
            memory.append(resident_mb())

    real, blocks.compute_on_dask = blocks.compute_on_dask, nothing
    try:
        with dask_client(cluster()) as client:
            run_blocks(jobs(100), client, PATIENCE, lambda report: None)
            began = time.perf_counter()
            outcome = run_blocks(jobs(count), client, PATIENCE, progress)
            seconds = time.perf_counter() - began
    finally:
        blocks.compute_on_dask = real
    assert (outcome.computed, outcome.failed, outcome.interrupted) == (count, {}, "")
    return seconds / count, memory


def through_map(count: int) -> tuple[float, float]:
    """(seconds a block, memory in MB when all are done) of `client.map` and `client.gather`."""
    from tests.benchmarks.blocks_through_dask import nothing

    with dask_client(cluster()) as client:
        client.gather(client.map(nothing, [[job] for job in jobs(100)], pure=False))
        began = time.perf_counter()
        futures = client.map(nothing, [[job] for job in jobs(count)], pure=False)
        assert len(client.gather(futures)) == count
        return (time.perf_counter() - began) / count, resident_mb()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.blocks_through_dask", description=__doc__)
    parser.add_argument("--blocks", type=int, default=200_000, help="blocks for the executor")
    count = parser.parse_args().blocks
    seconds, memory = through_the_executor(count, samples=10)
    mapped = min(count, MAPPED)
    plain_seconds, plain_memory = through_map(mapped)
    print(f"executor    {count} blocks: {1e3 * seconds:.2f} ms a block")
    print(f"            memory after each tenth, MB: {', '.join(f'{mb:.0f}' for mb in memory)}")
    print(f"client.map  {mapped} blocks: {1e3 * plain_seconds:.2f} ms a block, {plain_memory:.0f} MB")
    print(f"the executor takes {seconds / plain_seconds:.2f} × the time of client.map")


if __name__ == "__main__":
    main()
