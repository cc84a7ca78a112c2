"""A store of 100,000 blocks: its inodes, and what it takes to ask for its status, to plan a growth, to read from it.

    python -m tests.benchmarks.large_store

One block is computed; its numbers are handed in 100,000 times, as workers do, and filed by the driver's own code:
25,000 points × 4 blocks. A second store holds a grid of 100 × 100 points × 96 members. Then each question is asked by a
process of its own, whose time and greatest memory count. Some ten minutes, most of them to write the stores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.goals import at_most, goal_lines
from tests.benchmarks.small_blocks_disk import inodes

ROOT = Path(__file__).parents[2]
RECORDS = 11
READ = """
import json, sys, time
from pathlib import Path
def read_so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
began = time.perf_counter()
import pipeline
dataset = pipeline.open_sweep(sys.argv[1])
opened, at_opening = time.perf_counter(), read_so_far()
dataset["order_parameter"].isel(T=3, eta=5).values
point, of_point = time.perf_counter(), read_so_far()
if sys.argv[2] == "scalar":
    assert dataset["final_error"].values.shape == dataset["status"].shape
scalar = time.perf_counter()
print(json.dumps([opened - began, point - opened, scalar - point, of_point - at_opening]))
"""


def arguments(root, points, members, block):
    """A sweep of so many points over a grid of 100 columns."""
    return [
        "store.name=large", f"store.root={root}", f"store.block_members={block}", f"store.records={RECORDS}",
        "settings.iterations=100", f"axes.T={{start: 1, stop: {points // 100}, num: {points // 100}}}",
        "axes.eta={start: 1, stop: 9, num: 100}", f"ensemble.members={members}",
    ]  # fmt: skip


def build(root, points, members, block):
    """Make a store whose blocks all hold the numbers of one, and print the seconds a block."""
    import numpy as np  # here: what a process holds when it starts another counts as that one's memory

    from pipeline.actions import requested
    from pipeline.request import Origin, define
    from pipeline.store import Block, ask, filing, note_this_machine, only_driver, prepare, write_block
    from pipeline.systems import compute_members, loaded

    config = requested(Origin("benchmark", tuple(arguments(root, points, members, block)), None))
    sweep, path = define(config), config.store.path
    values = compute_members("kuramoto", sweep.settings_at(sweep.points[0]), 1, np.arange(block), RECORDS)
    began, code = time.perf_counter(), loaded("kuramoto").digest
    with only_driver(path) as lock:
        store = prepare(path, sweep, lock)
        rows, machine = store.rows_of(sweep), note_this_machine(str(path))
        ask(store, rows, np.full(points, members))
        with filing(store, lock) as files:
            files.expect(rows, np.ones((points, sweep.blocks), dtype=bool))
            for number in range(sweep.blocks):
                for row, point in zip(rows.tolist(), sweep.ids.tolist(), strict=True):
                    write_block(store.location, Block(point, number, code, machine, 0.01, {}), values)
                    files.arrived(row, number)
    print((time.perf_counter() - began) / (points * sweep.blocks))


def built(root, *shape):
    """Make a store in a process of its own; its path, and seconds a block."""
    command = [sys.executable, "-m", "tests.benchmarks.large_store", "--build", str(root), *map(str, shape)]
    return root / "large.zarr", float(asked(command)[2])


def asked(command):
    """Seconds, MB at most, and output of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, out
    return time.perf_counter() - began, usage.ru_maxrss / 1e3, out


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large_store")
    parser.add_argument("--points", type=int, default=25_000, help="a multiple of 100; 4 blocks each")
    parser.add_argument("--build", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        root, *shape = options.build
        build(root, *map(int, shape))
        return
    python, points = sys.executable, options.points
    with tempfile.TemporaryDirectory(dir=ROOT / "tests" / "benchmarks") as folder:
        large, a_block = built(Path(folder, "a"), points, 32, 8)
        grid, _ = built(Path(folder, "b"), 10_000, 96, 24)
        print(f"{4 * points} blocks, written and filed at {a_block * 1e3:.2f} ms each by one process")
        status, status_memory, said = asked([python, "-m", "pipeline", "action=status", f"path={large}"])
        plan = ["-m", "pipeline", *arguments(Path(folder, "a"), points, 320, 8), "action=explain"]
        explain, explain_memory, explained = asked([python, *plan])
        print(said + explained)
        _, _, of_large = asked([python, "-c", READ, str(large), "scalar"])
        _, grid_memory, of_grid = asked([python, "-c", READ, str(grid), "point"])
        seconds, grid_seconds = json.loads(of_large), json.loads(of_grid)
        most = 1500 * 4 * points / 100_000
        goals = [
            at_most("inodes", inodes(large), max(most, 200)),
            at_most("status, s", status, 1.2),
            at_most("explain of 10 × as many blocks, s", explain, 4),
            at_most("its memory, MB", explain_memory, 350),
            at_most("one scalar of all blocks, s", seconds[2], 1),
            at_most("opening a grid of 100 × 100 × 96, imports included, s", grid_seconds[0], 2),
            at_most("its memory with one point read, MB", grid_memory, 300),
            at_most("one point of it, s", grid_seconds[1], 0.1),
            at_most("bytes read for that, MB", grid_seconds[3] / 1e6, 1),
        ]
        print(f"status takes {status_memory:.0f} MB")
        print("\n".join(goal_lines(goals)))


if __name__ == "__main__":
    main()
