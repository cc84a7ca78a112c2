"""Which edits make stored blocks stale: those of definitions that a system's `compute` reaches, and no others."""

import os
import shutil
import subprocess
import sys

import pytest

from pipeline.systems import known_systems
from pipeline.systems.code_version import code_version, digest_of_version
from tests.command import ROOT

SYSTEMS = ("kuramoto", "kuramoto_continuous", "network")


def test_all_systems_are_tested_here():
    assert sorted(SYSTEMS) == known_systems()


class Copy:
    """A copy of the program, whose files may be edited; it is read, never imported."""

    def __init__(self, folder):
        self.folder = folder
        self._edits = 0

    def version(self, system):
        """Definitions that a system of the copy reaches."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("pipeline", "sim"):
                patch.delitem(sys.modules, name)  # else they would be told from where they were imported
            patch.syspath_prepend(str(self.folder))
            return code_version(f"pipeline.systems.{system}")

    def changed(self, system, edits):
        """Definitions whose digest edits change: {file: edit of its text}."""
        before = {file: (self.folder / file).read_text() for file in edits}
        today = self.version(system)
        try:
            for file, edit in edits.items():
                self._write(file, edit(before[file]))
                assert (self.folder / file).read_text() != before[file]
            edited = self.version(system)
        finally:
            for file, text in before.items():
                self._write(file, text)
        assert (digest_of_version(edited) == digest_of_version(today)) == (edited == today)
        return {name for name in today | edited if today.get(name) != edited.get(name)}

    def _write(self, file, text):
        """Write a file, later than all before it by its time, however quick the test is."""
        (self.folder / file).write_text(text)
        self._edits += 1
        os.utime(self.folder / file, ns=(self._edits * 10**9, self._edits * 10**9))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    for name in ("sim", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Copy(folder)


def first_line(function, line="unused = 0"):
    """An edit that puts a line before the first statement of a function, after its docstring."""

    def edit(text):
        start = text.index(f"def {function}(")
        end = text.index(":\n", start) + 2
        return f"{text[:end]}    {line}\n{text[end:]}"

    return edit


def replaced(old, new):
    """An edit that replaces a text that is there."""

    def edit(text):
        assert text.count(old) == 1
        return text.replace(old, new)

    return edit


OSCILLATORS = {
    ("pipeline/systems/kuramoto.py", "frequencies"),
    ("pipeline/systems/interface.py", "evenly_spread"),
    ("sim/sizes.py", "steps_in"),
    ("sim/kuramoto.py", "equidistant_frequencies"),
    ("sim/kuramoto.py", "learn"),
    ("sim/kuramoto.py", "_learn_block"),
    ("sim/kuramoto_step.py", "tiled_step"),
    ("sim/elementary.py", "turn_small"),
}
SHARED = {
    ("sim/vectors.py", "register_typing"),
    ("sim/memory.py", "load"),
    ("sim/memory.py", "aligned_rows"),
    ("sim/elementary.py", "horner"),
    ("sim/noise.py", "threefry"),
    ("sim/noise.py", "xoshiro"),
    ("sim/learning.py", "_move"),
    ("sim/ensemble.py", "collect"),
}
REACHED = {
    "kuramoto": OSCILLATORS | SHARED | {
        ("pipeline/systems/kuramoto.py", "compute"),
        ("pipeline/systems/kuramoto.py", "_trace_steps"),
        ("pipeline/systems/interface.py", "recorded"),
    },
    "kuramoto_continuous": OSCILLATORS | SHARED | {
        ("pipeline/systems/kuramoto_continuous.py", "compute"),
        ("pipeline/systems/kuramoto_continuous.py", "_recorded_intervals"),
        ("sim/kuramoto_continuous.py", "learn"),
        ("sim/kuramoto_continuous.py", "slide"),
    },
    "network": SHARED - {("sim/memory.py", "aligned_rows")} | {
        ("pipeline/systems/network.py", "compute"),
        ("pipeline/systems/network.py", "_epochs"),
        ("pipeline/systems/patterns.py", "bitmaps"),
        ("pipeline/systems/patterns.py", "_parsed"),
        ("pipeline/systems/interface.py", "recorded"),
        ("sim/network.py", "encode"),
        ("sim/network.py", "robustness_of"),
        ("sim/backpropagation.py", "gradient"),
        ("sim/elementary.py", "logistics"),
    },
}  # fmt: skip
NOT_REACHED = {
    "kuramoto": {
        ("pipeline/systems/kuramoto.py", "_work"),
        ("pipeline/systems/kuramoto.py", "success_by"),
        ("pipeline/systems/kuramoto.py", "_with_shorter_steps"),
        ("pipeline/systems/network.py", "compute"),
        ("sim/network.py", "learn"),
        ("sim/kuramoto_continuous.py", "learn"),
        ("sim/elementary.py", "logistics"),
    },
    "kuramoto_continuous": {
        ("pipeline/systems/kuramoto.py", "compute"),
        ("pipeline/systems/interface.py", "recorded"),
        ("pipeline/systems/kuramoto.py", "step_work"),
        ("sim/network.py", "learn"),
    },
    "network": {
        ("pipeline/systems/network.py", "_work"),
        ("pipeline/systems/patterns.py", "inline"),
        ("pipeline/systems/patterns.py", "names"),
        ("pipeline/systems/kuramoto.py", "compute"),
        ("sim/kuramoto.py", "learn"),
        ("sim/elementary.py", "turn_small"),
    },
}
ELSEWHERE = {
    ("pipeline/digest.py", "digest_of"),
    ("pipeline/systems/interface.py", "streams"),
    ("pipeline/systems/computing.py", "compute_members"),
    ("pipeline/systems/finding.py", "find"),
    ("pipeline/request/sweep.py", "point_seed"),
}
"""Not reached by any system. What gives seeds and members is fixed otherwise: by tests, and by the sweep's settings."""


