"""Systems of a user's own: found by name, imported anew after edits, and checked in what they give."""

import importlib
import os
import sys

import numpy as np
import pytest

from pipeline.errors import BlockError, RequestError
from pipeline.schema import Positive, Section
from pipeline.systems import COMPUTED, DIVERGED, compute_members, find, known_systems, loaded, search_in, streams
from pipeline.systems.interface import RESERVED, System
from tests.systems.own import MODEL

SETTINGS = {"a": 1.0, "steps": 3}
MEMBERS = np.arange(4)


def computed(name="model", settings=SETTINGS):
    return compute_members(name, settings, 1, MEMBERS, 5)


def fault(name="model"):
    """The one line that says why there is no such system."""
    with pytest.raises(RequestError) as refused:
        find(name)
    (line,) = refused.value.faults
    assert "\n" not in line
    assert line.startswith("system: ")
    return line


def line_of(path, text):
    """Number of the first line of a file that has a text."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), start=1) if text in line)


# --- finding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "models.phase", "models.deep.phase"])
def test_a_system_is_found_by_the_name_of_its_module(own, name):
    own.put(f"{name.replace('.', '/')}.py", MODEL)
    assert isinstance(find(name), System)
    assert computed(name)["x"].tolist() == [1, 2, 3, 4]


def test_the_systems_of_this_program_are_found_and_win_over_modules_of_their_name(own):
    own.put("network.py", MODEL)
    assert known_systems() == ["kuramoto", "kuramoto_continuous", "network"]
    assert "hidden" in find("network").settings.model_fields


def test_folders_are_searched_after_all_others(own):
    search_in([str(own.folder)])  # folders of earlier requests leave the path
    before = list(sys.path)
    own.put("more/model.py", MODEL)
    own.put("more/json.py", "1 / 0")
    search_in([str(own.folder / "more"), str(own.folder / "more")])
    assert sys.path == [*before, str(own.folder / "more")]
    assert isinstance(find("model"), System)


@pytest.mark.parametrize("name", ["nowhere_at_all", "nowhere_at_all.model"])
def test_a_missing_module_is_answered_with_what_there_is(name):
    line = fault(name)
    assert line.endswith(f"got {name}")
    assert all(known in line for known in known_systems())


@pytest.mark.parametrize("name", ["a b", "../model", "model.py/", "", ".model", "model."])
def test_what_is_no_name_of_a_module_is_refused(name):
    assert fault(name).endswith(f"got {name!r}")


def test_a_missing_module_of_a_package_is_named(own):
    own.put("models/phase.py", MODEL)
    assert "models.other: no module" in fault("models.other")


@pytest.mark.parametrize("text", [MODEL.replace("SYSTEM =", "OTHER ="), MODEL + "\nSYSTEM = 3\n", ""])
def test_a_module_without_a_system_is_refused_by_its_file(own, text):
    path = own.put("model.py", text)
    assert f"expected a module that assigns SYSTEM = System(…), got model ({path})" in fault()


@pytest.mark.parametrize("name", ["sys", "json", "cloudpickle"])
def test_a_library_is_refused_and_stays_as_it_was_imported(name):
    importlib.import_module(name)
    modules = {module: sys.modules[module] for module in sys.modules if module.partition(".")[0] == name}
    assert f"expected a module that assigns SYSTEM = System(…), got {name} (" in fault(name)
    assert all(sys.modules[module] is modules[module] for module in modules)


IMPORT_FAULTS = {
    "a missing library": ("import numpy as np", "import nowhere_at_all\nimport numpy as np", "nowhere_at_all"),
    "an error": ("class Settings", "1 / 0\n\nclass Settings", "1 / 0"),
    "an error of two lines": ("class Settings", "raise ValueError('a\\nb')\n\nclass Settings", "raise"),
    "an exit": ("class Settings", "raise SystemExit(3)\n\nclass Settings", "raise"),
    "an unknown dimension": ('("step",), "series"', '("stride",), "series"', "SYSTEM ="),
    "a name twice": ('Variable("y"', 'Variable("x"', "SYSTEM ="),
    "a variable named as a dimension": ('Variable("x"', 'Variable("step"', "SYSTEM ="),
    **{f"the reserved name {name}": ('Variable("x"', f'Variable("{name}"', "SYSTEM =") for name in RESERVED},
    "whole numbers of no setting": ("    compute=compute,", "    compute=compute,\n    whole={'a': 'b'},", "SYSTEM ="),
    "no compute": ("    compute=compute,\n", "", "SYSTEM ="),
    "a syntax error": ("def compute(", "def compute((", "def compute(("),
}  # fmt: skip


WRONG_WHOLE = {
    "no setting": {"x": "a"},
    "a whole number of no setting": {"a": "x"},
    "a label": {"name": "a"},
    "a whole number of a label": {"a": "mode"},
    "a whole number of itself": {"a": "a"},
    "a chain": {"a": "b", "b": "n"},
    "no mapping": ("a", "b"),
}


@pytest.mark.parametrize("case", WRONG_WHOLE)
def test_whole_numbers_of_what_are_no_numbers_among_the_settings_are_refused(case):
    class Settings(Section):
        a: float
        b: Positive
        n: int
        name: str
        mode: float | None

    parts = {"settings": Settings, "dimensions": (), "variables": (), "compute": lambda *_: {}}
    assert System(**parts, whole={"a": "b", "n": "b"}).whole["a"] == "b"
    with pytest.raises(ValueError, match=r"^whole: expected .*, got "):
        System(**parts, whole=WRONG_WHOLE[case])


@pytest.mark.parametrize("case", IMPORT_FAULTS)
def test_a_module_that_can_not_be_imported_is_told_by_file_and_line(own, case):
    old, new, at = IMPORT_FAULTS[case]
    path = own.put("model.py", MODEL)
    own.edit("model.py", old, new)
    assert f"{path}, line {line_of(path, at)}: " in fault()


@pytest.mark.parametrize("text", ["1 / 0\n", "def f(:\n"])
def test_a_fault_of_a_helper_is_told_by_the_helpers_file_and_line(own, text):
    own.put("model.py", "import helper\n" + MODEL)
    assert f"{own.put('helper.py', text)}, line 1: " in fault()


@pytest.mark.parametrize("content", [b"a = 'caf\xe9'\n", b"a = '\0'\n"])
def test_a_file_that_is_no_text_is_told_by_its_name(own, content):
    path = own.put("model.py", "")
    path.write_bytes(content)
    assert str(path) in fault()


def test_a_fault_of_a_system_is_a_fault_of_the_request(own, main, tmp_path):
    path = own.put("model.py", "1 / 0\n" + MODEL)
    own.put("config/system/model.yaml", "# @package _global_\nsystem: model\nsettings: {a: 1.0, steps: 2}\n")
    ended = main(
        ["--config-dir", str(own.folder / "config"), "system=model", "store.name=a", f"store.root={tmp_path}/data"]
    )
    assert (ended.code, ended.out) == (2, "")
    assert (
        ended.err
        == f"error: system: model can't be imported: {path}, line 1: ZeroDivisionError: division by zero\n"
    )


# --- edits --------------------------------------------------------------------------------------------------

THROUGH_A_DOOR = "from door import term\n" + MODEL.replace('settings["a"] + members', "term() + 0.0 * members")


@pytest.fixture
def edited(own, monkeypatch):
    """A model whose x is a number in a helper, behind a door; edits of the same size within the same second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    own.put("door.py", "from helper import term\n")
    own.put("model.py", THROUGH_A_DOOR)

    def write(number):
        path = own.put("helper.py", f"def term():\n    return {number}\n")
        os.utime(path, ns=(10**18, 10**18 + number))

    write(1)
    return write


