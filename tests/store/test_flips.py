"""A single bit of a file that flips: whoever looks sees true numbers, or one line that says what is wrong."""

import os
import random
from functools import partial

import pytest

from pipeline.actions import carry_out, requested
from pipeline.console import Console
from pipeline.errors import COMPLETE, INTERRUPTED
from pipeline.execution import RunLog
from pipeline.request import Origin
from pipeline.store import only_driver, open_store
from tests import tiny_store
from tests.command import STUBS
from tests.tiny_store import fill, read_all, told_of

small_tiles = tiny_store.small_tiles
pytestmark = pytest.mark.usefixtures("small_tiles")

TINY = ("axes.T.values=[10,5]", "axes.n.values=[2]", "axes.mode.values=[up]", "ensemble.members=4")
FLIPS = 250
"""Of a sample."""


@pytest.fixture(scope="module")
def store(tmp_path_factory, small_tiles):
    """A store with a record of a run, of its machine and of its code, filed in part and waiting in part."""
    path = tmp_path_factory.mktemp("store") / "tiny.zarr"
    fill(path, *TINY, most=3)
    fill(path, *TINY, file=False)
    opened = open_store(path)
    opened.add_code_version("0123456789abcdef", {"compute": "fedcba9876543210"})
    with only_driver(path) as lock:
        log = RunLog(opened, lock, "a command", config={"figures": {"draw": []}})
        log.end("complete", blocks_computed=4, failed=["T=5, block 1: no"])
    return path


@pytest.fixture(scope="module")
def look(store):
    """All that can be seen of the store: numbers and attributes, status, and records; a refusal counts as nothing."""
    status = requested(Origin("none", (f"path={store}", "action=status"), STUBS))

    def seen():
        told, found = [], {}

        def ask(name, question):
            def answered():
                found[name] = question()

            if why := told_of(answered):
                told.append(why)

        ask("store", lambda: open_store(store).layout)
        if told:  # all others open it too
            return found, told
        ask("numbers", partial(read_all, store))
        ask("status", lambda: _status(status))
        ask("runs", lambda: open_store(store).runs())
        ask("machines", lambda: open_store(store).machines())
        ask("code", lambda: open_store(store).code_versions)
        return found, told

    return seen


def _status(request):
    ended = carry_out(request, Console())
    assert ended.code in (COMPLETE, INTERRUPTED, 3)
    return list(ended.lines)


def is_pending(name):
    return name.startswith("pending/") and name != "pending/zarr.json"


def assert_unchanged(found, right, name):
    """Assert that what is seen is what was, but for a waiting block, which may count as absent."""
    for kind, what in found.items():
        if kind != "numbers":
            assert what == right[kind] or (is_pending(name) and kind == "status"), (name, kind, what)
        elif is_pending(name):
            assert what["status"].values.sum() >= 0
        else:
            assert what.identical(right[kind]), name


def flips_of(store):
    """(file, bit) of every bit."""
    files = sorted(path for path in store.rglob("*") if path.is_file() and path.name != "lock")
    return [(str(path.relative_to(store)), bit) for path in files for bit in range(8 * path.stat().st_size)]


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


MANY = None if "TORTURE_ROUNDS" in os.environ else 20 * FLIPS
"""Of a larger sample; all in `make torture`."""


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("most", [FLIPS, pytest.param(MANY, marks=pytest.mark.slow)], ids=["some", "many"])
def test_no_flip_of_a_bit_gives_a_wrong_number_or_a_traceback(most, store, look):
    right, told = look()
    assert not told
    assert len(right) == 6
    flips = flips_of(store)
    for name, bit in flips if most is None else _sample(flips, most):
        content = (store / name).read_bytes()
        flip(store / name, bit)
        found, told = look()
        assert_unchanged(found, right, name)
        assert all(str(store) in line for line in told), told
        (store / name).write_bytes(content)
    assert look()[0]["numbers"].identical(right["numbers"])


def _sample(flips, most):
    """Some bits of every file, always the same."""
    by_file = {}
    for name, bit in flips:
        by_file.setdefault(name, []).append((name, bit))
    each = most // len(by_file)
    return [flip for bits in by_file.values() for flip in random.Random(1).sample(bits, min(each, len(bits)))]
