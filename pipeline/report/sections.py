"""What a page says of a store: figures, numbers, settings, cost, checks and runs."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ValidationError

from pipeline.digest import as_hex
from pipeline.errors import Damaged, RequestError
from pipeline.figures import DEFAULT, MEASURED, drawing, pictures_of
from pipeline.plan import Plan, Run, history_of, requested_part
from pipeline.report import Part
from pipeline.report.series import Frames, Series, equally_spaced, frames_of, series_of
from pipeline.request import CONF
from pipeline.store import Store, is_driven
from pipeline.systems import DIVERGED, MISSING, System
from pipeline.words import between, brief, counted, duration, moment, one_line, store_name, without_tex

if TYPE_CHECKING:
    from pipeline.figures import Drawing

MOST_ROWS = 600
"""Of a table of numbers; beyond, one in so many is shown."""
_MOST_SPOTS = 2000
"""Of a figure: numbers that can be pointed at."""

Row = Sequence[str]
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    header: Row
    rows: Sequence[Row]
    left_out: str = ""
    """What is not shown, in words."""


@dataclass(frozen=True)
class FigureShown:
    """A figure, or why there is none."""

    key: str
    """What it is known by in the page."""
    caption: str
    svg: str = ""
    width: float = 0.0
    height: float = 0.0
    spots: Sequence[Any] = ()
    spots_left_out: str = ""
    """Which numbers can't be pointed at, in words."""
    numbers: Table = field(default_factory=lambda: Table((), ()))
    frames: Frames | None = None
    """Pictures of single members that belong to it."""
    fault: str = ""


@dataclass(frozen=True)
class Section:
    """What a page says of a store."""

    key: str
    title: str
    lead: str
    """What was swept, in a line."""
    faults: list[str]
    """What is wrong or not there yet."""
    figures: list[FigureShown]
    facts: list[tuple[str, str]]
    """What the store is, how far, at what cost."""
    settings: Table
    runs: Table
    machines: list[str]
    series: list[Series] = field(default_factory=list)
    """Of a store without axes: its members, to be picked."""
    notes: list[str] = field(default_factory=list)
    """What to know of numbers that are shown."""


def section(part: Part, key: str) -> Section:
    """What a page says of a store, whatever state that is in.

    Args:
        part: the store.
        key: what the section is known by in its page.

    Returns:
        The section; what can't be read is told in it.
    """
    title, empty = store_name(part.path), Table((), ())
    try:
        plan = part.plan_now()
    except (Damaged, RequestError, OSError) as error:
        return Section(key, title, "", [why(error)], [], [], empty, empty, [])
    if plan.store is None:
        return Section(key, title, "", [f"{plan.path}: nothing is stored yet"], [], [], empty, empty, [])
    store, faults = plan.store, list(_not_done(plan))

    def shown(make: Callable[[], _Made], otherwise: _Made) -> _Made:
        """What a record says; where it can't be read, that is told."""
        try:
            return make()
        except (Damaged, RequestError, OSError) as error:
            faults.append(why(error))
            return otherwise

    system = shown(lambda: plan.sweep.system, None)
    return Section(
        key=key,
        title=title,
        lead=shown(lambda: _lead(plan, store), ""),
        figures=[_figure(plan, name, part, key) for name in part.figures or [DEFAULT] if system],
        facts=[
            *shown(lambda: list(_facts(plan, store)), list[tuple[str, str]]()),
            *shown(lambda: list(_last(store)), list[tuple[str, str]]()),
        ],
        settings=shown(lambda: _settings(plan, store), empty),
        runs=shown(lambda: _runs(store), empty),
        machines=shown(lambda: [_machine(told) for told in store.machines().values()], []),
        series=shown(lambda: series_of(requested_part(plan)), list[Series]()) if plan.available.any() else [],
        notes=shown(lambda: list(_notes_on_code(plan)), list[str]()),
        faults=list(dict.fromkeys(faults)),
    )


def why(error: Exception) -> str:
    """The first thing that is wrong, in a line.

    Args:
        error: a RequestError, Damaged or OSError.

    Returns:
        Text.
    """
    return one_line(error.faults[0] if isinstance(error, RequestError) else error)


def _not_done(plan: Plan) -> Iterator[str]:
    """How far a sweep is that has not ended."""
    if plan.finished:
        return
    missing, wanted = int(plan.missing.sum()), int(plan.requested.sum())
    at_work = "a run is at work on it" if is_driven(plan.path) else "nobody is at work on it"
    if missing:
        yield f"not complete: {missing} of {counted(wanted, 'block')} are missing; {at_work}"
    else:
        yield f"not complete: the search goes on; {at_work}"


