"""Sweeps on a real Slurm, as tests/slurm/slurm-up starts one: jobs cancelled, killed, late, requeued; no loss."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest

from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.store import open_store
from tests import command
from tests.command import ROOT, STUB, Gate, connects, elsewhere, filled, open_to_another_user, ports_of, wait_for
from tests.contents import block_bytes, numbered_blocks

BLOCKS = 24
LONGER = ("axes.T.values=[1,2,3,4,5,6,7,8,9,10,11,12]",)
"""Twelve points × two blocks."""


def without_slurm():
    """Why Slurm can't be used here; empty if it can."""
    if shutil.which("sinfo") is None:
        return "no Slurm here; as root on Debian, tests/slurm/slurm-up starts one"
    answer = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, check=False)
    if answer.returncode or not {"idle", "mix", "alloc", "comp"} & set(answer.stdout.split()):
        return f"Slurm has no node that works: {answer.stdout}{answer.stderr}"
    return ""


SKIPPED = without_slurm()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(SKIPPED), reason=SKIPPED or "-"),
    pytest.mark.timeout(900),
]


def slurm(command_line):
    """What one of Slurm's commands says."""
    return subprocess.run(command_line.split(), capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(autouse=True)
def no_jobs_left():
    """Cancel the jobs a test leaves, which may be any of this user: another test waits for its turn."""
    with (Path(gettempdir()) / f"slurm-tests-{os.getuid()}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
        slurm("scancel --me")
        wait_for(lambda: not jobs(), "an empty queue")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of the longer sweep's blocks, computed in this process."""
    return block_bytes(filled(tmp_path_factory.mktemp("expected"), *LONGER))


def request(root, *overrides):
    """The longer sweep in two jobs of two workers."""
    slurm_cluster = (
        "cluster=slurm", "cluster.interface=lo", "cluster.jobs=2", "cluster.cores=2", "cluster.memory=1GB",
        f"cluster.logs={root}/logs", "cluster.walltime=00:10:00", "cluster.grace_seconds=5",
    )  # fmt: skip
    return [*STUB, *elsewhere(root, *LONGER, *slurm_cluster, *overrides)]


def jobs(name="sweep-worker,sweep-driver", states="PENDING,RUNNING,COMPLETING"):
    """Ids of jobs in the queue."""
    return slurm(f"squeue --me --noheader --format=%A --name={name} --states={states}").split()


def processes():
    """(process id, command line) of all Dask workers' processes of this test's jobs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "spawn_main" in line and b"SLURM_JOB_NAME=sweep-worker" in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def logs(root):
    return "".join(path.read_text() for path in sorted(root.rglob("*.out"))) + "".join(
        path.read_text() for path in root.glob("log")
    )


# --- run ----------------------------------------------------------------------------------------------------


def test_a_sweep_in_slurm_jobs_equals_the_local_one_and_leaves_nothing(tmp_path, expected):
    ran = command.run(request(tmp_path))
    assert (ran.returncode, ran.stderr) == (COMPLETE, ""), logs(tmp_path)
    path = tmp_path / "kuramoto_T.zarr"
    assert block_bytes(path) == expected
    (record,) = open_store(path).runs()
    assert sum(kind["workers"] for kind in record["workers"]) >= 1
    assert all(kind["cpu"]["features"] for kind in record["workers"])
    assert [left.name for left in (tmp_path / "logs").iterdir() if left.suffix != ".out"] == []
    wait_for(lambda: not jobs(), "the end of the jobs")


def test_comms_are_tls_on_one_interface_and_certificates_are_the_users_alone(tmp_path, start, expected):
    gate = Gate(tmp_path, blocks=1)
    driver = start(request(tmp_path), tmp_path / "log", **gate.environment)
    wait_for(lambda: numbered_blocks(tmp_path / "kuramoto_T.zarr"), "a block")
    workers = wait_for(processes, "workers")
    (folder,) = (tmp_path / "logs").glob("tls-*")
    assert [oct(path.stat().st_mode)[-3:] for path in (folder, folder / "pair", *folder.rglob("*.pem"))] == [
        "700", "700", "600", "600",
    ]  # fmt: skip
    ports = {}
    for pid in (driver.pid, *workers):
        found = ports_of(pid)
        assert set(found.values()) == {"127.0.0.1"}
        ports[pid] = list(found)
    scheduler = re.findall(r"Registered to:\s+(tls://\S+)", logs(tmp_path))[0]
    assert int(scheduler.rpartition(":")[2]) in ports[driver.pid]
    assert not connects(scheduler.replace("tls", "tcp"), None)
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "pipeline.cluster.security", str(other)], cwd=ROOT, check=True)
    assert not connects(scheduler, other)
    assert connects(scheduler, folder / "pair")
    assert open_to_another_user([port for of_one in ports.values() for port in of_one]) == []
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected
    assert not folder.exists()


def test_a_sweep_completes_though_a_job_is_cancelled_and_a_worker_killed(tmp_path, start, expected):
    path, gate = tmp_path / "kuramoto_T.zarr", Gate(tmp_path, blocks=1)
    driver = start(request(tmp_path), tmp_path / "log", **gate.environment)
    wait_for(lambda: numbered_blocks(path), "a block")
    first = wait_for(lambda: jobs("sweep-worker", "RUNNING"), "a job")
    killed = wait_for(processes, "a worker")[-1]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in processes(), "the end of a worker")
    slurm(f"scancel {first[0]}")
    outputs = tmp_path / "logs"
    wait_for(lambda: len(list(outputs.glob("worker-*.out"))) >= 3, "a job in the cancelled one's place")
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE, logs(tmp_path)
    assert block_bytes(path) == expected


def test_a_walltime_too_short_for_the_sweep_costs_jobs_and_no_results(tmp_path, start, expected):
    """Workers live for 16 to 32 s, and the sweep is held up until the job has ended and another has come."""
    gate = Gate(tmp_path, blocks=2)
    short = ("cluster.walltime=00:01:00", "cluster.margin_seconds=36", "cluster.jobs=1")
    driver = start(request(tmp_path, *short), tmp_path / "log", **gate.environment)
    outputs = tmp_path / "logs"
    wait_for(lambda: len(list(outputs.glob("worker-*.out"))) >= 2, "a second job")
    gate.open()
    assert driver.wait(command.PATIENCE) == COMPLETE, logs(tmp_path)
    assert block_bytes(tmp_path / "kuramoto_T.zarr") == expected


# --- what can't work ----------------------------------------------------------------------------------------


def test_what_slurm_would_not_take_is_a_fault_before_anything_is_written(tmp_path, main):
    for overrides, said in (
        (["cluster.partition=nonsense"], "partition"),
        (["cluster.interface=ib7"], "cluster.interface: expected one of this host's"),
        (["cluster.cores=1000"], "cluster: expected a job that Slurm accepts"),
        (["cluster.partition=nonsense", "action=submit"], "partition"),
    ):
        ended = main(request(tmp_path, *overrides))
        assert ended.code == CONFIG_WRONG
        assert said in ended.err
        assert list(tmp_path.iterdir()) == []


def test_jobs_that_end_before_a_worker_joins_end_the_run_with_where_to_look(tmp_path):
    ran = command.run(request(tmp_path, "cluster.setup=[exit 1]", "cluster.jobs=1"))
    assert ran.returncode == INTERRUPTED, ran.stdout + ran.stderr
    assert re.search(r"Slurm jobs ended before a worker joined; \S+/logs/worker-\*\.out may say why", ran.stdout)


def test_jobs_that_never_start_end_the_run_with_what_to_raise(tmp_path):
    late = ("cluster.directives=['--begin=now+1hour']", "cluster.no_workers_seconds=3")
    ran = command.run(request(tmp_path, *late))
    assert ran.returncode == INTERRUPTED, ran.stdout + ran.stderr
    assert "no workers for 3 s" in ran.stdout
    assert not jobs()


def test_the_jobs_of_a_killed_driver_end_by_themselves(tmp_path, start):
    driver = start(request(tmp_path), tmp_path / "log", **Gate(tmp_path, blocks=1).environment)
    wait_for(lambda: numbered_blocks(tmp_path / "kuramoto_T.zarr"), "a block")
    driver.kill()
    wait_for(lambda: not jobs(states="PENDING,RUNNING"), "the end of the jobs")


# --- submit and leave ---------------------------------------------------------------------------------------


def submit(root, main, monkeypatch, gate):
    """Submit the sweep: it returns, though no block may end. The job's id."""
    for name, value in gate.environment.items():
        monkeypatch.setenv(name, value)
    ended = main(request(root, "action=submit"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    return re.match(r"submitted batch job (\d+);", ended.out)[1]


@pytest.mark.parametrize("how", ["scontrol requeue", "scancel --signal=TERM --batch"])
def test_a_submitted_driver_that_is_requeued_completes_and_status_follows_it(
    how, tmp_path, main, monkeypatch, start, expected
):
    """By an administrator, or by itself, at the TERM that Slurm sends the batch shell before the time limit."""
    path, gate = tmp_path / "kuramoto_T.zarr", Gate(tmp_path, blocks=1)
    job = submit(tmp_path, main, monkeypatch, gate)
    again = main(request(tmp_path, "action=submit"))
    assert (again.code, f"job {job} is in Slurm's queue for it" in again.err) == (CONFIG_WRONG, True)
    watching = start(request(tmp_path, "action=status", "watch=true"), tmp_path / "watched")
    watched = tmp_path / "watched"
    wait_for(lambda: " 1 of 24 blocks" in watched.read_text(), "a status that says so")
    assert main(request(tmp_path, "action=status")).code == INTERRUPTED
    slurm(f"{how} {job}")
    wait_for(lambda: len(open_store(path).runs()) == 2, "another run")
    gate.allow(len(gate.begun()) + 4)
    wait_for(lambda: re.search(r" ([2-9]|1\d) of 24 blocks", watched.read_text()), "a status that says more")
    gate.open()
    assert watching.wait(command.PATIENCE) == COMPLETE, logs(tmp_path)
    assert " 24 of 24 blocks" in watched.read_text()
    assert block_bytes(path) == expected
    assert len(open_store(path).runs()) == 2
    assert slurm(f"squeue --noheader --format=%A --jobs={job}").split() in ([job], [])
    assert main(request(tmp_path, "action=status")).code == COMPLETE


def test_a_cancelled_driver_stays_away_and_status_says_incomplete(tmp_path, main, monkeypatch, start):
    job = submit(tmp_path, main, monkeypatch, Gate(tmp_path, blocks=1))
    watching = start(request(tmp_path, "action=status", "watch=true"), tmp_path / "watched")
    wait_for(lambda: numbered_blocks(tmp_path / "kuramoto_T.zarr"), "a block")
    slurm(f"scancel {job}")
    assert watching.wait(command.PATIENCE) == INTERRUPTED, (tmp_path / "watched").read_text()
    wait_for(lambda: not jobs(), "an empty queue")


# --- examples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["slurm_allocation.sh", "slurm_single_node.sh"])
def test_the_batch_scripts_of_examples_requeue_themselves_and_complete(script, tmp_path, monkeypatch, expected):
    path = tmp_path / "kuramoto_T.zarr"
    gate = Gate(tmp_path)
    environment = {**gate.environment, "PYTHON": sys.executable, "INTERFACE": "lo"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sbatch = [
        "sbatch",
        "--parsable",
        f"--output={tmp_path}/%j.out",
        "--mem-per-cpu=512M",
        f"conf/cluster/{script}",
    ]
    sweep = [*STUB, *elsewhere(tmp_path, *LONGER, "cluster.grace_seconds=5")]
    said = subprocess.run([*sbatch, *sweep], cwd=ROOT, capture_output=True, text=True, check=True)
    gate.wait_for(1)
    slurm(f"scancel --signal=TERM --batch {said.stdout.strip()}")
    wait_for(lambda: "SIGTERM: running blocks have" in logs(tmp_path), "a driver that heeds the signal")
    gate.open()
    wait_for(lambda: len(numbered_blocks(path)) == BLOCKS, f"all blocks: {logs(tmp_path)[-3000:]}")
    wait_for(lambda: not jobs("sweep", "PENDING,RUNNING,COMPLETING"), "the end of the job")
    assert block_bytes(path) == expected
    assert len(open_store(path).runs()) == 2
    assert [left.name for left in ROOT.glob(".sweep-*")] == []
