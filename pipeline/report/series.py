"""Recorded series of an ensemble, and pictures of its members, for a page on which members can be picked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray

from pipeline.figures import recorded
from pipeline.systems import COMPUTED, DIVERGED

MOST_MEMBERS, MOST_RECORDS = 32, 200
"""That a page holds of a figure with series."""
MOST_FRAMES, MOST_PICTURED, MOST_PIXELS = 50, 8, 200_000
"""Frames, members, and numbers of all of them, that a page holds of pictures."""
_DIGITS = 4


@dataclass(frozen=True)
class Series:
    """A variable of some members along a recorded dimension."""

    name: str
    label: str
    """Of its values, with the unit."""
    along: str
    """Of the dimension, with the unit."""
    x: list[float]
    members: list[dict[str, Any]]
    """`member`, `state`, and `y`, of the length of `x`; None: no value."""
    left_out: str
    """Which members and records are not there, in words."""


@dataclass(frozen=True)
class Frames:
    """Pictures of some members, frame by frame: numbers on a grid of pixels, in several panels."""

    label: str
    """Of the numbers."""
    along: str
    """What the frames differ in."""
    x: list[float]
    """Values of that."""
    panel: str
    """What a panel is."""
    shape: tuple[int, int, int]
    """Panels, and the rows and columns of each, row 0 on top."""
    members: list[dict[str, Any]]
    """`member`, `states` and `y`, of each frame the numbers of panel after panel, row by row; None: no value."""
    left_out: str
    """Which members and frames are not there, in words."""


def series_of(dataset: xarray.Dataset) -> list[Series]:
    """The recorded series of a store without axes.

    Args:
        dataset: of one point; of another sweep there are none.

    Returns:
        One for each of the variables that are recorded along a dimension.
    """
    if set(dataset["status"].dims) != {"member"}:
        return []
    names = recorded(dataset)
    return [_series(dataset, name, *(str(dim) for dim in dataset[name].dims if dim != "member")) for name in names]


def frames_of(pictures: xarray.DataArray, status: xarray.DataArray) -> Frames | None:
    """Pictures of members as a page holds them.

    Args:
        pictures: (frame, member, panel, row, column) numbers.
        status: of the sweep, over the axis of the frames and the members.

    Returns:
        The frames; None if a single member's would be too much for a page.
    """
    along, _, panel, *_ = map(str, pictures.dims)
    count, members, panels, rows, columns = pictures.shape
    pictured = MOST_PIXELS // (panels * rows * columns)
    shown = np.arange(min(members, MOST_PICTURED, max(1, pictured // min(count, MOST_FRAMES))))
    frames = equally_spaced(count, min(MOST_FRAMES, pictured // len(shown)))
    if not len(frames):
        return None
    x = pictures[along].values[frames]
    values = pictures.values[frames][:, shown]
    states = status.sel({along: x}).transpose(along, "member").values[:, shown]
    listed = [
        {
            "member": int(member),
            "states": list(map(_state, states[:, member])),
            "y": [_rounded(frame) for frame in values[:, member]],
        }
        for member in shown
    ]
    left_out = _left_out((len(shown), members, "members"), (len(frames), count, "frames"))
    return Frames(
        label=str(pictures.attrs.get("long_name", pictures.name)), along=along, x=list(map(float, x)),
        panel=panel.replace("_", " "), shape=(panels, rows, columns), members=listed, left_out=left_out,
    )  # fmt: skip


def equally_spaced(count: int, most: int) -> np.ndarray:
    """Places of a sequence, its ends included, as equally spaced as can be.

    Args:
        count: length of the sequence.
        most: how many places.

    Returns:
        (place,) ascending indices.
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _series(dataset: xarray.Dataset, name: str, dim: str) -> Series:
    count, records = dataset.sizes["member"], dataset.sizes[dim]
    members, chosen = np.arange(min(count, MOST_MEMBERS)), equally_spaced(records, MOST_RECORDS)
    values = dataset[name].isel({"member": members, dim: chosen}).transpose("member", dim).values
    listed = [
        {"member": int(member), "state": _state(dataset["status"].values[member]), "y": _rounded(values[member])}
        for member in members
    ]
    return Series(
        name=name, label=_label(dataset[name]), along=_label(dataset[dim]),
        x=list(map(float, dataset[dim].values[chosen])), members=listed,
        left_out=_left_out((len(members), count, "members"), (len(chosen), records, "records")),
    )  # fmt: skip


def _left_out(members: tuple[int, int, str], others: tuple[int, int, str]) -> str:
    """What is not shown, by how many are shown, how many there are, and of what."""
    return ", ".join(
        f"{which}{shown} of {count} {what}"
        for which, (shown, count, what) in (("the first ", members), ("", others))
        if shown < count
    )


def _state(status: int) -> str:
    return {COMPUTED: "computed", DIVERGED: "diverged"}.get(int(status), "not computed")


def _label(array: xarray.DataArray) -> str:
    name, units = str(array.attrs.get("long_name", array.name)), array.attrs.get("units", "1")
    return name if units == "1" else f"{name} ({units})"


def _rounded(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """To a few digits; None for what is not finite."""
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in np.ravel(values).tolist()]