def _notes_on_code(plan: Plan) -> Iterator[str]:
    """Whether stored numbers are those of today's code."""
    if plan.stale.any():
        changed = ", ".join(plan.changed_code()) or "unknown"
        yield (
            f"{counted(int(plan.stale.sum()), 'block')} of {int(plan.stored.sum())} were computed by other code than "
            f"today's (changed since: {changed})"
        )


def _lead(plan: Plan, store: Store) -> str:
    system, axes = plan.sweep.system, []
    for k, name in enumerate(plan.sweep.axes):
        values = {point[k] for point in plan.sweep.points}
        symbol = system.symbols.get(name, (name, ""))[0]
        axes.append(f"{counted(len(values), 'value')} of {without_tex(symbol)}")
    what = " × ".join(axes) or "one point"
    if plan.sweep.method != "product":
        what = f"{counted(len(plan.sweep.points), 'point')} with {', '.join(axes)}"
    each = " each" if len(plan.sweep.points) > 1 else ""
    return f"{store.fingerprint['system']}: {what}, up to {counted(plan.sweep.members, 'member')}{each}"


def _facts(plan: Plan, store: Store) -> Iterator[tuple[str, str]]:
    """What a store is, how far, and at what cost."""
    stored, there = plan.available, plan.rows >= 0
    blocks = min(stored.shape[1], store.blocks)
    core_time = store.books["seconds"][plan.rows[there], :blocks][stored[there, :blocks]].sum()
    wanted = f"{int(plan.requested.sum())} asked for, {plan.sweep.block_members} members each"
    yield "store", f"{plan.path.name}, identity {as_hex(store.identity.sweep_id)}"
    yield "blocks", f"{int(stored.sum())} of {wanted}"
    if stored.any():
        try:
            state = requested_part(plan)["status"].values
            yield (
                "members",
                f"{int((state != MISSING).sum())} computed, {int((state == DIVERGED).sum())} of them diverged",
            )
        except (Damaged, RequestError) as error:
            yield "members", f"can't be told: {why(error)}"
    yield "cost", f"{duration(float(core_time))} of core time for what is shown"


def _last(store: Store) -> Iterator[tuple[str, str]]:
    """The last run, what failed in it, and what the last checks said."""
    runs = store.runs()
    if runs:
        yield "command", one_line(runs[-1]["command"])
        failed = runs[-1]["failed"]
        first = f": {brief(failed[0], 200)}" if failed else ""
        yield "failed", f"{counted(len(failed), 'block')} in the last run{first}"
    else:
        yield "failed", "unknown: there is no record of a run"
    for kind in ("verify", "converge"):
        told = store.check(kind)
        yield kind, _checked(told, history_of(store).runs) if told else "not done yet"


def _checked(told: dict[str, Any], runs: Sequence[Run]) -> str:
    """What a check said, and what came after it."""
    since = sum(run.computed + run.taken for run in runs if not run.ended or run.ended > told["when"])
    after = f"; {counted(since, 'block')} since then not checked" if since else ""
    return f"{moment(told['when'])}: {told['done']}; {told['said'][-1]}{after}"


def _settings(plan: Plan, store: Store) -> Table:
    """Every setting with its value and where that comes from."""
    settings, axes = store.fingerprint["settings"], plan.sweep.axes
    runs = [run["config"] for run in store.runs() if "config" in run]
    derived = runs[-1].get("derived", {}) if runs else {}
    system, file = plan.sweep.system, CONF / "system" / f"{store.fingerprint['system']}.yaml"
    defaults, notes = _defaults(file, system), _notes(file)
    rows = []
    for name in sorted({*settings, *axes}):
        symbol, units = system.symbols.get(name, ("", ""))
        note = notes.get(name, "")
        value = "swept" if name in axes else brief(json.dumps(settings[name], ensure_ascii=False), 40)
        if name in axes:
            origin = "an axis of the sweep"
        elif name in derived:
            told = derived[name]
            origin = f"{told['statistic']} of {told['store']}"
        elif name in defaults and settings[name] == defaults[name]:
            origin = f"conf/system/{file.name}" if file.is_file() else "a default of the model"
        else:
            origin, note = "the sweep's files or command", ""  # what is said of the default does not hold for it
        rows.append((name, without_tex(symbol), value, "" if units == "1" else units, origin, note))
    return Table(("setting", "symbol", "value", "unit", "from", "what its file says of it"), rows)


