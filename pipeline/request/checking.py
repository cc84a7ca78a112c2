"""From a composed config to a checked request, or to all its faults at once."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError, create_model

from pipeline.errors import RequestError
from pipeline.request.clusters import SerialCluster
from pipeline.request.config import DRAWN, LEAST_MEMBERS, MOST_REFINED_AXES, Axis, Config, StoreAlone
from pipeline.request.drawable import Needs, figure_faults, unrecorded
from pipeline.request.messages import describe, got, lines_of, said_of, suggestion
from pipeline.request.whole import NotWhole, not_whole, one_line_a_key
from pipeline.systems import System, find, function_of, is_function
from pipeline.words import brief


class Derived(NamedTuple):
    """Settings that are a statistic of another store."""

    values: Mapping[str, Any]
    """All settings, those that were derived replaced by their values, those that can't be left out."""
    origins: Mapping[str, Any]
    """Where each derived value came from."""
    unknown: Mapping[str, str]
    """Settings whose store is not there yet, and what is to be done."""
    faults: Sequence[str]


class Origin(NamedTuple):
    """Where a request comes from."""

    command: str
    """What was typed, as the log of runs keeps it."""
    overrides: tuple[str, ...]
    """The `key=value` in it."""
    config_dir: Path | None
    """A folder of further sweeps and systems."""

    @property
    def folders(self) -> tuple[str, ...]:
        """Where systems are looked for, beside the path: the working directory and `config_dir`."""
        return tuple(str(folder.resolve()) for folder in (Path(), self.config_dir) if folder is not None)


class Known(NamedTuple):
    """What a request may name that other rooms hold."""

    actions: Sequence[str]
    figures: Mapping[str, Needs]
    """Each figure with what it needs of the sweep that it draws."""


def plain(composed: DictConfig) -> dict[str, Any]:
    """A composed config as plain dictionaries, references resolved.

    Args:
        composed: from `compose`.

    Returns:
        Keys with values, lists and dictionaries.

    Raises:
        RequestError: a reference to nothing, bytes, or keys that are no text.
    """
    try:
        raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        message = re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error).splitlines()[0])
        raise RequestError([f"{error.full_key}: expected a value that can be resolved, got: {message}"]) from error
    if faults := list(_strange(raw)):
        raise RequestError(faults)
    return {str(key): value for key, value in raw.items()} if isinstance(raw, dict) else {}


