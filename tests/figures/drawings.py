"""Datasets to draw, and what can be said of a drawing: where its artists are, what its texts say."""

import json

import numpy as np
import pytest
import xarray
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.text import Text

from pipeline.figures._panels import COLUMN, PAGE
from pipeline.systems import COMPUTED, DIVERGED, MISSING, find, search_in
from tests.command import STUBS

SYSTEM = "stub_drawn"


def dataset_of(axes, members=8, seed=0, sampling="product", diverged=0.1, missing=0.0, records=5):
    """A dataset as `open_sweep` gives it, of random numbers.

    axes: setting → values; with another sampling than "product", all of the same length.
    """
    search_in((str(STUBS),))
    system, random = find(SYSTEM), np.random.default_rng(seed)
    names = {axis: system.coordinate_of(axis) for axis in axes}
    if sampling == "product":
        dims, shape = tuple(names.values()), tuple(len(values) for values in axes.values())
        coordinates = {names[axis]: (names[axis], list(values)) for axis, values in axes.items()}
    else:
        dims, shape = ("point",), (len(next(iter(axes.values()))),)
        coordinates = {names[axis]: ("point", list(values)) for axis, values in axes.items()}
    status = random.choice(
        [COMPUTED, DIVERGED, MISSING], (*shape, members), p=[1 - diverged - missing, diverged, missing]
    )
    base = random.standard_normal((*shape, 1)) * 3
    cost = np.where(status == COMPUTED, base + random.standard_normal((*shape, members)), np.nan)
    path = cost[..., None] * np.linspace(1, 0.2, records)
    sites = np.repeat(cost[..., None], 4, axis=-1)
    dataset = xarray.Dataset(
        {
            "cost": ((*dims, "member"), cost, {"long_name": "cost $c", "units": "J"}),
            "gain": (
                (*dims, "member"),
                random.standard_normal((*shape, members)),
                {"long_name": "gain", "units": "1"},
            ),
            "path": ((*dims, "member", "iteration"), path, {"long_name": "path", "units": "m"}),
            "profile": ((*dims, "member", "site"), sites, {"long_name": "profile", "units": "1"}),
            "status": ((*dims, "member"), status),
        },
        coords={**coordinates, "member": np.arange(members), "iteration": np.arange(records) * 10},
        attrs={"system": SYSTEM, "axes": json.dumps(list(axes)), "settings": json.dumps({"iterations": 41})},
    )
    for axis, name in names.items():
        symbol, units = system.symbols.get(axis, (axis, "1"))
        dataset[name].attrs = {"symbol": symbol, "units": units}
    return dataset


def rendered(figure):
    """A figure, laid out and drawn as it is for a file."""
    FigureCanvasAgg(figure).draw()
    return figure


def texts_of(figure):
    """All texts that are seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def words_of(figure):
    """All texts that are seen, as one."""
    return "\n".join(text.get_text() for text in texts_of(rendered(figure)))


def legend_of(figure):
    """The labels of the legends of a figure."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend() is not None)]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def panels_of(figure):
    """The panels of a figure: its axes without colour bars."""
    return [ax for ax in figure.axes if ax.get_label() not in ("colour bar", "<colorbar>")]


def points_of(ax):
    """(point, 2) finite points that are drawn in data coordinates of an axes."""
    found = [np.empty((0, 2))]
    for line in ax.lines:
        if line.get_transform() == ax.transData:
            found.append(np.column_stack(line.get_data()).astype(float))
    for collection in ax.collections:
        if isinstance(collection, Collection) and len(offsets := np.asarray(collection.get_offsets())) > 1:
            found.append(offsets.astype(float))
    points = np.concatenate(found)
    return points[np.isfinite(points).all(axis=1)]


def outside_frame(ax):
    """Points that are drawn beyond the frame of an axes."""
    points = points_of(ax)
    low, high = np.sort(np.array([ax.get_xlim(), ax.get_ylim()]), axis=1).T
    room = 1e-9 * np.maximum(np.abs(low), np.abs(high)) + 1e-12
    return points[((points < low - room) | (points > high + room)).any(axis=1)]


def texts_that_collide(figure):
    """Pairs of texts that overlap, and texts that reach beyond the canvas."""
    rendered(figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts_of(figure) if _is_shown(text)]
    width, height = figure.canvas.get_width_height()
    faults = [
        (name, "beyond the canvas")
        for name, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    for k, (name, box) in enumerate(boxes):
        for other, another in boxes[k + 1 :]:
            wide = min(box.x1, another.x1) - max(box.x0, another.x0)
            high = min(box.y1, another.y1) - max(box.y0, another.y0)
            if wide > 1 and high > 1:
                faults.append((name, other))
    return faults


def _is_shown(text):
    """Whether a text is seen: ticks beyond the limits of their axis are not."""
    for ax in text.figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if text in (tick.label1, tick.label2):
                    return tick in axis._update_ticks()
    return True


def assert_readable(figure):
    """Every point is inside its frame, every text inside the canvas and off the others, no letter below 7 points."""
    rendered(figure)
    for ax in panels_of(figure):
        assert len(outside_frame(ax)) == 0, outside_frame(ax)
    assert texts_that_collide(figure) == []
    assert min((text.get_fontsize() for text in texts_of(figure)), default=7) >= 7
    assert figure.get_figwidth() in (pytest.approx(COLUMN), pytest.approx(PAGE))
