"""What a system is: settings with bounds, dimensions, variables, and one function that computes members.

A system is one module that assigns `SYSTEM = System(…)`. Four fields are required; all others have defaults.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from pipeline.errors import RequestError
from pipeline.schema import kind_of
from pipeline.words import one_line

Settings = Mapping[str, Any]
"""Values of all settings of a point by name."""

MISSING, COMPUTED, DIVERGED = 0, 1, 2
"""Status of a member: not computed yet; computed; computed, with values that are not finite."""

RESERVED = (
    "status", "hashes", "digest", "code", "machine", "seconds", "point", "point_id", "asked", "member", "block",
    "variable", "runs", "pending",
)  # fmt: skip
"""Names that a store uses itself."""


@dataclass(frozen=True)
class Dimension:
    """A dimension of stored variables beside point and member, and its coordinate."""

    name: str
    long_name: str
    units: str
    depends_on: tuple[str, ...]
    """Settings that change the coordinate: as axes, they make it differ from point to point."""
    coordinate: Callable[[Settings, int], np.ndarray]
    """(settings, records) → (size,) finite numbers."""

    def values(self, settings: Settings, records: int) -> np.ndarray:
        """The coordinate at a point.

        Args:
            settings: of the point.
            records: how many iterations are recorded at most.

        Returns:
            (size,) finite numbers.

        Raises:
            RequestError: the coordinate can't be computed, or is something else.
        """
        try:
            values = np.asarray(self.coordinate(settings, records))
        except (Exception, SystemExit) as error:
            raise RequestError([f"system: {self.name}: {type(error).__name__}: {one_line(error)}"]) from error
        if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            got = f"{values.dtype} of shape {values.shape}"
            raise RequestError(
                [f"system: {self.name}: expected a coordinate of (size,) finite numbers, got {got}"]
            )
        return values


@dataclass(frozen=True)
class Variable:
    """A stored variable, dimensions (point, member, *dims)."""

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"

    def __post_init__(self) -> None:
        if not isinstance(self.dims, tuple):
            raise ValueError(f'{self.name}: expected dims as a tuple of names, like ("node",), got {self.dims!r}')


@dataclass(frozen=True)
class Estimand:
    """What is estimated over the members of a point: a mean, a median, or the share of those with a property."""

    kind: Literal["mean", "median", "fraction"]
    variables: tuple[str, ...]
    """Stored variables it is made of."""
    of_members: Callable[[Mapping[str, Any], Settings], Any]
    """(variables, member first; settings of the point) → (member,) numbers or, for a fraction, booleans."""
    better: Literal["low", "high", "none"] = "none"
    """Which values are better: figures mark the best, and colour it."""


def mean_of(variable: str, better: Literal["low", "high", "none"] = "none") -> Estimand:
    """The mean of a variable that is one number a member.

    Args:
        variable: its name.
        better: which values are better. Default: "none", neither.

    Returns:
        An estimand for `System.estimands`.
    """
    return Estimand("mean", (variable,), lambda values, _: values[variable], better)


def median_of(variable: str, better: Literal["low", "high", "none"] = "none") -> Estimand:
    """The median of a variable that is one number a member.

    Args:
        variable: its name.
        better: which values are better. Default: "none", neither.

    Returns:
        An estimand for `System.estimands`.
    """
    return Estimand("median", (variable,), lambda values, _: values[variable], better)


@dataclass(frozen=True, kw_only=True)
class System:
    """A dynamical system, as the pipeline knows it.

    Raises:
        ValueError: variables with unknown dimensions, names that appear twice, names that a store uses itself, or
            `whole` of what are no numbers among the settings.
    """

    settings: type[BaseModel]
    """Names, types and bounds of the settings: a subclass of `pipeline.schema.Section`."""
    dimensions: tuple[Dimension, ...]
    variables: tuple[Variable, ...]
    compute: Callable[[Settings, int, np.ndarray, int], Mapping[str, np.ndarray]]
    """(settings, seed, member numbers, records) → every variable, (member, *dims). With `status` (member,), it says
    itself which members are COMPUTED and which DIVERGED; else those with values that are not finite diverged."""
    estimands: Mapping[str, Estimand] = field(default_factory=dict)
    """Beside the mean of every scalar variable, under its name, and its median, as `median_<name>`."""
    symbols: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Setting → symbol in TeX, unit. Default: its name, "1"."""
    lanes: int = 1
    """Blocks hold a multiple of so many members: those that are computed side by side."""
    work: Callable[[Settings], float] | None = None
    """Predicted cost of a member, in operations. None: a pilot measures, and every point counts the same."""
    memory: Callable[[Settings], float] | None = None
    """Predicted memory that computing a block takes beside its variables, in bytes. None: not known."""
    shortened: Callable[[Settings, float], dict[str, Any]] | None = None
    """(settings, share) → settings of about that share of the work, for a pilot. None: a pilot takes a whole member."""
    refined: Callable[[Settings, int], dict[str, Any]] | None = None
    """(settings, factor) → settings with Euler steps that much shorter and the same noise. None: there are no steps."""
    whole: Mapping[str, str] = field(default_factory=dict)
    """Setting → setting that it is a whole number of, both numbers: {"T": "dt"}. Other values are refused."""
    advice: Callable[[Settings], Sequence[str]] | None = None
    """(settings) → warnings, such as that a step is too long. Points with the same text are told of in one line, so
    that it should say no value of the point. None: there are none."""

    def __post_init__(self) -> None:
        if not (isinstance(self.settings, type) and issubclass(self.settings, BaseModel)):
            raise ValueError(f"settings: expected a subclass of pipeline.schema.Section, got {self.settings!r}")
        for field_name, kind in (("dimensions", Dimension), ("variables", Variable)):
            parts = getattr(self, field_name)
            if not isinstance(parts, tuple | list) or not all(isinstance(part, kind) for part in parts):
                raise ValueError(f"{field_name}: expected a tuple of {kind.__name__}, got {parts!r}")
        names = [part.name for part in self._parts]
        known = {dimension.name for dimension in self.dimensions}
        for name in names:
            if names.count(name) > 1 or name in RESERVED:
                raise ValueError(f"expected distinct names other than {', '.join(RESERVED)}, got {name}")
            if not str(name).isidentifier():
                raise ValueError(f"expected a name of letters, digits and underscores, got {name!r}")
        stored = {variable.name for variable in self.variables}
        for name, estimand in self.estimands.items():
            if estimand.better not in ("low", "high", "none"):
                raise ValueError(f"estimand {name}: expected better as low, high or none, got {estimand.better!r}")
            if unknown := set(estimand.variables) - stored:
                raise ValueError(
                    f"estimand {name}: expected variables of the system, got {', '.join(sorted(unknown))}"
                )
        for variable in self.variables:
            if unknown := set(variable.dims) - known:
                raise ValueError(
                    f"{variable.name}: expected dimensions of the system, got {', '.join(sorted(unknown))}"
                )
        self._check_whole()

    def _check_whole(self) -> None:
        if not isinstance(self.whole, Mapping):
            raise ValueError(f'whole: expected settings by name, like {{"T": "dt"}}, got {self.whole!r}')
        for name in (*self.whole, *self.whole.values()):
            if name not in self.settings.model_fields or kind_of(self.settings, name) == "label":
                raise ValueError(f"whole: expected settings that are numbers, got {name!r}")
        if both := sorted(set(self.whole) & set(self.whole.values())):
            raise ValueError(f"whole: expected whole numbers of settings that need not be whole, got {both[0]!r}")

    @property
    def _parts(self) -> list[Dimension | Variable]:
        return [*self.dimensions, *self.variables]

    @cached_property
    def all_estimands(self) -> dict[str, Estimand]:
        """What `ensemble.precision.of` and `table` may name; the system's own win."""
        scalars = [variable.name for variable in self.variables if not variable.dims]
        medians = {f"median_{name}": median_of(name) for name in scalars}
        return {**{name: mean_of(name) for name in scalars}, **medians, **self.estimands}

    def coordinate_of(self, setting: str) -> str:
        """The name of a setting as a coordinate.

        Args:
            setting: its name.

        Returns:
            The same name, or `<name>_setting` if a variable, a dimension, the store or an estimate has it.
        """
        taken = {part.name for part in self._parts}
        taken |= {f"{dimension.name}_at" for dimension in self.dimensions} | {"estimate", "low", "high", "count"}
        return f"{setting}_setting" if setting in taken or setting in RESERVED else setting

    def sizes(self, settings: Settings, records: int) -> dict[str, int]:
        """The length of every dimension at a point.

        Args:
            settings: of the point.
            records: at most so many records.

        Returns:
            Dimension → length.
        """
        return {dimension.name: len(dimension.values(settings, records)) for dimension in self.dimensions}


