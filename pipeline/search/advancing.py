"""From one round of a search or refinement to the next."""

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import suppress

from pipeline.errors import Damaged, RequestError
from pipeline.plan import Plan, Record, Round, begun, name_of, planned
from pipeline.request import Config, Point, space_of
from pipeline.store import Lock, Store, prepare
from pipeline.systems import is_function
from pipeline.words import counted

_LIBRARY = "sklearn"


def refuse_without_library(config: Config) -> None:
    """Refuse a search where the library that it needs is not installed.

    Args:
        config: a checked request.

    Raises:
        RequestError: it is missing; with the command that installs it.
    """
    if config.search is not None and importlib.util.find_spec(_LIBRARY) is None:
        raise RequestError(
            [
                "search: expected scikit-learn, which is not installed here; install it with pip install -e '.[search]'"
            ]
        )


def advanced(plan: Plan, config: Config, lock: Lock, say: Callable[[str], None]) -> Plan:
    """The plan of the first round of a search that is not stored yet.

    Each round is written into the store before it is planned, and never decided again.

    Args:
        plan: of a store that is there; of a sweep that is no search, it is given back.
        config: the request.
        lock: of the store, held.
        say: is told of every round.

    Returns:
        The plan, for which the store has room; a complete one, if the search has ended.

    Raises:
        RequestError: an objective of one's own fails, or a round has no place in the store.
    """
    plan = _without_conclusion(plan, config, lock)
    while plan.goes_on and (plan.complete or plan.record is None):
        store = plan.store
        assert store is not None
        if plan.record is None:
            record = begun(plan.sweep, config, store)
            for line in _others(store, record):
                say(line)
        else:
            record = _following(plan, config, plan.record)
        lock.ensure_held()
        store.log_search(name_of(config), record.as_json())
        say(_line(record))
        plan = _prepared(planned(plan.sweep, config, store, plan.on_stale), config, lock)
    return plan


def _without_conclusion(plan: Plan, config: Config, lock: Lock) -> Plan:
    """The same plan, what was found forgotten if numbers that it was concluded from are to be computed again."""
    record = plan.record
    if record is None or record.ended is None or plan.on_stale != "recompute" or not plan.stale.any():
        return plan
    assert plan.store is not None
    lock.ensure_held()
    plan.store.log_search(name_of(config), record._replace(found=None, ended=None).as_json())
    return planned(plan.sweep, config, plan.store, plan.on_stale)


def _prepared(plan: Plan, config: Config, lock: Lock) -> Plan:
    """The same plan, for which its store has room."""
    store = prepare(plan.path, plan.sweep, lock, plan.longest_first)
    return planned(plan.sweep, config, store, plan.on_stale)


def _following(plan: Plan, config: Config, record: Record) -> Record:
    """The record with one more round, or with what was found."""
    assert plan.store is not None
    if config.search is None:
        return _refined(plan.store, plan, config, record)
    return _searched(plan.store, plan, config, record)


def _searched(store: Store, plan: Plan, config: Config, record: Record) -> Record:
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    from pipeline.search.searching import conclusion, next_round
    from pipeline.search.stored import data_of, value_of

    assert config.search is not None
    space, data = space_of(config, plan.sweep.system), data_of(store, plan.sweep, config, record)
    common = config.ensemble.noise == "common"
    if data.wanted:
        return _with_further(record, data.wanted)
    if is_function(config.search.of):
        record = record._replace(judged=list(zip(data.points, data.judged, strict=True)))
    with threadpool_limits(1):  # as sums depend on how many threads there are
        following = next_round(config.search, space, data, record, config.ensemble.members, common)
        if following is not None:
            return record._replace(rounds=[*record.rounds, following], found=None, ended=None)
        value = value_of(store, plan.sweep, config, record)
        if isinstance(value, list):
            return _with_further(record, value)
        found = conclusion(config.search, space, data, record, value, common)
    return record._replace(found=found, ended=config.budget)


def _with_further(record: Record, points: Sequence[Point]) -> Record:
    """The record whose last round asks for more points of its candidates."""
    *rounds, last = record.rounds
    return record._replace(rounds=[*rounds, last._replace(further=[*last.further, *points])])


def _refined(store: Store, plan: Plan, config: Config, record: Record) -> Record:
    from pipeline.search.refining import ROUND, refined
    from pipeline.search.stored import values_of

    points, sampling = list(record.known), config.sampling
    values, errors = values_of(store, plan.sweep, config, record)
    left = ROUND if sampling.points is None else min(ROUND, sampling.points - len(points))
    new = refined(space_of(config, plan.sweep.system), points, values, errors, left, sampling.resolution or 0.0)
    if not new:
        return record._replace(ended=config.budget)
    following = Round("refine", new, [config.ensemble.members] * len(new), [], len(new))
    return record._replace(rounds=[*record.rounds, following], ended=None)


def _others(store: Store, record: Record) -> list[str]:
    """A line, if the store holds a search for the same that this one does not go on with."""
    for name in store.searches:
        with suppress(Damaged):  # it says so to those who ask for it
            about = Record.from_json(store.search(name)).about
            if (about["of"], about["axes"]) == (record.about["of"], record.about["axes"]):
                return [
                    f"{record.what}: begins anew: the stored one for {about['of']} over {', '.join(about['axes'])} has "
                    "other settings, or its objective another code"
                ]
    return []


def _line(record: Record) -> str:
    """What comes next, in a line."""
    if record.ended is not None:
        return f"{record.what}: ended after {len(record.rounds)} rounds"
    last = record.rounds[-1]
    if last.further:
        asked = counted(len(last.further), "point")
        return f"{record.what}: round {len(record.rounds)}, {asked} that its objective asks for"
    what = {
        "start": "to start from",
        "explore": "where the optimum may be",
        "confirm": "at the place that was found",
        "refine": "where the estimate changes most",
    }[last.kind]
    return f"{record.what}: round {len(record.rounds)}, {counted(last.ensembles, 'ensemble')} {what}"
