"""Converge: some points of a sweep again with shorter Euler steps and the same noise."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray

from pipeline.cluster import map_unordered
from pipeline.errors import RequestError
from pipeline.plan import intervals
from pipeline.request import Converge, Point, Sweep
from pipeline.systems import compute_members, loaded, search_in

if TYPE_CHECKING:
    from distributed import Client

_CHUNK = 8
"""Members a task."""


class Shift(NamedTuple):
    """How an ensemble mean moves when steps get shorter."""

    point: str
    observable: str
    factor: int
    mean: float
    half_width: float
    """Of the 95 % interval of the mean with the steps as they are."""
    shift: float
    shift_half_width: float
    """Of the 95 % interval of the mean difference, member by member."""

    @property
    def moved(self) -> bool:
        """Whether the mean moves by more than its interval, and by more than chance may move it."""
        return abs(self.shift) > max(self.half_width, self.shift_half_width)

    @property
    def undecided(self) -> bool:
        """Whether it seems to move by more than its interval, but chance alone may do that."""
        return self.half_width < abs(self.shift) <= self.shift_half_width


class _Task(NamedTuple):
    """Some members of a point with shorter steps, as a worker gets them."""

    point: Point
    factor: int
    first: int
    """The first of its members."""
    members: int
    settings: dict[str, Any]
    seed: int
    system: str
    folders: tuple[str, ...]


def shifts(
    sweep: Sweep, options: Converge, client: "Client | None", folders: tuple[str, ...] = ()
) -> Iterator[Shift]:
    """Rerun evenly spread points with shorter steps and the same noise; compare the means of every scalar variable.

    Args:
        sweep: whose points.
        options: how many points and members, and the factors by which steps get shorter.
        client: of a cluster; None: compute in this process.
        folders: where workers look for the system, beside their own path. Default: none.

    Yields:
        How a mean moves, for every point, scalar variable and factor.

    Raises:
        RequestError: the system has no steps to shorten.
        BlockError: members could not be computed.
    """
    refined = sweep.system.refined
    if refined is None:
        raise RequestError([f"system: {sweep.system_name} can't be rerun with shorter steps and the same noise"])
    count = min(options.points, len(sweep.points))
    chosen = [sweep.points[k] for k in np.linspace(0, len(sweep.points) - 1, count).round().astype(int)]
    starts = range(0, options.members, _CHUNK)
    tasks = [
        _Task(
            point, factor, first, min(_CHUNK, options.members - first), refined(sweep.settings_at(point), factor),
            sweep.seed_at(point), sweep.system_name, folders,
        )
        for point, factor, first in product(chosen, (1, *options.factors), starts)
    ]  # fmt: skip
    parts: dict[tuple[Point, int], dict[int, dict[str, np.ndarray]]] = defaultdict(dict)
    for task, observables in map_unordered(client, _observables, tasks):
        parts[task.point, task.factor][task.first] = observables
    for point in chosen:
        values = {factor: _joined(parts[point, factor]) for factor in (1, *options.factors)}
        for name in values[1]:
            for factor in options.factors:
                yield _shift(sweep.named(point), name, factor, values[1][name], values[factor][name])


def _observables(task: _Task) -> tuple[_Task, dict[str, np.ndarray]]:
    """The variables of some members that are one number each."""
    search_in(task.folders)
    members = np.arange(task.first, task.first + task.members)
    values = compute_members(task.system, task.settings, task.seed, members, 2)
    scalars = [variable.name for variable in loaded(task.system).system.variables if not variable.dims]
    return task, {name: values[name] for name in scalars}


def _joined(parts: dict[int, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    in_order = [parts[first] for first in sorted(parts)]
    return {name: np.concatenate([part[name] for part in in_order]) for name in in_order[0]}


def _shift(point: str, name: str, factor: int, before: np.ndarray, after: np.ndarray) -> Shift:
    mean = intervals.mean(xarray.DataArray(before, dims="member"))
    moved = intervals.mean(xarray.DataArray(after - before, dims="member"))
    return Shift(
        point,
        name,
        factor,
        float(mean["estimate"]),
        float(mean["high"] - mean["estimate"]),
        float(moved["estimate"]),
        float(moved["high"] - moved["estimate"]),
    )


def convergence_lines(found: list[Shift]) -> list[str]:
    """A table of how ensemble means move with shorter steps.

    Args:
        found: from `shifts`, at least one.

    Returns:
        Lines for people.
    """
    width = max(len(f"{shift.point}  {shift.observable}") for shift in found)
    lines = [f"{'point  observable':<{width}}  {'mean, 95 %':>22}  steps  {'shift, 95 %':>22}"]
    for shift in found:
        name = f"{shift.point}  {shift.observable}"
        mean = f"{shift.mean:.5f} ± {shift.half_width:.5f}"
        moved = f"{shift.shift:+.5f} ± {shift.shift_half_width:.5f}"
        verdict = "moves by more than its interval" if shift.moved else ""
        verdict = "undecided, needs more members" if shift.undecided else verdict
        lines.append(f"{name:<{width}}  {mean:>22}  dt/{shift.factor:<2}  {moved:>22}  {verdict}".rstrip())
    count = sum(shift.moved for shift in found)
    return [*lines, f"{count} of {len(found)} means move by more than their interval"]
