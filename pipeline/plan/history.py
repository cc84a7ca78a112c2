"""Who filled a store: all its runs, in order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.store import Store, is_driven
from pipeline.words import between, counted, moment, one_line


@dataclass(frozen=True)
class Run:
    """A run that filled a store, or a merge into it."""

    number: int
    """Its record is runs/<number>.json."""
    command: str
    started: str
    """ISO 8601, UTC."""
    ended: str
    """Empty if it has not, or was killed."""
    state: str
    """ended, interrupted, merged, running or killed."""
    computed: int
    """Blocks; of a run that has not ended, those by which the store has grown since."""
    failed: int
    """Blocks; of a merge, those of the source that can't be read."""
    taken: int
    """Blocks that a merge took over."""
    source: str
    """The store that it took them from."""
    commit: str
    """Of the driver's checkout; empty outside of one."""
    edited: bool
    """Whether files of the checkout differed from the commit."""
    hosts: tuple[str, ...]
    """Where workers were; none in a run within one process."""

    def __str__(self) -> str:
        took = f" in {between(self.started, self.ended)}" if self.ended else ""
        return f"{moment(self.started)} UTC, {self.state}{took}: {', '.join(self._facts())}"

    @property
    def code(self) -> str:
        """The commit in short, and whether files differed from it; empty outside of a checkout."""
        return f"{self.commit[:12]}{', edited' if self.edited else ''}" if self.commit else ""

    def _facts(self) -> Iterator[str]:
        if self.state == "merged":
            yield f"{counted(self.taken, 'block')} taken over from {self.source}"
        else:
            yield f"{counted(self.computed, 'block')} computed"
        if self.failed:
            yield f"{self.failed} failed"
        if self.code:
            yield f"commit {self.code}"
        if self.hosts:
            yield f"on {', '.join(self.hosts)}"


@dataclass(frozen=True)
class History:
    """The runs that filled a store, oldest first."""

    path: Path
    runs: list[Run]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.path}: {len(self.runs) or 'no'} run{'' if len(self.runs) == 1 else 's'}"
        width = len(str(self.runs[-1].number)) if self.runs else 0
        for run in self.runs:
            yield f"{run.number:>{width}}  {run}"
            yield f"{'':{width}}  {one_line(run.command)}"


def history_of(store: Store) -> History:
    """The runs that filled a store.

    Args:
        store: an open store.

    Returns:
        Data, which printed is two lines a run.

    Raises:
        Damaged: a record can't be read.
    """
    records, driven = store.runs(), is_driven(store.path)
    names = [name for name in store.files.sizes("runs") if re.fullmatch(r"\d{6,}\.json", name)]
    numbers = sorted(int(name.removesuffix(".json")) for name in names)
    runs = [_run(*of_one) for of_one in zip(numbers, records, strict=False)]  # one may have begun in between
    stored = int(store.stored.sum())
    for k in reversed(range(len(runs))):
        if runs[k].state == "running":
            state = "running" if driven and k == len(runs) - 1 else "killed"
            computed = max(0, stored - records[k].get("blocks_stored", stored))
            runs[k] = replace(runs[k], state=state, computed=computed)
        stored = records[k].get("blocks_stored", stored - runs[k].taken)
    return History(store.path, runs)


def _run(number: int, record: dict[str, Any]) -> Run:
    return Run(
        number=number,
        command=record["command"],
        started=record["started"],
        ended=record.get("ended", ""),
        state=record["state"],
        computed=record.get("blocks_computed", 0),
        failed=len(record["failed"]),
        taken=record.get("blocks_taken", 0),
        source=record.get("source", ""),
        commit=record.get("commit") or "",
        edited=bool(record.get("dirty")),
        hosts=tuple(sorted({host for kind in record.get("workers", []) for host in kind["hosts"]})),
    )