def _defaults(file: Path, system: System) -> dict[str, Any]:
    """The settings that a system has if a request says nothing: those of its file, else of the model itself."""
    given = yaml.safe_load(file.read_text("utf-8"))["settings"] if file.is_file() else {}
    try:
        return system.settings.model_validate(given).model_dump()
    except ValidationError:  # some settings have no default
        fields = system.settings.model_fields.items()
        return {name: field.get_default(call_default_factory=True) for name, field in fields}


_KEY, _MORE = re.compile(r"  (\w+):[^#]*(?:#\s*(.*))?$"), re.compile(r"\s+#\s*(.*)$")


def _notes(file: Path) -> dict[str, str]:
    """Setting → what the comments of a system's file say of it: those beside it, before it and after it."""
    found, before, last = dict[str, str](), list[str](), ""
    for line in file.read_text("utf-8").splitlines() if file.is_file() else []:
        if key := _KEY.match(line):
            last = key[1]
            found[last] = " ".join(filter(None, [key[2], *before]))
            before = []
        elif more := _MORE.match(line):
            if line.startswith("  #"):
                before.append(more[1])
            elif last:
                found[last] = f"{found[last]} {more[1]}"
    return found


def _runs(store: Store) -> Table:
    """The runs that filled a store."""
    rows = []
    for run in history_of(store).runs:
        what = f"{counted(run.taken, 'block')} from {run.source}" if run.taken else counted(run.computed, "block")
        wall = between(run.started, run.ended) if run.ended else ""
        rows.append((f"{moment(run.started)}, {run.state}", wall, what, run.code, one_line(run.command)))
    return Table(("begun (UTC)", "wall time", "computed", "commit", "command"), rows)


def _machine(told: dict[str, Any]) -> str:
    """A machine that computed blocks, in a line."""
    cpu, versions = told.get("cpu", {}), told.get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    processor = f"{counted(cpu.get('cores', 0), 'core')} of {cpu.get('name', 'unknown')}"
    return f"{processor}, {told.get('platform', '')}; {packages}"


def _figure(plan: Plan, name: str, part: Part, key: str) -> FigureShown:
    """A figure of a store for a page, or why there is none."""
    key = key if name == DEFAULT else f"{key}-{name}"
    try:
        drawn = drawing(plan, name, part.of, part.suffix)
        frames = None
        if pictures := pictures_of(name):
            dataset = requested_part(plan)
            frames = frames_of(pictures(dataset), dataset["status"])
    except (Damaged, RequestError, OSError, ValueError) as error:
        return FigureShown(key, name, fault=f"the figure can't be drawn: {why(error)}")
    return FigureShown(
        key=key,
        caption=_caption(drawn),
        svg=_embedded(drawn.svg, key),
        width=drawn.width,
        height=drawn.height,
        spots=_some(drawn.spots, _MOST_SPOTS),
        spots_left_out=_left_out(len(drawn.spots), _MOST_SPOTS),
        numbers=_numbers(drawn.numbers),
        frames=frames,
    )


def _caption(drawn: "Drawing") -> str:
    return " ".join(filter(None, [drawn.about, f"{drawn.said[:1].upper()}{drawn.said[1:]}."]))


def _embedded(svg: str, key: str) -> str:
    """An SVG as part of a page: without its head, its size left to the page, its names its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    named = set[str]()

    def own(found: re.Match[str]) -> str:
        """Images that are the same have the same name."""
        is_again = found[1] in named
        named.add(found[1])
        return "" if is_again else f'id="{key}-{found[1]}"'

    svg = re.sub(r'\bid="([^"]*)"', own, svg)
    return re.sub(r"(url\(#|xlink:href=\"#)", rf"\1{key}-", svg)


def _numbers(text: str) -> Table:
    """CSV as a table, numbers to four digits."""
    header, *rows = list(csv.reader(StringIO(text))) or [[]]
    left_out = _left_out(len(rows), MOST_ROWS)
    left_out += "; action=figures writes all of them as CSV" if left_out else ""
    shown = [
        [_rounded(cell) if name in MEASURED else cell for name, cell in zip(header, row, strict=True)]
        for row in _some(rows, MOST_ROWS)
    ]
    return Table(header, shown, left_out)


def _some(rows: Sequence[_Made], most: int) -> Sequence[_Made]:
    """No more than so many, equally spaced: not every so many, which may always be the same values of an axis."""
    return [rows[k] for k in equally_spaced(len(rows), most)]


def _left_out(count: int, most: int) -> str:
    return f"{most} of {count}, equally spaced" if count > most else ""


def _rounded(cell: str) -> str:
    try:
        return f"{float(cell):.4g}" if cell else ""
    except ValueError:
        return cell
