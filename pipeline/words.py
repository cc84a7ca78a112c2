"""Numbers in words: durations, sizes, ranges; and text for people."""

import os
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

_VARIABLE = re.compile(r"\$\w|\$\{\w")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+::?)+/", re.IGNORECASE)
"""How `s3://bucket` begins, `file:///folder`, or `simplecache::s3://bucket`."""
_SIGNS = {"langle": "⟨", "rangle": "⟩", "lambda": "λ", "Lambda": "Λ", "max": "max", "min": "min"}
"""Of TeX: those that Unicode has no letter of the same name for."""


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 05 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes in a readable unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def counted(count: int, noun: str) -> str:
    """1 block, 2 blocks."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(values: Sequence[int]) -> str:
    """8, or 8 … 24: the least and the greatest of some numbers."""
    least, greatest = min(values), max(values)
    return f"{least}" if least == greatest else f"{least} … {greatest}"


def one_line(text: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(text).split())


def brief(text: str, most: int = 80) -> str:
    """A value for people, in one line that is not too long: its middle is left out, what can't be printed escaped."""
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-most // 3 :]}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def without_tex(text: str) -> str:
    r"""A label as plain text: η of \\eta, R target of R_\\mathrm{target}; what is no such sign stays as it is."""
    text = re.sub(r"_?\\mathrm\{([^{}]*)\}", r" \1", re.sub(r"(?<!\\)\$", "", text))
    text = re.sub(r"_\{([^{}]*)\}", r"_\1", text)
    return re.sub(r"\\([A-Za-z]+)", lambda found: _sign(found[1]) or found[0], text).replace(r"\$", "$").strip()


def _sign(name: str) -> str:
    """The sign that TeX has by a name; empty: none is known."""
    case = "SMALL" if name.islower() else "CAPITAL"
    try:
        return _SIGNS.get(name) or unicodedata.lookup(f"GREEK {case} LETTER {name.upper()}")
    except KeyError:
        return ""


def between(start: str, end: str) -> str:
    """How long something took, by two times in ISO 8601; nothing where the clock was set back meanwhile."""
    return duration(max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()))


def store_name(path: Path) -> str:
    """The name of a store without the endings of its folder or archive."""
    return path.name.removesuffix(".zip").removesuffix(".zarr")


def moment(time: str) -> str:
    """2026-11-25 23:59, of a time in UTC as records of runs have it."""
    return time[:16].replace("T", " ")


def expanded(path: object) -> str:
    """A path with `~` and `$NAME` replaced, as a shell does outside of quotes.

    Raises ValueError if there is no such user or variable, and no file of that very name.
    """
    text = os.path.expandvars(os.path.expanduser(str(path)))
    if (text.startswith("~") or _VARIABLE.search(text)) and not os.path.lexists(text):
        raise ValueError(f"expected a path whose users and variables are known, got {text}")
    return text


def refused_address(path: object) -> str:
    """What was expected instead of a path that can't be one of a store or a file; empty if it can."""
    if not _ADDRESS.match(str(path)):
        return ""
    if file := re.fullmatch(r"file:/+(?:localhost/)?(.*)", str(path), re.IGNORECASE):
        return f"expected the path alone, /{unquote(file[1])}"
    return "expected a path of a POSIX file system, as no other storage is known yet"
