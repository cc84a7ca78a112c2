"""The figure stage: one module a figure, each with `draw(dataset) → matplotlib Figure`.

A module may name stores of other sweeps in `BESIDE`, which `draw` gets as further datasets.
"""

import json
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.errors import RequestError
from pipeline.figures._style import STYLE
from pipeline.plan.planning import Plan
from pipeline.provenance import circumstances
from pipeline.request.config import Config
from pipeline.store.stores import on_grid, open_sweep, stored_points


def draw(config: Config, plan: Plan) -> list[Path]:
    """Draw a sweep's figures as PNG and PDF into `<store.root>/figures`; the files written."""
    dataset = requested_part(plan)
    folder = config.store.root / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in config.figures.draw:
        with mpl.rc_context(STYLE):
            module = import_module(f"pipeline.figures.{name}")
            beside = [_complete_store(config, other) for other in getattr(module, "BESIDE", ())]
            figure = module.draw(dataset, *beside)
            _annotate(figure, plan, dataset)
            stem = config.store.full_name if config.figures.draw == [name] else f"{config.store.full_name}-{name}"
            written += _save(figure, folder / stem, _metadata(plan))
    return written


def _complete_store(config: Config, name: str) -> xarray.Dataset:
    """The store of another sweep that a figure shows too.

    Raises RequestError if it is not there or not complete.
    """
    path = config.store.root / f"{name}{config.store.suffix}.zarr"
    dataset = open_sweep(path)
    absent = int((dataset["status"] == 0).sum())
    if absent:
        raise RequestError([f"{path}: expected a complete store to draw beside, got {absent} members missing"])
    return dataset


def requested_part(plan: Plan) -> xarray.Dataset:
    """The requested points and members of a store, which may hold more; points it lacks are left out."""
    assert plan.store is not None
    dataset = stored_points(plan.store).isel(member=slice(plan.sweep.members), point=plan.rows[plan.rows >= 0])
    if not plan.sweep.axes:
        return dataset.isel(point=0)
    return on_grid(dataset, plan.sweep.axes) if plan.sweep.method == "product" else dataset


def _annotate(figure: Figure, plan: Plan, dataset: xarray.Dataset) -> None:
    """Say under a figure how many members it shows, and across it if some are missing."""
    status = dataset["status"]
    members = np.minimum(plan.wanted.sum(axis=1) * plan.sweep.block_members, plan.sweep.members)
    counts = f"{members.min()}" if members.min() == members.max() else f"{members.min()} … {members.max()}"
    counts += f" members a point; diverged: {int((status == 2).sum())} of {int((status > 0).sum())}"
    missing = int(plan.missing.sum())
    if missing:
        counts += f"; missing blocks: {missing} of {int(plan.wanted.sum())}"
        figure.text(
            0.5, 0.5, "incomplete", fontsize=48, color="0.5", alpha=0.4, rotation=25, ha="center", va="center"
        )
    figure.supxlabel(counts, fontsize="small", color="0.35", x=0.99, ha="right")


def _metadata(plan: Plan) -> dict[str, Any]:
    """What a drawn file says of its origin."""
    assert plan.store is not None
    origin = circumstances()
    return {
        "fingerprint": plan.store.fingerprint,
        "members": plan.sweep.members,
        "points": len(plan.sweep.points),
        "commit": origin["commit"],
        "dirty": origin["dirty"],
        "command": origin["command"],
    }


def _save(figure: Figure, stem: Path, metadata: dict[str, Any]) -> list[Path]:
    text = json.dumps(metadata)
    png, pdf = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    figure.savefig(png, metadata={"Title": stem.name, "Description": text})
    figure.savefig(
        pdf, metadata={"Title": stem.name, "Subject": text, "CreationDate": datetime.now().astimezone()}
    )
    return [png, pdf]
