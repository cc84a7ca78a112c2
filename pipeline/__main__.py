"""`python -m pipeline +sweep=NAME`: the command line, which checks a request, carries it out and tells how it went."""

import os
import signal

# Before all else: imports take a second, in which there is nothing yet that would have to end in good order.
if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(_number) != signal.SIG_IGN:
            signal.signal(_number, lambda *_: os._exit(4))

import gc
import shlex
import sys
import traceback
from collections.abc import Sequence

from pipeline.actions import carry_out, requested
from pipeline.console import Console, complain, flush_streams, open_closed_streams, say
from pipeline.errors import (
    BLOCKS_FAILED,
    INTERRUPTED,
    BlockError,
    Damaged,
    Interrupted,
    RequestError,
    first_to_act_on,
    told,
)
from pipeline.execution import interrupt_on_signals, told_as_interrupted
from pipeline.request import Origin, as_yaml, compose, parse, several
from pipeline.words import counted


def main() -> None:
    """Carry out the command line's request, or several with -m; exit with the worst of their codes."""
    gc.set_threshold(100_000, 20, 20)  # imports make many objects and no garbage: a tenth of a short command
    open_closed_streams()
    interrupt_on_signals()
    code = exit_code(sys.argv[1:])
    flush_streams()
    if multiprocessing := sys.modules.get("multiprocessing.util"):
        multiprocessing._run_finalizers(0)  # removes semaphores of workers that were just starting
    os._exit(code)  # all is closed and written; to take the interpreter apart costs a third of a second


def exit_code(arguments: Sequence[str]) -> int:
    """Carry out a command line.

    Args:
        arguments: without the program's name.

    Returns:
        0 complete, 2 the request is wrong, 3 blocks failed, 4 interrupted; of several requests the one to act on first.

    Raises:
        SystemExit: help was asked for.
    """
    try:
        line = parse(arguments)
        if line.show:
            say(as_yaml(compose(line.overrides, line.config_dir)).rstrip())
            return 0
        requests = several(line.overrides, line.config_dir) if line.multirun else [line.overrides]
    except RequestError as error:
        return _complained(error)
    codes, typed = [], shlex.join(["python", "-m", "pipeline", *arguments])
    for number, overrides in enumerate(requests, start=1):
        codes.append(_code_of_one(Origin(typed, tuple(overrides), line.config_dir)))
        if codes[-1] == INTERRUPTED and "action=status" not in [override.lstrip("+") for override in overrides]:
            if left := len(requests) - number:
                say(f"{counted(left, 'further request')} not begun; the same command goes on")
            break
    return first_to_act_on(codes)


def _code_of_one(origin: Origin) -> int:
    """Carry out one request, every error in one line."""
    try:
        with told_as_interrupted():
            ended = carry_out(requested(origin), Console())
    except BlockError as error:  # with cluster=serial, which is for debuggers
        traceback.print_exception(error)
        return BLOCKS_FAILED
    except (RequestError, Damaged, Interrupted, KeyboardInterrupt, OSError) as error:
        return _complained(error)
    for line in ended.lines:
        say(line)
    return ended.code


def _complained(error: BaseException) -> int:
    faults, code = told(error)
    complain(faults)
    return code


if __name__ == "__main__":
    main()
