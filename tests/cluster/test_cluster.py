"""A scheduler and four workers as processes of their own: the same bytes, and no way it can go wrong unnoticed."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time

import pytest
from distributed import Client
from pipeline.cluster.clients import dask_client

from pipeline.cluster.security import refuse_readable, write_certificates
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED, RequestError
from pipeline.execution.admission import Environment, major
from pipeline.request import define
from pipeline.store import open_store
from tests import command
from tests.benchmarks import blocks_through_dask
from tests.command import ROOT, connects, elsewhere, wait_for
from tests.contents import block_bytes, fill, stored_blocks

WORKERS = 4
BLOCKS = 12
LONGER = ("axes.T.values=[1,2,3,4,5,6]",)
"""Six points × two blocks."""
STUB = {"DASK_DISTRIBUTED__WORKER__PRELOAD": '["tests.stub_driver"]'}
"""Workers with the blocks of tests/pipeline/stub_driver.py."""


class Cluster:
    """`dask scheduler` and `dask worker` processes, and their scheduler file."""

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
                    cwd=ROOT,
                    env=os.environ | environment,
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


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler with workers; all are killed at the end."""
    with contextlib.ExitStack() as stack:

        def started(workers=WORKERS, tls=None, **environment):
            folder = tmp_path / "cluster"
            folder.mkdir()
            cluster = stack.enter_context(contextlib.closing(Cluster(folder, tls)))
            for _ in range(workers):
                cluster.start_worker(**environment)
            registered = folder / "worker.log"
            wait_for(lambda: not workers or registered.read_text().count("Registered to") == workers, "workers")
            return cluster

        yield started


@pytest.fixture(scope="module")
def expected(configure, tmp_path_factory):
    """The bytes of the longer sweep's blocks, computed in this process."""
    config = configure(tmp_path_factory.mktemp("expected"), *LONGER)
    fill(define(config), config.store.path)
    return block_bytes(config.store.path)


def request(root, cluster, *overrides):
    return elsewhere(root, *LONGER, "cluster=scheduler", f"cluster.scheduler_file={cluster.file}", *overrides)


def slow(blocks, seconds=1):
    """The environment of workers whose blocks take some time and leave a line each."""
    return {**STUB, "BLOCK_SECONDS": str(seconds), "BLOCK_LOG": str(blocks)}


def begun(blocks):
    return len(blocks.read_text().splitlines()) if blocks.exists() else 0


# --- the same command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["file", "address"])
def test_a_sweep_on_four_workers_of_a_scheduler_equals_the_local_one(by, cluster, tmp_path, expected):
    running = cluster()
    where = f"scheduler_file={running.file}" if by == "file" else f"address='{running.address}'"
    ran = command.run(elsewhere(tmp_path, *LONGER, "cluster=scheduler", f"cluster.{where}"))
    assert (ran.returncode, ran.stderr) == (COMPLETE, "")
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    assert all(process.poll() is None for process in running.processes), "the cluster is its owner's to end"


def test_the_record_of_a_run_says_what_its_workers_were(cluster, tmp_path):
    running = cluster(workers=2)
    assert command.run(request(tmp_path, running)).returncode == COMPLETE
    (record,) = open_store(tmp_path / "kuramoto_T.zarr").runs()
    (kind,) = record["workers"]
    assert kind["workers"] == 2
    assert len(kind["hosts"]) == 1
    assert kind["cpu"]["features"]
    assert {"python", "numpy", "numba"} <= kind["versions"].keys()
    assert "refused" not in kind


def test_workers_with_several_threads_compute_the_same(cluster, tmp_path, expected):
    running = cluster(workers=0)
    running.start_worker("--nthreads", "4")
    assert command.run(request(tmp_path, running)).returncode == COMPLETE
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_a_driver_waits_for_a_scheduler_and_workers_that_come_later(cluster, tmp_path, start, expected):
    file = tmp_path / "cluster" / "scheduler.json"
    driver = start(
        elsewhere(tmp_path, *LONGER, "cluster=scheduler", f"cluster.scheduler_file={file}"), tmp_path / "log"
    )
    time.sleep(3)
    running = cluster(workers=0)
    wait_for(lambda: "dashboard" in (tmp_path / "log").read_text(), "a connection")
    time.sleep(2)
    assert driver.poll() is None
    running.start_worker()
    assert driver.wait(command.PATIENCE) == COMPLETE
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


# --- losses -------------------------------------------------------------------------------------------------


