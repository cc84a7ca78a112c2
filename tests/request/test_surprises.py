"""What people type and mean: paths with ~ and variables, axes that replace others, near-equal values, quotes."""

import os

import pytest

from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.request import define
from tests.command import elsewhere, tiny


@pytest.fixture
def sweep(configure, tmp_path):
    """The tiny sweep with some overrides."""
    return lambda *overrides: define(configure(tmp_path, *overrides))


# --- paths ---------------------------------------------------------------------------------------------------


ROOTS = ("'~/sweeps'", "$SCRATCH/sweeps", "${oc.env:SCRATCH}/sweeps", r"'\${SCRATCH}/sweeps'")


@pytest.mark.parametrize("root", ROOTS)
def test_home_and_variables_stand_for_what_they_say(root, tmp_path, main, monkeypatch):
    for name in ("HOME", "SCRATCH"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    arguments = [argument for argument in elsewhere(tmp_path, "cluster=serial") if "store.root" not in argument]
    assert main([*arguments, f"store.root={root}", "axes.T.values=[1]"]).code == COMPLETE
    assert (tmp_path / "sweeps" / "kuramoto_T.zarr").is_dir()
    assert [path.name for path in tmp_path.iterdir() if path.name[0] in "~$"] == []
    assert main(["path=$SCRATCH/sweeps/kuramoto_T.zarr", "action=status"]).code == COMPLETE


@pytest.mark.parametrize("root", ["'~nobody_of_this_name/x'", "$NO_SUCH_VARIABLE/x"])
def test_unknown_users_and_variables_are_refused(root, tmp_path, main, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = main([*tiny(tmp_path), f"store.root={root}"])
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: store.root: expected a path whose users and variables are known, got ")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_a_dangling_link_and_a_file_in_the_way_are_told_in_one_line(tmp_path, main):
    (tmp_path / "kuramoto_T.zarr").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    for override in (f"store.name={'x' * 260}", "store.name=kuramoto_T", f"store.root={tmp_path / 'file' / 'x'}"):
        for action in ("run", "status", "explain", "figures", "verify", "history"):
            ended = main([*elsewhere(tmp_path, "cluster=serial"), override, f"action={action}"])
            assert "Traceback" not in ended.err + ended.out
            assert ended.err.count("\n") <= 1


def test_figures_go_where_they_are_asked_to(tmp_path, main):
    draw = elsewhere(
        tmp_path / "a", "cluster=serial", "figures.draw=[kuramoto_T]", f"figures.folder={tmp_path / 'f'}"
    )
    assert main(draw).code == COMPLETE
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        f"kuramoto_T.{kind}" for kind in ("csv", "pdf", "png")
    ]
    assert not (tmp_path / "a" / "figures").exists()
    refused = main([*draw, "figures.folder=/dev/null/x", "action=figures"])
    assert (refused.code, refused.err.count("\n")) == (CONFIG_WRONG, 1)
    assert refused.err.startswith("error: figures.folder: expected a folder that can be written, got /dev/null/x")


@pytest.mark.parametrize("value", ["μ", "a=b", "a(b", "~/x", "a b{c"])
def test_a_value_that_needs_quotes_is_told_with_them(value, tmp_path, main):
    ended = main([*tiny(tmp_path, "action=explain"), f"store.root={value}"])
    assert ended.code == CONFIG_WRONG
    quoted = f'store.root="{value}"'
    assert f"'{quoted}'" in ended.err
    assert main([*tiny(tmp_path, "action=explain"), quoted]).code == COMPLETE


# --- axes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "points"),
    [
        (["axes={sigma: {values: [1, 2]}}"], [(1.0,), (2.0,)]),
        (["axes.T={start: 1, stop: 2, num: 3}"], [(1.0,), (1.5,), (2.0,)]),
        (["axes.T.start=1", "axes.T.stop=2", "axes.T.num=2"], [(1.0,), (2.0,)]),
        (["axes.T={start: 1, stop: 2, num: 3}", "axes.T.values=[7]"], [(7.0,)]),
        (["axes.T.values=[7]", "axes.T={values: [8]}"], [(8.0,)]),
        (["+axes.sigma={values: [3]}", "axes.T.values=[1]"], [(1.0, 3.0)]),
    ],
)
def test_what_is_typed_replaces_what_a_file_says_of_an_axis(overrides, points, sweep):
    assert list(sweep(*overrides).points) == points


def test_a_setting_that_is_given_beside_its_axis_is_told_to_have_no_effect(tmp_path, main):
    warning = "settings.T=30 has no effect, as T is swept: see axes.T, or remove the axis with ~axes.T"
    arguments = elsewhere(tmp_path, "cluster=serial", "settings.T=30")
    assert f"warning     {warning}\n" in main([*arguments, "action=explain"]).out
    assert main(arguments).out.startswith(f"warning: {warning}\n")
    assert "has no effect" not in main([*arguments, "~axes.T", "action=explain"]).out


def test_lists_and_ranges_are_rounded_alike(sweep):
    given = sweep("axes.eta.values=[0.1,0.2,0.30000000000000004]", "~axes.T")
    spread = sweep("axes.eta={start: 0.1, stop: 0.3, num: 3}", "~axes.T")
    assert given.points == spread.points == ((0.1,), (0.2,), (0.3,))
    assert list(given.ids) == list(spread.ids)


def test_near_values_are_told_apart_in_messages(sweep):
    near = sweep("axes.eta.values=[0.123456789,0.123456788]", "~axes.T")
    assert [near.named(point) for point in near.points] == ["eta=0.123456789", "eta=0.123456788"]


# --- types ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["{}", "[]", "1", "{error: 1}", "null"])
def test_a_target_of_no_estimand_is_told_by_its_key(of, tmp_path, main):
    ended = main(tiny(tmp_path, f"ensemble.precision={{of: {of}, half_width: 1}}"))
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: ensemble.precision.of: ")


@pytest.mark.parametrize(
    "content", ["[]", "5", '{"address": 5}', '{"address": null}', '{"address": "nowhere"}', "no JSON"]
)
def test_a_scheduler_file_that_holds_no_address_is_told(content, tmp_path, main):
    (tmp_path / "scheduler.json").write_text(content)
    where = (f"cluster.scheduler_file={tmp_path / 'scheduler.json'}", "cluster.connect_seconds=0.1")
    ended = main(elsewhere(tmp_path, "cluster=scheduler", *where))
    assert ended.err.startswith("error: cluster.scheduler_file: expected what `dask scheduler")
    assert ended.err.count("\n") == 1


def test_a_file_of_patterns_is_not_shown_and_not_read_without_end(tmp_path, main):
    (tmp_path / "secret").write_text("root:the secret of root\n")
    for file in (tmp_path / "secret", "/dev/zero"):
        ended = main(["+sweep=network_evolution", f"settings.patterns=[{file}]", f"store.root={tmp_path}"])
        assert ended.code == CONFIG_WRONG
        assert "the secret" not in ended.err
        assert str(file) in ended.err


def test_as_many_workers_as_dask_counts_cores(tmp_path, configure, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr("dask.system.cpu_count", lambda: 7)
    config = configure(tmp_path, "cluster.workers=null")
    assert config.cluster.worker_count == 7
