"""The command line as a real process, its workers, and what it has stored so far."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.actions import requested
from pipeline.request import Origin, define
from tests.contents import fill

ROOT = Path(__file__).parents[1]

TINY = (
    "+sweep=kuramoto_T",
    "axes.T.values=[1,2,3]",
    "settings.iterations=40",
    "ensemble.members=16",
    "store.block_members=8",
    "store.records=5",
    "figures.draw=[]",
    "cluster.workers=2",
)
"""A sweep of three points × two blocks, each computed in milliseconds."""


def default(name, system="kuramoto"):
    """A setting that a request says nothing of."""
    return yaml.safe_load((ROOT / "conf" / "system" / f"{system}.yaml").read_text())["settings"][name]


STUBS = ROOT / "tests" / "stubs"
STUB = ("--config-dir", str(STUBS), "system=stub_kuramoto")
"""Arguments for blocks that do what the environment says: see stubs/stub_kuramoto.py."""
PATIENCE = 300
"""Seconds after which something that should have happened counts as never happening, on a machine that is busy."""


def tiny(root, *overrides):
    """The arguments of the tiny sweep, its store in a folder."""
    return [*TINY, f"store.root={root}", *overrides]


def elsewhere(root, *overrides):
    """The arguments of the tiny sweep on another cluster than this machine's processes."""
    return [argument for argument in tiny(root, *overrides) if argument != "cluster.workers=2"]


def stubbed(root, *overrides):
    """The arguments of the tiny sweep with blocks that do what the environment says."""
    return [*STUB, *tiny(root, *overrides)]


def filled(root, *overrides):
    """The store of the tiny sweep, its stubbed blocks computed in this process, one after the other."""
    overrides = (*STUB[2:], *tiny(root, *overrides))
    config = requested(Origin("python -m pipeline", overrides, STUBS))
    fill(define(config), config.store.path)
    return config.store.path


class Gate:
    """Which blocks of the stub may go on past their start: at first none, or so many, the first ones to start."""

    def __init__(self, folder, blocks=0):
        self._log, self._gate = folder / "blocks", folder / "gate"
        self.environment = {"BLOCK_LOG": str(self._log), "BLOCK_GATE": str(self._gate)}
        """For the processes that compute blocks."""
        self.allow(blocks)

    def allow(self, blocks):
        """Let so many blocks go on, of all that ever start."""
        aside = self._gate.with_name("gate.new")
        aside.write_text(str(blocks))
        aside.rename(self._gate)

    def open(self):
        """Let all blocks go on."""
        self.allow(sys.maxsize)

    def begun(self):
        """(T, first member) of the blocks that started, in their order, once for every start."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(float(T), int(member)) for T, member in map(str.split, lines)]

    def wait_for(self, blocks):
        """Wait until so many blocks have started."""
        wait_for(lambda: len(self.begun()) >= blocks, f"the start of {blocks} blocks")


def start(arguments, log, module="pipeline", **environment):
    """Start a driver in a process group of its own; its output goes to a file."""
    with Path(log).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run(arguments, module="pipeline", **environment):
    """Run a command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


def wait_for(happened, what):
    """Wait until something has happened; what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (result := happened()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.03)
    return result


CONNECT = """
import os, sys
from pathlib import Path
from distributed import Client
from pipeline.cluster.security import security
try:
    Client(sys.argv[1], security=security(Path(sys.argv[2])) if sys.argv[2:] else None, timeout=3)
except OSError:
    os._exit(7)
os._exit(0)
"""


def connects(address, tls):
    """Whether a scheduler lets in a client that has the certificate in a folder, or none."""
    arguments = [sys.executable, "-c", CONNECT, address, *([str(tls)] if tls else [])]
    code = subprocess.run(arguments, cwd=ROOT, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode
    assert code in (0, 7)
    return code == 0


def ports_of(*pids):
    """The TCP ports on which some processes listen: port → address."""
    found = {}
    for pid in pids:
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found[connection.laddr.port] = connection.laddr.ip
    return found


STRANGER = """
import asyncio, os, sys
from distributed import Security
from distributed.core import connect

security = Security.temporary()  # with certificates, but others

async def gets_in(address):
    given = security.get_connection_args("client") if address.startswith("tls") else {}
    try:
        await asyncio.wait_for(connect(address, timeout=10, **given), 20)  # both sides have shaken hands
    except Exception:  # refused, too slow, or code that another user may not read: it does not get in
        return False
    return True

async def all_that_let_in(addresses):
    return [a for a, inside in zip(addresses, await asyncio.gather(*map(gets_in, addresses))) if inside]

asyncio.run(all_that_let_in(["tcp://127.0.0.1:9"]))  # loads what connecting takes: another user may not read it
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
print(*asyncio.run(all_that_let_in(sys.argv[1:])), flush=True)
os._exit(0)
"""
needs_another_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def open_to_another_user(ports):
    """The addresses at some ports of this host at which a process of another user gets in as Dask does."""
    addresses = [f"{protocol}://127.0.0.1:{port}" for port in ports for protocol in ("tcp", "tls")]
    asked = [sys.executable, "-c", STRANGER, *addresses]
    ended = subprocess.run(
        asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=PATIENCE, check=True
    )
    return ended.stdout.split()


def worker_processes(driver):
    """Process ids of a driver's workers."""
    return [pid for pid, parent, command in _processes() if parent == driver and "spawn_main" in command]


def alive(pids):
    """Those of some processes that still run."""
    return sorted({pid for pid, *_ in _processes()} & set(pids))


def _processes():
    """(process id, parent's id, command line) of all processes that are not zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found.append((int(folder.name), int(parent), command))
    return found
