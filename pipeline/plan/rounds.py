"""Searches and refinements: sweeps whose points are chosen round by round, from what is stored.

What each round asks for is written into the store before it begins, and read from there ever after. So a run that was
killed goes on as it would have gone on, and a plan is made as of any other sweep: from points and members.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.digest import as_hex, digest_of
from pipeline.request import Config, Point, Space, Sweep, expanded, ranges_of, space_of
from pipeline.store import Store
from pipeline.systems import find, function_version, is_function, loaded


class Round(NamedTuple):
    """What is asked for at once."""

    kind: Literal["start", "explore", "confirm", "refine"]
    points: list[Point]
    """Candidates: values of the axes that are searched."""
    members: list[int]
    """Of each, those it has already among them."""
    models: list[list[float]]
    """Parameters that were fitted, from which the next round starts."""
    ensembles: int
    """How many are new."""
    fresh: int = 0
    """Of a place that was found, how many members tell its value: the last ones."""
    further: Sequence[Point] = ()
    """Points, with a value of every axis, that an objective of one's own asked for once it saw those of the round."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    point: dict[str, Any]
    """Axis that was searched → value."""
    estimate: float
    low: float
    high: float
    """95 % interval of the value, by fresh members of the point alone."""
    members: int
    """That these were."""
    share: float
    """Of the volume of the ranges that the region has."""
    shape: Literal["point", "ridge"]
    """Whether the region is three times longer than wide: a ridge."""
    diverged: float
    """Share of all members of the point that did."""
    region: list[Point] = field(repr=False)
    """Candidates around which the optimum lies with 95 %, values in the order of the axes."""


