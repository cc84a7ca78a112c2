"""Bitmaps as text art, for networks to classify.

A file holds any number of patterns. A line `name:` starts one; the lines below it, up to an empty line, are its
rows, `#` an active pixel and `.` an inactive one. A line that starts with `# ` is a comment.
"""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.words import brief

_PACKAGED = "pipeline.bitmaps"
"""The package that data/patterns is installed as."""
_NAME = re.compile(r"(\S+):")
_ROW = re.compile(r"[#.]+")
_MOST_SIGNS = 1_000_000
"""Of a file."""


def inline(sources: Sequence[str]) -> list[str]:
    """The patterns of some files, each as text of its own: its name and its rows, line by line.

    So what a network learns is told by the text, not by a file that may change.

    Args:
        sources: paths; a text that already is a pattern stays as it is.

    Returns:
        One text a pattern.

    Raises:
        ValueError: a file is missing, empty or ragged or has other characters, patterns differ in size, or a
            pattern or
            a name appears twice; with file and line.
    """
    patterns: dict[str, tuple[str, str]] = {}
    for source in sources:
        for name, rows, where in _inlined(source) if "\n" in source else _read(Path(source)):
            art = "\n".join(rows)
            if name in patterns:
                raise ValueError(
                    f"{where}: expected a new name, got {brief(name)} again, first in {patterns[name][1]}"
                )
            for other, (other_art, other_where) in patterns.items():
                if art == other_art:
                    raise ValueError(
                        f"{where}: expected a new pattern, got that of {other} in {other_where} again"
                    )
            patterns[name] = art, where
    shapes = {name: (len(art.split("\n")), len(art.split("\n")[0])) for name, (art, _) in patterns.items()}
    first = next(iter(shapes))
    height, width = shapes[first]
    for name, (lines, columns) in shapes.items():
        if (lines, columns) != (height, width):
            where = patterns[name][1]
            raise ValueError(
                f"{where}: expected {width} × {height} pixels, as {first} has, got {columns} × {lines}"
            )
    return [f"{name}\n{art}" for name, (art, _) in patterns.items()]


def bitmaps(patterns: Sequence[str]) -> np.ndarray:
    """Bitmaps from texts.

    Args:
        patterns: texts as `inline` gives them.

    Returns:
        (pattern, row, column) of 0 and 1.
    """
    return np.array(
        [[[pixel == "#" for pixel in row] for row in _parsed(text)[1]] for text in patterns], dtype=int
    )


def names(patterns: Sequence[str]) -> list[str]:
    """Names of patterns.

    Args:
        patterns: texts as `inline` gives them.

    Returns:
        One name a pattern.
    """
    return [_parsed(text)[0] for text in patterns]


def _parsed(text: str) -> tuple[str, list[str], str]:
    name, *rows = text.split("\n")
    return name, rows, f"pattern {name}"


def _inlined(text: str) -> list[tuple[str, list[str], str]]:
    """The one pattern of a text, checked as a file would be."""
    name, rows, where = _parsed(text)
    return _patterns([f"{name}:", *rows], brief(where))


def _located(path: Path) -> Path:
    """A file, or the one of that name beside this program: patterns are found from any working directory."""
    if path.is_absolute() or path.exists():
        return path
    in_checkout = Path(__file__).parents[2] / path
    if in_checkout.exists():
        return in_checkout
    packaged = find_spec(_PACKAGED)
    folders = list(packaged.submodule_search_locations or []) if packaged else []
    return next((file for file in (Path(folder) / path.name for folder in folders) if file.exists()), path)


def _read(path: Path) -> list[tuple[str, list[str], str]]:
    """(name, rows, where) of every pattern in a file."""
    text, name = _text(path), brief(str(path), 300)
    if len(text) > _MOST_SIGNS:
        raise ValueError(f"{name}: expected a file of at most {_MOST_SIGNS} signs, got a longer one")
    return _patterns(text.splitlines(), name)


def _text(path: Path) -> str:
    """What a file says, cut if it is too long; pipes and devices may have no end and are refused."""
    try:
        file = _located(path)
        if file.exists() and not file.is_file():
            raise OSError(0, "a folder or a device")
        with file.open(encoding="utf-8") as opened:
            return opened.read(_MOST_SIGNS + 1)
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path that none can have
        got = getattr(error, "strerror", None) or "other bytes"
        raise ValueError(f"{brief(str(path), 300)}: expected a readable text file of bitmaps, got {got}") from None


def _patterns(lines: Sequence[str], source: str) -> list[tuple[str, list[str], str]]:
    """(name, rows, where) of every pattern in some lines."""
    found: list[tuple[str, list[str], str]] = []
    is_open = False
    for number, raw in enumerate(lines, start=1):
        line, where = raw.rstrip(), f"{source}, line {number}"
        if raw.startswith("# "):
            continue
        if not line:
            is_open = False
        elif name := _NAME.fullmatch(line):
            found.append((name[1], [], where))
            is_open = True
        elif not _ROW.fullmatch(line):
            raise ValueError(f"{where}: expected '#' and '.' or 'name:', got other signs")
        elif not is_open:
            raise ValueError(f"{where}: expected 'name:' before the first row, got a row")
        else:
            rows = found[-1][1]
            if rows and len(line) != len(rows[0]):
                raise ValueError(f"{where}: expected {len(rows[0])} pixels as in the row above, got {len(line)}")
            rows.append(line)
    for name_found, rows, where in found:
        if not rows:
            raise ValueError(f"{where}: expected rows of '#' and '.' below {name_found}:, got none")
    if not found:
        raise ValueError(f"{source}: expected at least one pattern, got an empty file")
    return found
