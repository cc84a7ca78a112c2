"""A system to draw: four kinds of axes, estimands of every kind, a series and a profile."""

from typing import Literal

import numpy as np

from pipeline.schema import Real, Section
from pipeline.systems import (
    ITERATION,
    Dimension,
    Estimand,
    System,
    Variable,
    mean_of,
    median_of,
    recorded,
    streams,
)


class Settings(Section):
    alpha: Real
    beta: Real
    count: int
    mode: Literal["up", "down", "$x", "left_over", "strange"]
    iterations: int


def compute(settings, seed, members, records):
    """Every variable of some members, (member, …)."""
    noise = np.stack([rng.standard_normal(2) for rng in streams(seed, members)])
    cost = settings["alpha"] + settings["beta"] + noise[:, 0]
    return {
        "cost": np.where(noise[:, 1] > 1.5, np.nan, cost),
        "gain": noise[:, 1],
        "path": cost[:, None] + recorded(settings, records),
        "profile": np.repeat(noise, 2, axis=1),
    }


SYSTEM = System(
    settings=Settings,
    dimensions=(ITERATION, Dimension("site", "position", "m", (), lambda settings, records: np.arange(4))),
    variables=(
        Variable("cost", (), "cost $c", "J"),
        Variable("gain", (), "gain"),
        Variable("path", ("iteration",), "path", "m"),
        Variable("profile", ("site",), "profile"),
    ),
    compute=compute,
    estimands={
        "mean_cost": mean_of("cost", "low"),
        "middle_gain": median_of("gain"),
        "won": Estimand("fraction", ("gain",), lambda values, _: values["gain"] > 0, "high"),
    },
    symbols={"alpha": (r"\alpha", "1"), "beta": (r"\frac{", "s"), "count": ("n", "1")},
)
