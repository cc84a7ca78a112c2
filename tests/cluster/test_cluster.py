"""A scheduler and four workers as processes of their own: the same bytes, and no way it can go wrong unnoticed."""

import contextlib
import io
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest
from distributed import Client
from distributed.deploy.cluster import Cluster as DaskCluster

from pipeline.cluster import dask_client
from pipeline.cluster.security import refuse_readable, write_certificates
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, RequestError
from pipeline.execution.admission import Environment, major
from pipeline.store import open_store
from tests import command
from tests.command import (
    ROOT,
    STUB,
    STUBS,
    Gate,
    connects,
    elsewhere,
    filled,
    needs_another_user,
    open_to_another_user,
    ports_of,
    wait_for,
)  # fmt: skip
from tests.contents import block_bytes, numbered_blocks

pytestmark = pytest.mark.timeout(900)  # of a busy machine

WORKERS = 4
BLOCKS = 12
LONGER = ("axes.T.values=[1,2,3,4,5,6]",)
"""Six points × two blocks."""


class Cluster:
    """`dask scheduler` and `dask worker` processes, and their scheduler file.

    They are started in a folder of their own, not in that of the driver.
    """

    def __init__(self, folder, tls=None):
        self.folder, self.file = folder, folder / "scheduler.json"
        self.certificates = []
        if tls:
            pair = ["--tls-ca-file", tls / "ca.pem", "--tls-cert", tls / "ca.pem", "--tls-key", tls / "key.pem"]
            self.certificates = ["--protocol", "tls://", *map(str, pair)]
        self.processes = []
        at = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self.start("scheduler", [*at, "--scheduler-file", str(self.file)])
        wait_for(self.file.exists, "a scheduler file")

    def start(self, role, options, **environment):
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{role}", *self.certificates, *options],
                    cwd=self.folder,
                    env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                    stdout=log,
                    stderr=log,
                )
            )
        return self.processes[-1]

    def start_worker(self, *options, **environment):
        own = ["--nthreads", "1", "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-nanny"]
        return self.start("worker", ["--scheduler-file", str(self.file), *own, *options], **environment)

    @property
    def address(self):
        return json.loads(self.file.read_text())["address"]

    def close(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@contextlib.contextmanager
def started(folder, workers, tls=None, **environment):
    """A scheduler with workers; all are killed at the end."""
    folder.mkdir(exist_ok=True)
    with contextlib.closing(Cluster(folder, tls)) as running:
        for _ in range(workers):
            running.start_worker(**environment)
        registered = folder / "worker.log"
        wait_for(lambda: not workers or registered.read_text().count("Registered to") == workers, "workers")
        yield running


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler with workers; all are killed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(
            started(tmp_path / "cluster", *arguments, **options)
        )


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory):
    """A scheduler with four workers, for tests that do them no harm."""
    with started(tmp_path_factory.mktemp("four") / "cluster", WORKERS) as running:
        yield running


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of the longer sweep's blocks, computed in this process."""
    return block_bytes(filled(tmp_path_factory.mktemp("expected"), *LONGER))


def request(root, cluster, *overrides):
    """The longer sweep on the workers of a scheduler."""
    return on_scheduler(root, f"cluster.scheduler_file={cluster.file}", *overrides)


def on_scheduler(root, *overrides):
    return [*STUB, *elsewhere(root, *LONGER, "cluster=scheduler", *overrides)]


def said(root, words):
    """Wait until a driver has said something."""
    wait_for(lambda: words in (root / "log").read_text(), f"a driver that says: {words}")


# --- the same command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["file", "address"])
def test_a_sweep_on_four_workers_of_a_scheduler_equals_the_local_one(by, four_workers, tmp_path, expected, main):
    where = f"scheduler_file={four_workers.file}" if by == "file" else f"address='{four_workers.address}'"
    ran = main(on_scheduler(tmp_path, f"cluster.{where}"))
    assert (ran.code, ran.err) == (COMPLETE, "")
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    assert all(process.poll() is None for process in four_workers.processes), "the cluster is its owner's to end"


def test_the_record_of_a_run_says_what_its_workers_were(four_workers, tmp_path, main):
    assert main(request(tmp_path, four_workers)).code == COMPLETE
    (record,) = open_store(tmp_path / "kuramoto_T.zarr").runs()
    (kind,) = record["workers"]
    assert kind["workers"] == WORKERS
    assert len(kind["hosts"]) == 1
    assert kind["cpu"]["features"]
    assert {"python", "numpy", "numba"} <= kind["versions"].keys()
    assert "refused" not in kind


