"""From arguments to a composed config, as Hydra composes it, without Hydra's callbacks and state."""

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import RequestError
from pipeline.words import brief, one_line

CONF = Path(__file__).parents[2] / "conf"
_GROUPS = ("system", "cluster", "sweep", "scale")
"""Config groups: on the command line they name a file of conf/, where all else is a value."""
_FILE = r"""(?!(?i:null|true|false|nan|inf)\b)["']?[A-Za-z_][\w./-]{0,200}["']?"""
_FILES = re.compile(rf"{_FILE}|\[({_FILE}(, *{_FILE})*)?\]")
"""What may follow on the name of a group: the name of a file, or a list of such."""
_COMPOSED_BY_HYDRA = ("runtime", "overrides", "job")
"""Keys of `hydra` that tell how a config was composed."""


class Arguments(NamedTuple):
    """A command line, taken apart."""

    overrides: list[str]
    config_dir: Path | None
    multirun: bool
    """Whether `a=1,2` means two requests."""
    show: bool
    """Print the composed config, do nothing else."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RequestError([f"{message}; see python -m pipeline --help"])


def parse(arguments: Sequence[str]) -> Arguments:
    """Take a command line apart.

    Args:
        arguments: without the program's name.

    Returns:
        Its overrides and options.

    Raises:
        RequestError: unknown options, or a --config-dir that is no folder or given twice.
        SystemExit: help was asked for, and printed.
    """
    parser = _Parser(
        prog="python -m pipeline",
        description="Plan a sweep, compute what its store lacks, draw its figures.",
        epilog="Example: python -m pipeline +sweep=kuramoto_T ensemble.members=384 action=explain",
        allow_abbrev=False,
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="any key of conf/, +sweep=NAME, +scale=quick"
    )
    parser.add_argument("-m", "--multirun", action="store_true", help="a=1,2 and glob(*) are several requests")
    parser.add_argument(
        "--config-dir", "-cd", type=Path, action="append", help="a folder of one's own sweeps and systems"
    )
    parser.add_argument("--cfg", "-c", choices=["job"], help="print the composed config, do nothing else")
    found = parser.parse_intermixed_args(arguments)
    folders = found.config_dir or []
    if len(folders) > 1:
        raise RequestError([f"--config-dir: expected one folder, got {', '.join(map(str, folders))}"])
    return Arguments(found.overrides, folders[0] if folders else None, found.multirun, found.cfg is not None)


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> DictConfig:
    """The config of one request. Hydra's global state stays as it was, and nothing named in a config is called.

    Args:
        overrides: `key=value`, as on the command line.
        config_dir: a folder of further sweeps and systems. Default: none.

    Returns:
        The config, not checked yet.

    Raises:
        RequestError: arguments that are no overrides, choices that are not there, or keys of Hydra's.
    """
    _refuse_no_names(overrides, config_dir)
    rewritten = _as_hydra_takes_them(overrides)
    with _loader(config_dir) as loader:
        config = loader.load_configuration("config", rewritten, RunMode.RUN, from_shell=False)
        if any("hydra" in override for override in overrides) or _mention_hydra(CONF, config_dir):
            _refuse_foreign(config.hydra, loader)  # composes twice
        with open_dict(config):
            del config["hydra"]
            parsed = _parsed(rewritten, loader)
            _replace_axes(config, parsed)
            if _said(config, "shrunk") is True:
                _shrink(config, {override.get_key_element().lstrip("+~") for override in parsed})
    return config


def several(overrides: Sequence[str], config_dir: Path | None = None) -> list[list[str]]:
    """The requests that `-m` stands for: every combination of `a=1,2` and of what `glob(*)` matches.

    Args:
        overrides: as of `compose`.
        config_dir: as of `compose`.

    Returns:
        The overrides of every request.

    Raises:
        RequestError: as `compose` does for arguments.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    rewritten = _as_hydra_takes_them(overrides)
    with _loader(config_dir) as loader:
        (batch,) = BasicSweeper.split_arguments(_parsed(rewritten, loader), max_batch_size=None)
    if not batch:
        raise RequestError([f"{' '.join(overrides)}: expected at least one request, got values that are none"])
    return batch


