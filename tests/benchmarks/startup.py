"""Processor time of short commands, beside that of the libraries that any of them has to load.

    python -m tests.benchmarks.startup

In one run, alternated: importing Hydra, pydantic, NumPy and Zarr and composing a config as Hydra does; a status; a
run with nothing to do; the same with a figure. User and system time of the whole process, the median of seven.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TURNS = 7
LIBRARIES = f"""
import pydantic, numpy, zarr
from hydra import compose, initialize_config_dir
with initialize_config_dir({str(ROOT / "conf")!r}, version_base="1.3"):
    compose("config", overrides=["+sweep=kuramoto_T"])
"""


def processor_seconds(command):
    """User and system time of a command, of its children too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Fill a small store, then time the commands in turn."""
    with tempfile.TemporaryDirectory() as root:
        quick = ["+sweep=kuramoto_T", "+scale=quick", "settings.iterations=100", f"store.root={root}"]
        pipeline = [sys.executable, "-m", "pipeline", *quick]
        commands = {
            "libraries and composing": [sys.executable, "-c", LIBRARIES],
            "action=status": [*pipeline, "action=status"],
            "nothing to do": [*pipeline, "figures.draw=[]"],
            "nothing to do, a figure": pipeline,
        }
        processor_seconds(pipeline)
        seconds = {name: [] for name in commands}
        for _ in range(TURNS):
            for name, command in commands.items():
                seconds[name].append(processor_seconds(command))
    least = statistics.median(seconds["libraries and composing"])
    print(f"{'':<26}{'seconds':>8}  × libraries")
    for name, turns in seconds.items():
        print(f"{name:<26}{statistics.median(turns):>8.2f}{statistics.median(turns) / least:>8.2f}")


if __name__ == "__main__":
    main()