def test_workers_with_several_threads_compute_the_same(cluster, tmp_path, expected, main):
    running = cluster(workers=0)
    running.start_worker("--nthreads", "4")
    assert main(request(tmp_path, running)).code == COMPLETE
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_workers_with_several_threads_are_refused_where_blocks_have_a_time_limit(
    cluster, tmp_path, main, monkeypatch
):
    monkeypatch.setattr("pipeline.execution.admission._PATIENCE_SECONDS", 0.1)
    running = cluster(workers=0)
    running.start_worker("--nthreads", "4")
    ended = main(request(tmp_path, running, "limits.block_seconds=100"))
    assert ended.code == INTERRUPTED
    assert "4 threads, expected 1 with limits.block_seconds" in ended.err


def test_a_driver_waits_for_a_scheduler_and_workers_that_come_later(cluster, tmp_path, start, expected):
    file = tmp_path / "cluster" / "scheduler.json"
    waiting = (f"cluster.scheduler_file={file}", f"cluster.connect_seconds={command.PATIENCE}")
    driver = start(on_scheduler(tmp_path, *waiting), tmp_path / "log")
    said(tmp_path, "blocks to compute")
    running = cluster(workers=0)
    said(tmp_path, "dashboard")
    assert driver.poll() is None
    running.start_worker()
    assert driver.wait(command.PATIENCE) == COMPLETE
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


# --- losses -------------------------------------------------------------------------------------------------


def test_a_scheduler_killed_mid_sweep_ends_in_exit_code_4_and_the_same_command_resumes(
    cluster, tmp_path, start, expected, main
):
    gate, path, log = Gate(tmp_path, blocks=2), tmp_path / "kuramoto_T.zarr", tmp_path / "log"
    running = cluster(workers=1, **gate.environment)
    driver = start(request(tmp_path, running), log)
    wait_for(lambda: len(numbered_blocks(path)) == 2, "two blocks")
    running.scheduler.kill()
    assert driver.wait(command.PATIENCE) == INTERRUPTED, log.read_text()
    assert "interrupted (the Dask scheduler was lost); the same command resumes" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert len(numbered_blocks(path)) == 2 < BLOCKS
    running.close()
    running.file.unlink()
    with started(tmp_path / "cluster", workers=0) as again:
        again.start_worker()
        assert main(request(tmp_path, again)).code == COMPLETE
    assert block_bytes(path) == expected


@pytest.mark.slow
def test_a_scheduler_that_is_frozen_ends_in_exit_code_4(cluster, tmp_path, start):
    """Its sockets stay open, so that nothing but its silence tells."""
    gate = Gate(tmp_path)
    running = cluster(workers=2, **gate.environment)
    patience = "import pipeline.execution.blocks as e; e._REPLY_SECONDS, e._LOST_SECONDS = 1, 3"
    (tmp_path / "impatient_driver.py").write_text(f"{patience}\nfrom pipeline.__main__ import main\nmain()\n")
    driver = start(
        request(tmp_path, running),
        tmp_path / "log",
        module="impatient_driver",
        PYTHONPATH=f"{ROOT}:{tmp_path}",
        DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s",
    )
    gate.wait_for(1)
    running.scheduler.send_signal(signal.SIGSTOP)
    assert driver.wait(command.PATIENCE) == INTERRUPTED, (tmp_path / "log").read_text()
    assert "has not answered for" in (tmp_path / "log").read_text()


def test_a_sweep_completes_though_half_its_workers_are_killed(cluster, tmp_path, start, expected):
    gate = Gate(tmp_path)
    running = cluster(workers=2, **gate.environment)
    driver = start(request(tmp_path, running), tmp_path / "log")
    gate.wait_for(2)
    running.processes[1].kill()
    said(tmp_path, "1 worker gone, 1 left; their blocks are computed again")
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE, (tmp_path / "log").read_text()
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_without_workers_for_the_time_given_a_run_ends_in_exit_code_4(cluster, tmp_path, main):
    running = cluster(workers=0)
    ran = main(request(tmp_path, running, "cluster.no_workers_seconds=1"))
    assert ran.code == INTERRUPTED
    assert re.search(r"no workers for 1 s; .*cluster\.no_workers_seconds.*the same command resumes", ran.out)


