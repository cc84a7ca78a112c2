"""The figure of any sweep: what is drawn, where, and what is said of it."""

import csv
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

import pipeline
from pipeline.errors import RequestError
from pipeline.figures._numbers import note, table_of
from pipeline.systems import COMPUTED, DIVERGED
from tests.figures.drawings import (
    assert_readable,
    dataset_of,
    legend_of,
    panels_of,
    rendered,
    texts_of,
    words_of,
)

NUMBERS = {"alpha": [0, 0.1, 1, 10], "beta": [-2.0, -1.0, 0.0, 1.0, 2.0], "count": [1, 2, 5, 10, 20]}

# --- any sweep --------------------------------------------------------------------------------------------

_real = st.one_of(
    st.lists(st.sampled_from([0.0, 1e-3, 1e-2, 0.1, 1.0, 10.0, 1e4]), min_size=1, max_size=5, unique=True),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=5, unique=True),
    st.lists(st.sampled_from([0.1, 0.2, 0.30000001, 0.3, 7e5]), min_size=1, max_size=5, unique=True),
)
_whole = st.lists(st.integers(-3, 40), min_size=1, max_size=5, unique=True)
_label = st.lists(
    st.sampled_from(["up", "down", "$x", "left_over", "strange"]), min_size=1, max_size=5, unique=True
)
_axes = st.fixed_dictionaries({}, optional={"alpha": _real, "beta": _real, "count": _whole, "mode": _label})


@st.composite
def datasets(draw):
    """Sweeps of up to four axes, grid or not, with members that diverged or are missing."""
    axes, sampling = draw(_axes), draw(st.sampled_from(["product", "product", "zip"]))
    if sampling == "zip" and axes:
        length = min(len(values) for values in axes.values())
        axes = {name: values[:length] for name, values in axes.items()}
    return dataset_of(
        axes,
        members=draw(st.sampled_from([1, 2, 3, 8])),
        seed=draw(st.integers(0, 10**6)),
        sampling=sampling if axes else "product",
        diverged=draw(st.sampled_from([0.0, 0.3, 1.0])),
        records=draw(st.sampled_from([1, 2, 5])),
    )


EXPLORED = {
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate),  # a figure takes too long to shrink what failed
    "report_multiple_bugs": False,
}


@settings(max_examples=25, deadline=None, **EXPLORED)
@given(datasets())
def test_some_sweeps_have_a_readable_figure(dataset):
    assert_readable(pipeline.plot(dataset))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=150, deadline=None, **EXPLORED)
@given(datasets())
def test_many_sweeps_have_a_readable_figure(dataset):
    assert_readable(pipeline.plot(dataset))


# --- by the number of axes --------------------------------------------------------------------------------


def bars_of(ax):
    """(point, 2) ends of the bars drawn in an axes."""
    ends = [
        np.array(segment)[:, 1]
        for container in ax.containers
        if isinstance(container, ErrorbarContainer)
        for collection in container.lines[2]
        for segment in collection.get_segments()
    ]
    return np.array(ends)


def test_without_axes_the_series_of_the_ensemble_is_drawn_with_its_spread_and_a_typical_member():
    dataset = dataset_of({}, members=21, diverged=0.2)
    figure = pipeline.plot(dataset)
    final = dataset["cost"].where(dataset["status"] == COMPUTED)
    (shown,) = [label for label in legend_of(figure) if label.startswith("member ")]
    typical = int(shown.removesuffix(", median cost").split()[1])
    below = int((final < float(final[typical])).sum())
    assert abs(below - int((final > float(final[typical])).sum())) <= 1
    assert {"mean of the members", "central 68 %, all members", "95 % interval of the mean of the members"} < set(
        legend_of(figure)
    )


def test_one_axis_has_each_estimand_against_it_with_its_interval():
    dataset = dataset_of({"count": [1, 2, 5, 10, 20]})
    figure = pipeline.plot(dataset)
    panels = panels_of(figure)
    assert [ax.get_ylabel() for ax in panels] == ["mean: cost", "median: middle gain", "share: won"]
    for ax, name in zip(panels, ["mean_cost", "middle_gain", "won"], strict=True):
        estimate = pipeline.table(dataset, name)
        assert np.allclose(bars_of(ax), np.column_stack([estimate["low"], estimate["high"]]))
        assert ax.get_xscale() == "log"


