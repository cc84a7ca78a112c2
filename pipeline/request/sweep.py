"""A sweep: which points, which members, and the seed of each point."""

import hashlib
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.errors import RequestError
from pipeline.request.config import Config, Sampling, describe
from pipeline.systems.interface import SYSTEMS, System

Point = tuple[float | int, ...]
"""The swept values of a point, in the order of the axes."""


@dataclass(frozen=True)
class Sweep:
    """Points × members of one system, and all that determines their numbers."""

    system_name: str
    settings: Mapping[str, Any]
    """Settings that are not swept."""
    axes: tuple[str, ...]
    points: tuple[Point, ...]
    members: int
    seed: int
    noise: str
    block_members: int
    records: int
    method: str

    @property
    def system(self) -> System:
        """The system's entry in `SYSTEMS`."""
        return SYSTEMS[self.system_name]

    @property
    def blocks(self) -> int:
        """Blocks of members a point, the last one filled up."""
        return -(-self.members // self.block_members)

    def settings_at(self, point: Point) -> dict[str, Any]:
        """All settings of a point."""
        return {**self.settings, **dict(zip(self.axes, point, strict=True))}

    def seed_at(self, point: Point) -> int:
        """The 64-bit seed of a point."""
        swept = {} if self.noise == "common" else dict(zip(self.axes, point, strict=True))
        return point_seed(self.seed, swept)

    def named(self, point: Point) -> str:
        """A point for people: T=5, eta=3."""
        pairs = zip(self.axes, point, strict=True)
        return ", ".join(f"{axis}={value:g}" for axis, value in pairs) or "the point"

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """All that determines the numbers of a store, points and member count aside."""
        return {
            "system": self.system_name,
            "settings": dict(self.settings),
            "axes": sorted(self.axes),
            "seed": self.seed,
            "noise": self.noise,
            "block_members": self.block_members,
            "records": self.records,
        }


def point_seed(root: int, swept: Mapping[str, float | int]) -> int:
    """A stable 64-bit hash of the root seed and the swept values' bits, whatever the order of the axes."""
    digest = hashlib.blake2b(struct.pack("<Q", root), digest_size=8)
    for name in sorted(swept):
        value = swept[name]
        bits = struct.pack("<q", value) if isinstance(value, int) else struct.pack("<d", value)
        digest.update(name.encode() + b"\0" + bits)
    return int.from_bytes(digest.digest(), "little")


def define(config: Config) -> Sweep:
    """The sweep a request asks for.

    Raises RequestError for swept values that are out of bounds, appear twice, or don't combine.
    """
    axes = tuple(config.axes)
    model = SYSTEMS[config.system].settings
    integers = [model.model_fields[name].annotation is int for name in axes]
    values = [axis.spread() for axis in config.axes.values()]
    faults = [
        f"axes.{name}: {value:g} appears twice; expected distinct values"
        for name, column in zip(axes, values, strict=True)
        for value, count in Counter(column).items()
        if count > 1 and config.sampling.method != "zip"
    ]
    if faults:
        raise RequestError(faults)
    raw_points = _combine(axes, values, config.sampling, config.ensemble.seed, integers)
    for point in raw_points:
        try:
            model.model_validate({**config.settings, **dict(zip(axes, point, strict=True))})
        except ValidationError as error:
            faults += [_in_axes(line, axes, point) for line in describe(error, model)]
    if faults:
        raise RequestError(dict.fromkeys(faults))
    # + 0.0: minus zero is the same point as zero, and must have its seed.
    points = [
        tuple(int(value) if whole else float(value) + 0.0 for value, whole in zip(point, integers, strict=True))
        for point in raw_points
    ]
    if len(set(points)) < len(points):
        raise RequestError(["axes: the same combination of values appears twice; expected distinct points"])
    return Sweep(
        system_name=config.system,
        settings={name: value for name, value in config.settings.items() if name not in axes},
        axes=axes,
        points=tuple(points),
        members=_most_members(config),
        seed=config.ensemble.seed,
        noise=config.ensemble.noise,
        block_members=config.store.block_members,
        records=config.store.records,
        method=config.sampling.method,
    )


def _most_members(config: Config) -> int:
    """Members a point, or as many as a precision target may call for."""
    precision = config.ensemble.precision
    return config.ensemble.members if precision is None else precision.max_members


def _in_axes(fault: str, axes: Sequence[str], point: Point) -> str:
    """A fault of a point's settings, named by the axis it came from."""
    if fault.split(":")[0] in axes:
        return f"axes.{fault}"
    where = ", ".join(f"{name}={value:g}" for name, value in zip(axes, point, strict=True))
    return f"settings.{fault} (at {where})"


def _combine(
    axes: Sequence[str], values: list[list[float]], sampling: Sampling, seed: int, integers: Sequence[bool]
) -> list[Point]:
    """Points from the axes' values, in the order in which they are asked for."""
    if sampling.method == "product":
        return list(product(*_thinned(values, sampling.points)))
    if not axes:
        raise RequestError([f"sampling.method: {sampling.method} needs axes, got none"])
    if sampling.method == "zip":
        lengths = {name: len(column) for name, column in zip(axes, values, strict=True)}
        if len(set(lengths.values())) > 1:
            raise RequestError([f"axes: sampling zip needs axes of equal length, got {lengths}"])
        return list(zip(*values, strict=True))
    if sampling.points is None:
        raise RequestError(["sampling.points: missing; latin_hypercube needs the number of points"])
    return _latin_hypercube(values, sampling.points, seed, integers)


def _thinned(values: list[list[float]], most: int | None) -> list[list[float]]:
    """Each axis cut to evenly spread values, ends kept, until the grid has at most `most` points."""
    if most is None or not values:
        return values
    longest = max(1, int(most ** (1 / len(values)) + 1e-9))
    return [
        [
            column[k]
            for k in np.unique(np.linspace(0, len(column) - 1, min(longest, len(column))).round().astype(int))
        ]
        for column in values
    ]


def _latin_hypercube(values: list[list[float]], points: int, seed: int, integers: Sequence[bool]) -> list[Point]:
    """Points that stratify every axis between its least and its greatest value.

    An axis whose values are all positive and span a factor of ten or more is stratified in its logarithm.
    """
    from scipy.stats import qmc  # half a second to import, and few sweeps need it

    unit = qmc.LatinHypercube(d=len(values), rng=np.random.default_rng(seed)).random(points)
    columns = []
    for column, values_of_axis, whole in zip(unit.T, values, integers, strict=True):
        low, high = min(values_of_axis), max(values_of_axis)
        if low > 0 and high >= 10 * low:
            sampled = np.exp(np.log(low) + column * (np.log(high) - np.log(low)))
        else:
            sampled = low + column * (high - low)
        columns.append([round(value) if whole else float(f"{value:.12g}") for value in sampled])
    return list(zip(*columns, strict=True))
