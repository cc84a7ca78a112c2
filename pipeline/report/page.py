"""A page: its template, filled, in one file."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.provenance import commit
from pipeline.report import Part
from pipeline.report.sections import FigureShown, Section, section
from pipeline.report.series import Frames, Series
from pipeline.report.verdicts import in_order, verdicts
from pipeline.request import Config
from pipeline.store import new_file
from pipeline.words import moment, one_line, store_name

_PAPER = "Autonomous learning in discrete time: the paper's claims, and what our numbers say"
"""Title of a page that judges claims."""


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Characters that are none of HTML."""


def write(
    parts: Sequence[Part],
    file: Path,
    overwrite: bool,
    title: str,
    command: str,
    paper: Callable[[str], Config] | None,
) -> list[str]:
    """Write a page about some stores: what `pipeline.report.write` does."""
    parts = in_order(parts) if paper else parts
    sections = [section(part, key) for part, key in zip(parts, _keys(parts), strict=True)]
    found = verdicts(parts, [one.key for one in sections], paper) if paper else None
    made = commit()
    text = _template().render(
        title=_PAPER if found else f"Report: {title}",
        sections=sections,
        verdicts=found,
        command=command,
        moment=moment(datetime.now(UTC).isoformat()),
        commit=f"{made['commit'][:12]}{', edited' if made['dirty'] else ''}" if made["commit"] else "",
    )
    with new_file(file, overwrite, make_folder=True) as aside:
        aside.write_text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), "utf-8", errors="backslashreplace")
    return [line for one in sections for line in _faults(one)]


def _keys(parts: Sequence[Part]) -> list[str]:
    """What the sections of a page are known by: names of stores, all distinct."""
    keys = dict[str, None]()
    for part in parts:
        # With one hyphen each, as names of what belongs to a section have more.
        name = f"store-{re.sub(r'[^a-zA-Z0-9]+', '_', store_name(part.path))}"
        others = (f"{name}_{number}" for number in count(2))
        keys[next(key for key in chain([name], others) if key not in keys)] = None
    return list(keys)


def _faults(one: Section) -> list[str]:
    of_figures = [f"{figure.caption}: {figure.fault}" for figure in one.figures if figure.fault]
    return [f"{one_line(one.title)}: {line}" for line in [*one.faults, *one.notes, *of_figures]]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pipeline.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["svg"] = _svg
    environment.filters["spots"] = _spots
    environment.filters["data"] = _data
    environment.filters["code"] = _code
    return environment.get_template("page.html.j2")


_PATH, _DIGITS = re.compile(r'(?<= d=")[^"]*(?=")'), re.compile(r"(\.\d\d)\d+")


def _svg(figure: FigureShown) -> Markup:
    """A drawing, which Matplotlib wrote: it escapes what users name. Paths to a hundredth of a point, for size."""
    return Markup(_PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), figure.svg))


def _spots(figure: FigureShown) -> Markup:
    """Where numbers can be pointed at, as JSON within a script element."""
    return _as_json([[round(spot.x, 4), round(spot.y, 4), spot.text] for spot in figure.spots])


def _code(text: str) -> Markup:
    """A line with `code` in it."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _data(members: Sequence[Series | Frames]) -> Markup:
    """Members to be picked, as JSON within a script element."""
    return _as_json([asdict(one) for one in members])


def _as_json(data: Any) -> Markup:
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