def cases(table):
    return [(system, *place) for system in SYSTEMS for place in sorted(table[system])]


@pytest.mark.parametrize(("system", "file", "function"), cases(REACHED))
def test_an_edit_of_code_that_is_reached_is_told_by_its_name(copy, system, file, function):
    module = file.removesuffix(".py").replace("/", ".")
    assert copy.changed(system, {file: first_line(function)}) == {f"{module}.{function}"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_code_that_is_not_reached_does_not_count(copy, system):
    edits = {}
    for file, function in NOT_REACHED[system] | ELSEWHERE:
        before = edits.get(file, str)
        edits[file] = lambda text, before=before, function=function: first_line(function)(before(text))
    assert copy.changed(system, edits) == set()


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_edit_of_a_constant_that_is_reached_counts(copy, system):
    edit = replaced("\nLANES = 8", "\nLANES = 16")
    assert copy.changed(system, {"sim/vectors.py": edit}) == {"sim.vectors.LANES"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_comments_docstrings_layout_and_new_functions_do_not_count(copy, system):
    def edit(text):
        new = "\n\ndef unused(x):\n    return x\n"
        return text.replace('"""', '"""Another beginning. ', 1).replace("\n\n\n", "\n\n\n# a remark\n\n\n") + new

    files = [str(path.relative_to(copy.folder)) for path in copy.folder.glob("sim/*.py")]
    files += [str(path.relative_to(copy.folder)) for path in copy.folder.glob("pipeline/systems/*.py")]
    assert copy.changed(system, dict.fromkeys(files, edit)) == set()


@pytest.mark.parametrize("system", SYSTEMS)
def test_of_the_pipeline_only_systems_count(copy, system):
    ours = {name for name in copy.version(system) if name.startswith("pipeline.")}
    assert f"pipeline.systems.{system}.compute" in ours
    rooms = {name.split(".")[1] for name in ours}
    assert rooms == {"systems"}
    assert {name.split(".")[2] for name in ours} <= {"interface", "patterns", *SYSTEMS}


def test_the_version_is_the_same_in_every_process(copy):
    script = (
        "from pipeline.systems.code_version import code_version, digest_of_version as digest\n"
        f"print([digest(code_version('pipeline.systems.' + name)) for name in {SYSTEMS!r}])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=copy.folder,
        env=os.environ | {"PYTHONPATH": str(copy.folder), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str([digest_of_version(copy.version(name)) for name in SYSTEMS])
    assert len({digest_of_version(copy.version(name)) for name in SYSTEMS}) == len(SYSTEMS)
