"""Many blocks that cost almost nothing: what storing a block takes in time, inodes and bytes, beside other packages.

    python -m tests.benchmarks.small_blocks                  2,000 blocks, by this project and by its peers
    python -m tests.benchmarks.small_blocks --rounds 8       20,000 blocks of this project alone, in 8 runs that grow

A block is 8 members × 3 series × 251 random numbers, and one number a member; a point has 8 blocks. Every contestant
calls the same function in 2 processes and ends with all numbers on the disk, which are read back and checked. What it
takes is measured from outside: whole commands, each in a process of its own, take turns. Start-up is the time of the
same command with 2 points; the time of a block is the difference between all points and 2, over the blocks between.
So whatever grows with the blocks counts, packing too. What is written need not have reached the disk at the end, unless
a contestant sees to it itself. One more turn, without a clock, counts inodes.

With `--rounds`, every run adds members to all points, and bytes written are those of the command and all it started.
The folder has to be on a disk: what is written to memory (tmpfs) isn't counted by Linux.

Peers take part where they are installed (`pip install -e '.[bench]'`). All of it takes some minutes and, until its end,
a few GB of disk.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numcodecs import Zstd

import pipeline
from tests.benchmarks import harness, machine
from tests.benchmarks.goals import at_most, goal_lines
from tests.benchmarks.small_blocks_disk import Watch, Written, bytes_on_disk, inodes
from tests.benchmarks.small_blocks_peers import PEERS, WORKERS
from tests.benchmarks.small_blocks_work import BLOCKS, BYTES, LENGTH, MEMBERS, are_right, numbered

ROOT = Path(__file__).parents[2]
TURNS = 3
FEW_POINTS = 2
OURS = "this project"
FILES = {
    "system/small_blocks_system.yaml": f"""# @package _global_
system: small_blocks_system
settings: {{level: 0, iterations: {LENGTH}}}
""",
    "sweep/small_blocks.yaml": f"""# @package _global_
defaults: [{{override /system: small_blocks_system}}]
store: {{name: small_blocks, block_members: {MEMBERS}, records: {LENGTH}}}
""",
}


@dataclass(frozen=True)
class Contestant:
    """One way to compute and keep the blocks."""

    name: str
    command: Callable[[Path, int], list[str]]
    """(folder, points) → the command that leaves the numbers of all blocks of these points in the folder."""
    check: Callable[[Path, int], bool]
    """(folder, points) → whether they are there."""
    needs: tuple[str, ...] = ()
    """Modules without which it can't take part."""


@dataclass
class Measured:
    """What became of a contestant; times in seconds."""

    name: str
    startup: list[float] = field(default_factory=list)
    a_block: list[float] = field(default_factory=list)
    inodes_running: int = 0
    inodes_at_end: int = 0
    disk: int = 0
    """Bytes."""
    reason: str = ""
    """Why it has no numbers."""

    @property
    def milliseconds(self):
        """Median time a block."""
        return 1e3 * statistics.median(self.a_block)


def system_folder(folder):
    """A folder for `--config-dir`, as the README has it: module, system file and sweep file."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("small_blocks_system.py", "small_blocks_work.py"):
        shutil.copy(Path(__file__).with_name(name), folder / name)
    return folder


def our_command(config_dir, folder, points, blocks):
    return [
        *(sys.executable, "-m", "pipeline", "--config-dir", str(config_dir), "+sweep=small_blocks"),
        f"axes.level={{start: 0, stop: {points - 1}, num: {points}}}",
        f"ensemble.members={MEMBERS * blocks}",
        f"cluster.workers={WORKERS}",
        f"store.root={folder}",
    ]


def ours_is_right(folder, points, blocks):
    """Whether the store has all members, and those of a few points are right."""
    dataset = pipeline.open_sweep(folder / "small_blocks.zarr")
    if not (dataset["status"].shape == (points, MEMBERS * blocks) and (dataset["status"] == 1).all()):
        return False
    return all(are_right(level, dataset.sel(level=level)) for level in some(points))


def peer_command(name, folder, points, blocks):
    module = "tests.benchmarks.small_blocks_peers"
    return [sys.executable, "-m", module, name, str(folder), str(points), str(blocks)]


def peer_is_right(read, folder, points, blocks):
    """Whether the last blocks of a few points are there."""
    return all(are_right(level, read(folder, level, blocks - 1, blocks)) for level in some(points))


def some(points):
    """A few of the points, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, 5).round().astype(int)).tolist()


def contestants(config_dir, blocks):
    """This project and its peers, installed or not."""
    found = [
        Contestant(OURS, partial(our_command, config_dir, blocks=blocks), partial(ours_is_right, blocks=blocks))
    ]
    for name, peer in PEERS.items():
        check = partial(peer_is_right, peer.read, blocks=blocks)
        found.append(Contestant(name, partial(peer_command, name, blocks=blocks), check, peer.needs))
    return found


