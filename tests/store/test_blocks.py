"""Blocks on their way into a store: they come back bit for bit, and a file that does not check is as good as absent."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import COMPLETE, Damaged
from pipeline.execution import compute_block
from pipeline.request import define
from pipeline.store import is_pending, open_store, open_sweep, read_block
from tests.command import elsewhere
from tests.contents import assert_same_values, digests, fill, stored_blocks
from tests.dying import count_steps, dying_at
from tests.store.small import LARGE, SMALL, constant, file_all, hand_in, jobs_of, shapes, wanted

few_examples = settings(max_examples=5, deadline=None, derandomize=True)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308])


def any_numbers(store, seed):
    """Numbers of a block, many of them special."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(1, 3, shape).astype("u1")
        if name == "status"
        else np.where(rng.random(shape) < 0.3, rng.choice(SPECIAL, shape), rng.normal(size=shape))
        for name, shape in shapes(store).items()
    }


@few_examples
@given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.integers(0, 1))
def test_a_block_comes_back_bit_for_bit_before_and_after_it_is_filed(sweep, tmp_path_factory, seed, row, block):
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    store = wanted(path, sweep(*LARGE))
    written = any_numbers(store, seed)
    hand_in(store, row, block, written)
    assert is_pending(store.location, int(store.ids[row]), block, code=7)
    assert not is_pending(store.location, int(store.ids[row]), block, code=8)
    for wait in (True, False):
        if not wait:
            file_all(path)
        found = open_store(path)
        assert np.argwhere(found.stored).tolist() == [[row, block]]
        assert bool(found.pending) == wait
        assert (found.books["code"][row, block], found.books["seconds"][row, block]) == (7, 0.5)
        read = read_block(found, row, block)
        assert {name: array.tobytes() for name, array in read.items()} == {
            name: array.tobytes() for name, array in written.items()
        }
    plain, members = zarr.open_group(path, mode="r", use_consolidated=False), slice(8 * block, 8 * block + 8)
    for name, numbers in written.items():
        assert plain[name][row, members].tobytes() == numbers.tobytes(), name
    assert np.count_nonzero(plain["status"]) == 8
    assert np.count_nonzero(plain["digest"]) == 1


def test_the_smallest_block_of_zeros_counts_as_stored(sweep, tmp_path):
    path = tmp_path / "a.zarr"
    store = wanted(path, sweep(*SMALL))
    hand_in(store, 0, 0, constant(store, 0))
    for _ in range(2):
        assert stored_blocks(path) == {((1.0,), 0)}
        assert (read_block(open_store(path), 0, 0)["final_error"] == 0.0).all()
        file_all(path)


def test_a_writer_that_dies_at_any_write_leaves_a_block_that_does_not_count(sweep, copy_of, templates):
    small = sweep(*SMALL)
    path = copy_of("empty")
    steps = count_steps(lambda: compute_block(jobs_of(small, path)[0]))
    assert steps >= 2
    for step in range(steps):
        path = copy_of("empty")
        with dying_at(step) as taken:
            compute_block(jobs_of(small, path)[0])
        assert len(taken) > step
        assert stored_blocks(path) == set()
        assert len(fill(small, path)) == 2
        assert_same_values(path, templates / "small")


# --- files that do not check ----------------------------------------------------------------------------------


def cut_in_half(content):
    return content[: len(content) // 2]


def cut_by_a_byte(content):
    return content[:-1]


def emptied(content):
    return b""


def flipped_at(place):
    def flipped(content):
        k = int(place * (len(content) - 1))
        return content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :]

    flipped.__name__ = f"flipped_at_{place}"
    return flipped


HARMS = [cut_in_half, cut_by_a_byte, emptied, *(flipped_at(place) for place in (0, 0.02, 0.3, 0.6, 0.9, 1))]


@pytest.mark.parametrize("harm", HARMS)
def test_a_pending_file_that_is_harmed_is_never_read_and_computed_again(harm, copy_of, templates, configure, main):
    config = configure(copy_of("empty", "kuramoto_T.zarr").parent, *SMALL)
    path = config.store.path
    fill(define(config), path, file=False)
    harmed = min((path / "pending").glob("*-0"))
    harmed.write_bytes(harm(harmed.read_bytes()))
    (T,) = [T for (T,), row in zip([(1.0,), (2.0,)], open_store(path).ids, strict=True)
            if harmed.name.startswith(f"{row:016x}")]  # fmt: skip
    seen = open_sweep(path)
    for name in seen.data_vars:
        assert_same_or_refused(seen[name], open_sweep(templates / "small")[name], T)
    assert main(elsewhere(path.parent, *SMALL, "cluster=serial")).code == COMPLETE
    assert_same_values(path, templates / "small")
    assert list((path / "pending").glob("*-0")) == []


def assert_same_or_refused(seen, true, T):
    """Assert that numbers are those that are true, or, of one point, not there, or refused by the name of the file."""
    other = 3.0 - T
    assert seen.sel(T=other).identical(true.sel(T=other).assign_attrs(seen.attrs))
    try:
        values = seen.sel(T=T).values
    except Damaged as damage:
        refused = str(damage)
    else:
        refused = ""
    if refused:
        assert "pending/" in refused
        return
    absent = (values == 0).all() if seen.name == "status" else np.isnan(values).all()
    assert absent or values.tobytes() == true.sel(T=T).values.tobytes()


@pytest.mark.parametrize("name", ["notes.txt", "0123456789abcdef-0", "0123456789abcdef-0.0123456789abcdef.part"])
def test_files_of_others_among_the_pending_ones_are_left_out(name, copy_of, templates, sweep):
    path = copy_of("empty")
    fill(sweep(*SMALL), path, file=False)
    (path / "pending" / name).write_bytes(b"mine")
    assert digests(path) == digests(templates / "small")
    file_all(path)
    assert_same_values(path, templates / "small")
    assert (path / "pending" / name).read_bytes() == b"mine"


def test_a_block_of_another_point_or_number_does_not_count(copy_of, sweep):
    path = copy_of("empty")
    fill(sweep(*SMALL), path, file=False)
    first, second = sorted((path / "pending").glob("*-0"))
    first.replace(second)
    assert stored_blocks(path) == set()
    second.rename(second.with_name(second.name.replace("-0", "-1")))
    assert stored_blocks(path) == set()