def x(name="model"):
    return float(computed(name)["x"][0])


def test_an_edited_helper_is_imported_again_when_the_system_is_next_looked_for(edited):
    seen = set()
    for number in (1, 2, 3):
        edited(number)
        find("model")
        assert x() == number
        seen.add(loaded("model").digest)
    assert len(seen) == 3


def test_what_was_imported_computes_until_the_system_is_looked_for_again(edited):
    find("model")
    before = loaded("model")
    edited(2)
    assert (x(), loaded("model")) == (1, before)
    find("model")
    assert x() == 2
    assert loaded("model").version != before.version


def test_an_edited_module_is_imported_again(own):
    own.put("model.py", MODEL)
    find("model")
    own.edit("model.py", 'settings["a"] + members', 'settings["a"] - members')
    assert x() == 1
    find("model")
    assert computed()["x"].tolist() == [1, 0, -1, -2]


def test_a_module_that_was_not_edited_is_not_imported_again(own):
    own.put("model.py", MODEL)
    first = find("model")
    own.put("other.py", "a = 1\n")
    own.put("model.py", MODEL)
    assert find("model") is first


def test_a_second_system_does_not_get_the_helper_that_the_first_imported(edited, own):
    find("model")
    own.put("second.py", THROUGH_A_DOOR)
    edited(2)
    find("second")
    assert (x("model"), x("second")) == (1, 2)


