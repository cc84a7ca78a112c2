"""Which code counts as a system's: all that its `compute` reaches in modules that are ours, and nothing else."""

import ast
import os
import sys
import tempfile
import textwrap
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.systems.code_version import code_version
from pipeline.systems.code_version import digest_of_version as digest_of

HELPER = '''"""A helper."""
# a remark
STEP = 0.5


def f(x):
    """Step on."""
    return x + STEP


def unreached(x):
    """Not called."""
    return STEP - x


class Rule:
    """A rule."""

    def apply(self, x):
        """Apply it."""
        return f(x)
'''
SYSTEM = "SYSTEM = System(settings=Settings, compute=compute, work=unreached)\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder on the path, with files to write and to edit."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return Project(tmp_path)


class Project:
    def __init__(self, folder):
        self.folder = folder
        self.times = 0

    def put(self, path, text):
        """Write a file, later than all before it by its time, however quick the test is."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        self.times += 1
        os.utime(path, ns=(self.times * 10**9, self.times * 10**9))
        return self

    def edit(self, path, old, new, system="model"):
        """Names whose digest an edit of a file changes."""
        before = code_version(system)
        text = (self.folder / path).read_text()
        assert old in text
        self.put(path, text.replace(old, new))
        return changed(before, code_version(system))


def changed(one, other):
    return {name for name in one | other if one.get(name) != other.get(name)}


def model(imports="", use="x", inside=""):
    """A system's module: an import statement at its top or inside `compute`, and what is used of it."""
    inner = textwrap.indent(inside, "    ")
    unreached = "def unreached(x):\n    return x\n"
    return f"{imports}\n\n{unreached}\n\ndef compute(x):\n{inner}\n    return {use}\n\n\n{SYSTEM}"


EDITS_THAT_DO_NOT_COUNT = [
    ("# a remark", "# another remark, \n\n\n# on two lines"),
    ('"""A helper."""', '"""Another text."""'),
    ('    """Step on."""\n', ""),
    ('        """Apply it."""\n', '        """Another\n        text."""\n'),
    ("return x + STEP", "return (\n        x + STEP  # so\n    )"),
    ("return STEP - x", "return STEP - 2 * x"),
    ("def unreached(x)", "def renamed(y, x)"),
]

FORMS = [  # system, files beside it, import statement, use of f, module that defines f
    ("model", ["helper"], "import helper", "helper.f(x)", "helper"),
    ("model", ["helper"], "import helper as h", "h.f(x)", "helper"),
    ("model", ["helper"], "from helper import f", "f(x)", "helper"),
    ("model", ["helper"], "from helper import f as g", "g(x)", "helper"),
    ("model", ["helper"], "try:\n    import helper\nexcept ImportError:\n    raise", "helper.f(x)", "helper"),
    ("model", ["helper"], "if len('a'):\n    from helper import f", "f(x)", "helper"),
    ("model", ["helper"], "import helper", "(lambda h: h)(helper).f(x)", "helper"),
    ("model", ["helper"], "import helper", "getattr(helper, 'f')(x)", "helper"),
    ("model", ["helper"], "import importlib", "importlib.import_module('helper').f(x)", "helper"),
    ("model", ["tools/inner"], "import tools.inner", "tools.inner.f(x)", "tools.inner"),
    ("model", ["tools/inner"], "import tools.inner as t", "t.f(x)", "tools.inner"),
    ("model", ["tools/inner"], "from tools import inner", "inner.f(x)", "tools.inner"),
    ("model", ["tools/__init__", "tools/inner"], "from tools import inner as t", "t.f(x)", "tools.inner"),
    ("model", ["tools/deep/inner"], "import tools.deep.inner", "tools.deep.inner.f(x)", "tools.deep.inner"),
    ("model", ["tools/deep/inner"], "from tools.deep.inner import f", "f(x)", "tools.deep.inner"),
    ("neuro.models.fhn", ["neuro/models/near"], "from . import near", "near.f(x)", "neuro.models.near"),
    ("neuro.models.fhn", ["neuro/models/near"], "from .near import f", "f(x)", "neuro.models.near"),
    ("neuro.models.fhn", ["neuro/far"], "from .. import far", "far.f(x)", "neuro.far"),
    ("neuro.models.fhn", ["neuro/far"], "from .. import far as away", "away.f(x)", "neuro.far"),
    ("neuro.models.fhn", ["neuro/far"], "from ..far import f as g", "g(x)", "neuro.far"),
    ("neuro.models.fhn", ["neuro/far"], "import neuro.far", "neuro.far.f(x)", "neuro.far"),
    ("neuro.models.fhn", ["neuro/models/near"], "from neuro.models import near", "near.f(x)", "neuro.models.near"),
]


