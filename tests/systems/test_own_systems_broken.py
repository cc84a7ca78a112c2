"""What a broken or unusual system of one's own must not do: give other numbers, hide an edit, or end in a traceback."""

import os
import shutil
import sys

import numpy as np
import pytest

import pipeline
from pipeline.__main__ import exit_code
from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG
from tests.contents import files

MODEL = """
import sys
import numpy as np
from pipeline.schema import Section
from pipeline.systems import Dimension, Estimand, System, Variable, streams
class Settings(Section):
    a: float = 0.0
    list_: list[float] = [3.0, 1.0]
def coordinate(settings, records):
    return np.array([1.0, 2.0])
def compute(settings, seed, members, records):
    return {"y": np.array([stream.standard_normal() + settings["a"] for stream in streams(seed, members)])}
SYSTEM = System(settings=Settings, dimensions=(), variables=(Variable("y", (), "y"),), compute=compute)
"""
SMALL = ["store.name=s", "ensemble.members=8", "store.block_members=8"]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A function that writes a model with edits of its text, in a folder of its own, and gives its arguments."""
    monkeypatch.chdir(tmp_path)
    count = iter(range(100))

    def written(*edits, text=MODEL):
        name = f"broken{next(count)}_{os.getpid()}"
        folder = tmp_path / "mine"
        (folder / "system").mkdir(parents=True, exist_ok=True)
        for before, after in edits:
            assert before in text
            text = text.replace(before, after)
        (folder / f"{name}.py").write_text(text)
        (folder / "system" / f"{name}.yaml").write_text(f"# @package _global_\nsystem: {name}\nsettings: {{}}\n")
        return ["--config-dir", str(folder), f"system={name}", *SMALL]

    return written


def test_swept_numbers_that_are_not_finite_are_refused(model, capsys, tmp_path):
    arguments = model()
    for value in ("nan", "inf", "1e400"):
        assert exit_code([*arguments, f"axes.a.values=[{value},1]", "cluster=serial"]) == CONFIG_WRONG
        assert "axes.a: expected finite numbers" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_folder_that_a_request_names_is_the_one_that_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {}
    for folder, number in (("one", 1.0), ("two", 2.0)):
        (tmp_path / folder / "system").mkdir(parents=True)
        text = MODEL.replace('stream.standard_normal() + settings["a"]', str(number))
        (tmp_path / folder / "same_name.py").write_text(text)
        (tmp_path / folder / "system" / "x.yaml").write_text(
            "# @package _global_\nsystem: same_name\nsettings: {}\n"
        )
        dataset = pipeline.run("system=x", *SMALL, f"store.name={folder}", "cluster=serial", config_dir=folder)
        values[folder] = set(dataset["y"].values)
    assert values == {"one": {1.0}, "two": {2.0}}
    monkeypatch.chdir(tmp_path / "one")
    with pytest.raises(pipeline.RequestError, match="expected one module same_name, got one in each of"):
        pipeline.explain("system=x", *SMALL, config_dir=tmp_path / "two")


@pytest.mark.parametrize("link", ["of the helper", "of the module"])
def test_an_edit_behind_a_symbolic_link_makes_stale(link, model, tmp_path, capsys):
    helped = [("import sys\n", "import sys\nfrom a_linked_helper import K\n"), ('+ settings["a"]', "* 0 + K")]
    arguments = [*model(*helped), "cluster=serial"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    helper, module = tmp_path / "mine" / "a_linked_helper.py", tmp_path / "mine" / f"{arguments[2][7:]}.py"
    helper.write_text("K = 1.0\n")
    target = helper if link == "of the helper" else module
    shutil.move(target, elsewhere / target.name)
    target.symlink_to(elsewhere / target.name)
    assert exit_code(arguments) == COMPLETE
    (helper.resolve()).write_text("K = 22.0\n")
    capsys.readouterr()
    assert exit_code([*arguments, "ensemble.members=16"]) == CONFIG_WRONG
    assert "changed since: a_linked_helper.K" in capsys.readouterr().err


def test_bytecode_of_an_edit_with_the_same_time_and_size_is_not_used(model, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    arguments = [*model(("stream.standard_normal()", "0 * stream.standard_normal() + 1.0")), "cluster=serial"]
    module = tmp_path / "mine" / f"{arguments[2][7:]}.py"
    os.utime(module, (1e9, 1e9))
    assert exit_code(arguments) == COMPLETE
    module.write_text(module.read_text().replace("+ 1.0", "+ 2.0"))
    os.utime(module, (1e9, 1e9))
    dataset = pipeline.run(*arguments[2:], "on_stale=recompute", config_dir=arguments[1])
    assert set(dataset["y"].values) == {2.0}


def test_a_coordinate_that_changed_is_noticed(model, capsys, tmp_path):
    edits = [
        ("dimensions=(),", 'dimensions=(Dimension("k", "k", "1", (), coordinate),),'),
        ("compute=compute", "compute=compute"),
    ]
    arguments = [*model(*edits), "cluster=serial"]
    assert exit_code(arguments) == COMPLETE
    module = tmp_path / "mine" / f"{arguments[2][7:]}.py"
    module.write_text(module.read_text().replace("[1.0, 2.0]", "[10.0, 20.0]"))
    capsys.readouterr()
    assert exit_code([*arguments, "ensemble.members=16"]) == CONFIG_WRONG
    assert "its coordinate k has other values" in capsys.readouterr().err


def test_a_store_that_is_made_anew_at_its_place_is_not_taken_for_the_old_one(model, tmp_path):
    arguments = model()
    run = [*arguments[2:], "cluster=serial"]
    pipeline.run(*run, "store.block_members=24", "ensemble.members=48", config_dir=arguments[1])
    shutil.rmtree(tmp_path / "data" / "s.zarr")
    dataset = pipeline.run(*run, "ensemble.members=48", config_dir=arguments[1])
    assert np.isfinite(dataset["y"]).all()


def test_a_model_that_changes_its_settings_changes_its_own_copy(model):
    edits = [('stream.standard_normal() + settings["a"]', 'float(len(settings["list_"]))')]
    text = MODEL.replace('    return {"y"', '    settings["list_"].append(1.0)\n    return {"y"')
    arguments = model(*edits, text=text)
    dataset = pipeline.run(*arguments[2:], "axes.a.values=[1,2,3]", "cluster=serial", config_dir=arguments[1])
    assert set(dataset["y"].values.ravel()) == {3.0}


REFUSED = {
    "a name with a slash": ('Variable("y", (), "y")', 'Variable("a/b", (), "y")', "expected a name of letters"),
    "dims that are no tuple": ('Variable("y", (), "y")', 'Variable("y", ("k"), "y")', "expected dims as a tuple"),
    "dimensions that are none": ("dimensions=()", "dimensions=3", "dimensions: expected a tuple of Dimension"),
    "settings that are no Section": ("(Section)", "", "settings: expected a subclass of pipeline.schema.Section"),
    "an estimand of nothing": (
        "compute=compute", 'compute=compute, estimands={"e": Estimand("mean", ("z",), None)}',
        "estimand e: expected variables",
    ),
    "a coordinate that raises": (
        "dimensions=()", 'dimensions=(Dimension("k", "k", "1", (), lambda s, r: s["nothing"]),)', "system: k: KeyError",
    ),
    "a coordinate of no numbers": (
        "dimensions=()", 'dimensions=(Dimension("k", "k", "1", (), lambda s, r: [[1, 2]]),)', "system: k: expected",
    ),
    "work of zero": ("compute=compute", "compute=compute, work=lambda s: 0", "work: expected numbers above 0"),
    "work that raises": ("compute=compute", "compute=compute, work=lambda s: 1 / 0", "work: "),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("action", ["explain", "run"])
def test_a_system_that_can_not_be_is_refused_in_one_line(case, action, model, capsys, tmp_path):
    before, after, told = REFUSED[case]
    arguments = model((before, after))
    found = files(tmp_path)
    assert exit_code([*arguments, f"action={action}", "cluster=serial"]) == CONFIG_WRONG
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert {name for name in files(tmp_path) if not name.endswith(".pyc")} == set(found)


FAILING = {
    "masked": ('"y": np.array(', '"y": np.ma.masked_all(len(members)) if members.size else np.array('),
    "whole numbers beyond doubles": (
        '"y": np.array(',
        '"y": np.full(len(members), 2**53 + 1) if 1 else np.array(',
    ),
    "leaves": ("    return {", "    sys.exit(0)\n    return {"),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_a_model_gives_is_refused_before_it_is_stored(case, model, capsys):
    arguments = [*model(FAILING[case]), "cluster=serial"]
    assert exit_code(arguments) == BLOCKS_FAILED
    assert "0 of 1 block " in status_of(arguments, capsys)


def status_of(arguments, capsys):
    capsys.readouterr()
    exit_code([*arguments, "action=status"])
    return capsys.readouterr().out


@pytest.mark.parametrize("text", ["a: [1", "a:\t1\n b: 2", "defaults: 5", "a: \udce9"])
def test_a_file_that_is_no_yaml_is_a_fault_in_one_line(text, tmp_path, capsys):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "z.yaml").write_bytes(f"# @package _global_\n{text}\n".encode(errors="surrogateescape"))
    assert exit_code(["--config-dir", str(tmp_path), "system=z", "store.name=s", "action=explain"]) == CONFIG_WRONG
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_that_was_in_the_path_stays_there(model, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    pipeline.explain("+sweep=kuramoto_T", "+scale=quick")
    before = list(sys.path)
    for arguments in (model(), model()):
        pipeline.explain(*arguments[2:], config_dir=arguments[1])
    pipeline.explain("+sweep=kuramoto_T", "+scale=quick")
    assert sys.path == before