def test_a_helper_of_a_module_that_could_not_be_imported_is_imported_again(edited, own):
    own.put("model.py", THROUGH_A_DOOR + "1 / 0\n")
    assert "ZeroDivisionError" in fault()
    edited(2)
    own.put("model.py", THROUGH_A_DOOR)
    find("model")
    assert x() == 2


def test_an_edit_that_breaks_a_module_leaves_what_was_imported(own):
    own.put("model.py", MODEL)
    find("model")
    before = loaded("model")
    own.put("model.py", MODEL + "1 / 0\n")
    assert "ZeroDivisionError" in fault()
    assert loaded("model") is before
    assert x() == 1


# --- what compute gives -------------------------------------------------------------------------------------


def refused(own, expression):
    """What is said of a compute that gives an expression of `given`, after file and line."""
    path = own.put("model.py", MODEL)
    own.edit("model.py", "return given", f"return {expression}")
    with pytest.raises(BlockError) as raised:
        computed()
    (line,) = str(raised.value).splitlines()
    where = f"{path}, line {line_of(path, 'def compute')}, compute: expected "
    assert line.startswith(where)
    return line.removeprefix(where)


BAD_VALUES = {
    "a missing variable": ("{'x': given['x']}", "y of shape (4, 3), got no such variable"),
    "a wrong shape": (
        "{**given, 'y': given['y'][:, :2]}", "y of shape (4, 3), member first, got shape (4, 2)"
    ),
    "member last": ("{**given, 'y': given['y'].T}", "y of shape (4, 3), member first, got shape (3, 4)"),
    "too few members": ("{**given, 'x': given['x'][:3]}", "x of shape (4,), member first, got shape (3,)"),
    "one number": ("{**given, 'x': 1.0}", "x of shape (4,), member first, got shape ()"),
    "an unknown variable": ("{**given, 'z': 1}", "only the variables of SYSTEM (x, y), got z"),
    "a key that is no text": ("{**given, 3: 1}", "only the variables of SYSTEM (x, y), got 3"),
    "a tuple": ("(given['x'], given['y'])", "a dictionary of variables, got tuple"),
    "nothing": ("None", "a dictionary of variables, got NoneType"),
    "complex numbers": ("{**given, 'x': 1j * given['x']}", "x of real numbers, got x of complex128"),
    "text": ("{**given, 'x': ['a'] * 4}", "x of real numbers, got x of <U1"),
    "objects": ("{**given, 'x': [None] * 4}", "x of real numbers, got x of object"),
    "dates": ("{**given, 'x': np.array(['2020'] * 4, dtype='M8[Y]')}", "x of real numbers, got x of datetime64[Y]"),
    "rows of several lengths": ("{**given, 'y': [[1], [1, 2], [], 3]}", "an array of y, got "),
    "a status that is not known": (
        "{**given, 'status': [1, 1, 3, 1]}", "status of shape (4,), 1 computed or 2 diverged, got [1 1 3 1]"
    ),
    "a missing status": (
        "{**given, 'status': [1, 1, 0, 1]}", "status of shape (4,), 1 computed or 2 diverged, got [1 1 0 1]"
    ),
    "a status too few": ("{**given, 'status': [1]}", "status of shape (4,), 1 computed or 2 diverged, got [1]"),
    "a status in words": ("{**given, 'status': 'ok'}", "status of shape (4,), 1 computed or 2 diverged, got ok"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_VALUES)
def test_what_does_not_fit_the_declaration_is_a_failed_block_that_says_so(own, case):
    expression, said = BAD_VALUES[case]
    assert refused(own, expression).startswith(said)


def test_what_fits_is_given_as_doubles(own):
    own.put("model.py", MODEL)
    own.edit("model.py", "return given", "return {'x': [True, 2, 3, 4], 'y': given['y'].astype('f4')[::1]}")
    values = computed()
    assert {name: (str(array.dtype), array.shape) for name, array in values.items()} == {
        "x": ("float64", (4,)), "y": ("float64", (4, 3)), "status": ("uint8", (4,))
    }  # fmt: skip
    assert values["x"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(values["y"], np.outer(MEMBERS, np.arange(3)))


def test_a_variable_along_an_empty_coordinate_need_not_be_given(own):
    own.put("model.py", MODEL.replace("Field(ge=1)", "Field(ge=0)"))
    own.edit("model.py", "return given", "return {'x': given['x']}")
    assert computed(settings={"a": 1.0, "steps": 0}).keys() == {"x", "status"}


def test_members_with_values_that_are_not_finite_diverged(own):
    own.put("model.py", MODEL)
    infinite = "{'x': [0, np.inf, 0, 0], 'y': np.where(given['y'] == 6, np.nan, 0)}"
    own.edit("model.py", "return given", f"return {infinite}")
    assert computed()["status"].tolist() == [COMPUTED, DIVERGED, COMPUTED, DIVERGED]


def test_a_system_may_say_itself_which_members_diverged(own):
    own.put("model.py", MODEL)
    own.edit(
        "model.py", "    return given", "    given['x'][1] = np.inf\n    return {**given, 'status': [1, 1, 2, 1]}"
    )
    assert computed()["status"].tolist() == [COMPUTED, COMPUTED, DIVERGED, COMPUTED]


@pytest.mark.parametrize("place", ["model.py", "helper.py"])
def test_an_error_inside_compute_is_told_by_file_line_and_function(own, place):
    own.put("helper.py", 'def fails(members):\n    raise ArithmeticError("no\\nroot")\n')
    own.put("model.py", "from helper import fails\n" + MODEL)
    own.edit("model.py", "return given", "return fails(members)" if place == "helper.py" else "return given['z']")
    path, text, what = {
        "model.py": (own.folder / "model.py", "return given['z']", "in compute: KeyError: 'z'"),
        "helper.py": (own.folder / "helper.py", "raise", "in fails: ArithmeticError: no root"),
    }[place]
    with pytest.raises(BlockError) as raised:
        computed()
    assert str(raised.value) == f"{path}, line {line_of(path, text)}, {what}"


def test_an_error_inside_a_library_is_told_by_the_line_that_called_it(own):
    path = own.put("model.py", MODEL)
    own.edit("model.py", "return given", "return np.linalg.inv(np.zeros((2, 2)))")
    with pytest.raises(BlockError) as raised:
        computed()
    assert str(raised.value).startswith(
        f"{path}, line {line_of(path, 'np.linalg.inv')}, in compute: LinAlgError: "
    )


def test_a_long_error_is_cut(own):
    own.put("model.py", MODEL)
    own.edit("model.py", "return given", "raise ValueError('x' * 10**6)")
    with pytest.raises(BlockError) as raised:
        computed()
    assert len(str(raised.value)) < 1000


# --- defaults -----------------------------------------------------------------------------------------------


def test_means_and_medians_of_scalars_are_estimands_and_the_systems_own_win(own):
    own.put("model.py", MODEL)
    assert {name: estimand.kind for name, estimand in find("model").all_estimands.items()} == {
        "x": "mean", "median_x": "median"
    }  # fmt: skip
    own.put("other.py", "from pipeline.systems import median_of\n" + MODEL)
    own.edit("other.py", "    compute=compute,", "    compute=compute,\n    estimands={'x': median_of('x')},")
    assert {name: estimand.kind for name, estimand in find("other").all_estimands.items()} == {
        "x": "median", "median_x": "median"
    }  # fmt: skip


def test_a_setting_that_has_the_name_of_something_stored_gets_another_as_a_coordinate(own):
    own.put("model.py", MODEL)
    system = find("model")
    assert {name: system.coordinate_of(name) for name in ("a", "x", "y", "step", "step_at", "seconds")} == {
        "a": "a", "x": "x_setting", "y": "y_setting", "step": "step_setting", "step_at": "step_at_setting",
        "seconds": "seconds_setting",
    }  # fmt: skip


# --- streams ------------------------------------------------------------------------------------------------


def draws(seed, members, purpose=0):
    return {int(m): g.random(3).tolist() for m, g in zip(members, streams(seed, members, purpose), strict=True)}


def test_streams_are_the_same_every_time_and_whatever_the_block():
    whole = draws(7, np.arange(8))
    assert draws(7, np.arange(8)) == whole
    assert draws(7, np.arange(5)) | draws(7, np.arange(5, 8)) == whole
    assert draws(7, np.array([6, 2])) == {6: whole[6], 2: whole[2]}


def test_streams_differ_between_members_purposes_and_seeds():
    largest = 2**64 - 1
    found = [
        tuple(numbers)
        for seed in (0, 1, largest - 1, largest)
        for purpose in (0, 1, 2)
        for numbers in draws(seed, np.array([0, 1, 2, 10**6]), purpose).values()
    ]
    assert len(set(found)) == len(found) == 48


def test_streams_never_change_between_versions():
    assert draws(1, np.array([0, 3])) == {
        0: [0.3035680343067586, 0.8487087496857769, 0.1561347780434731],
        3: [0.6364981721410078, 0.6194481125225558, 0.08456896316916174],
    }


def test_a_long_stream_of_one_purpose_does_not_run_into_the_next():
    (first,), (second,) = streams(1, np.array([0]), 0), streams(1, np.array([0]), 1)
    assert not set(first.random(10**5)) & set(second.random(10**5))