def as_yaml(config: DictConfig) -> str:
    """A composed config as text."""
    return OmegaConf.to_yaml(config)


def _refuse_no_names(overrides: Sequence[str], config_dir: Path | None) -> None:
    """Raise RequestError if a config group, as in `system=NAME`, gets something that is no name of a file."""
    faults = []
    for override in overrides:
        group, _, value = override.lstrip("+").partition("=")
        if group in _GROUPS and not _FILES.fullmatch(value):
            folders = [CONF, *([config_dir] if config_dir is not None else [])]
            names = sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})
            faults.append(f"{group}: expected one of {', '.join(names)}, got {brief(value)}")
    if faults:
        raise RequestError(faults)


def _as_hydra_takes_them(overrides: Sequence[str]) -> list[str]:
    """Arguments as Hydra takes them, so that faults surface in `check`, all at once, not one by one in Hydra.

    `key=value` becomes `++key=value`: an unknown key passes Hydra, to be reported with the rest. A scale goes
    last, so that it shrinks what a sweep says, in whichever order the two are given.
    """
    faults = [
        f"{override}: expected key=value, got no key" for override in overrides if re.match(r"[+~]*=", override)
    ]
    faults += [
        f"{override.partition('=')[0]}: expected a key of conf/, got one of Hydra's own; this program does not use them"
        for override in overrides
        if re.match(r"[+~]*[\w/]*@?hydra\b", override)
    ]
    if faults:
        raise RequestError(faults)
    return sorted(map(_rewritten, overrides), key=lambda argument: argument.startswith("+scale="))


def _rewritten(override: str) -> str:
    key, equals, _ = override.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*", key):
        return override
    if key in ("sweep", "scale"):
        return f"+{override}"
    return override if key in _GROUPS else f"++{override}"


@contextmanager
def _loader(config_dir: Path | None) -> Iterator[ConfigLoaderImpl]:
    """Hydra's loader of configs, its errors in one line each."""
    if config_dir is not None and not config_dir.is_dir():
        raise RequestError([f"--config-dir: expected a folder, got {config_dir}"])
    Plugins.instance()  # registers the kinds of places that configs are read from
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    path.append("main", f"file://{CONF}")
    if config_dir is not None:
        path.append("--config-dir", f"file://{config_dir.resolve()}")
    path.append("schema", "structured://")
    versions = version.VersionBase.instance()
    before = versions.getbase()
    version.setbase("1.3")
    try:
        yield ConfigLoaderImpl(config_search_path=path)
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError([_message(error)]) from error
    except yaml.MarkedYAMLError as error:
        raise RequestError([f"{_place(error)}: can't be read as YAML: {error.problem}"]) from error
    except RecursionError as error:
        key = str(getattr(error, "full_key", None) or "a config file").partition("[")[0]
        raise RequestError([f"{key}: expected a value that ends, got one that holds itself"]) from error
    except (yaml.YAMLError, ValueError, TypeError, OSError) as error:
        raise RequestError(
            [f"a config file or value can't be read: {type(error).__name__}: {brief(one_line(error), 200)}"]
        ) from error
    finally:
        versions.version_base = before


def _place(error: yaml.MarkedYAMLError) -> str:
    """File and line of an error in YAML."""
    mark: Any = error.problem_mark or error.context_mark
    return "a config file" if mark is None else f"{mark.name}, line {mark.line + 1}"


def _parsed(overrides: list[str], loader: ConfigLoaderImpl) -> list[Any]:
    return OverridesParser.create(config_loader=loader).parse_overrides(overrides)


def _refuse_foreign(composed: DictConfig, loader: ConfigLoaderImpl) -> None:
    """Raise RequestError if a request sets keys of Hydra's, which would be called by Hydra's own main."""
    pristine = loader.load_configuration("config", [], RunMode.RUN, from_shell=False).hydra
    keys = sorted(
        f"hydra.{key}"
        for key in set(composed) | set(pristine)
        if key not in _COMPOSED_BY_HYDRA and _plain(composed, str(key)) != _plain(pristine, str(key))
    )
    if keys:
        raise RequestError(
            f"{key}: expected keys of conf/ in arguments and files, got one of Hydra's own; remove it"
            for key in keys
        )


