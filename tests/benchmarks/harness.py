"""Contestants take turns on one core; medians and ratios; a table; files.

A benchmark is a module with `benchmark(rounds) -> Report`. It runs one `race` a problem size, each
among contestants that know how to prepare themselves, and puts the races side by side with `table`.
"""

import gc
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROUNDS = 9
TURN_SECONDS = 0.05
HEAT_SECONDS = 0.02
STARTERS = 4
"""Variants of a family that start: a heat is short, and its fastest may have been lucky."""
_RESULTS = Path(__file__).parent / "results"
_CLOCK = time.process_time  # not the wall's: other processes would count


class Unavailable(Exception):
    """This contestant can't take part here; the message says why."""


class Wrong(Exception):
    """This contestant computes something else; the message says how far off."""


class Prepared(NamedTuple):
    """A contestant at the start, checked."""

    run: Callable[[int], object]
    """Does the work this many times."""
    units: float
    """Units of work (member steps, say) done each time."""


@dataclass(frozen=True)
class Contestant:
    """One way to do the work. A family is represented by its fastest variant."""

    family: str
    variant: str
    prepare: Callable[[], Prepared]
    """Builds it and checks its result; raises Unavailable or Wrong."""


@dataclass
class Result:
    """What became of a contestant."""

    family: str
    variant: str
    heat: float | None = None
    """Seconds per unit in the heat."""
    turns: list[float] = field(default_factory=list)
    """Seconds per unit, turn by turn; empty unless it started."""
    reason: str = ""
    """Why it wasn't timed."""

    @property
    def seconds(self) -> float:
        """Median seconds per unit."""
        return statistics.median(self.turns)


@dataclass
class Race:
    """All results of one problem."""

    problem: str
    results: list[Result]

    def winner(self, family: str) -> Result | None:
        """The fastest variant of a family, if any started."""
        started = (result for result in self.results if result.family == family and result.turns)
        return min(started, key=lambda result: result.seconds, default=None)

    def ratio(self, family: str, to: str) -> float | None:
        """How many times the time of `to` a family takes: the median of the ratios within a turn."""
        mine, other = self.winner(family), self.winner(to)
        if mine is None or other is None:
            return None
        return statistics.median(a / b for a, b in zip(mine.turns, other.turns, strict=True))


class Report(NamedTuple):
    """What a benchmark has to say, for people and for programs."""

    text: str
    data: dict


def race(problem: str, contestants: Iterable[Contestant], rounds: int) -> Race:
    """Check every contestant, let the fastest of each family start, give the starters `rounds` turns."""
    results: list[Result] = []
    starters: dict[str, list[tuple[Result, Prepared]]] = {}
    for contestant in contestants:
        _progress(f"{problem}: {contestant.family}, {contestant.variant}")
        result = Result(contestant.family, contestant.variant)
        results.append(result)
        prepared = _checked(contestant, result)
        if prepared is not None:
            repeats = _repeats(prepared, HEAT_SECONDS)
            result.heat = min(_timed(prepared, repeats) for _ in range(2))
            family = [*starters.get(result.family, []), (result, prepared)]
            starters[result.family] = sorted(family, key=lambda entry: entry[0].heat or math.inf)[:STARTERS]
    _progress(f"{problem}: the race")
    _take_turns([starter for family in starters.values() for starter in family], rounds)
    _progress("")
    return Race(problem, results)


def _progress(text: str) -> None:
    """What is going on, in one line that the next one overwrites; on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _checked(contestant: Contestant, result: Result) -> Prepared | None:
    try:
        return contestant.prepare()
    except Unavailable as reason:
        result.reason = f"not run: {reason}"
    except Wrong as reason:
        result.reason = f"WRONG, not timed: {reason}"
    except Exception as error:  # a rival's bug must not cost the others their race
        result.reason = f"FAILED, not timed: {error!r}"
    return None


def _take_turns(starters: Sequence[tuple[Result, Prepared]], rounds: int) -> None:
    repeats = [_repeats(prepared, TURN_SECONDS) for _, prepared in starters]
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for (result, prepared), count in zip(starters, repeats, strict=True):
                result.turns.append(_timed(prepared, count))
    finally:
        gc.enable()


def _repeats(prepared: Prepared, seconds: float) -> int:
    """How often to do the work so that it takes this long."""
    repeats = 1
    while True:
        start = _CLOCK()
        prepared.run(repeats)
        taken = _CLOCK() - start
        if taken >= seconds / 2:
            return max(1, round(repeats * seconds / taken))
        repeats *= 2


def _timed(prepared: Prepared, repeats: int) -> float:
    """Seconds per unit."""
    start = _CLOCK()
    prepared.run(repeats)
    return (_CLOCK() - start) / (repeats * prepared.units)


def table(races: Sequence[Race], families: Sequence[str], ours: str) -> str:
    """A row a family, for each race nanoseconds per unit and the ratio to ours; then variants and absences."""
    width = max(len(family) for family in families)
    lines = [" " * width + "".join(f"{entry.problem:>12}{'×':>8}" for entry in races)]
    for family in families:
        cells = "".join(_cell(entry, family, ours) for entry in races)
        lines.append(f"{family:<{width}}{cells}")
    for title, details in (
        ("Fastest variant, of those tried:", _winners(races, families)),
        ("Without a time:", _absences(races, families)),
    ):
        lines += ["", title, *details] if details else []
    return "\n".join(lines)


def _winners(races: Sequence[Race], families: Sequence[str]) -> list[str]:
    lines = []
    for family in families:
        for entry in races:
            tried = [result for result in entry.results if result.family == family and result.heat is not None]
            winner = entry.winner(family)
            if winner and len(tried) > 1:
                lines.append(f"  {family}, {entry.problem}: {winner.variant} (of {len(tried)})")
    return lines


def _cell(entry: Race, family: str, ours: str) -> str:
    winner, ratio = entry.winner(family), entry.ratio(family, ours)
    if winner is None:
        return f"{'–':>12}{'–':>8}"
    relative = "–" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    return f"{_nanoseconds(winner.seconds):>12}{relative:>8}"


def _nanoseconds(seconds: float) -> str:
    value = seconds * 1e9
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _absences(races: Sequence[Race], families: Sequence[str]) -> list[str]:
    problems: dict[tuple[str, str, str], list[str]] = {}
    for entry in races:
        for result in entry.results:
            if result.reason and result.family in families:
                problems.setdefault((result.family, result.variant, result.reason), []).append(entry.problem)
    return [
        f"  {family}, {variant} ({', '.join(where)}): {reason}"
        for (family, variant, reason), where in problems.items()
    ]


def save(name: str, text: str, data: dict) -> tuple[Path, Path]:
    """Keep a report as text and as JSON; returns the files."""
    _RESULTS.mkdir(exist_ok=True)
    stem = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    as_text, as_json = _RESULTS / f"{stem}.txt", _RESULTS / f"{stem}.json"
    as_text.write_text(text + "\n")
    as_json.write_text(json.dumps(data, indent=1) + "\n")
    return as_text, as_json


def as_data(races: Sequence[Race]) -> list[dict]:
    """Races for JSON; times in seconds per unit."""
    return [asdict(entry) for entry in races]