def test_zero_has_a_place_of_its_own_on_a_logarithmic_axis():
    (ax, *_) = panels_of(rendered(pipeline.plot(dataset_of({"alpha": [0, 0.01, 0.1, 1]}))))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "0.01", "0.1", "1"]
    places = ax.transData.transform([(value, 0) for value in (0, 0.01, 0.1, 1)])[:, 0]
    assert np.allclose(np.diff(places), np.diff(places)[0])


def test_close_values_get_no_ticks_over_each_other():
    (ax, *_) = panels_of(rendered(pipeline.plot(dataset_of({"alpha": [5, 50, 51, 52, 53, 54, 2000]}))))
    texts = [text.get_text() for text in ax.get_xticklabels()]
    assert {"5", "2000"} <= set(texts)
    assert len(texts) < 7


def test_every_swept_value_has_a_tick_and_as_many_have_a_text_as_there_is_room():
    values = [0.0001, 0.0003, 0.001, 0.003, 0.005, 0.02, 0.03, 0.1, 0.3, 1.0]
    figure = rendered(pipeline.plot(dataset_of({"alpha": values})))
    (ax, *_) = panels_of(figure)
    assert sorted([*ax.get_xticks(), *ax.get_xticks(minor=True)]) == values
    few = len(ax.get_xticks())
    figure.set_size_inches(4 * figure.get_size_inches())
    figure.draw_without_rendering()
    assert few < len(ax.get_xticks()) == len(values)


def test_labels_are_categories_and_are_not_joined():
    (ax, *_) = panels_of(pipeline.plot(dataset_of({"mode": ["up", "down", "$x"]})))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["up", "down", r"\$x"]
    assert all(line.get_linestyle() in ("None", "none") for line in ax.lines)


def test_two_axes_of_which_one_has_few_values_are_lines_set_apart():
    figure = pipeline.plot(dataset_of({"count": [1, 2, 5, 10, 20], "mode": ["up", "down"]}), "won")
    (ax,) = panels_of(figure)
    assert legend_of(figure) == ["mode = up", "mode = down"]
    first, second = (
        container.lines[0].get_xdata() for container in ax.containers if isinstance(container, ErrorbarContainer)
    )
    assert (np.array(second) > np.array(first)).all()


def test_two_axes_are_a_map_with_its_half_widths_and_all_that_may_be_best_marked():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, members=24)
    figure = pipeline.plot(dataset, "mean_cost")
    left, right = panels_of(figure)
    mesh, halves = left.collections[0].get_array(), right.collections[0].get_array()
    estimate = pipeline.table(dataset, "mean_cost").transpose("beta", "alpha")
    assert np.allclose(mesh, estimate["estimate"])
    assert np.allclose(halves, (estimate["high"] - estimate["low"]) / 2)
    best = estimate.where(estimate["estimate"] == estimate["estimate"].min(), drop=True)
    maybe = estimate["low"] <= float(best["high"].min())
    (marks,) = [line for line in left.lines if line.get_marker() in "v^*" and len(line.get_xdata())]
    assert len(marks.get_xdata()) == int(maybe.sum())
    said = "least, by more than chance" if int(maybe.sum()) == 1 else "may be the least"
    assert any(label.startswith(said) for label in legend_of(figure))


def test_of_estimates_that_differ_by_more_than_chance_one_is_best():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, members=24, diverged=0.0)
    clear = dataset.copy(deep=True)
    clear["cost"].loc[{"alpha": 5, "beta": 1}] -= 1000
    figure = pipeline.plot(clear, "mean_cost")
    (star,) = [line for line in panels_of(figure)[0].lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (5, 1)
    assert "least, by more than chance (95 %)" in legend_of(figure)


def test_cells_in_which_members_diverged_are_grey_and_the_legend_says_so():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, diverged=0.0)
    dataset["status"].loc[{"alpha": 2}] = 2
    figure = pipeline.plot(dataset, "mean_cost")
    assert np.ma.getmaskarray(panels_of(figure)[0].collections[0].get_array())[:, 1].all()
    assert "grey: half of the members diverged, or more" in legend_of(figure)