def race(entrants, points, blocks, turns, root):
    """Let contestants take turns, then watch each once; one that fails leaves the race."""
    results = [Measured(entrant.name, reason=_absence(entrant)) for entrant in entrants]
    for turn in range(turns + 1):
        for entrant, result in zip(entrants, results, strict=True):
            if result.reason:
                continue
            progress(f"turn {turn + 1} of {turns + 1}: {entrant.name}")
            try:
                if turn < turns:
                    _clock(entrant, result, points, blocks, root)
                else:
                    _watch(entrant, result, points, root)
            except Exception as error:  # a rival's fault must not cost the others their race
                result.reason = f"FAILED: {error}"
    progress("")
    return results


def progress(text):
    """What is going on, in one line that the next one overwrites; on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _absence(entrant):
    missing = [module for module in entrant.needs if importlib.util.find_spec(module) is None]
    return f"not run: {missing[0]} is not installed" if missing else ""


def _clock(entrant, result, points, blocks, root):
    seconds = {}
    for count in (FEW_POINTS, points):
        folder = Path(tempfile.mkdtemp(dir=root))  # kept: files made after many were removed take longer (ext4)
        os.sync()  # what others wrote is not to be written during this turn
        began = time.perf_counter()
        _run(entrant.command(folder, count))
        seconds[count] = time.perf_counter() - began
        _refuse_wrong(entrant, folder, count)
    result.startup.append(seconds[FEW_POINTS])
    result.a_block.append((seconds[points] - seconds[FEW_POINTS]) / ((points - FEW_POINTS) * blocks))


def _watch(entrant, result, points, root):
    folder = Path(tempfile.mkdtemp(dir=root))
    with Watch(folder) as watch:
        _run(entrant.command(folder, points))
    result.inodes_running, result.inodes_at_end = watch.inodes, inodes(folder)
    result.disk = bytes_on_disk(folder)


def _run(command):
    """Run a command to its end; what it prints matters only if it fails."""
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().rpartition("\n")[2]
        raise RuntimeError(f"exit code {ended.returncode}: {said}")


def _refuse_wrong(entrant, folder, points):
    if not entrant.check(folder, points):
        raise RuntimeError("the numbers on the disk are not those that were computed")


def compressed_bytes(count):
    """Bytes of this many blocks after zstd at level 1, by a sample: the numbers are random, and all blocks alike."""
    sample = 64
    codec = Zstd(level=1)
    total = sum(len(codec.encode(part)) for k in range(sample) for part in numbered(k, 0).values())
    return total / sample * count


def computing_alone():
    """Seconds that the function takes a block, on one core and without anything else."""
    began = time.perf_counter()
    for number in range(500):
        numbered(1, number)
    return (time.perf_counter() - began) / 500


def table(results, count):
    """A row a contestant."""
    numbers, compressed = BYTES * count, compressed_bytes(count)
    ours = results[0].milliseconds if not results[0].reason else None
    width = max(len(result.name) for result in results)
    lines = [
        f"{'':<{width}}{'ms a':>9}{'':>8}{'start-up':>10}{'inodes a block':>16}{'inodes':>9}{'MB on':>8}{'× com-':>9}",
        f"{'':<{width}}{'block':>9}{'×':>8}{'s':>10}{'while running':>16}{'at end':>9}{'disk':>8}{'pressed':>9}",
    ]
    for result in (result for result in results if not result.reason):
        ratio = f"{result.milliseconds / ours:.2f}" if ours else "–"
        lines.append(
            f"{result.name:<{width}}{result.milliseconds:>9.2f}{ratio:>8}{statistics.median(result.startup):>10.2f}"
            f"{result.inodes_running / count:>16.3f}{result.inodes_at_end:>9}{result.disk / 1e6:>8.1f}"
            f"{result.disk / compressed:>9.2f}"
        )
    lines += [f"{result.name}: {result.reason}" for result in results if result.reason]
    about = f"numbers: {numbers / 1e6:.1f} MB, {compressed / 1e6:.1f} MB after zstd at level 1"
    return "\n".join([*lines, "", about])


def peers_in_words():
    """What each of them does, from its own description."""
    return [f"  {name}: {peer.run.__doc__}" for name, peer in PEERS.items()]


def beside_peers(points, blocks, turns, root):
    """The race, its table and goals."""
    count = points * blocks
    results = race(contestants(system_folder(root / "system"), blocks), points, blocks, turns, root)
    mine = results[0]
    ran = not mine.reason
    goals = [
        at_most("ms a block, start-up apart", mine.milliseconds if ran else None, 1.0),
        at_most("inodes a block while running", mine.inodes_running / count if ran else None, 1.2),
        *goals_at_end(count, mine.inodes_at_end if ran else None, mine.disk if ran else None),
    ]
    title = (
        f"{count} blocks: {points} points × {blocks} blocks of {MEMBERS} members, {WORKERS} processes, "
        f"median of {turns}; computing alone takes {1e3 * computing_alone():.2f} ms a block on one core"
    )
    text = "\n".join([title, "", table(results, count), "", *peers_in_words(), "", *goal_lines(goals)])
    return harness.Report(text, {"points": points, "blocks": blocks, "results": [asdict(one) for one in results]})


def goals_at_end(count, inodes_at_end, disk):
    """What a store of so many blocks should be at most."""
    return [
        at_most("inodes at the end", inodes_at_end, 100 + count / 50),
        at_most("bytes on disk over compressed numbers", disk and disk / compressed_bytes(count), 1.1),
    ]


def growing(points, blocks, rounds, root):
    """Runs that add members to all points, each watched; a table of them, and goals."""
    config_dir = system_folder(root / "system")
    folder = root / "store"
    folder.mkdir()
    lines = [
        f"{'':<7}{'blocks':>8}{'s':>8}{'inodes at most':>16}{'at end':>9}{'pending at most':>17}{'MB written':>12}"
        f"{'MB by calls':>13}{'MB on disk':>12}"
    ]
    rows = []
    for number in range(1, rounds + 1):
        progress(f"round {number} of {rounds}")
        row = one_round(our_command(config_dir, folder, points, blocks * number // rounds), folder)
        rows.append({"blocks": points * (blocks * number // rounds), **row})
        lines.append(_round_line(f"run {number}", rows[-1]))
    progress("")
    if not ours_is_right(folder, points, blocks):
        raise RuntimeError("the numbers on the disk are not those that were computed")
    return _report(points, blocks, rows, lines)


def one_round(command, folder):
    """What one run does to the disk."""
    before, began = Written.now(), time.perf_counter()
    with Watch(folder) as watch:
        _run(command)
    seconds = time.perf_counter() - began
    written = Written.now().since(before)
    return {
        "seconds": seconds, "inodes_running": watch.inodes, "inodes_at_end": inodes(folder), "pending": watch.pending,
        "written": written.disk, "by_calls": written.calls, "disk": bytes_on_disk(folder),
    }  # fmt: skip


def _round_line(name, row):
    return (
        f"{name:<7}{row['blocks']:>8}{row['seconds']:>8.1f}{row['inodes_running']:>16}{row['inodes_at_end']:>9}"
        f"{row['pending']:>17}{row['written'] / 1e6:>12.1f}{row['by_calls'] / 1e6:>13.1f}{row['disk'] / 1e6:>12.1f}"
    )


def _report(points, blocks, rows, lines):
    count = points * blocks
    last = rows[-1]
    total = {
        "blocks": count, "seconds": sum(row["seconds"] for row in rows), "inodes_at_end": last["inodes_at_end"],
        "disk": last["disk"], "written": sum(row["written"] for row in rows),
        "by_calls": sum(row["by_calls"] for row in rows), "pending": max(row["pending"] for row in rows),
        "inodes_running": max(row["inodes_running"] for row in rows),
    }  # fmt: skip
    goals = [
        at_most("bytes written over bytes on disk", total["written"] / total["disk"], 3),
        at_most("bytes written over compressed numbers", total["written"] / compressed_bytes(count), 3 * 1.1),
        at_most("pending files", total["pending"], 6000),
        at_most("inodes a block while running", total["inodes_running"] / count, 1.2),
        *goals_at_end(count, total["inodes_at_end"], total["disk"]),
    ]
    text = "\n".join(
        [
            f"{count} blocks in {len(rows)} runs: {points} points, {blocks} blocks each at the end; {WORKERS} workers",
            "written: pages that became dirty (write_bytes), by driver and workers; by calls: all given to write, "
            "pipes and sockets too (wchar)",
            "", *lines, _round_line("all", total),
            "", f"numbers: {BYTES * count / 1e6:.1f} MB, {compressed_bytes(count) / 1e6:.1f} MB after zstd at level 1",
            "", *goal_lines(goals),
        ]
    )  # fmt: skip
    return harness.Report(text, {"points": points, "blocks": blocks, "rounds": rows})


def software():
    """Versions of those that take part."""
    names = ("zarr", "pipefunc", "xyzpy", "joblib", "distributed", "xarray", "h5netcdf")
    return ", ".join(f"{name} {version(name)}" for name in names if importlib.util.find_spec(name))


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.small_blocks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, help="grow a store in so many runs instead of racing")
    parser.add_argument("--points", type=int, help="default: 250, or 2500 with --rounds")
    parser.add_argument(
        "--blocks", type=int, default=BLOCKS, help="of a point at the end; at least as many as rounds"
    )
    parser.add_argument("--turns", type=int, default=TURNS, help="timed turns of each contestant")
    parser.add_argument(
        "--folder", type=Path, help="where to write, on a disk; default: the system's for such files"
    )
    options = parser.parse_args()

    about = {**machine.describe(), "software": software()}
    try:
        report = measured(options)
    except RuntimeError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    shown = {key: about[key] for key in ("date", "commit", "processor", "software")}
    text = "\n".join([*(f"{key}: {value}" for key, value in shown.items()), "", report.text])
    print(text)
    name = "small_blocks_growing" if options.rounds else "small_blocks"
    print("\nsaved:", *harness.save(name, text, {"machine": about, **report.data}))


def measured(options):
    """What was asked for, in a folder of its own that is removed."""
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as name:
        if not options.rounds:
            return beside_peers(options.points or 250, options.blocks, options.turns, Path(name))
        blocks = max(options.blocks, options.rounds)
        return growing(options.points or 2500, blocks, options.rounds, Path(name))


if __name__ == "__main__":
    main()
