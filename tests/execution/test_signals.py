"""Signals end a process wherever they come."""

import signal
import subprocess
import sys

import pytest

from tests import command

IN_A_FINALIZER = """
import signal, sys, time
from pipeline.execution import interrupt_on_signals

class Finalized:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

interrupt_on_signals()
try:
    Finalized()
    while True:
        time.sleep(1)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_comes_while_an_object_is_finalized_is_not_lost(number):
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_FINALIZER, str(int(number))],
        cwd=command.ROOT, capture_output=True, text=True, timeout=command.PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")
