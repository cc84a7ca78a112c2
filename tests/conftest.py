"""Requests as the command line makes them."""

import signal
import sys
from typing import NamedTuple

import hypothesis
import pytest

from pipeline.__main__ import exit_code
from pipeline.actions import requested
from pipeline.request import Origin
from pipeline.systems import finding
from tests import command
from tests.command import STUBS, tiny

# Processes that tests start heed them, also where the tests themselves were started by nohup, or in the background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


# No example has to end within a time of its own: the machine may be busy.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SLOW_SECONDS = 1800
"""Slow tests may take so long: several run at once, on a machine that others use too."""


def pytest_collection_modifyitems(items):
    """Give slow tests more time than the others, where they say nothing themselves."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


@pytest.fixture(autouse=True)
def _stubs_are_in_the_path_for_requests_alone():
    """A test that puts sys.path back may put back what an earlier request added, of which `search_in` knows no more."""
    yield
    if str(STUBS) not in finding._appended:
        sys.path[:] = [folder for folder in sys.path if folder != str(STUBS)]


@pytest.fixture(scope="session")
def configure():
    """(folder of the store, *overrides) → checked request, of the tiny sweep where they say nothing else."""

    def checked(root, *overrides):
        return requested(Origin("python -m pipeline", tuple(tiny(root, *overrides)), None))

    return checked


class Ended(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def main(capsys):
    """Carry out a command line within this process."""

    def ended(arguments):
        capsys.readouterr()
        code = exit_code(arguments)
        return Ended(code, *capsys.readouterr())

    return ended


@pytest.fixture
def start():
    """Start drivers; those that a test leaves running are killed at its end."""
    started = []

    def start_one(*arguments, **options):
        started.append(command.start(*arguments, **options))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()
