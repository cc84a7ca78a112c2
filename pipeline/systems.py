"""The one place that knows `sim`: every system's settings and bounds, its block function, its variables.

A new system is one entry in `SYSTEMS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationInfo, field_validator

from pipeline import patterns
from pipeline.schema import Real, Section
from sim import backpropagation, kuramoto, network

Settings = Mapping[str, Any]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Dimension:
    """A dimension of stored variables beside point and member, and its coordinate."""

    name: str
    long_name: str
    units: str
    depends_on: tuple[str, ...]
    """Settings that change the coordinate: as axes, they make it differ from point to point."""
    coordinate: Callable[[Settings, int], np.ndarray]
    """(settings, records) → (size,)."""


@dataclass(frozen=True)
class Variable:
    """A stored variable, dimensions (point, member, *dims)."""

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"


@dataclass(frozen=True)
class System:
    """What the pipeline needs to know of a system."""

    settings: type[BaseModel]
    dimensions: tuple[Dimension, ...]
    variables: tuple[Variable, ...]
    compute: Callable[[Settings, int, np.ndarray, int], dict[str, np.ndarray]]
    """(settings, seed, member numbers, records) → variables and `status`, member first."""
    work: Callable[[Settings], float]
    """Predicted cost of a member, in floating-point operations of the kernel."""
    symbols: Mapping[str, tuple[str, str]]
    """Setting → symbol in TeX, unit."""


def _recorded_iterations(settings: Settings, records: int) -> np.ndarray:
    """At most `records` iterations, evenly spread, the first and the last among them."""
    last = settings["iterations"] - 1
    return np.unique(np.linspace(0, last, min(records, last + 1)).round().astype(np.int64))


ITERATION = Dimension("iteration", "iteration of the learning map", "1", ("iterations",), _recorded_iterations)


# --- Kuramoto oscillators ---------------------------------------------------------------------------------


class KuramotoSettings(Section):
    """Bounds of the Kuramoto settings; meaning and units in `sim.kuramoto`."""

    oscillators: int = Field(ge=2)
    frequencies: list[Real] | None
    frequency_half_width: NonNegative
    eta: NonNegative
    sigma: NonNegative
    delay: int = Field(ge=1)
    dt: Positive
    T: Positive
    iterations: int = Field(ge=1)
    weight_control: NonNegative
    target_order_parameter: Fraction
    target_mean_abs_weight: Positive
    trace_duration: NonNegative

    @field_validator("frequencies")
    @classmethod
    def _one_frequency_an_oscillator(cls, value: list[float] | None, info: ValidationInfo) -> list[float] | None:
        oscillators = info.data.get("oscillators")
        if value is not None and oscillators is not None and len(value) != oscillators:
            raise ValueError(f"expected one frequency for each of the {oscillators} oscillators, got {len(value)}")
        return value

    @field_validator("T")
    @classmethod
    def _at_least_one_step(cls, value: float, info: ValidationInfo) -> float:
        dt = info.data.get("dt")
        if dt is not None and value < dt:
            raise ValueError(f"expected at least one Euler step, T ≥ dt = {dt:g}")
        return value


def _trace_steps(settings: Settings) -> int:
    return kuramoto.steps_in(settings["trace_duration"], settings["dt"])


def _kuramoto_block(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    frequencies = settings["frequencies"]
    if frequencies is None:
        frequencies = kuramoto.equidistant_frequencies(settings["oscillators"], settings["frequency_half_width"])
    learned = kuramoto.learn(
        kuramoto.Settings(**{name: settings[name] for name in kuramoto.Settings._fields}),
        np.asarray(frequencies, dtype=float),
        seed,
        members,
        _recorded_iterations(settings, records),
        _trace_steps(settings),
    )
    return learned._asdict()


def _kuramoto_work(settings: Settings) -> float:
    """6 operations a pair, 25 an oscillator and 4 a step; about 80 a weight for noise and learning."""
    n = settings["oscillators"]
    pairs = n * (n - 1) / 2
    steps = kuramoto.steps_in(settings["T"], settings["dt"])
    step = 6 * pairs + 25 * n + 4
    return (
        step * (settings["iterations"] * steps + 2 * _trace_steps(settings)) + settings["iterations"] * 80 * pairs
    )


KURAMOTO = System(
    settings=KuramotoSettings,
    dimensions=(
        ITERATION,
        Dimension(
            "edge",
            "pair of oscillators i < j, row by row: numpy.triu_indices(N, 1)",
            "1",
            ("oscillators",),
            lambda settings, _: np.arange(settings["oscillators"] * (settings["oscillators"] - 1) // 2),
        ),
        Dimension(
            "oscillator",
            "oscillator",
            "1",
            ("oscillators",),
            lambda settings, _: np.arange(settings["oscillators"]),
        ),
        Dimension(
            "time",
            "time within a trace",
            "time",
            ("trace_duration", "dt"),
            lambda settings, _: settings["dt"] * np.arange(1, _trace_steps(settings) + 1),
        ),
    ),
    variables=(
        Variable("order_parameter", ("iteration",), "mean order parameter R over an interval T"),
        Variable("error", ("iteration",), "error |R_target - R|"),
        Variable("mean_abs_weight", ("iteration",), "mean absolute weight <|w|>"),
        Variable("final_order_parameter", (), "R, mean over the last 1 % of iterations"),
        Variable("final_error", (), "error, mean over the last 1 % of iterations"),
        Variable("final_mean_abs_weight", (), "<|w|>, mean over the last 1 % of iterations"),
        Variable("weight", ("edge",), "weights w_ij after learning"),
        Variable("phase", ("oscillator",), "phases after learning", "rad"),
        Variable("initial_trace", ("time",), "order parameter r(t) before learning"),
        Variable("final_trace", ("time",), "order parameter r(t) after learning"),
    ),
    compute=_kuramoto_block,
    work=_kuramoto_work,
    symbols={
        "oscillators": ("N", "1"),
        "frequency_half_width": (r"\omega_{\max}", "rad/time"),
        "eta": (r"\eta", "1"),
        "sigma": (r"\sigma", "1"),
        "delay": (r"\Delta", "iterations"),
        "T": ("T", "time"),
        "dt": ("dt", "time"),
        "iterations": ("n", "iterations"),
        "weight_control": (r"\beta", "1"),
        "target_order_parameter": (r"R_\mathrm{target}", "1"),
        "target_mean_abs_weight": ("W", "1"),
        "trace_duration": ("t", "time"),
    },
)

# --- the feed-forward network -----------------------------------------------------------------------------


class NetworkSettings(Section):
    """Bounds of the network's settings; meaning in `sim.network`."""

    patterns: list[str] = Field(min_length=1)
    hidden: int = Field(ge=1)
    error: Literal["square", "absolute"]
    eta: NonNegative
    sigma: NonNegative
    delay: int = Field(ge=1)
    iterations: int = Field(ge=1)
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
    return _recorded_iterations(settings, records) if settings["backpropagation_rate"] > 0 else np.arange(0)


