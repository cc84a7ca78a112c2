"""Settings whose value is a statistic of another store: `threshold: {from: {store: NAME, statistic: NAME}}`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import RequestError

STATISTICS: dict[str, tuple[str, Callable[[Any], float]]] = {
    "median_damaged_error": ("damaged_error", np.nanmedian)
}
"""What can be taken from a store: name → variable, function of its values (of members that did not diverge)."""


def derive(settings: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Settings with every `from` replaced by its value, where each value came from, and faults.

    A fault is a store that is not there, not complete or without what is asked for, or an unknown statistic; the
    setting is then left out, for the rest to be checked.
    """
    values, origins, faults = dict(settings), {}, []
    for name, raw in settings.items():
        if isinstance(raw, Mapping) and set(raw) == {"from"}:
            try:
                values[name], origins[name] = _value(f"settings.{name}.from", raw["from"], root)
            except RequestError as found:
                faults += found.faults
                del values[name]
    return values, origins, faults


def _value(path: str, source: Any, root: Path) -> tuple[float, dict[str, Any]]:
    from pipeline.store.stores import (
        open_sweep,  # which needs sweeps, which need a checked config, which needs this
    )

    if not isinstance(source, Mapping) or set(source) != {"store", "statistic"}:
        raise RequestError([f"{path}: expected store and statistic, got {source!r}"])
    if not isinstance(source["store"], str):
        raise RequestError([f"{path}.store: expected the name of a store, got {source['store']!r}"])
    if not isinstance(source["statistic"], str) or source["statistic"] not in STATISTICS:
        known = ", ".join(STATISTICS)
        raise RequestError([f"{path}.statistic: expected one of {known}, got {source['statistic']!r}"])
    store = root / f"{source['store']}.zarr"
    try:
        dataset = open_sweep(store)
    except RequestError as missing:
        raise RequestError([f"{path}.store: {missing.faults[0]}; run the sweep that fills it first"]) from None
    absent = int((dataset["status"] == 0).sum())
    if absent:
        raise RequestError(
            [f"{path}.store: expected {store} to be complete, got {absent} members missing; finish it first"]
        )
    variable, statistic = STATISTICS[source["statistic"]]
    if variable not in dataset:
        raise RequestError([f"{path}.store: expected a store with {variable}, got {store} without"])
    done = dataset["status"] == 1
    if not done.any():
        raise RequestError([f"{path}.store: expected members in {store} that did not diverge, got none"])
    value = float(statistic(dataset[variable].where(done)))
    seed, settings = dataset.attrs["seed"], dataset.attrs["settings"]
    return value, {
        **source,
        "value": value,
        "members": dataset.sizes["member"],
        "seed": seed,
        "settings": settings,
    }
