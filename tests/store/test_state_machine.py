"""Whatever happens to a store, in any order: every number read is the one computed for its name, or is not there, or
the store refuses in one line."""

import contextlib
import io
import os
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.__main__ import exit_code
from pipeline.checks import merge
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG
from pipeline.store import filing, only_driver, open_store, open_sweep
from pipeline.systems import search_in
from tests import tiny_store
from tests.command import STUBS
from tests.dying import dying_at
from tests.tiny_store import FOLDERS, assert_true, fill_with, read_all, sweep, told_of

small_tiles = tiny_store.small_tiles

POINTS = [(T, n, mode) for mode in ("up", "down") for n in (2, 3) for T in (10.0, 5.0, 20.0)]
some_points = st.lists(st.sampled_from(POINTS), min_size=1, max_size=6, unique=True)
some_members = st.integers(1, 9)
any_file = st.integers(0, 10**6)


def sweep_of(points, members):
    """A sweep of some points; the first of all makes room for what is longest."""
    return replace(sweep(), points=tuple(dict.fromkeys([POINTS[3], *points])), members=members)


class AStore(RuleBasedStateMachine):
    """A store, and what is known to be in it while nobody damaged it."""

    def __init__(self, folder):
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.path, self.source = folder / "a.zarr", folder / "b.zarr"
        self.stored, self.copies, self.right = set(), [], None
        self.largest = sweep_of([], 1)

    # --- what drivers do ------------------------------------------------------------------------------------

    @initialize(points=some_points, members=some_members)
    def make(self, points, members):
        self.fill(points, members, None, True)

    @rule(points=some_points, members=some_members, most=st.none() | st.integers(0, 6), file=st.booleans())
    def fill(self, points, members, most, file):
        told = self._drive(partial(fill_with, sweep_of(points, members), self.path, most, file))
        if not told and most is None and self.right is None:
            assert self._plain_stored() >= {(p, b) for p in points for b in range(-(-members // 2))}

    @rule(points=some_points, members=some_members, file=st.booleans(), step=st.integers(0, 120))
    def die(self, points, members, file, step):
        self._drive(lambda: _dying(step, partial(fill_with, sweep_of(points, members), self.path, None, file)))

    @rule(step=st.none() | st.integers(0, 60))
    def file(self, step):
        def work():
            with only_driver(self.path) as lock, filing(open_store(self.path), lock):
                pass

        self._drive(work if step is None else lambda: _dying(step, work))

    @rule(points=some_points, members=some_members, step=st.none() | st.integers(0, 120))
    def take_over(self, points, members, step):
        shutil.rmtree(self.source, ignore_errors=True)
        theirs = sweep_of(points, members)
        fill_with(theirs, self.source)

        def work():
            with only_driver(self.path) as lock:
                assert not merge(sweep_of([], 1), self.path, self.source, lock).damaged

        self._drive(work if step is None else lambda: _dying(step, work))

    def _drive(self, work):
        """Do something to the store; what it refuses. While it is undamaged, it refuses nothing and loses nothing."""
        search_in(FOLDERS)
        told = told_of(work)
        if self.right is None:
            assert not told
            stored = self._plain_stored()
            assert stored >= self.stored
            self.stored = stored
        return told

    def _plain_stored(self):
        store = open_store(self.path)
        if store is None:
            return set()
        points = store.points_along(sweep().axes)
        return {(points[row], block) for row, block in np.argwhere(store.stored).tolist()}

    # --- what happens to files ------------------------------------------------------------------------------

    @rule()
    def copy(self):
        self.copies = [*self.copies[-2:], self._files()]

    def _files(self):
        found = (path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)): path.read_bytes() for path in found}

    def _damaging(self):
        """Keep what is right before the first damage."""
        if self.right is None:
            self.right = self._files()

    def _chosen(self, number, names=None):
        names = sorted(names if names is not None else self._files())
        return names[number % len(names)] if names else None

    @precondition(lambda self: self.path.exists())
    @rule(one=any_file)
    def delete(self, one):
        self._damaging()
        if name := self._chosen(one):
            (self.path / name).unlink()

    @precondition(lambda self: self.path.exists())
    @rule(one=any_file, other=any_file, alike=st.booleans())
    def swap(self, one, other, alike):
        self._damaging()
        files = self._files()
        if first := self._chosen(one, files):
            folder = first.partition("/")[0]
            second = self._chosen(other, [name for name in files if name.startswith(folder) or not alike])
            (self.path / first).write_bytes(files[second])
            (self.path / second).write_bytes(files[first])

    @precondition(lambda self: self.path.exists())
    @rule(one=any_file, share=st.floats(0, 1, exclude_max=True))
    def truncate(self, one, share):
        self._damaging()
        if name := self._chosen(one):
            content = (self.path / name).read_bytes()
            (self.path / name).write_bytes(content[: int(share * len(content))])

    @precondition(lambda self: self.copies and self.path.exists())
    @rule(one=any_file, other=st.none() | any_file, which=any_file)
    def bring_back(self, one, other, which):
        self._damaging()
        older, now = self.copies[which % len(self.copies)], self._files()
        differing = [name for name in older if older[name] != now.get(name)]
        for number in (one, other):
            if differing and number is not None:
                name = self._chosen(number, differing)
                (self.path / name).parent.mkdir(exist_ok=True, parents=True)
                (self.path / name).write_bytes(older[name])

    # --- what mends it --------------------------------------------------------------------------------------

    @precondition(lambda self: self.right is not None)
    @rule()
    def restore(self):
        shutil.rmtree(self.path, ignore_errors=True)
        for name, content in self.right.items():
            (self.path / name).parent.mkdir(exist_ok=True, parents=True)
            (self.path / name).write_bytes(content)
        self.right = None
        assert self._plain_stored() == self.stored

    @precondition(lambda self: self.path.exists())
    @rule()
    def repair(self):
        said = io.StringIO()
        line = [
            "--config-dir",
            str(STUBS),
            "action=verify",
            f"path={self.path}",
            "verify.repair=true",
            "verify.sample=0",
        ]
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = exit_code([*line, "cluster=serial"])
        assert code in (COMPLETE, CONFIG_WRONG, BLOCKS_FAILED)
        assert "Traceback" not in said.getvalue()
        assert len(said.getvalue().splitlines()) == (code != COMPLETE), said.getvalue()
        if code == COMPLETE:
            read_all(self.path)
        else:
            assert self.right is not None, said.getvalue()

    # --- who reads ------------------------------------------------------------------------------------------

    @invariant()
    def numbers_are_true_or_refused(self):
        if self.path.exists():
            told = told_of(partial(read_all, self.path))
            assert not told or self.right is not None

    @precondition(lambda self: self.path.exists())
    @rule(name=st.sampled_from(["value", "path", "profile", "status"]), all_members=st.booleans())
    def read_one(self, name, all_members):
        def look():
            dataset = open_sweep(self.path, all_members=all_members)
            alone = dataset[name].load()  # before the others are
            assert_true(dataset.load())
            assert alone.equals(dataset[name])

        told = told_of(look)
        assert not told or self.right is not None


def _dying(step, work):
    with dying_at(step):
        work()


MANY = (250, 30) if "TORTURE_ROUNDS" in os.environ else (50, 25)
"""Examples and steps of each; more in `make torture`."""


@pytest.mark.timeout(14400)
@pytest.mark.parametrize(
    ("examples", "steps"), [(8, 15), pytest.param(*MANY, marks=pytest.mark.slow)], ids=["some", "thousands"]
)
def test_every_number_read_is_true_whatever_happened_to_the_store(examples, steps, small_tiles, tmp_path):
    run_state_machine_as_test(
        partial(AStore, tmp_path / "stores"),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=examples < 250,
            suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip
