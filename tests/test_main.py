"""The command line: what it computes, what it leaves alone, what it draws, and how it ends."""

import json
import re
import shutil
import signal
import subprocess
import sys

import pytest
from matplotlib.text import Text
from PIL import Image

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.execution import compute_block
from pipeline.request import define
from pipeline.store import open_store, open_sweep
from tests import command
from tests.command import ROOT, STUB, elsewhere, filled, tiny
from tests.contents import block_bytes, files, fill, prepared, stored_blocks

DRAW = "figures.draw=[kuramoto_T]"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A tiny sweep run as a process, its figure drawn: (folder, what the process said)."""
    root = tmp_path_factory.mktemp("ran")
    process = command.run(tiny(root, DRAW))
    assert (process.returncode, process.stderr) == (COMPLETE, "")
    return root, process


def png(root):
    return root / "figures" / "kuramoto_T.png"


def pdf(root):
    return root / "figures" / "kuramoto_T.pdf"


def drawn_lines(root):
    """What is said of the figure's files: drawn twice, and the numbers drawn."""
    return [f"figure: {root / 'figures' / 'kuramoto_T'}.{kind}" for kind in ("png", "pdf", "csv")]


# --- run ----------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_did_and_where_its_figures_are(ran):
    root, process = ran
    lines = process.stdout.splitlines()
    assert lines[0] == f"{root}/kuramoto_T.zarr: 6 of 6 blocks to compute"
    assert any(re.match(r"computed 6 blocks in \d", line) for line in lines)
    assert lines[-3:] == drawn_lines(root)


def test_the_run_of_a_process_equals_blocks_computed_here(ran, configure, tmp_path):
    config = configure(tmp_path)
    fill(define(config), config.store.path)
    assert block_bytes(config.store.path) == block_bytes(ran[0] / "kuramoto_T.zarr")


def test_a_second_run_computes_nothing_and_redraws(ran, main):
    root, _ = ran
    before = files(root / "kuramoto_T.zarr")
    drawn = png(root).stat().st_mtime_ns, pdf(root).stat().st_mtime_ns
    again = main(tiny(root, DRAW))
    assert (again.code, again.err) == (COMPLETE, "")
    said = f"{root / 'kuramoto_T.zarr'}: nothing to compute, 6 blocks stored"
    assert again.out.splitlines() == [said, *drawn_lines(root)]
    assert files(root / "kuramoto_T.zarr") == before
    assert png(root).stat().st_mtime_ns > drawn[0]
    assert pdf(root).stat().st_mtime_ns > drawn[1]


