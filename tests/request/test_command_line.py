"""From arguments to a composed config: what is refused, and what composing leaves as it was."""

import os
import subprocess
import sys

import pytest
from hydra import initialize, version
from hydra.core.global_hydra import GlobalHydra

from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED, RequestError
from pipeline.request import compose, parse, several
from tests import command
from tests.command import ROOT, tiny

EVIL = "{_target_: distributed.utils.import_file, _args_: [FILE]}"


@pytest.fixture
def evil(tmp_path):
    """A Python file that leaves a mark where it is run; what it says of itself."""

    class Evil:
        mark = tmp_path / "ran"
        file = tmp_path / "evil.py"
        config = EVIL.replace("FILE", str(file))

    Evil.file.write_text(f"open({str(Evil.mark)!r}, 'w').close()\n")
    return Evil


@pytest.fixture
def folder(tmp_path):
    """A folder of a user's own sweeps and systems; a function that writes a file to it."""

    def put(name, text):
        path = tmp_path / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n{text}" if not text.startswith("# @package") else text)
        return path

    put("sweep/mine.yaml", "store: {name: mine}\naxes: {T: {values: [1, 2]}}\nsettings: {iterations: 123}\n")
    put.path = tmp_path / "config"
    return put


def refused(ended, *keys):
    """Assert that a request was refused: one line for each of some keys."""
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    lines = ended.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error"] * len(lines)
    assert [line.split(": ")[1] for line in lines] == list(keys)


# --- keys of Hydra's own ------------------------------------------------------------------------------------

ARGUMENTS = [
    ("hydra.run.dir=x", "hydra.run.dir"),
    ("+hydra.callbacks.x=EVIL", "+hydra.callbacks.x"),
    ("++hydra.callbacks={x: EVIL}", "++hydra.callbacks"),
    ("++hydra={callbacks: {x: EVIL}}", "++hydra"),
    ("hydra.launcher=EVIL", "hydra.launcher"),
    ("~hydra.x", "~hydra.x"),
    ("~hydra", "~hydra"),
    ("hydra/launcher=y", "hydra/launcher"),
    ("+hydra/job_logging@x=y", "+hydra/job_logging@x"),
    ("+group@hydra.callbacks=z", "+group@hydra.callbacks"),
    ("cluster@hydra.callbacks=local", "cluster@hydra.callbacks"),
    ("+cluster@_global_.hydra.callbacks=local", "hydra.callbacks"),
    ("++hydra.searchpath=[pkg://evil]", "++hydra.searchpath"),
]


@pytest.mark.parametrize("action", ["run", "explain"])
@pytest.mark.parametrize(("argument", "key"), ARGUMENTS, ids=[argument for argument, _ in ARGUMENTS])
def test_keys_of_hydras_own_are_refused_as_arguments(argument, key, action, tmp_path, main, evil):
    before = sorted(tmp_path.iterdir())
    refused(main(tiny(tmp_path, f"action={action}", argument.replace("EVIL", evil.config))), key)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("argument", ["-m", "--cfg=job"])
def test_keys_of_hydras_own_are_refused_whatever_is_done_with_the_config(argument, tmp_path, main, evil):
    refused(main(tiny(tmp_path, argument, f"+hydra.callbacks.x={evil.config}")), "+hydra.callbacks.x")
    assert not evil.mark.exists()


FILES = {
    "as a key": ("store: {name: mine}\nhydra: {callbacks: {x: EVIL}}\n", "hydra.callbacks"),
    "as the package": ("# @package hydra.callbacks\nx: EVIL\n", "hydra.callbacks"),
    "as a choice": ("defaults: [{override /hydra/launcher: evil}]\nstore: {name: mine}\n", "hydra.launcher"),
    "as a group elsewhere": ("defaults: [/hydra/launcher@hydra.callbacks: evil]\n", "hydra.callbacks"),
    "as the folder of outputs": ("store: {name: mine}\nhydra: {run: {dir: x}}\n", "hydra.run"),
}


@pytest.mark.parametrize(
    ("group", "case", "action"),
    [("sweep", case, "run") for case in FILES]
    + [("sweep", "as a key", "explain"), ("system", "as a key", "explain"), ("system", "as the package", "run")],
)
def test_keys_of_hydras_own_are_refused_in_files(group, case, action, tmp_path, main, evil, folder):
    text, key = FILES[case]
    folder(f"{group}/evil.yaml", text.replace("EVIL", evil.config))
    folder(
        "hydra/launcher/evil.yaml",
        f"# @package hydra.launcher\n{evil.config[1:-1].replace(', _args_', chr(10) + '_args_')}\n",
    )
    chosen = {"sweep": ["+sweep=evil"], "system": ["+sweep=mine", "system=evil"]}[group]
    root = f"store.root={tmp_path}/data"
    refused(main(["--config-dir", str(folder.path), *chosen, root, f"action={action}"]), key)
    assert not evil.mark.exists()
    assert not (tmp_path / "data").exists()


