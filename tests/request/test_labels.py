"""Axes whose values are labels: strings, lists and booleans, beside numbers."""

import pytest

import pipeline
from pipeline.actions import requested
from pipeline.errors import RequestError
from pipeline.request import Origin, define, label_of, point_seed
from pipeline.store import open_store, open_sweep
from tests.contents import digests, fill, prepared
from tests.systems.own import MODEL

ERRORS = "axes.error.values=[square,absolute]"
VOWELS, DIGITS = "data/patterns/vowels.txt", "data/patterns/digits.txt"
TEXT = "expected text in UTF-8, numbers, booleans or lists of them"
HYPERCUBE = ("sampling.method=latin_hypercube", "sampling.points=4", "axes.eta.values=[1,2]")
TYPES = """
    mode: str = "slow"
    flag: bool = False
    sizes: list[int] = []
    order: Literal[1, 2, 4] = 1
    most: int | None = None
    any_of: str | bool | int | None = None
    anything: Any = 0
"""


@pytest.fixture
def network(tmp_path):
    """A sweep of networks from overrides, and the path of its store."""
    few = ("settings.iterations=10", "ensemble.members=8", "store.block_members=8", "figures.draw=[]")

    def asked(*overrides):
        base = ("+sweep=network_evolution", f"store.root={tmp_path}", *few)
        config = requested(Origin("", (*base, *overrides), None))
        return define(config), config.store.path

    return asked


@pytest.fixture
def model(own, tmp_path):
    """A sweep of a small system whose settings have many types, and the path of its store."""
    own.put(
        "model.py", "from typing import Any, Literal\n" + MODEL.replace("    a: float\n", f"    a: float{TYPES}")
    )
    own.put("system/model.yaml", "# @package _global_\nsystem: model\nsettings: {a: 1.0, steps: 2}\n")
    few = ("store.name=own", "ensemble.members=4", "store.block_members=2")

    def asked(*overrides):
        config = requested(Origin("", ("system=model", f"store.root={tmp_path}", *few, *overrides), own.folder))
        return define(config), config.store.path

    return asked


# --- points -------------------------------------------------------------------------------------------------


def test_strings_are_points_in_the_order_asked_for(network):
    sweep, _ = network(ERRORS, "axes.eta.values=[2,1]")
    assert sweep.points == (("square", 2.0), ("square", 1.0), ("absolute", 2.0), ("absolute", 1.0))
    assert [sweep.settings_at(point)["error"] for point in sweep.points] == ["square"] * 2 + ["absolute"] * 2
    assert sweep.named(sweep.points[1]) == "error=square, eta=1"


def test_lists_are_points_as_their_bounds_give_them_back(network):
    sweep, _ = network(f"axes.patterns.values=[[{VOWELS}],[{VOWELS},{DIGITS}]]")
    vowels, all_patterns = (sweep.settings_at(point)["patterns"] for point in sweep.points)
    assert (len(vowels), len(all_patterns)) == (5, 15)
    assert all_patterns[:5] == vowels
    assert isinstance(vowels, list)
    assert vowels[0].startswith("A\n")
    assert "patterns" not in sweep.settings


def test_booleans_and_nested_values_are_points(model):
    sweep, _ = model("axes.flag.values=[true,false]", "axes.sizes.values=[[2,1],[]]")
    assert sweep.points == ((True, (2, 1)), (True, ()), (False, (2, 1)), (False, ()))
    assert sweep.settings_at(sweep.points[0]) | {"a": 0} == {
        "a": 0, "mode": "slow", "flag": True, "sizes": [2, 1], "order": 1, "most": None, "any_of": None,
        "anything": 0, "steps": 2,
    }  # fmt: skip
    assert sweep.named(sweep.points[0]) == "flag=true, sizes=[2, 1]"


def test_labels_are_zipped_with_numbers(network):
    sweep, _ = network(ERRORS, "axes.eta.values=[2,1]", "sampling.method=zip")
    assert sweep.points == (("square", 2.0), ("absolute", 1.0))


