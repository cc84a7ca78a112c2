"""The command line with blocks that wait, raise or kill their worker, as the environment says.

BLOCK_SECONDS: how long a block takes; BLOCK_LOG: a file that gets the line `T first-member` when one starts;
RAISING, KILLING: the T whose first block raises, or kills its worker.

Workers import the driver's main module, so they have these blocks too.
"""

import dataclasses
import functools
import os
import signal
import time

from pipeline.systems import interface


@functools.wraps(interface.KURAMOTO.compute)  # the code that counts is the real block's
def compute(settings, seed, members, records):
    """The real block after what the environment asks for."""
    if "BLOCK_LOG" in os.environ:
        with open(os.environ["BLOCK_LOG"], "a") as log:
            log.write(f"{settings['T']} {members[0]}\n")
    time.sleep(float(os.environ.get("BLOCK_SECONDS", 0)))
    if members[0] == 0 and settings["T"] == float(os.environ.get("KILLING", "nan")):
        os.kill(os.getpid(), signal.SIGKILL)
    if members[0] == 0 and settings["T"] == float(os.environ.get("RAISING", "nan")):
        raise ArithmeticError("this block always raises")
    return interface.KURAMOTO.compute(settings, seed, members, records)


interface.SYSTEMS["kuramoto"] = dataclasses.replace(interface.KURAMOTO, compute=compute)

if __name__ == "__main__":
    from pipeline.__main__ import main

    main()
