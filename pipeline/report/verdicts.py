"""What stores of the paper's sweeps say of its claims."""

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

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
    Verdict,
    holds,
    judged,
)  # fmt: skip
from pipeline.errors import Damaged, RequestError
from pipeline.plan import Plan, history_of, requested_part
from pipeline.provenance import commits_of
from pipeline.report import Part
from pipeline.report.sections import why
from pipeline.request import Config
from pipeline.words import brief, counted, moment, store_name


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
    """At how many of the places that were searched for settings it holds; empty: not known, or not used there."""
    changed: list[str]
    """In what stores that decide differ from the sweeps of the paper."""


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
    searched_key: str
    """Of the section about the search for settings; empty: none."""
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


def verdicts(parts: Sequence[Part], keys: Sequence[str], paper: Callable[[str], Config]) -> Verdicts | None:
    """What some stores say of the paper's claims.

    Args:
        parts: stores of a page.
        keys: of the sections about them.
        paper: gives the request of a sweep of the paper as its file has it, what other stores give left open.

    Returns:
        The verdicts; None if none of the stores is of a sweep that a claim is about.
    """
    named, paper = _of_paper(parts), cache(paper)  # several take a setting from the store of the same sweep
    search = named.pop(CALIBRATION, None)
    if not named:
        return None
    datasets, data = dict[str, xarray.Dataset](), []
    faults = {sweep: _how_to_compute(sweep, parts[next(iter(named.values()))]) for sweep in SWEEPS}
    changed = dict[str, str]()
    for sweep, number in named.items():
        try:
            plan = parts[number].plan_now()
            if not plan.finished:
                faults[sweep] = "not complete"
                continue
            wanted = paper(sweep)
            if plan.sweep.system_name != wanted.system:
                faults[sweep] = f"a sweep of the system {plan.sweep.system_name}, not of {wanted.system}"
                continue
            if {*plan.sweep.axes} != {*wanted.axes}:
                faults[sweep] = f"a sweep over {_listed(plan.sweep.axes)}, not over {_listed(wanted.axes)}"
                continue
            datasets[sweep] = requested_part(plan)
            data.append(f"{sweep}: {_filled(plan)}")
            if differs := ", ".join(_differences(plan, wanted, paper)):
                changed[sweep] = f"{store_name(plan.path)}: {differs}"
        except (Damaged, RequestError, OSError) as error:
            faults[sweep] = why(error)
    held = {} if search is None else _held(parts[search], datasets, paper(CALIBRATION))
    shown = [
        _shown(judged(claim, datasets, faults), named, keys, held.get(claim.name), changed)
        for claim in CLAIMS.values()
    ]
    told = [one.judged.verdict for one in shown]
    counts = ", ".join(f"{told.count(verdict)} {verdict}" for verdict in get_args(Verdict) if verdict in told)
    if others := sum(bool(one.changed) for one in shown):
        counts += f"; {others} of them judged by stores that are not the paper's sweeps"
    rules = [f"{moment(when)}, commit {commit}: {what}" for when, commit, what in commits_of(Path(RULES))]
    opening_key = keys[named[OPENING_FIGURE]] if OPENING_FIGURE in named else ""
    searched_key = "" if search is None else keys[search]
    return Verdicts(
        OPENING, opening_key, searched_key, shown, counts, rules, data, ASSUMED, DEVIATIONS, _benchmarks(_RESULTS)
    )


def in_order(parts: Sequence[Part]) -> list[Part]:
    """Stores in the order in which the paper's claims need them, others after them.

    Args:
        parts: stores of a page.

    Returns:
        The same stores.
    """

    def place(part: Part) -> int:
        name = store_name(part.path).removesuffix(part.suffix)
        return SWEEPS.index(name) if name in SWEEPS else len(SWEEPS)

    return sorted(parts, key=place)


_RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"
"""Where benchmarks keep their reports, in a checkout."""


def _benchmarks(folder: Path) -> list[Benchmark]:
    """The last report of every benchmark."""
    found = dict[str, Benchmark]()
    for file in sorted(folder.glob("*-*.txt"), key=lambda file: file.stem.rpartition("-")[2]):
        name, _, when = file.stem.rpartition("-")
        with suppress(ValueError):  # of another name
            told = datetime.strptime(when, "%Y%m%dT%H%M%SZ").isoformat()
            found[name] = Benchmark(name, moment(told), file.read_text("utf-8"))
    return list(found.values())


def _of_paper(parts: Sequence[Part]) -> dict[str, int]:
    """Sweep that a claim is about, or the search for settings → number of its store.

    All are of one scale: the full one or else, if no claim has a store of it, another.
    """
    of = dict[str, int]()
    for k, part in enumerate(parts):
        of.setdefault(store_name(part.path), k)  # a store, rather than an archive of it beside
    for suffix in sorted({part.suffix for part in parts}):
        found = {sweep: of[f"{sweep}{suffix}"] for sweep in (*SWEEPS, CALIBRATION) if f"{sweep}{suffix}" in of}
        if {*found} - {CALIBRATION}:
            return found
    return {}


def _held(part: Part, datasets: Mapping[str, xarray.Dataset], wanted: Config) -> dict[str, Holds]:
    """At how many places of a search claims hold, if it has ended and is that of its file."""
    with suppress(Damaged, RequestError, OSError, KeyError):  # which its own section says, or of another sweep
        plan = part.plan_now()
        if plan.finished and not any(_other_settings(plan, wanted)):
            return holds(requested_part(plan), datasets)
    return {}