@pytest.mark.parametrize("place", ["top", "inside"])
@pytest.mark.parametrize(("system", "files", "statement", "use", "module"), FORMS)
def test_a_helper_counts_whatever_the_form_of_its_import(project, system, files, statement, use, module, place):
    for file in files:
        project.put(f"{file}.py", "" if file.endswith("__init__") else HELPER)
    text = model(statement, use) if place == "top" else model(use=use, inside=statement)
    project.put(f"{system.replace('.', '/')}.py", text)
    helper = f"{module.replace('.', '/')}.py"
    assert project.edit(helper, "return x + STEP", "return x - STEP", system) == {f"{module}.f"}
    assert project.edit(helper, "STEP = 0.5", "STEP = 0.25", system) == {f"{module}.STEP"}


@pytest.mark.parametrize(("old", "new"), EDITS_THAT_DO_NOT_COUNT)
def test_remarks_layout_and_unreached_code_do_not_count(project, old, new):
    project.put("helper.py", HELPER).put("model.py", model("from helper import Rule", "Rule().apply(x)"))
    assert {"helper.Rule", "helper.f", "helper.STEP", "model.compute"} <= code_version("model").keys()
    assert project.edit("helper.py", old, new) == set()


@pytest.mark.parametrize("use", ["f(x)", "STEP", "Rule().apply(x)"])
def test_a_star_import_counts_for_what_is_used_of_it(project, use):
    name = use.partition("(")[0]
    project.put("helper.py", HELPER).put("model.py", model("from helper import *", use))
    assert f"helper.{name}" in code_version("model")
    assert "helper.unreached" not in code_version("model")


def test_the_system_itself_counts_only_by_its_compute(project):
    project.put("model.py", model(use="x"))
    assert code_version("model").keys() == {"model.compute"}
    assert project.edit("model.py", "work=unreached", "work=None") == set()
    assert project.edit("model.py", "    return x\n\n\nSYSTEM", "    return -x\n\n\nSYSTEM") == {"model.compute"}


def test_a_module_used_as_an_object_counts_as_a_whole(project):
    project.put("helper.py", HELPER).put("model.py", model("import helper", "run(helper, x)"))
    assert {"helper.f", "helper.unreached", "helper.Rule", "helper.STEP"} <= code_version("model").keys()


@pytest.mark.parametrize(
    ("door", "statement"),
    [
        ("", "import tools.inner"),
        ("from . import inner", "import tools"),
        ("from . import inner", "from tools import *"),
    ],
)
def test_a_module_is_reached_through_its_package_used_as_an_object(project, door, statement):
    project.put("tools/__init__.py", door).put("tools/inner.py", HELPER)
    project.put("model.py", model(statement, "run(inner)" if "*" in statement else "run(tools)"))
    assert {"tools.inner.f", "tools.inner.unreached"} <= code_version("model").keys()


def test_a_name_that_is_both_a_definition_and_a_submodule_counts_as_both(project):
    project.put("tools/__init__.py", "def inner():\n    pass\n").put("tools/inner.py", HELPER)
    project.put("model.py", model("import tools.inner", "tools.inner.f(x)"))
    assert {"tools.inner", "tools.inner.f"} <= code_version("model").keys()


def test_a_module_without_a_system_counts_as_a_whole(project):
    project.put("helper.py", HELPER)
    assert code_version("helper").keys() == {f"helper.{name}" for name in ("STEP", "f", "unreached", "Rule")}


@pytest.mark.parametrize(
    ("compute", "reached"),
    [
        ("compute", {"model.compute"}),
        ("helper.f", {"helper.f", "helper.STEP"}),
        ("functools.partial(compute, 3)", {"model.compute", "model.SYSTEM.compute"}),
        ("functools.partial(helper.f, 3)", {"helper.f", "helper.STEP", "model.SYSTEM.compute"}),
        ("lambda x: compute(3)", {"model.compute", "model.SYSTEM.compute"}),
    ],
)
def test_compute_may_be_any_expression(project, compute, reached):
    project.put("helper.py", HELPER)
    text = model("import functools\nimport helper").replace("compute=compute", f"compute={compute}")
    project.put("model.py", text)
    assert code_version("model").keys() == reached
    if "3" in compute:
        assert project.edit("model.py", "3", "4") == {"model.SYSTEM.compute"}


