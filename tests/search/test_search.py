"""Searches from the request to the store, the lines and the figure, with a system whose optimum is known."""

import json
import shutil

import numpy as np
import pytest

import pipeline
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.request import Space
from pipeline.request.sampling import Range
from pipeline.search.proposing import Goal, fitted, of_means, region
from pipeline.search.searching import _is_ridge
from pipeline.store import open_store
from tests.command import STUBS
from tests.contents import block_bytes
from tests.figures.drawings import assert_readable, legend_of, panels_of

STUB = ("--config-dir", str(STUBS), "system=stub_landscape")
POINTS = 24


def a_search(root, *overrides):
    """The arguments of a search of a and b."""
    return [
        *STUB,
        "axes={a: {start: 0.1, stop: 100, scale: log}, b: {start: 0, stop: 1}}",
        f"search={{of: cost, goal: min, points: {POINTS}}}",
        "ensemble.members=16",
        "store={name: found, block_members: 16}",
        f"store.root={root}",
        "figures.draw=[]",
        "cluster=serial",
        *overrides,
    ]


def record(root):
    """The only record of a search in the store."""
    (file,) = (root / "found.zarr" / "runs" / "searches").glob("*.json")
    return json.loads(file.read_text())


def contents(root):
    """All that a search decides: its record and the numbers."""
    return record(root), block_bytes(root / "found.zarr")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A search, ended: what it gave, and its folder."""
    root = tmp_path_factory.mktemp("undisturbed")
    _, folder, *overrides = a_search(root)
    return pipeline.run(*overrides, config_dir=folder), root


def test_a_search_finds_the_place_and_says_how_sure_it_is(undisturbed):
    found = pipeline.found(undisturbed[0])
    a, b = found.point["a"], found.point["b"]
    assert (abs(np.log10(a / 2)), abs(b - 0.4)) < (0.5, 0.5)
    truth = 1 + np.log10(a / 2) ** 2 + (b - 0.4) ** 2
    assert found.low <= truth <= found.high
    assert found.members == 16 * (POINTS // 5)
    assert 0 < found.share < 0.8
    nearest = min(found.region, key=lambda point: abs(np.log10(point[0] / 2)) / 3 + abs(point[1] - 0.4))
    assert abs(np.log10(nearest[0] / 2)) < 0.1
    assert abs(nearest[1] - 0.4) < 0.05


def test_its_rounds_cost_what_was_allowed_and_their_points_have_four_digits(undisturbed):
    told = record(undisturbed[1])
    kinds = [one["kind"] for one in told["rounds"]]
    assert kinds == ["start", "explore", "confirm"]
    assert sum(one["ensembles"] for one in told["rounds"]) == POINTS
    for one in told["rounds"]:
        assert all(float(f"{value:.4g}") == value for point in one["points"] for value in point)


def test_what_is_stored_is_not_computed_again_and_decides_the_same(undisturbed, main, tmp_path):
    before = contents(undisturbed[1])
    ended = main(a_search(undisturbed[1]))
    assert ended.code == COMPLETE
    assert "nothing to compute" in ended.out
    assert contents(undisturbed[1]) == before
    assert main(a_search(tmp_path)).code == COMPLETE
    assert contents(tmp_path) == before


def test_it_goes_on_with_a_larger_budget_and_not_with_a_smaller_one(undisturbed, main, tmp_path):
    assert main(a_search(tmp_path)).code == COMPLETE
    assert main(a_search(tmp_path, "search.points=30")).code == COMPLETE
    more = record(tmp_path)
    assert more["rounds"][:3] == record(undisturbed[1])["rounds"]
    assert [one["kind"] for one in more["rounds"][3:]] == ["explore", "confirm"]
    assert main(a_search(tmp_path, "search.points=24")).code == COMPLETE
    assert record(tmp_path) == more


def test_points_of_other_sweeps_in_the_store_are_known_from_the_start(main, tmp_path):
    grid = ["axes={a: {values: [0.5, 2, 8, 1000]}, b: {values: [0.2, 0.4]}}", "search=null"]
    assert main(a_search(tmp_path, *grid)).code == COMPLETE
    assert main(a_search(tmp_path)).code == COMPLETE
    told = record(tmp_path)
    assert told["before"] == [
        [[a, b], 16] for a in (0.5, 2.0, 8.0) for b in (0.2, 0.4)
    ]  # 1000 is out of the range


def test_status_and_explain_say_how_far_it_is_and_what_it_may_cost(undisturbed, main, tmp_path):
    fresh = main(a_search(tmp_path, "action=explain")).out
    assert f"this is round 1; then at most {POINTS - 16} ensembles" in fresh
    assert "has ended" in main(a_search(undisturbed[1], "action=explain")).out
    ended = main(a_search(undisturbed[1], "action=status"))
    assert ended.code == COMPLETE
    assert f"round 3, {POINTS} ensembles asked for; it has ended" in ended.out
    goes_on = main(a_search(undisturbed[1], "action=status", "search.points=40"))
    assert goes_on.code == INTERRUPTED
    assert "it goes on" in goes_on.out


def test_the_limit_holds_for_the_whole_search(main, tmp_path):
    for _ in range(2):  # the system says nothing of its work: that is measured by the first round, which is kept
        ended = main(a_search(tmp_path, "limits.core_hours=1e-12"))
        assert ended.code == CONFIG_WRONG
        assert "more at most" in ended.err
        assert len(block_bytes(tmp_path / "found.zarr")) == 16
    assert main(a_search(tmp_path)).code == COMPLETE


def test_other_code_is_no_part_of_an_answer(main, tmp_path, monkeypatch):
    """Stale points of a grid are not known at the start; a search that is computed again is concluded again."""
    folder, stub = tmp_path / "mine", STUBS / "stub_landscape.py"
    (folder / "system").mkdir(parents=True)
    text = (STUBS / "system" / "stub_landscape.yaml").read_text()
    (folder / "system" / "shifting.yaml").write_text(text.replace("stub_landscape", "shifting"))
    (folder / "shifting.py").write_text(stub.read_text())
    own = ["--config-dir", str(folder), "system=shifting"]
    arguments = [*own, *a_search(tmp_path)[len(STUB) :]]
    assert (
        main([*arguments, "axes={a: {values: [0.5, 2, 8]}, b: {values: [0.2, 0.4]}}", "search=null"]).code
        == COMPLETE
    )
    assert main(arguments).code == COMPLETE
    first = record(tmp_path)
    assert len(first["before"]) == 6
    (folder / "shifting.py").write_text(stub.read_text().replace("cost = 1 +", "cost = 5 +"))
    assert main([*arguments, "on_stale=recompute"]).code == COMPLETE
    assert record(tmp_path)["found"]["estimate"] == pytest.approx(first["found"]["estimate"] + 4)
    assert (
        main(
            [*arguments, "axes.b.stop=0.8", "store.name=other", "search=null", "axes.a.num=2", "axes.b.num=2"]
        ).code
        == COMPLETE
    )
    (folder / "shifting.py").write_text(stub.read_text())
    assert main([*arguments, "axes.b.stop=0.8", "store.name=other"]).code == COMPLETE
    (other,) = (tmp_path / "other.zarr" / "runs" / "searches").glob("*.json")
    assert json.loads(other.read_text())["before"] == []


@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1e6, 1e150])
def test_what_is_found_does_not_depend_on_the_unit(unit):
    numbers = [np.random.default_rng(k).gamma(2.5, (1 + (k - 7) ** 2) / 2.5, 16) for k in range(20)]
    space = Space({"x": Range(0.0, 19.0, logarithmic=False, step=None)})
    points, counts = [(float(k),) for k in range(20)], np.full(20, 16)
    regions = []
    for scaled in (numbers, [unit * row for row in numbers]):
        models = fitted(Goal("min"), space.places(points), of_means(scaled), 0 * counts, counts)
        regions.append(region(models, Goal("min"), space.places(space.candidates()), space.step, 0))
    assert (regions[0] == regions[1]).mean() > 0.99


def test_a_ridge_is_told_by_its_largest_part():
    line = np.array([(k, k + d) for k in np.arange(0, 0.6, 0.025) for d in (0, 0.025)])
    disc = np.array([p for p in np.ndindex(41, 41) if (p[0] - 20) ** 2 + (p[1] - 20) ** 2 < 40]) / 40
    aside, step = np.array([[0.9, 0.1]]), np.full(2, 0.025)
    assert _is_ridge(np.vstack([line, aside]), step)
    assert not _is_ridge(np.vstack([disc, aside]), step)


def test_a_record_is_that_of_its_own_search(undisturbed, main, tmp_path):
    shutil.copytree(undisturbed[1] / "found.zarr", tmp_path / "found.zarr")
    assert main(a_search(tmp_path, "search.goal=max")).code == COMPLETE
    one, other = (tmp_path / "found.zarr" / "runs" / "searches").glob("*.json")
    one_text, other_text = one.read_text(), other.read_text()
    one.write_text(other_text)
    other.write_text(one_text)
    ended = main(a_search(tmp_path))
    assert ended.code == BLOCKS_FAILED
    assert "expected the record of this search, got that of another" in ended.err


@pytest.mark.parametrize("damaged", ["runs/000001.json", "search"])
def test_a_record_that_cant_be_read_keeps_no_numbers_back(damaged, undisturbed, main, tmp_path):
    path = tmp_path / "found.zarr"
    shutil.copytree(undisturbed[1] / "found.zarr", path)
    (file,) = (path / "runs" / "searches").glob("*.json")
    (file if damaged == "search" else path / damaged).write_text("{")
    dataset = pipeline.open_sweep(path)
    assert "search" not in dataset.attrs
    assert bool((dataset["status"] > 0).any())
    assert main(a_search(tmp_path)).code == (BLOCKS_FAILED if damaged == "search" else COMPLETE)


def test_an_archive_holds_its_record(undisturbed, main, tmp_path):
    archive = tmp_path / "found.zarr.zip"
    assert main(["action=export", f"path={undisturbed[1] / 'found.zarr'}", f"to={archive}"]).code == COMPLETE
    assert pipeline.found(pipeline.open_sweep(archive)) == pipeline.found(undisturbed[0])


def test_a_merged_store_goes_on_where_the_search_was(undisturbed, main, tmp_path):
    source = f"source={undisturbed[1] / 'found.zarr'}"
    grid = ["search=null", "axes={a: {values: [0.5, 2]}, b: {values: [0.2]}}"]
    assert main(a_search(tmp_path, "action=merge", source, *grid)).code == COMPLETE
    assert record(tmp_path) == record(undisturbed[1])
    ended = main(a_search(tmp_path))
    assert ended.code == COMPLETE
    assert "nothing to compute" in ended.out


def test_a_merge_tells_records_that_cant_be_read_and_keeps_ours(undisturbed, main, tmp_path):
    shutil.copytree(undisturbed[1] / "found.zarr", tmp_path / "theirs.zarr")
    grid = ["search=null", "axes={a: {values: [0.5, 2]}, b: {values: [0.2]}}"]
    arguments = a_search(tmp_path, "action=merge", f"source={tmp_path / 'theirs.zarr'}", *grid)
    assert main(arguments).code == COMPLETE
    (file,) = (tmp_path / "theirs.zarr" / "runs" / "searches").glob("*.json")
    file.write_text("{")
    assert main(arguments).code == COMPLETE
    assert record(tmp_path) == record(undisturbed[1])
    ended = main([*arguments, "store.name=new"])
    assert ended.code == BLOCKS_FAILED
    assert f"searches/{file.name}" in ended.out + ended.err


def test_it_says_that_it_begins_anew_beside_another(undisturbed, main, tmp_path):
    shutil.copytree(undisturbed[1] / "found.zarr", tmp_path / "found.zarr")
    anew = "begins anew: the stored one for cost over a, b has other settings"
    assert anew in main(a_search(tmp_path, "search.goal=max")).out
    assert anew not in main(a_search(tmp_path, "search.goal=max", "search.points=30")).out


def test_figures_wait_for_its_end(undisturbed, main):
    ended = main(a_search(undisturbed[1], "action=figures", "figures.draw=null", "search.points=40"))
    assert ended.code == INTERRUPTED
    assert "the search goes on" in ended.err


def test_its_figure_shows_candidates_by_rounds_and_the_region(undisturbed):
    figure = pipeline.plot(undisturbed[0])
    assert_readable(figure)
    assert len(panels_of(figure)) == 2
    legend = legend_of(figure)
    for label in ("to start from", "where the optimum may be", "found", "value, by fresh members alone"):
        assert label in legend
    assert any(label.startswith("holds the optimum with 95 %") for label in legend)


def test_the_store_alone_draws_it_too(undisturbed, main, tmp_path):
    path = undisturbed[1] / "found.zarr"
    ended = main(
        [
            "action=figures",
            f"path={path}",
            "figures.draw=[default]",
            f"figures.folder={tmp_path}",
            "figures.format=[svg]",
        ]
    )
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "to start from" in next(tmp_path.glob("*.csv")).read_text()


def test_a_single_axis_and_one_of_whole_numbers(main, tmp_path):
    for name, axes in (
        ("one", "{a: {start: 0.1, stop: 100}}"),
        ("whole", "{n: {start: 1, stop: 20}, b: {start: 0, stop: 1}}"),
    ):
        ended = main(
            a_search(tmp_path, f"axes={axes}", f"store.name={name}", "figures.draw=null", "figures.format=[png]")
        )
        assert (ended.code, ended.err) == (COMPLETE, "")
    store = open_store(tmp_path / "whole.zarr")
    assert all(isinstance(n, int) for n, _ in store.points_along(("n", "b")))


def test_a_value_is_looked_for_by_its_target(main, tmp_path):
    ended = main(a_search(tmp_path, "~axes.b", "search.goal={target: 1.5}", "search.points=40"))
    assert ended.code == COMPLETE
    found = record(tmp_path)["found"]
    assert abs(1 + np.log10(found["point"]["a"] / 2) ** 2 - 1.5) < 0.2


def test_an_objective_of_ones_own_over_further_axes(main, tmp_path):
    ended = main(
        a_search(
            tmp_path,
            "axes={a: {start: 0.1, stop: 100}, c: {values: [0, 1, 2]}}",
            "search.of=stub_objectives:dearest",
            "search.within=[c]",
            "figures.draw=null",
            "figures.format=[png]",
        )
    )
    assert (ended.code, ended.err) == (COMPLETE, "")
    found = record(tmp_path)["found"]
    truth = 1.2 + np.log10(found["point"]["a"] / 2) ** 2
    assert found["low"] - 0.1 <= truth <= found["high"] + 0.1
    assert len(record(tmp_path)["judged"]) == len(
        {tuple(p) for one in record(tmp_path)["rounds"] for p in one["points"]}
    )


SCAN = (
    "axes={a: {start: 0.1, stop: 100}, c: {values: [0, 1]}, n: {values: [1, 20]}}",
    "search.of=stub_objectives:scanned",
    "search.within=[c,n]",
)


def test_an_objective_asks_for_further_points_of_its_candidate(main, tmp_path):
    ended = main(a_search(tmp_path, *SCAN, "figures.draw=null", "figures.format=[png]"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "points that its objective asks for" in ended.out
    told = record(tmp_path)
    for one in told["rounds"]:
        new = {tuple(point) for point in one["points"]} - {
            tuple(point) for other in told["rounds"][: told["rounds"].index(one)] for point in other["points"]
        }
        assert {(a, n) for a, c, n in map(tuple, one["further"])} == {(a, n) for (a,) in new for n in (6, 7, 8)}
    found = told["found"]
    assert abs(np.log10(found["point"]["a"] / 2)) < 0.5
    assert found["members"] == 64
    dataset = pipeline.open_sweep(tmp_path / "found.zarr", layout="points")
    confirmed = dataset.isel(point=np.isclose(dataset["a"], found["point"]["a"]))
    assert set(confirmed["n"].values.tolist()) == {1, 6, 7, 8, 20}
    assert (confirmed["status"] > 0).all()  # further points have all members of their candidate
    before = contents(tmp_path)
    again = main(a_search(tmp_path, *SCAN))
    assert again.code == COMPLETE
    assert "nothing to compute" in again.out
    assert contents(tmp_path) == before


def test_an_objective_that_asks_is_limited_too(main, tmp_path):
    ended = main(a_search(tmp_path, *SCAN, "limits.core_hours=1e-12"))
    assert ended.code == CONFIG_WRONG
    assert main(a_search(tmp_path, *SCAN)).code == COMPLETE


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("insatiable", "expected a value, as a=0."),
        ("astray", "astray asks for a point that can't be: axes.n: expected less than or equal to 20, got 99"),
        ("wanting", 'expected points with a value of c, n each, got {"a": 1, "c": 0}'),
    ],
)
def test_what_an_objective_asks_for_is_checked(name, told, main, tmp_path):
    ended = main(a_search(tmp_path, *SCAN, f"search.of=stub_objectives:{name}"))
    assert ended.code == CONFIG_WRONG
    assert told in ended.err


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["settings.mode=gone"], "no members count wherever it looked"),
        (["settings.mode=half"], "of the members diverge there, more than search.diverged"),
        (["settings.mode=flat"], "cost is least at"),
        (["settings.mode=flat", "search.of=cheap", "search.goal=max"], "cheap is greatest at"),
        (["ensemble.noise=common"], "by 64 fresh members"),
    ],
)
def test_nothing_that_members_do_breaks_it(overrides, told, main, tmp_path):
    ended = main(a_search(tmp_path, "figures.draw=null", "figures.format=[png]", *overrides))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert told in ended.out


def test_failed_blocks_end_a_run_and_are_tried_again(main, tmp_path):
    arguments = [*a_search(tmp_path, "settings.mode=raising"), "cluster=local", "cluster.workers=1"]
    arguments.remove("cluster=serial")
    ended = main(arguments)
    assert ended.code == BLOCKS_FAILED
    assert "this block always raises" in ended.out
    assert [one["kind"] for one in record(tmp_path)["rounds"]] == ["start"]
    assert main([*arguments, "action=status"]).code == BLOCKS_FAILED


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["search.of=price"], "search.of: expected a mean or a share"),
        (["search.of=median_cost"], "search.of: expected a mean or a share"),
        (["search.of=stub_objectives:none"], "search.of: expected a function none in"),
        (["search.of=no_such_module:f"], "search.of: expected a module here"),
        (["search.of=stub_objectives:mistaken"], "search.of: stub_objectives:mistaken: "),
        (["search.of=stub_objectives:endless"], "expected a finite value and its standard error"),
        (["search.within=[b]"], "search.within: expected search.of=module:function"),
        (["search.within=[q]"], "search.within[0]: expected one of the axes"),
        (["search.points=5"], "search.points: "),
        (["search.goal=best"], "search.goal: "),
        (["ensemble.members=2"], "ensemble.members: expected at least 4 for a search"),
        (["ensemble.precision={of: cost, half_width: 0.1}"], "ensemble.precision: expected null with a search"),
        (["sampling={method: latin_hypercube, points: 9}"], "sampling.method: expected product with a search"),
        (["axes={a: {values: [2]}}"], "axes.a: expected a range to search in"),
        (["axes={mode: {values: [bowl, flat]}}"], "axes.mode: expected numbers to sample between"),
        (["axes={}"], "axes: expected at least one that is searched"),
        (["sampling.points=9"], "sampling.points: expected null with a search; set search.points"),
        (["sampling.of=cost"], "sampling.of: expected null with product"),
    ],
)
def test_wrong_requests_are_told_in_a_line(overrides, fault, main, tmp_path):
    ended = main(a_search(tmp_path, *overrides))
    assert ended.code == CONFIG_WRONG
    assert any(fault in line for line in ended.err.splitlines())
    assert "Traceback" not in ended.err


def test_without_the_library_it_says_what_to_install(main, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.search.advancing._LIBRARY", "no_such_library")
    ended = main(a_search(tmp_path))
    assert ended.code == CONFIG_WRONG
    assert "pip install -e '.[search]'" in ended.err
    assert not (tmp_path / "found.zarr").exists()
