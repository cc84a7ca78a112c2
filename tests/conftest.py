"""Requests as the command line makes them."""

import sys
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir

from pipeline.__main__ import main as entry_point
from pipeline.request.config import check, command_line
from tests import command
from tests.command import ROOT, tiny


@pytest.fixture(scope="session")
def configure():
    """(folder of the store, *overrides) → checked request, of the tiny sweep where they say nothing else."""

    def checked(root, *overrides):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return check(compose("config", overrides=command_line(tiny(root, *overrides))))

    return checked


class Ended(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def main(monkeypatch, capsys):
    """Carry out a command line within this process."""

    def ended(arguments):
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            entry_point()
        return Ended(left.value.code, *capsys.readouterr())

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
