"""Where a request runs: the checked sections of conf/cluster/, told apart by `kind`."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from pipeline.request.fields import LocalPath, Seconds, SomeSeconds, like
from pipeline.schema import Section

_WALLTIME = re.compile(r"(?:(?P<days>\d{1,4})-)?(?P<hours>\d{1,6}):(?P<minutes>[0-5]?\d):(?P<seconds>[0-5]?\d)")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def seconds_of(walltime: str) -> int:
    """Seconds in a walltime of Slurm.

    Args:
        walltime: HH:MM:SS or D-HH:MM:SS.

    Returns:
        Seconds.

    Raises:
        ValueError: it is neither.
    """
    match = _WALLTIME.fullmatch(walltime)
    if match is None:
        raise ValueError("expected HH:MM:SS or D-HH:MM:SS, in quotes")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def bytes_of(memory: str) -> float:
    """Bytes of a memory that Slurm is asked for.

    Args:
        memory: a whole number with kB, MB, GB or TB.

    Returns:
        Bytes.
    """
    return float(memory[:-2]) * 1000.0 ** ("kMGT".index(memory[-2]) + 1)


def as_walltime(seconds: float) -> str:
    """Slurm's HH:MM:SS, at least as long as some seconds.

    Args:
        seconds: 0 or more; rounded up.

    Returns:
        HH:MM:SS, of two digits each or more.
    """
    whole = -int(-seconds // 1)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _enough(walltime: Any) -> Any:
    if not isinstance(walltime, str):  # YAML 1.1 reads 1:30:00 as a number in base 60
        raise PydanticCustomError("walltime", "HH:MM:SS or D-HH:MM:SS, in quotes")
    if seconds_of(walltime) < 60:
        raise ValueError("expected a minute or more, the unit of Slurm's time limits")
    return walltime


Walltime = Annotated[str, BeforeValidator(_enough)]
Memory = Annotated[str, like(r"[1-9]\d{0,8}[kMGT]B", "a whole number with kB, MB, GB or TB, like 4GB")]
Line = Annotated[str, like(r"[^\n]+", "one line of shell")]
Option = Annotated[str, like(r"-[^\n]+", "an option of sbatch, like --constraint=skylake")]
Word = Annotated[str, like(r"[\w.,:@/+-]{1,200}", "a name as Slurm and the system know it")]
MOST_WORKERS, MOST_CORES = 10_000, 1024
"""On one machine, or jobs; and cores a job. One scheduler of Dask does not serve more workers."""


class _Cluster(Section):
    grace_seconds: Seconds
    no_workers_seconds: SomeSeconds


class LocalCluster(_Cluster):
    """Worker processes on this machine."""

    kind: Literal["local"]
    workers: int | None = Field(ge=1, le=MOST_WORKERS)
    dashboard: bool

    @property
    def worker_count(self) -> int:
        """Worker processes: as asked, else one for each core this process may use."""
        if self.workers is not None:
            return self.workers
        from dask.system import cpu_count  # knows of masks and quotas, on every system

        return int(cpu_count())


class SerialCluster(Section):
    """This process, without Dask: one block after the other, for debuggers."""

    kind: Literal["serial"]

    @property
    def worker_count(self) -> int:
        """This process."""
        return 1


class Driver(Section):
    """The batch job that action=submit makes of the driver."""

    walltime: Walltime
    memory: Memory


class SlurmCluster(_Cluster):
    """Worker processes in jobs of a Slurm cluster, one for each core."""

    kind: Literal["slurm"]
    partition: Word | None
    account: Word | None
    jobs: int = Field(ge=1, le=MOST_WORKERS)
    cores: int = Field(ge=1, le=MOST_CORES)
    memory: Memory
    walltime: Walltime
    margin_seconds: SomeSeconds
    interface: Word
    dashboard: bool
    directives: list[Option]
    setup: list[Line]
    logs: LocalPath
    driver: Driver

    @field_validator("logs")
    @classmethod
    def _no_blanks(cls, logs: Path) -> Path:
        if re.search(r"\s|%", str(logs)):
            raise ValueError("a folder without blanks and % in its name, as sbatch takes it")
        return logs

    @field_validator("margin_seconds")
    @classmethod
    def _time_to_work(cls, margin: float, info: ValidationInfo) -> float:
        # Lifetimes are staggered by half the margin, so a worker may begin to end one and a half margins early.
        if "walltime" in info.data and seconds_of(info.data["walltime"]) <= 1.5 * margin:
            raise ValueError(
                f"less than two thirds of the walltime of {info.data['walltime']}, or a longer walltime"
            )
        return margin

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
    scheduler_file: LocalPath | None
    tls: LocalPath | None
    connect_seconds: SomeSeconds

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        if address is not None and not _is_address(address):
            raise ValueError("an address like tls://10.0.0.1:8786 or tcp://127.0.0.1:8786")
        return address

    @field_validator("scheduler_file")
    @classmethod
    def _one_way_there(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if "address" in info.data and (info.data["address"] is None) == (file is None):
            raise ValueError("either cluster.scheduler_file=FILE or cluster.address=tls://HOST:PORT")
        return file

    @field_validator("tls")
    @classmethod
    def _no_open_comms(cls, tls: Path | None, info: ValidationInfo) -> Path | None:
        if info.data.get("address") is not None:
            refuse_open_comms(info.data["address"], tls)
        return tls

    @property
    def worker_count(self) -> int:
        """For predictions: only the scheduler knows how many workers there are."""
        return 1


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(re.fullmatch(r"(tcp|tls)://[\w.\-\[\]:]+:\d+", address) and parts.hostname and parts.port)
    except ValueError:  # of a port that can't be, or of brackets
        return False


def refuse_open_comms(address: str, tls: Path | None) -> None:
    """Refuse an address by which blocks would travel unencrypted between hosts, or that does not fit the certificates.

    Args:
        address: of a scheduler: tls://HOST:PORT or tcp://HOST:PORT.
        tls: folder of certificates; None: no TLS.

    Raises:
        ValueError: what is wrong, as what was expected.
    """
    parts = urlsplit(address)
    if parts.scheme == "tls" and tls is None:
        raise ValueError(f"certificates for {address}; set cluster.tls=FOLDER, with ca.pem and key.pem")
    if parts.scheme != "tls" and tls is not None:
        raise ValueError(f"a scheduler at tls://…, as cluster.tls is set; it is at {address}")
    if parts.scheme != "tls" and parts.hostname not in _LOOPBACK:
        raise ValueError(
            f"a scheduler at tls://…, or on this host: anyone who reaches {address} could run code as you; make "
            "certificates with `python -m pipeline.cluster.security FOLDER` for scheduler, workers and cluster.tls"
        )


def _kind(raw: Any) -> Any:
    return raw.get("kind") if isinstance(raw, dict) else getattr(raw, "kind", None)


Cluster = Annotated[
    Annotated[LocalCluster, Tag("local")]
    | Annotated[SerialCluster, Tag("serial")]
    | Annotated[SlurmCluster, Tag("slurm")]
    | Annotated[SchedulerCluster, Tag("scheduler")],
    Discriminator(_kind),
]
KINDS: dict[str, type[Section]] = {
    "local": LocalCluster,
    "serial": SerialCluster,
    "slurm": SlurmCluster,
    "scheduler": SchedulerCluster,
}
