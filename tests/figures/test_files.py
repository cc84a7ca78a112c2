"""What is asked of the figure stage, and the files it writes."""

import csv
import re

import numpy as np
import pytest

import pipeline
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.figures import _drawing
from tests.command import STUBS, tiny
from tests.figures.drawings import dataset_of

OWN = ["--config-dir", str(STUBS), "system=stub_tiny", "store.name=own", "cluster=serial", "store.block_members=2",
       "ensemble.members=4", "store.records=3"]  # fmt: skip


def own(root, *overrides):
    """A command line for a sweep of a user's own system."""
    return [*OWN, f"store.root={root}", "axes.T.values=[1,2,5]", *overrides]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("figures.draw=[kuramoto_T]", "figures.draw[0]: kuramoto_T draws systems with final_mean_abs_weight, "),
        ("figures.draw=[patterns]", "figures.draw[0]: patterns draws a sweep without axes, got axes T (product)"),
        ("figures.draw=[gone]", "figures.draw[0]: expected one of default, "),
        ("figures.of=[value,gone]", "figures.of[1]: expected one of value, or median_ and a variable, got 'gone'"),
        ("figures.draw=[] figures.of=[value]", "figures.of: what nothing draws is fixed; add figures.draw=null"),
        ("figures.format=[tiff]", "figures.format[0]: expected "),
        ("figures.format=[]", "figures.format: "),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_line_before_anything_is_computed(wrong, said, tmp_path, main):
    ended = main(own(tmp_path, *wrong.split()))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    (line,) = ended.err.splitlines()
    assert line.removeprefix("error: ").startswith(said)
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_ones_own_has_the_figure_of_any_sweep(tmp_path, main):
    ended = main(own(tmp_path, "figures.format=[svg]"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert [line.rpartition("/")[2] for line in ended.out.splitlines()[-2:]] == ["own.svg", "own.csv"]
    drawing = (tmp_path / "figures" / "own.svg").read_text()
    assert "mean: value</text>" in re.sub(r"<!--.*?-->", "", drawing)  # text as text
    assert "4 members a point" in drawing


def test_the_numbers_drawn_are_beside_the_figure(tmp_path, main):
    main(own(tmp_path, "figures.of=[median_value]"))
    with (tmp_path / "figures" / "own.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {"median_value"}
    estimate = pipeline.table(pipeline.open_sweep(tmp_path / "own.zarr"), "median_value")
    drawn = np.array([float(row["estimate"]) for row in rows])
    assert np.isfinite(drawn).sum() == 2  # at one T half of the members diverged
    assert np.allclose(drawn, estimate["estimate"].where(np.isfinite(drawn)), equal_nan=True)
    assert [int(row["count"]) for row in rows] == estimate["count"].values.tolist()
    assert [float(row["T"]) for row in rows] == [1, 2, 5]


def test_nothing_is_drawn_where_nothing_is_asked_for(tmp_path, main):
    assert main(own(tmp_path, "figures.draw=[]")).code == COMPLETE
    assert not (tmp_path / "figures").exists()


def test_a_sweep_of_the_paper_over_other_axes_is_drawn_with_draw_null(tmp_path, main):
    others = ("axes.eta.values=[1,2]", "axes.sigma.values=[0.1,0.2]", "~axes.T", "store.name=new")
    assert main(tiny(tmp_path, "figures.draw=[kuramoto_T]", *others)).code == CONFIG_WRONG
    ended = main(tiny(tmp_path, "figures.draw=null", *others))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert (tmp_path / "figures" / "new.png").exists()


def test_numbers_of_one_request_are_drawn_the_same_twice(tmp_path, main):
    main(own(tmp_path, "figures.format=[svg]"))
    first = (tmp_path / "figures" / "own.svg").read_bytes()
    main(own(tmp_path, "figures.format=[svg]"))
    second = (tmp_path / "figures" / "own.svg").read_bytes()
    dates = re.compile(rb"<dc:date>.*?</dc:date>")
    assert dates.sub(b"", first) == dates.sub(b"", second)


def test_estimands_of_a_store_are_drawn_by_its_path_though_its_sweep_has_a_figure_of_its_own(tmp_path, main):
    assert main(tiny(tmp_path, "figures.draw=[kuramoto_T]", "cluster.workers=1")).code == COMPLETE
    ended = main(["action=figures", f"path={tmp_path / 'kuramoto_T.zarr'}", "figures.of=[error,success]"])
    assert (ended.code, ended.err) == (COMPLETE, "")
    with (tmp_path / "figures" / "kuramoto_T.csv").open() as file:
        assert {row["quantity"] for row in csv.DictReader(file)} == {"error", "success"}


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path, main):
    (tmp_path / "file").write_text("")
    ended = main(own(tmp_path, f"figures.folder={tmp_path / 'file' / 'x'}"))
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: figures.folder: expected a folder that can be written, got")
    assert not (tmp_path / "own.zarr").exists()


def test_a_folder_inside_a_store_is_refused(tmp_path, main):
    main(own(tmp_path))
    before = sorted(path.name for path in (tmp_path / "own.zarr").iterdir())
    ended = main(own(tmp_path, "action=figures", f"figures.folder={tmp_path / 'own.zarr' / 'x'}"))
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: figures.folder: expected a folder that is no part of a store")
    assert sorted(path.name for path in (tmp_path / "own.zarr").iterdir()) == before


@pytest.mark.parametrize("name", ["..", "...png", "a.b"])
def test_a_figure_has_its_format_whatever_the_name_of_its_store(name, tmp_path, main):
    ended = main(own(tmp_path, f"store.name={name}"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_signs_that_the_font_lacks_are_written_without_a_warning(tmp_path):
    files = _drawing._save(
        pipeline.plot(dataset_of({"mode": ["日本", "x"]}), "won"), tmp_path / "x", ["png", "pdf", "svg"], {}
    )
    assert [file.name for file in files] == ["x.png", "x.pdf", "x.svg", "x.csv"]


def test_nothing_stored_is_told_where_incomplete_figures_are_asked_for(tmp_path, main):
    ended = main(own(tmp_path, "action=figures", "figures.incomplete=true"))
    assert ended.err.splitlines()[-1].endswith("nothing is stored yet; run the sweep first")


def test_a_figure_says_that_points_stand_beside_their_x(tmp_path, main):
    assert main(tiny(tmp_path, "figures.draw=[kuramoto_T]", "figures.format=[svg]")).code == COMPLETE
    assert "points at one x are set apart along it" in (tmp_path / "figures" / "kuramoto_T.svg").read_text()
    assert main(own(tmp_path, "figures.format=[svg]")).code == COMPLETE
    assert "set apart" not in (tmp_path / "figures" / "own.svg").read_text()


@pytest.mark.parametrize(
    ("sweep", "setting"), [("network_evolution", "backpropagation_rate"), ("kuramoto_evolution", "trace_duration")]
)
def test_a_figure_of_what_the_settings_leave_out_is_refused_before_anything_is_computed(
    sweep, setting, tmp_path, main
):
    arguments = [f"+sweep={sweep}", f"settings.{setting}=0", f"store.root={tmp_path}", "cluster=serial"]
    ended = main(arguments)
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert f"figures.draw[0]: {sweep} draws" in ended.err
    assert setting in ended.err
    assert "Traceback" not in ended.err
    assert main([*arguments, "figures.draw=null", "action=explain"]).code == COMPLETE


HUGE = """
import numpy as np
from pipeline.schema import Section
from pipeline.systems import ITERATION, System, Variable, recorded

class Settings(Section):
    iterations: int = 4

def compute(settings, seed, members, records):
    count = len(recorded(settings, records))
    return {"path": 1.7e308 * np.where(np.arange(count) % 2, -1.0, 1.0) * np.ones((len(members), 1))}

SYSTEM = System(
    settings=Settings, dimensions=(ITERATION,), variables=(Variable("path", ("iteration",), "path"),), compute=compute
)
"""
"""A system with numbers between which there are none, as floating point has them."""


def test_numbers_that_matplotlib_cannot_draw_are_told_in_a_line(tmp_path, main):
    (tmp_path / "huge_numbers.py").write_text(HUGE)
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "huge_numbers.yaml").write_text(
        "# @package _global_\nsystem: huge_numbers\nsettings: {}\n"
    )
    asked = ["--config-dir", str(tmp_path), "system=huge_numbers", "store.name=huge", "cluster=serial", "axes={}",
             "ensemble.members=4", "store.block_members=2", "store.records=5", f"store.root={tmp_path}"]  # fmt: skip
    ended = main([*asked, "figures.draw=null"])
    (line,) = ended.err.splitlines()
    assert line.startswith(f"error: figures.draw: {tmp_path / 'huge.zarr'}: Matplotlib can't draw its numbers: ")
    assert main([*asked, "figures.draw=[]"]).code == COMPLETE
    assert main([*asked, "action=report"]).code == COMPLETE
    assert "the figure can&#39;t be drawn" in (tmp_path / "report" / "huge.html").read_text()