MOST_ITERATIONS = 10**12
"""Of a member: at a million a second they take eleven days. A block is computed as a whole, without a break."""
MOST_DELAY = 10**9
"""Iterations: each is another generation of weights in memory."""


def recorded(settings: Settings, records: int) -> np.ndarray:
    """The iterations to record: evenly spread, the first and the last among them.

    Args:
        settings: with `iterations`.
        records: at most so many.

    Returns:
        (record,) integers, ascending.
    """
    return evenly_spread(settings["iterations"], records)


def evenly_spread(count: int, most: int) -> np.ndarray:
    """Some of the numbers 0 … count − 1, evenly spread, the first and the last among them.

    Args:
        count: 1 or more.
        most: at most so many numbers, 2 or more.

    Returns:
        (number,) integers, ascending.
    """
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def fewer_iterations(settings: Settings, share: float) -> dict[str, Any]:
    """Settings with fewer `iterations`: `System.shortened` of systems that have them.

    Args:
        settings: with `iterations`.
        share: of the iterations that are kept; at least one is.

    Returns:
        All settings.
    """
    return {**settings, "iterations": max(1, int(settings["iterations"] * share))}


ITERATION = Dimension("iteration", "iteration", "1", ("iterations",), recorded)
"""For systems with a setting `iterations`: those that are recorded."""


def streams(seed: int, members: np.ndarray, purpose: int = 0) -> list[np.random.Generator]:
    """A random generator for every member, the same whatever the block: Philox under the key (seed, member).

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11, as NumPy has it.

    Args:
        seed: 64-bit, of the point.
        members: (member,) member numbers.
        purpose: another number gives independent streams, so that adding a use of noise never shifts another.
            Default: 0.

    Returns:
        One `numpy.random.Generator` a member.
    """
    # As 64-bit words from the start: of a list, numpy makes doubles where a seed needs the highest bit.
    keys = [np.array([seed, int(member)], dtype=np.uint64) for member in members]
    counter = np.array([0, 0, 0, purpose], dtype=np.uint64)
    return [np.random.Generator(np.random.Philox(key=key, counter=counter)) for key in keys]