def _network_block(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    bitmaps = patterns.bitmaps(settings["patterns"])
    encoded = network.encode(bitmaps.reshape(len(bitmaps), -1))
    own = {name: settings[name] for name in network.Settings._fields if name != "absolute_error"}
    absolute = settings["error"] == "absolute"
    recorded = _recorded_iterations(settings, records)
    learned = network.learn(network.Settings(**own, absolute_error=absolute), encoded, seed, members, recorded)
    values = learned._asdict()
    if settings["backpropagation_rate"] > 0:
        rate, iterations = settings["backpropagation_rate"], settings["iterations"]
        values["backpropagation_error"] = backpropagation.descend(
            settings["hidden"], rate, iterations, encoded, seed, members, _epochs(settings, records)
        )
    return values


def _connections(settings: Settings) -> int:
    pixels = patterns.bitmaps(settings["patterns"][:1]).size
    return network.connections(pixels, settings["hidden"], len(settings["patterns"]))


def _network_work(settings: Settings) -> float:
    """About 40 operations a weight for noise and learning, 35 a logistic function, one an active input."""
    outputs, hidden = len(settings["patterns"]), settings["hidden"]
    active = sum(text.count("#") for text in settings["patterns"])
    logistics = outputs * (hidden + outputs)
    if settings["robust_eta"] > 0 or settings["robust_sigma"] > 0:
        logistics += hidden * outputs**2
    forward = active * hidden + 2 * outputs**2 * hidden + 35 * logistics
    gradient = 3 * forward if settings["backpropagation_rate"] > 0 else 0
    return settings["iterations"] * (40 * _connections(settings) + forward + gradient)


NETWORK = System(
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
    compute=_network_block,
    work=_network_work,
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
)

SYSTEMS: dict[str, System] = {"kuramoto": KURAMOTO, "network": NETWORK}
