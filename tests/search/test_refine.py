"""Refinement: points go where an estimate changes or curves, and nowhere twice."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.request import Space
from pipeline.request.sampling import Range
from pipeline.search.refining import refined
from tests.contents import block_bytes
from tests.figures.drawings import assert_readable, legend_of
from tests.search.test_search import STUB

LINE = Space({"x": Range(0.0, 1.0, logarithmic=False, step=None)})
SQUARE = Space({name: Range(0.0, 1.0, logarithmic=False, step=None) for name in "xy"})


def refine(space, points, function, count, error=1e-3, resolution=0.0):
    """Points and as many more, one round of four after the other."""
    points = list(points)
    while count > 0:
        places = space.places(points)
        new = refined(space, points, function(places), np.full(len(points), error), min(4, count), resolution)
        if not new:
            break
        points, count = points + new, count - len(new)
    return points


def grid(side):
    return [(float(x), float(y)) for x in np.linspace(0, 1, side) for y in np.linspace(0, 1, side)]


def step(places):
    return 1 / (1 + np.exp(-(places[:, 0] - 0.37) / 0.01))


def test_points_go_where_a_line_rises():
    points = np.array(refine(LINE, [(x,) for x in np.linspace(0, 1, 6)], step, 16))[:, 0]
    assert ((points > 0.3) & (points < 0.45)).sum() >= 10


def test_points_go_where_a_line_bends():
    bent = lambda places: np.abs(places[:, 0] - 0.62)  # noqa: E731
    points = np.array(refine(LINE, [(x,) for x in np.linspace(0, 1, 6)], bent, 12))[:, 0]
    points = np.sort(points)
    around = np.searchsorted(points, 0.62)
    assert points[around] - points[around - 1] <= np.diff(points).max() / 2


def test_a_line_is_read_better_than_from_as_many_even_points():
    fine = np.linspace(0, 1, 2001)
    points = np.sort(np.array(refine(LINE, [(x,) for x in np.linspace(0, 1, 6)], step, 10))[:, 0])
    errors = [
        np.abs(np.interp(fine, at, step(at[:, None])) - step(fine[:, None])).max()
        for at in (points, np.linspace(0, 1, len(points)))
    ]
    assert errors[0] < errors[1] / 2


def test_points_go_along_a_front_in_two_axes():
    front = lambda places: 1 / (1 + np.exp(-(places.sum(axis=1) - 0.9) / 0.02))  # noqa: E731
    points = np.array(refine(SQUARE, grid(4), front, 40))[16:]
    assert (np.abs(points.sum(axis=1) - 0.9) < 0.15).mean() > 0.7


def test_what_may_be_noise_gets_no_more_than_its_length():
    noise = lambda places: 0.1 * np.sin(1e4 * places[:, 0])  # noqa: E731
    points = np.sort(np.array(refine(LINE, [(x,) for x in np.linspace(0, 1, 6)], noise, 11, error=0.2))[:, 0])
    assert np.diff(points).max() < 0.15


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    values=st.sampled_from(["random", "equal", "unknown"]),
    space=st.sampled_from([LINE, SQUARE]),
    resolution=st.sampled_from([0.0, 0.1]),
)
def test_points_are_new_and_keep_the_resolution(seed, values, space, resolution):
    random = np.random.default_rng(seed)
    start = [(0.0,), (0.5,), (1.0,)] if space is LINE else grid(3)
    numbers = {
        "random": lambda places: random.standard_normal(len(places)),
        "equal": lambda places: np.ones(len(places)),
        "unknown": lambda places: np.full(len(places), np.nan),
    }[values]
    points = refine(space, start, numbers, 12, resolution=resolution)
    assert len(set(points)) == len(points)
    if resolution and space is LINE:
        assert np.diff(np.sort(np.array(points)[:, 0])).min() >= resolution / 2


def a_refinement(root, *overrides):
    """The arguments of a refinement of b."""
    return [
        *STUB,
        "axes={b: {start: 0, stop: 1, num: 4}}",
        "sampling={method: refine, of: cost, points: 10}",
        "ensemble.members=16",
        "store={name: refined, block_members: 16}",
        f"store.root={root}",
        "figures.draw=[]",
        "cluster=serial",
        *overrides,
    ]


def test_a_refinement_goes_on_from_what_is_stored(main, tmp_path):
    for root, budgets in ((tmp_path / "a", [10]), (tmp_path / "b", [7, 10])):
        for points in budgets:
            assert main(a_refinement(root, f"sampling.points={points}")).code == COMPLETE
    one, other = (block_bytes(root / "refined.zarr") for root in (tmp_path / "a", tmp_path / "b"))
    assert len(one) == len(other) == 10
    assert main(a_refinement(tmp_path / "a", "action=status")).code == COMPLETE


def test_a_resolution_ends_it(main, tmp_path):
    arguments = a_refinement(tmp_path, "sampling.points=null", "sampling.resolution=0.2")
    assert main(arguments).code == COMPLETE
    assert "it has ended" in main([*arguments, "action=status"]).out
    finer = [*arguments, "sampling.resolution=0.1"]
    assert main(finer).code == COMPLETE
    assert len(block_bytes(tmp_path / "refined.zarr")) > 7


def test_a_narrow_range_far_from_zero_is_refined(main, tmp_path):
    assert main(a_refinement(tmp_path, "axes.b.start=1000", "axes.b.stop=1001")).code == COMPLETE
    assert len(block_bytes(tmp_path / "refined.zarr")) == 10


def test_its_figure_tells_what_was_added(tmp_path):
    _, folder, *overrides = a_refinement(tmp_path)
    dataset = pipeline.run(*overrides, config_dir=folder)
    assert json.loads(dataset.attrs["search"])["rounds"][1]["kind"] == "refine"
    figure = pipeline.plot(dataset)
    assert_readable(figure)
    assert {"to start from", "added where it changes most"} <= set(legend_of(figure))


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["sampling.of=null"], "sampling.of: missing"),
        (["sampling.of=price"], "sampling.of: expected a mean or a share"),
        (["sampling.points=null"], "sampling.points: missing"),
        (["sampling.points=3"], "sampling.points: expected more than the 4 of the coarse grid, got 3"),
        (["axes.b.num=null"], "axes.b.num: missing"),
        (
            ["axes={a: {start: 1, stop: 2, num: 2}, b: {start: 0, stop: 1, num: 2}, n: {values: [1, 2]}}"],
            "axes: expected one or two",
        ),
        (["axes={mode: {values: [bowl, flat]}}"], "axes.mode: expected numbers"),
        (["sampling.resolution=2"], "sampling.resolution: "),
    ],
)
def test_wrong_refinements_are_told_in_a_line(overrides, fault, main, tmp_path):
    ended = main(a_refinement(tmp_path, *overrides))
    assert ended.code == CONFIG_WRONG
    assert any(fault in line for line in ended.err.splitlines())
