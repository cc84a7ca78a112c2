"""What a search found, told to people and programs."""

import json
import math
from collections.abc import Sequence

import xarray

from pipeline.errors import RequestError
from pipeline.plan import Found, Plan, Record
from pipeline.request import Point, shown


def found(dataset: xarray.Dataset) -> Found:
    """What a search found.

    Args:
        dataset: of a sweep with `search`, from `pipeline.run`.

    Returns:
        The point; its value with a 95 % interval, by members that were computed for that alone; and the region in which
        the optimum lies with 95 %.

    Raises:
        RequestError: the dataset is none of a search that has ended.
    """
    if "search" not in dataset.attrs:
        raise RequestError(["search: expected the dataset of a sweep with search={of: …}, got another"])
    record = Record.from_json(json.loads(dataset.attrs["search"]))
    if record.found is None:
        raise RequestError(["search: expected one that has ended, got one that goes on; run it to its end"])
    return record.found


def search_lines(plan: Plan) -> list[str]:
    """What a search found, in lines.

    Args:
        plan: of a request; of one that is no search there are none.

    Returns:
        Lines for people.
    """
    if plan.record is None or plan.record.found is None:
        return []
    about, result = plan.record.about, plan.record.found
    aim = {"min": "least", "max": "greatest"}.get(str(about["goal"])) or f"nearest to {about['goal']['target']:g}"
    if math.isnan(result.estimate):
        return [
            f"search: {about['of']} has no value at the place that was found, as no members count wherever it looked"
        ]
    at = ", ".join(f"{name}={shown(value)}" for name, value in result.point.items())
    interval = f"{result.estimate:.4g} [{result.low:.4g}, {result.high:.4g}]"
    place = f"the place is a {result.shape} in" if isinstance(about["goal"], str) else "such places are in"
    lines = [
        f"search: {about['of']} is {aim} at {at}: {interval} by {result.members} fresh members",
        f"search: with 95 % {place} {result.share:.2%} of the ranges: "
        f"{', '.join(extents(about['axes'], result.region))}",
    ]
    if not isinstance(about["goal"], str) and not result.low <= about["goal"]["target"] <= result.high:
        lines.append(f"search: {about['goal']['target']:g} was not reached in these ranges")
    if result.diverged > about["diverged"]:
        lines.append(
            f"search: {result.diverged:.0%} of the members diverge there, more than search.diverged = "
            f"{about['diverged']:g}: no place was found where fewer do"
        )
    return lines


def extents(axes: Sequence[str], region: Sequence[Point]) -> list[str]:
    """How far a region extends.

    Args:
        axes: their names.
        region: candidates.

    Returns:
        Every axis with the least and greatest value.
    """
    columns = zip(*region, strict=True)
    return [
        f"{name} {shown(min(column))} … {shown(max(column))}" for name, column in zip(axes, columns, strict=True)
    ]
