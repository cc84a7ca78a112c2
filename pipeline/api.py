"""What people call from Python: the actions, which give data rather than print it."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.actions import Ended, carry_out, requested
from pipeline.console import Console
from pipeline.errors import BLOCKS_FAILED, BlockError, BlocksFailed, RequestError
from pipeline.request import Origin

if TYPE_CHECKING:
    import xarray

    from pipeline.checks import Checked
    from pipeline.plan import Explanation, Status

Folder = str | PathLike[str] | None


def run(*overrides: str, config_dir: Folder = None) -> "xarray.Dataset":
    """Compute what a sweep's store lacks, draw its figures, and give the points and members asked for.

    Progress is printed.

    Args:
        *overrides: as on the command line: `"+sweep=kuramoto_T", "axes.T.values=[5,10]"`.
        config_dir: a folder of one's own systems and sweeps. Default: none.

    Returns:
        A Dataset as `open_sweep` gives it, of what was asked for alone.

    Raises:
        RequestError: the request is wrong.
        BlocksFailed: blocks could not be computed; the others are stored.
        Interrupted: the run was stopped; what it stored is kept.
        Exception: with `cluster=serial`, what the system raised in the first block that failed, as a debugger needs
            it; BlockError, if it gave something else than it declares.
    """
    from pipeline.plan import requested_part

    raised: BaseException | None = None
    try:
        ended = _ended("run", overrides, config_dir)
    except BlockError as error:
        raised = error.__cause__ or error
    if raised is not None:
        raise raised  # out here, so that its own context stays
    if ended.code == BLOCKS_FAILED:
        raise BlocksFailed(ended.value.store.runs()[-1]["failed"])
    return requested_part(ended.value)


def explain(*overrides: str, config_dir: Folder = None) -> "Explanation":
    """What `run` would compute, why, and what it would cost. Nothing is computed or written.

    Args:
        *overrides: as of `run`.
        config_dir: as of `run`.

    Returns:
        An `Explanation`; printed, it is the table of `action=explain`.

    Raises:
        RequestError: the request is wrong.
    """
    explained: Explanation = _ended("explain", overrides, config_dir).value
    return explained


def status(*overrides: str, config_dir: Folder = None) -> "Status":
    """How far a sweep is, from its store alone.

    Args:
        *overrides: as of `run`: `"+sweep=kuramoto_T"`; or a store: `"path=data/x.zarr"`.
        config_dir: as of `run`.

    Returns:
        A `Status`; printed, it is the text of `action=status`.

    Raises:
        RequestError: the request is wrong.
    """
    found: Status = _ended("status", overrides, config_dir).value
    return found


def draw(*overrides: str, config_dir: Folder = None) -> list[Path]:
    """Draw the figures of a stored sweep.

    Args:
        *overrides: as of `run`: `"+sweep=kuramoto_T"`; or a store: `"path=data/x.zarr"`.
        config_dir: as of `run`.

    Returns:
        The files written.

    Raises:
        RequestError: the request is wrong.
        Interrupted: blocks are missing, and `figures.incomplete` is false.
    """
    paths: list[Path] = _ended("figures", overrides, config_dir).value
    return paths


def export(*overrides: str, config_dir: Folder = None) -> list[Path]:
    """Write a store, or what a sweep asks for of one, into a file for other programs.

    Args:
        *overrides: as of `run`, or `"path=data/x.zarr"`; and `"to=x.nc"`, `"to=x.csv"` (scalars) or
            `"to=x.zarr.zip"` (the whole store).
        config_dir: as of `run`.

    Returns:
        The file, and the one beside it that tells where its numbers come from.

    Raises:
        RequestError: the request is wrong, or the file is there and `export.overwrite` is false.
        Interrupted: an archive was asked for, and a run is at work on the store.
        Damaged: a file of the store is lost, damaged or was exchanged.
    """
    paths: list[Path] = _ended("export", overrides, config_dir).value
    return paths


def verify(*overrides: str, config_dir: Folder = None) -> "list[Checked]":
    """Check every block of a store against its digest, and compute some of them again.

    Args:
        *overrides: as of `run`.
        config_dir: as of `run`.

    Returns:
        The blocks that are wrong, and why.

    Raises:
        RequestError: the request is wrong.
        Interrupted: the repair was stopped, or the cluster lost.
        BlockError: with `cluster=serial`, of the first block that can't be repaired.
    """
    wrong: list[Checked] = _ended("verify", overrides, config_dir).value
    return wrong


def _ended(action: str, overrides: tuple[str, ...], config_dir: Folder) -> Ended:
    if chosen := [override for override in overrides if override.lstrip("+~").partition("=")[0] == "action"]:
        raise RequestError(
            [f"{chosen[0]}: expected no action, as pipeline.{action} is one; call another function"]
        )
    folder = None if config_dir is None else Path(config_dir)
    shown = [*map(repr, overrides), *([f"config_dir={str(config_dir)!r}"] if folder else [])]
    origin = Origin(f"pipeline.{action}({', '.join(shown)})", (*overrides, f"action={action}"), folder)
    return carry_out(requested(origin), Console())
