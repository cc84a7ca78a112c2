"""The house: rooms in their order, imports downward only and through doors, each main name in its place."""

import ast
import re
import shutil

import pytest

from tests.command import ROOT

ROOMS = (
    "__main__",
    "api",
    "actions",
    "console",
    "execution",
    "checks",
    "report",
    "figures",
    "claims",
    "search",
    "cluster",
    "plan",
    "store",
    "request",
    "systems",
    ("schema", "errors", "digest", "provenance", "words"),
)
"""From the top of the house to the ground, whose modules import none of ours. `pipeline/__init__` opens all lazily."""
LEVEL = {
    name: level for level, names in enumerate(ROOMS) for name in ([names] if isinstance(names, str) else names)
}
GROUND = len(ROOMS) - 1


def modules(root):
    """Every module of the package: its dotted name below `pipeline` → its file."""
    files = sorted((root / "pipeline").rglob("*.py"))
    return {".".join(file.relative_to(root / "pipeline").with_suffix("").parts): file for file in files}


def imports(file):
    """(line, module, names) of every import of ours in a file, those inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("pipeline", "sim"):
            yield node.lineno, node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in ("pipeline", "sim"):
                    yield node.lineno, alias.name, []


def faults(root):
    """Every import that climbs, passes a door, or reaches `sim` from elsewhere than `systems`."""
    for name, file in modules(root).items():
        room = name.partition(".")[0]
        if room == "__init__":
            continue
        for line, module, names in imports(file):
            where = f"pipeline/{name.replace('.', '/')}.py, line {line}"
            top, _, inside = module.partition(".")
            if top == "sim":
                if room != "systems":
                    yield f"{where}: only systems may import sim"
                continue
            targets = [inside] if inside else names  # `from pipeline import checks`
            for target in targets:
                other, _, rest = target.partition(".")
                if other == room:
                    continue
                if LEVEL[other] < LEVEL[room] or LEVEL[room] == GROUND:
                    yield f"{where}: {room} imports {other}, which is above it or beside it on the ground"
                if rest:
                    yield f"{where}: passes the door of {other}"


def test_every_module_is_in_a_room_that_has_its_place():
    assert {name.partition(".")[0] for name in modules(ROOT)} - {"__init__"} == LEVEL.keys()


def test_imports_go_downward_and_through_doors():
    assert list(faults(ROOT)) == []


@pytest.mark.parametrize(
    ("file", "planted", "fault"),
    [
        ("store/blocks.py", "from pipeline.plan import Plan", "store imports plan"),
        ("request/config.py", "import pipeline.store", "request imports store"),
        ("systems/finding.py", "def f():\n    from pipeline.request import check", "systems imports request"),
        ("words.py", "from pipeline.errors import Damaged", "words imports errors"),
        ("plan/cost.py", "from pipeline.store.blocks import cell", "passes the door of store"),
        ("plan/cost.py", "from pipeline import execution", "plan imports execution"),
        ("figures/_style.py", "from sim.sizes import steps_in", "only systems may import sim"),
    ],
)
def test_a_planted_import_that_breaks_the_order_is_found(file, planted, fault, tmp_path):
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "pipeline" / file
    path.write_text(f"{path.read_text()}\n\n{planted}\n")
    (found,) = faults(tmp_path)
    assert fault in found


def test_modules_import_each_other_in_no_circle():
    """Within rooms too: the order of rooms leaves no circle between them."""
    graph = {}
    for name, file in modules(ROOT).items():
        room = name.partition(".")[0]
        targets = {
            module.removeprefix("pipeline.") for _, module, _ in imports(file) if module.startswith("pipeline.")
        }
        graph[name] = {target for target in targets if target.startswith(f"{room}.")}
    finished, path = set(), []

    def visit(name):
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        if name in finished or name not in graph:
            return
        path.append(name)
        for target in sorted(graph[name]):
            visit(target)
        finished.add(path.pop())

    for name in sorted(graph):
        visit(name)


def test_no_room_knows_a_system_by_name():
    word = re.compile(r"\b(kuramoto|kuramoto_continuous|network)\b")
    others = [
        file
        for name, file in modules(ROOT).items()
        if name.partition(".")[0] not in ("systems", "figures", "claims")
    ]
    found = [
        f"{file.name}: {line}" for file in others for line in file.read_text().splitlines() if word.search(line)
    ]
    assert found == []


def test_built_in_systems_use_what_the_interface_offers_and_nothing_else():
    for system in ("kuramoto", "kuramoto_continuous", "network"):
        for _, module, _names in imports(ROOT / "pipeline" / "systems" / f"{system}.py"):
            allowed = ("pipeline.schema", "pipeline.systems", "pipeline.systems.kuramoto")
            assert module in allowed or module.startswith("sim"), (system, module)


def test_the_command_line_is_short():
    assert len((ROOT / "pipeline" / "__main__.py").read_text().splitlines()) <= 100