def test_three_axes_are_small_multiples_with_the_same_colours():
    dataset = dataset_of({**NUMBERS, "mode": ["up", "down"]}).isel(count_setting=0, drop=True)
    figure = pipeline.plot(dataset)
    meshes = [ax.collections[0] for ax in panels_of(figure)]
    assert len(meshes) == 2
    assert meshes[0].get_clim() == meshes[1].get_clim()
    assert all(f"mode = {mode}" in words_of(figure) for mode in ("up", "down"))


def test_more_panels_than_fit_are_told():
    dataset = dataset_of({**NUMBERS, "mode": ["up", "down", "strange", "left_over"]}, members=2)
    assert "4 more panels are not shown" in words_of(pipeline.plot(dataset))


def test_points_that_are_no_grid_are_not_joined():
    dataset = dataset_of({"alpha": [3.0, 1.0, 2.0]}, sampling="zip")
    for ax in panels_of(pipeline.plot(dataset)):
        assert all(line.get_linestyle() in ("None", "none") for line in ax.lines)


def test_points_that_are_no_grid_are_coloured_over_two_axes():
    random = np.random.default_rng(1)
    dataset = dataset_of({"alpha": random.random(9), "beta": random.random(9)}, sampling="lhs", diverged=0.0)
    (ax,) = panels_of(pipeline.plot(dataset, "mean_cost"))
    (points,) = ax.collections
    assert np.allclose(points.get_offsets(), np.column_stack([dataset["alpha"], dataset["beta"]]))
    assert np.allclose(points.get_array(), pipeline.table(dataset, "mean_cost")["estimate"])


# --- intervals --------------------------------------------------------------------------------------------


def test_a_point_of_one_member_is_an_open_marker_with_a_bar_to_the_frame():
    figure = pipeline.plot(dataset_of({"alpha": [1, 2, 5]}, members=1, diverged=0.0), "mean_cost")
    (ax,) = panels_of(figure)
    (opened,) = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert len(opened.get_xdata()) == 3
    assert not len(bars_of(ax))
    assert [tuple(segment[:, 1]) for segment in ax.collections[-1].get_segments()] == [(0, 1)] * 3
    assert any(label.startswith("open: ") for label in legend_of(figure))


def test_the_interval_of_no_success_ends_where_it_does():
    dataset = dataset_of({"alpha": [1, 2, 5]}, members=32, diverged=0.0)
    dataset["gain"][:] = -1.0
    (ax,) = panels_of(pipeline.plot(dataset, "won"))
    assert np.allclose(bars_of(ax), [[0, 0.1072]] * 3, atol=1e-4)


def test_without_members_that_count_the_figure_says_so():
    assert "all members diverged" in words_of(pipeline.plot(dataset_of({}, diverged=1.0)))


# --- what a user chooses ----------------------------------------------------------------------------------


def test_estimands_and_axes_are_chosen_by_name():
    dataset = dataset_of({"alpha": [1, 2, 5], "beta": [-1, 0, 1], "mode": ["up", "down"]}, diverged=0.0)
    figure = pipeline.plot(dataset, "won", x="beta", hue="mode", col="alpha")
    assert [ax.get_xlabel() for ax in panels_of(figure)] == ["beta (s)"] * 3
    assert legend_of(figure) == ["mode = up", "mode = down"]
    assert all(rf"$\alpha$ = {value}" in words_of(figure) for value in (1, 2, 5))


@pytest.mark.parametrize("wrong", [{"of": "gone"}, {"x": "gone"}, {"hue": "mode"}, {"x": "alpha", "hue": "alpha"}])
def test_what_is_not_there_is_told(wrong):
    with pytest.raises(RequestError, match=r"^(of|x|hue): expected .*, got '(gone|mode|alpha)'$"):
        pipeline.plot(dataset_of({"alpha": [1, 2], "beta": [1, 2]}), **wrong)


def test_axes_that_are_given_hold_one_panel_and_keep_their_style():
    figure = Figure()
    ax = figure.subplots()
    dataset = dataset_of({"count": [1, 2, 5, 10, 20]})
    assert pipeline.plot(dataset, "won", ax=ax) is figure
    ax.axvline(5)  # in true coordinates
    assert ax.get_xlim()[0] < 1 < 20 < ax.get_xlim()[1]
    with pytest.raises(RequestError, match="expected one panel"):
        pipeline.plot(dataset, ax=figure.subplots())