def test_plugins_of_hydras_are_not_loaded_from_a_folder_of_sweeps(tmp_path, evil, folder):
    (folder.path / "hydra_plugins").mkdir()
    (folder.path / "hydra_plugins" / "evil.py").write_text(evil.file.read_text())
    arguments = ["--config-dir", str(folder.path), *tiny(tmp_path, "action=explain")]
    assert command.run(arguments).returncode == COMPLETE  # a process of its own: Hydra looks for plugins once
    assert not evil.mark.exists()


@pytest.mark.parametrize("module", ["evil", "deep.evil", "antigravity"])
def test_a_module_that_is_no_system_is_not_imported(module, tmp_path, main, evil, folder, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda page: evil.mark.touch())
    (folder.path / "deep").mkdir()
    for place in (folder.path / "evil.py", folder.path / "deep" / "__init__.py", folder.path / "deep" / "evil.py"):
        place.write_text(evil.file.read_text())
    folder("sweep/strange.yaml", f"system: {module}\nsettings: {{a: 1}}\nstore: {{name: strange}}\n")
    arguments = ["--config-dir", str(folder.path), "+sweep=strange", f"store.root={tmp_path}/data"]
    ended = main([*arguments, "action=explain"])
    refused(ended, "system")
    assert "expected a module that assigns SYSTEM = System(…)" in ended.err
    assert not evil.mark.exists()


def test_a_search_path_in_a_file_is_refused(tmp_path, main, folder):
    folder("sweep/evil.yaml", "hydra: {searchpath: ['file:///tmp']}\n")
    ended = main(
        ["--config-dir", str(folder.path), "+sweep=evil", f"store.root={tmp_path}/data", "action=explain"]
    )
    assert (ended.code, ended.out, ended.err.count("\n")) == (CONFIG_WRONG, "", 1)
    assert "hydra.searchpath" in ended.err


def test_references_to_hydras_own_keys_stand_for_nothing(tmp_path, main):
    for reference in ("${hydra:run.dir}", "${hydra.job.name}"):
        refused(main(tiny(tmp_path, f"store.name={reference}")), "store.name")


# --- global state -------------------------------------------------------------------------------------------


def hydra_state():
    return GlobalHydra.instance().hydra, version.getbase()


def attempts():
    """Compose well, badly, and as several."""
    compose(["+sweep=kuramoto_T"])
    several(["+sweep=kuramoto_T", "settings.eta=1,2"])
    for wrong in (["sweep=nonsense"], ["settings.eta=["], ["+cluster@_global_.hydra.callbacks=local"]):
        with pytest.raises(RequestError):
            compose(wrong)


@pytest.mark.parametrize("base", ["1.2", "1.3"])
def test_composing_leaves_hydra_as_it_was(base):
    untouched = hydra_state()
    attempts()
    assert hydra_state() == untouched
    with initialize(version_base=base, config_path=None):
        before = hydra_state()
        assert before != untouched
        attempts()
        assert hydra_state() == before


APPLICATION = """
import hydra
from hydra import version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from pipeline.request import compose


@hydra.main(version_base="1.2", config_path=None)
def application(config):
    before = GlobalHydra.instance().hydra, version.getbase(), HydraConfig.get()
    assert compose(["+sweep=kuramoto_T"]).store.name == "kuramoto_T"
    assert (GlobalHydra.instance().hydra, version.getbase(), HydraConfig.get()) == before
    assert before[0] is not None
    print("as it was")


application()
"""


def test_composing_inside_an_application_of_hydras_leaves_it_as_it_was(tmp_path):
    (tmp_path / "application.py").write_text(APPLICATION)
    ended = subprocess.run(
        [sys.executable, "application.py", "hydra.job.chdir=false", "hydra.output_subdir=null"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "as it was\n"), ended.stderr


# --- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--foo"],
        ["-x"],
        ["--config-name", "a"],
        ["--config-path=a"],
        ["--cfg", "all"],
        ["--multi"],
        ["--config-dir"],
        ["action=explain", "--info"],
    ],
    ids=" ".join,
)
def test_unknown_options_are_refused_in_one_line(arguments, main):
    ended = main(arguments)
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert ended.err.startswith("error: ")
    assert ended.err.endswith("; see python -m pipeline --help\n")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_tells_every_option(flag, main, capsys):
    with pytest.raises(SystemExit) as left:
        main([flag])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("key=value", "+sweep=kuramoto_T", "--config-dir", "--multirun", "--cfg"))


def test_a_folder_of_sweeps_is_taken_in_either_place(folder):
    for arguments in (["--config-dir", str(folder.path), "+sweep=mine"], ["+sweep=mine", "-cd", str(folder.path)]):
        line = parse(arguments)
        assert (line.overrides, line.config_dir, line.multirun, line.show) == (
            ["+sweep=mine"],
            folder.path,
            False,
            False,
        )
        assert compose(line.overrides, line.config_dir).store.name == "mine"


def test_one_folder_of_sweeps_is_taken_and_no_second(tmp_path, main):
    ended = main(["--config-dir", str(tmp_path), "--config-dir", "other", "+sweep=kuramoto_T"])
    refused(ended, "--config-dir")
    assert f"expected one folder, got {tmp_path}, other" in ended.err


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_folder_of_sweeps_that_is_none_is_refused(kind, tmp_path, main):
    (tmp_path / "file").write_text("mine")
    ended = main(["--config-dir", str(tmp_path / kind), "+sweep=kuramoto_T"])
    refused(ended, "--config-dir")
    assert ended.err.endswith(f"expected a folder, got {tmp_path / kind}\n")