def test_without_a_compute_keyword_all_that_the_system_mentions_counts(project):
    project.put(
        "model.py", "def g(x):\n    return x\n\ndef make():\n    return System(compute=g)\n\nSYSTEM = make()\n"
    )
    assert code_version("model").keys() == {"model.g", "model.make", "model.SYSTEM"}


def test_a_system_that_is_imported_counts(project):
    project.put("helper.py", model()).put("model.py", "from helper import SYSTEM\n")
    assert "helper.compute" in code_version("model")


def test_names_through_the_init_of_a_package_are_followed(project):
    project.put("tools/inner.py", HELPER).put("tools/__init__.py", "from .inner import f as g\n")
    project.put("model.py", model("import tools", "tools.g(x)"))
    assert code_version("model").keys() == {"model.compute", "tools.inner.f", "tools.inner.STEP"}


@pytest.mark.parametrize("home", ["tools.inner", ".inner", "inner", "tools.inner:f"])
def test_names_through_a_lazy_door_are_followed(project, home):
    door = f"""
        from tools import load
        _HOME = {{"f": "{home}", "g": "tools.other"}}
        def __getattr__(name):
            return load(_HOME[name], name)
    """
    project.put("tools/__init__.py", door).put("tools/inner.py", HELPER).put(
        "tools/other.py", "def g():\n    pass\n"
    )
    project.put("model.py", model("from tools import f", "f(x)"))
    names = code_version("model").keys()
    assert names == {"model.compute", "tools.__getattr__", "tools._HOME", "tools.inner.f", "tools.inner.STEP"}
    project.put("model.py", model("import tools", "tools.g()"))
    assert "tools.other.g" in code_version("model")


def test_what_has_another_name_behind_a_lazy_door_is_not_missed(project):
    door = """
        def __getattr__(name):
            return load({"other": ("tools.inner", "f")}[name])
    """
    project.put("tools/__init__.py", door).put("tools/inner.py", HELPER)
    project.put("model.py", model("from tools import other", "other(x)"))
    assert "tools.inner.f" in code_version("model")


def test_libraries_do_not_count(project, monkeypatch):
    libraries = project.folder / "lib" / "site-packages"
    project.put("lib/site-packages/library.py", HELPER)
    project.put("lib/site-packages/installed.py", model("import library", "library.f(x)"))
    monkeypatch.syspath_prepend(str(libraries))
    project.put("model.py", model("import library, os.path, numpy as np", "library.f(np.sin(os.path.join(x)))"))
    assert code_version("model").keys() == {"model.compute"}
    assert code_version("installed").keys() == {"installed.compute"}


def test_what_stands_beside_a_module_or_a_package_counts(project):
    project.put("helper.py", HELPER)
    project.put("neuro/fhn.py", model("import helper", "helper.f(x)"))
    project.put("model.py", model("import neuro.fhn", "neuro.fhn.compute(x)"))
    assert code_version("neuro.fhn").keys() == {"neuro.fhn.compute", "helper.f", "helper.STEP"}
    assert code_version("model").keys() == {"model.compute", "neuro.fhn.compute", "helper.f", "helper.STEP"}


def test_the_programs_own_packages_always_count(project):
    own = code_version.__module__
    project.put("neuro/fhn.py", model(f"import {own} as own", "own.digest_of_version"))
    assert {f"{own}.digest_of_version", "pipeline.digest.digest_of"} <= code_version("neuro.fhn").keys()
    project.put("neuro/fhn.py", model("from sim import kuramoto", "kuramoto.learn(x)"))
    assert "sim.kuramoto.learn" in code_version("neuro.fhn")


def test_nothing_is_imported_or_run(project):
    ran = project.folder / "ran"
    mark = f"open({str(ran)!r}, 'w').close()\n"
    project.put("side_package/__init__.py", mark).put("side_package/side_helper.py", mark + HELPER)
    project.put("side_model.py", mark + model("from side_package import side_helper", "side_helper.f(x)"))
    before = set(sys.modules)
    assert "side_package.side_helper.f" in code_version("side_model")
    assert not {name for name in set(sys.modules) - before if name.startswith("side_")}
    assert not ran.exists()


