"""From a composed Hydra config to a checked request, or to all its faults at once."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from pipeline.cluster_config import KINDS, Cluster
from pipeline.derived import derive
from pipeline.faults import Faults
from pipeline.schema import Fraction, Positive, Real, Section
from pipeline.systems import SYSTEMS
from sim.vectors import LANES

GROUPS = ("system", "cluster", "sweep", "scale")
"""Config groups: on the command line they name a file of conf/, where all else is a value."""


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
            raise ValueError(f"expected max_members of at least min_members = {self.min_members}")
        return self


class Ensemble(Section):
    """How many members a point has and where their noise comes from."""

    members: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**64)
    noise: Literal["independent", "common"]
    precision: Precision | None


class Axis(Section):
    """Swept values of one setting: a list, or `num` values from `start` to `stop`."""

    values: list[Real] | None = Field(default=None, min_length=1)
    start: Real | None = None
    stop: Real | None = None
    num: int | None = Field(default=None, ge=1)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _one_form(self) -> "Axis":
        bounds = (self.start, self.stop, self.num)
        if self.values is not None and any(bound is not None for bound in bounds):
            raise ValueError("expected values or start, stop and num, got both; set the other to null")
        if self.values is None and any(bound is None for bound in bounds):
            raise ValueError("expected values: [...], or start, stop and num")
        if self.scale == "log" and self.values is None and not (self.start > 0 and self.stop > 0):  # type: ignore[operator]
            raise ValueError(f"a log scale needs start and stop above 0, got {self.start} and {self.stop}")
        return self

    def spread(self) -> list[float]:
        """The swept values, in the order given."""
        if self.values is not None:
            return self.values
        assert self.start is not None
        assert self.stop is not None
        assert self.num is not None
        spread = np.geomspace if self.scale == "log" else np.linspace
        # 12 digits: enough for any sweep, and 0.3 stays 0.3 however the spacing was rounded.
        return [float(f"{value:.12g}") for value in spread(self.start, self.stop, self.num)]


class Sampling(Section):
    """How axes combine to points."""

    method: Literal["product", "zip", "latin_hypercube"]
    points: int | None = Field(ge=1)


class StoreConfig(Section):
    """Where results go and how they are cut into blocks."""

    root: Path
    name: str = Field(min_length=1, pattern=r"^[\w.+-]+$")
    suffix: str = Field(pattern=r"^[\w.+-]*$")
    block_members: int = Field(ge=LANES, multiple_of=LANES)
    records: int = Field(ge=2)

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


FIGURES = tuple(sorted(path.stem for path in (Path(__file__).parent / "figures").glob("[a-z]*.py")))
"""Modules that draw a figure. Those with a leading underscore are what they share."""


class Limits(Section):
    """What a plan may cost before it has to be confirmed."""

    core_hours: Positive | None


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
    members: int = Field(ge=2)
    factors: list[int] = Field(min_length=1)


class Quick(Section):
    """What `+scale=quick` makes of a system's settings."""

    iterations: int = Field(ge=1)


class FiguresConfig(Section):
    """What to draw from the finished store."""

    draw: list[Literal[FIGURES]]  # type: ignore[valid-type]
    incomplete: bool


class Config(Section):
    """A whole request. `settings` and `axes` have passed the bounds of their system."""

    action: Literal["run", "submit", "explain", "status", "figures", "verify", "merge", "converge"]
    watch: bool = False
    system: Literal[tuple(SYSTEMS)]  # type: ignore[valid-type]
    settings: dict[str, Any]
    quick: Quick
    ensemble: Ensemble
    axes: dict[str, Axis]
    sampling: Sampling
    store: StoreConfig
    cluster: Cluster
    figures: FiguresConfig
    on_stale: Literal["stop", "keep", "recompute"]
    limits: Limits
    verify: Verify
    converge: Converge
    source: Path | None
    """The store that `action=merge` takes blocks from."""
    derived: dict[str, Any]
    """Settings taken from other stores, and where each value came from."""


def command_line(arguments: Sequence[str]) -> list[str]:
    """Arguments as Hydra takes them, so that faults surface in `check`, all at once, not one by one in Hydra.

    `key=value` becomes `++key=value`: an unknown key passes Hydra, to be reported with the rest. A scale goes
    last, so that it shrinks what a sweep says, in whichever order the two are given.

    Raises Faults for arguments without a key.
    """
    nameless = [argument for argument in arguments if re.match(r"[+~]*=", argument)]
    if nameless:
        raise Faults(f"{argument}: expected key=value, got no key" for argument in nameless)
    return sorted(map(_rewritten, arguments), key=lambda argument: argument.startswith("+scale="))


def _rewritten(argument: str) -> str:
    key, equals, _ = argument.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*", key) or key.split(".")[0] == "hydra":
        return argument
    if key in ("sweep", "scale"):
        return f"+{argument}"
    return argument if key in GROUPS else f"++{argument}"


