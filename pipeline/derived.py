"""Settings whose value is a statistic of another store: `threshold: {from: {store: NAME, statistic: NAME}}`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.faults import Faults

STATISTICS: dict[str, Callable[[Any], float]] = {
    "median_damaged_error": lambda dataset: np.nanmedian(dataset["damaged_error"].where(dataset["status"] == 1)),
}
"""What can be taken from a store: name → function of its dataset."""


def derive(settings: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings with every `from` replaced by its value, and where each value came from.

    Raises Faults for a store that is not there or not complete, and for an unknown statistic.
    """
    values, origins, faults = dict(settings), {}, []
    for name, raw in settings.items():
        if isinstance(raw, Mapping) and set(raw) == {"from"}:
            try:
                values[name], origins[name] = _value(f"settings.{name}.from", raw["from"], root)
            except Faults as found:
                faults += found.faults
    if faults:
        raise Faults(faults)
    return values, origins


def _value(path: str, source: Any, root: Path) -> tuple[float, dict[str, Any]]:
    from pipeline.store import open_sweep  # which needs sweeps, which need a checked config, which needs this

    if not isinstance(source, Mapping) or set(source) != {"store", "statistic"}:
        raise Faults([f"{path}: expected store and statistic, got {source!r}"])
    if source["statistic"] not in STATISTICS:
        known = ", ".join(STATISTICS)
        raise Faults([f"{path}.statistic: expected one of {known}, got {source['statistic']!r}"])
    store = root / f"{source['store']}.zarr"
    try:
        dataset = open_sweep(store)
    except Faults as missing:
        raise Faults([f"{path}.store: {missing.faults[0]}; run the sweep that fills it first"]) from None
    absent = int((dataset["status"] == 0).sum())
    if absent:
        raise Faults(
            [f"{path}.store: expected {store} to be complete, got {absent} members missing; finish it first"]
        )
    value = float(STATISTICS[source["statistic"]](dataset))
    seed, settings = dataset.attrs["seed"], dataset.attrs["settings"]
    return value, {
        **source,
        "value": value,
        "members": dataset.sizes["member"],
        "seed": seed,
        "settings": settings,
    }