def test_statements_that_run_on_import_count(project):
    project.put("flags.py", "set_flag(1)\n").put("tools/__init__.py", "set_flag(2)\n")
    project.put("tools/inner.py", "import flags\nfrom lots import more\n" + HELPER + "\nset_flag(3)\n")
    project.put("lots/more.py", "set_flag(5)\n").put("inside.py", "set_flag(6)\n")
    project.put("model.py", model("from tools.inner import f", "f(x)", inside="import inside"))
    assert project.edit("lots/more.py", "set_flag(5)", "set_flag(4)") == {"lots.more.(on import)"}
    assert project.edit("inside.py", "set_flag(6)", "set_flag(4)") == {"inside.(on import)"}
    assert project.edit("tools/inner.py", "set_flag(3)", "set_flag(4)") == {"tools.inner.(on import)"}
    assert project.edit("tools/__init__.py", "set_flag(2)", "set_flag(4)") == {"tools.(on import)"}
    assert project.edit("flags.py", "set_flag(1)", "set_flag(4)") == {"flags.(on import)"}


@pytest.mark.parametrize(
    "statement",
    [
        "set_flag(1)",
        "tools.flag = 1",
        "tools.flags['a'] = 1",
        "assert 1",
        "@overload(tools.f)\ndef _():\n    return 1",
    ],
)
def test_statements_that_change_what_is_not_the_modules_own_run_on_import(project, statement):
    project.put("tools.py", "").put("model.py", f"import tools\n{statement}\n" + model())
    assert project.edit("model.py", "1", "2") == {"model.(on import)"}


def test_warnings_about_the_text_of_a_file_are_left_to_its_import(project):
    project.put("model.py", model(use="'\\s'"))
    assert code_version("model").keys() == {"model.compute"}


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING", '__name__ == "__main__"'])
def test_blocks_that_do_not_run_on_import_do_not_count(project, test):
    project.put("model.py", f"if {test}:\n    show(1)\nelse:\n    show(2)\n" + model())
    assert project.edit("model.py", "show(1)", "show(3)") == set()
    assert project.edit("model.py", "show(2)", "show(3)") == {"model.(on import)"}


@pytest.mark.parametrize(
    "definition",
    [
        "TABLE = 1",
        "TABLE: int = 1",
        "OTHER, (*TABLE, LAST) = make(1)",
        "TABLE = None\nTABLE += 1",
        "TABLE = {}\nTABLE['a'] = 1",
        "TABLE = Table()\nTABLE.a = 1",
        "for TABLE in range(1):\n    pass",
        "with make(1) as TABLE:\n    pass",
        "if make(1):\n    TABLE = 2\nelse:\n    TABLE = 3",
        "try:\n    from fast import TABLE\nexcept ImportError:\n    TABLE = 1",
        "OTHER = (TABLE := 1)",
        "OTHER = [TABLE := i for i in (1, 2)]",
        "match make(1):\n    case [TABLE]:\n        pass",
        "match make(1):\n    case {'a': 2, **TABLE}:\n        pass",
        "def TABLE():\n    return 1",
        "async def TABLE():\n    return 1",
        "class TABLE:\n    a = 1",
        "class TABLE:\n    def method(self):\n        return 1",
        "@decorated(1)\ndef TABLE():\n    pass",
        "def fill():\n    global TABLE\n    TABLE = 1",
        "def TABLE():\n    pass\n@overload(TABLE)\ndef _():\n    return 1",
        "def TABLE():\n    pass\n@overload(TABLE)\ndef table_of_ints():\n    return 1",
        "def TABLE():\n    pass\n@TABLE.register\ndef _():\n    return 1",
    ],
)
def test_every_kind_of_definition_counts_under_its_name_where_it_is_reached(project, definition):
    project.put("helper.py", f"{definition}\ndef g():\n    return TABLE\n")
    project.put("model.py", model("import helper", "helper.g()"))
    assert project.edit("helper.py", "1", "5") == {"helper.TABLE"}
    project.put("model.py", model("import helper", "helper.other()"))
    assert project.edit("helper.py", "5", "7") == set()


