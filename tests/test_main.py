"""The command line: what it computes, what it leaves alone, what it draws, and how it ends."""

import json
import re
import subprocess

import pytest
from matplotlib.text import Text
from PIL import Image

from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.execution import compute_block
from pipeline.plan import make_plan
from pipeline.request import define
from pipeline.store import open_store, open_sweep, prepare
from tests import command
from tests.command import ROOT, tiny
from tests.contents import block_bytes, files, fill, stored_blocks

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


# --- run ----------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_did_and_where_its_figures_are(ran):
    root, process = ran
    lines = process.stdout.splitlines()
    assert lines[0] == f"{root}/kuramoto_T.zarr: 6 of 6 blocks to compute"
    assert any(re.match(r"computed 6 blocks in \d", line) for line in lines)
    assert lines[-2:] == [f"figure: {png(root)}", f"figure: {pdf(root)}"]


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
    assert again.out == f"figure: {png(root)}\nfigure: {pdf(root)}\n"
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
    assert re.match(r"\d+ core-seconds, .* on 2 workers", rows["predicted"])
    assert list(tmp_path.iterdir()) == []


def test_explain_computes_nothing_and_counts_what_is_missing_and_why(configure, tmp_path, main):
    config = configure(tmp_path)
    sweep = define(config)
    jobs = make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop").jobs()
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
    jobs = make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop").jobs()
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
    assert re.search(r"last run: started \S+, ended \S+, 6 blocks computed", told.out)


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
    for job in list(make_plan(sweep, config.store.path, prepare(config.store.path, sweep), "stop").jobs())[:-1]:
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
        assert "6 of 6 blocks are missing" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_figures_of_an_incomplete_store_are_drawn_on_request_and_marked(partial, main, ran, monkeypatch):
    texts = []

    def save(figure, *_):
        texts.extend(text.get_text() for text in figure.findobj(Text))
        return []

    assert main(tiny(partial, "action=figures", DRAW, "figures.incomplete=true")).code == COMPLETE
    assert png(partial).exists()
    monkeypatch.setattr("pipeline.figures._save", save)
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


# --- several requests at once -------------------------------------------------------------------------------


def test_several_sweeps_run_one_after_the_other(tmp_path):
    arguments = [
        "-m",
        "+sweep=kuramoto_T,kuramoto_delay",
        "sampling.points=4",
        "settings.iterations=40",
        "ensemble.members=8",
        "store.block_members=8",
        "store.records=5",
        f"store.root={tmp_path}",
    ]
    ran = command.run(arguments)
    assert (ran.returncode, ran.stderr) == (COMPLETE, "")
    assert open_sweep(tmp_path / "kuramoto_T.zarr")["status"].sizes == {"T": 4, "member": 8}
    assert open_sweep(tmp_path / "kuramoto_delay.zarr")["status"].sizes == {"delay": 2, "eta": 2, "member": 8}
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        f"{name}.{kind}" for name in ("kuramoto_T", "kuramoto_delay") for kind in ("pdf", "png")
    ]
    assert not (ROOT / "multirun").exists()


def test_one_wrong_request_of_several_does_not_stop_the_others(tmp_path):
    ran = command.run(["-m", *tiny(tmp_path), "settings.eta=-1,3", "store.name=a"])
    assert ran.returncode == CONFIG_WRONG
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: settings.eta: ")
    assert len(stored_blocks(tmp_path / "a.zarr")) == 6
    assert open_store(tmp_path / "a.zarr").fingerprint["settings"]["eta"] == 3
