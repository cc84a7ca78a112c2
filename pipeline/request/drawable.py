"""What figures need of a sweep, checked with the request, before anything is computed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.request.config import Config
from pipeline.request.messages import got
from pipeline.systems import System


class Needs(NamedTuple):
    """What a figure draws."""

    axes: tuple[str, ...] | None
    """Settings over which it draws a grid, in any order; None: any sweep, grid or not."""
    variables: tuple[str, ...] = ()
    """Of the system."""
    settings: tuple[str, ...] = ()
    """Of the system."""


def unfit(name: str, needs: Needs, axes: Sequence[str], sampling: str, has: Collection[str]) -> str:
    """Why a figure can't draw a sweep; empty if it can.

    Args:
        name: of the figure.
        needs: what it draws.
        axes: those of the sweep.
        sampling: how the axes combine.
        has: variables and settings of its system.

    Returns:
        What was expected and got, and what to do.
    """
    lacks = {*needs.variables, *needs.settings} - set(has)
    if needs.axes is not None and (set(needs.axes) != set(axes) or sampling not in ("product", "None")):
        over = f"a grid over {', '.join(needs.axes)}" if needs.axes else "a sweep without axes"
        found = f"axes {', '.join(axes)} ({sampling})" if axes else "no axes"
    elif lacks:
        over, found = f"systems with {', '.join(sorted(lacks))}", "one without"
    else:
        return ""
    return f"{name} draws {over}, got {found}; {_OTHERS}"


_OTHERS = "figures.draw=null draws what suits any sweep, figures.draw=[] nothing"


def unrecorded(config: Config, known: Mapping[str, Needs], system: System) -> Iterator[str]:
    """Faults of figures that draw what the settings leave out, such as a trace of length 0.

    Args:
        config: a request, checked but for this.
        known: the figures there are.
        system: of the sweep.

    Yields:
        A line for each.
    """
    drawn = config.figures.draw or []
    if not drawn:
        return
    settings = {**config.settings, **{name: axis.spread()[0] for name, axis in config.axes.items()}}
    sizes = system.sizes(settings, config.store.records)
    for k, name in enumerate(drawn):
        for variable in system.variables:
            empty = [dim for dim in variable.dims if not sizes[dim]]
            if variable.name in known[name].variables and empty:
                by = next(dimension.depends_on for dimension in system.dimensions if dimension.name == empty[0])
                yield (
                    f"figures.draw[{k}]: {name} draws {variable.name}, which these settings leave out; expected other "
                    f"{' and '.join(by)}; {_OTHERS}"
                )


def figure_faults(raw: Mapping[str, Any], known: Mapping[str, Needs], system: System | None) -> Iterator[str]:
    """Faults of what is to be drawn.

    Args:
        raw: a config.
        known: the figures there are.
        system: of the sweep; None: of a store that is yet to be opened, or unknown.

    Yields:
        A line for each.
    """
    section = raw.get("figures")
    wanted = section if isinstance(section, dict) else {}
    drawn, of = wanted.get("draw"), wanted.get("of")
    for k, name in enumerate(drawn if isinstance(drawn, list) else []):
        if isinstance(name, str) and name not in known:
            yield f"figures.draw[{k}]: expected one of {', '.join(known)}, got {got(name)}"
        elif isinstance(name, str) and system is not None and isinstance(raw.get("axes"), dict):
            sampling = raw.get("sampling")
            method = str(sampling.get("method")) if isinstance(sampling, dict) else "None"
            method = method if raw.get("search") is None else "search"
            has = {*(variable.name for variable in system.variables), *system.settings.model_fields}
            if why := unfit(name, known[name], tuple(raw["axes"]), method, has):
                yield f"figures.draw[{k}]: {why}"
    if of and isinstance(drawn, list) and "default" not in drawn:
        yield f"figures.of: what {', '.join(map(str, drawn)) or 'nothing'} draws is fixed; add figures.draw=null"
    for k, name in enumerate(of if isinstance(of, list) else []):
        if isinstance(name, str) and system is not None and name not in system.all_estimands:
            scalars = [variable.name for variable in system.variables if not variable.dims]
            some = ", ".join(dict.fromkeys([*system.estimands, *scalars]))
            yield f"figures.of[{k}]: expected one of {some}, or median_ and a variable, got {got(name)}"
