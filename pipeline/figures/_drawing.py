"""Drawing: the modules of a sweep's figures, what is said under each, and the files."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray
from matplotlib.figure import Figure

from pipeline.errors import RequestError
from pipeline.figures._style import STYLE
from pipeline.plan import Plan, requested_part
from pipeline.provenance import commit
from pipeline.store import open_complete
from pipeline.systems import DIVERGED, MISSING


def draw(plan: Plan, names: Sequence[str], folder: Path | None, suffix: str, command: str) -> list[Path]:
    """Draw figures of a plan's store as PNG and PDF.

    Args:
        plan: of a store that is there.
        names: of the figures, among `pipeline.figures.known()`.
        folder: where they go; None: `figures` beside the store.
        suffix: of the stores of other sweeps that a figure shows too.
        command: what the files say of their origin.

    Returns:
        The files written.

    Raises:
        RequestError: the folder can't be written.
        NotComplete: the store of another sweep is not there or not complete.
        Damaged: a chunk can't be read.
    """
    dataset = requested_part(plan)
    folder = folder or plan.path.parent / "figures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        where = f"figures.folder: expected a folder that can be written, got {folder}"
        raise RequestError([f"{where}: {error.strerror}; set another one"]) from error
    store_name = plan.path.name.removesuffix(".zip").removesuffix(".zarr")
    written = []
    for name in names:
        with mpl.rc_context():
            mpl.rcdefaults()  # a user's own style may need fonts, or TeX, that are not here
            mpl.rcParams.update(STYLE)
            module = import_module(f"{__package__}.{name}")
            others = getattr(module, "BESIDE", ())
            beside = [open_complete(plan.path.parent / f"{other}{suffix}.zarr") for other in others]
            figure = module.draw(dataset, *beside)
            _annotate(figure, plan, dataset)
            stem = store_name if list(names) == [name] else f"{store_name}-{name}"
            written += _save(figure, folder / stem, _metadata(plan, command))
    return written


def _annotate(figure: Figure, plan: Plan, dataset: xarray.Dataset) -> None:
    """Say under a figure how many members it shows, and across it if some are missing."""
    status = dataset["status"]
    members = np.minimum(plan.requested.sum(axis=1) * plan.sweep.block_members, plan.sweep.members)
    counts = f"{members.min()}" if members.min() == members.max() else f"{members.min()} … {members.max()}"
    counts += f" members a point; diverged: {int((status == DIVERGED).sum())} of {int((status != MISSING).sum())}"
    missing = int(plan.missing.sum())
    if missing:
        counts += f"; missing blocks: {missing} of {int(plan.requested.sum())}"
        figure.text(
            0.5, 0.5, "incomplete", fontsize=48, color="0.5", alpha=0.4, rotation=25, ha="center", va="center"
        )
    figure.supxlabel(counts, fontsize="small", color="0.35", x=0.99, ha="right")


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


def _save(figure: Figure, stem: Path, metadata: dict[str, Any]) -> list[Path]:
    text = json.dumps(metadata)
    png, pdf = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    layout = figure.get_layout_engine()
    if layout is not None:  # lay out once, for both files
        layout.execute(figure)
        figure.set_layout_engine("none")
    figure.savefig(png, metadata={"Title": stem.name, "Description": text})
    figure.savefig(
        pdf, metadata={"Title": stem.name, "Subject": text, "CreationDate": datetime.now().astimezone()}
    )
    return [png, pdf]
