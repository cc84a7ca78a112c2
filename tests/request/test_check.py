"""A wrong request: exit code 2, one line a fault with its full key, and nothing touched."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.errors import COMPLETE, CONFIG_WRONG, RequestError
from pipeline.request import Derived, Known, Origin, check, define, plain
from tests import command
from tests.command import default, tiny
from tests.contents import files, fill

REAL_SETTINGS = (
    "frequency_half_width", "eta", "sigma", "dt", "T", "weight_control", "target_order_parameter",
    "target_mean_abs_weight", "fixed_discarded", "fixed_duration", "trace_duration",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(configure, tmp_path_factory):
    """A folder with the tiny sweep's store, complete."""
    root = tmp_path_factory.mktemp("root")
    config = configure(root)
    fill(define(config), config.store.path)
    return root


def fault_keys(stderr):
    """The keys of the faults in an error output made of nothing else."""
    lines = stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines), stderr
    return [line.removeprefix("error: ").partition(": ")[0] for line in lines]


BAD = {
    "unknown sweep": (["sweep=nonsense"], ["sweep"]),
    "unknown system": (["system=nonsense"], ["system"]),
    "unknown cluster": (["cluster=nonsense"], ["cluster"]),
    "unknown scale": (["scale=nonsense"], ["scale"]),
    "unknown setting": (["settings.etta=3"], ["settings.etta"]),
    "unknown key": (["ensemble.member=3"], ["ensemble.member"]),
    "unknown section": (["stores.root=elsewhere"], ["stores"]),
    "unknown key of an axis": (["axes.T.step=3"], ["axes.T.step"]),
    "negative dt": (["settings.dt=-1"], ["settings.dt"]),
    "T below dt": (["~axes.T", "settings.T=0.01"], ["settings.T"]),
    "no members": (["ensemble.members=0"], ["ensemble.members"]),
    "part of a member": (["ensemble.members=2.5"], ["ensemble.members"]),
    "members in words": (["ensemble.members=many"], ["ensemble.members"]),
    "negative seed": (["ensemble.seed=-1"], ["ensemble.seed"]),
    "blocks of a part of a vector": (["store.block_members=12"], ["store.block_members"]),
    "one record": (["store.records=1"], ["store.records"]),
    "a store elsewhere": (["store.name=../elsewhere"], ["store.name"]),
    "unknown action": (["action=dance"], ["action"]),
    "unknown figure": (["figures.draw=[nonsense]"], ["figures.draw[0]"]),
    "no policy": (["on_stale=hope"], ["on_stale"]),
    "no workers": (["cluster.workers=0"], ["cluster.workers"]),
    "target above 1": (["settings.target_order_parameter=1.5"], ["settings.target_order_parameter"]),
    "nan": (["settings.eta=nan"], ["settings.eta"]),
    "infinite": (["settings.eta=inf"], ["settings.eta"]),
    "empty": (["settings.eta="], ["settings.eta"]),
    "missing": (["settings.eta=???"], ["settings.eta"]),
    "null": (["settings.eta=null"], ["settings.eta"]),
    "yes for a number": (["settings.eta=true"], ["settings.eta"]),
    "yes in an axis": (["axes.T.values=[1,true]"], ["axes.T.values[1]"]),
    "reference to nothing": (["settings.eta=${nothing}"], ["settings.eta"]),
    "a list for a number": (["settings.eta=[1,2]"], ["settings.eta"]),
    "a number for a section": (["settings=3"], ["settings"]),
    "a frequency too few": (["settings.frequencies=[1,2]"], ["settings.frequencies"]),
    "empty axis": (["axes.T.values=[]"], ["axes.T.values"]),
    "nan in an axis": (["axes.T.values=[1,nan,3]"], ["axes.T.values[1]"]),
    "duplicate in an axis": (["axes.T.values=[1,2,1]"], ["axes.T"]),
    "axis out of bounds": (["axes.T.values=[1,2,0.01]"], ["axes.T.values[2]"]),
    "axis that is no setting": (["axes.beta.values=[1,2]"], ["axes.beta"]),
    "numbers on an axis of lists": (
        ["axes.frequencies.values=[1,2]"], ["axes.frequencies.values[0]", "axes.frequencies.values[1]"]
    ),
    "part of an iteration": (["axes.delay.values=[1,1.5]"], ["axes.delay.values[1]"]),
    "spacing lost": (["axes.T.values=null", "axes.T.start=1", "axes.T.stop=3"], ["axes.T.num"]),
    "part of a range": (["axes.T={start:1,stop:3}"], ["axes.T.num"]),
    "values and a range": (["axes.T={values:[1,2],start:1,stop:3,num:3}"], ["axes.T"]),
    "logarithm of zero": (["axes.T={values:null,start:0,stop:3,num:3,scale:log}"], ["axes.T"]),
    "combination out of bounds": (["axes.T.values=[1,3]", "axes.dt.values=[0.05,1.5]"], ["axes.T"]),
    "part of a step": (["~axes.T", "settings.T=0.44", "settings.dt=0.3"], ["settings.T"]),
    "parts of steps in an axis": (
        ["axes.T.values=[1,1.02,2,2.96]"], ["axes.T.values[1]", "axes.T.values[3]"]
    ),
    "parts of steps in a range": (["axes.T={values:null,start:1,stop:2,num:30}"], ["axes.T"]),
    "parts of a swept step": (["~axes.T", "settings.T=1", "axes.dt.values=[0.05,0.3,0.4]"], ["settings.T"]),
    "parts of steps where both are swept": (
        ["axes.dt.values=[0.05,0.3,0.4]", "axes.eta.values=[1,2]"], ["axes.T"]
    ),
    "parts of steps in a zip": (
        ["sampling.method=zip", "axes.T.values=[1,2]", "axes.dt.values=[0.1,0.3]"], ["axes.T"]
    ),
    "hypercube within a step": (
        ["sampling.method=latin_hypercube", "sampling.points=2", "axes.T.values=[1.01,1.04]"], ["axes.T"]
    ),
    "hypercube of too few steps": (
        ["sampling.method=latin_hypercube", "sampling.points=4", "axes.T.values=[1,1.1]"], ["axes"]
    ),
    "zip of unequal lengths": (["sampling.method=zip", "axes.eta.values=[1,2]"], ["axes"]),
    "hypercube without points": (["sampling.method=latin_hypercube"], ["sampling.points"]),
    "several": (
        ["settings.dt=-1", "ensemble.members=0", "settings.etta=1", "settings.sigma=", "axes.T.values=[1,nan]"],
        ["ensemble.members", "axes.T.values[1]", "settings.dt", "settings.sigma", "settings.etta"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_with_its_key_and_touches_nothing(case, root, main):
    overrides, keys = BAD[case]
    before = files(root)
    ended = main(tiny(root, *overrides))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    assert sorted(fault_keys(ended.err)) == sorted(keys)
    assert files(root) == before


@pytest.mark.parametrize("case", ["unknown sweep", "several"])
def test_a_fault_ends_the_process_with_exit_code_2(case, root):
    overrides, keys = BAD[case]
    before = files(root)
    ended = command.run(tiny(root, *overrides))
    assert (ended.returncode, ended.stdout) == (CONFIG_WRONG, "")
    assert sorted(fault_keys(ended.stderr)) == sorted(keys)
    assert files(root) == before


def test_the_request_without_faults_is_accepted(root, main):
    ended = main(tiny(root, "action=explain"))
    assert (ended.code, ended.err) == (COMPLETE, "")


def test_a_request_without_a_sweep_or_a_name_says_how_to_choose_one(tmp_path, main):
    ended = main([f"store.root={tmp_path}"])
    assert ended.code == CONFIG_WRONG
    assert fault_keys(ended.err) == ["store.name"]
    assert "+sweep=" in ended.err


@pytest.mark.parametrize("action", ["run", "explain"])
def test_a_root_that_can_not_be_a_folder_is_a_fault(action, tmp_path, main):
    (tmp_path / "file").write_text("mine")
    before = files(tmp_path)
    ended = main(tiny(tmp_path / "file", f"action={action}"))
    assert ended.code == CONFIG_WRONG
    assert fault_keys(ended.err) == ["store.root"]
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("override", "near"),
    [("settings.etta=1", "eta"), ("ensemble.member=1", "members"), ("axes.delai.values=[1]", "delay")],
)
def test_an_unknown_key_is_answered_with_the_one_that_was_meant(override, near, root, main):
    assert main(tiny(root, override)).err.endswith(f"did you mean {near}?\n")


@pytest.mark.parametrize("nameless", ["=3", "++=3", "="])
def test_an_argument_without_a_key_is_refused(nameless, tmp_path, main):
    ended = main(tiny(tmp_path, nameless))
    assert (ended.code, ended.err) == (CONFIG_WRONG, f"error: {nameless}: expected key=value, got no key\n")


@pytest.mark.parametrize("word", ["sweep", "cluster", "system"])
def test_an_unknown_choice_is_answered_with_the_choices(word, root, main):
    known = {"sweep": "kuramoto_delay", "cluster": "local", "system": "kuramoto"}[word]
    error = main(tiny(root, f"{word}=nonsense")).err
    assert known in error
    assert "nonsense" in error


@pytest.mark.parametrize("action", ["run", "explain", "status", "figures"])
def test_another_sweep_at_the_same_path_is_refused_with_the_differences(action, root, main):
    store = root / "kuramoto_T.zarr"
    before = files(store)
    different = ("settings.eta=4", "ensemble.seed=2", "store.records=6")
    ended = main(tiny(root, f"action={action}", "figures.draw=[kuramoto_T]", *different))
    assert ended.code == CONFIG_WRONG
    assert fault_keys(ended.err) == ["ensemble.seed", "settings.eta", "store.records", "store.name"]
    seed, eta, records, _ = ended.err.splitlines()
    assert ("holds 1," in seed, "request for 2" in seed) == (True, True)
    assert (f"holds {default('eta')}," in eta, "request for 4.0" in eta) == (True, True)
    assert ("holds 5," in records, "request for 6" in records) == (True, True)
    assert files(store) == before


def test_axes_of_another_sweep_at_the_same_path_are_refused(root, main):
    store = root / "kuramoto_T.zarr"
    before = files(store)
    ended = main(tiny(root, "axes.eta.values=[1,2]"))
    assert ended.code == CONFIG_WRONG
    assert set(fault_keys(ended.err)) == {"axes", "settings.eta", "store.name"}
    assert files(store) == before


# --- any key, any value -------------------------------------------------------------------------------------

no_numbers = st.sampled_from(["", "???", "high", None, [], [1.0], {}, math.nan, math.inf, -math.inf])


@given(st.dictionaries(st.sampled_from(REAL_SETTINGS), no_numbers, min_size=1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_setting_that_is_no_number_is_reported(wrong):
    raw = request_as_composed()
    raw["settings"].update(wrong)
    with pytest.raises(RequestError) as refused:
        checked(raw)
    assert sorted(fault.partition(":")[0] for fault in refused.value.faults) == sorted(
        f"settings.{name}" for name in wrong
    )


@given(st.sampled_from(REAL_SETTINGS), st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_swept_value_out_of_bounds_is_reported_with_its_place(name, axis, data):
    bad = data.draw(st.lists(st.integers(0, len(axis) - 1), min_size=1, unique=True))
    raw = request_as_composed()
    raw["axes"] = {name: {"values": [-1.0 if k in bad else value for k, value in enumerate(axis)]}}
    with pytest.raises(RequestError) as refused:
        checked(raw)
    assert sorted(fault.partition(":")[0] for fault in refused.value.faults) == sorted(
        f"axes.{name}.values[{k}]" for k in bad
    )


def checked(raw):
    """The request of a composed config, none of its settings taken from a store."""
    composed = plain(OmegaConf.create(raw))
    derived = Derived(composed["settings"], {}, {}, [])
    return check(composed, derived, Known(["run"], []), Origin("", (), None))


def request_as_composed():
    """A request that has no faults, as Hydra would compose it."""
    return {
        "action": "run",
        "system": "kuramoto",
        "settings": {
            "oscillators": 10, "frequencies": None, "frequency_half_width": 1.0, "eta": 3.0, "sigma": 0.2,
            "delay": 5, "T": 50.0, "dt": 0.05, "iterations": 50, "weight_control": 0.01,
            "target_order_parameter": 0.6, "target_mean_abs_weight": 1.0,
            "fixed_discarded": 100.0, "fixed_duration": 1000.0, "trace_duration": 0.0,
        },
        "ensemble": {"members": 8, "seed": 1, "noise": "independent", "precision": None},
        "axes": {},
        "sampling": {"method": "product", "points": None},
        "sensitivity": None,
        "search": None,
        "store": {"root": "data", "name": "a", "suffix": "", "block_members": 8, "records": 5},
        "cluster": {"kind": "local", "workers": 1, "dashboard": False, "grace_seconds": 1, "no_workers_seconds": 1},
        "figures": {"draw": [], "of": [], "format": ["png"], "folder": None, "incomplete": False},
        "on_stale": "stop",
        "quick": {"iterations": 1},
        "shrunk": False,
        "watch": False,
        "path": None,
        "limits": {"core_hours": None, "block_seconds": None},
        "verify": {"sample": 1, "share": None, "seed": None, "repair": False},
        "converge": {"points": 1, "members": 2, "factors": [2]},
        "source": None,
        "to": None,
        "export": {"overwrite": False},
    }  # fmt: skip


def test_the_composed_request_of_these_tests_has_no_faults():
    assert checked(request_as_composed()).settings["eta"] == 3.0
