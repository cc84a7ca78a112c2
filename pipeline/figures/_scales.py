"""Where swept values stand along an axis of a figure, and which of them are written there.

Axes have the true coordinates, numbers of categories for labels, so that a user can draw more into them. Places are
those along the axis: a logarithmic one has a place for zero.
"""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from textwrap import wrap
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import (
    FixedLocator,
    Formatter,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from pipeline.systems import find_or_loaded
from pipeline.words import brief

_MOST_TICKS = 12
"""Swept values that are all written, as far as there is room."""
_MOST_PLAIN_TICKS = 6
"""Round numbers along an axis."""
_MARGIN = 0.06
"""Of the length of an axis, on either side of its values."""
_LEAST = 1e-200
"""Smaller numbers, and such as are greater than its inverse, are named like labels: a float's range ends near."""
_LONGEST, _LINE = 24, 24
"""Signs of a label that are written, and of a line of what is beside an axis."""
_SIGN_WIDTH, _LINE_HEIGHT = 0.62, 1.25
"""Of a sign and of a line, in units of the size of the letters."""

Map = Callable[[np.ndarray], np.ndarray]


class Scale(NamedTuple):
    """The values of an axis and where they stand."""

    kind: Literal["linear", "log", "log and zero", "labels"]
    values: tuple[Any, ...]
    """Distinct, ascending; labels in their order."""
    coordinates: np.ndarray
    """(value,) in the axis of matplotlib: the values; the numbers of labels."""
    texts: tuple[str, ...]
    """(value,) in as many digits as tell them apart."""
    place_of: Map
    """Coordinates → places along the axis, which is linear in them."""
    coordinate_at: Map
    """Places → coordinates."""

    @property
    def places(self) -> np.ndarray:
        """(value,) where the values stand along the axis."""
        return self.place_of(self.coordinates)

    @property
    def limits(self) -> tuple[float, float]:
        """Coordinates of both ends of the axis."""
        first, last = float(self.places[0]), float(self.places[-1])
        margin = max(_MARGIN * (last - first), 0.25 * float(np.diff(self.places).min())) if last > first else 0.5
        low, high = self.coordinate_at(np.array([first - margin, last + margin]))
        return float(low), float(high)

    @property
    def edges(self) -> np.ndarray:
        """(value + 1,) coordinates of the ends of cells around the values."""
        places = self.places
        if len(places) == 1:
            return self.coordinate_at(places[0] + np.array([-0.5, 0.5]))
        inner = (places[1:] + places[:-1]) / 2
        ends = [2 * places[0] - inner[0], *inner, 2 * places[-1] - inner[-1]]
        return self.coordinate_at(np.array(ends))

    def coordinates_of(self, values: np.ndarray) -> np.ndarray:
        """Coordinates of some of its values.

        Args:
            values: (any,) numbers or labels among its own.

        Returns:
            As many coordinates.
        """
        if self.kind != "labels":
            return np.asarray(values, float)
        found = dict(zip(self.values, self.coordinates, strict=True))
        return np.array([found[value] for value in values.tolist()])

    def beside(self, coordinates: np.ndarray, share: float) -> np.ndarray:
        """Coordinates moved along the axis by a share of the least step between its values.

        Args:
            coordinates: any.
            share: of a step; the other way if it is negative.

        Returns:
            As many coordinates.
        """
        places = self.places
        step = float(np.diff(places).min()) if len(places) > 1 else 1.0
        return self.coordinate_at(self.place_of(coordinates) + share * step)


class SweptAxis(NamedTuple):
    """A swept setting."""

    name: str
    """Of its coordinate."""
    symbol: str
    units: str
    scale: Scale

    @property
    def label(self) -> str:
        """Its symbol, with its unit."""
        return fitting(with_units(self.symbol, self.units))

    def at(self, k: int) -> str:
        """One of its values, in words: `T = 5 time`."""
        return f"{self.symbol} = {self.scale.texts[k]}{'' if self.units == '1' else ' ' + self.units}"


def swept_axes(dataset: xarray.Dataset) -> list[SweptAxis]:
    """The swept settings of a dataset, in the order of the sweep.

    Args:
        dataset: of a store, or a selection of it.

    Returns:
        Those that are left in it, of one value too.
    """
    system = find_or_loaded(dataset.attrs["system"])
    names = [system.coordinate_of(axis) for axis in json.loads(dataset.attrs["axes"])]
    return [swept_axis(dataset, name) for name in names if name in dataset.coords]


def swept_axis(dataset: xarray.Dataset, name: str) -> SweptAxis:
    """A swept setting.

    Args:
        dataset: of a store, or a selection of it.
        name: of its coordinate.

    Returns:
        It with its label and scale.
    """
    coordinate = dataset[name]
    text = plain(name.removesuffix("_setting").replace("_", " "))
    symbol = str(coordinate.attrs.get("symbol", name))
    if symbol != name or len(name) == 1:
        with suppress(ValueError, RecursionError):  # a symbol that is no TeX; the name then
            MathTextParser("path").parse(f"${symbol}$")
            text = f"${symbol}$"
    units = plain(str(coordinate.attrs.get("units") or "1"))
    return SweptAxis(name, text, units, scale_of(np.atleast_1d(coordinate.values)))


def plain(text: str) -> str:
    """A text that matplotlib does not take for TeX.

    Args:
        text: such as a name from a user's file.

    Returns:
        The text, dollars escaped.
    """
    return text.replace("$", r"\$")


def with_units(text: str, units: str) -> str:
    """What a quantity is, with its unit.

    Args:
        text: what it is.
        units: "1" of a number without.

    Returns:
        Both.
    """
    return text if units == "1" else f"{text} ({units})"


def fitting(text: str) -> str:
    """A text in lines that are no longer than a panel is high, at most three.

    Args:
        text: of an axis or a colour bar.

    Returns:
        The text, its middle left out if it is longer.
    """
    if "$" not in text:
        text = brief(text, 3 * _LINE)
    whole = re.sub(r"(?<!\\)\$[^$]*\$", lambda formula: formula[0].replace(" ", "\0"), text)
    return "\n".join(wrap(whole, _LINE + 8)).replace("\0", " ")


def scale_of(values: Sequence[Any] | np.ndarray) -> Scale:
    """The scale that suits some swept values.

    Logarithmic if they are more evenly spread that way, none is negative and there are positive ones; zero then
    stands a step before the least of these.

    Args:
        values: (value,) numbers or labels.

    Returns:
        A scale.
    """
    given = np.asarray(values)
    numbers = np.unique(given.astype(float)) if given.dtype.kind in "iuf" else np.zeros(0)
    if len(numbers) < len(set(given.tolist())) or not _can_be_spaced(numbers):
        labels = tuple(dict.fromkeys(given.tolist()))
        texts = tuple(plain(brief(str(label), _LONGEST)) for label in labels)
        return Scale("labels", labels, np.arange(float(len(labels))), texts, _same, _same)
    named = tuple(numbers.tolist()), numbers, _texts(numbers)
    if not _is_logarithmic(numbers):
        return Scale("linear", *named, _same, _same)
    if numbers[0] > 0:
        return Scale("log", *named, np.log10, _power_of_ten)
    steps = np.diff(np.log10(numbers[1:]))
    mapped = _LogAndZero(float(numbers[1]), max(float(np.median(steps)), 0.3))
    return Scale("log and zero", *named, mapped.place_of, mapped.coordinate_at)


def _can_be_spaced(numbers: np.ndarray) -> bool:
    """Whether numbers have places on an axis, their logarithms and its margins too."""
    sizes = np.abs(numbers[numbers != 0])
    return bool(np.isfinite(numbers).all() and (sizes > _LEAST).all() and (sizes < 1 / _LEAST).all())


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _power_of_ten(places: np.ndarray) -> np.ndarray:
    return 10.0**places


class _LogAndZero(NamedTuple):
    """Logarithmic from some value on, linear below, where zero stands a step before it; and the inverse."""

    least: float
    step: float

    def place_of(self, values: np.ndarray) -> np.ndarray:
        values, first = np.asarray(values, float), np.log10(self.least)
        above = np.log10(np.maximum(values, self.least))
        return np.asarray(np.where(values >= self.least, above, first + self.step * (values / self.least - 1)))

    def coordinate_at(self, places: np.ndarray) -> np.ndarray:
        places, first = np.asarray(places, float), np.log10(self.least)
        above = 10.0 ** np.maximum(places, first)
        return np.asarray(np.where(places >= first, above, self.least * (1 + (places - first) / self.step)))


def place_axis(ax: Axes, which: Literal["x", "y"], axis: SweptAxis, *, drawn: bool = False) -> None:
    """Set the scale, limits, ticks and label of an axis.

    Args:
        ax: whose axis.
        which: of the two.
        axis: what it shows.
        drawn: whether its values were drawn at random, so that round numbers are written. Default: no, they are.
    """
    scale = axis.scale
    of = ax.xaxis if which == "x" else ax.yaxis
    kind, options = {"log": ("log", {}), "log and zero": ("function", {"functions": scale[-2:]})}.get(
        scale.kind, ("linear", {})
    )
    low, high = scale.limits
    if which == "x":
        ax.set_xscale(kind, **options)
        ax.set_xlim(low, high)
    else:
        ax.set_yscale(kind, **options)
        ax.set_ylim(low, high)
    of.set_label_text(axis.label)
    _place_ticks(of, scale, drawn)


def _place_ticks(of: Any, scale: Scale, drawn: bool) -> None:
    """Round numbers along an axis of values that are many or drawn at random, else a tick at each of them."""
    if scale.kind == "linear" and (drawn or len(scale.values) > _MOST_TICKS):
        of.set_major_locator(_PlainTicks())
        of.set_major_formatter(FuncFormatter(_all_digits))
        of.set_minor_locator(NullLocator())
    elif scale.kind == "log" and drawn:
        _place_log_ticks(of, float(np.ptp(scale.places)))
    elif scale.kind == "labels" and len(scale.values) <= _MOST_TICKS:
        of.set_ticks(list(scale.coordinates), list(scale.texts))
        room = 0.7 * _length(of) / len(scale.texts)
        if of.axis_name == "x" and max(_SIGN_WIDTH * 8 * (_signs(text) + 2) for text in scale.texts) > room:
            of.set_tick_params(rotation=90)
    else:
        coordinates, texts = _candidates(scale)
        of.set_major_locator(_ReadableTicks(scale, coordinates, texts))
        of.set_major_formatter(_Texts(coordinates, texts))
        of.set_minor_locator(FixedLocator(scale.coordinates.tolist()))
        of.set_minor_formatter(NullFormatter())


def _signs(text: str) -> int:
    """How many signs a text has as it is drawn, formulas too."""
    return len(re.sub(r"[${}]", "", re.sub(r"\\[A-Za-z]+", "x", text)))


class _Texts(Formatter):
    """The texts of some coordinates."""

    def __init__(self, coordinates: np.ndarray, texts: Sequence[str]):
        self._texts = dict(zip(coordinates.tolist(), texts, strict=True))

    def __call__(self, value: float, position: int | None = None) -> str:
        return str(self._texts.get(value, ""))


class _PlainTicks(MaxNLocator):
    """Round numbers, as many as can be read beside each other."""

    axis: Any

    def __init__(self) -> None:
        super().__init__(_MOST_PLAIN_TICKS, steps=[1, 2, 5, 10])

    def __call__(self) -> Any:
        signs = len(f"{max(map(abs, self.axis.get_view_interval())):.0f}") + 3  # a sign, a point, room
        most = int(_length(self.axis) / (_SIGN_WIDTH * 8 * signs))
        self.set_params(nbins=min(max(most, 2), _MOST_PLAIN_TICKS))
        return super().__call__()


class _ReadableTicks(Locator):
    """Of some ticks those that can be read beside each other: the ends first, then the rounder before the others."""

    axis: Any

    def __init__(self, scale: Scale, coordinates: np.ndarray, texts: Sequence[str]):
        self._coordinates, self._texts = coordinates, texts
        first, last = scale.place_of(np.array(scale.limits))
        self._shares = (scale.place_of(coordinates) - first) / (last - first)

    def __call__(self) -> list[float]:
        """At each drawing, as the layout decides how long the axis is."""
        length = _length(self.axis)
        kept: list[int] = []
        rounder = sorted(range(len(self._texts)), key=lambda k: _roundness(self._texts[k]))
        for k in dict.fromkeys([0, len(self._texts) - 1, *rounder]):
            apart = [abs(self._shares[k] - self._shares[m]) * length for m in kept]
            if all(gap >= (self._room(k) + self._room(m)) / 2 for gap, m in zip(apart, kept, strict=True)):
                kept.append(k)
        return list(self._coordinates[sorted(kept)])

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        return self()

    def _room(self, k: int) -> float:
        """Points along the axis that a text takes."""
        size = float(self.axis.get_major_ticks(1)[0].label1.get_fontsize())
        return size * (_SIGN_WIDTH * len(self._texts[k]) + 1 if self.axis.axis_name == "x" else _LINE_HEIGHT)


def _is_logarithmic(numbers: np.ndarray) -> bool:
    """Whether numbers, ascending, are rather multiples of each other than evenly spaced."""
    positive = numbers[numbers > 0]
    if numbers[0] < 0 or len(positive) < 2:
        return False
    if len(positive) == 2:
        return bool(positive[1] / positive[0] >= 10)

    def unevenness(steps: np.ndarray) -> float:
        return float((steps / steps.max()).std() / (steps / steps.max()).mean())

    return unevenness(np.diff(np.log(positive))) < unevenness(np.diff(positive))


def _texts(numbers: np.ndarray) -> tuple[str, ...]:
    """Numbers in as few digits as tell them apart, three at least."""
    for digits in range(3, 18):
        texts = tuple(_short(number, digits) for number in numbers)
        if len(set(texts)) == len(numbers):
            break
    return texts


def _short(number: float, digits: int = 6) -> str:
    rounded = float(f"{number:.{digits}g}")
    text = f"{rounded:.12g}" if abs(rounded) < 1e5 else f"{number:.{digits}g}"
    return text.replace("e+0", "e").replace("e-0", "e-").replace("-", "−")


def _candidates(scale: Scale) -> tuple[np.ndarray, tuple[str, ...]]:
    """Coordinates that may get a tick, with its text: the values or, where they are many, powers of ten and zero."""
    if scale.kind == "labels" or len(scale.values) <= _MOST_TICKS:
        return scale.coordinates, scale.texts
    zeros = [0.0] if scale.kind == "log and zero" else []
    first, last = scale.places[len(zeros)], scale.places[-1]
    coordinates = np.array([*zeros, *10.0 ** np.arange(np.ceil(first), np.floor(last) + 1)])
    if len(coordinates) < 2:
        return scale.coordinates, scale.texts
    return coordinates, tuple(map(_short, coordinates))


def _roundness(text: str) -> int:
    """Zero before powers of ten, these before 5 and 2, these before the others; labels are all alike."""
    if text == "0":
        return -1
    mantissa = text.partition("e")[0].replace(".", "").strip("0−")
    return {"1": 0, "5": 1, "2": 2}.get(mantissa, 3)


def thin_ticks(ax: Axes) -> None:
    """Let an x axis of plain numbers have no more ticks than can be read beside each other.

    Args:
        ax: whose axis.
    """
    ax.xaxis.set_major_locator(_PlainTicks())
    ax.xaxis.set_major_formatter(FuncFormatter(_all_digits))


def place_log_ticks(ax: Axes, decades: float) -> None:
    """Plain numbers along a logarithmic y axis, also within a decade.

    Args:
        ax: whose axis.
        decades: that it spans.
    """
    _place_log_ticks(ax.yaxis, decades)


def _place_log_ticks(axis: Any, decades: float) -> None:
    subs = (1.0,) if decades > 3 else (1.0, 2.0, 5.0) if decades > 0.5 else tuple(np.arange(1.0, 10.0))
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(_plain_number))
    axis.set_minor_formatter(NullFormatter())


def _plain_number(value: float, _: int) -> str:
    return _short(value)


def _all_digits(value: float, _: int) -> str:
    return f"{value:.12g}".replace("-", "−")


def _length(axis: Any) -> float:
    """Of an axis, in points."""
    box = axis.axes.bbox
    return 72 * float(box.width if axis.axis_name == "x" else box.height) / float(axis.get_figure(root=True).dpi)
