"""Settings taken from another store: the value, and faults that name the key and touch nothing."""

import re

import numpy as np
import pytest

from pipeline.actions import requested
from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED, RequestError
from pipeline.request import Origin, define
from pipeline.store import derive, open_sweep
from tests.command import ROOT, tiny
from tests.contents import fill
from tests.store.small import kept, made, wanted

NETWORK = (
    "+sweep=network_eta_sigma",
    f"settings.patterns=[{ROOT / 'data/patterns/vowels.txt'}]",
    "axes.eta={values:[10,100],start:null,stop:null,num:null}",
    "axes.sigma={values:[0.1],start:null,stop:null,num:null}",
    "settings.iterations=40",
    "settings.hidden=3",
    "ensemble.members=11",
    "store.block_members=8",
    "store.records=5",
    "figures.draw=[]",
)


def checked(arguments):
    return requested(Origin("python -m pipeline", tuple(arguments), None))


def taken(store, statistic="median_damaged_error"):
    """The override that takes the threshold from a store."""
    return f"settings.threshold={{from:{{store:{store},statistic:{statistic}}}}}"


def request(root, *overrides):
    return [*NETWORK, f"store.root={root}", "store.name=new", *overrides]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a complete store, one that lacks a block, one without any, and one of another system."""
    root = tmp_path_factory.mktemp("root")
    for name in ("complete", "empty"):
        config = checked(request(root, f"store.name={name}"))
        made(config.store.path, define(config))
        if name == "complete":
            fill(define(config), config.store.path)
    few, more = (
        checked(request(root, "store.name=incomplete", f"ensemble.members={members}")) for members in (8, 16)
    )
    fill(define(few), few.store.path)
    wanted(more.store.path, define(more))
    kuramoto = checked(tiny(root, "store.name=kuramoto"))
    fill(define(kuramoto), kuramoto.store.path)
    return root


def test_a_threshold_is_the_median_of_the_damaged_errors_of_another_store(root):
    stored = open_sweep(root / "complete.zarr")
    expected = np.median(stored["damaged_error"].values)
    assert stored["damaged_error"].size >= 2 * 11 * 3
    assert 0 < expected < 1
    config = checked(request(root, taken("complete")))
    assert config.settings["threshold"] == expected
    origin = config.derived["threshold"]
    assert origin["value"] == expected
    assert (origin["store"], origin["statistic"]) == ("complete", "median_damaged_error")
    assert (origin["members"], origin["seed"]) == (stored.sizes["member"], config.ensemble.seed)
    assert origin["settings"]["hidden"] == 3


def test_a_store_that_was_handed_on_as_an_archive_gives_the_same_value(root, tmp_path, main):
    to = tmp_path / "complete.zarr.zip"
    assert main(["action=export", f"path={root / 'complete.zarr'}", f"to={to}"]).code == COMPLETE
    values = [checked(request(there, taken("complete"))).settings["threshold"] for there in (root, tmp_path)]
    assert values[0] == values[1]


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_value_is_the_mean_or_the_median_of_any_variable_of_any_store(statistic, root):
    for store, variable in (("complete", "final_error"), ("kuramoto", "order_parameter")):
        values = open_sweep(root / f"{store}.zarr")[variable].values
        assert values.size
        config = checked(request(root, taken(store, f"{statistic}_{variable}")))
        assert config.settings["threshold"] == getattr(np, statistic)(values)
        assert config.derived["threshold"]["store"] == store


def test_members_that_diverged_do_not_count(root, tmp_path):
    config = checked(
        request(tmp_path, "store.name=wild", "axes.eta.values=[3e3]", "axes.sigma.values=[1]",
                "ensemble.members=48", "settings.iterations=400")
    )  # fmt: skip
    fill(define(config), config.store.path)
    stored = open_sweep(config.store.path)
    done = stored["status"].values == 1
    assert 0 < done.sum() < done.size
    got = checked(request(tmp_path, taken("wild"))).settings["threshold"]
    assert got == np.median(stored["damaged_error"].values[done])


def test_a_store_whose_members_have_all_diverged_gives_no_value(tmp_path):
    config = checked(
        request(tmp_path, "store.name=wild", "axes.eta.values=[1e5]", "axes.sigma.values=[0.5]",
                "ensemble.members=8", "settings.iterations=400")
    )  # fmt: skip
    fill(define(config), config.store.path)
    assert (open_sweep(config.store.path)["status"] == 2).all()
    with pytest.raises(RequestError, match=r"^settings\.threshold\.from"):
        checked(request(tmp_path, taken("wild")))


def test_other_settings_are_left_alone(root):
    source = {"store": "complete", "statistic": "median_damaged_error"}
    given = {"eta": 3, "frequencies": None, "threshold": {"from": source}}
    values, origins, unknown, faults = derive(given, root)
    assert not unknown
    assert not faults
    assert {**values, "threshold": None} == {**given, "threshold": None}
    assert list(origins) == ["threshold"]
    assert derive({"eta": 3}, root) == ({"eta": 3}, {}, {}, [])
    assert checked(request(root)).derived == {}


NOT_YET = {"missing": "got nothing there", "incomplete": "blocks missing", "empty": "empty yet"}


@pytest.mark.parametrize("store", NOT_YET)
def test_a_value_whose_store_is_not_complete_is_not_known_yet_and_a_run_is_refused_and_touches_nothing(
    store, root, main
):
    before = kept(root)
    ended = main(request(root, taken(store)))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: settings.threshold.from.store: ")
    assert str(root / f"{store}.zarr") in line
    assert NOT_YET[store] in line
    for action, code in (("explain", COMPLETE), ("status", INTERRUPTED)):
        told = main(request(root, taken(store), f"action={action}"))
        assert (told.code, told.err) == (code, "")
        assert re.search(rf"^not known:? +settings\.threshold\.from\.store: .*{NOT_YET[store]}", told.out, re.M)
    assert kept(root) == before


BAD = {
    "unknown statistic": (taken("complete", "mode"), "settings.threshold.from.statistic"),
    "no statistic": ("settings.threshold={from:{store:complete}}", "settings.threshold.from"),
    "no keys": ("settings.threshold={from:complete}", "settings.threshold.from"),
    "unknown key": (
        "settings.threshold={from:{store:complete,statistic:median_damaged_error,point:1}}",
        "settings.threshold.from",
    ),
    "more than a source": ("settings.threshold={from:{store:complete},plus:1}", "settings.threshold"),
    "a list of statistics": (taken("complete", "[mode]"), "settings.threshold.from.statistic"),
    "store of another system": (taken("kuramoto"), "settings.threshold.from"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_source_that_gives_no_value_is_a_fault_and_touches_nothing(case, root, main):
    override, key = BAD[case]
    before = kept(root)
    with pytest.raises(RequestError) as raised:
        checked(request(root, override))
    (fault,) = raised.value.faults
    assert fault.partition(": ")[0].startswith(key)
    ended = main(request(root, override))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert ended.err == f"error: {fault}\n"
    assert kept(root) == before


def test_a_fault_of_a_source_comes_with_all_others(root):
    with pytest.raises(RequestError) as raised:
        checked(request(root, taken("complete", "mode"), "ensemble.members=0"))
    keys = sorted(fault.partition(": ")[0] for fault in raised.value.faults)
    assert keys == ["ensemble.members", "settings.threshold.from.statistic"]


def test_a_request_with_a_derived_setting_is_explained(root, main):
    ended = main(request(root, taken("complete"), "action=explain"))
    assert (ended.code, ended.err) == (COMPLETE, "")