def test_names_that_a_function_declares_global_are_followed(project):
    text = """
        COUNT = 1
        def fill():
            global inner
            from tools import inner
        def count():
            global COUNT
            COUNT += 2
        def g(x):
            count()
            return inner.f(x)
    """
    project.put("tools/inner.py", HELPER).put("helper.py", text)
    project.put("model.py", model("import helper", "helper.g(x)"))
    reached = {"helper.COUNT", "helper.inner", "helper.count", "helper.g", "tools.inner.f", "tools.inner.STEP"}
    assert code_version("model").keys() == {"model.compute", *reached}


@pytest.mark.parametrize(
    "definition",
    ["TABLE = [x for x in (1, 2)]", "TABLE = lambda x: 1", "@partial(jit, static=1)\ndef unreached():\n    pass"],
)
def test_definitions_with_inner_names_like_those_in_use_do_not_count(project, definition):
    project.put("model.py", f"from functools import partial\nfrom jax import jit\n{definition}\n" + model(use="x"))
    assert project.edit("model.py", "1", "2") == set()


def test_a_block_that_both_binds_names_and_acts_counts_without_being_reached(project):
    project.put("model.py", "for operation in (1, 2):\n    register(operation)\n" + model())
    assert "model.(on import)" in project.edit("model.py", "(1, 2)", "(1, 3)")


def test_the_functions_that_a_definitions_parts_mention_count(project):
    text = """
        def decorator(f): return f
        def default(): return 1
        def base(): return object
        class Base(base()): pass
        def key(x): return x
        @decorator
        def g(x=default()):
            class Inner(Base): pass
            return {key(i): (lambda: late(i))() for i in x}
        def late(i): return i
    """
    project.put("helper.py", text).put("model.py", model("from helper import g", "g(x)"))
    names = ("decorator", "default", "base", "Base", "key", "late", "g")
    assert code_version("model").keys() == {"model.compute", *(f"helper.{name}" for name in names)}


def test_modules_that_import_each_other_end(project):
    project.put("one.py", "from two import *\nfrom two import h\ndef f(x):\n    return h(x)\n")
    project.put("two.py", "from one import *\nfrom one import f, nowhere\ndef h(x):\n    return f(x) + nowhere\n")
    project.put("model.py", model("import one", "one.f(x)"))
    assert code_version("model").keys() == {"model.compute", "one.f", "two.h"}


def test_a_compiled_extension_counts_by_its_bytes(project):
    project.put(f"tools/fast{EXTENSION_SUFFIXES[0]}", "not really compiled")
    project.put("model.py", model("from tools.fast import f", "f(x)"))
    edited = project.edit(f"tools/fast{EXTENSION_SUFFIXES[0]}", "not really", "never")
    assert edited == {"tools.fast.(binary)"}


def test_files_are_read_in_the_encoding_that_they_declare(project):
    project.put("model.py", model(use="'é'"))
    path = project.folder / "model.py"
    expected = code_version("model")
    path.write_bytes(("# coding: latin-1\n" + path.read_text()).encode("latin-1"))
    assert code_version("model") == expected


def test_long_sums_do_not_nest_too_deep(project):
    project.put("model.py", model(use=" + ".join(["x"] * 2000)))
    assert project.edit("model.py", "x + x", "x - x") == {"model.compute"}


def test_faults_are_told_as_python_tells_them(project, monkeypatch):
    with pytest.raises(ModuleNotFoundError, match="no_such_model"):
        code_version("no_such_model")
    project.put("model.py", model("import broken", "broken.f(x)"))
    path = project.folder / "broken.py"
    for content in (b"def f(:\n", b"a = '\xe9'\n"):
        path.write_bytes(content)
        with pytest.raises(SyntaxError, match=r"invalid syntax|decode") as raised:
            code_version("model")
        assert raised.value.filename == str(path)
    read = Path.read_bytes
    unreadable = lambda path: os.stat(path / "in a file") if path.name == "broken.py" else read(path)  # noqa: E731
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    with pytest.raises(OSError, match=r"broken\.py"):
        code_version("model")


def test_the_digest_tells_versions_apart_and_ignores_their_order():
    version = {"a.f": "1", "a.g": "2"}
    assert digest_of(version) == digest_of(dict(reversed(version.items())))
    assert digest_of(version) not in {digest_of({"a.f": "2", "a.g": "1"}), digest_of({"a.f": "1"}), digest_of({})}
    assert 0 <= digest_of(version) < 2**64


