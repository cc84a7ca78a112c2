"""The sections of a request, each with its keys, types and bounds."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, WrapValidator, field_validator, model_validator

from pipeline.request.clusters import Cluster
from pipeline.request.fields import LocalPath, like
from pipeline.schema import Fraction, Positive, Real, Section


class Precision(Section):
    """How narrow an estimate has to be at every point; members are added until it is."""

    of: str
    half_width: Positive
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    min_members: int = Field(default=32, ge=8)
    max_members: int = Field(default=960, ge=8)

    @model_validator(mode="after")
    def _most_is_not_below_least(self) -> "Precision":
        if self.max_members < self.min_members:
            raise ValueError(
                f"expected max_members of at least min_members = {self.min_members}, got {self.max_members}"
            )
        return self


class Ensemble(Section):
    """How many members a point has and where their noise comes from."""

    members: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**64)
    noise: Literal["independent", "common"]
    precision: Precision | None


MOST_POINTS = 10**6
"""Of a sweep: each takes some 20 µs to check."""


class Axis(Section):
    """Swept values of one setting: a list, or `num` values from `start` to `stop`, or that range to draw from."""

    values: list[Any] | None = Field(default=None, min_length=1)
    start: Real | None = None
    stop: Real | None = None
    num: int | None = Field(default=None, ge=1, le=MOST_POINTS)
    scale: Literal["linear", "log"] | None = None
    """None: `num` values are spread evenly, and drawn as suits the range."""

    @model_validator(mode="after")
    def _one_form(self) -> "Axis":
        bounds = (self.start, self.stop, self.num)
        if self.values is not None and any(bound is not None for bound in bounds):
            raise ValueError("expected values or start, stop and num, got both; set the other to null")
        if self.values is None and (self.start is None or self.stop is None):
            raise ValueError("expected values: [...], or start, stop and num")
        if self.scale == "log" and self.values is None and not (self.start > 0 and self.stop > 0):  # type: ignore[operator]
            raise ValueError(f"expected start and stop above 0 on a log scale, got {self.start} and {self.stop}")
        return self

    def spread(self) -> list[Any]:
        """The swept values as they were given, in that order; numbers with a point to 12 digits; ends of a range.

        That is enough for any sweep, and 0.3 stays 0.3, however a spacing was rounded: 3 · 0.1 is 0.30000000000000004.
        """
        if self.values is not None:
            return [rounded(value) if isinstance(value, float) else value for value in self.values]
        assert self.start is not None
        assert self.stop is not None
        spread = np.geomspace if self.scale == "log" else np.linspace
        return [rounded(value) for value in spread(self.start, self.stop, 2 if self.num is None else self.num)]


def rounded(value: float) -> float:
    """A swept number to the digits that tell points apart."""
    return float(f"{value:.12g}")


class Sampling(Section):
    """How axes combine to points."""

    method: Literal["product", "zip", "latin_hypercube", "sobol", "refine"]
    points: int | None = Field(ge=1, le=MOST_POINTS)
    of: str | None = None
    """With refine: the estimand whose changes get more points."""
    resolution: Annotated[float, Field(gt=0, le=1)] | None = None
    """With refine: the least distance of points, as a share of the range of an axis."""


DRAWN = ("latin_hypercube", "sobol")
"""Ways of sampling that draw points within the ranges of the axes."""
MOST_REFINED_AXES = 2


class Aim(Section):
    """A value that is looked for."""

    target: Real


def _in_one_line(value: Any, check: Callable[[Any], Any]) -> Any:
    """One fault of a goal instead of one for each kind that there is."""
    try:
        return check(value)
    except ValidationError as error:
        raise ValueError("min, max or {target: a number}") from error


class Search(Section):
    """A place that is looked for within the ranges of the axes."""

    of: str
    """An estimand, or `module:function` of the Dataset of a candidate, which gives a value and its standard error."""
    within: list[str] = Field(default_factory=list)
    """Axes whose values are all computed for every candidate: the others are searched."""
    goal: Annotated[Literal["min", "max"] | Aim, WrapValidator(_in_one_line)]
    points: int = Field(default=60, ge=20, le=1000)
    """Ensembles of candidates that it may cost, of `ensemble.members` each: a fifth of them at the place that is found.
    """
    round: int = Field(default=4, ge=1, le=256)
    """Ensembles that are computed side by side."""
    diverged: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of the members that may diverge at a place."""
    place: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the ranges' volume in which the place is known well enough. None: the budget is spent."""


class Sensitivity(Section):
    """What the settings that are swept are held responsible for."""

    of: list[str] = Field(min_length=1)
    """Means or shares."""


LEAST_MEMBERS = 4
"""Of a point, for indices that the noise of members does not bias."""


LockKind = Literal["flock", "file"]
"""How a store keeps a second driver out: a lock of the operating system, or a file that is touched again and again."""


def _of_a_known_kind(file: Path | None) -> Path | None:
    """A file to be written, unless its ending says of no kind that there is."""
    if file is not None and not file.name.endswith((*EXPORTS, PAGE)):
        raise ValueError(f"a file that ends in one of {', '.join((*EXPORTS, PAGE))}")
    return file


EXPORTS = (".nc", ".csv", ".zarr.zip", ".zip")
"""The endings of files that `action=export` writes; the last is of an RO-Crate."""
PAGE = ".html"
"""The ending of a file that `action=report` writes."""
Target = Annotated[LocalPath | None, AfterValidator(_of_a_known_kind)]

MOST_BLOCK_MEMBERS = 10**6
"""More members are more blocks, of which each is computed and kept in memory as a whole."""
MOST_RECORDS = 10**7
"""Of a variable along the iterations: 80 MB a member."""


