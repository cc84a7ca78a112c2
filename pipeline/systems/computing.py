"""Computing members of a system, and checking what comes back before anybody stores it."""

import traceback
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import BlockError
from pipeline.systems.finding import kernels_of, loaded
from pipeline.systems.interface import COMPUTED, DIVERGED, System
from pipeline.words import one_line

_LARGEST_WHOLE = 2.0**53
_SHOWN = 300
"""Characters of an error's own message that are kept."""


def compute_members(
    name: str, settings: Mapping[str, Any], seed: int, members: np.ndarray, records: int
) -> dict[str, np.ndarray]:
    """Compute every variable of some members, and check what the system gives.

    Args:
        name: of the system, as of `find`.
        settings: of the point.
        seed: 64-bit, of the point.
        members: (member,) member numbers.
        records: at most so many records of each variable along recorded iterations.

    Returns:
        Every variable, (member, *dims) doubles, and `status` (member,), COMPUTED or DIVERGED; a variable of no
            length
        may be left out.

    Raises:
        BlockError: the system raises, or what it gives does not fit what it declares; with file, line and what was
            expected.
        RequestError: there is no such system.
    """
    system = loaded(name).system
    try:
        with kernels_of(name):
            values = system.compute(deepcopy(dict(settings)), seed, members, records)  # it may change what it gets
    except (Exception, SystemExit) as error:
        raise BlockError(described(error, system)) from error
    return _checked(system, values, len(members), system.sizes(settings, records))


def described(error: BaseException, system: System) -> str:
    """An error in one line.

    Args:
        error: what was raised.
        system: by whose `compute`.

    Returns:
        Where in the system's own folder it was raised, its type and its message.
    """
    folder = Path(_source(system)[0]).parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    file, line = _source(system)
    where = (
        f"{own[-1].filename}, line {own[-1].lineno}, in {own[-1].name}" if own else f"{file}, line {line}, compute"
    )
    return f"{where}: {type(error).__name__}: {one_line(error)[:_SHOWN]}"


def _source(system: System) -> tuple[str, int]:
    """File and line of a system's compute function."""
    function = getattr(system.compute, "func", system.compute)  # of functools.partial
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(function), 0)


def _checked(system: System, values: Any, members: int, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """What a system gave, if it is what it declares."""
    file, line = _source(system)

    def refuse(expected: str, got: str) -> BlockError:
        return BlockError(f"{file}, line {line}, compute: expected {expected}, got {got}")

    if not isinstance(values, Mapping):
        raise refuse("a dictionary of variables", type(values).__name__)
    shapes = {variable.name: (members, *(sizes[dim] for dim in variable.dims)) for variable in system.variables}
    if unknown := sorted(set(values) - set(shapes) - {"status"}):
        raise refuse(f"only the variables of SYSTEM ({', '.join(shapes)})", ", ".join(map(str, unknown)))
    checked = {}
    for name, shape in shapes.items():
        if name not in values:
            if 0 in shape:
                continue  # nothing to give, as a coordinate is empty at this point
            raise refuse(f"{name} of shape {shape}", "no such variable")
        checked[name] = _doubles(name, values[name], shape, refuse)
    checked["status"] = _status(values.get("status"), checked, members, refuse)
    return checked


def _array(name: str, raw: Any, refuse: Any) -> np.ndarray:
    if isinstance(raw, np.ma.MaskedArray):
        raise refuse(
            f"{name} as a plain array", "a masked one; fill what is masked, with NaN for members that diverged"
        )
    try:
        return np.asarray(raw)
    except (ValueError, TypeError) as error:  # rows of several lengths
        raise refuse(f"an array of {name}", one_line(error)[:_SHOWN]) from error


def _doubles(name: str, raw: Any, shape: tuple[int, ...], refuse: Any) -> np.ndarray:
    array = _array(name, raw, refuse)
    if array.dtype.kind not in "biuf":
        raise refuse(f"{name} of real numbers", f"{name} of {array.dtype}")
    if array.shape != shape:
        raise refuse(f"{name} of shape {shape}, member first", f"shape {array.shape}")
    doubles = np.ascontiguousarray(array, dtype=float)
    if array.dtype.kind in "iu" and (np.abs(doubles) >= _LARGEST_WHOLE).any():
        raise refuse(f"{name} of whole numbers that doubles hold, below 2^53", f"{np.abs(doubles).max():g}")
    return doubles


def _status(raw: Any, values: Mapping[str, np.ndarray], members: int, refuse: Any) -> np.ndarray:
    """As the system says or, if it doesn't, DIVERGED for members with a value that is not finite."""
    if raw is None:
        finite = np.ones(members, dtype=bool)
        for array in values.values():
            finite &= np.isfinite(array.reshape(members, -1)).all(axis=1)
        return np.where(finite, COMPUTED, DIVERGED).astype(np.uint8)
    status = _array("status", raw, refuse)
    if status.shape != (members,) or not np.isin(status, (COMPUTED, DIVERGED)).all():
        raise refuse(f"status of shape ({members},), {COMPUTED} computed or {DIVERGED} diverged", f"{status}"[:80])
    return status.astype(np.uint8)