def check(composed: DictConfig) -> Config:
    """The request in a composed config.

    Raises Faults: one line for every key that is unknown, missing, of the wrong type or out of bounds.
    """
    try:
        raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        message = str(error).splitlines()[0]
        raise Faults([f"{error.full_key}: expected a value that can be resolved, got: {message}"]) from error
    assert isinstance(raw, dict)
    faults: list[str] = []
    origins: dict[str, Any] = {}
    if isinstance(raw.get("settings"), dict) and isinstance(raw.get("store"), dict):
        root = Path(str(raw["store"].get("root")))
        raw["settings"], origins, faults = derive(raw["settings"], root)
    underived = {fault.split(".from")[0] for fault in faults}
    raw["derived"] = origins
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        faults += describe(error, Config)
    if isinstance(raw.get("system"), str) and raw["system"] in SYSTEMS:
        others = _setting_faults(raw["system"], raw.get("settings"), raw.get("axes"))
        faults += [fault for fault in others if fault.split(":")[0] not in underived]
        faults += _precision_faults(raw["system"], raw.get("ensemble"))
    if faults:
        raise Faults(dict.fromkeys(faults))
    settings = SYSTEMS[config.system].settings.model_validate(config.settings).model_dump()
    return config.model_copy(update={"settings": settings})


def _precision_faults(system: str, ensemble: Any) -> Iterator[str]:
    """Faults of a precision target that depend on the system."""
    precision = ensemble.get("precision") if isinstance(ensemble, dict) else None
    aim = precision.get("of") if isinstance(precision, dict) else None
    known = SYSTEMS[system].estimands
    if aim is not None and aim not in known:
        yield f"ensemble.precision.of: expected one of {', '.join(known)}, got {aim!r}"


def _setting_faults(system: str, settings: Any, axes: Any) -> Iterator[str]:
    """Faults of the settings, and of each axis taken by itself."""
    model = SYSTEMS[system].settings
    try:
        model.model_validate(settings)
    except ValidationError as error:
        yield from describe(error, model, "settings")
    if not (isinstance(settings, dict) and isinstance(axes, dict)):
        return
    for name, axis in axes.items():
        if name not in model.model_fields:
            yield f"axes.{name}: not a setting of system {system}{_suggestion(name, model.model_fields)}"
        elif "list" in str(model.model_fields[name].annotation):
            yield f"axes.{name}: a list can't be an axis; expected a setting that is one number"
        else:
            yield from _value_faults(model, settings, name, axis)


def _value_faults(model: type[BaseModel], settings: dict, name: str, raw_axis: Any) -> Iterator[str]:
    """Faults of an axis' values as values of its setting."""
    try:
        axis = Axis.model_validate(raw_axis)
    except ValidationError:
        return  # described with the rest of the config
    for k, value in enumerate(axis.spread()):
        try:
            model.model_validate({**settings, name: value})
        except ValidationError as error:
            where = f"axes.{name}.values[{k}]" if axis.values is not None else f"axes.{name}"
            yield from (
                f"{where}: expected {_expected(fault)}, got {value:g}"
                for fault in error.errors(include_url=False)
                if fault["loc"] == (name,)
            )


def describe(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """One line a fault: the key's full path, what was expected, what was got."""
    return [_line(fault, model, prefix) for fault in error.errors(include_url=False)]


def _line(fault: Mapping[str, Any], model: type[BaseModel], prefix: str) -> str:
    inside, got = _without_kind(fault["loc"]), fault["input"]
    location = (*([prefix] if prefix else []), *inside)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if path == "store.name" and got is None:
        return "store.name: missing; choose a sweep with +sweep=NAME (see conf/sweep) or set store.name=NAME"
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key{_suggestion(str(inside[-1]), _fields_at(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing" or (isinstance(got, str) and got in ("", "???")):
        return f"{path}: missing; expected {_expected(fault)}"
    return f"{path}: expected {_expected(fault)}, got {got!r}"


def _without_kind(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A fault's location without the kind of cluster that pydantic puts in it."""
    with_kind = location[:1] == ("cluster",) and location[1:2] and location[1] in KINDS
    return ("cluster", *location[2:]) if with_kind else location


_EXPECTED = {
    "missing": "a value",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "too_short": "at least one value",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "union_tag_invalid": f"kind to be one of {', '.join(KINDS)}",
    "union_tag_not_found": f"kind to be one of {', '.join(KINDS)}",
}


def _expected(fault: Mapping[str, Any]) -> str:
    """What was expected, in the words of a user."""
    message = fault["msg"].removeprefix("Value error, ").removeprefix("expected ")
    return _EXPECTED.get(fault["type"], message.removeprefix("Input should be "))


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> Sequence[str]:
    """The keys a nested model knows at a location."""
    if location[:1] == ("cluster",):
        return tuple(KINDS[str(location[1])].model_fields) if len(location) == 2 else ()
    for part in location:
        field = model.model_fields.get(str(part))
        nested = field.annotation if field else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return ()
        model = nested
    return tuple(model.model_fields)


def _suggestion(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else (f"; known: {', '.join(known)}" if known else "")
