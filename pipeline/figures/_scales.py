"""Where swept values stand along an axis of a figure, and which of them are written there.

Places are linear along the axis of matplotlib, so that zero has a place on a logarithmic axis, labels have one, and
ticks can stand at the swept values themselves.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

_MOST_TICKS = 12
"""Swept values that are all written, as far as there is room."""
_MARGIN = 0.06
"""Of the length of an axis, on either side of its values."""
_SIGN_WIDTH, _LINE_HEIGHT = 0.62, 1.25
"""Of a sign and of a line, in units of the size of the letters."""


class Scale(NamedTuple):
    """The values of an axis and where they stand."""

    kind: Literal["linear", "log", "labels"]
    values: tuple[Any, ...]
    """Distinct, ascending; labels in their order."""
    places: np.ndarray
    """(value,) where they stand, ascending."""
    texts: tuple[str, ...]
    """(value,) in as many digits as tell them apart."""

    @property
    def limits(self) -> tuple[float, float]:
        """Both ends of the axis."""
        first, last = float(self.places[0]), float(self.places[-1])
        margin = _MARGIN * (last - first) if last > first else 0.5
        return first - margin, last + margin

    @property
    def edges(self) -> np.ndarray:
        """(value + 1,) ends of cells around the places."""
        if len(self.places) == 1:
            return np.array([self.places[0] - 0.5, self.places[0] + 0.5])
        inner = (self.places[1:] + self.places[:-1]) / 2
        first, last = 2 * self.places[0] - inner[0], 2 * self.places[-1] - inner[-1]
        return np.array([first, *inner, last])


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
    if given.dtype.kind not in "iufb" or given.dtype.kind == "b":
        labels = tuple(dict.fromkeys(given.tolist()))
        return Scale("labels", labels, np.arange(float(len(labels))), tuple(map(str, labels)))
    numbers = np.unique(given.astype(float))
    texts = _texts(numbers)
    if not _is_logarithmic(numbers):
        return Scale("linear", tuple(numbers.tolist()), numbers, texts)
    positive = np.log10(numbers[numbers > 0])
    if numbers[0] == 0:
        positive = np.concatenate([[positive[0] - max(float(np.median(np.diff(positive))), 0.3)], positive])
    return Scale("log", tuple(numbers.tolist()), positive, texts)


def place_axis(ax: Axes, which: Literal["x", "y"], scale: Scale, label: str) -> None:
    """Set the limits, ticks and label of an axis.

    Args:
        ax: whose axis.
        which: of the two.
        scale: of its values.
        label: what it shows.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = scale.limits
    axis.set_view_interval(low, high, ignore=True)
    axis.set_label_text(label)
    axis.set_minor_locator(_no_ticks())
    if scale.kind == "linear" and len(scale.places) > _MOST_TICKS:
        axis.set_major_locator(MaxNLocator(6))
        return
    places, texts = _candidates(scale)
    kept = _with_room(ax, which, (places - low) / (high - low), texts)
    axis.set_ticks(places[kept], [texts[k] for k in kept])


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _is_logarithmic(numbers: np.ndarray) -> bool:
    """Whether numbers, ascending, are rather multiples of each other than evenly spaced."""
    positive = numbers[numbers > 0]
    if numbers[0] < 0 or len(positive) < 2:
        return False
    if len(positive) == 2:
        return bool(positive[1] / positive[0] >= 10)

    def unevenness(steps: np.ndarray) -> float:
        return float(steps.std() / steps.mean())

    return unevenness(np.diff(np.log(positive))) < unevenness(np.diff(positive))


def _texts(numbers: np.ndarray) -> tuple[str, ...]:
    """Numbers in as few digits as tell them apart, three at least."""
    for digits in range(3, 13):
        texts = tuple(f"{number:.{digits}g}".replace("e+0", "e").replace("e-0", "e-") for number in numbers)
        if len(set(texts)) == len(numbers):
            break
    return texts


def _candidates(scale: Scale) -> tuple[np.ndarray, tuple[str, ...]]:
    """Places that may get a tick, with its text: the values or, where they are many, powers of ten and zero."""
    if scale.kind == "labels" or len(scale.places) <= _MOST_TICKS:
        return scale.places, scale.texts
    powers = np.arange(np.ceil(scale.places[scale.values[0] == 0]), np.floor(scale.places[-1]) + 1)
    texts = tuple(f"{10.0**power:g}".replace("e+0", "e").replace("e-0", "e-") for power in powers)
    if scale.values[0] == 0:
        return np.concatenate([scale.places[:1], powers]), ("0", *texts)
    return powers, texts


def _with_room(ax: Axes, which: Literal["x", "y"], shares: np.ndarray, texts: Sequence[str]) -> list[int]:
    """Of some ticks those that can be read beside each other: the ends first, then the others in their order."""
    width, height = ax.bbox.width / ax.figure.dpi * 72, ax.bbox.height / ax.figure.dpi * 72  # points
    size = float(ax.xaxis.get_ticklabels()[0].get_fontsize()) if ax.xaxis.get_ticklabels() else 8.0
    length = width if which == "x" else height

    def room(k: int) -> float:
        return size * (_SIGN_WIDTH * len(texts[k]) + 1 if which == "x" else _LINE_HEIGHT)

    kept: list[int] = []
    for k in dict.fromkeys([0, len(texts) - 1, *range(len(texts))]):
        if all(abs(shares[k] - shares[m]) * length >= (room(k) + room(m)) / 2 for m in kept):
            kept.append(k)
    return sorted(kept)
