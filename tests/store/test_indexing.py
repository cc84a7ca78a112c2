"""Indexing of what `open_sweep` gives, against NumPy's: outer, slices of any step, booleans, transposed, empty,
chunked, pickled; with holes in the grid, members beyond those asked for, and blocks that wait beside filed ones."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.execution import compute_block
from pipeline.store import open_store, open_sweep, read_block
from tests.contents import fill
from tests.store.small import in_tiles_of, jobs_of, wanted

ETAS = "axes.eta.values"
NAMES = ("order_parameter", "final_error", "weight", "phase", "status")


@pytest.fixture(scope="module")
def path(sweep, tmp_path_factory):
    """A store of a 3 × 2 grid with holes, 13 and 5 of whose members were asked for, some blocks filed, some pending."""
    path = tmp_path_factory.mktemp("mixed") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        in_tiles_of(patch, 2, 1)
        fill(sweep("axes.T.values=[3,1]", f"{ETAS}=[2]", "ensemble.members=13"), path)
    fill(sweep("axes.T.values=[2]", f"{ETAS}=[2,1]", "ensemble.members=5"), path, file=False)
    more = sweep("axes.T.values=[1]", f"{ETAS}=[1,2]", "ensemble.members=13")
    wanted(path, more)
    compute_block(jobs_of(more, path)[0])
    found = open_store(path)
    assert found.stored.sum() == 4 + 2 + 1
    assert len(found.pending) == 3
    assert not found.stored.all()
    return path


@pytest.fixture(scope="module")
def truth(path):
    """What is shown, put together in memory: (name, layout, all members) → array."""
    store, points = open_store(path), open_store(path).points()

    def of(name, layout, all_members):
        sizes = store.layout.arrays[name].sizes[2:]
        fill_value = 0 if name == "status" else np.nan
        members = store.layout.members if all_members else int(store.asked.max())
        by_point = {}
        for row, point in enumerate(points):
            numbers = np.full((store.layout.members, *sizes), fill_value, "u1" if name == "status" else "f8")
            for block in np.flatnonzero(store.stored[row]):
                numbers[8 * block : 8 * block + 8] = read_block(store, row, int(block))[name]
            if not all_members:
                numbers[store.asked[row] :] = fill_value
            by_point[point] = numbers[:members]
        if layout == "points":
            return np.stack([by_point[point] for point in sorted(points)])
        hole = np.full_like(by_point[points[0]], fill_value)
        return np.stack([[by_point.get((T, eta), hole) for eta in (1.0, 2.0)] for T in (1.0, 2.0, 3.0)])

    return {(name, layout, every): of(name, layout, every)
            for name in NAMES for layout in ("grid", "points") for every in (False, True)}  # fmt: skip


def an_index(size):
    """One index of a dimension: a number, a slice of any step, booleans, or numbers in any order, none among them."""
    number = st.integers(-size, size - 1)
    several = st.one_of(
        st.slices(size),
        st.just(slice(None, None, -1)),
        st.lists(st.booleans(), min_size=size, max_size=size).map(lambda chosen: np.array(chosen, dtype=bool)),
    )
    if not size:
        return several
    return st.one_of(
        number, several, st.lists(number, max_size=2 * size).map(lambda them: np.array(them, dtype=int))
    )


def outer(values, indices):
    """Outer indexing of an array, one dimension after the other."""
    for axis, index in reversed(list(enumerate(indices))):
        values = values[(slice(None),) * axis + (index,)]
    return values


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
@pytest.mark.parametrize("chunks", [None, {}, {"member": 3}])
@pytest.mark.parametrize("layout", ["grid", "points"])
def test_a_dataset_is_indexed_as_an_array_of_numpy_is(layout, chunks, path, truth, data):
    name, all_members = data.draw(st.sampled_from(NAMES)), data.draw(st.booleans())
    lazy = open_sweep(path, chunks, layout, all_members)[name]
    whole = truth[name, layout, all_members]
    assert lazy.shape == whole.shape
    for _ in range(data.draw(st.integers(1, 3))):  # a selection, and one of the selection
        order = data.draw(st.permutations(range(whole.ndim)))
        lazy, whole = lazy.transpose(*(lazy.dims[axis] for axis in order)), whole.transpose(order)
        indices = [data.draw(an_index(size)) for size in whole.shape]
        lazy, whole = lazy.isel(dict(zip(lazy.dims, indices, strict=True))), outer(whole, indices)
    if data.draw(st.booleans()):
        lazy = pickle.loads(pickle.dumps(lazy))
    assert lazy.dtype == whole.dtype
    assert lazy.shape == whole.shape
    assert lazy.values.tobytes() == whole.tobytes()


@pytest.mark.parametrize("chunks", [None, {}])
def test_single_numbers_of_a_dataset_are_those_of_numpy(chunks, path, truth):
    lazy, whole = open_sweep(path, chunks, "grid"), truth["weight", "grid", False]
    for where in ((0, 0, 0, 0), (2, 1, 4, -1), (-2, 0, 12, 3), (1, 1, -13, 7)):
        picked = lazy["weight"].isel(dict(zip(lazy["weight"].dims, where, strict=True)))
        assert picked.shape == ()
        assert picked.values.tobytes() == whole[where].tobytes()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
@pytest.mark.parametrize("chunks", [None, {}])
def test_single_points_of_a_dataset_are_picked_as_numpy_picks_them(chunks, path, truth, data):
    lazy, whole = open_sweep(path, chunks, "grid")["order_parameter"], truth["order_parameter", "grid", False]
    count = data.draw(st.integers(0, 5))
    picks = [data.draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count))
             for size in whole.shape[:3]]  # fmt: skip
    T, eta, member = (np.array(pick, dtype=int) for pick in picks)
    picked = lazy.isel(T=("pick", T), eta=("pick", eta), member=("pick", member)).transpose("pick", "iteration")
    assert picked.values.tobytes() == whole[T, eta, member].tobytes()


def test_what_is_selected_by_value_is_what_was_computed_for_it(path):
    store, grid = open_store(path), open_sweep(path)
    for row, (T, eta) in enumerate(store.points()):
        for block in np.flatnonzero(store.stored[row]).tolist():
            asked = int(store.asked[row]) - 8 * block
            members = slice(8 * block, 8 * block + min(8, asked))
            for name, numbers in read_block(store, row, block).items():
                seen = grid[name].sel(T=T, eta=eta).isel(member=members)
                assert seen.values.tobytes() == numbers[: min(8, asked)].tobytes()