def test_an_axis_of_labels_is_thinned_as_one_of_numbers(model):
    sweep, _ = model("axes.mode.values=[a,b,c,d,e]", "sampling.points=3")
    assert sweep.points == (("a",), ("c",), ("e",))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((ERRORS, *HYPERCUBE), "axes.error: expected numbers to sample between, got labels"),
        (("axes.error.values=[square,square]",), "axes.error: 'square' appears twice; expected distinct values"),
        (
            ("axes.error.values=[square,cubic]",),
            "axes.error.values[1]: expected 'square' or 'absolute', got 'cubic'",
        ),
        (("axes.error.values=[square,null]",), "axes.error.values[1]: expected 'square' or 'absolute', got null"),
        (
            (f"axes.patterns.values=[[{VOWELS}],[{VOWELS}]]",),
            f'axes.patterns: ["{VOWELS}"] appears twice; expected distinct values',
        ),
        (
            (f"axes.patterns.values=[[{VOWELS}],[./{VOWELS}]]",),
            "axes: the same combination of values appears twice; expected distinct points",
        ),
        (
            (ERRORS.replace("absolute", "square"), "axes.eta.values=[1,1]", "sampling.method=zip"),
            "axes: the same combination of values appears twice; expected distinct points",
        ),
        (
            ("axes.delay.values=[9223372036854775808]",),
            "axes.delay.values[0]: expected less than or equal to 1000000000, got 9223372036854775808",
        ),
        ((f"axes.patterns.values=[{VOWELS}]",), f"axes.patterns.values[0]: expected a list, got '{VOWELS}'"),
    ],
)
def test_labels_that_can_not_be_swept_are_refused(network, overrides, said):
    with pytest.raises(RequestError) as refused:
        network(*overrides)
    assert refused.value.faults == [said]


@pytest.mark.parametrize("value", ["{a: 1}", "[1, {a: 1}]", "'\udcff'", "[[a, '\udcff']]"])
def test_values_that_no_label_stands_for_are_refused(model, value):
    with pytest.raises(RequestError, match=f"axes.anything: {TEXT}, got "):
        model(f"axes.anything.values=[{value}]")


@pytest.mark.parametrize("pair", ["'true',true", "'1',1", "'null',null"])
def test_labels_that_are_the_same_as_text_are_refused(model, pair):
    with pytest.raises(RequestError, match="twice"):
        model(f"axes.any_of.values=[{pair}]")


# --- seeds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "swept", "seed"),
    [
        (1, {}, 18232024504446223411),
        (1, {"T": 10.0}, 8220136436197037627),
        (2**64 - 1, {"delay": 5, "eta": 0.3}, 9510906904843156468),
        (1, {"eta": 3.0, "T": 5.0}, 11335586854351194279),
        (7, {"delay": -3}, 13745501064778316713),
        (0, {"sigma": 0.0, "T": 200.0, "delay": 2**62}, 16536836913012025349),
        (12, {"a": -1.5e-300}, 8812001820077497677),
        (1, {"eta": 1e300, "delay": 1}, 3870366530076695829),
    ],
)
def test_seeds_of_numbers_are_those_from_before_there_were_labels(root, swept, seed):
    assert point_seed(root, swept) == seed


def test_seeds_of_labels_never_change_between_versions():
    assert point_seed(1, {"error": "square"}) == 3023037918748105866
    assert point_seed(1, {"flag": True, "sizes": (2, 1), "eta": 0.5}) == 4299154380919130341


def test_seeds_differ_between_labels_and_from_those_of_numbers():
    labels = [
        "",
        "a",
        "b",
        "ab",
        "ä",
        "True",
        True,
        False,
        None,
        (),
        (1,),
        (1, 2),
        ((1,), 2),
        ("1",),
        1,
        0,
        1.0,
        2.5,
    ]
    seeds = [point_seed(1, {"a": label}) for label in labels]
    assert len(set(seeds)) == len(labels)
    assert point_seed(1, {"a": "b", "c": "d"}) != point_seed(1, {"a": "bc", "": "d"})


def test_seeds_do_not_depend_on_the_order_of_axes_with_labels(network):
    axes = (ERRORS, "axes.eta.values=[2,1]", "axes.delay.values=[3]")
    seeds = []
    for order in (axes, axes[::-1]):
        sweep, _ = network(*order)
        seeds.append(
            {frozenset(zip(sweep.axes, point, strict=True)): sweep.seed_at(point) for point in sweep.points}
        )
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0].values())) == 4


def test_a_labelled_axis_leaves_seeds_of_other_sweeps_as_they_are(network):
    sweep, _ = network("axes.eta.values=[2,1]")
    assert [sweep.seed_at(point) for point in sweep.points] == [point_seed(1, {"eta": eta}) for eta in (2.0, 1.0)]


# --- stores -------------------------------------------------------------------------------------------------


def test_a_swept_setting_with_the_name_of_a_variable_opens_as_another_coordinate(network):
    sweep, path = network(ERRORS, "axes.eta.values=[2,1]")
    prepared(sweep, path)
    dataset = open_sweep(path)
    assert dataset["error"].dims == ("error_setting", "eta", "member", "iteration")
    assert dataset["error_setting"].values.tolist() == ["absolute", "square"]
    assert (dataset["status"] == 0).all()
    assert open_store(path).rows_of(sweep).tolist() == [0, 1, 2, 3]


