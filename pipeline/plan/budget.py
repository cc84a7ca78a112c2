"""What a search may still cost."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pipeline.plan.planning import Plan, said_at_points
from pipeline.request import Config, expanded, points_of_candidate, space_of


class Left(NamedTuple):
    """What a search may ask for beyond the rounds that it has asked for, at most."""

    ensembles: int
    """Of `ensemble.members` of a candidate, at all of its points."""
    blocks: int
    """That these are."""
    work: float
    """Predicted cost, in operations, where that is greatest."""


def left_of(plan: Plan, config: Config) -> Left | None:
    """What may still be asked for once a plan is complete.

    Args:
        plan: of the request.
        config: the request.

    Returns:
        The most; None of a sweep without rounds, or one that has ended.

    Raises:
        RequestError: the system's `work` raises.
    """
    if not plan.goes_on:
        return None
    sweep, record = plan.sweep, plan.record
    within = points_of_candidate(config)
    so_far = len(sweep.points) // within if record is None else record.spent
    ensembles = max(_most(config) - so_far, 0)
    if (
        config.ensemble.noise == "common" and record is not None
    ):  # members that no point has come after those of all
        ensembles += -(-max(record.known.values()) // config.ensemble.members)
    blocks = within * ensembles * -(-config.ensemble.members // sweep.block_members)
    if sweep.system.work is None:
        return Left(ensembles, blocks, float(blocks * sweep.block_members))
    work, anywhere = sweep.system.work, expanded(config, space_of(config, sweep.system).candidates())
    costs = said_at_points(replace(sweep, points=tuple(anywhere)), "work", lambda settings: float(work(settings)))
    return Left(ensembles, blocks, blocks * sweep.block_members * float(np.max(costs)))


def _most(config: Config) -> int:
    """Ensembles of candidates that a search or refinement may come to."""
    if config.search is not None:
        return config.search.points
    if config.sampling.points is not None:
        return config.sampling.points
    assert config.sampling.resolution is not None
    along = int(2 / config.sampling.resolution) + 1
    return along if len(config.axes) == 1 else along**2
