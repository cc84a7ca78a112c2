"""The figures of the paper: readable whatever the ensemble, limits from data, no more needed than is declared."""

import json
from importlib import import_module

import numpy as np
import pytest
import xarray
from matplotlib.container import ErrorbarContainer

from pipeline import figures
from pipeline.actions import requested
from pipeline.figures._numbers import table_of
from pipeline.figures._style import style
from pipeline.request import Origin
from pipeline.systems import COMPUTED, DIVERGED, find
from tests.command import ROOT
from tests.figures.drawings import (
    assert_readable,
    legend_of,
    panels_of,
    rendered,
    words_of,
)

FILES = sorted(file.stem for file in (ROOT / "conf" / "sweep").glob("*.yaml"))
SWEEPS = [name for name in FILES if name in figures.known()]
"""The others have the figure of any sweep."""
RECORDS = 4
OF_ONE_ENSEMBLE = ["kuramoto_evolution", "network_evolution", "network_robust_evolution", "patterns"]


def dataset_of(sweep, members=12, diverged=0.1, values=4, seed=0, **settings):
    """Random numbers as a sweep of the paper would store them, of few values an axis."""
    given = {"settings.threshold": 0.06} if sweep.startswith(("network_robust", "network_two")) else {}
    arguments = [f"{key}={value}" for key, value in given.items()]
    config = requested(Origin("", (f"+sweep={sweep}", "+scale=quick", *arguments), None))
    system, random = find(config.system), np.random.default_rng(seed)
    axes = {name: axis.spread()[:values] for name, axis in config.axes.items()}
    shape = tuple(len(of) for of in axes.values())
    told = {**config.settings, **settings}
    point = {**told, **{name: of[0] for name, of in axes.items()}}
    sizes = {**system.sizes({**point, "iterations": 40, "trace_duration": 2.0, "dt": 0.1}, RECORDS)}
    status = np.where(random.random((*shape, members)) < diverged, DIVERGED, COMPUTED)
    variables = {"status": ((*axes, "member"), status)}
    for variable in system.variables:
        numbers = random.uniform(0.02, 0.12, (*shape, members, *(sizes[dim] for dim in variable.dims)))
        if "order_parameter" in variable.name or "trace" in variable.name:
            numbers = random.choice([0.3, 0.58, 0.61], numbers.shape) + 0.1 * numbers
        lost = (status == DIVERGED).reshape(*shape, members, *(1 for _ in variable.dims))
        numbers = np.where(lost, np.nan, numbers)
        attributes = {"long_name": variable.long_name, "units": variable.units}
        variables[variable.name] = ((*axes, "member", *variable.dims), numbers, attributes)
    coordinates = {"member": np.arange(members)} | {name: (name, list(of)) for name, of in axes.items()}
    coordinates |= {name: np.arange(size) for name, size in sizes.items()}
    dataset = xarray.Dataset(variables, coordinates)
    if config.system == "kuramoto_continuous":
        times = np.arange(sizes["time"]) * 1000.0 * np.ones((*shape, 1))
        dataset = dataset.assign_coords(time_at=((*axes, "time"), times))
    for name in axes:
        symbol, units = system.symbols.get(name, (name, "1"))
        dataset[name].attrs = {"symbol": symbol, "units": units}
    left = {name: value for name, value in told.items() if name not in axes}
    dataset.attrs = {"system": config.system, "axes": json.dumps(list(axes)), "settings": json.dumps(left)}
    return dataset


def drawn(sweep, dataset):
    """The figure of a sweep, from no more of a dataset than the figure says that it needs."""
    needs, module = figures.known()[sweep], import_module(f"pipeline.figures.{sweep}")
    beside = [dataset_of(other) for other in getattr(module, "BESIDE", ())]
    with style():
        return rendered(module.draw(dataset[[*needs.variables, "status"]], *beside))


ENSEMBLES = {
    "some diverged": {},
    "one member": {"members": 1, "diverged": 0.0},
    "all diverged": {"diverged": 1.0},
    "one value an axis": {"values": 1},
    "two values an axis": {"values": 2},
    "many": {"members": 64, "values": 13},
}
QUICK = ("one member", "two values an axis")


@pytest.mark.parametrize(
    "ensemble", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ENSEMBLES]
)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_figure_is_readable_whatever_the_ensemble(sweep, ensemble):
    assert_readable(drawn(sweep, dataset_of(sweep, **ENSEMBLES[ensemble])))


@pytest.mark.parametrize("sweep", SWEEPS)
def test_what_a_figure_draws_is_in_the_table_beside_it(sweep):
    header, *rows = table_of(drawn(sweep, dataset_of(sweep))).splitlines()
    assert header.startswith("panel,quantity,series")
    assert len(rows) > 3


@pytest.mark.parametrize("sweep", ["kuramoto_T", "kuramoto_weight_control"])
def test_limits_follow_the_targets(sweep):
    figure = drawn(sweep, dataset_of(sweep, target_order_parameter=0.95, target_mean_abs_weight=0.001))
    order, weight, *_ = panels_of(figure)
    for ax, target in ((order, 0.95), (weight, 0.001)):
        low, high = ax.get_ylim()
        assert low < target < high