def test_workers_all_lost_mid_sweep_end_in_exit_code_4(cluster, tmp_path, start):
    gate, path = Gate(tmp_path, blocks=1), tmp_path / "kuramoto_T.zarr"
    running = cluster(workers=1, **gate.environment)
    driver = start(request(tmp_path, running, "cluster.no_workers_seconds=3"), tmp_path / "log")
    wait_for(lambda: numbered_blocks(path), "a block")
    for worker in running.processes[1:]:
        worker.kill()
    assert driver.wait(command.PATIENCE) == INTERRUPTED, (tmp_path / "log").read_text()
    assert "no workers for 3 s" in (tmp_path / "log").read_text()
    assert len(numbered_blocks(path)) == 1 < BLOCKS


@pytest.fixture
def peer():
    """(what it says) → the port of a process that takes connections and is no scheduler."""
    with contextlib.ExitStack() as at_end:

        def listen(says):
            server = at_end.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve():
                with contextlib.ExitStack() as taken:
                    while True:
                        try:
                            connection = server.accept()[0]
                        except OSError:  # shut down
                            return
                        taken.enter_context(connection)
                        with contextlib.suppress(OSError):  # who connected has gone
                            connection.sendall(says)

            thread = threading.Thread(target=serve)
            thread.start()
            at_end.callback(thread.join)
            at_end.callback(server.shutdown, socket.SHUT_RDWR)
            return server.getsockname()[1]

        yield listen


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64], ids=["", "http", "ff"])
def test_what_is_no_scheduler_is_told_in_one_line(says, peer, tmp_path, main):
    address = f"tcp://127.0.0.1:{peer(says)}"
    ran = main(on_scheduler(tmp_path, f"cluster.address='{address}'", "cluster.connect_seconds=1"))
    assert ran.code == INTERRUPTED
    assert ran.err.startswith(f"error: no scheduler answers at {address} (")
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait_for_a_scheduler_at_once(number, peer, tmp_path, start):
    address = f"tcp://127.0.0.1:{peer(b'')}"
    waiting = (f"cluster.address='{address}'", f"cluster.connect_seconds={4 * command.PATIENCE}")
    driver = start(on_scheduler(tmp_path / "data", *waiting), tmp_path / "log")
    said(tmp_path, "waiting for its answer")
    driver.send_signal(number)
    assert driver.wait(command.PATIENCE) == INTERRUPTED
    assert (
        (tmp_path / "log").read_text().endswith("interrupted; the same command resumes, stored blocks are kept\n")
    )


@pytest.mark.parametrize("address", ["tcp://[::1", "tcp://127.0.0.1:999999", "tcp://127.0.0.1:x", "tcp://:1"])
def test_an_address_that_can_not_be_is_told_by_its_key(address, tmp_path, main):
    ran = main(on_scheduler(tmp_path, f"cluster.address='{address}'"))
    assert ran.code == CONFIG_WRONG
    assert ran.err.startswith("error: cluster.address: expected an address like ")


DEAD = "tcp://127.0.0.1:9"
NO_SCHEDULER = {
    "an address": (f"cluster.address='{DEAD}'", f"no scheduler answers at {DEAD}"),
    "the file of one that died": ("cluster.scheduler_file=$FOLDER/file", f"no scheduler answers at {DEAD}"),
    "a file that is never written": (
        "cluster.scheduler_file=$FOLDER/none",
        "cluster.scheduler_file: expected what `dask scheduler --scheduler-file",
    ),
}


@pytest.mark.parametrize("where", NO_SCHEDULER)
def test_a_scheduler_that_does_not_answer_is_waited_for_aloud_and_leaves_no_store(where, tmp_path, main):
    override, words = NO_SCHEDULER[where]
    (tmp_path / "file").write_text(json.dumps({"address": DEAD}))
    ran = main(on_scheduler(tmp_path, override.replace("$FOLDER", str(tmp_path)), "cluster.connect_seconds=0.5"))
    assert ran.code == INTERRUPTED
    assert "waiting for its answer, at most 0.5 s" in ran.out
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_block_that_raises_is_reported_and_the_rest_goes_on(cluster, tmp_path, main):
    running = cluster(workers=1, RAISING="2")
    ran = main(request(tmp_path, running))
    assert (ran.code, ran.err) == (BLOCKS_FAILED, "")
    (failure,) = [line for line in ran.out.splitlines() if line.startswith("failed: ")]
    assert failure.startswith(f"failed: T=2, block 0: {STUBS}/stub_kuramoto.py, line ")
    assert failure.endswith(", in compute: Unpicklable: this block always raises")
    assert len(numbered_blocks(tmp_path / "kuramoto_T.zarr")) == BLOCKS - 1


