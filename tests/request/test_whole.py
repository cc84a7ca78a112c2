"""Whole numbers of another setting: told in floating point, refused with the nearest, for a user's own system too."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.request.whole import not_whole
from pipeline.systems import find
from sim.sizes import steps_in
from tests.command import tiny
from tests.systems.own import MODEL

many_examples = settings(max_examples=300, deadline=None, derandomize=True)
steps = st.floats(1e-4, 10).map(lambda step: float(f"{step:.3g}"))
counts = st.integers(1, 10**6)


def whys(T, dt):
    """What is said of an interval and a step of a Kuramoto system."""
    system = find("kuramoto")
    return [fault.why for fault in not_whole(system, system.settings.model_construct(T=T, dt=dt))]


@many_examples
@given(counts, steps, st.integers(1, 12))
def test_multiples_of_a_step_are_whole_however_they_were_rounded(count, dt, factor):
    for T in (count * dt, float(f"{count * dt:.12g}"), float(f"{count * dt:.10g}")):
        assert whys(T, dt) == []
        assert steps_in(T, dt) == count
        finer = find("kuramoto").refined({"T": T, "dt": dt}, factor)
        assert whys(**finer) == []
        assert steps_in(**{"duration": finer["T"], "dt": finer["dt"]}) == count * factor


@many_examples
@given(st.integers(1, 10**5), steps, st.floats(1e-3, 0.999))
def test_parts_of_a_step_are_refused_with_the_nearest_that_are_whole(count, dt, part):
    (why,) = whys((count + part) * dt, dt)
    low, high = map(float, re.fullmatch(r".*; the nearest are (\S+) and (\S+)", why).groups())
    assert low < (count + part) * dt < high
    assert steps_in(high, dt) == steps_in(low, dt) + 1 == count + 1
    assert whys(low, dt) == whys(high, dt) == []


@given(st.floats(1e-3, 0.999))
def test_less_than_a_step_is_answered_with_one_and_two(part):
    assume(abs(part - round(part)) > 1e-6)
    assert whys(part, 1.0)[0].endswith("; the nearest are 1 and 2")


@pytest.mark.parametrize(("T", "dt"), [(1.0, 0.0), (1e300, 1e-300)])
def test_what_has_no_multiple_near_is_refused(T, dt):
    (why,) = whys(T, dt)
    assert why.startswith("expected a whole number of dt = ")


def test_a_line_names_the_key_what_was_got_and_the_nearest(tmp_path, main):
    ended = main(tiny(tmp_path, "~axes.T", "settings.T=0.44", "settings.dt=0.3"))
    line = "settings.T: expected a whole number of dt = 0.3, got 0.44; the nearest are 0.3 and 0.6"
    assert (ended.code, ended.out, ended.err) == (CONFIG_WRONG, "", f"error: {line}\n")
    ended = main(tiny(tmp_path, "axes.T={values:null,start:1,stop:2,num:30}"))
    line = "axes.T: expected a whole number of dt = 0.05, got 1.03448275862; the nearest are 1 and 1.05"
    assert ended.err == f"error: {line} (and 27 more)\n"


@pytest.mark.parametrize("system", ["kuramoto", "kuramoto_continuous"])
def test_both_kuramoto_systems_have_intervals_of_whole_steps(system, tmp_path, main):
    overrides = f"system={system}", "settings.T=0.44", "settings.dt=0.3", "store.name=a", f"store.root={tmp_path}"
    ended = main([*overrides, "action=explain"])
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: settings.T: expected a whole number of dt = 0.3")


# --- a system of a user's own -------------------------------------------------------------------------------

OWN = MODEL.replace("    a: float\n", "    a: float\n    unit: float\n").replace(
    "    compute=compute,\n", "    compute=compute,\n    whole={'a': 'unit'},\n"
)


@pytest.fixture
def ask(own, main, tmp_path):
    """Ask for a sweep of one's own system, a = 0.6 in units of 0.2."""
    own.put("model.py", OWN)
    own.put(
        "config/system/model.yaml",
        "# @package _global_\nsystem: model\nsettings: {a: 0.6, unit: 0.2, steps: 2}\n",
    )
    started = "--config-dir", str(own.folder / "config"), "system=model", "store.name=a", "cluster=serial"
    return lambda *overrides: main([*started, f"store.root={tmp_path}/data", "ensemble.members=8", *overrides])


def test_an_own_system_has_whole_settings_too(ask):
    assert ask().code == COMPLETE
    assert ask("store.name=b", "axes.a.values=[0.2,0.4,-1]").code == COMPLETE
    refused = {
        (
            "settings.a=0.5",
        ): "settings.a: expected a whole number of unit = 0.2, got 0.5; the nearest are 0.4 and 0.6",
        ("settings.unit=0",): "settings.a: expected a whole number of unit = 0, got 0.6",
        ("axes.unit.values=[0.3,0.4]",): (
            "settings.a: expected a whole number of unit = 0.4, got 0.6; the nearest are 0.4 and 0.8"
        ),
        ("axes.a.values=[0.2,0.7]",): (
            "axes.a.values[1]: expected a whole number of unit = 0.2, got 0.7; the nearest are 0.6 and 0.8"
        ),
    }
    for overrides, line in refused.items():
        ended = ask(*overrides)
        assert (ended.code, ended.out, ended.err) == (CONFIG_WRONG, "", f"error: {line}\n")


def test_an_own_system_is_sampled_at_whole_values(ask):
    hypercube = "action=explain", "sampling.method=latin_hypercube", "sampling.points=5"
    ended = ask(*hypercube, "axes.a.values=[0.15,1.1]")
    assert "points      5 (a: 5 values 0.2 … 1)" in ended.out
    ended = ask(*hypercube, "axes.a.values=[0.25,0.35]")
    assert ended.err == (
        "error: axes.a: expected a range that has multiples of its step, got none of 0.2 from 0.25 to 0.35\n"
    )
    ended = ask(*hypercube, "axes.a.values=[0.2,0.4]", "settings.unit=0")
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith("error: axes.a: expected a range that has multiples of its step, got none of 0 ")