def _mention_hydra(*folders: Path | None) -> bool:
    """Whether some config file has the word, or a backslash, with which YAML may spell it."""
    files = (file for folder in folders if folder is not None for file in folder.rglob("*.yaml"))
    texts = (file.read_bytes() for file in files if file.is_file())
    return any(b"hydra" in text or b"\\" in text for text in texts)


def _plain(config: DictConfig, key: str) -> Any:
    node = config._get_node(key)
    return OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else str(node)


_RANGE = ("start", "stop", "num", "scale")
"""Keys of an axis that is a range."""


def _replace_axes(config: DictConfig, overrides: Sequence[Any]) -> None:
    """Let the last argument about an axis replace what was said of it before, where Hydra would merge the two.

    `axes={…}` stands for all axes, `axes.T={…}` for one, `axes.T.values` for its range and the other way round.
    """
    axes: Any = _said(config, "axes")
    decided: set[str] = set()
    said: dict[str, tuple[str, ...]]
    for override in reversed(overrides) if OmegaConf.is_dict(axes) else ():
        top, *keys = override.key_or_group.split(".")
        value = None if top != "axes" or override.is_delete() else override.value()
        if len(keys) == 2 and value is not None and keys[1] in ("values", *_RANGE):
            said = {keys[0]: ("values",) if keys[1] == "values" else _RANGE}
        elif len(keys) == 1 and isinstance(value, dict):
            said = {keys[0]: tuple(map(str, value))}
        elif not keys and isinstance(value, dict):
            _remove(axes, {str(name) for name in axes} - {str(name) for name in value} - decided)
            said = {str(name): tuple(map(str, axis)) for name, axis in value.items() if isinstance(axis, dict)}
        else:
            continue
        for name in said.keys() - decided:
            _remove(_said(axes, name), {"values", *_RANGE} - set(said[name]))
        decided |= said.keys()


def _said(config: DictConfig, key: str) -> Any:
    """A value of a config; None for a reference, which is resolved, or refused, later."""
    return None if OmegaConf.is_interpolation(config, key) else config.get(key)


def _remove(node: Any, keys: Iterable[str]) -> None:
    """Remove some keys from a part of a config, if they are there."""
    for key in keys if OmegaConf.is_dict(node) else ():
        node.pop(key, None)


def _shrink(config: DictConfig, given: set[str]) -> None:
    """Let a system's quick settings hold, but for those that the command line gives."""
    quick: Any = _said(config, "quick")
    for name, value in quick.items() if OmegaConf.is_dict(quick) else ():
        if f"settings.{name}" not in given and "settings" not in given:
            config.settings[name] = value


def _message(error: Exception) -> str:
    """Hydra's message without its tips on internals, and what to do."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}: expected one of {', '.join(error.options)}, got {name}"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        message = _unfit(str(cause).splitlines()[0], cause.object_type)
        return f"{brief(str(cause.full_key))}: {message}{_what_to_do(cause)}"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip() and "https://" not in line]
    if in_file := re.match(r"In '(.*)': \w+ raised while composing config: *(.*)", " ".join(lines[:2])):
        return f"{in_file[1]}: {_unfit(in_file[2])}{_what_to_do(cause)}"
    return f"{one_line(' '.join(lines[:2])).replace('++', '')}{_what_to_do(cause)}"


def _unfit(message: str, there: Any = None) -> str:
    """What OmegaConf says of a value that can't stand where one of another type is, in the words of a user."""
    if message.startswith("Cannot merge DictConfig with ListConfig"):
        kinds = ["keys with values", "a list"]
        wanted, given = kinds[::-1] if there is list else kinds
        return f"expected {wanted}, got {given}"
    return f"expected text, numbers, lists or keys with values, got: {brief(message, 200)}"


def _what_to_do(error: BaseException) -> str:
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).lstrip("+").partition("=")
        if value and not re.search(r"^[\[{]|[\"']", value):
            return f"; in quotes it can be read, twice, as the shell takes one pair: '{key}=\"{value}\"'"
        return "; expected key=value, in quotes where it has blanks, brackets or commas: 'axes.T.values=[1, 2]'"
    if "Could not override" in str(error):
        return "; a sweep or system file begins with # @package _global_, and its defaults say {override /system: NAME}"
    return ""