def test_a_package_of_systems_behind_a_door_counts_what_one_system_reaches(project):
    project.put("rooms/__init__.py", "")
    project.put(
        "rooms/systems/__init__.py",
        "from rooms.systems.interface import System, streams\nfrom rooms import plan\n",
    )
    interface = """
        class System: pass
        def streams(seed): return _key(seed)
        def _key(seed): return seed + 1
        def check(values): return values
    """
    system = """
        from rooms.systems import System, streams
        from rooms.systems.interface import check
        def records(settings): return settings["records"]
        def compute(settings, seed):
            from rooms.core import steps
            return steps.learn(records(settings), streams(seed))
        SYSTEM = System(compute=compute, records=records, work=check)
    """
    project.put("rooms/plan.py", "def plan():\n    pass\n").put("rooms/systems/interface.py", interface)
    project.put("rooms/systems/other.py", model()).put("rooms/systems/phase.py", system)
    project.put("rooms/core/steps.py", "def learn(x, y):\n    return _step(x)\ndef _step(x):\n    return x\n")
    assert code_version("rooms.systems.phase").keys() == {
        "rooms.core.steps._step",
        "rooms.core.steps.learn",
        "rooms.systems.interface._key",
        "rooms.systems.interface.streams",
        "rooms.systems.phase.compute",
        "rooms.systems.phase.records",
    }


def test_a_second_call_parses_only_what_was_edited(project, monkeypatch):
    project.put("helper.py", HELPER).put("model.py", model("import helper", "helper.f(x)"))
    code_version("model")
    parsed = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text, path: parsed.append(Path(path).name) or parse(text, path))
    code_version("model")
    assert parsed == []
    project.edit("helper.py", "x + STEP", "x - STEP")
    assert parsed == ["helper.py"]


# --- any program ------------------------------------------------------------------------------------------

FUNCTIONS = 8
MODULES = ("model", "beside", "pack.one", "pack.two", "pack.deep.three")
IMPORTS = {
    "import {module}": "{module}.{name}",
    "import {module} as here_{name}": "here_{name}.{name}",
    "from {module} import {name}": "{name}",
    "from {module} import {name} as other_{name}": "other_{name}",
    "from {module} import *": "{name}",
}
CALLS = st.lists(
    st.tuples(
        st.integers(0, FUNCTIONS - 1), st.integers(0, FUNCTIONS - 1), st.sampled_from(list(IMPORTS)), st.booleans()
    ),
    max_size=2 * FUNCTIONS,
)
HOMES = st.lists(st.sampled_from(MODULES), min_size=FUNCTIONS, max_size=FUNCTIONS)


def program(homes, calls):
    """Source of modules whose functions f0, f1, … are in given homes and call each other as told."""
    imports = {module: [] for module in MODULES}
    bodies = {number: [] for number in range(FUNCTIONS)}
    for caller, called, form, inside in calls:
        home, names = homes[caller], {"module": homes[called], "name": f"f{called}"}
        if home == homes[called]:
            bodies[caller].append(f"    f{called}()")
            continue
        statement = form.format(**names)
        if inside and "*" not in form:
            bodies[caller].append(f"    {statement}")
        else:
            imports[home].append(statement)
        bodies[caller].append(f"    {IMPORTS[form].format(**names)}()")
    text = {module: "\n".join(lines) + "\n" for module, lines in imports.items()}
    for number, lines in bodies.items():
        text[homes[number]] += "\n".join([f"def f{number}():", *lines, f"    return {number}\n"])
    return text


@settings(max_examples=60, deadline=None)
@given(homes=HOMES, calls=CALLS)
def test_what_is_reached_is_what_the_calls_of_any_program_reach(homes, calls):
    homes = ["model", *homes[1:]]
    reached, before = {0}, set()
    while reached != before:
        before, reached = reached, reached | {called for caller, called, *_ in calls if caller in reached}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        project = Project(Path(folder))
        for module, text in program(homes, calls).items():
            project.put(
                f"{module.replace('.', '/')}.py", text + ("SYSTEM = System(compute=f0)\n" * (module == "model"))
            )
        assert code_version("model").keys() == {f"{homes[number]}.f{number}" for number in reached}