def test_several_requests_are_every_combination_of_what_is_listed_and_matched():
    assert several(["+sweep=kuramoto_T", "settings.eta=1,2", "axes.T.values=[1],[2,3]"]) == [
        ["+sweep=kuramoto_T", f"++settings.eta={eta}", f"++axes.T.values={values}"]
        for eta in (1, 2)
        for values in ("[1]", "[2,3]")
    ]
    named = [request[0] for request in several(["sweep=glob(network_robust*)", "settings.eta=1"])]
    assert named == [
        "+sweep=network_robust", "+sweep=network_robust_eta_sigma", "+sweep=network_robust_evolution",
        "+sweep=network_robust_optimum",
    ]  # fmt: skip


def test_several_requests_are_carried_out_and_end_in_the_worst_code(tmp_path, main):
    line = tiny(tmp_path, "action=explain", "axes.T.values=[1]", "settings.iterations=2")
    ended = main([*line, "-m", "store.name=one,two", "settings.eta=1"])
    assert ended.code == 0
    told = [row for row in ended.out.splitlines() if row.startswith("store ")]
    assert [f"{name}.zarr" in row for name, row in zip(("one", "two"), told, strict=True)] == [True, True]
    ended = main([*line, "--multirun", "settings.eta=1,high"])
    assert (ended.code, ended.err) == (CONFIG_WRONG, "error: settings.eta: expected a number, got 'high'\n")
    assert "store " in ended.out


def test_the_status_of_several_sweeps_is_told_though_the_first_is_incomplete(tmp_path, main):
    ended = main([*tiny(tmp_path, "action=status"), "-m", "store.name=one,two"])
    assert (ended.code, ended.err) == (INTERRUPTED, "")
    assert [f"{name}.zarr" in ended.out for name in ("one", "two")] == [True, True]
    ended = main(
        [*tiny(tmp_path, "action=figures", "figures.draw=[kuramoto_T]"), "-m", "store.name=one,two,three"]
    )
    assert ended.code == INTERRUPTED
    assert "one.zarr" in ended.err
    assert "two.zarr" not in ended.err
    assert "2 further requests not begun" in ended.out


def test_several_values_without_multirun_are_refused(tmp_path, main):
    ended = main(tiny(tmp_path, "settings.eta=1,2"))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("option", [["--cfg", "job"], ["-c", "job"], ["--cfg=job"]], ids=" ".join)
def test_the_composed_config_is_printed_as_yaml_and_nothing_is_done(option, tmp_path, main):
    import yaml

    ended = main([*option, *tiny(tmp_path, "settings.eta=4")])
    assert (ended.code, ended.err) == (0, "")
    printed = yaml.safe_load(ended.out)
    assert (printed["settings"]["eta"], printed["axes"], printed["store"]["root"]) == (
        4, {"T": {"values": [1, 2, 3]}}, str(tmp_path)
    )  # fmt: skip
    assert "hydra" not in printed
    assert list(tmp_path.iterdir()) == []


# --- quick settings -----------------------------------------------------------------------------------------


def test_a_quick_scale_applies_the_systems_quick_settings():
    full, quick = compose(["+sweep=kuramoto_T"]), compose(["+sweep=kuramoto_T", "+scale=quick"])
    assert quick.settings.iterations == full.quick.iterations < full.settings.iterations
    assert {**quick.settings, "iterations": 0} == {**full.settings, "iterations": 0}
    assert (quick.store.suffix, quick.ensemble.members) == ("-quick", 32)


@pytest.mark.parametrize(
    "given", ["settings.iterations=7", "++settings.iterations=7", "+settings={iterations: 7}"]
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_the_command_line_gives_wins_over_quick_settings(given, order):
    arguments = ["+sweep=kuramoto_T", given, "+scale=quick"][::order]
    assert compose(arguments).settings.iterations == 7


@pytest.mark.parametrize("order", [1, -1])
def test_quick_settings_win_over_those_of_a_sweep_file(folder, order):
    arguments = ["+sweep=mine", "scale=quick"]
    assert compose(arguments[:1], folder.path).settings.iterations == 123
    assert compose(arguments[::order], folder.path).settings.iterations == 20000


def test_quick_settings_are_those_of_the_chosen_system():
    composed = compose(["+sweep=network_evolution", "+scale=quick"])
    assert composed.settings.iterations == composed.quick.iterations == 200000


def test_quick_settings_may_be_given(folder):
    composed = compose(["+sweep=mine", "+scale=quick", "quick={iterations: 5, delay: 2}"], folder.path)
    assert (composed.settings.iterations, composed.settings.delay) == (5, 2)


def test_a_quick_setting_of_no_system_is_refused(tmp_path, main):
    refused(main(tiny(tmp_path, "+scale=quick", "quick.etta=3")), "settings.etta", "quick.etta")
