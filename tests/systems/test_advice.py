"""What a system warns of before it computes: one line for all points, in `run` and `explain`, and no fault."""

import pytest

import pipeline
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.systems import find
from tests.command import tiny
from tests.systems.own import MODEL

TOO_LONG = "dt: a step may turn an oscillator by more than 1 rad, as (max |ω_i| + W) dt > 1; choose a shorter one"
COARSE = ("cluster=serial", "~cluster.workers", "settings.dt=0.6", "axes.T.values=[0.6,1.2,1.8]")


def warnings(out, label):
    """What the lines of an output say that begin with a label."""
    return [line.removeprefix(label).strip() for line in out.splitlines() if line.startswith(label)]


def test_a_step_that_turns_an_oscillator_too_far_is_warned_of_in_one_line(tmp_path, main):
    explained, ran = (main(tiny(tmp_path, *COARSE, f"action={action}")) for action in ("explain", "run"))
    for ended, label in ((explained, "warning "), (ran, "warning: ")):
        assert (ended.code, ended.err) == (COMPLETE, "")
        assert warnings(ended.out, label) == [f"{TOO_LONG} (at T=0.6 and 2 more of 3 points)"]


@pytest.mark.parametrize(
    ("overrides", "at"),
    [
        ((), []),
        (("axes.dt.values=[0.05,0.5]",), []),  # 1 rad, not more
        (("axes.dt.values=[0.05,1]",), ["T=1, dt=1 and 2 more of 6 points"]),
        (("axes.target_mean_abs_weight.values=[1,18,20]",), ["T=1, target_mean_abs_weight=20 and 2 more of 9 points"]),
        (("~axes.T", "settings.T=1", "axes.frequency_half_width.values=[1,20]"), ["frequency_half_width=20"]),
        (("axes.frequencies.values=[[0,-30],[0,1]]", "settings.oscillators=2", "axes.T.values=[1]"),
         ["T=1, frequencies=[0.0, -30.0]"]),
    ],
)  # fmt: skip
def test_the_points_with_steps_that_are_too_long_are_counted(overrides, at, tmp_path, main):
    ended = main(tiny(tmp_path, "action=explain", *overrides))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert warnings(ended.out, "warning ") == [f"{TOO_LONG} (at {where})" for where in at]


def test_a_sweep_without_axes_is_warned_of_without_a_point(tmp_path, main):
    ended = main(tiny(tmp_path, "action=explain", "~axes.T", "settings.T=1.2", "settings.dt=0.6"))
    assert warnings(ended.out, "warning ") == [TOO_LONG]


def test_warnings_are_given_in_python(tmp_path):
    explained = pipeline.explain(*tiny(tmp_path, *COARSE))
    assert explained.warnings == [f"{TOO_LONG} (at T=0.6 and 2 more of 3 points)"]


def test_the_settings_of_this_program_are_not_warned_of(tmp_path, main):
    for system in ("kuramoto", "kuramoto_continuous", "network"):
        ended = main([f"system={system}", "store.name=a", f"store.root={tmp_path}", "action=explain"])
        assert ended.code == COMPLETE
        assert not warnings(ended.out, "warning")


# --- a system of a user's own -------------------------------------------------------------------------------


@pytest.fixture
def explain(own, main, tmp_path):
    """Explain a sweep of one's own system over a = 1, 2, …, whose advice is an expression of `settings`."""
    own.put("config/system/model.yaml", "# @package _global_\nsystem: model\nsettings: {a: 1.0, steps: 2}\n")

    def explained(advice, points=3):
        own.put(
            "model.py",
            MODEL.replace(
                "    compute=compute,\n", f"    compute=compute,\n    advice=lambda settings: {advice},\n"
            ),
        )
        values = list(range(1, points + 1))
        return main([
            "--config-dir", str(own.folder / "config"), "system=model", "store.name=a", f"store.root={tmp_path}/data",
            "action=explain", f"axes.a.values={values}",
        ])  # fmt: skip

    return explained


def test_an_own_system_may_warn_of_several_things(explain):
    ended = explain("['a is large'] * (settings['a'] > 1) + ['steps are\\nfew'] * (settings['a'] == 3)")
    assert ended.code == COMPLETE
    assert warnings(ended.out, "warning ") == [
        "a is large (at a=2 and 1 more of 3 points)",
        "steps are few (at a=3)",
    ]
    assert not warnings(explain("[]").out, "warning")


def test_warnings_that_differ_from_point_to_point_are_cut(explain):
    said = warnings(explain("[f'a is {settings[\"a\"]}']", points=40).out, "warning ")
    assert said == [*(f"a is {a}.0 (at a={a})" for a in range(1, 6)), "35 more"]


@pytest.mark.parametrize("advice", ["settings['b']", "None", "[None.a]", "'a is large'"])
def test_advice_that_fails_is_a_fault_of_one_line(advice, explain):
    ended = explain(advice)
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: system: advice: ")


def test_advice_is_asked_of_settings_alone():
    system = find("kuramoto")
    given = {"frequencies": None, "frequency_half_width": 1.0, "target_mean_abs_weight": 1.0}
    assert system.advice({**given, "dt": 0.5}) == []
    assert system.advice({**given, "dt": 0.51}) == [TOO_LONG]