def test_workers_that_served_an_interrupted_driver_serve_the_next(cluster, tmp_path, start, expected, main):
    gate = Gate(tmp_path)
    running = cluster(workers=1, **gate.environment)
    driver = start(request(tmp_path, running), tmp_path / "log")
    gate.wait_for(1)
    driver.send_signal(signal.SIGTERM)
    said(tmp_path, "running blocks have")
    gate.open()
    assert driver.wait(command.PATIENCE) == INTERRUPTED
    assert len(numbered_blocks(tmp_path / "kuramoto_T.zarr")) == len(gate.begun()) < BLOCKS
    again = main(request(tmp_path, running))
    assert again.code == COMPLETE, again
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


# --- workers that don't fit ---------------------------------------------------------------------------------


@pytest.fixture
def other_code(tmp_path):
    """The environment of workers that have the stub's module in another form: its code differs by one definition."""
    (tmp_path / "other").mkdir()
    source = (STUBS / "stub_kuramoto.py").read_text()
    assert "BLOCK_LOG" in source
    other = source.replace("    return kuramoto.compute(", "    return (lambda *given: kuramoto.compute(*given))(")
    assert other != source
    (tmp_path / "other" / "stub_kuramoto.py").write_text(other)
    return {"PYTHONPATH": f"{tmp_path / 'other'}:{ROOT}", "BLOCK_LOG": str(tmp_path / "refused blocks")}


def beside_a_stranger(when, running, gate, environment, folder, start):
    """A driver whose one good worker is at work, and another worker that was started before or during its run."""
    if when == "before the driver":
        stranger = running.start_worker(**environment)
        with Client(running.address) as client:
            client.wait_for_workers(2)
    driver = start(request(folder, running), folder / "log")
    gate.wait_for(1)
    if when == "during the run":
        stranger = running.start_worker(**environment)
    return driver, stranger


@pytest.mark.parametrize("when", [pytest.param("before the driver", marks=pytest.mark.slow), "during the run"])
def test_a_worker_with_other_code_is_refused_before_it_computes_and_the_rest_goes_on(
    when, cluster, tmp_path, start, other_code, expected
):
    gate = Gate(tmp_path)
    running = cluster(workers=1, **gate.environment)
    driver, refused = beside_a_stranger(when, running, gate, other_code, tmp_path, start)
    said(tmp_path, "is refused")
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE, (tmp_path / "log").read_text()
    line = next(line for line in (tmp_path / "log").read_text().splitlines() if "is refused" in line)
    assert re.match(r"error: worker tcp://\S+ on \S+ is refused: code [0-9a-f]{16}, expected [0-9a-f]{16}; ", line)
    assert refused.wait(command.PATIENCE) == 0
    assert not (tmp_path / "refused blocks").exists()
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    (record,) = open_store(tmp_path / "kuramoto_T.zarr").runs()
    assert any("code" in kind.get("refused", "") for kind in record["workers"])


def test_a_run_with_none_but_refused_workers_ends_in_exit_code_4(cluster, tmp_path, other_code, main):
    running = cluster(workers=1, **other_code)
    ran = main(request(tmp_path, running, "cluster.no_workers_seconds=2"))
    assert ran.code == INTERRUPTED, ran
    assert "is refused: code" in ran.err
    assert not numbered_blocks(tmp_path / "kuramoto_T.zarr")


@pytest.fixture
def no_project(tmp_path):
    """The environment of workers that can't import the project."""
    (tmp_path / "strange" / "pipeline").mkdir(parents=True)
    (tmp_path / "strange" / "pipeline" / "__init__.py").write_text("raise ModuleNotFoundError('No module x')")
    return {"PYTHONPATH": str(tmp_path / "strange")}


def test_a_run_with_none_but_workers_without_the_project_ends_in_exit_code_4(
    cluster, tmp_path, no_project, main, monkeypatch
):
    monkeypatch.setattr("pipeline.execution.admission._PATIENCE_SECONDS", 0.1)
    running = cluster(workers=2, **no_project)
    ran = main(request(tmp_path, running))
    assert ran.code == INTERRUPTED, ran
    lines = ran.err.splitlines()
    assert len(lines) == 2, ran
    for line in lines:
        assert re.match(
            r"error: worker tcp://\S+ is refused: it can't load the project: ModuleNotFoundError: No module x; ",
            line,
        )
    assert not numbered_blocks(tmp_path / "kuramoto_T.zarr")
    assert [process.wait(command.PATIENCE) for process in running.processes[1:]] == [0, 0]