def test_a_scheduler_killed_mid_sweep_ends_in_exit_code_4_and_the_same_command_resumes(
    cluster, tmp_path, start, expected
):
    blocks, path = tmp_path / "blocks", tmp_path / "kuramoto_T.zarr"
    running = cluster(**slow(blocks))
    driver = start(request(tmp_path, running), tmp_path / "log")
    wait_for(lambda: len(stored_blocks(path)) >= 2, "two blocks")
    running.scheduler.kill()
    output = tmp_path / "log"
    assert driver.wait(command.PATIENCE) == INTERRUPTED, output.read_text()
    assert "interrupted (the Dask scheduler was lost); the same command resumes" in output.read_text()
    assert "Traceback" not in output.read_text()
    assert 2 <= len(stored_blocks(path)) < BLOCKS
    running.close()
    running.file.unlink()
    again = Cluster(tmp_path / "cluster")
    with contextlib.closing(again):
        again.start_worker()
        assert command.run(request(tmp_path, again)).returncode == COMPLETE
    assert block_bytes(path) == expected


def test_a_scheduler_that_is_frozen_ends_in_exit_code_4(cluster, tmp_path, start, monkeypatch):
    """Its sockets stay open, so that nothing but its silence tells."""
    blocks = tmp_path / "blocks"
    running = cluster(**slow(blocks))
    patience = "import pipeline.execution.driver as e; e._REPLY_SECONDS, e._LOST_SECONDS = 1, 3"
    (tmp_path / "impatient_driver.py").write_text(f"{patience}\nfrom pipeline.__main__ import main\nmain()\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    driver = start(request(tmp_path, running), tmp_path / "log", module="impatient_driver")
    wait_for(lambda: begun(blocks), "a block")
    running.scheduler.send_signal(signal.SIGSTOP)
    assert driver.wait(command.PATIENCE) == INTERRUPTED, (tmp_path / "log").read_text()
    assert "has not answered for" in (tmp_path / "log").read_text()


def test_a_sweep_completes_though_half_its_workers_are_killed(cluster, tmp_path, start, expected):
    blocks = tmp_path / "blocks"
    running = cluster(**slow(blocks, 0.5))
    driver = start(request(tmp_path, running), tmp_path / "log")
    wait_for(lambda: begun(blocks) >= WORKERS, "four blocks")
    for worker in running.processes[1:3]:
        worker.kill()
    assert driver.wait(command.PATIENCE) == COMPLETE, (tmp_path / "log").read_text()
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


def test_without_workers_for_the_time_given_a_run_ends_in_exit_code_4(cluster, tmp_path):
    running = cluster(workers=0)
    ran = command.run(request(tmp_path, running, "cluster.no_workers_seconds=3"))
    assert ran.returncode == INTERRUPTED
    assert re.search(r"no workers for 3 s; .*cluster\.no_workers_seconds.*the same command resumes", ran.stdout)


def test_workers_all_lost_mid_sweep_end_in_exit_code_4(cluster, tmp_path, start):
    blocks, path = tmp_path / "blocks", tmp_path / "kuramoto_T.zarr"
    running = cluster(**slow(blocks))
    driver = start(request(tmp_path, running, "cluster.no_workers_seconds=3"), tmp_path / "log")
    wait_for(lambda: stored_blocks(path), "a block")
    for worker in running.processes[1:]:
        worker.kill()
    assert driver.wait(command.PATIENCE) == INTERRUPTED, (tmp_path / "log").read_text()
    assert "no workers for 3 s" in (tmp_path / "log").read_text()
    assert len(stored_blocks(path)) < BLOCKS


def test_a_scheduler_that_does_not_answer_ends_in_exit_code_4(tmp_path):
    where = ("cluster=scheduler", "cluster.address='tcp://127.0.0.1:9'", "cluster.connect_seconds=1")
    ran = command.run(elsewhere(tmp_path, *where))
    assert ran.returncode == INTERRUPTED
    assert "no scheduler answers at tcp://127.0.0.1:9" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_scheduler_file_that_is_never_written_ends_in_exit_code_4(tmp_path):
    where = ("cluster=scheduler", f"cluster.scheduler_file={tmp_path}/none", "cluster.connect_seconds=0.5")
    ran = command.run(elsewhere(tmp_path, *where))
    assert ran.returncode == INTERRUPTED
    assert "cluster.scheduler_file: expected what `dask scheduler --scheduler-file" in ran.stderr


def test_a_block_that_raises_is_reported_and_the_rest_goes_on(cluster, tmp_path):
    running = cluster(RAISING="2", **STUB)
    ran = command.run(request(tmp_path, running))
    assert ran.returncode == BLOCKS_FAILED
    assert "failed: T=2, block 0: ArithmeticError: this block always raises" in ran.stdout.splitlines()
    assert len(stored_blocks(tmp_path / "kuramoto_T.zarr")) == BLOCKS - 1


def test_workers_that_served_an_interrupted_driver_serve_the_next(cluster, tmp_path, start, expected):
    blocks = tmp_path / "blocks"
    running = cluster(workers=2, **slow(blocks))
    driver = start(request(tmp_path, running), tmp_path / "log")
    wait_for(lambda: begun(blocks), "a block")
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(command.PATIENCE) == INTERRUPTED
    assert len(stored_blocks(tmp_path / "kuramoto_T.zarr")) == begun(blocks) < BLOCKS
    again = command.run(request(tmp_path, running))
    assert again.returncode == COMPLETE, again.stdout + again.stderr
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


# --- workers that don't fit ---------------------------------------------------------------------------------


@pytest.fixture
def other_code(tmp_path):
    """The environment of workers whose step of learning differs by one definition."""
    (tmp_path / "preload").mkdir()
    (tmp_path / "preload" / "other_code.py").write_text(
        "from pipeline import code\nanother = code.code_digest('kuramoto') ^ 1\n"
        "import pipeline.workers\npipeline.workers.code_digest = lambda system: another\n"
    )
    return {
        "PYTHONPATH": f"{ROOT}:{tmp_path / 'preload'}",
        "DASK_DISTRIBUTED__WORKER__PRELOAD": '["other_code", "tests.stub_driver"]',
        "BLOCK_LOG": str(tmp_path / "refused blocks"),
    }


@pytest.mark.parametrize("when", ["before the driver", "during the run"])
def test_a_worker_with_other_code_is_refused_before_it_computes_and_the_rest_goes_on(
    when, cluster, tmp_path, start, other_code, expected
):
    blocks = tmp_path / "blocks"
    running = cluster(workers=1, **slow(blocks, 0.5))
    if when == "before the driver":
        refused = running.start_worker(**other_code)
        with Client(running.address) as client:
            client.wait_for_workers(2)
    driver = start(request(tmp_path, running), tmp_path / "log")
    if when == "during the run":
        wait_for(lambda: begun(blocks), "a block")
        refused = running.start_worker(**other_code)
    assert driver.wait(command.PATIENCE) == COMPLETE, (tmp_path / "log").read_text()
    line = next(line for line in (tmp_path / "log").read_text().splitlines() if "is refused" in line)
    assert re.match(r"error: worker tcp://\S+ on \S+ is refused: code [0-9a-f]{16}, expected [0-9a-f]{16}; ", line)
    assert refused.wait(command.PATIENCE) == 0
    assert not (tmp_path / "refused blocks").exists()
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    (record,) = open_store(tmp_path / "kuramoto_T.zarr").runs()
    assert any("code" in kind.get("refused", "") for kind in record["workers"])


def test_a_run_with_none_but_refused_workers_ends_in_exit_code_4(cluster, tmp_path, other_code):
    running = cluster(workers=2, **other_code)
    ran = command.run(request(tmp_path, running, "cluster.no_workers_seconds=3"))
    assert ran.returncode == INTERRUPTED, ran.stdout + ran.stderr
    assert "is refused: code" in ran.stderr
    assert not stored_blocks(tmp_path / "kuramoto_T.zarr")


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


def test_over_tls_a_sweep_completes_and_who_lacks_the_certificate_is_refused(cluster, tmp_path, expected):
    tls, others = tmp_path / "tls", tmp_path / "others"
    write_certificates(tls)
    write_certificates(others)
    running = cluster(workers=2, tls=tls)
    assert running.address.startswith("tls://")
    ran = command.run(request(tmp_path, running, f"cluster.tls={tls}"))
    assert (ran.returncode, ran.stderr) == (COMPLETE, "")
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    assert connects(running.address, tls)
    assert not connects(running.address, others)
    assert not connects(running.address.replace("tls", "tcp"), None)
    refused = command.run(request(tmp_path, running, "ensemble.members=24"))
    assert refused.returncode == CONFIG_WRONG
    assert "set cluster.tls=FOLDER" in refused.stderr


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


def test_many_blocks_take_no_more_memory_of_driver_and_scheduler_than_few():
    """200 000 in tests/benchmarks/blocks_through_dask.py. All of these at Dask at once would take some 50 MB."""
    _, memory = blocks_through_dask.through_the_executor(4000, samples=4)
    assert memory[-1] - memory[0] < 15
