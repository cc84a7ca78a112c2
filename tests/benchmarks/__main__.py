"""Run the benchmarks, print their tables and keep them in `tests/benchmarks/results/`.

    python -m tests.benchmarks                   all of them (make bench)
    python -m tests.benchmarks kuramoto_step     one
    python -m tests.benchmarks --rounds 3        sooner, less certain

JAX, the PyPI package kuramoto and a C++ compiler take part where they are installed (`pip install -e '.[bench]'`).
Everything runs on one core, with one thread. What counts is this process's processor time, so that other processes
on the machine disturb little; still, let it have a core of its own. All of it takes six to nine minutes.

How to read a table. A row is a family: one way to compute the same thing. A family may have variants (layouts,
ensemble sizes, compilers); each is checked against plain NumPy and timed for a moment, and the fastest few start.
The starters of all families then take turns. A cell is the median over the turns, per system and step, of the
family's fastest variant, and the ratio to our kernel (the median of the ratios within a turn: above 1, that family
is slower than ours). A family that is not installed or computes something else is named below the table, with the
reason, and has no time. Last come the goals and whether this run met them. The exit code says nothing about them:
this measures, it tests nothing.
"""

import argparse
import importlib

from tests.benchmarks import harness, machine

BENCHMARKS = ("kuramoto_step", "continuous_step", "network_iteration")
"""Modules with a function `benchmark(rounds) -> harness.Report`."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Kernels against the alternatives."
    )
    parser.add_argument("names", nargs="*", default=BENCHMARKS, help=f"which ones: {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=harness.ROUNDS, help="turns each contestant gets")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there is {', '.join(BENCHMARKS)}")

    machine.use_one_core()
    about = machine.describe()
    for name in options.names:
        report = importlib.import_module(f"tests.benchmarks.{name}").benchmark(options.rounds)
        text = "\n".join([*(f"{key}: {value}" for key, value in about.items()), "", report.text])
        print(text)
        print("\nsaved:", *harness.save(name, text, {"machine": about, **report.data}))


if __name__ == "__main__":
    main()
