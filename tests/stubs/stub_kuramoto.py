"""A system of a user's own: kuramoto, whose blocks wait, raise or kill their worker, as the environment says.

BLOCK_LOG   a file that gets the line `T first-member` when a block starts
BLOCK_GATE  a file with a number: so many of the blocks in BLOCK_LOG may go on, the first ones; all others wait
RAISING, KILLING  the T whose first block raises, or kills its worker
"""

import dataclasses
import os
import signal
import time
from pathlib import Path

from pipeline.systems import kuramoto

_POLL_SECONDS = 0.02


class Unpicklable(Exception):
    """An error that can't be sent to another process: it holds a function, and its constructor takes two values."""

    def __init__(self, message, more):
        super().__init__(message)
        self.more = lambda: more


def compute(settings, seed, members, records):
    """The real block after what the environment asks for."""
    turn = _logged(f"{settings['T']} {members[0]}\n") if "BLOCK_LOG" in os.environ else 0
    while "BLOCK_GATE" in os.environ and turn > _allowed(Path(os.environ["BLOCK_GATE"])):
        time.sleep(_POLL_SECONDS)
    if members[0] == 0 and settings["T"] == float(os.environ.get("KILLING", "nan")):
        os.kill(os.getpid(), signal.SIGKILL)
    if members[0] == 0 and settings["T"] == float(os.environ.get("RAISING", "nan")):
        raise Unpicklable("this block always raises", members)
    return kuramoto.compute(settings, seed, members, records)


def _logged(line):
    """Append a line to the log; how many lines it has now."""
    log = os.open(os.environ["BLOCK_LOG"], os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())  # in one piece, whoever else writes
        end = os.lseek(log, 0, os.SEEK_CUR)
        return os.pread(log, end, 0).count(b"\n")
    finally:
        os.close(log)


def _allowed(gate):
    """How many blocks may go on."""
    return int(gate.read_text()) if gate.exists() else 0


SYSTEM = dataclasses.replace(kuramoto.SYSTEM, compute=compute)