class Record(NamedTuple):
    """A search or refinement as far as it is."""

    about: dict[str, Any]
    """What was asked: `of`, of a search its `goal` and the share of members that may have `diverged`, the `axes` that
    are searched, the `ranges` of these, and the `step` of candidates in them, as a share of a range.
    """
    before: list[tuple[Point, int]]
    """Candidates that were stored as it began, with their members: those of other sweeps."""
    rounds: list[Round]
    found: Found | None = None
    ended: list[float | None] | None = None
    """The budget with which nothing more was to be asked for; None: it goes on."""
    judged: Sequence[tuple[Point, tuple[float, float]]] = ()
    """By an objective of one's own: candidates, each with its value and standard error."""

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        return {
            "about": self.about,
            "before": [[list(point), members] for point, members in self.before],
            "rounds": [round_._asdict() for round_ in self.rounds],
            "found": None if self.found is None else _without_nan(asdict(self.found)),
            "ended": self.ended,
            "judged": [[point, [None if math.isnan(x) else x for x in judged]] for point, judged in self.judged],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Record":
        """The record that `as_json` made.

        Args:
            told: from a store, or a dataset's attributes.

        Returns:
            The record.
        """
        found = told["found"]
        return cls(
            told["about"],
            [(tuple(point), members) for point, members in told["before"]],
            [_round(one) for one in told["rounds"]],
            found and _found(found),
            told["ended"],
            [(tuple(point), (_number(value), _number(error))) for point, (value, error) in told["judged"]],
        )

    @property
    def known(self) -> dict[Point, int]:
        """Candidate → members that count: those that were stored as it began, or that a round asked for."""
        known = dict(self.before)
        for one in self.rounds:
            for point, members in zip(one.points, one.members, strict=True):
                known[point] = max(members, known.get(point, 0))
        return known

    @property
    def asked(self) -> dict[Point, int]:
        """Candidate → members that a round asked for."""
        return Record({}, [], self.rounds).known

    @property
    def further(self) -> list[Point]:
        """Points that an objective of one's own asked for."""
        return [point for one in self.rounds for point in one.further]

    @property
    def what(self) -> str:
        """A search or a refinement."""
        return "refinement" if self.about["goal"] is None else "search"

    def goes_on(self, config: Config) -> bool:
        """Whether there may be more to ask for.

        Args:
            config: the request, whose budget may be another than that with which it ended.

        Returns:
            True or False.
        """
        if self.ended is None:
            return True
        (points, nearness), (spent, known) = config.budget, self.ended
        if nearness != known or points is None:
            return nearness != known or spent is not None
        return spent is not None and points > spent

    @property
    def spent(self) -> int:
        """Ensembles of candidates that were asked for so far."""
        return sum(one.ensembles for one in self.rounds)


def _without_nan(told: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {name: None if value != value else value for name, value in told.items()}


def _number(told: float | None) -> float:
    return math.nan if told is None else told


def _found(told: Mapping[str, Any]) -> Found:
    numbers = {name: _number(told[name]) for name in ("estimate", "low", "high")}
    return Found(**{**told, **numbers, "region": _points(told["region"])})


def _round(told: Mapping[str, Any]) -> Round:
    return Round(**{**told, "points": _points(told["points"]), "further": _points(told.get("further", ()))})


def _points(listed: Sequence[Sequence[Any]]) -> list[Point]:
    return list(map(tuple, listed))


def name_of(config: Config) -> str:
    """What the record of a request's search is known by in its store; the budget may change.

    Args:
        config: a checked request, of a search or refinement.

    Returns:
        16 hexadecimal digits.
    """
    search, sampling, system = config.search, config.sampling, find(config.system)
    within = config.within
    told = [
        config.method,
        ranges_of(config, system, [name for name in config.axes if name not in within]),
        {name: config.axes[name].spread() for name in (within if search else config.axes)},
        config.ensemble.members,
        search.model_dump(exclude={"points", "place", "round"}) if search else sampling.of,
        function_version(search.of) if search and is_function(search.of) else "",
    ]
    return as_hex(digest_of(repr(told).encode()))


def record_of(store: Store | None, config: Config) -> Record | None:
    """The record of a request's search.

    Args:
        store: the store at its path; None: nothing there.
        config: a checked request, of a search or refinement.

    Returns:
        The record; None if it has not begun.

    Raises:
        Damaged: it can't be read.
    """
    told = store.search(name_of(config)) if store is not None else {}
    return Record.from_json(told) if told else None


def begun(sweep: Sweep, config: Config, store: Store) -> Record:
    """The record of a search that begins: its first round, and what other sweeps have stored in its ranges.

    Args:
        sweep: of the request, with the points from which it starts.
        config: the request.
        store: an open store.

    Returns:
        The record, not written yet.
    """
    start = list(dict.fromkeys(candidate_of(config, point) for point in sweep.points))
    first = Round("start", start, [config.ensemble.members] * len(start), [], len(start))
    space = space_of(config, sweep.system)
    about = {
        "of": config.sampling.of if config.search is None else config.search.of,
        "goal": None if config.search is None else config.search.model_dump()["goal"],
        "axes": list(space.ranges),
        "diverged": None if config.search is None else config.search.diverged,
        "step": space.step.tolist(),
        "ranges": [[range_.low, range_.high, range_.logarithmic] for range_ in space.ranges.values()],
    }
    return Record(about, _stored(space, sweep, config, store), [first])


def candidate_of(config: Config, point: Point) -> Point:
    """The candidate that a point is of.

    Args:
        config: a checked request, of a search.
        point: values of all axes.

    Returns:
        Values of those that are searched.
    """
    return tuple(value for name, value in zip(config.axes, point, strict=True) if name not in config.within)


def _stored(space: Space, sweep: Sweep, config: Config, store: Store) -> list[tuple[Point, int]]:
    """Candidates in the ranges of which all points are stored, with the members that all of these have."""
    if config.search is None:
        return []
    stored = store.stored
    if config.on_stale != "keep":  # what other code computed is no answer to this question
        stored = stored & (store.books["code"] == np.uint64(loaded(config.system).digest))
    members = np.argmin(np.pad(stored, ((0, 0), (0, 1))), axis=1) * store.block_members
    if config.ensemble.noise == "common":  # a place that is found gets members that no other point has
        members = np.minimum(members, config.ensemble.members)
    by_point = dict(zip(store.points_along(sweep.axes), members.tolist(), strict=True))
    ranges = list(space.ranges.values())
    found = []
    for candidate in dict.fromkeys(candidate_of(config, point) for point in by_point):
        if not all(of.low <= value <= of.high for of, value in zip(ranges, candidate, strict=True)):  # type: ignore[operator]
            continue
        fewest = min(by_point.get(point, 0) for point in expanded(config, [candidate]))
        if fewest and space.admits(candidate):
            found.append((candidate, fewest))
    return sorted(found)


def in_rounds(sweep: Sweep, config: Config, record: Record) -> tuple[Sweep, np.ndarray]:
    """All that the rounds of a search asked for.

    Args:
        sweep: of the request.
        config: the request.
        record: of its search.

    Returns:
        The sweep of these points, and (point,) members.
    """
    asked, known = record.asked, record.known
    members = {point: asked[candidate_of(config, point)] for point in expanded(config, list(asked))}
    for point in record.further:
        members[point] = max(members.get(point, 0), known[candidate_of(config, point)])
    sizes = np.array(list(members.values()))
    return replace(sweep, points=tuple(members), members=int(sizes.max())), sizes
