"""Settings whose value is a statistic of another store: `threshold: {from: {store: NAME, statistic: NAME}}`.

A statistic is `mean_<variable>` or `median_<variable>`, over all values of the members that did not diverge.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import Damaged, NotComplete, RequestError
from pipeline.request import Derived, got
from pipeline.systems import COMPUTED

_NAME = re.compile(r"[\w.+/-]{1,240}")
_STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {"mean": np.nanmean, "median": np.nanmedian}


def derive(settings: Mapping[str, Any], root: Path) -> Derived:
    """Settings with every `from` replaced by its value.

    Args:
        settings: setting → value, or `{from: {store: NAME, statistic: NAME}}`.
        root: folder of the stores.

    Returns:
        `Derived`: a store that is not there, or not complete, leaves a value unknown; one that can't give it is a
        fault.
    """
    values, origins, unknown, faults = dict(settings), {}, {}, []
    for name, raw in settings.items():
        if isinstance(raw, Mapping) and set(raw) == {"from"}:
            where = f"settings.{name}.from"
            try:
                values[name], origins[name] = _value(where, raw["from"], root)
            except NotComplete as why:
                unknown[name] = f"{where}.store: {why}"
                del values[name]
            except RequestError as found:
                faults += found.faults
                del values[name]
    return Derived(values, origins, unknown, faults)


def settings_of(dataset: Any) -> dict[str, Any]:
    """The settings of a stored sweep that are not swept.

    Args:
        dataset: xarray Dataset, as `open_sweep` gives it, whose attributes hold them as JSON.

    Returns:
        Setting → value.
    """
    settings: dict[str, Any] = json.loads(dataset.attrs["settings"])
    return settings


def statistic_of(dataset: Any, statistic: str) -> float:
    """A statistic of a stored sweep, over all values of the members that did not diverge.

    Args:
        dataset: xarray Dataset, as `open_sweep` gives it.
        statistic: `mean_<variable>` or `median_<variable>`.

    Returns:
        A number in the variable's unit; NaN values don't count.

    Raises:
        KeyError: there is no such statistic or variable.
        ValueError: all members diverged.
        Damaged: a chunk can't be read.
    """
    kind, _, variable = statistic.partition("_")
    function, values = _STATISTICS[kind], dataset[variable]
    counted = dataset["status"] == COMPUTED
    if not counted.any():
        raise ValueError("expected members that did not diverge, got none")
    return float(function(values.where(counted).values))


def _value(path: str, source: Any, root: Path) -> tuple[float, dict[str, Any]]:
    if not isinstance(source, Mapping) or set(source) != {"store", "statistic"}:
        raise RequestError([f"{path}: expected store and statistic, got {got(source)}"])
    if not (isinstance(source["store"], str) and _NAME.fullmatch(source["store"])):
        raise RequestError([f"{path}.store: expected the name of a store, got {got(source['store'])}"])
    statistic = source["statistic"]
    if not isinstance(statistic, str) or statistic.partition("_")[0] not in _STATISTICS:
        known = " or ".join(f"{kind}_VARIABLE" for kind in _STATISTICS)
        raise RequestError([f"{path}.statistic: expected {known}, got {got(statistic)}"])
    store = root / f"{source['store']}.zarr"
    from pipeline.store.reading import open_complete  # loads xarray

    try:
        dataset = open_complete(store)
    except NotComplete:
        raise
    except RequestError as found:  # no such store
        raise RequestError(f"{path}.store: {line}" for line in found.faults) from None
    try:
        value = statistic_of(dataset, statistic)
    except KeyError:
        names = ", ".join(str(name) for name in dataset.data_vars)
        raise RequestError(
            [f"{path}.statistic: expected a variable of {store} ({names}), got {statistic}"]
        ) from None
    except ValueError as error:
        raise RequestError([f"{path}.store: {store}: {error}"]) from None
    except Damaged as damage:
        raise RequestError([f"{path}.store: {damage}"]) from None
    return value, {
        **source,
        "value": value,
        "members": dataset.sizes["member"],
        "seed": int(dataset.attrs["seed"]),
        "settings": settings_of(dataset),
    }
