"""At how many of the places that a calibration searched each claim holds that its score used."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray

from pipeline.claims import CLAIMS, Holds, judged
from pipeline.claims.calibration import INTERVALS, SCANNED, chosen
from pipeline.systems import MISSING

_SEARCHED = ("eta", "sigma", "delay")
_JUDGED = ("C9", "C10", "C11", "C13", "C14")
"""Claims of the score that a candidate's scans decide; C8 needs series, which a search does not record."""


def holds(dataset: xarray.Dataset, others: Mapping[str, xarray.Dataset]) -> dict[str, Holds]:
    """What `pipeline.claims.holds` does."""
    found = dict[str, list[bool]]()
    for scan, along in _candidates(dataset):
        own = {"kuramoto_weight_control": scan, **({} if along is None else {"kuramoto_T": along})}
        for name in _JUDGED:
            verdict = "not supported" if along is None else judged(CLAIMS[name], {**others, **own}, {}).verdict
            if verdict != "not computed":
                found.setdefault(name, []).append(verdict == "supported")
    return {name: Holds(sum(verdicts), len(verdicts)) for name, verdicts in found.items()}


def _candidates(dataset: xarray.Dataset) -> Iterator[tuple[xarray.Dataset, xarray.Dataset | None]]:
    """Of every candidate the scan over β at one T and that over T at the best β; None: too many members diverged."""
    keys = list(zip(*(dataset[name].values.tolist() for name in _SEARCHED), strict=True))
    for key in dict.fromkeys(keys):
        own = dataset.isel(point=[k for k, other in enumerate(keys) if other == key]).drop_vars([*_SEARCHED])
        own = own.isel(member=np.flatnonzero((own["status"] != MISSING).all("point").values))
        scan = _along(own, "weight_control", (own["T"] == SCANNED).values)
        along = _along(own, "T", (own["weight_control"] == chosen(scan)).values)
        yield scan, along if set(INTERVALS) <= set(along["T"].values.tolist()) else None


def _along(dataset: xarray.Dataset, axis: str, chosen: np.ndarray) -> xarray.Dataset:
    """Some points as a sweep along one axis."""
    other = "T" if axis == "weight_control" else "weight_control"
    return dataset.isel(point=np.flatnonzero(chosen)).drop_vars(other).swap_dims(point=axis).sortby(axis)
