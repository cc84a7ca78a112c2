"""Settings that are a whole number of another one, as an interval T is of Euler steps dt: `System.whole`."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import BaseModel

from pipeline.systems import System

TOLERANCE = 1e-9
"""Relative: 0.3 is three times 0.1, though not in floating point."""


class NotWhole(NamedTuple):
    """A value that is no whole number of another setting's."""

    key: str
    why: str
    """What was expected and got, and the nearest values that are whole."""


def not_whole(system: System, settings: BaseModel) -> Iterator[NotWhole]:
    """The settings of a point that are not whole, though the system wants them to be.

    Args:
        system: whose settings.
        settings: of the point, within their bounds; None for those that are not known yet.

    Yields:
        Each, with its name as the key.
    """
    for name, unit in system.whole.items():
        value, step = getattr(settings, name), getattr(settings, unit)
        if value is not None and step is not None and not _is_whole(value, step):
            yield NotWhole(name, _why(value, unit, step))


def one_line_a_key(found: Iterable[tuple[str, str]]) -> list[str]:
    """Faults, those of the same key as one line.

    Args:
        found: keys, each with what was expected and got.

    Returns:
        For every key the first of its faults, and how many more there are.
    """
    of_key: dict[str, dict[str, None]] = {}
    for key, why in found:
        of_key.setdefault(key, {})[why] = None
    return [
        f"{key}: {next(iter(whys))}" + (f" (and {len(whys) - 1} more)" if len(whys) > 1 else "")
        for key, whys in of_key.items()
    ]


def _is_whole(value: float, step: float) -> bool:
    count = value / step if step else math.nan
    return math.isfinite(count) and abs(count - round(count)) <= TOLERANCE * abs(count)


def _why(value: float, unit: str, step: float) -> str:
    why = f"expected a whole number of {unit} = {step:.12g}, got {value:.12g}"
    if not (step and math.isfinite(value / step)):
        return why
    count = math.floor(value / step) or 1  # zero is seldom meant
    return f"{why}; the nearest are {count * step:.12g} and {(count + 1) * step:.12g}"