@pytest.mark.parametrize("when", ["before the driver", "during the run"])
def test_workers_without_the_project_are_left_out_and_the_rest_goes_on(
    when, cluster, tmp_path, start, no_project, expected
):
    gate = Gate(tmp_path)
    running = cluster(workers=1, **gate.environment)
    driver, stranger = beside_a_stranger(when, running, gate, no_project, tmp_path, start)
    stranger.wait(command.PATIENCE)
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE, (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_other_major_versions_are_named_with_what_was_expected():
    here = Environment("c0de", "2", "0.62")
    assert here.differences(here) == ""
    assert here.differences(Environment("c0de", "1", "0.62")) == "numpy 1, expected 2"
    assert (
        here.differences(Environment("beef", "2", "0.61")) == "code beef, expected c0de; numba 0.61, expected 0.62"
    )


@pytest.mark.parametrize(
    ("version", "expected"), [("2.3.1", "2"), ("0.62.0", "0.62"), ("1.0rc1", "1"), ("3", "3")]
)
def test_the_major_version_of_a_package_still_at_0_is_its_second_number(version, expected):
    assert major(version) == expected


# --- TLS ----------------------------------------------------------------------------------------------------


def test_over_tls_a_sweep_completes_and_who_lacks_the_certificate_is_refused(cluster, tmp_path, expected, main):
    tls, others = tmp_path / "tls", tmp_path / "others"
    write_certificates(tls)
    write_certificates(others)
    running = cluster(workers=2, tls=tls)
    assert running.address.startswith("tls://")
    ran = main(request(tmp_path, running, f"cluster.tls={tls}"))
    assert (ran.code, ran.err) == (COMPLETE, "")
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    assert connects(running.address, tls)
    assert not connects(running.address, others)
    assert not connects(running.address.replace("tls", "tcp"), None)
    refused = main(request(tmp_path, running, "ensemble.members=24"))
    assert refused.code == CONFIG_WRONG
    assert "set cluster.tls=FOLDER" in refused.err


@pytest.mark.slow
@needs_another_user
def test_another_user_gets_in_at_no_port_of_a_scheduler_and_its_workers_over_tls_and_without_at_all(
    cluster, tmp_path
):
    """Without TLS anyone does: what the test would see if TLS let others in."""
    write_certificates(tmp_path / "tls")
    running = cluster(workers=1, tls=tmp_path / "tls")
    ports = ports_of(*[process.pid for process in running.processes])
    assert int(running.address.rpartition(":")[2]) in ports
    assert open_to_another_user(ports) == []
    with started(tmp_path / "open", workers=0) as without:
        assert open_to_another_user([without.address.rpartition(":")[2]]) == [without.address]


def test_certificates_are_for_the_user_alone(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pipeline.cluster.security", str(tmp_path / "tls")], cwd=ROOT, check=True
    )
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    for file in ("ca.pem", "key.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / file).stat().st_mode) == 0o600
    refuse_readable(tmp_path / "tls")
    (tmp_path / "tls" / "key.pem").chmod(0o640)
    with pytest.raises(RequestError, match="only you can read"):
        refuse_readable(tmp_path / "tls")
    with pytest.raises(RequestError, match="room for a new folder"):
        write_certificates(tmp_path / "tls")


def test_a_client_of_this_machine_has_workers_as_asked(configure, tmp_path):
    with dask_client(configure(tmp_path, "cluster.workers=1").cluster) as client:
        assert list(client.nthreads().values()) == [1]


def test_what_dask_logs_when_a_cluster_has_closed_is_not_shown(configure, tmp_path, monkeypatch):
    log, shown = logging.getLogger("distributed"), io.StringIO()
    handler = logging.StreamHandler(shown)
    close, closed = DaskCluster._close, []

    async def close_and_log(cluster):
        await close(cluster)
        logging.getLogger("distributed.batched").info("Batched Comm Closed")
        closed.append(cluster)

    monkeypatch.setattr(DaskCluster, "_close", close_and_log)
    log.addHandler(handler)
    try:
        with dask_client(configure(tmp_path, "cluster.workers=1").cluster):
            pass
        assert closed
        assert not shown.getvalue()
        log.info("what follows is shown")
        assert shown.getvalue() == "what follows is shown\n"
    finally:
        log.removeHandler(handler)


@pytest.mark.slow
def test_many_blocks_take_no_more_memory_of_driver_and_scheduler_than_few():
    """200 000 in tests/benchmarks/blocks_through_dask.py. All of these at Dask at once would take some 50 MB."""
    from tests.benchmarks import blocks_through_dask

    _, memory = blocks_through_dask.through_the_executor(4000, samples=4)
    assert memory[-1] - memory[0] < 15
