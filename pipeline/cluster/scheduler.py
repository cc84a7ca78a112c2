"""Workers of a Dask scheduler that someone else started."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, Security
from distributed.comm.core import connect

from pipeline.cluster.options import dask_options
from pipeline.cluster.security import security
from pipeline.errors import ClusterLost, RequestError
from pipeline.request import SchedulerCluster, refuse_open_comms

_CLOSE_SECONDS = 10.0


@contextmanager
def scheduler_client(config: SchedulerCluster, say: Callable[[str], Any]) -> Iterator[Client]:
    """A client of a scheduler that runs already, or is about to.

    Args:
        config: the cluster asked for.
        say: gets a line of what is waited for.

    Yields:
        The client; scheduler and workers go on without it.

    Raises:
        RequestError: the address and the certificates do not go together.
        ClusterLost: no scheduler answers within `connect_seconds`.
    """
    deadline = time.monotonic() + config.connect_seconds
    where = config.address or f"the one that writes {config.scheduler_file}"
    say(f"scheduler: {where}; waiting for its answer, at most {config.connect_seconds:g} s")
    address = config.address or _address_in(config.scheduler_file, deadline)
    try:
        refuse_open_comms(address, config.tls)
    except ValueError as error:
        raise RequestError([f"cluster: expected {error}"]) from error
    tls = security(config.tls) if config.tls else None
    with dask_options():
        try:
            _shake_hands(address, tls, max(1.0, deadline - time.monotonic()))
            client = Client(address, security=tls, timeout=max(1.0, deadline - time.monotonic()))
        except Exception as error:  # whoever answers there, Dask takes what it says for messages
            raise ClusterLost(
                f"no scheduler answers at {address} ({type(error).__name__}, waited {config.connect_seconds:g} s at "
                "most); start it, with workers, or correct cluster.address or cluster.scheduler_file"
            ) from error
        try:
            yield client
        finally:
            with suppress(OSError, TimeoutError):  # of a scheduler that is lost
                client.close(timeout=_CLOSE_SECONDS)


def _shake_hands(address: str, tls: Security | None, seconds: float) -> None:
    """Shake hands with a scheduler; a client of Dask would wait for that without end."""

    async def shake_hands() -> None:
        arguments = tls.get_connection_args("client") if tls else {}
        comm = await asyncio.wait_for(connect(address, timeout=seconds, **arguments), seconds)
        await comm.close()

    thread = ThreadPoolExecutor(1)  # notebooks have a loop at work in this one
    try:
        thread.submit(asyncio.run, shake_hands()).result()
    finally:
        thread.shutdown(wait=False)


def _address_in(file: Path | None, deadline: float) -> str:
    """The address in a scheduler file, waiting for one that is still to be written."""
    assert file is not None
    while True:
        try:
            address = json.loads(file.read_text())["address"]
            if not isinstance(address, str) or "://" not in address:
                raise ValueError(f"the address {address!r}")
            return address
        except (OSError, ValueError, KeyError, TypeError) as error:
            if time.monotonic() > deadline:
                raise ClusterLost(
                    f"cluster.scheduler_file: expected what `dask scheduler --scheduler-file {file}` writes, got "
                    f"{type(error).__name__}: {error}; start the scheduler, or correct the path"
                ) from error
        time.sleep(0.2)
