"""Others on a host, and what a user has set for Dask and matplotlib: neither gets into a run."""

import http.client
import re
from io import BytesIO

import matplotlib as mpl
import pytest
import yaml
from matplotlib.image import imread

from pipeline.errors import COMPLETE
from tests import command
from tests.command import (
    Gate,
    needs_another_user,
    open_to_another_user,
    ports_of,
    stubbed,
    worker_processes,
)  # fmt: skip
from tests.contents import block_bytes

PAGES = (
    "/status",
    "/info/main/workers.html",
    "/json/counts.json",
    "/metrics",
    "/health",
    "/",
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return block_bytes(command.filled(tmp_path_factory.mktemp("expected")))


@pytest.fixture
def at_work(tmp_path, start):
    """A driver whose workers are at work on blocks that wait."""
    gate = Gate(tmp_path)
    process = start(stubbed(tmp_path), tmp_path / "log", **gate.environment)
    gate.wait_for(2)
    yield process
    gate.open()
    assert process.wait(command.PATIENCE) == COMPLETE


def page(port, path):
    """What a port answers to a browser: a status, or None where it speaks no HTTP."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        asked.request("GET", path)
        return asked.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        asked.close()


def test_other_users_of_a_host_learn_nothing(at_work):
    """Any process may connect to a port of the loopback interface, whoever's it is."""
    ports = ports_of(at_work.pid, *worker_processes(at_work.pid))
    assert len(ports) >= 3  # the scheduler's and two workers'
    assert set(ports.values()) == {"127.0.0.1"}
    answers = {(port, path): page(port, path) for port in ports for path in PAGES}
    assert {asked: answer for asked, answer in answers.items() if answer not in (None, 404)} == {}


@pytest.mark.slow
@needs_another_user
def test_another_user_of_a_host_gets_in_nowhere(at_work):
    ports = ports_of(at_work.pid, *worker_processes(at_work.pid))
    assert open_to_another_user(ports) == []


def test_the_dashboard_is_there_if_it_is_asked_for(tmp_path, start):
    gate = Gate(tmp_path)
    process = start(stubbed(tmp_path, "cluster.dashboard=true"), tmp_path / "log", **gate.environment)
    gate.wait_for(2)
    (port,) = re.findall(r"dashboard: http://127.0.0.1:(\d+)/status", (tmp_path / "log").read_text())
    assert page(int(port), "/status") == 200
    gate.open()
    assert process.wait(command.PATIENCE) == COMPLETE


SETTINGS = {
    "temporary-directory": "/dev/null/x",
    "distributed": {
        "comm": {"require-encryption": True, "default-scheme": "ucx", "timeouts": {"connect": "1ms"}},
        "scheduler": {"allowed-failures": "many", "worker-ttl": "1ms", "http": {"routes": ["no.such.module"]}},
        "worker": {"memory": {"terminate": 0.001}, "preload": ["no_such_module"], "daemon": False},
        "nanny": {"preload": ["no_such_module"], "environ": {"OMP_NUM_THREADS": "x"}},
    },
}


def test_what_a_user_has_set_for_dask_does_not_get_into_a_run(tmp_path, expected):
    (tmp_path / "dask.yaml").write_text(yaml.safe_dump(SETTINGS))
    environment = {
        "DASK_CONFIG": str(tmp_path), "DASK_TEMPORARY_DIRECTORY": "/dev/null/x",
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True", "DASK_DISTRIBUTED__WORKER__RESOURCES": "{GPU: 2}",
    }  # fmt: skip
    ended = command.run(stubbed(tmp_path), **environment)
    assert (ended.returncode, ended.stderr) == (COMPLETE, "")
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_what_a_user_has_set_for_matplotlib_does_not_get_into_a_figure(tmp_path, main):
    draw = command.elsewhere(tmp_path, "cluster=serial", "figures.draw=[kuramoto_T]")
    assert main(draw).code == COMPLETE
    first = (tmp_path / "figures" / "kuramoto_T.png").read_bytes()
    with mpl.rc_context({"text.usetex": True, "font.family": "no such font", "axes.facecolor": "red"}):
        assert main([*draw, "action=figures"]).code == COMPLETE
        assert mpl.rcParams["text.usetex"]
    assert _pixels(first) == _pixels((tmp_path / "figures" / "kuramoto_T.png").read_bytes())


def _pixels(png):
    return imread(BytesIO(png)).tobytes()