def _strange(node: Any, key: str = "") -> Iterator[str]:
    """What YAML knows and no request takes: bytes, and keys that are no text."""
    if isinstance(node, bytes):
        yield f"{key}: expected text, got bytes"
    elif isinstance(node, list):
        for k, value in enumerate(node):
            yield from _strange(value, f"{key}[{k}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(name, str):
                yield from _strange(value, f"{key}.{brief(name)}".lstrip("."))
            else:
                yield f"{key or 'a config file'}: expected keys that are text, got the key {got(name)}"


def check(raw: Mapping[str, Any], derived: Derived, known: Known, origin: Origin) -> Config:
    """The request in a plain config.

    Args:
        raw: from `plain`.
        derived: its settings with values from other stores.
        known: the actions and the figures there are.
        origin: where the request comes from.

    Returns:
        The checked request, whose settings have passed the bounds of their system.

    Raises:
        RequestError: one line for every key that is unknown, missing, of the wrong type or out of bounds.
    """
    raw = dict(raw)
    if isinstance(raw.get("settings"), dict):
        raw["settings"] = dict(derived.values)
    raw |= {
        "derived": dict(derived.origins),
        "unknown": dict(derived.unknown),
        "folders": origin.folders,
        **origin._asdict(),
    }
    config, faults = None, list(derived.faults)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        faults += describe(error, Config)
    if config is not None:
        faults += [*_unkept_limits(config), *_open_ranges(config), *_sensitivity_faults(config)]
        faults += [*_search_faults(config), *_refine_faults(config)]
    faults += _unknown_names(raw, known)
    faults = [*_unpackaged(raw), *faults]
    system, found = _system(raw.get("system"))
    faults += [*found, *figure_faults(raw, known.figures, system)]
    if system is not None:
        model = settings_model(system, derived.unknown)
        faulty = {fault.split(".from")[0] for fault in derived.faults}
        others = [*_setting_faults(system, derived.unknown, raw), *_system_faults(system, raw)]
        others += one_line_a_key(_not_whole(model, system, raw))
        faults += [fault for fault in others if fault.split(":")[0] not in faulty]
    if faults or config is None or system is None:
        raise RequestError(dict.fromkeys(faults))
    config = _shrunk(config).model_copy(update={"settings": _as_checked(system, config)})
    if faults := list(unrecorded(config, known.figures, system)):
        raise RequestError(faults)
    return config


def _shrunk(config: Config) -> Config:
    """The request with a search of no more ensembles than suit +scale=quick, if that alone was asked for."""
    if config.search is None or not config.shrunk or any("search" in one for one in config.overrides):
        return config
    points = min(config.search.points, QUICK_POINTS)
    return config.model_copy(update={"search": config.search.model_copy(update={"points": points})})


def check_store_alone(raw: Mapping[str, Any], known: Known, actions: Sequence[str], origin: Origin) -> StoreAlone:
    """The request about a store at a path, or about all stores in a folder, by default in `store.root`.

    Args:
        raw: from `plain`.
        known: the actions and the figures there are.
        actions: those that need no sweep.
        origin: where the request comes from.

    Returns:
        The checked request.

    Raises:
        RequestError: a sweep beside the path, an action that needs one, and all other faults.
    """
    faults = [*_unknown_names(raw, known), *figure_faults(raw, known.figures, None)]
    if raw.get("action") in known.actions and raw["action"] not in actions:
        faults.append(f"path: action={raw['action']} needs a sweep; expected +sweep=NAME, got a path")
    store = raw.get("store")
    if not isinstance(store, dict) or store.get("name") is not None:
        faults.append(
            "path: the store at a path says itself which sweep it holds; drop +sweep and store.name, or path"
        )
    root = store.get("root") if isinstance(store, dict) else None
    key = "store.root" if raw.get("path") is None else "path"
    try:
        request = StoreAlone.model_validate(
            {
                **{key: raw[key] for key in StoreAlone.model_fields if key in raw},
                "path": root if raw.get("path") is None else raw["path"],
                "lock": store.get("lock", "flock") if isinstance(store, dict) else "flock",
                "command": origin.command,
                "folders": origin.folders,
            }
        )
    except ValidationError as error:
        described = [re.sub("^path:", f"{key}:", line) for line in describe(error, StoreAlone)]
        raise RequestError([*faults, *described]) from error
    if faults:
        raise RequestError(faults)
    return request


def settings_model(system: System, unknown: Mapping[str, str]) -> type[BaseModel]:
    """The settings of a system, those whose value is not known yet left unchecked.

    Args:
        system: whose settings.
        unknown: settings whose value is not known yet, and why.

    Returns:
        A pydantic model.
    """
    if not unknown:
        return system.settings
    open_fields: dict[str, Any] = dict.fromkeys(unknown, (Any, None))
    return create_model(system.settings.__name__, __base__=system.settings, **open_fields)


def _unkept_limits(config: Config) -> Iterator[str]:
    if isinstance(config.cluster, SerialCluster) and config.limits.block_seconds is not None:
        yield (
            f"limits.block_seconds: expected null with cluster=serial, got {config.limits.block_seconds:g}; "
            "a block past its limit is ended with its process, which here is the whole run; choose cluster=local"
        )


def _open_ranges(config: Config) -> Iterator[str]:
    if config.sampling.method not in DRAWN:
        grid = config.axes if config.search is None else config.search.within
        for name in grid:
            axis = config.axes.get(name)
            if axis is not None and axis.values is None and axis.num is None:
                yield (
                    f"axes.{name}.num: missing; expected how many values, or a sampling.method that draws in a range: "
                    f"{', '.join(DRAWN)}"
                )


def _search_faults(config: Config) -> Iterator[str]:
    if config.search is None:
        return
    if config.sampling.method != "product":
        yield (
            f"sampling.method: expected product with a search, which chooses points; got {config.sampling.method}"
        )
    if config.sampling.points is not None and not config.shrunk:
        yield f"sampling.points: expected null with a search; set search.points; got {config.sampling.points}"
    if config.sensitivity is not None:
        yield "sensitivity: expected null with a search, whose points lie where the optimum may be"
    if config.ensemble.precision is not None:
        yield "ensemble.precision: expected null with a search, which adds members itself"
    if config.ensemble.members < LEAST_MEMBERS:
        yield (
            f"ensemble.members: expected at least {LEAST_MEMBERS} for a search, which weighs noise; got "
            f"{config.ensemble.members}"
        )
    for k, name in enumerate(config.search.within):
        if name not in config.axes:
            yield f"search.within[{k}]: expected one of the axes ({', '.join(config.axes) or 'none'}), got {got(name)}"
    if not set(config.axes) - set(config.search.within):
        yield "axes: expected at least one that is searched, as a range: {start: 0.1, stop: 10, scale: log}"
    if config.search.within and not is_function(config.search.of):
        yield (
            "search.within: expected search.of=module:function, which makes one value of those of all its axes; got "
            f"{config.search.of}"
        )


def _refine_faults(config: Config) -> Iterator[str]:
    sampling = config.sampling
    if sampling.method != "refine":
        for name in ("of", "resolution"):
            if getattr(sampling, name) is not None:
                yield f"sampling.{name}: expected null with {sampling.method}, as only refine heeds it"
        return
    if not 1 <= len(config.axes) <= MOST_REFINED_AXES:
        yield f"axes: expected one or two with sampling.method=refine, got {len(config.axes)}"
    if config.ensemble.precision is not None:
        yield "ensemble.precision: expected null with sampling.method=refine, whose points have as many members each"
    if sampling.of is None:
        yield "sampling.of: missing; refine needs the estimand whose changes get more points"
    if sampling.points is None and sampling.resolution is None:
        yield "sampling.points: missing; refine needs a number of points or a sampling.resolution at which it ends"


def _sensitivity_faults(config: Config) -> Iterator[str]:
    if config.sensitivity is None:
        return
    if config.sampling.method != "sobol":
        yield f"sensitivity: expected sampling.method=sobol, got {config.sampling.method}"
    if config.ensemble.precision is not None:
        yield "sensitivity: expected as many members at all points, got ensemble.precision; set it to null"
    if config.ensemble.members < LEAST_MEMBERS:
        yield (
            f"ensemble.members: expected at least {LEAST_MEMBERS} for sensitivity indices, which come from products of "
            f"different members; got {config.ensemble.members}"
        )


def _unpackaged(raw: Mapping[str, Any]) -> Iterator[str]:
    """Files whose keys ended below the name of their group, as their first line is missing."""
    for group in ("system", "sweep", "scale"):
        if isinstance(raw.get(group), dict):
            yield f"{group}: expected a file that begins with the line # @package _global_, got its keys below {group}"


def _unknown_names(raw: Mapping[str, Any], known: Known) -> Iterator[str]:
    action = raw.get("action")
    if isinstance(action, str) and action not in known.actions:
        yield f"action: expected one of {', '.join(known.actions)}, got {got(action)}"


QUICK_POINTS = 24
"""Ensembles of a search with +scale=quick."""


def ignored_settings(config: Config) -> list[str]:
    """Settings that arguments give though they are swept.

    Args:
        config: a checked request.

    Returns:
        A line for each.
    """
    given = [override.lstrip("+") for override in config.overrides]
    return [
        f"{override} has no effect, as {name} is swept: see axes.{name}, or remove the axis with ~axes.{name}"
        for name in config.axes
        for override in given
        if override.startswith(f"settings.{name}=")
    ]


def _system(name: Any) -> tuple[System | None, list[str]]:
    """The system of a name, or why there is none."""
    if not isinstance(name, str):
        return None, []  # a fault of the config's types
    try:
        return find(name), []
    except RequestError as error:
        return None, error.faults


def _system_faults(system: System, raw: Mapping[str, Any]) -> Iterator[str]:
    """Faults of other sections that depend on the system."""
    ensemble, store, quick = (raw.get(section) for section in ("ensemble", "store", "quick"))
    precision = ensemble.get("precision") if isinstance(ensemble, dict) else None
    aim = precision.get("of") if isinstance(precision, dict) else None
    if isinstance(aim, str) and aim not in system.all_estimands:
        yield f"ensemble.precision.of: expected one of {', '.join(system.all_estimands)}, got {got(aim)}"
    sensitivity = raw.get("sensitivity")
    of = sensitivity.get("of") if isinstance(sensitivity, dict) else None
    for k, name in enumerate(of if isinstance(of, list) else []):
        if isinstance(name, str) and name not in (known := _with_members(system)):
            yield f"sensitivity.of[{k}]: expected a mean or a share, one of {', '.join(known)}, got {got(name)}"
    yield from _averaged(system, raw, "search", functions=True)
    yield from _averaged(system, raw, "sampling", functions=False)
    members = store.get("block_members") if isinstance(store, dict) else None
    if isinstance(members, int) and members > 0 and members % system.lanes:
        yield f"store.block_members: expected a multiple of {system.lanes}, got {members}"
    for name in quick if isinstance(quick, dict) else ():
        if name not in system.settings.model_fields:
            yield f"quick.{name}: not a setting of system {raw['system']}"


def _averaged(system: System, raw: Mapping[str, Any], section: str, functions: bool) -> Iterator[str]:
    """Faults of what a section wants to know of points: an average over members or, with `functions`, one's own."""
    asked = raw.get(section)
    of = asked.get("of") if isinstance(asked, dict) else None
    if not isinstance(of, str) or of in (known := _with_members(system)):
        return
    if not (functions and is_function(of)):
        own = ", or module:function" if functions else ""
        yield f"{section}.of: expected a mean or a share, one of {', '.join(known)}{own}; got {got(of)}"
        return
    try:
        function_of(of)
    except RequestError as error:
        yield from (f"{section}.of: {fault}" for fault in error.faults)


def _with_members(system: System) -> list[str]:
    """Estimands that are an average over members."""
    return [name for name, estimand in system.all_estimands.items() if estimand.kind != "median"]


def _setting_faults(system: System, unknown: Mapping[str, str], raw: Mapping[str, Any]) -> Iterator[str]:
    """Faults of the settings, and of each axis taken by itself."""
    settings, axes, model = raw.get("settings"), raw.get("axes"), system.settings
    swept = axes if isinstance(axes, dict) else {}
    yield from lines_of(_faults_alone(system, unknown, settings, swept), model, "settings")
    if not isinstance(settings, dict):
        return
    for name, axis in swept.items():
        if name not in model.model_fields:
            known = suggestion(str(name), model.model_fields)
            yield f"axes.{brief(str(name))}: not a setting of system {raw['system']}{known}"
            continue
        for where, value in _values_of(str(name), axis, ends=True):
            faults = _faults_alone(system, unknown, {**settings, name: value}, swept.keys() - {name})
            yield from (f"{where}: {said_of(fault, value)}" for fault in faults if fault["loc"][:1] == (name,))


def _faults_alone(
    system: System, unknown: Mapping[str, str], settings: Any, swept: Collection[str]
) -> Sequence[Mapping[str, Any]]:
    """Faults of settings, but for those that hang on the values of swept ones: these are told of points."""
    try:
        settings_model(system, unknown).model_validate(settings)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    else:
        return []
    if not isinstance(settings, dict) or not swept:
        return faults
    alone = set()
    try:
        _without(system, unknown, settings, swept)
    except ValidationError as error:
        alone = {fault["loc"] for fault in error.errors(include_url=False)}
    return [fault for fault in faults if fault["loc"] in alone or (fault["loc"][:1] and fault["loc"][0] in swept)]


def _without(
    system: System, unknown: Mapping[str, str], settings: Mapping[str, Any], swept: Collection[str]
) -> BaseModel:
    """Settings whose swept ones are left unchecked, as if they were not known."""
    others = {name: value for name, value in settings.items() if name not in swept}
    fields = dict.fromkeys(set(swept) & set(system.settings.model_fields), "swept")
    return settings_model(system, {**unknown, **fields}).model_validate(others)


def _as_checked(system: System, config: Config) -> dict[str, Any]:
    """The settings of a checked request as their types give them back; those that are swept may be as they were."""
    try:
        checked = settings_model(system, config.unknown).model_validate(config.settings)
        return checked.model_dump(exclude=set(config.unknown))
    except ValidationError:
        checked = _without(system, config.unknown, config.settings, config.axes)
        return {**config.settings, **checked.model_dump(exclude={*config.unknown, *config.axes})}


def _values_of(name: str, raw_axis: Any, ends: bool = False) -> Iterator[tuple[str, Any]]:
    """An axis' values, each with the key that it stands at; none if the axis has faults of its own.

    With `ends`, of a range only the first and the last one.
    """
    with suppress(ValidationError):  # described with the rest of the config
        axis = Axis.model_validate(raw_axis)
        if axis.values is not None:
            yield from ((f"axes.{name}.values[{k}]", value) for k, value in enumerate(axis.spread()))
        else:
            spread = axis.spread()
            yield from ((f"axes.{name}", value) for value in ([spread[0], spread[-1]] if ends else spread))


def _not_whole(model: type[BaseModel], system: System, raw: Mapping[str, Any]) -> Iterator[NotWhole]:
    """Settings and values of axes that are not whole, as far as can be said before the axes combine."""
    settings, axes, sampling = raw.get("settings"), raw.get("axes"), raw.get("sampling")
    if not (isinstance(settings, dict) and isinstance(axes, dict)):
        return
    is_drawn = isinstance(sampling, dict) and (
        sampling.get("method") in (*DRAWN, "refine") or raw.get("search") is not None
    )
    for name, unit in system.whole.items():
        if unit in axes or (name in axes and is_drawn):
            continue
        values = _values_of(name, axes[name]) if name in axes else [(f"settings.{name}", settings.get(name))]
        for where, value in values:
            with suppress(ValidationError):  # a fault already
                point = model.model_validate({**settings, name: value})
                yield from (fault._replace(key=where) for fault in not_whole(system, point) if fault.key == name)
