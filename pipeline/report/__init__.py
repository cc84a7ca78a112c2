"""Reports: pages that say what stores hold and where every number comes from, in one file each.

A page has a section for each store: its figures, the numbers drawn, settings, cost and runs. What can't be read, or is
not there yet, is said where it would stand.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import RequestError
from pipeline.plan import Plan
from pipeline.request import Config

__all__ = ["Part", "write", "write_crate"]


class Part(NamedTuple):
    """A store that a page shows."""

    path: Path
    plan_now: Callable[[], Plan]
    """Makes its plan; raises what is wrong with the store."""
    figures: Sequence[str]
    of: Sequence[str]
    """Estimands that the figure of any sweep shows."""
    suffix: str
    """Of the stores of other sweeps that figures show too."""


def write(
    parts: Sequence[Part],
    file: Path,
    overwrite: bool,
    title: str,
    command: str,
    paper: Callable[[str], Config] | None = None,
) -> list[str]:
    """Write a page about some stores.

    Args:
        parts: the stores, in the order in which they are shown.
        file: the page.
        overwrite: whether to replace a file that is there.
        title: of the page.
        command: what was typed to make it.
        paper: gives the request of a sweep of the paper as its file has it, what other stores give left open: the
            claims of the paper are judged, if some of the stores are of its sweeps. Default: no claims.

    Returns:
        What is wrong or not complete, as the page says too, a line each.

    Raises:
        RequestError: the file is there, or can't be written.
    """
    from pipeline.report import page  # Jinja, Matplotlib and xarray: a second to import

    return page.write(parts, file, overwrite, title, command, paper)


def write_crate(
    parts: Sequence[Part],
    to: Path,
    overwrite: bool,
    licence: str | None,
    command: str,
    paper: Callable[[str], Config] | None = None,
) -> list[str]:
    """Write some stores with a page about them as an RO-Crate: a zip archive that says what is in it.

    Args:
        parts: the stores.
        to: the archive.
        overwrite: whether to replace a file that is there.
        licence: of the data, such as an address at spdx.org; None: nothing is said.
        command: what was typed to make it.
        paper: as of `write`.

    Returns:
        As of `write`.

    Raises:
        RequestError: the file is there, or can't be; or the library is not installed.
        Interrupted: a driver is at work on a store.
        Damaged: a file of a store is lost, damaged or was exchanged.
    """
    if importlib.util.find_spec("rocrate") is None:
        how = (
            "expected the library rocrate, which is not installed here; install it with pip install -e '.[crate]'"
        )
        raise RequestError([f"to: {how}"])
    from pipeline.report import crate

    return crate.write(parts, to, overwrite, licence, command, paper)
