"""What people call from Python: the actions, which give data rather than print it."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.actions import Ended, carry_out, requested
from pipeline.console import Console
from pipeline.errors import BLOCKS_FAILED, BlocksFailed
from pipeline.request import Origin

if TYPE_CHECKING:
    import xarray

    from pipeline.checks import Checked
    from pipeline.plan import Explanation, Status

Folder = str | PathLike[str] | None


def run(*overrides: str, config_dir: Folder = None) -> "xarray.Dataset":
    """Compute what a sweep's store lacks, draw its figures, and give the points and members asked for.

    overrides: as on the command line, `"+sweep=kuramoto_T", "axes.T.values=[5,10]"`; config_dir: a folder of one's
    own systems and sweeps. Progress is printed.
    Returns a Dataset as `open_sweep` does, of what was asked for alone.

    Raises RequestError for a wrong request, BlocksFailed if blocks could not be computed (the others are stored),
    Interrupted if the run was stopped. With `cluster=serial` the first block that raises is raised, in full.
    """
    from pipeline.plan import requested_part

    ended = _ended("run", overrides, config_dir)
    if ended.code == BLOCKS_FAILED:
        raise BlocksFailed(ended.value.store.runs()[-1]["failed"])
    return requested_part(ended.value)


def explain(*overrides: str, config_dir: Folder = None) -> "Explanation":
    """What `run` would compute, why, and what it would cost. Nothing is computed or written.

    Arguments and errors as of `run`. Printed, an Explanation is the table of `action=explain`.
    """
    explained: Explanation = _ended("explain", overrides, config_dir).value
    return explained


def status(*overrides: str, config_dir: Folder = None) -> "Status":
    """How far a sweep is, from its store alone: `status("+sweep=kuramoto_T")` or `status("path=data/x.zarr")`.

    Arguments and errors as of `run`.
    """
    found: Status = _ended("status", overrides, config_dir).value
    return found


def draw(*overrides: str, config_dir: Folder = None) -> list[Path]:
    """Draw the figures of a stored sweep: `draw("+sweep=kuramoto_T")` or `draw("path=data/x.zarr")`. The files.

    Arguments and errors as of `run`; Interrupted also if blocks are missing.
    """
    paths: list[Path] = _ended("figures", overrides, config_dir).value
    return paths


def verify(*overrides: str, config_dir: Folder = None) -> "list[Checked]":
    """Check every block of a store against its digest, compute some again. The blocks that are wrong, and why.

    Arguments and errors as of `run`.
    """
    wrong: list[Checked] = _ended("verify", overrides, config_dir).value
    return wrong


def _ended(action: str, overrides: tuple[str, ...], config_dir: Folder) -> Ended:
    folder = None if config_dir is None else Path(config_dir)
    shown = [*map(repr, overrides), *([f"config_dir={str(config_dir)!r}"] if folder else [])]
    origin = Origin(f"pipeline.{action}({', '.join(shown)})", (*overrides, f"action={action}"), folder)
    return carry_out(requested(origin), Console())
