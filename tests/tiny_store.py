"""A store of a system that computes at once: how it is made, grown and looked at, and the truth about its numbers."""

import contextlib
import functools
import itertools
import shutil

import numpy as np
import pytest

from pipeline import __main__ as command_line
from pipeline import figures
from pipeline.actions import requested
from pipeline.errors import Damaged, RequestError
from pipeline.plan import Execution, make_plan, requested_part
from pipeline.request import Needs, Origin, define
from pipeline.store import ask, filing, layout, only_driver, open_sweep, opening, prepare, write_block
from pipeline.systems import compute_members, search_in
from tests.command import STUBS

SMALL = ("axes.T.values=[10,5]", "axes.n.values=[2,3]", "axes.mode.values=[up]", "ensemble.members=4")
MORE_POINTS = (*SMALL, "axes.T.values=[10,5,20]")
MORE_MEMBERS = (*SMALL, "ensemble.members=7")
LARGE = (*MORE_POINTS, "ensemble.members=7", "axes.mode.values=[up,down]")
FOLDERS = (str(STUBS),)
FIGURE = "every_number"
SETTINGS = {"iterations": 3}
SEED, RECORDS, MOST = 1, 3, 12
"""The seed; recorded iterations; members whose truth is known."""


def arguments(root, *overrides):
    """A command line for the small store in a folder."""
    return [
        "--config-dir", str(STUBS), "system=stub_tiny", "store.name=tiny", f"store.root={root}", "cluster=serial",
        "store.block_members=2", f"store.records={RECORDS}", *SMALL, *overrides,
    ]  # fmt: skip


@functools.cache
def sweep(*overrides):
    """A sweep of the system that computes at once."""
    return define(requested(Origin("python -m pipeline", tuple(arguments("nowhere", *overrides)[2:]), STUBS)))


def fill(path, *overrides, most=None, file=True):
    """Compute what a store lacks of a sweep, or some blocks of that; how many were computed."""
    return fill_with(sweep(*overrides), path, most, file)


def fill_with(asked, path, most=None, file=True):
    """Compute what a store lacks of a sweep, or some blocks of that; how many were computed."""
    done = 0
    search_in(FOLDERS)
    with only_driver(path) as lock:
        store = prepare(path, asked, lock)
        with filing(store, lock) if file else contextlib.nullcontext() as files:
            plan = make_plan(asked, path, store, "keep")
            ask(store, plan.rows, plan.members)
            for job in itertools.islice(plan.jobs(Execution(FOLDERS)), most):
                write_block(job.location, job.made(0.0), job.values())
                if files is not None:
                    files.arrived(int(plan.rows[job.k]), job.block)
                done += 1
    return done


@pytest.fixture(scope="module")
def small_tiles():
    """Stores whose files hold few points and blocks, so that a small one has several files an array."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "_tile", lambda points, block_bytes: (2, 2))
        patch.setattr(layout, "_POINTS_A_CHUNK", 3)
        patch.setattr(opening, "_WAIT_SECONDS", 0)  # who holds the lock, as a run does, looks at faults again
        yield


@pytest.fixture
def drawn(monkeypatch):
    """A figure that reads every number and compares it with the truth; what it was shown, figure by figure."""
    shown = []

    def draw(plan, wanted, suffix, command):
        dataset = requested_part(plan).load()
        assert_true(dataset)
        shown.append(dataset)
        return []

    monkeypatch.setattr(figures, "known", lambda: {FIGURE: Needs(("T", "n", "mode"))})
    monkeypatch.setattr(figures, "draw", draw)
    monkeypatch.setattr(command_line, "requested", functools.lru_cache(None)(requested))  # composed once each
    return shown


# --- the truth ----------------------------------------------------------------------------------------------


@functools.cache
def truth(T, n, mode):
    """Every number of a point: variable → (member, …)."""
    search_in(FOLDERS)
    some = sweep()
    point = tuple({"T": T, "n": n, "mode": mode}[axis] for axis in some.axes)
    found = compute_members("stub_tiny", some.settings_at(point), some.seed_at(point), np.arange(MOST), RECORDS)
    return {name: found[name] for name in ("value", "path", "profile", "status")}


def assert_true(dataset):
    """Assert that every number of a loaded Dataset is the one computed for its name, or NaN with status 0."""
    flat = dataset.stack(row=("T", "n", "mode")) if "point" not in dataset.dims else dataset.rename(point="row")
    names = zip(*(flat[axis].values.tolist() for axis in ("T", "n", "mode")), strict=True)
    flat = flat.transpose("row", "member", "iteration", "site")
    members = flat["member"].values
    for k, (T, n, mode) in enumerate(names):
        true, status = truth(T, n, mode), flat["status"].values[k]
        there = status != 0
        assert (status[there] == true["status"][members[there]]).all(), (T, n, mode)
        for name in ("value", "path", "profile"):
            numbers, right = flat[name].values[k], true[name][members]
            filled = np.full(numbers.shape, np.nan)
            filled[tuple(map(slice, right.shape))] = right
            assert np.isnan(numbers[~there]).all(), (name, T, n, mode)
            assert np.array_equal(numbers[there], filled[there], equal_nan=True), (name, T, n, mode)
        if there.any():
            at = flat["site_at"].transpose("row", "site").values[k]
            assert at[:n].tolist() == [0.5, 1.5, 2.5][:n]
            assert np.isnan(at[n:]).all()
    assert dataset["iteration"].values.tolist() == [0, 1, 2]


# --- ways to look at it ------------------------------------------------------------------------------------


def read_all(path):
    """Every number, through `open_sweep`, whole and variable by variable; each is compared with the truth."""
    dataset = open_sweep(path).load()
    assert_true(dataset)
    return dataset


def told_of(look):
    """What a look that is refused says; empty if it is not. A refusal is one of ours, of one line each fault."""
    try:
        look()
    except Damaged as damage:
        told = [str(damage)]
    except RequestError as error:
        told = error.faults
    else:
        return ""
    assert told
    assert all(line and "\n" not in line for line in told)
    return "\n".join(told)


def copied(source, target):
    """A copy of a store, in place of what is there."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
    return shutil.copytree(source, target, symlinks=True)
