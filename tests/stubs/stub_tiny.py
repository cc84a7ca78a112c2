"""A system that computes at once: numbers with every kind of axis and of dimension, some of them not finite."""

from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.schema import Real, Section
from pipeline.systems import ITERATION, Dimension, System, Variable, recorded, streams


class Settings(Section):
    T: Real
    n: int = Field(ge=1, le=4)
    mode: Literal["up", "down"]
    iterations: int = Field(ge=1)


def compute(settings, seed, members, records):
    """Every variable of some members, (member, …)."""
    noise = np.stack([rng.standard_normal(4) for rng in streams(seed, members)])
    start = settings["T"] + noise[:, 0] * (1 if settings["mode"] == "up" else -1)
    return {
        "value": np.where(noise[:, 1] > 1, np.nan, start),
        "path": start[:, None] + recorded(settings, records),
        "profile": noise[:, : settings["n"]],
    }


SITE = Dimension("site", "position", "length", ("n",), lambda settings, records: 0.5 + np.arange(settings["n"]))
SYSTEM = System(
    settings=Settings,
    dimensions=(ITERATION, SITE),
    variables=(
        Variable("value", (), "value"),
        Variable("path", ("iteration",), "path"),
        Variable("profile", ("site",), "profile"),
    ),
    compute=compute,
)
