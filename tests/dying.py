"""Writers that die: at the n-th step of what is done to files of a store."""

import contextlib
from unittest import mock

from pipeline.store import files, lock


class Died(BaseException):
    """No handler of ordinary exceptions runs after this, as none runs after kill -9."""


@contextlib.contextmanager
def dying_at(step):
    """Die at a step: half of a file is written, or a renaming or a removal is not done. A list that counts them."""
    steps = []
    put, rename, unlink, move = files.put, files.rename, files.unlink, lock._move

    def alive(at):
        steps.append(at)
        return step is None or len(steps) <= step

    def dying_put(path, parts, durable):
        if alive(path):
            return put(path, parts, durable)
        content = b"".join(parts)
        put(path, [content[: len(content) // 2]], False)
        raise Died(path)

    def dying(function):
        def called(path, *more):
            if alive(path):
                return function(path, *more)
            raise Died(path)

        return called

    with (
        mock.patch.object(files, "put", dying_put),
        mock.patch.object(files, "rename", dying(rename)),
        mock.patch.object(files, "unlink", dying(unlink)),
        mock.patch.object(lock, "_move", dying(move)),
        contextlib.suppress(Died),
    ):
        yield steps


def count_steps(work):
    """The number of steps at which some work can die."""
    with dying_at(None) as steps:
        work()
    return len(steps)
