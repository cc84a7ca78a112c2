"""A system whose optimum is known: least at a = 2, b = 0.4, n = 7 and c = 0; members diverge where b is above 0.9."""

from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.schema import Positive, Real, Section
from pipeline.systems import Estimand, System, Variable, streams


class Settings(Section):
    a: Positive
    b: Real
    n: int = Field(ge=1, le=20)
    c: Real
    mode: Literal["bowl", "flat", "gone", "half", "raising"]


def compute(settings, seed, members, records):
    """The cost of some members, (member,)."""
    noise = 0.3 * np.stack([rng.standard_normal() for rng in streams(seed, members)])
    apart = (np.log10(settings["a"] / 2), settings["b"] - 0.4, 0.1 * (settings["n"] - 7))
    cost = 1 + sum(distance**2 for distance in apart) + 0.1 * settings["c"] + noise
    if settings["mode"] == "flat":
        cost[:] = 1.0
    if settings["mode"] == "gone" or settings["b"] > 0.9:
        cost[:] = np.nan
    if settings["mode"] == "half":
        cost[::2] = np.nan
    if settings["mode"] == "raising" and settings["b"] > 0.5:
        raise ValueError("this block always raises")
    return {"cost": cost}


SYSTEM = System(
    settings=Settings,
    dimensions=(),
    variables=(Variable("cost", (), "cost"),),
    compute=compute,
    estimands={"cheap": Estimand("fraction", ("cost",), lambda values, _: values["cost"] < 1.5, "high")},
)
