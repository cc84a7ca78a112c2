"""Claims of the paper, each judged by stored numbers alone and a rule that was written before they were computed."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml

from pipeline.errors import Damaged, RequestError

if TYPE_CHECKING:
    import xarray

    from pipeline.claims.judging import Part

__all__ = [
    "ASSUMED", "CALIBRATION", "CLAIMS", "DEVIATIONS", "OPENING", "OPENING_FIGURE", "RULES", "SWEEPS", "Claim", "Holds",
    "Judged", "Verdict", "holds", "judged",
]  # fmt: skip

_FUNCTIONS = {
    "C1": "network:learning",
    "C2": "network:descent",
    "C3": "network:minimum",
    "C4": "network:same_place",
    "C5": "network:robust_course",
    "C6": "network:robust_minimum",
    "C7": "network:robust_gain",
    "C8": "kuramoto:settling",
    "C9": "kuramoto:control",
    "C10": "kuramoto:compromise",
    "C11": "kuramoto:interval",
    "C12": "kuramoto:schemes",
    "C13": "kuramoto:any_interval",
    "C14": "kuramoto:weak_control",
    "C15": "network:robust_course",
    "C16": "network:minimum",
    "C17": "kuramoto:some_fail",
    "C18": "network:same_surface",
    "C19": "kuramoto:fluctuations",
}
CALIBRATION = "kuramoto_calibration"
"""The sweep that searched for settings under which claims hold."""
RULES = "pipeline/claims"
"""The folder of the rules and of what judges by them, within a checkout."""


class Claim(NamedTuple):
    """What the paper says, and what decides about it."""

    name: str
    figure: str
    statement: str
    rule: str
    bounds: Mapping[str, float]
    sweeps: tuple[str, ...]
    """Whose stores are judged."""
    scored: bool
    """Whether the score used it that chose the settings: then there are settings under which it holds, no more."""


Verdict = Literal["supported", "not supported", "undecided", "not computed"]
"""What stored numbers say of a claim."""


class Judged(NamedTuple):
    """A claim with what the numbers say."""

    claim: Claim
    verdict: Verdict
    parts: "list[Part]"
    why: str
    """Why there is no verdict; else empty."""


class Holds(NamedTuple):
    """At how many of the places that were searched a claim is supported."""

    places: int
    among: int


@cache
def _told() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(files(__name__).joinpath("rules.yaml").read_text("utf-8"))
    return told


def _claims() -> dict[str, Claim]:
    found = {}
    for name, one in _told()["claims"].items():
        rule = " ".join(one["rule"].format(**one["bounds"]).split())
        sweeps, is_scored = tuple(one["sweeps"]), one.get("scored", False)
        found[name] = Claim(name, one["figure"], one["statement"], rule, one["bounds"], sweeps, is_scored)
    return found


CLAIMS: Mapping[str, Claim] = _claims()
"""Name → claim, in the order of the paper's list."""
SWEEPS = tuple(dict.fromkeys(sweep for claim in CLAIMS.values() for sweep in claim.sweeps))
"""Whose stores are judged."""


def _lines(name: str) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in _told()[name])


ASSUMED, DEVIATIONS, OPENING = _lines("assumed"), _lines("deviations"), _lines("opening")
"""What is not read from the paper, where this differs from it, and what it says."""
OPENING_FIGURE: str = _told()["opening_figure"]
"""The sweep whose figure opens a page."""


def judged(claim: Claim, datasets: "Mapping[str, xarray.Dataset]", faults: Mapping[str, str]) -> Judged:
    """What stored numbers say of a claim.

    Args:
        claim: one of `CLAIMS`.
        datasets: sweep → its Dataset, of those that are complete.
        faults: sweep → why there is none, of the others. Default of one: that it is not there.

    Returns:
        The claim with its verdict.
    """
    lacking = [f"{sweep}: {faults.get(sweep, 'not there yet')}" for sweep in claim.sweeps if sweep not in datasets]
    if lacking:
        return Judged(claim, "not computed", [], "; ".join(lacking))
    from pipeline.claims.judging import together

    module, _, name = _FUNCTIONS[claim.name].partition(":")
    function: Callable[..., list[Part]] = getattr(import_module(f"{__name__}.{module}"), name)
    try:
        parts = function(datasets, claim.bounds)
    except Damaged as error:  # numbers are read as they are needed
        return Judged(claim, "not computed", [], str(error))
    except (KeyError, ValueError, TypeError, ArithmeticError, RequestError) as error:
        return Judged(claim, "not computed", [], f"the rule is not about these stores: {error}")
    why = "" if parts else "no numbers that the rule is about"
    return Judged(claim, together(parts), parts, why)


def holds(dataset: "xarray.Dataset", others: "Mapping[str, xarray.Dataset]") -> dict[str, Holds]:
    """Judge the claims that the score used at every place that a calibration searched.

    Args:
        dataset: of the search, along `point`.
        others: sweep → Dataset, of those that claims need beside.

    Returns:
        Claim → places; a claim that no place can decide is left out.
    """
    from pipeline.claims import searched

    return searched.holds(dataset, others)
