"""Drawing: the modules of a sweep's figures, what is said under each, and the files."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
import xarray
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.errors import RequestError
from pipeline.figures import DEFAULT, unwritable, writable
from pipeline.figures._elements import sets_apart
from pipeline.figures._numbers import Spot, spots_of, table_of
from pipeline.figures._style import style
from pipeline.plan import Plan, requested_part
from pipeline.provenance import commit
from pipeline.request import FiguresConfig
from pipeline.store import open_complete
from pipeline.systems import DIVERGED, MISSING
from pipeline.words import counted, one_line, store_name

_GLYPH = "Glyph"
"""How a warning begins that the font has boxes for signs that it lacks."""


_MOST_POINTS = 5000
"""Of a line or a band on a page; what has more is drawn as an image within the SVG."""


class Drawing(NamedTuple):
    """A figure for a page."""

    about: str
    """What it shows."""
    said: str
    """How many members it shows, how many of them diverged, what is missing."""
    svg: str
    width: float
    """In points."""
    height: float
    spots: list[Spot]
    """Numbers that can be pointed at."""
    numbers: str
    """All numbers drawn, as CSV."""


class _Drawn(NamedTuple):
    """A figure of a store."""

    stem: str
    """Of its files."""
    about: str
    figure: Figure
    said: str


def draw(plan: Plan, wanted: FiguresConfig, suffix: str, command: str) -> list[Path]:
    """Draw figures of a plan's store: what `pipeline.figures.draw` does."""
    folder = writable(wanted.folder or plan.path.parent / "figures")
    written, names = [], [DEFAULT] if wanted.draw is None else wanted.draw
    dataset = requested_part(plan)
    for name in names:
        with style(), _faults_told(plan, name):
            drawn = _drawn(dataset, plan, name, wanted.of, suffix)
            stem = drawn.stem if len(names) == 1 else f"{drawn.stem}-{name}"
            try:
                written += _save(drawn.figure, folder / stem, wanted.format, _metadata(plan, command))
            except OSError as error:
                raise unwritable(folder, error) from error
    return written


def drawing(plan: Plan, name: str, of: Sequence[str], suffix: str) -> Drawing:
    """Draw a figure of a plan's store for a page: what `pipeline.figures.drawing` does."""
    with style(), _faults_told(plan, name), StringIO() as file:
        drawn = _drawn(requested_part(plan), plan, name, of, suffix)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _GLYPH, UserWarning)
            _lay_out(drawn.figure)
            for artist in drawn.figure.findobj(_has_many_points):
                artist.set_rasterized(True)
            drawn.figure.savefig(file, format="svg", metadata={"Date": None}, dpi=200)
        width, height = 72 * drawn.figure.get_size_inches()
        spots, numbers = spots_of(drawn.figure), table_of(drawn.figure)
        return Drawing(drawn.about, drawn.said, file.getvalue(), width, height, spots, numbers)


@contextmanager
def _faults_told(plan: Plan, name: str) -> Iterator[None]:
    """Tell in a line what can't be drawn, as numbers near the largest that there are."""
    try:
        with np.errstate(over="raise"):
            yield
    except (ValueError, ArithmeticError) as error:
        what = "its numbers" if name == DEFAULT else f"{name} of its numbers"
        raise RequestError(
            [f"figures.draw: {plan.path}: Matplotlib can't draw {what}: {type(error).__name__}: {one_line(error)}"]
        ) from error


def _has_many_points(artist: Artist) -> bool:
    if isinstance(artist, Line2D):
        return len(artist.get_xdata()) > _MOST_POINTS  # type: ignore[arg-type]
    return isinstance(artist, Collection) and sum(map(len, artist.get_paths())) > _MOST_POINTS


def _drawn(dataset: xarray.Dataset, plan: Plan, name: str, of: Sequence[str], suffix: str) -> _Drawn:
    """A figure, with what is said under it."""
    module = import_module(f"{__package__}.{name}")
    others = getattr(module, "BESIDE", ())
    beside = [open_complete(plan.path.parent / f"{other}{suffix}.zarr") for other in others]
    options = {"of": of} if name == DEFAULT else {}
    figure = module.draw(dataset, *beside, **options)
    said = _annotate(figure, plan, [dataset, *beside])
    stem = store_name(plan.path)
    return _Drawn(stem, "" if name == DEFAULT else (module.__doc__ or "").partition("\n")[0], figure, said)


def _annotate(figure: Figure, plan: Plan, datasets: Sequence[xarray.Dataset]) -> str:
    """Say under a figure how many members it shows, ensemble by ensemble, and across it if some are missing."""
    there = plan.requested & plan.available
    members = np.minimum(there.sum(axis=1) * plan.sweep.block_members, plan.sweep.members)
    least, most = int(members.min()), int(members.max())
    a_point = counted(most, "member") if least == most else f"{least} … {most} members"
    ensembles = [f"{a_point} a point, {_diverged(datasets[0])}"]
    ensembles += [
        f"beside: {counted(dataset.sizes['member'], 'member')}, {_diverged(dataset)}" for dataset in datasets[1:]
    ]
    missing = int(plan.missing.sum())
    if missing:
        ensembles.append(f"missing blocks: {missing} of {int(plan.requested.sum())}")
        figure.text(
            0.5, 0.5, "incomplete", fontsize=36, color="0.5", alpha=0.4, rotation=25, ha="center", va="center"
        )
    apart = ["points at one x are set apart along it"] if sets_apart(figure) else []
    text = "; ".join([*ensembles, *apart, *_origins(plan)])
    lines = wrap(text, int(72 * figure.get_figwidth() / 3.9))
    figure.supxlabel("\n".join(lines), fontsize=7, color="0.35", x=0.99, ha="right")
    return text


def _origins(plan: Plan) -> list[str]:
    """Settings that were taken from other stores, with where each came from, as the last run says."""
    assert plan.store is not None
    told = [run["config"]["derived"] for run in plan.store.runs() if "derived" in run.get("config", {})]
    derived: dict[str, Any] = told[-1] if told else {}
    return [
        f"{name} = {origin['value']:.4g}: {origin['statistic']} of {origin['store']}"
        for name, origin in derived.items()
    ]


def _diverged(dataset: xarray.Dataset) -> str:
    status = dataset["status"]
    return f"{int((status == DIVERGED).sum())} of {int((status != MISSING).sum())} diverged"


def _metadata(plan: Plan, command: str) -> dict[str, Any]:
    """What a drawn file says of its origin."""
    assert plan.store is not None
    return {
        "fingerprint": plan.store.fingerprint,
        "members": plan.sweep.members,
        "points": len(plan.sweep.points),
        **commit(),
        "command": command,
    }


def _save(figure: Figure, stem: Path, formats: Sequence[str], metadata: dict[str, Any]) -> list[Path]:
    text = json.dumps(metadata)
    now = datetime.now().astimezone()
    told: dict[str, dict[str, Any]] = {
        "png": {"Title": stem.name, "Description": text},
        "pdf": {"Title": stem.name, "Subject": text, "CreationDate": now},
        "svg": {"Title": stem.name, "Description": text, "Date": now},
    }
    written = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _GLYPH, UserWarning)
        _lay_out(figure)
        for kind in dict.fromkeys(formats):
            written.append(stem.with_name(f"{stem.name}.{kind}"))
            figure.savefig(written[-1], format=kind, metadata=told[kind])
    written.append(stem.with_name(f"{stem.name}.csv"))
    written[-1].write_text(table_of(figure), "utf-8")
    return written


def _lay_out(figure: Figure) -> None:
    """Lay a figure out, once for all files."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
