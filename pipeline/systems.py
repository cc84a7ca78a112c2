"""The one place that knows `sim`: every system's settings and bounds, its block function, its variables.

A new system is one entry in `SYSTEMS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationInfo, field_validator

from pipeline import patterns
from pipeline.schema import Fraction, NonNegative, Positive, Real, Section
from sim import backpropagation, kuramoto, kuramoto_continuous, network

Settings = Mapping[str, Any]


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
class Estimand:
    """What a precision target may aim at: a mean or median over members, or the share of those with a property."""

    kind: Literal["mean", "median", "fraction"]
    variables: tuple[str, ...]
    """Stored variables it is made of."""
    of_members: Callable[[Mapping[str, np.ndarray], Settings], np.ndarray]
    """(variables, member first; settings of the point) → (member,) numbers or, for a fraction, booleans."""


def _mean(variable: str) -> Estimand:
    return Estimand("mean", (variable,), lambda values, _: values[variable])


def _median(variable: str) -> Estimand:
    return Estimand("median", (variable,), lambda values, _: values[variable])


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
    estimands: Mapping[str, Estimand]
    """What `ensemble.precision.of` may name."""
    refined: Callable[[Settings, int], Settings] | None = None
    """(settings, factor) → settings with Euler steps that much shorter and the same noise; None: no steps."""


def _recorded_iterations(settings: Settings, records: int) -> np.ndarray:
    """At most `records` iterations, evenly spread, the first and the last among them."""
    last = settings["iterations"] - 1
    return np.unique(np.linspace(0, last, min(records, last + 1)).round().astype(np.int64))


ITERATION = Dimension("iteration", "iteration of the learning map", "1", ("iterations",), _recorded_iterations)


# --- Kuramoto oscillators ---------------------------------------------------------------------------------


class OscillatorSettings(Section):
    """Bounds of what Kuramoto systems share; meaning and units in `sim.kuramoto`."""

    oscillators: int = Field(ge=2)
    frequencies: list[Real] | None
    frequency_half_width: NonNegative
    eta: NonNegative
    sigma: NonNegative
    delay: int = Field(ge=1)
    dt: Positive
    T: Positive
    weight_control: NonNegative
    target_order_parameter: Fraction
    target_mean_abs_weight: Positive

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


class KuramotoSettings(OscillatorSettings):
    """Bounds of the Kuramoto settings; meaning and units in `sim.kuramoto`."""

    iterations: int = Field(ge=1)
    trace_duration: NonNegative


def _frequencies(settings: Settings) -> np.ndarray:
    """ω_i, (N,): as given, else equidistant."""
    if settings["frequencies"] is not None:
        return np.asarray(settings["frequencies"], dtype=float)
    return kuramoto.equidistant_frequencies(settings["oscillators"], settings["frequency_half_width"])


def _trace_steps(settings: Settings) -> int:
    return kuramoto.steps_in(settings["trace_duration"], settings["dt"])


def _kuramoto_block(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    learned = kuramoto.learn(
        kuramoto.Settings(**{name: settings[name] for name in kuramoto.Settings._fields}),
        _frequencies(settings),
        seed,
        members,
        _recorded_iterations(settings, records),
        _trace_steps(settings),
    )
    return learned._asdict()


def _step_work(settings: Settings) -> float:
    """An Euler step: 6 operations a pair, 25 an oscillator and 4."""
    n = settings["oscillators"]
    return 3 * n * (n - 1) + 25 * n + 4


def _map_work(settings: Settings) -> float:
    """Noise and learning map: about 80 operations a weight."""
    return 40 * settings["oscillators"] * (settings["oscillators"] - 1)


def _kuramoto_work(settings: Settings) -> float:
    steps = kuramoto.steps_in(settings["T"], settings["dt"])
    moved, traced = settings["iterations"] * steps, 2 * _trace_steps(settings)
    return _step_work(settings) * (moved + traced) + settings["iterations"] * _map_work(settings)


_OSCILLATOR_DIMENSIONS = (
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
)
_OSCILLATOR_SYMBOLS = {
    "oscillators": ("N", "1"),
    "frequency_half_width": (r"\omega_{\max}", "rad/time"),
    "eta": (r"\eta", "1"),
    "sigma": (r"\sigma", "1"),
    "delay": (r"\Delta", "iterations"),
    "T": ("T", "time"),
    "dt": ("dt", "time"),
    "weight_control": (r"\beta", "1"),
    "target_order_parameter": (r"R_\mathrm{target}", "1"),
    "target_mean_abs_weight": ("W", "1"),
}

SUCCESS_WITHIN = 0.05
"""A member is successful if |R − R_target| is below this."""


def _reached(values: Mapping[str, np.ndarray], settings: Settings) -> np.ndarray:
    return np.abs(values["final_order_parameter"] - settings["target_order_parameter"]) < SUCCESS_WITHIN


_OSCILLATOR_ESTIMANDS = {
    "order_parameter": _mean("final_order_parameter"),
    "error": _mean("final_error"),
    "mean_abs_weight": _mean("final_mean_abs_weight"),
    "median_error": _median("final_error"),
    "success": Estimand("fraction", ("final_order_parameter",), _reached),
}


def _shorter_steps(settings: Settings, factor: int) -> Settings:
    return {**settings, "dt": settings["dt"] / factor}


KURAMOTO = System(
    settings=KuramotoSettings,
    dimensions=(
        ITERATION,
        *_OSCILLATOR_DIMENSIONS,
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
        **_OSCILLATOR_SYMBOLS,
        "iterations": ("n", "iterations"),
        "trace_duration": ("t", "time"),
    },
    estimands=_OSCILLATOR_ESTIMANDS,
    refined=_shorter_steps,
)

# --- Kuramoto oscillators that learn continuously, beside those that learn interval by interval -----------


class ContinuousSettings(OscillatorSettings):
    """Bounds of the continuous scheme's settings, and of its discrete counterpart's.

    η, σ and β say what an interval T does in either scheme, and Δ counts intervals. So the rates of eq. 3 are η/T,
    σ/√T and β/T, and its delay is Δ T.
    """

    iterations: int
    """Euler steps."""

    @field_validator("iterations")
    @classmethod
    def _at_least_one_interval(cls, value: int, info: ValidationInfo) -> int:
        T, dt = info.data.get("T"), info.data.get("dt")
        if T is not None and dt is not None and value < kuramoto.steps_in(T, dt):
            raise ValueError(f"expected at least one interval, T/dt = {kuramoto.steps_in(T, dt)} Euler steps")
        return value


def _intervals(settings: Settings) -> int:
    return settings["iterations"] // kuramoto.steps_in(settings["T"], settings["dt"])


def _recorded_intervals(settings: Settings, records: int) -> np.ndarray:
    return _recorded_iterations({"iterations": _intervals(settings)}, records)


_COMPARED = (
    "order_parameter", "error", "mean_abs_weight", "final_order_parameter", "final_error", "final_mean_abs_weight",
)  # fmt: skip
"""What is stored of the discrete scheme too, as `discrete_…`."""


def _continuous_block(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    T, dt, intervals = settings["T"], settings["dt"], _intervals(settings)
    steps, recorded = kuramoto.steps_in(T, dt), _recorded_intervals(settings, records)
    shared = {name: settings[name] for name in ("dt", "target_order_parameter", "target_mean_abs_weight")}
    own = kuramoto_continuous.Settings(
        eta=settings["eta"] / T,
        sigma=settings["sigma"] / np.sqrt(T),
        delay=settings["delay"] * steps * dt,
        T=T,
        duration=intervals * steps * dt,
        weight_control=settings["weight_control"] / T,
        **shared,
    )
    learned = kuramoto_continuous.learn(own, _frequencies(settings), seed, members, (recorded + 1) * steps - 1)
    mapped = {name: settings[name] for name in ("eta", "sigma", "delay", "T", "weight_control")}
    counterpart = kuramoto.learn(
        kuramoto.Settings(**mapped, **shared, iterations=intervals),
        _frequencies(settings),
        seed,
        members,
        recorded,
    )
    discrete = {f"discrete_{name}": getattr(counterpart, name) for name in _COMPARED}
    status = np.maximum(learned.status, counterpart.status)
    return {**learned._asdict(), **discrete, "status": status}


def _continuous_work(settings: Settings) -> float:
    steps = kuramoto.steps_in(settings["T"], settings["dt"])
    work = 2 * _step_work(settings) * steps + _map_work(settings) * (steps + 1)
    return _intervals(settings) * work


KURAMOTO_CONTINUOUS = System(
    settings=ContinuousSettings,
    dimensions=(
        Dimension(
            "time",
            "simulated time",
            "time",
            ("T", "dt", "iterations"),
            lambda settings, records: (_recorded_intervals(settings, records) + 1) * settings["T"],
        ),
        *_OSCILLATOR_DIMENSIONS,
    ),
    variables=(
        Variable("order_parameter", ("time",), "mean order parameter R over the window T before"),
        Variable("error", ("time",), "error |R_target - R|"),
        Variable("mean_abs_weight", ("time",), "mean absolute weight <|w|>"),
        Variable("final_order_parameter", (), "R, mean over the last 1 % of the time"),
        Variable("final_error", (), "error, mean over the last 1 % of the time"),
        Variable("final_mean_abs_weight", (), "<|w|>, mean over the last 1 % of the time"),
        Variable("weight", ("edge",), "weights w_ij after learning"),
        Variable("phase", ("oscillator",), "phases after learning", "rad"),
        Variable("discrete_order_parameter", ("time",), "R of the discrete scheme, mean over an interval T"),
        Variable("discrete_error", ("time",), "error of the discrete scheme"),
        Variable("discrete_mean_abs_weight", ("time",), "<|w|> of the discrete scheme"),
        Variable("discrete_final_order_parameter", (), "R of the discrete scheme, mean over the last 1 %"),
        Variable("discrete_final_error", (), "error of the discrete scheme, mean over the last 1 %"),
        Variable("discrete_final_mean_abs_weight", (), "<|w|> of the discrete scheme, mean over the last 1 %"),
    ),
    compute=_continuous_block,
    work=_continuous_work,
    symbols={**_OSCILLATOR_SYMBOLS, "delay": (r"\Delta", "intervals T"), "iterations": ("n", "Euler steps")},
    estimands=_OSCILLATOR_ESTIMANDS,
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
    estimands={
        "error": _mean("final_error"),
        "robustness": _mean("final_robustness"),
        "median_error": _median("final_error"),
        "classified": Estimand("fraction", ("classified",), lambda values, _: values["classified"] == 1),
    },
)

SYSTEMS: dict[str, System] = {
    "kuramoto": KURAMOTO,
    "kuramoto_continuous": KURAMOTO_CONTINUOUS,
    "network": NETWORK,
}
