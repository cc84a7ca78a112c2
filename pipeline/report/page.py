"""A page: its template, filled, in one file."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pipeline.errors import RequestError
from pipeline.provenance import commit
from pipeline.report import Part
from pipeline.report.sections import FigureShown, Section, section
from pipeline.report.series import Series
from pipeline.report.verdicts import verdicts
from pipeline.words import moment, store_name


def write(parts: Sequence[Part], file: Path, title: str, command: str, claims: bool) -> list[str]:
    """Write a page about some stores: what `pipeline.report.write` does."""
    sections = [section(part, key) for part, key in zip(parts, _keys(parts), strict=True)]
    made = commit()
    text = _template().render(
        title=title,
        sections=sections,
        verdicts=verdicts(parts, [one.key for one in sections]) if claims else None,
        command=command,
        moment=moment(datetime.now(UTC).isoformat()),
        commit=f"{made['commit'][:12]}{', edited' if made['dirty'] else ''}" if made["commit"] else "",
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, suffix=".part", encoding="utf-8", delete=False) as whole:
            whole.write(text)
        os.chmod(whole.name, 0o644)
        os.replace(whole.name, file)
    except OSError as error:
        raise RequestError([f"{file}: expected a file that can be written: {error.strerror}"]) from error
    return [line for one in sections for line in _faults(one)]


def _keys(parts: Sequence[Part]) -> list[str]:
    """What the sections of a page are known by: names of stores, all distinct."""
    keys = dict[str, None]()
    for part in parts:
        key = name = re.sub(r"\W+", "-", store_name(part.path))
        while key in keys:
            key = f"{key}-{name}"
        keys[key] = None
    return list(keys)


def _faults(one: Section) -> list[str]:
    return [*one.faults, *(f"{figure.caption}: {figure.fault}" for figure in one.figures if figure.fault)]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pipeline.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["svg"] = _svg
    environment.filters["spots"] = _spots
    environment.filters["data"] = _data
    return environment.get_template("page.html.j2")


def _svg(figure: FigureShown) -> Markup:
    """A drawing, which Matplotlib wrote: it escapes what users name."""
    return Markup(figure.svg)


def _spots(figure: FigureShown) -> Markup:
    """Where numbers can be pointed at, as JSON within a script element."""
    return _as_json([[round(spot.x, 4), round(spot.y, 4), spot.text] for spot in figure.spots])


def _data(series: Sequence[Series]) -> Markup:
    """Members to be picked, as JSON within a script element."""
    return _as_json([asdict(one) for one in series])


def _as_json(data: Any) -> Markup:
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