def test_a_series_of_figure_7_hides_no_other():
    order, *_ = panels_of(drawn("kuramoto_T", dataset_of("kuramoto_T", diverged=0.0)))
    first, second = (c.lines[0].get_xdata() for c in order.containers if isinstance(c, ErrorbarContainer))
    assert not set(first) & set(second)


def test_means_over_successful_members_come_with_their_number():
    dataset = dataset_of("kuramoto_T")
    *_, count = panels_of(drawn("kuramoto_T", dataset))
    assert count.get_ylabel() == "members averaged in (a, b)"
    near = (abs(dataset["fixed_order_parameter"] - 0.6) < 0.05) & (dataset["status"] == COMPUTED)
    drawn_counts = next(c.lines[0].get_ydata() for c in count.containers if isinstance(c, ErrorbarContainer))
    assert list(drawn_counts) == near.sum("member").values.tolist()


@pytest.mark.parametrize("sweep", [name for name in SWEEPS if "sigma" in name or "delay" in name])
def test_cells_of_which_half_diverged_are_grey_in_every_panel_and_explained(sweep):
    dataset = dataset_of(sweep, diverged=0.0)
    first = dict.fromkeys(json.loads(dataset.attrs["axes"]), 0)
    status = dataset["status"].copy()
    status[first] = DIVERGED
    figure = drawn(sweep, dataset.assign(status=status))
    for ax in panels_of(figure):
        assert np.ma.getmaskarray(ax.collections[0].get_array()).sum() == 1
    assert "grey: half of the members diverged, or more" in legend_of(figure)


@pytest.mark.parametrize("sweep", OF_ONE_ENSEMBLE)
def test_the_typical_member_has_the_median_final_error_of_those_that_did_not_diverge(sweep):
    dataset = dataset_of(sweep, members=11, diverged=0.3)
    valid = dataset["final_error"].where(dataset["status"] == COMPUTED).dropna("member")
    median = valid.sortby(valid)[(valid.size - 1) // 2]
    assert f"member {int(median['member'])}" in words_of(drawn(sweep, dataset))


@pytest.mark.parametrize("sweep", [*OF_ONE_ENSEMBLE, "network_functional"])
def test_an_ensemble_of_which_nothing_is_left_is_said_to_have_diverged(sweep):
    assert "all members diverged" in words_of(drawn(sweep, dataset_of(sweep, diverged=1.0)))


def test_the_order_before_and_after_learning_is_drawn_on_one_scale():
    dataset = dataset_of("kuramoto_evolution")
    dataset["final_trace"] = 3 * dataset["initial_trace"]
    *_, before, after = panels_of(drawn("kuramoto_evolution", dataset))
    assert before.get_ylim() == after.get_ylim()


def test_what_a_histogram_leaves_out_is_told():
    dataset = dataset_of("network_functional", members=200, diverged=0.0)
    dataset["damaged_error"][:3] = 7.0
    figure = drawn("network_functional", dataset)
    assert "1.5 % not shown" in words_of(figure)
    assert panels_of(figure)[1].get_xlim()[1] < 1


def test_a_single_output_is_one():
    dataset = dataset_of("patterns", patterns=json.loads(dataset_of("patterns").attrs["settings"])["patterns"][:1])
    hidden, inputs = dataset.sizes["hidden_node"], 35
    weights = hidden * (inputs + 1) + hidden + 1
    words = words_of(drawn("patterns", dataset.isel(connection=slice(0, weights))))
    assert "1 output\n" in words


def test_intervals_whose_course_is_drawn_are_lettered_without_gaps():
    for values, letters in ((1, 3), (4, 4)):
        figure = drawn("kuramoto_continuous_T", dataset_of("kuramoto_continuous_T", values=values))
        titles = [ax.get_title("left") for ax in panels_of(figure)]
        assert titles == [f"({letter})" for letter in "abcd"[:letters]]


def test_pictures_of_weights_are_the_weights_of_pixels():
    dataset = dataset_of("network_weights", diverged=0.0).isel(iterations=[2, 0, 1])
    of = figures.pictures_of("network_weights")
    assert of is not None
    pictures = of(dataset)
    assert pictures.dims == ("iterations", "member", "hidden_node", "row", "column")
    assert pictures["iterations"].values.tolist() == sorted(dataset["iterations"].values)
    weight = dataset["weight"].sortby("iterations").transpose("iterations", "member", "connection").values
    rows, columns = pictures.shape[-2:]
    for node in (0, 3):
        first = node * (rows * columns + 1)  # the threshold comes after the pixels
        pixels = weight[..., first : first + rows * columns].reshape(3, -1, rows, columns)
        assert np.array_equal(pictures.values[:, :, node], pixels)
    assert figures.pictures_of("kuramoto_T") is None
