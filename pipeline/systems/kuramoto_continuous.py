"""Kuramoto oscillators that learn continuously (eq. 3), beside those that learn interval by interval (eq. 13)."""

from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from pipeline.systems import MOST_ITERATIONS, Dimension, Settings, System, Variable, evenly_spread, mean_of
from pipeline.systems.kuramoto import (
    OSCILLATOR_DIMENSIONS,
    OSCILLATOR_ESTIMANDS,
    OSCILLATOR_SYMBOLS,
    OSCILLATOR_WHOLE,
    OscillatorSettings,
    advice,
    fixed_steps,
    frequencies,
    map_work,
    shortened,
    step_work,
    success_by,
    weights_memory,
)  # fmt: skip
from sim.sizes import steps_in


class ContinuousSettings(OscillatorSettings):
    """Bounds of the continuous scheme's settings, and of its discrete counterpart's.

    η, σ and β say what an interval T does in either scheme, and Δ counts intervals. So the rates of eq. 3 are η/T,
    σ/√T and β/T, and its delay is Δ T.
    """

    iterations: int = Field(le=MOST_ITERATIONS)
    """Euler steps."""

    @field_validator("iterations")
    @classmethod
    def _at_least_one_interval(cls, value: int, info: ValidationInfo) -> int:
        T, dt = info.data.get("T"), info.data.get("dt")
        if T is not None and dt is not None and value < steps_in(T, dt):
            raise ValueError(f"expected at least one interval, T/dt = {steps_in(T, dt)} Euler steps")
        return value


def _intervals(settings: Settings) -> int:
    return int(settings["iterations"]) // steps_in(settings["T"], settings["dt"])


def _recorded_intervals(settings: Settings, records: int) -> np.ndarray:
    return evenly_spread(_intervals(settings), records)


_COMPARED = (
    "order_parameter", "error", "mean_abs_weight", "final_order_parameter", "final_error", "final_mean_abs_weight",
    "fixed_order_parameter",
)  # fmt: skip
"""What is stored of the discrete scheme too, as `discrete_…`."""


_SHARED = "dt", "target_order_parameter", "target_mean_abs_weight", "fixed_discarded", "fixed_duration"
"""Settings that mean the same in both schemes."""


def compute(settings: Settings, seed: int, members: np.ndarray, records: int) -> dict[str, np.ndarray]:
    """The variables below of some members, and their status; both schemes start from the same phases.

    Args:
        settings: of the point.
        seed: 64-bit, of the point.
        members: (member,) member numbers.
        records: at most so many recorded times.

    Returns:
        Every variable, (member, *dims), and `status` (member,).
    """
    from sim import kuramoto, kuramoto_continuous

    T, dt, intervals = settings["T"], settings["dt"], _intervals(settings)
    steps, recorded = steps_in(T, dt), _recorded_intervals(settings, records)
    shared = {name: settings[name] for name in _SHARED}
    own = kuramoto_continuous.Settings(
        eta=settings["eta"] / T,
        sigma=settings["sigma"] / np.sqrt(T),
        delay=settings["delay"] * steps * dt,
        T=T,
        duration=intervals * steps * dt,
        weight_control=settings["weight_control"] / T,
        **shared,
    )
    learned = kuramoto_continuous.learn(own, frequencies(settings), seed, members, (recorded + 1) * steps - 1)
    mapped = {name: settings[name] for name in ("eta", "sigma", "delay", "T", "weight_control")}
    counterpart = kuramoto.learn(
        kuramoto.Settings(**mapped, **shared, iterations=intervals),
        frequencies(settings),
        seed,
        members,
        recorded,
    )
    discrete = {f"discrete_{name}": getattr(counterpart, name) for name in _COMPARED}
    status = np.maximum(learned.status, counterpart.status)
    return {**learned._asdict(), **discrete, "status": status}


def _work(settings: Settings) -> float:
    steps = steps_in(settings["T"], settings["dt"])
    work = 2 * step_work(settings) * steps + map_work(settings) * (steps + 1)
    return _intervals(settings) * work + 2 * step_work(settings) * fixed_steps(settings)


def _memory(settings: Settings) -> float:
    """That of the continuous scheme, which keeps the weights of all steps in T + Δ; the other needs less."""
    return weights_memory(settings, steps_in(settings["T"], settings["dt"]) * (1 + settings["delay"]))


def _shortened(settings: Settings, share: float) -> dict[str, Any]:
    """Fewer Euler steps and, where they make no whole interval, a shorter one."""
    fewer = shortened(settings, share)
    return {**fewer, "T": min(settings["T"], fewer["iterations"] * settings["dt"])}


SYSTEM = System(
    settings=ContinuousSettings,
    dimensions=(
        Dimension(
            "time",
            "simulated time",
            "time",
            ("T", "dt", "iterations"),
            lambda settings, records: (_recorded_intervals(settings, records) + 1) * settings["T"],
        ),
        *OSCILLATOR_DIMENSIONS,
    ),
    variables=(
        Variable("order_parameter", ("time",), "mean order parameter R over the window T before"),
        Variable("error", ("time",), "error |R_target - R|"),
        Variable("mean_abs_weight", ("time",), "mean absolute weight <|w|>"),
        Variable("final_order_parameter", (), "R, mean over the last 1 % of the time"),
        Variable("final_error", (), "error, mean over the last 1 % of the time"),
        Variable("final_mean_abs_weight", (), "<|w|>, mean over the last 1 % of the time"),
        Variable("fixed_order_parameter", (), "mean r after learning, with the weights fixed"),
        Variable("weight", ("edge",), "weights w_ij after learning"),
        Variable("phase", ("oscillator",), "phases after learning", "rad"),
        Variable("discrete_order_parameter", ("time",), "R of the discrete scheme, mean over an interval T"),
        Variable("discrete_error", ("time",), "error of the discrete scheme"),
        Variable("discrete_mean_abs_weight", ("time",), "<|w|> of the discrete scheme"),
        Variable("discrete_final_order_parameter", (), "R of the discrete scheme, mean over the last 1 %"),
        Variable("discrete_final_error", (), "error of the discrete scheme, mean over the last 1 %"),
        Variable("discrete_final_mean_abs_weight", (), "<|w|> of the discrete scheme, mean over the last 1 %"),
        Variable(
            "discrete_fixed_order_parameter",
            (),
            "mean r of the discrete scheme after learning, with the weights fixed",
        ),
    ),
    compute=compute,
    lanes=8,
    work=_work,
    memory=_memory,
    shortened=_shortened,
    symbols={**OSCILLATOR_SYMBOLS, "delay": (r"\Delta", "intervals T"), "iterations": ("n", "Euler steps")},
    estimands={
        **OSCILLATOR_ESTIMANDS,
        "discrete_success": success_by("discrete_fixed_order_parameter"),
        "discrete_error": mean_of("discrete_final_error", "low"),
    },
    whole=OSCILLATOR_WHOLE,
    advice=advice,
)
