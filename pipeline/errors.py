"""Errors a user can mend, and the exit codes they end in."""

import errno
from collections.abc import Iterable

COMPLETE, CONFIG_WRONG, BLOCKS_FAILED, INTERRUPTED = 0, 2, 3, 4

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def first_to_act_on(codes: Iterable[int]) -> int:
    """The exit code of several requests.

    Args:
        codes: of each.

    Returns:
        INTERRUPTED if any was, as the same command goes on; else CONFIG_WRONG, to be mended before failed blocks are
        tried again; else BLOCKS_FAILED, else COMPLETE.
    """
    return max(codes, key=(COMPLETE, BLOCKS_FAILED, CONFIG_WRONG, INTERRUPTED).index)


def told(error: BaseException) -> tuple[list[str], int]:
    """An error of a request as the command line tells it.

    Args:
        error: a RequestError, Damaged, Interrupted, KeyboardInterrupt or OSError.

    Returns:
        One line a fault, and the exit code.
    """
    match error:
        case RequestError():
            return error.faults, CONFIG_WRONG
        case Damaged():
            return [str(error)], BLOCKS_FAILED
        case OSError():
            return _of_files(error)
        case KeyboardInterrupt():
            return ["interrupted; the same command resumes, stored blocks are kept"], INTERRUPTED
    return [str(error)] if str(error) else [], INTERRUPTED


def _of_files(error: OSError) -> tuple[list[str], int]:
    """What is wrong with a file, a folder or a disk; with the code of what may go on once it is mended, or may not."""
    what = f"{error.filename or 'a file of the store'}: {error.strerror or error}"
    if error.errno not in _DISK_TROUBLE:
        return [f"{what}; expected a file or folder that can be used"], CONFIG_WRONG
    return [f"{what}; stored blocks are kept, mend it and the same command resumes"], INTERRUPTED


class RequestError(Exception):
    """What is wrong with a request.

    Args:
        faults: one line each, with the key or file, what was expected and what was got.
    """

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class NotComplete(RequestError):  # noqa: N818 (a state of a store)
    """A store that a request needs is not there yet, or lacks members."""


class BlocksFailed(Exception):  # noqa: N818 (a state of a sweep)
    """Some blocks could not be computed, or are not as they should be; the others are stored.

    Args:
        failures: one line a block.
    """

    def __init__(self, failures: Iterable[str]) -> None:
        self.failures = list(failures)
        super().__init__("\n".join(self.failures))


class BlockError(Exception):
    """A block could not be computed: where in its system's code, what was expected and got, in one line."""


class Damaged(Exception):  # noqa: N818 (a state of a file)
    """A chunk of a store can't be read, or a block's bytes are not those its digest was made of."""


class Interrupted(Exception):  # noqa: N818 (no error)
    """A run was stopped before it was complete; what it stored is kept."""


class ClusterLost(Interrupted):
    """There is no cluster to run on, or no more."""
