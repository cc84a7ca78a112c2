"""What a request needs that its store lacks, what that costs, when members are enough, and how sure estimates are."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.plan.budget import Left, left_of
from pipeline.plan.cost import Prediction, predict, refuse_above
from pipeline.plan.history import History, Run, history_of
from pipeline.plan.listing import Listing, stores_in
from pipeline.plan.memory import memory_here, too_large
from pipeline.plan.planning import Execution, Job, Plan, make_plan, sweep_of, whole_store
from pipeline.plan.rounds import Found, Record, Round, begun, candidate_of, name_of
from pipeline.plan.stopping import Reached, planned, precision_line, reached
from pipeline.plan.summaries import Explanation, Status, explanation, status

if TYPE_CHECKING:
    from pipeline.plan import intervals
    from pipeline.plan.estimates import by_member, estimand_of, table
    from pipeline.plan.requested import requested_part

__all__ = [
    "Execution",
    "Explanation",
    "Found",
    "History",
    "Job",
    "Left",
    "Listing",
    "Plan",
    "Prediction",
    "Reached",
    "Record",
    "Round",
    "Run",
    "Status",
    "begun",
    "by_member",
    "candidate_of",
    "estimand_of",
    "explanation",
    "history_of",
    "intervals",
    "left_of",
    "make_plan",
    "memory_here",
    "name_of",
    "planned",
    "precision_line",
    "predict",
    "reached",
    "refuse_above",
    "requested_part",
    "status",
    "stores_in",
    "sweep_of",
    "table",
    "too_large",
    "whole_store",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """What reads Datasets or estimates loads xarray and scipy: only where it is used."""
    if name == "intervals":
        return import_module("pipeline.plan.intervals")
    if name == "requested_part":
        return import_module("pipeline.plan.requested").requested_part
    if name in ("by_member", "estimand_of", "table"):
        return getattr(import_module("pipeline.plan.estimates"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
