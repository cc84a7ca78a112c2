"""A sweep: which points, which members, and the seed of each point."""

import struct
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.digest import digest_of
from pipeline.errors import RequestError
from pipeline.request.checking import settings_model
from pipeline.request.config import Config
from pipeline.request.messages import describe, frozen, got, label_of, shown
from pipeline.request.sampling import Design, combine, design_of
from pipeline.request.space import START, as_kind, expanded, space_of
from pipeline.request.whole import NotWhole, not_whole, one_line_a_key
from pipeline.schema import Kind, kind_of
from pipeline.systems import System, find
from pipeline.words import brief

Value = float | int | str | bool | tuple[Any, ...] | None
"""A swept value: a number or, on a labelled axis, a string, a boolean or a list, as a tuple."""
Point = tuple[Value, ...]
"""The swept values of a point, in the order of the axes."""

MOST_BLOCKS = 10**8
"""Of a store: what is known of each takes some 50 bytes of memory."""


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
    design: Design | None = None
    """Of a sample for sensitivity indices, how its points were drawn."""

    @cached_property
    def system(self) -> System:
        """The system itself.

        Raises:
            RequestError: its module is not found.
        """
        return find(self.system_name)

    @property
    def blocks(self) -> int:
        """Blocks of members a point, the last one filled up."""
        return -(-self.members // self.block_members)

    def settings_at(self, point: Point) -> dict[str, Any]:
        """All settings of a point.

        Args:
            point: swept values, in the order of `axes`.

        Returns:
            Setting → value, lists as lists.
        """
        return {**self.settings, **{axis: _thawed(value) for axis, value in zip(self.axes, point, strict=True)}}

    def seed_at(self, point: Point) -> int:
        """The 64-bit seed of a point; with common noise the same for all.

        Args:
            point: swept values, in the order of `axes`.

        Returns:
            0 … 2^64 − 1.
        """
        swept = {} if self.noise == "common" else dict(zip(self.axes, point, strict=True))
        return point_seed(self.seed, swept)

    @cached_property
    def ids(self) -> np.ndarray:
        """(point,) what the points are known by in stores, unsigned 64-bit numbers."""
        return np.array(point_ids(self.axes, self.points), dtype=np.uint64)

    def named(self, point: Point) -> str:
        """A point for people: T=5, eta=3.

        Args:
            point: swept values, in the order of `axes`.

        Returns:
            Each axis with its value; "the point" without axes.
        """
        pairs = zip(self.axes, point, strict=True)
        return ", ".join(f"{axis}={brief(shown(value))}" for axis, value in pairs) or "the point"

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


def point_seed(root: int, swept: Mapping[str, Value]) -> int:
    """A stable 64-bit hash of the root seed and the swept values' bits, whatever the order of the axes.

    Args:
        root: `ensemble.seed`, 0 … 2^64 − 1.
        swept: axis → value.

    Returns:
        0 … 2^64 − 1.
    """
    parts = [struct.pack("<Q", root)]
    for name in sorted(swept):
        parts += [name.encode() + b"\0", _bits(swept[name])]
    return digest_of(*parts)


def point_ids(axes: Sequence[str], points: Iterable[Point]) -> list[int]:
    """What points are known by in stores: 64-bit hashes of their axes and values, whatever the order of the axes.

    The type of a value counts: `true` is another than "true", 1 another than 1.0; minus zero is zero.

    Args:
        axes: their names.
        points: swept values, in the order of `axes`.

    Returns:
        1 … 2^64 − 1 for each.
    """
    named = [(name.encode() + b"\0", k) for name, k in sorted((name, k) for k, name in enumerate(axes))]
    return [digest_of(*(name + _typed(point[k]) for name, k in named)) or 1 for point in points]


def _typed(value: Value) -> bytes:
    """A swept value with its type, as bytes that tell it apart from all others."""
    if isinstance(value, float):
        return struct.pack("<cd", b"r", value + 0.0)
    if isinstance(value, int) and not isinstance(value, bool):
        return struct.pack("<cq", b"w", value)
    text = label_of(value).encode()
    return struct.pack("<cI", b"s" if isinstance(value, str) else b"j", len(text)) + text


def _bits(value: Value) -> bytes:
    """What a swept value puts into a seed: the bits of a number, the text of a label."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return b"label\0" + label_of(value).encode()
    return struct.pack("<q", value) if isinstance(value, int) else struct.pack("<d", value)


def _refuse_too_many(sweep: Sweep) -> None:
    if (count := len(sweep.points) * sweep.blocks) > MOST_BLOCKS:
        raise RequestError(
            [
                f"ensemble.members: expected at most {MOST_BLOCKS} blocks, got {count} ({len(sweep.points)} points × "
                f"{sweep.members} members, in blocks of {sweep.block_members}); ask for fewer, or set "
                "store.block_members higher"
            ]
        )


def define(config: Config) -> Sweep:
    """The sweep a request asks for.

    Args:
        config: a checked request.

    Returns:
        Its points, members and all that determines their numbers.

    Raises:
        RequestError: swept values that are out of bounds, appear twice, or don't combine.
    """
    axes, system = tuple(config.axes), find(config.system)
    kinds = [kind_of(system.settings, name) for name in axes]
    values = [axis.spread() for axis in config.axes.values()]
    if faults := _unstorable(axes, values, kinds):
        raise RequestError(faults)
    faults = [
        f"axes.{name}: {got(value)} appears twice; expected distinct values"
        for name, column in zip(axes, values, strict=True)
        for value, count in Counter(map(frozen, column)).items()
        if count > 1 and config.method != "zip"
    ]
    if faults:
        raise RequestError(faults)
    design = design_of(config, system)
    drawn = combine(axes, values, config, system, design) if config.search is None else _start(config, system)
    points = _checked(config, system, kinds, drawn)
    sweep = Sweep(
        system_name=config.system,
        settings={name: value for name, value in config.settings.items() if name not in axes},
        axes=axes,
        points=tuple(points),
        members=_most_members(config),
        seed=config.ensemble.seed,
        noise=config.ensemble.noise,
        block_members=config.store.block_members,
        records=config.store.records,
        method=config.method,
        design=design,
    )
    _refuse_too_many(sweep)
    return sweep


def checked_points(config: Config, points: Sequence[Point]) -> list[Point]:
    """Further points of a sweep.

    Args:
        config: a checked request.
        points: with a value of every axis.

    Returns:
        The points, as the bounds of the system give them back.

    Raises:
        RequestError: they are out of bounds, not whole, appear twice, or can't be stored.
    """
    system = find(config.system)
    kinds = [kind_of(system.settings, name) for name in config.axes]
    if faults := _unstorable(tuple(config.axes), list(zip(*points, strict=True)), kinds):
        raise RequestError(faults)
    return _checked(config, system, kinds, points)


def _start(config: Config, system: System) -> list[Point]:
    """The points from which a search starts."""
    candidates = space_of(config, system).start(START, config.ensemble.seed)
    if not candidates:
        raise RequestError(["axes: expected ranges with points within the bounds of the system, got none"])
    return expanded(config, candidates)


def _unstorable(axes: Sequence[str], values: Sequence[Sequence[Any]], kinds: Sequence[Kind]) -> list[str]:
    """Faults of axes with values that no store can hold, or no point be found by."""
    return [
        f"axes.{name}: expected {what}, got {got(value)}"
        for name, column, kind in zip(axes, values, kinds, strict=True)
        for value in column
        if (what := _expected_instead(value, kind))
    ]


def _expected_instead(value: Any, kind: Kind) -> str:
    """What a store can hold where a value is none of it; empty if it can."""
    if kind == "label":
        return "" if _is_text_or_list(value) else "text in UTF-8, numbers, booleans or lists of them"
    if not isinstance(value, int | float):
        return ""  # the bounds of the system say what is wrong with it
    if kind == "whole" and isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "whole numbers of 64 bits"
    return "" if abs(value) <= sys.float_info.max else "finite numbers"


def _is_text_or_list(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_text_or_list, value))
    if isinstance(value, str):
        return value.isascii() or value.encode(errors="ignore").decode() == value
    return value is None or isinstance(value, int | float)


def _checked(config: Config, system: System, kinds: Sequence[Kind], raw: Sequence[Point]) -> list[Point]:
    """Points whose settings are within the bounds of the system, as those bounds give them back."""
    axes, model = tuple(config.axes), settings_model(system, config.unknown)
    points: list[Point] = []
    found: list[tuple[str, str]] = []
    fractional: list[NotWhole] = []
    for point in raw:
        swept = {axis: _thawed(value) for axis, value in zip(axes, point, strict=True)}
        try:
            settings = model.model_validate({**config.settings, **swept})
        except ValidationError as error:
            found += [_in_axes(line, axes, point) for line in describe(error, model)]
            continue
        fractional += not_whole(system, settings)
        points.append(
            tuple(as_kind(getattr(settings, axis), kind) for axis, kind in zip(axes, kinds, strict=True))
        )
    keys = {name: f"{'axes' if name in axes else 'settings'}.{name}" for name in system.whole}
    if faults := one_line_a_key([*found, *((keys[fault.key], fault.why) for fault in fractional)]):
        raise RequestError(faults)
    if len(_told_apart(points, kinds)) < len(points):
        raise RequestError(["axes: the same combination of values appears twice; expected distinct points"])
    return points


def _told_apart(points: Sequence[Point], kinds: Sequence[Kind]) -> set[Point]:
    """Points by what tells them apart in a store, where labels are text: "1" is no other than 1."""
    if "label" not in kinds:
        return set(points)
    return {
        tuple(label_of(value) if kind == "label" else value for value, kind in zip(point, kinds, strict=True))
        for point in points
    }


def _thawed(value: Any) -> Any:
    return list(map(_thawed, value)) if isinstance(value, tuple) else value


def _most_members(config: Config) -> int:
    """Members a point, or as many as a precision target may call for."""
    precision = config.ensemble.precision
    return config.ensemble.members if precision is None else precision.max_members


def _in_axes(fault: str, axes: Sequence[str], point: Point) -> tuple[str, str]:
    """A fault of a point's settings, and as its key the axis it came from."""
    name, _, why = fault.partition(": ")
    if name in axes:
        return f"axes.{name}", why
    where = ", ".join(f"{axis}={brief(shown(value))}" for axis, value in zip(axes, point, strict=True))
    return f"settings.{name}", f"{why} (at {where})"