def test_a_run_leaves_a_record_of_its_circumstances(ran):
    root, _ = ran
    (record,) = open_store(root / "kuramoto_T.zarr").runs()
    assert (record["state"], record["blocks_computed"], record["failed"]) == ("ended", 6, [])
    assert record["commit"] == commit()
    assert isinstance(record["dirty"], bool)
    assert {"python", "numpy", "numba", "dask", "zarr", "xarray"} <= record["versions"].keys()
    assert record["cpu"]["features"]
    assert record["config"]["settings"]["iterations"] == 40
    assert record["config"]["axes"]["T"]["values"] == [1, 2, 3]
    assert "axes.T.values=[1,2,3]" in record["command"]
    assert record["started"] <= record["ended"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_an_import_makes_another_error_of_is_told_in_a_line(number):
    """As that of a compiled module may: its own imports fail, and it says so."""
    script = (
        "import os, sys, pipeline.__main__ as main\n"
        "def ended_by_a_signal(*_):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        sys.stdin.read()\n"
        "    except KeyboardInterrupt:\n"
        "        raise ImportError('initialization failed')\n"
        "main.carry_out = ended_by_a_signal\n"
        "sys.argv[1:] = ['action=list']\n"
        "main.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == INTERRUPTED
    assert ended.stderr == "error: interrupted; the same command resumes, stored blocks are kept\n"


def test_scale_quick_keeps_to_a_store_of_its_own(tmp_path, main):
    ended = main(tiny(tmp_path, "+scale=quick", "action=explain"))
    assert f"{tmp_path}/kuramoto_T-quick.zarr (not there yet)" in ended.out


# --- explain ------------------------------------------------------------------------------------------------


def explained(text):
    """The rows of an explanation."""
    return {line[:12].strip(): line[12:] for line in text.splitlines()}


def test_explain_creates_nothing(tmp_path, main):
    root = tmp_path / "not there"
    ended = main(tiny(root, "action=explain"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    rows = explained(ended.out)
    assert rows["store"] == f"{root}/kuramoto_T.zarr (not there yet)"
    assert rows["points"] == "3 (T: 3 values 1 … 3)"
    assert rows["members"] == "16 a point, in blocks of 8"
    assert rows["blocks"] == "6: 0 stored, 6 to compute"
    assert rows["to compute"] == "6 of points new to the store"
    assert re.match(r"[\d.]+( to [\d.]+)? core-seconds, .* s on 2 workers", rows["predicted"])
    assert list(tmp_path.iterdir()) == []


def test_explain_computes_nothing_and_counts_what_is_missing_and_why(configure, tmp_path, main):
    config = configure(tmp_path)
    sweep = define(config)
    jobs = prepared(sweep, config.store.path).jobs()
    compute_block(next(jobs))
    before = files(tmp_path)
    ended = main(tiny(tmp_path, "action=explain", "axes.T.values=[1,2,3,4]"))
    rows = explained(ended.out)
    assert rows["blocks"] == "8: 1 stored, 7 to compute"
    assert rows["to compute"] == "2 of points new to the store, 5 not computed yet"
    assert files(tmp_path) == before


def test_explain_of_a_complete_store_predicts_nothing(ran, main):
    rows = explained(main(tiny(ran[0], "action=explain")).out)
    assert rows["blocks"] == "6: 6 stored, 0 to compute"
    assert "predicted" not in rows


# --- status -------------------------------------------------------------------------------------------------


def test_status_is_complete_partial_or_nothing_yet_by_its_exit_code(configure, tmp_path, main, ran):
    request = tiny(tmp_path, "action=status")
    nothing = main(request)
    assert (nothing.code, "nothing stored yet" in nothing.out) == (INTERRUPTED, True)
    assert list(tmp_path.iterdir()) == []

    config = configure(tmp_path)
    sweep = define(config)
    jobs = prepared(sweep, config.store.path).jobs()
    compute_block(next(jobs))
    partial = main(request)
    assert (partial.code, "1 of 6 blocks (17%)" in partial.out) == (INTERRUPTED, True)

    fill(sweep, config.store.path)
    complete = main(request)
    assert (complete.code, "6 of 6 blocks (100%)" in complete.out) == (COMPLETE, True)
    assert main(tiny(tmp_path, "action=status", "ensemble.members=17")).code == INTERRUPTED

    root, _ = ran
    told = main(tiny(root, "action=status"))
    assert told.code == COMPLETE
    assert re.search(r"last run: started \S+ \S+ UTC, ended \S+ \S+, 6 blocks computed", told.out)


def test_status_changes_nothing(ran, main):
    root, _ = ran
    before = files(root)
    main(tiny(root, "action=status"))
    assert files(root) == before


# --- figures ------------------------------------------------------------------------------------------------


@pytest.fixture
def partial(configure, tmp_path):
    """The root of a store in which the last block is missing."""
    config = configure(tmp_path)
    sweep = define(config)
    for job in list(prepared(sweep, config.store.path).jobs())[:-1]:
        compute_block(job)
    assert len(stored_blocks(config.store.path)) == 5
    return tmp_path


def test_figures_of_an_incomplete_store_are_refused(partial, main):
    ended = main(tiny(partial, "action=figures", DRAW))
    assert ended.code == INTERRUPTED
    (line,) = ended.err.splitlines()
    assert "1 of 6 blocks are missing" in line
    assert "figures.incomplete=true" in line
    assert not (partial / "figures").exists()


def test_figures_of_no_store_are_refused(tmp_path, main):
    for incomplete in ("false", "true"):
        ended = main(tiny(tmp_path, "action=figures", DRAW, f"figures.incomplete={incomplete}"))
        assert ended.code == INTERRUPTED
        assert ended.err.endswith("nothing is stored yet; run the sweep first\n")
    assert list(tmp_path.iterdir()) == []


def test_figures_of_an_incomplete_store_are_drawn_on_request_and_marked(partial, main, ran, monkeypatch):
    texts = []

    def save(figure, *_):
        texts.extend(text.get_text() for text in figure.findobj(Text))
        return []

    assert main(tiny(partial, "action=figures", DRAW, "figures.incomplete=true")).code == COMPLETE
    assert png(partial).exists()
    monkeypatch.setattr("pipeline.figures._drawing._save", save)
    main(tiny(partial, "action=figures", DRAW, "figures.incomplete=true"))
    assert "incomplete" in texts
    assert any("missing blocks: 1 of 6" in text for text in texts)
    texts.clear()
    main(tiny(ran[0], "action=figures", DRAW, "figures.incomplete=true"))
    assert any("16 members a point" in text for text in texts)
    assert not any("incomplete" in text or "missing" in text for text in texts)


def test_figures_of_points_new_to_the_store_are_drawn_on_request(partial, main):
    ended = main(tiny(partial, "action=figures", DRAW, "figures.incomplete=true", "axes.T.values=[1,2,3,4]"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert png(partial).exists()


def test_png_and_pdf_say_where_they_come_from(ran):
    root, _ = ran
    with Image.open(png(root)) as image:
        of_png = json.loads(image.text["Description"])
    of_pdf = json.loads(pdf_subject(pdf(root)))
    assert of_png == of_pdf
    assert of_png["fingerprint"] == json.loads(json.dumps(open_store(root / "kuramoto_T.zarr").fingerprint))
    assert (of_png["members"], of_png["points"]) == (16, 3)
    assert of_png["commit"] == commit()
    assert isinstance(of_png["dirty"], bool)
    assert of_png["command"].startswith("python -m pipeline ")
    assert "axes.T.values=[1,2,3]" in of_png["command"]


def commit():
    return subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()


def pdf_subject(path):
    """The Subject in a PDF's information dictionary."""
    literal = re.search(rb"/Subject \(((?:[^()\\]|\\.)*)\)", path.read_bytes())[1]
    return re.sub(rb"\\(.)", rb"\1", literal).decode("ascii")


# --- a store alone ------------------------------------------------------------------------------------------


@pytest.fixture
def store(ran, tmp_path):
    """A copy of the store of the tiny run."""
    return shutil.copytree(ran[0] / "kuramoto_T.zarr", tmp_path / "kuramoto_T.zarr")


def of_store(path, *overrides):
    return [f"path={path}", *overrides]


def test_status_of_a_store_is_told_by_its_path_alone(ran, store, main):
    alone = main(of_store(store, "action=status"))
    assert (alone.code, alone.err) == (COMPLETE, "")
    assert alone.out.splitlines()[0] == f"{store}: 6 of 6 blocks (100%), 3 points × 16 members"
    asked_for = main(tiny(ran[0], "action=status")).out.splitlines()
    assert alone.out.splitlines()[1:] == asked_for[1:]


def test_status_of_an_incomplete_store_is_told_by_its_path_alone(partial, main):
    told = main(of_store(partial / "kuramoto_T.zarr", "action=status"))
    assert (told.code, "5 of 6 blocks (83%)" in told.out) == (INTERRUPTED, True)


def test_the_last_run_is_the_last_whatever_the_clock_says(tmp_path, main, monkeypatch):
    line = elsewhere(tmp_path, "cluster=serial")
    monkeypatch.setattr("pipeline.execution.running._now", lambda: "2099-01-01T00:00:00+00:00")
    assert main([*line, "ensemble.members=8"]).code == COMPLETE
    times = iter(["2026-01-02T00:00:00+00:00", "2026-01-01T00:00:00+00:00"])  # set back while it ran
    monkeypatch.setattr("pipeline.execution.running._now", lambda: next(times))
    assert main(line).code == COMPLETE
    assert "last run: started 2026-01-02" in main([*line, "action=status"]).out
    first, second = main([*line, "action=history"]).out.splitlines()[1::2]
    assert first.startswith("1  2099-01-01 00:00 UTC, ended in 0 s: 3 blocks computed")
    assert second.startswith("2  2026-01-02 00:00 UTC, ended in 0 s: 3 blocks computed")


def test_status_of_a_store_needs_no_code_of_its_system(tmp_path, main):
    """Of a system in a folder that the status is not told of."""
    store = filled(tmp_path)
    assert open_store(store).fingerprint["system"] == "stub_kuramoto"
    ended = main(of_store(store, "action=status"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "6 of 6 blocks (100%)" in ended.out


def test_figures_of_a_store_are_those_of_its_last_run(store, main):
    before = files(store)
    ended = main(of_store(store, "action=figures"))
    root = store.parent
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert ended.out.splitlines() == drawn_lines(root)
    assert len(list((root / "figures").iterdir())) == 3
    assert files(store) == before


def test_a_store_that_was_never_drawn_has_the_figure_of_any_sweep(partial, configure, main):
    config = configure(partial)
    fill(define(config), config.store.path)  # blocks without any run
    unnamed = main(of_store(config.store.path, "action=figures"))
    assert (unnamed.code, unnamed.err) == (COMPLETE, "")
    assert unnamed.out.splitlines() == drawn_lines(partial)
    assert "mean_abs_weight" in (partial / "figures" / "kuramoto_T.csv").read_text()
    named = main(of_store(config.store.path, "action=figures", DRAW))
    assert (named.code, named.err) == (COMPLETE, "")
    assert png(partial).exists()


def test_figures_of_an_incomplete_store_are_refused_by_its_path_too(partial, main):
    ended = main(of_store(partial / "kuramoto_T.zarr", "action=figures", DRAW))
    assert (ended.code, "1 of 6 blocks are missing" in ended.err) == (INTERRUPTED, True)
    assert main(of_store(partial / "kuramoto_T.zarr", "action=figures", DRAW, "figures.incomplete=true")).code == 0
    assert png(partial).exists()


@pytest.mark.parametrize(
    "others", [["action=status", "+sweep=kuramoto_T"], ["action=status", "store.name=a"], ["action=submit"],
               ["action=run"], ["action=explain"], ["action=converge"], ["action=merge"], ["action=sing"],
               ["action=figures", "figures.draw=[nothing]"]],
)  # fmt: skip
def test_a_path_goes_with_nothing_that_needs_a_sweep(others, store, main):
    before = files(store.parent)
    ended = main(of_store(store, *others))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    (line,) = ended.err.splitlines()
    key = {"action=sing": "action", "action=figures": "figures.draw[0]"}.get(others[0], "path")
    assert line.startswith(f"error: {key}: ")
    assert files(store.parent) == before


@pytest.mark.parametrize("action", ["status", "figures"])
def test_a_path_has_to_be_that_of_a_store(action, tmp_path, main):
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("mine")
    before = files(tmp_path)
    for name in ("nothing.zarr", "folder.zarr", "file.zarr"):
        ended = main(of_store(tmp_path / name, f"action={action}"))
        assert (ended.code, ended.out) == (CONFIG_WRONG, "")
        (line,) = ended.err.splitlines()
        assert str(tmp_path / name) in line
        assert "expected a store" in line
    assert files(tmp_path) == before


# --- settings that come from other stores -------------------------------------------------------------------


def network(name, root, *overrides):
    """The arguments of a sweep of networks, tiny."""
    return [
        f"+sweep={name}", "settings.iterations=40", "settings.hidden=3", "ensemble.members=8", "store.records=5",
        "store.block_members=8", "figures.draw=[]", "cluster=serial", f"store.root={root}", *overrides,
    ]  # fmt: skip


def test_a_sweep_whose_settings_come_from_a_store_needs_that_store_for_its_run_alone(tmp_path, main):
    """Explained, and its status told, before that store is there and after it is gone."""
    reason = (
        f"settings.threshold.from.store: {tmp_path}/network_functional.zarr: expected a store, got nothing there"
    )
    explained_ = main(network("network_robust", tmp_path, "action=explain"))
    assert (explained_.code, explained_.err) == (COMPLETE, "")
    assert explained(explained_.out)["not known"].startswith(reason)
    assert explained(explained_.out)["blocks"] == "1: 0 stored, 1 to compute"
    told = main(network("network_robust", tmp_path, "action=status"))
    assert (told.code, told.err) == (INTERRUPTED, "")
    assert told.out.splitlines()[-1].startswith(f"not known: {reason}")
    for action in ("run", "submit", "verify", "merge", "converge"):
        refused = main(network("network_robust", tmp_path, f"action={action}"))
        assert (refused.code, refused.out) == (CONFIG_WRONG, "")
        assert refused.err.startswith(f"error: {reason}")
    assert list(tmp_path.iterdir()) == []

    for name in ("network_functional", "network_robust"):
        assert main(network(name, tmp_path)).code == COMPLETE
    shutil.rmtree(tmp_path / "network_functional.zarr")
    before = files(tmp_path)
    told = main(network("network_robust", tmp_path, "action=status"))
    assert (told.code, told.err) == (COMPLETE, "")
    assert "1 of 1 block (100%)" in told.out
    assert told.out.splitlines()[-1].startswith(f"not known: {reason}")
    assert explained(main(network("network_robust", tmp_path, "action=explain")).out)["blocks"].startswith(
        "1: 1 stored"
    )
    assert main(network("network_robust", tmp_path)).code == CONFIG_WRONG
    assert files(tmp_path) == before


# --- in this process, for debuggers -------------------------------------------------------------------------


def test_blocks_of_this_process_end_at_the_first_that_raises_with_its_traceback(tmp_path, main, monkeypatch):
    monkeypatch.setenv("RAISING", "2")
    ended = main([*STUB, *elsewhere(tmp_path, "cluster=serial", "system=stub_kuramoto")])
    assert ended.code == BLOCKS_FAILED
    assert "Traceback (most recent call last)" in ended.err
    assert "Unpicklable: this block always raises" in ended.err
    assert re.search(r'stub_kuramoto\.py", line \d+, in compute\n    raise Unpicklable', ended.err)
    path = tmp_path / "kuramoto_T.zarr"
    assert stored_blocks(path) == {((3.0,), 0)}  # the longest, so the first
    (failed,) = open_store(path).runs()[-1]["failed"]
    assert failed.startswith("T=2, block 0: ")
    kept = block_bytes(path)
    monkeypatch.delenv("RAISING")
    assert main([*STUB, *elsewhere(tmp_path, "cluster=serial")]).code == COMPLETE
    assert len(stored_blocks(path)) == 6
    assert block_bytes(path).items() >= kept.items()


# --- several requests at once -------------------------------------------------------------------------------


def test_several_sweeps_run_one_after_the_other(tmp_path, main):
    arguments = [
        "-m",
        "+sweep=kuramoto_T,kuramoto_delay",
        "sampling.points=4",
        "settings.iterations=40",
        "ensemble.members=8",
        "store.block_members=8",
        "store.records=5",
        "cluster=serial",
        f"store.root={tmp_path}",
    ]
    ran = main(arguments)
    assert (ran.code, ran.err) == (COMPLETE, "")
    assert open_sweep(tmp_path / "kuramoto_T.zarr")["status"].sizes == {"T": 4, "member": 8}
    assert open_sweep(tmp_path / "kuramoto_delay.zarr")["status"].sizes == {"delay": 2, "eta": 2, "member": 8}
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        f"{name}.{kind}" for name in ("kuramoto_T", "kuramoto_delay") for kind in ("csv", "pdf", "png")
    ]
    assert not (ROOT / "multirun").exists()


@pytest.mark.parametrize(
    ("etas", "code"),
    [("3,-1,2", CONFIG_WRONG), ("3,2", BLOCKS_FAILED), ("3,-1", CONFIG_WRONG), ("-1", CONFIG_WRONG)],
)
def test_of_several_codes_the_one_to_act_on_first_is_that_of_the_command(etas, code, tmp_path, main, monkeypatch):
    """The request is to be mended before failed blocks are tried again."""
    monkeypatch.setenv("RAISING", "2")
    line = [*STUB, *tiny(tmp_path, "store.name=eta${settings.eta}", f"settings.eta={etas}"), "-m"]
    assert main(line).code == code
    assert main([*line, "action=status"]).code == (CONFIG_WRONG if "-1" in etas else BLOCKS_FAILED)


def test_an_interrupted_request_of_several_says_so_whatever_the_others_were(tmp_path, main):
    line = [*tiny(tmp_path, "settings.eta=-1,3", "action=status"), "-m"]
    assert main(line).code == INTERRUPTED


def test_one_wrong_request_of_several_does_not_stop_the_others(tmp_path, main):
    ran = main(["-m", *elsewhere(tmp_path), "cluster=serial", "settings.eta=-1,3", "store.name=a"])
    assert ran.code == CONFIG_WRONG
    (line,) = ran.err.splitlines()
    assert line.startswith("error: settings.eta: ")
    assert len(stored_blocks(tmp_path / "a.zarr")) == 6
    assert open_store(tmp_path / "a.zarr").fingerprint["settings"]["eta"] == 3