def _how_to_compute(sweep: str, beside: Part) -> str:
    """What makes a store that is not there, beside one that is."""
    scale = f" +scale={beside.suffix.removeprefix('-')}" if beside.suffix else ""
    root = shlex.quote(f"store.root={beside.path.parent}")
    return f"not there yet; python -m pipeline +sweep={sweep}{scale} {root} computes it"


def _filled(plan: Plan) -> str:
    """When, and by which commits, a store was filled."""
    assert plan.store is not None
    runs = [run for run in history_of(plan.store).runs if run.computed or run.taken]
    commits = dict.fromkeys(run.code for run in runs if run.code)
    last = moment(runs[-1].ended or runs[-1].started) if runs else "unknown"
    return ", ".join(filter(None, [last, f"commit {' and '.join(commits)}" if commits else ""]))


def _told(interval: Sequence[float]) -> str:
    """An estimate with its interval, to three digits or as many as tell its ends apart."""
    middle, low, high = interval
    if math.isnan(middle):
        return "no numbers"
    if low == high:
        return f"{middle:.3g}"
    digits = next((few for few in range(3, 6) if f"{low:.{few}g}" != f"{high:.{few}g}"), 6)
    return f"{middle:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]"


def _other_settings(plan: Plan, wanted: Config) -> Iterator[str]:
    """In what the members of a store are others than a sweep's file wants."""
    assert plan.store is not None
    settings, ensemble = plan.store.fingerprint["settings"], wanted.ensemble
    yield from _changed(settings, wanted)
    for name, got, value in (
        ("seed", plan.sweep.seed, ensemble.seed), ("noise", plan.sweep.noise, ensemble.noise)
    ):  # fmt: skip
        if got != value:
            yield f"{name} {got}, not {value}"
    if plan.stale.any():
        yield "computed by other code than today's"


def _changed(settings: Mapping[str, Any], wanted: Config) -> Iterator[str]:
    """Settings that are others than a sweep's file says; of those that other stores give it says none."""
    for name, value in wanted.settings.items():
        if name in settings and name not in wanted.unknown and settings[name] != value:
            yield f"{name} {brief(str(settings[name]), 30)}, not {brief(str(value), 30)}"


def _from_others(plan: Plan, wanted: Config, paper: Callable[[str], Config]) -> Iterator[str]:
    """Settings that are not from the store that a sweep's file names, or from one that is not the paper's sweep."""
    assert plan.store is not None
    origins = dict[str, Any]()
    for run in plan.store.runs():
        origins |= run.get("config", {}).get("derived", {})
    suffix = store_name(plan.path).removeprefix(wanted.store.name)
    for name in wanted.unknown:
        if name not in origins:
            value = brief(str(plan.store.fingerprint["settings"].get(name)), 30)
            yield f"{name} {value}, of which no run says that it is from another store"
            continue
        origin = origins[name]
        try:
            source = paper(origin["store"].removesuffix(suffix))
        except RequestError:  # no sweep has the name
            yield f"{name} from {origin['store']}"
            continue
        of_file = {"members": source.ensemble.members, "seed": source.ensemble.seed}
        differs = [*_changed(origin["settings"], source)]
        differs += [
            f"{what} {origin[what]}, not {value}" for what, value in of_file.items() if origin[what] != value
        ]
        if differs:
            yield f"{name} from a {origin['store']} with {', '.join(differs)}"


def _differences(plan: Plan, wanted: Config, paper: Callable[[str], Config]) -> Iterator[str]:
    """In what a store is less than a sweep's file wants, or more, or other."""
    assert plan.store is not None
    yield from _other_settings(plan, wanted)
    yield from _from_others(plan, wanted, paper)
    if plan.sweep.records != wanted.store.records:
        yield f"{plan.sweep.records} records, not {wanted.store.records}"
    for k, name in enumerate(plan.sweep.axes):
        there = {point[k] for point in plan.sweep.points}
        values = wanted.axes[name].spread()
        if lacking := [value for value in values if value not in there]:
            yield f"{len(values) - len(lacking)} of {len(values)} values of {name}"
        if more := there - {*values}:
            yield f"{len(more)} more of {name}"
    least = int(plan.store.asked[plan.rows[plan.rows >= 0]].min(initial=plan.sweep.members))
    if least < wanted.ensemble.members:
        where = "" if least == plan.sweep.members else " at some points"
        yield f"{counted(least, 'member')}{where}, not {wanted.ensemble.members}"


def _listed(axes: Iterable[str]) -> str:
    return ", ".join(axes) or "no axes"


def _shown(
    found: Judged,
    named: dict[str, int],
    keys: Sequence[str],
    held: Holds | None,
    changed: Mapping[str, str],
) -> Shown:
    parts = []
    for part in found.parts:
        parts.append(Evidence(part.what, _told(part.interval), part.wanted, part.verdict))
    sections = [(keys[named[sweep]], sweep) for sweep in found.claim.sweeps if sweep in named]
    others = [changed[sweep] for sweep in found.claim.sweeps if sweep in changed and found.parts]
    return Shown(found, parts, sections, f"{held.places} of {held.among}" if held else "", others)
