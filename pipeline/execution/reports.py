"""What a run says: before, after, and of blocks that failed."""

from pipeline.execution.blocks import Outcome
from pipeline.plan import Plan
from pipeline.words import counted, duration


def announcement(plan: Plan) -> str:
    """What is about to be computed.

    Args:
        plan: whose missing blocks.

    Returns:
        One line.
    """
    asked, missing = counted(int(plan.requested.sum()), "block"), int(plan.missing.sum())
    return f"{plan.path}: " + (
        f"{missing} of {asked} to compute" if missing else f"nothing to compute, {asked} stored"
    )


def outcome_lines(plan: Plan, outcome: Outcome, wall: float, workers: int) -> list[str]:
    """What a run did, and what to do if it did not do all.

    Args:
        plan: that was carried out.
        outcome: what became of its missing blocks.
        wall: duration of the run, seconds.
        workers: how many computed.

    Returns:
        Lines for people.
    """
    busy = outcome.seconds / (wall * workers) if wall > 0 else 0.0
    whose = "1 worker's" if workers == 1 else f"{workers} workers'"
    lines = [
        f"computed {counted(outcome.computed, 'block')} in {duration(wall)} "
        f"({busy:.0%} of {whose} time in kernels), {counted(outcome.diverged, 'member')} diverged"
    ]
    lines += [f"failed: {text}" for text in failures(plan, outcome)]
    if outcome.failed:
        lines.append("the same command tries the failed blocks again")
    if outcome.interrupted:
        lines.append(f"interrupted ({outcome.interrupted}); the same command resumes, stored blocks are kept")
    return lines


def failures(plan: Plan, outcome: Outcome) -> list[str]:
    """The failed blocks of a run.

    Args:
        plan: that was carried out.
        outcome: what became of its missing blocks.

    Returns:
        One line a block: its point, its number, its error.
    """
    return [
        f"{plan.sweep.named(plan.sweep.points[k])}, block {block}: {text}"
        for (k, block), text in sorted(outcome.failed.items())
    ]
