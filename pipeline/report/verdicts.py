"""What stores of the paper's sweeps say of its claims."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import xarray

from pipeline.claims import (
    ASSUMED,
    CALIBRATION,
    CLAIMS,
    DEVIATIONS,
    OPENING,
    OPENING_FIGURE,
    RULES,
    SWEEPS,
    Holds,
    Judged,
    holds,
    judged,
)  # fmt: skip
from pipeline.errors import Damaged, RequestError
from pipeline.plan import Plan, history_of, requested_part
from pipeline.provenance import commits_of
from pipeline.report import Part
from pipeline.report.sections import why
from pipeline.words import moment, store_name


@dataclass(frozen=True)
class Evidence:
    """A statistic of a claim, in words."""

    what: str
    interval: str
    wanted: str
    verdict: str


@dataclass(frozen=True)
class Shown:
    """A claim on a page."""

    judged: Judged
    parts: list[Evidence]
    sections: list[tuple[str, str]]
    """Of the page, about the stores that decide: key and title."""
    searched: str
    """At how many of the places that were searched for settings it holds; empty: not known."""


class Benchmark(NamedTuple):
    """The last run of a benchmark."""

    name: str
    when: str
    text: str


@dataclass(frozen=True)
class Verdicts:
    """All claims on a page, and what else it says of the paper."""

    opening: Sequence[str]
    opening_key: str
    """Of the section whose figure opens the page; empty: none."""

    claims: list[Shown]
    counts: str
    """How many have which verdict."""
    rules: list[str]
    """Commits that wrote or changed the rules, oldest first."""
    data: list[str]
    """When and by which commit the stores that decide were filled."""
    assumed: Sequence[str]
    deviations: Sequence[str]
    benchmarks: list[Benchmark]


def verdicts(parts: Sequence[Part], keys: Sequence[str]) -> Verdicts | None:
    """What some stores say of the paper's claims.

    Args:
        parts: stores of a page.
        keys: of the sections about them.

    Returns:
        The verdicts; None if none of the stores is of a sweep that a claim is about.
    """
    named = _of_paper(parts)
    if not named:
        return None
    datasets, faults, data = dict[str, xarray.Dataset](), dict[str, str](), []
    for sweep, number in named.items():
        try:
            plan = parts[number].plan_now()
            if not plan.finished:
                faults[sweep] = "not complete"
                continue
            datasets[sweep] = requested_part(plan)
            data.append(f"{sweep}: {_filled(plan)}")
        except (Damaged, RequestError, OSError) as error:
            faults[sweep] = why(error)
    held = _searched(parts, datasets)
    shown = [
        _shown(judged(claim, datasets, faults), named, keys, held.get(claim.name)) for claim in CLAIMS.values()
    ]
    told = [one.judged.verdict for one in shown]
    counts = ", ".join(f"{told.count(verdict)} {verdict}" for verdict in dict.fromkeys(sorted(told)))
    rules = [f"{moment(when)}, commit {commit}: {what}" for when, commit, what in commits_of(Path(RULES))]
    opening_key = keys[named[OPENING_FIGURE]] if OPENING_FIGURE in named else ""
    return Verdicts(OPENING, opening_key, shown, counts, rules, data, ASSUMED, DEVIATIONS, _benchmarks(_RESULTS))


_RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"
"""Where benchmarks keep their reports, in a checkout."""


def _benchmarks(folder: Path) -> list[Benchmark]:
    """The last report of every benchmark."""
    found = dict[str, Benchmark]()
    for file in sorted(folder.glob("*-*.txt"), key=lambda file: file.stem.rpartition("-")[2]):
        name, _, when = file.stem.rpartition("-")
        told = datetime.strptime(when, "%Y%m%dT%H%M%SZ").isoformat()
        found[name] = Benchmark(name, moment(told), file.read_text("utf-8"))
    return list(found.values())


def _of_paper(parts: Sequence[Part]) -> dict[str, int]:
    """Sweep that a claim is about → number of its store: those at full scale or else, if there are none, others."""
    of = {store_name(part.path): k for k, part in enumerate(parts)}
    for suffix in sorted({part.suffix for part in parts}):
        found = {sweep: of[f"{sweep}{suffix}"] for sweep in SWEEPS if f"{sweep}{suffix}" in of}
        if found:
            return found
    return {}


def _searched(parts: Sequence[Part], datasets: Mapping[str, xarray.Dataset]) -> dict[str, Holds]:
    """At how many places of a calibration claims hold, if it is among the stores and has ended."""
    for part in parts:
        if part.path.name.startswith(CALIBRATION):
            with suppress(Damaged, RequestError, OSError):  # which its own section says
                plan = part.plan_now()
                if plan.finished:
                    return holds(requested_part(plan), datasets)
    return {}


def _filled(plan: Plan) -> str:
    """When, and by which commits, a store was filled."""
    assert plan.store is not None
    runs = [run for run in history_of(plan.store).runs if run.computed or run.taken]
    commits = dict.fromkeys(run.code for run in runs if run.code)
    last = moment(runs[-1].ended or runs[-1].started) if runs else "unknown"
    return ", ".join(filter(None, [last, f"commit {' and '.join(commits)}" if commits else ""]))


def _shown(found: Judged, named: dict[str, int], keys: Sequence[str], held: Holds | None) -> Shown:
    parts = []
    for part in found.parts:
        middle, low, high = (f"{value:.3g}" for value in part.interval)
        interval = middle if low == high else f"{middle} [{low}, {high}]"
        parts.append(Evidence(part.what, interval, part.wanted, part.verdict))
    sections = [(keys[named[sweep]], sweep) for sweep in found.claim.sweeps if sweep in named]
    return Shown(found, parts, sections, f"{held.places} of {held.among}" if held else "")