class StoreConfig(Section):
    """Where results go and how they are cut into blocks."""

    root: LocalPath
    name: Annotated[str, like(r"[\w.+-]{1,200}", "1 to 200 letters, digits and . + - _")]
    suffix: Annotated[str, like(r"[\w.+-]{0,40}", "at most 40 letters, digits and . + - _")]
    block_members: int = Field(ge=1, le=MOST_BLOCK_MEMBERS)
    records: int = Field(ge=2, le=MOST_RECORDS)
    lock: LockKind = "flock"

    @field_validator("root")
    @classmethod
    def _a_folder(cls, root: Path) -> Path:
        obstacle = next((path for path in (root, *root.parents) if path.exists() and not path.is_dir()), None)
        if obstacle is not None:
            raise ValueError(f"a folder, or room for a new one; {obstacle} is a file")
        return root

    @property
    def full_name(self) -> str:
        """The store's name, suffix included."""
        return self.name + self.suffix

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self.root / f"{self.full_name}.zarr"


class Limits(Section):
    """What a plan may cost before it has to be confirmed, and how long a block may take."""

    core_hours: Positive | None
    block_seconds: float | None = Field(ge=0.001, le=1e7)


class Verify(Section):
    """What `action=verify` recomputes, beside checking every digest."""

    sample: int | None = Field(ge=0)
    share: Fraction | None
    seed: int | None = Field(ge=0)
    repair: bool

    @model_validator(mode="after")
    def _one_measure(self) -> "Verify":
        if self.sample is not None and self.share is not None:
            raise ValueError("expected sample or share, got both; set the other to null")
        return self


class Converge(Section):
    """What `action=converge` reruns with shorter steps."""

    points: int = Field(ge=1)
    members: int = Field(ge=2, le=10**6)
    """More would be as many tasks: an ensemble mean needs no more to be told to a thousandth."""
    factors: list[Annotated[int, Field(ge=2, le=10**6)]] = Field(min_length=1)


def _is_store(path: Path) -> bool:
    """Whether a path is a Zarr store, or a group or an array of one."""
    return (path / "zarr.json").is_file()


class FiguresConfig(Section):
    """What to draw from the finished store."""

    draw: list[str] | None
    """Figures; None: the one of any sweep."""
    of: list[str]
    """Estimands that the figure of any sweep shows; none: those that the system declares."""
    format: list[Literal["png", "pdf", "svg"]] = Field(min_length=1)
    folder: LocalPath | None
    """None: `figures` beside the store."""
    incomplete: bool

    @field_validator("folder")
    @classmethod
    def _in_no_store(cls, folder: Path | None) -> Path | None:
        if folder is not None and (store := next((p for p in (folder, *folder.parents) if _is_store(p)), None)):
            raise ValueError(f"a folder that is no part of a store, as {store} is one")
        return folder


class Export(Section):
    """How `action=export` writes its file."""

    overwrite: bool
    licence: str | None = None
    """Of the data in an RO-Crate."""


class StoreAlone(Section):
    """A request about the store at a path, whatever sweep made it: `path=data/x.zarr`."""

    action: str
    watch: bool
    path: LocalPath
    """The store; of `action=list`, the folder of stores."""
    to: Target
    export: Export
    figures: FiguresConfig
    cluster: Cluster
    limits: Limits
    verify: Verify
    lock: LockKind
    command: str
    """What was typed."""
    folders: tuple[str, ...]
    """Where systems are looked for, beside the path: the working directory and --config-dir."""


class Config(Section):
    """A whole request. `settings` and `axes` have passed the bounds of their system."""

    action: str
    watch: bool
    path: None
    system: str
    settings: dict[str, Any]
    quick: dict[str, Any]
    """Values of settings for `shrunk`."""
    shrunk: bool
    """Whether `quick` holds, as with +scale=quick."""
    ensemble: Ensemble
    axes: dict[str, Axis]
    sampling: Sampling
    sensitivity: Sensitivity | None
    search: Search | None
    store: StoreConfig
    cluster: Cluster
    figures: FiguresConfig
    on_stale: Literal["stop", "keep", "recompute"]
    limits: Limits
    verify: Verify
    converge: Converge
    source: LocalPath | None
    """The store that `action=merge` takes blocks from."""
    to: Target
    """The file that `action=export` writes."""
    export: Export
    derived: dict[str, Any]
    """Settings taken from other stores, and where each value came from."""
    unknown: dict[str, str]
    """Settings whose value is to come from a store that is not there yet, and why; `run` refuses them."""
    command: str
    """What was typed."""
    overrides: tuple[str, ...]
    """The `key=value` in it."""
    config_dir: Path | None
    folders: tuple[str, ...]
    """Where systems are looked for, beside the path: the working directory and --config-dir."""

    @property
    def lock(self) -> LockKind:
        """How its store is locked."""
        return self.store.lock

    @property
    def method(self) -> str:
        """How its points are chosen: `sampling.method`, or "search"."""
        return self.sampling.method if self.search is None else "search"

    @property
    def within(self) -> list[str]:
        """Axes of which a search computes all values for every candidate."""
        return self.search.within if self.search is not None else []

    @property
    def budget(self) -> list[float | None]:
        """Of a search or refinement: how many points it may cost, and how well known is well enough."""
        if self.search is not None:
            return [self.search.points, self.search.place]
        return [self.sampling.points, self.sampling.resolution]

    @property
    def in_rounds(self) -> bool:
        """Whether stored numbers say which points are computed next."""
        return self.method in ("search", "refine")
