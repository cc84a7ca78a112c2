"""Where a request runs: the checked sections of conf/cluster/, told apart by `kind`."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.schema import Section

_WALLTIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>[0-5]?\d):(?P<seconds>[0-5]?\d)")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def seconds_of(walltime: str) -> int:
    """Seconds in Slurm's HH:MM:SS or D-HH:MM:SS.

    Raises ValueError if it is neither.
    """
    match = _WALLTIME.fullmatch(walltime)
    if match is None:
        raise ValueError("expected HH:MM:SS or D-HH:MM:SS, in quotes")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def as_walltime(seconds: float) -> str:
    """Slurm's HH:MM:SS, at least as long as some seconds."""
    whole = -int(-seconds // 1)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _enough(walltime: Any) -> Any:
    if not isinstance(walltime, str):  # YAML 1.1 reads 1:30:00 as a number in base 60
        raise PydanticCustomError("walltime", "HH:MM:SS or D-HH:MM:SS, in quotes")
    if seconds_of(walltime) < 60:
        raise ValueError("expected a minute or more, the unit of Slurm's time limits")
    return walltime


Walltime = Annotated[str, BeforeValidator(_enough)]
Memory = Annotated[str, Field(pattern=r"^[1-9]\d*(\.\d+)? ?([kMGT]i?B)$")]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\n]+$")]
Word = Annotated[str, Field(min_length=1, pattern=r"^[\w.,:@/+-]+$")]


class _Cluster(Section):
    grace_seconds: float = Field(ge=0, allow_inf_nan=False)
    no_workers_seconds: float = Field(gt=0, allow_inf_nan=False)


class LocalCluster(_Cluster):
    """Worker processes on this machine."""

    kind: Literal["local"]
    workers: int | None = Field(ge=1)

    @property
    def worker_count(self) -> int:
        """Worker processes: as asked, else one for each core this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


class Driver(Section):
    """The batch job that action=submit makes of the driver."""

    walltime: Walltime
    memory: Memory


class SlurmCluster(_Cluster):
    """Worker processes in jobs of a Slurm cluster, one for each core."""

    kind: Literal["slurm"]
    partition: Word | None
    account: Word | None
    jobs: int = Field(ge=1)
    cores: int = Field(ge=1)
    memory: Memory
    walltime: Walltime
    margin_seconds: float = Field(gt=0, allow_inf_nan=False)
    interface: Word
    directives: list[Annotated[str, Field(pattern=r"^-[^\n]+$")]]
    setup: list[Line]
    logs: Path
    driver: Driver

    @field_validator("logs")
    @classmethod
    def _no_blanks(cls, logs: Path) -> Path:
        if re.search(r"\s|%", str(logs)):
            raise ValueError("a folder without blanks and % in its name, as sbatch takes it")
        return logs

    @model_validator(mode="after")
    def _time_to_work(self) -> "SlurmCluster":
        # Lifetimes are staggered by half the margin, so a worker may begin to end one and a half margins early.
        if seconds_of(self.walltime) <= 1.5 * self.margin_seconds:
            raise ValueError(
                f"margin_seconds below two thirds of the walltime, {seconds_of(self.walltime)} s; lower "
                "cluster.margin_seconds or raise cluster.walltime"
            )
        return self

    @property
    def worker_count(self) -> int:
        """Worker processes of all jobs together."""
        return self.jobs * self.cores

    @property
    def lifetime_seconds(self) -> float:
        """How long a worker takes blocks, on average."""
        return seconds_of(self.walltime) - self.margin_seconds


class SchedulerCluster(_Cluster):
    """The workers of a Dask scheduler that someone else started."""

    kind: Literal["scheduler"]
    address: str | None
    scheduler_file: Path | None
    tls: Path | None
    connect_seconds: float = Field(gt=0, allow_inf_nan=False)

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"(tcp|tls)://[\w.\-\[\]:]+:\d+", address):
            raise ValueError("an address like tls://10.0.0.1:8786 or tcp://127.0.0.1:8786")
        return address

    @model_validator(mode="after")
    def _one_way_there(self) -> "SchedulerCluster":
        if (self.address is None) == (self.scheduler_file is None):
            raise ValueError("either cluster.address=tls://HOST:PORT or cluster.scheduler_file=FILE")
        if self.address is not None:
            refuse_open_comms(self.address, self.tls)
        return self

    @property
    def worker_count(self) -> int:
        """For predictions: only the scheduler knows how many workers there are."""
        return 1


def refuse_open_comms(address: str, tls: Path | None) -> None:
    """Raise ValueError if blocks would cross a network unencrypted, or TLS and certificates don't go together."""
    parts = urlsplit(address)
    if parts.scheme == "tls" and tls is None:
        raise ValueError(f"certificates for {address}; set cluster.tls=FOLDER, with ca.pem and key.pem")
    if parts.scheme != "tls" and tls is not None:
        raise ValueError(f"a scheduler at tls://…, as cluster.tls is set; it is at {address}")
    if parts.scheme != "tls" and parts.hostname not in _LOOPBACK:
        raise ValueError(
            f"a scheduler at tls://…, or on this host: anyone who reaches {address} could run code as you; make "
            "certificates with `python -m pipeline.security FOLDER` for scheduler, workers and cluster.tls"
        )


def _kind(raw: Any) -> Any:
    return raw.get("kind") if isinstance(raw, dict) else getattr(raw, "kind", None)


Cluster = Annotated[
    Annotated[LocalCluster, Tag("local")]
    | Annotated[SlurmCluster, Tag("slurm")]
    | Annotated[SchedulerCluster, Tag("scheduler")],
    Discriminator(_kind),
]
KINDS: dict[str, type[Section]] = {"local": LocalCluster, "slurm": SlurmCluster, "scheduler": SchedulerCluster}
