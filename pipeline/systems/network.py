"""Feed-forward networks that learn to classify patterns: what the pipeline knows of `sim.network`."""

from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from pipeline.schema import NonNegative, Section
from pipeline.systems import (
    ITERATION,
    MOST_DELAY,
    MOST_ITERATIONS,
    Dimension,
    Estimand,
    Settings,
    System,
    Variable,
    fewer_iterations,
    mean_of,
    median_of,
    patterns,
    recorded,
)  # fmt: skip
from sim.sizes import connections

MOST_HIDDEN = 10**6
"""Hidden nodes: some 10^7 weights, of which 80 MB or more are stored a member."""


class NetworkSettings(Section):
    """Bounds of the network's settings; meaning in `sim.network`."""

    patterns: list[str] = Field(min_length=1)
    hidden: int = Field(ge=1, le=MOST_HIDDEN)
    error: Literal["square", "absolute"]
    eta: NonNegative
    sigma: NonNegative
    delay: int = Field(ge=1, le=MOST_DELAY)
    iterations: int = Field(ge=1, le=MOST_ITERATIONS)
    robust_eta: NonNegative
    robust_sigma: NonNegative
    threshold: NonNegative
    backpropagation_rate: NonNegative

    @field_validator("patterns")
    @classmethod
    def _as_text(cls, value: list[str]) -> list[str]:
        return patterns.inline(value)


def _epochs(settings: Settings, records: int) -> np.ndarray:
    """Recorded iterations of back-propagation; none if it is not asked for."""
    return recorded(settings, records) if settings["backpropagation_rate"] > 0 else np.arange(0)


def compute(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    """The variables below of some members, and their status; `sim.network.learn` has the equations.

    Args:
        settings: of the point.
        seed: 64-bit, of the point.
        members: (member,) member numbers.
        records: at most so many recorded iterations.

    Returns:
        Every variable, (member, *dims), and `status` (member,); without back-propagation, nothing of it.
    """
    from sim import backpropagation, network

    bitmaps = patterns.bitmaps(settings["patterns"])
    encoded = network.encode(bitmaps.reshape(len(bitmaps), -1))
    own = {name: settings[name] for name in network.Settings._fields if name != "absolute_error"}
    absolute = settings["error"] == "absolute"
    learned = network.learn(
        network.Settings(**own, absolute_error=absolute), encoded, seed, members, recorded(settings, records)
    )
    values = learned._asdict()
    if settings["backpropagation_rate"] > 0:
        rate, iterations = settings["backpropagation_rate"], settings["iterations"]
        values["backpropagation_error"] = backpropagation.descend(
            settings["hidden"], rate, iterations, encoded, seed, members, _epochs(settings, records)
        )
    return values


def _connections(settings: Settings) -> int:
    pixels = patterns.bitmaps(settings["patterns"][:1]).size
    return connections(pixels, settings["hidden"], len(settings["patterns"]))


def _work(settings: Settings) -> float:
    """About 40 operations a weight for noise and learning, 35 a logistic function, one an active input."""
    outputs, hidden = len(settings["patterns"]), settings["hidden"]
    active = sum(text.count("#") for text in settings["patterns"])
    logistics = outputs * (hidden + outputs)
    if settings["robust_eta"] > 0 or settings["robust_sigma"] > 0:
        logistics += hidden * outputs**2
    forward = active * hidden + 2 * outputs**2 * hidden + 35 * logistics
    gradient = 3 * forward if settings["backpropagation_rate"] > 0 else 0
    return float(settings["iterations"] * (40 * _connections(settings) + forward + gradient))


def _memory(settings: Settings) -> float:
    """Of eight networks: Δ + 1 generations of weights and the last ones; states, sums and outputs of all patterns."""
    outputs, hidden = len(settings["patterns"]), settings["hidden"]
    return 8 * 8 * float(_connections(settings) * (settings["delay"] + 3) + outputs * (hidden + 2 * outputs))


SYSTEM = System(
    settings=NetworkSettings,
    dimensions=(
        ITERATION,
        Dimension("epoch", "iteration of back-propagation", "1", ("iterations", "backpropagation_rate"), _epochs),
        Dimension(
            "hidden_node",
            "hidden node",
            "1",
            ("hidden",),
            lambda settings, _: np.arange(settings["hidden"]),
        ),
        Dimension(
            "connection",
            "weight: of every hidden node its inputs and threshold, then of every output its nodes and threshold",
            "1",
            ("hidden",),
            lambda settings, _: np.arange(_connections(settings)),
        ),
    ),
    variables=(
        Variable("error", ("iteration",), "error of the network"),
        Variable("robustness", ("iteration",), "robustness R, share of hidden nodes that can be deleted"),
        Variable("final_error", (), "error, mean over the last 1 % of iterations"),
        Variable("final_robustness", (), "robustness, mean over the last 1 % of iterations"),
        Variable("original_error", (), "error of the network after learning"),
        Variable("damaged_error", ("hidden_node",), "error of that network with a hidden node deleted"),
        Variable("classified", (), "share of patterns whose greatest output is their own, after learning"),
        Variable("weight", ("connection",), "weights after learning"),
        Variable("backpropagation_error", ("epoch",), "error under back-propagation"),
    ),
    compute=compute,
    lanes=8,
    work=_work,
    memory=_memory,
    shortened=fewer_iterations,
    symbols={
        "hidden": ("H", "1"),
        "eta": (r"\eta", "1"),
        "sigma": (r"\sigma", "1"),
        "delay": (r"\Delta", "iterations"),
        "iterations": ("n", "iterations"),
        "robust_eta": (r"\eta_R", "1"),
        "robust_sigma": (r"\sigma_R", "1"),
        "threshold": ("h", "1"),
        "backpropagation_rate": (r"\lambda", "1"),
    },
    estimands={
        "error": mean_of("final_error", "low"),
        "robustness": mean_of("final_robustness", "high"),
        "median_error": median_of("final_error", "low"),
        "classified": Estimand("fraction", ("classified",), lambda values, _: values["classified"] == 1, "high"),
    },
)
