"""Which edits make stored blocks stale: those of definitions that the block function reaches, and no others."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.command import ROOT

SCRIPT = "import json; from pipeline.systems.code_version import code_version; print(json.dumps(code_version('kuramoto')))"


@pytest.fixture(scope="module")
def version_after(tmp_path_factory):
    """The code version of a copy of the program in which files were edited: {file: edit of its text}."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("sim", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def version(edits):
        before = {file: (folder / file).read_text() for file in edits}
        for file, edit in edits.items():
            edited = edit(before[file])
            assert edited != before[file]
            (folder / file).write_text(edited)
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        for file, text in before.items():
            (folder / file).write_text(text)
        return json.loads(told.stdout)

    return version


@pytest.fixture(scope="module")
def today(version_after):
    return version_after({})


def changed(one, other):
    return {name for name in one | other if one.get(name) != other.get(name)}


def with_a_first_line(function, line):
    """An edit that puts a line before the first statement of a function, after its docstring."""

    def edit(text):
        start = text.index(f"def {function}(")
        end = text.index(":\n", start) + 2
        return f"{text[:end]}    {line}\n{text[end:]}"

    return edit


def test_code_of_the_block_function_and_of_all_it_calls_counts(today):
    assert {"sim.kuramoto.learn", "sim.lanes.LANES", "pipeline.systems.interface._kuramoto_block"} <= today.keys()
    assert any(name.startswith("sim.noise.") for name in today)
    assert any(name.startswith("sim.learning.") for name in today)
    assert not any(
        name.startswith("pipeline.") and not name.startswith("pipeline.systems.interface") for name in today
    )


def test_the_version_is_the_same_in_every_process(version_after, today):
    assert version_after({}) == today


def test_comments_docstrings_and_layout_do_not_count(version_after, today):
    def edit(text):
        return text.replace('"""', '"""Another beginning. ', 1).replace("\n\n\n", "\n\n\n# a remark\n\n\n")

    edits = {f"sim/{module}.py": edit for module in ("kuramoto", "learning", "noise", "lanes")}
    assert version_after({**edits, "pipeline/systems.py": edit}) == today


@pytest.mark.parametrize(
    ("file", "function"),
    [("pipeline/systems.py", "_kuramoto_block"), ("sim/kuramoto.py", "learn"), ("sim/kuramoto.py", "_learn")],
)
def test_an_edit_of_code_that_is_reached_is_told_by_its_name(version_after, today, file, function):
    edited = version_after({file: with_a_first_line(function, "unused = 0")})
    module = file.removesuffix(".py").replace("/", ".")
    assert changed(today, edited) == {f"{module}.{function}"}


def test_an_edit_of_a_constant_that_is_reached_counts(version_after, today):
    edited = version_after({"sim/lanes.py": lambda text: text.replace("\nLANES = 8", "\nLANES = 16")})
    assert changed(today, edited) == {"sim.lanes.LANES"}


def test_code_that_is_not_reached_does_not_count(version_after, today):
    edits = {
        "pipeline/systems.py": with_a_first_line("_kuramoto_work", "unused = 0"),
        "pipeline/blocks.py": with_a_first_line("digest_of", "unused = 0"),
        "sim/noise.py": lambda text: text + "\n\ndef unused(x):\n    return x\n",
    }
    assert version_after(edits) == today