SWEPT = [
    ("mode", "[b,'','a b','ü/x']", ["", "a b", "b", "ü/x"]),
    ("flag", "[true,false]", ["false", "true"]),
    ("sizes", "[[2,1],[],[1]]", ["[1]", "[2, 1]", "[]"]),
    ("order", "[4,1,2]", ["1", "2", "4"]),
    ("most", "[3,null]", ["3", "null"]),
    ("any_of", "[a,true,2,null]", ["2", "a", "null", "true"]),
]


@pytest.mark.parametrize(("axis", "values", "opened"), SWEPT, ids=[axis for axis, *_ in SWEPT])
def test_what_is_stored_opens_under_the_label_it_was_computed_for_and_is_never_computed_twice(
    model, axis, values, opened
):
    sweep, path = model(f"axes.{axis}.values={values}", "axes.a.values=[10,20]", "ensemble.members=2")
    assert len(fill(sweep, path)) == len(sweep.points)
    assert fill(sweep, path) == []
    dataset = open_sweep(path)
    assert dataset[axis].dims == (axis,)
    assert dataset[axis].values.tolist() == opened
    assert sorted(label_of(point[0]) for point in sweep.points) == sorted(2 * opened)
    for label in opened:
        assert dataset["x"].sel({axis: label, "a": 20.0}).values.tolist() == [20, 21]


@pytest.fixture
def told_apart(own, model):
    """The same system, x of a member being 10 times the length of its mode, and its number."""
    own.edit("model.py", 'settings["a"] + members', '10.0 * len(settings["mode"]) + members')
    return model


def test_a_labelled_axis_grows(told_apart):
    small, path = told_apart("axes.mode.values=[bb]")
    assert len(fill(small, path)) == 2
    large, _ = told_apart("axes.mode.values=[a,bb,ccc]", "ensemble.members=6")
    new = {(("bb",), 2), *(((mode,), block) for mode in ("a", "ccc") for block in range(3))}
    computed = fill(large, path)
    assert set(computed) == new
    assert len(computed) == len(new)
    assert open_store(path).points()[0] == ("bb",)
    dataset = open_sweep(path)
    for label in ("a", "bb", "ccc"):
        assert dataset["x"].sel(mode=label).values.tolist() == [10 * len(label) + member for member in range(6)]


@pytest.mark.parametrize(
    ("stored", "asked"), [("true", "'true'"), ("'true'", "true"), ("2", "'2'"), ("null", "'null'")]
)
def test_values_that_have_the_label_of_a_stored_one_are_told_apart_and_refused(stored, asked, model):
    sweep, path = model(f"axes.any_of.values=[{stored}]", "axes.a.values=[10,20]")
    fill(sweep, path)
    assert open_store(path).points() == list(sweep.points)
    other, _ = model(f"axes.any_of.values=[{asked}]", "axes.a.values=[20]")
    assert open_store(path).rows_of(other).tolist() == [-1]
    before = digests(path)
    with pytest.raises(RequestError, match="has the same label") as refused:
        fill(other, path)
    assert len(refused.value.faults) == 1
    assert digests(path) == before
    assert open_store(path).points() == list(sweep.points)
    assert fill(sweep, path) == []


def test_estimates_of_labels_are_theirs(told_apart):
    sweep, path = told_apart("axes.mode.values=[ccc,a]", "axes.steps.values=[3,2]")
    fill(sweep, path)
    table = pipeline.table(open_sweep(path), "x")
    assert table["estimate"].dims == ("mode", "steps")
    assert table["mode"].values.tolist() == ["a", "ccc"]
    assert table["estimate"].values.tolist() == [[11.5, 11.5], [31.5, 31.5]]
    assert (table["count"] == 4).all()
    assert pipeline.table(open_sweep(path), "median_x")["estimate"].sel(mode="a", steps=2) == 11.5


def test_points_of_labels_that_are_no_grid_open_along_point(told_apart):
    axes = ("axes.mode.values=[ccc,a,bb]", "axes.steps.values=[3,2,4]")
    sweep, path = told_apart(*axes, "sampling.method=zip")
    fill(sweep, path)
    dataset = open_sweep(path)
    assert dataset["mode"].dims == ("point",)
    assert dict(zip(dataset["mode"].values, dataset["x"].mean("member").values, strict=True)) == {
        "a": 11.5,
        "bb": 21.5,
        "ccc": 31.5,
    }
