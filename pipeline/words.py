"""Numbers in words: durations, sizes, ranges."""

import re
from collections.abc import Sequence


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


def span(values: Sequence[int]) -> str:
    """8, or 8 … 24: the least and the greatest of some numbers."""
    least, greatest = min(values), max(values)
    return f"{least}" if least == greatest else f"{least} … {greatest}"


def one_line(text: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(text).split())


def refused_address(path: object) -> str:
    """Why a path can't be that of a store; empty if it can."""
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
        return "expected a folder of a POSIX file system, got an address; stores are such folders today"
    return ""
