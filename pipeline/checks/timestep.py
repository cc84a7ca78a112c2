"""Converge: some points of a sweep again with shorter Euler steps and the same noise."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray

from pipeline.errors import RequestError
from pipeline.plan import intervals
from pipeline.request.config import Converge
from pipeline.request.sweep import Sweep
from pipeline.systems.interface import SYSTEMS

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


def shifts(sweep: Sweep, options: Converge, client: "Client") -> Iterator[Shift]:
    """Rerun evenly spread points with steps shorter by each factor; compare the means of every final observable.

    Raises RequestError if the system has no steps to shorten.
    """
    refined = sweep.system.refined
    if refined is None:
        raise RequestError([f"system: {sweep.system_name} can't be rerun with shorter steps and the same noise"])
    count = min(options.points, len(sweep.points))
    chosen = [sweep.points[k] for k in np.linspace(0, len(sweep.points) - 1, count).round().astype(int)]
    members = np.array_split(np.arange(options.members), -(-options.members // _CHUNK))
    factors = (1, *options.factors)
    runs = {
        (point, factor): client.map(
            _observables,
            [sweep.system_name] * len(members),
            [refined(sweep.settings_at(point), factor)] * len(members),
            [sweep.seed_at(point)] * len(members),
            members,
            pure=False,
        )
        for point in chosen
        for factor in factors
    }
    for point in chosen:
        values = {factor: _joined(client.gather(runs[point, factor])) for factor in factors}
        for name in values[1]:
            for factor in options.factors:
                yield _shift(sweep.named(point), name, factor, values[1][name], values[factor][name])


def _observables(system: str, settings: dict[str, Any], seed: int, members: np.ndarray) -> dict[str, np.ndarray]:
    """The final observables of some members: variables that are one number a member."""
    values = SYSTEMS[system].compute(settings, seed, members, 2)
    return {variable.name: values[variable.name] for variable in SYSTEMS[system].variables if not variable.dims}


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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