def test_settings_of_matplotlib_are_neither_used_nor_changed():
    with mpl.rc_context({"font.size": 31, "text.usetex": True, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        figure = pipeline.plot(dataset_of({"alpha": [1, 2, 5]}))
        assert dict(mpl.rcParams) == before
    assert max(text.get_fontsize() for text in texts_of(rendered(figure))) < 12


def test_a_selection_and_a_reopened_file_are_drawn(tmp_path):
    dataset = dataset_of({"count": [1, 2, 5], "mode": ["up", "down"]})
    some = dataset.sel(mode="up")
    some.to_netcdf(tmp_path / "some.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "some.nc", engine="h5netcdf") as read:
        assert table_of(pipeline.plot(read)) == table_of(pipeline.plot(some))


def test_a_figure_shows_itself_in_a_notebook():
    assert pipeline.plot(dataset_of({"alpha": [1, 2]}))._repr_png_().startswith(b"\x89PNG")


def test_names_are_never_read_as_tex():
    dataset = dataset_of({"mode": ["$x", "up"]})
    dataset["path"].attrs["long_name"] = "cost in $ and $$"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendered(pipeline.plot(dataset))
        assert "cost in $ and $$" in words_of(pipeline.plot(dataset.isel(mode=0))).replace("\\", "")


def test_what_a_selection_has_dropped_is_missed_only_where_it_is_needed():
    dataset = dataset_of({"alpha": [1, 2, 5], "mode": ["up", "down"]}).isel(mode=0, drop=True)
    assert len(panels_of(pipeline.plot(dataset))) == 3
    with pytest.raises(RequestError, match="of: expected gain in the dataset"):
        pipeline.plot(dataset.drop_vars("gain"), "won")


def test_the_table_says_of_every_number_where_it_was_made():
    dataset = dataset_of({"count": [1, 2, 5], "beta": [-1, 0, 1], "mode": ["up", "down"]}, diverged=0.0)
    rows = list(csv.DictReader(io.StringIO(table_of(pipeline.plot(dataset, "won")))))
    estimate = pipeline.table(dataset, "won")
    assert len(rows) == estimate["estimate"].size
    for row in rows:
        at = {"count_setting": int(row["count_setting"]), "beta": int(row["beta"]), "mode": row["mode"]}
        assert float(row["estimate"]) == float(estimate["estimate"].sel(at))


def test_columns_of_the_table_are_kept_apart_from_axes_of_their_names():
    figure = pipeline.plot(dataset_of({"alpha": [1, 2, 5]}), "won")
    note(panels_of(figure)[0], "height", "first", {"quantity": [7.0], "series": [8.0], "count": [9.0]})
    row = list(csv.DictReader(io.StringIO(table_of(figure))))[-1]
    names = ("quantity", "series", "quantity_setting", "series_setting", "count")
    assert [row[name] for name in names] == ["height", "first", "7", "8", "9"]


# --- what members diverged, and what is not told apart -------------------------------------------------------


def test_points_of_which_half_diverged_are_crossed_not_drawn_as_if_measured():
    dataset = dataset_of({"alpha": [1, 2, 5, 10]}, diverged=0.0)
    dataset["status"].loc[{"alpha": 2}] = DIVERGED
    figure = rendered(pipeline.plot(dataset, ["won", "mean_cost"]))
    assert "none: half of the members diverged, or more" in legend_of(figure)
    assert figure.legends[0].get_title().get_text() == "95 % intervals\nmeans over members that did not diverge"
    for panel in panels_of(figure):
        (crosses,) = [line for line in panel.lines if line.get_marker() == "x" and len(line.get_xdata())]
        assert crosses.get_xdata().tolist() == [2]
        assert 2 not in np.concatenate([np.ravel(bars.lines[0].get_xdata()) for bars in panel.containers])


def test_a_single_estimate_is_best_of_nothing():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, diverged=0.0)
    dataset["status"][:] = DIVERGED
    dataset["status"][1, 1] = COMPUTED
    panel, _ = panels_of(pipeline.plot(dataset, "mean_cost"))
    assert not {"v", "*"} & {line.get_marker() for line in panel.lines}


def test_what_differs_by_rounding_alone_is_equal():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, diverged=0.0)
    dataset["cost"][:] = 1.0
    dataset["cost"][2, 2] = 1 - 1.2e-16
    assert sum(len(line.get_xdata()) for line in panels_of(pipeline.plot(dataset, "mean_cost"))[0].lines) == 25


def test_the_greatest_and_the_least_have_marks_of_their_own():
    dataset = dataset_of({"alpha": [1, 2, 5, 10, 20], "beta": [-2, -1, 0, 1, 2]}, diverged=0.0)
    for variable in ("cost", "gain"):
        dataset[variable][:] = np.random.default_rng(1).standard_normal(dataset[variable].shape)
    cost, _, won, _ = panels_of(pipeline.plot(dataset, ["mean_cost", "won"]))
    assert {line.get_marker() for line in cost.lines if len(line.get_xdata())} == {"v"}
    assert {line.get_marker() for line in won.lines if len(line.get_xdata())} == {"^"}


def test_fewer_than_six_members_have_no_interval_of_the_median():
    five, six = (dataset_of({"alpha": [1, 2]}, members=members, diverged=0.0) for members in (5, 6))
    assert np.isinf(pipeline.table(five, "middle_gain")["low"]).all()
    assert np.isfinite(pipeline.table(six, "middle_gain")["low"]).all()


@pytest.mark.parametrize(
    "values",
    [
        [1e-300, 1.0, 1e300],
        [-1.7e308, 1.7e308],
        [1e-320, 1e-310, 1e-300],
        [2**53, 2**53 + 1, 2**53 + 2],
        [-1.0, -0.1, 0.0, 0.1, 1.0],
    ],
    ids=["all decades", "all numbers", "below the normal", "beyond doubles", "around zero"],
)
def test_axes_at_the_ends_of_numbers_are_readable(values):
    figure = pipeline.plot(dataset_of({"alpha": values}), "mean_cost")
    assert_readable(figure)
    assert len([text for text in panels_of(figure)[0].get_xticklabels() if text.get_text()]) >= 2


@pytest.mark.parametrize("scale", [1e307, 1e-307])
def test_numbers_at_the_ends_of_their_range_are_drawn(scale):
    dataset = dataset_of({"alpha": [1, 2, 5]})
    dataset["cost"] = dataset["cost"] * scale
    dataset["cost"][1, 1] = np.inf
    rendered(pipeline.plot(dataset, "mean_cost"))


@pytest.mark.parametrize("length", [10, 24, 40, 200])
@pytest.mark.parametrize("role", ["x", "hue", "map"])
def test_labels_of_any_length_are_readable(length, role):
    modes = [f"{sign}{'long label ' * length}"[:length] for sign in ("abcd" if role != "map" else "abcdef")]
    axes = {"mode": modes} if role == "x" else {"mode": modes, "count": [1, 2, 5, 10, 20]}
    assert_readable(pipeline.plot(dataset_of(axes), "mean_cost"))


@pytest.mark.parametrize("name", ["long_name", "units"])
def test_descriptions_of_any_length_are_readable(name):
    dataset = dataset_of({})
    dataset["path"].attrs[name] = "a long description of " * 8
    assert_readable(pipeline.plot(dataset))


def test_values_that_were_drawn_at_random_have_round_ticks():
    rng = np.random.default_rng(3)
    dataset = dataset_of({"alpha": 10 ** rng.uniform(-2, 0, 16), "beta": rng.uniform(-1, 1, 16)}, sampling="zip")
    panel, *_ = panels_of(rendered(pipeline.plot(dataset, "mean_cost")))
    assert [text.get_text() for text in panel.get_xticklabels() if text.get_text()] == ["0.01", "0.1", "1"] or {
        "0.02", "0.05", "0.1", "0.2", "0.5"
    } <= {text.get_text() for text in panel.get_xticklabels()}  # fmt: skip
    along = pipeline.plot(dataset, "mean_cost", x="beta")
    assert [ax.get_xlabel() for ax in panels_of(along)] == ["beta (s)"]
    with pytest.raises(RequestError, match="hue: expected none, as the points are no grid"):
        pipeline.plot(dataset, "mean_cost", hue="beta")


def test_more_series_or_columns_than_can_be_told_apart_are_refused():
    dataset = dataset_of({"count": list(range(1, 10)), "alpha": [1, 2, 5]})
    for role, most in (("hue", 7), ("col", 4)):
        with pytest.raises(RequestError, match=f"{role}: expected an axis of at most {most} values, got 9"):
            pipeline.plot(dataset, "won", **{role: "count"})


def test_two_axes_of_one_figure_have_legends_of_their_own():
    figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    dataset = dataset_of({"count": [1, 2, 5], "mode": ["up", "down"]}, diverged=0.0)
    for ax in (left, right):
        assert pipeline.plot(dataset, "won", ax=ax) is figure
    rendered(figure)
    assert figure.legends == []
    for ax in (left, right):
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mode = up", "mode = down"]
    plt.close(figure)


def test_dask_arrays_are_drawn():
    figure = pipeline.plot(dataset_of({"alpha": [1, 2, 5], "beta": [-1, 0, 1]}).chunk())
    assert len(panels_of(figure)) == 3


def test_threads_leave_settings_of_matplotlib_alone():
    dataset = dataset_of({"alpha": [1, 2, 5]})
    with plt.rc_context({"font.size": 31}), ThreadPoolExecutor(6) as threads:
        figures = list(threads.map(lambda _: pipeline.plot(dataset, "won"), range(12)))
        assert plt.rcParams["font.size"] == 31
    assert {panels_of(figure)[0].xaxis.label.get_fontsize() for figure in figures} == {8}


def test_a_figure_can_be_pickled():
    for axes in ({"alpha": [0, 1, 10, 100]}, {"alpha": [1, 2, 5], "mode": ["up", "down"]}):
        assert words_of(pickle.loads(pickle.dumps(pipeline.plot(dataset_of(axes), "won"))))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda ds: ds.isel(member=0), "member=\\[0\\]"),
        (lambda ds: ds.mean("member", keep_attrs=True), "a dimension member"),
        (lambda ds: ds.drop_vars("status"), "without status"),
        (lambda ds: ds.isel(alpha=slice(0)), "none along alpha"),
        (lambda ds: ds.drop_attrs(), "got a Dataset that is none"),
        (lambda ds: ds["cost"], "got a DataArray that is none"),
        (lambda ds: None, "got a NoneType"),
        (lambda ds: ds.expand_dims(run=2), "run too"),
        (lambda ds: ds.drop_vars("alpha"), "axis alpha, got it without"),
        (lambda ds: ds.assign_coords(alpha=[1.0, np.nan, 5.0]), "finite values of the axis alpha"),
    ],
)
def test_what_is_no_dataset_of_a_sweep_is_told(change, fault):
    with pytest.raises(RequestError, match=f"dataset: .*{fault}"):
        pipeline.plot(change(dataset_of({"alpha": [1, 2, 5]})), "won")


@pytest.mark.parametrize(
    "wrong", [{"of": 5}, {"of": [5]}, {"x": ["alpha"]}, {"ax": "here"}, {"ax": np.array([1])}]
)
def test_parameters_of_the_wrong_type_are_told(wrong):
    (name,) = wrong
    with pytest.raises(RequestError, match=f"{name}: expected "):
        pipeline.plot(dataset_of({"alpha": [1, 2, 5]}), **{"of": "won"} | wrong)


def test_axes_without_an_x_and_a_y_are_told():
    figure, ax = plt.subplots(subplot_kw={"projection": "polar"})
    with pytest.raises(RequestError, match="ax: expected matplotlib Axes with an x and a y axis"):
        pipeline.plot(dataset_of({"alpha": [1, 2, 5]}), "won", ax=ax)
    plt.close(figure)


def test_a_single_panel_has_no_letter():
    one, several = (pipeline.plot(dataset_of({"alpha": [1, 2]}), of) for of in (["won"], ["won", "mean_cost"]))
    assert [ax.get_title("left") for ax in panels_of(one)] == [""]
    assert [ax.get_title("left") for ax in panels_of(several)] == ["(a)", "(b)"]
