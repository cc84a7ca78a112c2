"""conf/cluster/: what a cluster section may say, and what is said of one that is wrong."""

import pytest

from pipeline.errors import CONFIG_WRONG
from pipeline.request.clusters import as_walltime, seconds_of
from tests.command import elsewhere, tiny

SLURM = ("cluster=slurm", "cluster.interface=lo")
BAD = {
    "no interface": (["cluster=slurm"], {"cluster.interface"}),
    "walltime in minutes": ([*SLURM, "cluster.walltime=90"], {"cluster.walltime"}),
    "walltime below a minute": ([*SLURM, "cluster.walltime=00:00:30"], {"cluster.walltime"}),
    "walltime shorter than the margin": ([*SLURM, "cluster.walltime=00:05:00"], {"cluster.margin_seconds"}),
    "memory without a unit": ([*SLURM, "cluster.memory=4"], {"cluster.memory"}),
    "no jobs": ([*SLURM, "cluster.jobs=0"], {"cluster.jobs"}),
    "no cores": ([*SLURM, "cluster.cores=0"], {"cluster.cores"}),
    "two lines as one": ([*SLURM, 'cluster.setup=["a\nb"]'], {"cluster.setup[0]"}),
    "a directive that is none": ([*SLURM, "cluster.directives=[exclusive]"], {"cluster.directives[0]"}),
    "a partition of two words": ([*SLURM, "cluster.partition='a b'"], {"cluster.partition"}),
    "logs that sbatch would read otherwise": ([*SLURM, "cluster.logs='a %j'"], {"cluster.logs"}),
    "a key of another kind": ([*SLURM, "cluster.address='tcp://127.0.0.1:1'"], {"cluster.address"}),
    "a key of the driver": ([*SLURM, "cluster.driver.cores=2"], {"cluster.driver.cores"}),
    "no scheduler": (["cluster=scheduler"], {"cluster.scheduler_file"}),
    "two schedulers": (
        ["cluster=scheduler", "cluster.address='tcp://127.0.0.1:1'", "cluster.scheduler_file=a"],
        {"cluster.scheduler_file"},
    ),
    "no address": (["cluster=scheduler", "cluster.address=here"], {"cluster.address"}),
    "open comms off this host": (["cluster=scheduler", "cluster.address='tcp://10.0.0.1:8786'"], {"cluster.tls"}),
    "TLS without certificates": (["cluster=scheduler", "cluster.address='tls://10.0.0.1:8786'"], {"cluster.tls"}),
    "certificates without TLS": (
        ["cluster=scheduler", "cluster.address='tcp://127.0.0.1:8786'", "cluster.tls=folder"],
        {"cluster.tls"},
    ),
    "another kind": (["cluster.kind=cloud"], {"cluster"}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_with_its_key_and_touches_nothing(case, tmp_path, main):
    overrides, keys = BAD[case]
    ended = main(elsewhere(tmp_path, *overrides))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert {line.split(":")[1].strip() for line in ended.err.splitlines()} == keys
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_key_is_answered_with_the_one_that_was_meant(tmp_path, main):
    assert "did you mean walltime?" in main(elsewhere(tmp_path, *SLURM, "cluster.waltime=1")).err


@pytest.mark.parametrize(
    ("walltime", "seconds"), [("00:01:00", 60), ("01:30:05", 5405), ("2-01:00:00", 176400), ("100:00:00", 360000)]
)
def test_walltimes_are_read_as_slurm_reads_them(walltime, seconds):
    assert seconds_of(walltime) == seconds
    assert seconds_of(as_walltime(seconds)) == seconds


def test_a_walltime_is_never_shorter_than_asked():
    assert as_walltime(59.1) == "00:01:00"


def test_submitting_needs_slurm(tmp_path, main):
    ended = main(tiny(tmp_path, "action=submit"))
    assert ended.code == CONFIG_WRONG
    assert "expected submit with cluster=slurm, got cluster=local" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_slurm_is_asked_for_only_where_it_is(tmp_path, main, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = main(elsewhere(tmp_path, *SLURM))
    assert ended.code == CONFIG_WRONG
    assert "sbatch is not in PATH" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_explain_shows_the_job_script_and_proposes_what_to_ask_for_without_slurm(tmp_path, main, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = ("cluster.cores=2", "cluster.account=physics", "cluster.setup=['module load gcc']")
    ended = main(elsewhere(tmp_path, "action=explain", *SLURM, *asked, f"cluster.logs={tmp_path}/logs"))
    assert (ended.code, ended.err) == (0, "")
    rows = {line[:12].strip(): line[12:] for line in ended.out.splitlines()}
    assert "of 2 cores each" in rows["node-hours"]
    assert rows["proposed"] == "cluster.jobs=1 cluster.walltime=00:10:00"
    assert rows["asked for"].startswith("cluster.jobs=4 cluster.walltime=01:00:00, as in the script below; ")
    applied = main(elsewhere(tmp_path, "action=explain", *SLURM, *asked, *rows["proposed"].split())).out
    assert "#SBATCH -t 00:10:00" in applied.splitlines()
    assert "asked for" not in applied
    for line in ("#SBATCH -A physics", "#SBATCH --cpus-per-task=2", "#SBATCH -t 01:00:00", "module load gcc"):
        assert line in ended.out.splitlines()
    assert "--lifetime 3300s --lifetime-stagger 150s" in ended.out
    assert "--interface lo --protocol tls://" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_explain_warns_of_an_interface_that_this_host_has_not(tmp_path, main):
    ended = main(elsewhere(tmp_path, "action=explain", "cluster=slurm", "cluster.interface=eht0"))
    assert ended.code == 0
    (line,) = [line for line in ended.out.splitlines() if line.startswith("warning")]
    assert "cluster.interface: expected one of this host's, " in line
    assert "got 'eht0'; a run on this host is refused" in line
