"""Writers that die: at the n-th file written to a store, half of that file in place of the whole."""

import contextlib
from pathlib import Path

import zarr.storage._local as local_storage


class Died(BaseException):
    """No handler of ordinary exceptions runs after this, as none runs after kill -9."""


@contextlib.contextmanager
def dying_at(step):
    """Die at a step of what is done to files: writes of Zarr, renamings of folders. A list that counts them."""
    steps = []
    put, rename = local_storage._put, Path.rename

    def alive(at):
        steps.append(at)
        return step is None or len(steps) <= step

    def dying_put(path, value, exclusive=False):
        if alive(path):
            return put(path, value, exclusive)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = value.to_bytes()
        path.with_suffix(".0123456789abcdef.partial").write_bytes(content[: len(content) // 2])
        raise Died(path)

    def dying_rename(path, target):
        if alive(path):
            return rename(path, target)
        raise Died(path)

    local_storage._put, Path.rename = dying_put, dying_rename
    try:
        yield steps
    except Died:
        pass
    finally:
        local_storage._put, Path.rename = put, rename


def count_steps(work):
    """The number of steps at which some work can die."""
    with dying_at(None) as steps:
        work()
    return len(steps)
