"""Kuramoto oscillators that learn a target order parameter: what the pipeline knows of `sim.kuramoto`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from pipeline.schema import Fraction, NonNegative, Positive, Real, Section
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
    recorded,
)  # fmt: skip
from sim.sizes import steps_in

MOST_OSCILLATORS = 10_000
"""All pairs are coupled: 5 · 10^7 weights a member, of which 400 MB are stored."""
MOST_STEPS = 10**9
"""Euler steps of a duration: they take minutes even with few oscillators. More is a step that is far too short."""
MOST_TRACED = 10**7
"""Euler steps of a trace, all of which are stored: 80 MB a member."""


class OscillatorSettings(Section):
    """Bounds of what Kuramoto systems share; meaning and units in `sim.kuramoto`."""

    oscillators: int = Field(ge=2, le=MOST_OSCILLATORS)
    frequencies: list[Real] | None
    frequency_half_width: NonNegative
    eta: NonNegative
    sigma: NonNegative
    delay: int = Field(ge=1, le=MOST_DELAY)
    dt: Positive
    T: Positive
    weight_control: NonNegative
    target_order_parameter: Fraction
    target_mean_abs_weight: Positive
    fixed_discarded: NonNegative
    fixed_duration: Positive

    @field_validator("frequencies")
    @classmethod
    def _one_frequency_an_oscillator(cls, value: list[float] | None, info: ValidationInfo) -> list[float] | None:
        oscillators = info.data.get("oscillators")
        if value is not None and oscillators is not None and len(value) != oscillators:
            raise ValueError(f"expected one frequency for each of the {oscillators} oscillators, got {len(value)}")
        return value

    @field_validator("T", "fixed_duration")
    @classmethod
    def _at_least_one_step(cls, value: float, info: ValidationInfo) -> float:
        dt = info.data.get("dt")
        if dt is not None and value < dt:
            raise ValueError(f"expected at least one Euler step, {info.field_name} ≥ dt = {dt:.12g}")
        return value

    @field_validator("T", "fixed_discarded", "fixed_duration")
    @classmethod
    def _not_too_many_steps(cls, value: float, info: ValidationInfo) -> float:
        refuse_more_steps(value, info, MOST_STEPS)
        return value


def refuse_more_steps(duration: float, info: ValidationInfo, most: int) -> None:
    """Refuse a duration of more Euler steps than there may be.

    Args:
        duration: that is validated, time.
        info: with the Euler step `dt`, if that is within its bounds.
        most: steps.

    Raises:
        ValueError: it has more.
    """
    dt = info.data.get("dt")
    if dt is not None and duration / dt > most:
        raise ValueError(f"expected at most {most} Euler steps of dt = {dt:.12g}")


class KuramotoSettings(OscillatorSettings):
    """Bounds of the Kuramoto settings; meaning and units in `sim.kuramoto`."""

    iterations: int = Field(ge=1, le=MOST_ITERATIONS)
    trace_duration: NonNegative

    @field_validator("trace_duration")
    @classmethod
    def _not_too_long_a_trace(cls, value: float, info: ValidationInfo) -> float:
        refuse_more_steps(value, info, MOST_TRACED)
        return value


def frequencies(settings: Settings) -> np.ndarray:
    """ω_i as given, else equidistant.

    Args:
        settings: of a Kuramoto system.

    Returns:
        (N,) ω_i, rad / time.
    """
    from sim import kuramoto

    if settings["frequencies"] is not None:
        return np.asarray(settings["frequencies"], dtype=float)
    return kuramoto.equidistant_frequencies(settings["oscillators"], settings["frequency_half_width"])


def _trace_steps(settings: Settings) -> int:
    return steps_in(settings["trace_duration"], settings["dt"])


def compute(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    """The variables below of some members, and their status; `sim.kuramoto.learn` has the equations.

    Args:
        settings: of the point.
        seed: 64-bit, of the point.
        members: (member,) member numbers.
        records: at most so many recorded iterations.

    Returns:
        Every variable, (member, *dims), and `status` (member,).
    """
    from sim import kuramoto

    learned = kuramoto.learn(
        kuramoto.Settings(**{name: settings[name] for name in kuramoto.Settings._fields}),
        frequencies(settings),
        seed,
        members,
        recorded(settings, records),
        _trace_steps(settings),
    )
    return learned._asdict()


def step_work(settings: Settings) -> float:
    """An Euler step: 6 operations a pair, 25 an oscillator and 4."""
    n = float(settings["oscillators"])
    return 3 * n * (n - 1) + 25 * n + 4


def map_work(settings: Settings) -> float:
    """Noise and learning map: about 80 operations a weight."""
    n = float(settings["oscillators"])
    return 40 * n * (n - 1)


def fixed_steps(settings: Settings) -> int:
    """Euler steps with fixed weights, by which success is judged.

    Args:
        settings: of a Kuramoto system.

    Returns:
        Those discarded and those averaged over.
    """
    return sum(steps_in(settings[name], settings["dt"]) for name in ("fixed_discarded", "fixed_duration"))


def shortened(settings: Settings, share: float) -> dict[str, Any]:
    """Settings of a Kuramoto system with fewer iterations and a shorter time with fixed weights.

    Where a part of one iteration is enough, its interval T is shorter too.

    Args:
        settings: of the point.
        share: of each that is kept; at least an iteration and an Euler step are.

    Returns:
        All settings.
    """
    steps, dt = steps_in(settings["T"], settings["dt"]), settings["dt"]
    rest = min(1.0, settings["iterations"] * share)
    return {
        **fewer_iterations(settings, share),
        "T": settings["T"] if rest == 1 else max(1, int(steps * rest)) * dt,
        "fixed_discarded": settings["fixed_discarded"] * share,
        "fixed_duration": max(dt, settings["fixed_duration"] * share),
    }


def _work(settings: Settings) -> float:
    steps = steps_in(settings["T"], settings["dt"])
    iterations = float(settings["iterations"])
    moved, rested = iterations * steps, 2 * _trace_steps(settings) + fixed_steps(settings)
    return step_work(settings) * (moved + rested) + iterations * map_work(settings)


def advice(settings: Settings) -> list[str]:
    """Whether an Euler step is too long, by the natural frequencies and the weights at the start.

    Args:
        settings: of a Kuramoto system.

    Returns:
        One line if a step may turn an oscillator by more than 1 rad: |dφ_i/dt| ≤ |ω_i| + ⟨|w|⟩ for equal weights.
    """
    given = settings["frequencies"]
    fastest = settings["frequency_half_width"] if given is None else max(map(abs, given))
    if (fastest + settings["target_mean_abs_weight"]) * settings["dt"] <= 1:
        return []
    return [
        "dt: a step may turn an oscillator by more than 1 rad, as (max |ω_i| + W) dt > 1; choose a shorter one"
    ]


def weights_memory(settings: Settings, generations: int) -> float:
    """Memory of eight members' weights.

    Args:
        settings: of a Kuramoto system.
        generations: how many generations of weights the learning map keeps.

    Returns:
        Bytes: the generations, and about four times one for the couplings of a step, the first and the last weights
        and the order of the couplings.
    """
    n = float(settings["oscillators"])
    return 8 * 8 * (n * (n - 1) / 2) * (generations + 4)


def _memory(settings: Settings) -> float:
    return weights_memory(settings, settings["delay"] + 1)


OSCILLATOR_DIMENSIONS = (
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
OSCILLATOR_SYMBOLS = {
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
    "fixed_discarded": (r"t_\mathrm{discarded}", "time"),
    "fixed_duration": (r"t_\mathrm{fixed}", "time"),
}

OSCILLATOR_WHOLE = {"T": "dt"}
"""An interval is so many Euler steps."""

SUCCESS_WITHIN = 0.05
"""A member is successful if its r, averaged with the weights fixed after learning, is this close to R_target."""


def success_by(variable: str) -> Estimand:
    """The share of members that are successful by a mean r.

    Args:
        variable: that holds it.

    Returns:
        An estimand.
    """

    def near(values: Mapping[str, np.ndarray], settings: Settings) -> np.ndarray:
        apart: np.ndarray = np.abs(values[variable] - settings["target_order_parameter"])
        return apart < SUCCESS_WITHIN

    return Estimand("fraction", (variable,), near, "high")


OSCILLATOR_ESTIMANDS = {
    "order_parameter": mean_of("final_order_parameter"),
    "error": mean_of("final_error", "low"),
    "mean_abs_weight": mean_of("final_mean_abs_weight"),
    "median_error": median_of("final_error", "low"),
    "success": success_by("fixed_order_parameter"),
}


def _with_shorter_steps(settings: Settings, factor: int) -> dict[str, Any]:
    return {**settings, "dt": settings["dt"] / factor}


SYSTEM = System(
    settings=KuramotoSettings,
    dimensions=(
        ITERATION,
        *OSCILLATOR_DIMENSIONS,
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
        Variable("fixed_order_parameter", (), "mean r after learning, with the weights fixed"),
        Variable("weight", ("edge",), "weights w_ij after learning"),
        Variable("phase", ("oscillator",), "phases after learning", "rad"),
        Variable("initial_trace", ("time",), "order parameter r(t) before learning"),
        Variable("final_trace", ("time",), "order parameter r(t) after learning"),
    ),
    compute=compute,
    lanes=8,
    work=_work,
    memory=_memory,
    shortened=lambda settings, share: {
        **shortened(settings, share),
        "trace_duration": settings["trace_duration"] * share,
    },
    symbols={
        **OSCILLATOR_SYMBOLS,
        "iterations": ("n", "iterations"),
        "trace_duration": ("t", "time"),
    },
    estimands=OSCILLATOR_ESTIMANDS,
    refined=_with_shorter_steps,
    whole=OSCILLATOR_WHOLE,
    advice=advice,
)
