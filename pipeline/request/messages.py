"""Faults in the words of a user: the key's full path, what was expected, what was got."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.request.clusters import KINDS
from pipeline.words import brief

_NOT_TO_BE_SET = ("derived", "unknown", "command", "overrides", "config_dir", "folders")
"""Fields of a request that are told by its circumstances."""

_EXPECTED = {
    "missing": "a value",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "string_type": "text",
    "path_type": "a path",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_parsing_size": "a whole number of fewer digits",
    "list_type": "a list",
    "none_required": "null",
    "too_short": "at least one value",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "union_tag_invalid": f"kind to be one of {', '.join(KINDS)}",
    "union_tag_not_found": f"kind to be one of {', '.join(KINDS)}",
}


def shown(value: Any) -> str:
    """A setting's value for people: 0.3, square, [1, 2]."""
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:.12g}"
    return value if isinstance(value, str) else label_of(value)


def got(value: Any) -> str:
    """A value that is refused, for people: as YAML has it, text in quotes, in one line that is not too long."""
    return brief(repr(value) if isinstance(value, str) else shown(value), 160)  # as long as paths are


def label_of(value: Any) -> str:
    """The text that stands for a value on a labelled axis: itself for a string, else JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def values_of(label: str) -> list[Any]:
    """The values that a label may stand for: itself and, where it is JSON, what that says; lists as tuples."""
    try:
        value = json.loads(label)
    except ValueError:
        return [label]
    return [label] if isinstance(value, str) else [label, frozen(value)]


def frozen(value: Any) -> Any:
    """A value with its lists as tuples, which tell points apart in sets."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def describe(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """Faults in the words of a user.

    Args:
        error: what pydantic found.
        model: in whose values.
        prefix: section that the values are in. Default: the whole config.

    Returns:
        One line a fault: the key's full path, what was expected, what was got.
    """
    return lines_of(error.errors(include_url=False), model, prefix)


def lines_of(faults: Iterable[Mapping[str, Any]], model: type[BaseModel], prefix: str = "") -> list[str]:
    """As `describe`, of some of pydantic's `ValidationError.errors()`."""
    return [_line(fault, model, prefix) for fault in faults]


def said_of(fault: Mapping[str, Any], value: Any) -> str:
    """What was expected and got, in the words of a user.

    Args:
        fault: one of pydantic's `ValidationError.errors()`.
        value: what was got. A validator that says so itself, or what is wrong within the value, is left to say it.

    Returns:
        "expected …, got …".
    """
    words = _expected(fault)
    if "expected " in words:
        return words
    return f"expected {words}" + ("" if ", got " in words else f", got {got(value)}")


def _expected(fault: Mapping[str, Any]) -> str:
    """Words to put after "expected"."""
    message = str(fault["msg"]).removeprefix("Value error, ").removeprefix("expected ")
    return _EXPECTED.get(fault["type"], message.removeprefix("Input should be "))


def suggestion(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """The known name that was probably meant, or all of them.

    Args:
        name: what was got.
        known: the names there are.

    Returns:
        The end of a message, from its semicolon on; empty if nothing is known.
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else (f"; known: {', '.join(known)}" if known else "")


def _line(fault: Mapping[str, Any], model: type[BaseModel], prefix: str) -> str:
    inside, value = _without_kind(fault["loc"]), fault["input"]
    location = (*([prefix] if prefix else []), *inside)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{brief(part)}" for part in location).lstrip(".")
    if path == "store.name" and value is None:
        return (
            "store.name: missing; choose a sweep with +sweep=NAME (see conf/sweep), set store.name=NAME, or name "
            "a store that is there by path=STORE"
        )
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key{suggestion(str(inside[-1]), _fields_at(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing" or (isinstance(value, str) and value in ("", "???")):
        return f"{path}: missing; expected {_expected(fault)}"
    return f"{path}: {said_of(fault, value)}"


def _without_kind(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A fault's location without the kind of cluster that pydantic puts in it."""
    with_kind = location[:1] == ("cluster",) and location[1:2] and location[1] in KINDS
    return ("cluster", *location[2:]) if with_kind else location


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> Sequence[str]:
    """The keys a nested model knows at a location."""
    if not location:
        return tuple(name for name in model.model_fields if name not in _NOT_TO_BE_SET)
    if location[:1] == ("cluster",):
        return tuple(KINDS[str(location[1])].model_fields) if len(location) == 2 else ()
    for part in location:
        field = model.model_fields.get(str(part))
        nested = field.annotation if field else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return ()
        model = nested
    return tuple(model.model_fields)
