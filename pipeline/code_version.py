"""Which code computes a system's numbers: every definition that its `compute` reaches, by digest.

Source files are found and parsed, never imported. Comments, docstrings and formatting don't count, nor does code
that `compute` can't reach. Where a name may stand for several things, all of them count. What is reached by no
name is not seen: functions that a decorator or a base class of ours puts in a table, for one.
"""

import ast
import hashlib
import importlib.util
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

Chain = tuple[str, ...]
"""Names joined by dots: `sim.kuramoto.learn`."""

_BINARY = "(binary)"
_ON_IMPORT = ""
"""Label of the statements that run on import and define no name."""
_IGNORED_FIELDS = {"ctx", "kind", "type_comment"}
_NOT_ON_IMPORT = re.compile(r"(\w+\.)?TYPE_CHECKING|__name__ == '__main__'")
_MODULE_NAME = re.compile(r"\w+(\.\w+)*")
_LIBRARIES = {"site-packages", "dist-packages"}
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def code_version(module: str) -> dict[str, str]:
    """Digest of every definition that the `compute` of a system reaches, in code that is ours.

    Ours are `sim`, `pipeline`, the top-level package of the system's module and, for a module that is in no
    package, all that is in its folder, unless it is a folder of installed libraries.

    Args:
        module: dotted name of the module that assigns `SYSTEM = System(…, compute=…, …)`.

    Returns:
        {"sim.kuramoto.learn": "1f…", …}, sorted. Statements that run on import and define no name are
        "module.(on import)", a compiled extension is "module.(binary)", a lambda or a call given as `compute`
        "module.SYSTEM.compute".

    Raises:
        ModuleNotFoundError: there is no such module.
        SyntaxError, OSError: a source file can't be parsed or read.
    """
    return _Search(module).version()


def digest_of(version: Mapping[str, str]) -> int:
    """One 64-bit number for a `code_version`, whatever the order of its names."""
    digest = hashlib.blake2b(repr(dict(sorted(version.items()))).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


class _Import(NamedTuple):
    """A name that an import statement binds."""

    name: str
    """"*" for a star, "" for `import_module("…")`."""
    module: str
    chain: Chain
    """What the name stands for: this attribute of the module; of no length: the module."""
    runs: str
    """The module that is imported: a.b for `import a.b`, which binds a."""


def _imports(node: ast.AST, package: str) -> Iterator[_Import]:
    """What an import statement in a module of a package binds."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            yield _Import(alias.asname or module, module, (), alias.name)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute("." * node.level + (node.module or ""), package)
        for alias in node.names:
            yield _Import(alias.asname or alias.name, module, (alias.name,), module)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.args[0].value
        if _chain(node.func)[-1:] in {("import_module",), ("__import__",)} and isinstance(name, str):
            module = _absolute(name, package)
            yield _Import("", module, (), module)


def _absolute(name: str, package: str) -> str:
    """A module's full name from one that may begin with dots; "" if they lead out of all packages."""
    bare = name.lstrip(".")
    up = len(name) - len(bare)
    parents = package.split(".") if package else []
    if up == 0 or up > len(parents):
        return bare if up == 0 else ""
    return ".".join([*parents[: len(parents) - up + 1], *filter(None, [bare])])


def _chain(node: ast.AST) -> Chain:
    """("a", "b", "f") of the expression a.b.f; () of any that is not names joined by dots."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


class _Contents(NamedTuple):
    digest: bytes
    """Of the text without docstrings and layout. The same in every version of Python."""
    mentions: set[Chain]
    imports: list[_Import]
    strings: set[str]


class _Code:
    """A statement or expression of a module, read when it is first reached."""

    def __init__(self, node: ast.AST, package: str) -> None:
        self.node = node
        self.package = package

    @cached_property
    def contents(self) -> _Contents:
        parts: list[str] = []
        contents = _Contents(b"", set(), [], set())
        pending: list[object] = [self.node]  # a stack, since long sums nest deeper than Python recurses
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                parts.append(item)
            elif isinstance(item, list):
                parts.append("[")
                pending.append("]")
                pending += [_node_or_text(inner) for inner in reversed(item) if not _does_nothing(inner)]
            elif isinstance(item, ast.Name | ast.Attribute) and (chain := _chain(item)):
                parts.append(".".join(chain))
                if isinstance(item, ast.Attribute) or isinstance(item.ctx, ast.Load):
                    contents.mentions.add(chain)
            elif isinstance(item, ast.AST):
                self._note(item, contents)
                parts.append(type(item).__name__)
                pending += _fields(item)
        text = "\0".join(parts).encode(errors="surrogatepass")
        return contents._replace(digest=hashlib.blake2b(text, digest_size=16).digest())

    def _note(self, node: ast.AST, contents: _Contents) -> None:
        contents.imports.extend(_imports(node, self.package))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            contents.strings.add(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            contents.mentions.add((node.target.id,))  # assigned to, but read before


def _fields(node: ast.AST) -> Iterator[object]:
    """Values and names of a node's fields, last first, in brackets; None and [], as new fields are, left out."""
    yield ")"
    if isinstance(node, ast.Constant):
        yield repr(node.value)
    else:
        for field in reversed(node._fields):
            value = getattr(node, field, None)
            if field not in _IGNORED_FIELDS and value is not None and value != []:
                yield _node_or_text(value)
                yield field
    yield "("


def _node_or_text(value: object) -> object:
    return value if isinstance(value, ast.AST | list) else repr(value)


def _is_import(node: object) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _does_nothing(node: object) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


class _Module:
    """Statements of a module's file by the names that they define, and what its imports bind."""

    def __init__(self, name: str, path: str, is_package: bool) -> None:
        self.package = name if is_package else name.rpartition(".")[0]
        self.definitions: dict[str, list[_Code]] = {}
        self.imports: dict[str, list[_Import]] = {}
        self.binary = _file_digest(path) if path and not path.endswith(".py") else ""
        if path.endswith(".py"):
            self._read(path)

    def _read(self, path: str) -> None:
        source = Path(path).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `\s` in a docstring: Python tells it when it imports the module
            tree = ast.parse(source, path)
        statements = list(_run_on_import(tree.body))
        bound = [_bound(statement) for statement in statements]
        defined = {n for s, names in zip(statements, bound, strict=True) if not _is_import(s) for n in names}
        for statement, names in zip(statements, bound, strict=True):
            self._add(statement, names | _affected(statement, names, defined))
        if b"global" in source:
            for statement in statements:
                self._add_globals(statement)

    def _add(self, statement: ast.stmt, labels: Iterable[str]) -> None:
        for node in _at_module_level(statement):
            self._bind(_imports(node, self.package))
        if not _is_import(statement):
            code = _Code(statement, self.package)
            for label in labels:
                self.definitions.setdefault(label, []).append(code)

    def _add_globals(self, statement: ast.stmt) -> None:
        """A function counts under the names that it declares global."""
        nodes = list(ast.walk(statement))
        names = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
        if names:
            self._add(statement, names)
            self._bind(i for node in nodes for i in _imports(node, self.package) if i.name in names)

    def _bind(self, imports: Iterable[_Import]) -> None:
        for imported in imports:
            self.imports.setdefault(imported.name, []).append(imported)

    def defines(self, name: str) -> bool:
        return name in self.definitions or name in self.imports


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, without docstrings and the blocks for type checkers and for scripts."""
    for statement in body:
        if isinstance(statement, ast.If) and _NOT_ON_IMPORT.fullmatch(ast.unparse(statement.test)):
            yield from _run_on_import(statement.orelse)
        elif not _does_nothing(statement):
            yield statement


def _at_module_level(statement: ast.stmt) -> Iterator[ast.AST]:
    """Nodes of a statement whose names are the module's, not those of a function, class or comprehension."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            pending += [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
        elif not isinstance(node, _DEFINITIONS | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def _bound(statement: ast.stmt) -> set[str]:
    """Names of the module that a statement binds."""
    names: set[str] = set()
    for node in _at_module_level(statement):
        if isinstance(node, _DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif _is_import(node):
            names |= {imported.name for imported in _imports(node, "")}
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
    return names


def _affected(statement: ast.stmt, names: set[str], defined: set[str]) -> set[str]:
    """Labels of a statement beside the names that it binds: names whose objects it changes, or `_ON_IMPORT`.

    `f.x = 1` and `@f.register` count with f if the module defines it, `@overload(f)` too, else on import.
    """
    found: set[str] = set()
    for node in _at_module_level(statement):
        if isinstance(node, _DEFINITIONS):
            attached = set(_attached_to(node))
            found |= attached & defined
            if attached - defined or (node.name == "_" and not attached):
                found.add(_ON_IMPORT)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            root = _root(node)
            found.add(root if root in defined else _ON_IMPORT)
        elif isinstance(node, ast.Expr | ast.Delete) and not _does_nothing(node):
            found.add(_ON_IMPORT)
    return found if found or names else {_ON_IMPORT}


def _attached_to(definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[str]:
    """Names to which decorators attach a definition: f of `@overload(f)` and of `@f.register`."""
    for decorator in definition.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(function, ast.Attribute) and function.attr == "register":
            yield _root(function)
        elif isinstance(decorator, ast.Call) and _chain(function)[-1:] != ("partial",):
            yield from (_root(argument) for argument in decorator.args[:1] if _chain(argument))


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _file_digest(path: str) -> str:
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=6).hexdigest()


_parsed: dict[tuple[str, str], tuple[tuple[int, int], _Module]] = {}
"""(module, path) → time and size of the file when it was parsed, and the module."""


def _parse(name: str, path: str, is_package: bool) -> _Module:
    """A module; of no path: a namespace package, which has no statements."""
    if not path:
        return _Module(name, path, is_package)
    status = os.stat(path)
    stamp = status.st_mtime_ns, status.st_size
    known = _parsed.get((name, path))
    if known is None or known[0] != stamp:
        known = _parsed[name, path] = stamp, _Module(name, path, is_package)
    return known[1]


class _Search:
    """From a system's `compute` to all that it reaches.

    A question is a module and names joined by dots: what does `kuramoto.learn` mean in sim? Without names it asks
    for the whole module. Its answer counts definitions and asks further questions.
    """

    def __init__(self, system: str) -> None:
        self.system = system
        self.specs: dict[str, ModuleSpec | None] = {}
        self.modules: dict[str, _Module | None] = {}
        self.pending: list[tuple[str, Chain]] = []
        self.reached: dict[tuple[str, str], str] = {}
        top = system.partition(".")[0]
        self.ours = {"sim", "pipeline", top}
        self.folders = self._folders(top) if top == system else set()

    def version(self) -> dict[str, str]:
        self._start()
        asked: set[tuple[str, Chain]] = set()
        while self.pending:
            question = self.pending.pop()
            if question not in asked:
                asked.add(question)
                self._answer(*question)
        return {
            f"{module}.{name or '(on import)'}": self.reached[module, name]
            for module, name in sorted(self.reached)
        }

    def _start(self) -> None:
        """Ask for what `compute=` mentions; where there is none, for `SYSTEM`, else for the whole module."""
        module = self._module(self.system)
        if module is None:
            raise ModuleNotFoundError(f"{self.system}: no module of this name", name=self.system)
        statements = [code.node for code in module.definitions.get("SYSTEM", [])]
        calls = [node for top in statements for node in ast.walk(top) if isinstance(node, ast.Call)]
        computes = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "compute"]
        codes = [_Code(compute, module.package) for compute in computes]
        self._ask(self.system, _ON_IMPORT)
        for code in codes:
            self._follow(self.system, module, code)
        if not all(_chain(compute) for compute in computes):
            self.reached[self.system, "SYSTEM.compute"] = _digest(codes)
        if not computes:
            has_system = module.defines("SYSTEM") or module.defines("*")
            self._ask(self.system, *(["SYSTEM"] if has_system else []))

    def _answer(self, name: str, chain: Chain) -> None:
        module = self._module(name)
        if module is None:
            return
        self._ask(name, _ON_IMPORT)
        if module.binary:
            self.reached[name, _BINARY] = module.binary
        elif not chain:
            for defined in {*module.definitions, *module.imports}:
                self._ask(name, *([defined] if defined != "*" else []))
        elif chain == (_ON_IMPORT,):
            self._run(name, module)
        else:
            self._look_up(name, module, chain)

    def _ask(self, module: str, *chain: str) -> None:
        self.pending.append((module, chain))

    def _run(self, name: str, module: _Module) -> None:
        """What runs when a module is imported: its statements, its packages' and those of modules it imports.

        The imports of `pipeline` aren't followed here: each of its modules imports many that compute nothing.
        """
        self._count(name, module, _ON_IMPORT)
        self._ask(name.rpartition(".")[0], _ON_IMPORT)
        if name.partition(".")[0] != "pipeline":
            for imports in module.imports.values():
                self._run_imported(imports)

    def _run_imported(self, imports: Iterable[_Import]) -> None:
        for imported in imports:
            self._ask(imported.runs, _ON_IMPORT)
            self._ask(".".join((imported.module, *imported.chain)), _ON_IMPORT)

    def _count(self, name: str, module: _Module, label: str) -> None:
        if label in module.definitions and (name, label) not in self.reached:
            codes = module.definitions[label]
            self.reached[name, label] = _digest(codes)
            for code in codes:
                self._follow(name, module, code)

    def _follow(self, name: str, module: _Module, code: _Code) -> None:
        """Ask for all that a statement of a module mentions: a name may be its own import or the module's."""
        imports = code.contents.imports
        self._run_imported(imports)
        for imported in imports:
            if not imported.name:
                self._ask(imported.module)
        for mention in code.contents.mentions:
            self._ask_imported((i for i in imports if i.name == mention[0]), mention[1:])
            if module.defines(mention[0]):
                self._ask(name, *mention)
            else:
                self._ask_beyond(name, module, mention)

    def _ask_imported(self, imports: Iterable[_Import], rest: Chain) -> None:
        for imported in imports:
            self._ask(imported.module, *imported.chain, *rest)
            if not imported.chain and not rest:
                self._ask(imported.runs)

    def _ask_beyond(self, name: str, module: _Module, chain: Chain) -> bool:
        """Ask where a name may be that a module doesn't define: star imports and submodules, if there is one."""
        for star in module.imports.get("*", ()):
            self._ask(star.module, *chain)
        submodule = f"{name}.{chain[0]}"
        found = self._spec(submodule) is not None
        if found:
            self._ask(submodule, *chain[1:])
        return found

    def _look_up(self, name: str, module: _Module, chain: Chain) -> None:
        """A name of a module that another module asks for, or a definition of its own."""
        first, rest = chain[0], chain[1:]
        imports = module.imports.get(first, [])
        self._count(name, module, first)
        self._ask_imported(imports, rest)
        is_submodule = any((i.module, i.chain) == (name, (first,)) for i in imports)  # `from . import first`
        found = module.defines(first) and not is_submodule
        if rest or not found:
            found |= self._ask_beyond(name, module, chain)
        if not module.defines(first) and "__getattr__" in module.definitions:
            self._ask(name, "__getattr__")
            self._ask_lazily(name, module, chain, found)

    def _ask_lazily(self, name: str, module: _Module, chain: Chain, found: bool) -> None:
        """Ask the modules that `__getattr__`, and what it mentions, name in strings, for a name; else for all."""
        codes = list(module.definitions["__getattr__"])
        for mention in {mention[0] for code in codes for mention in code.contents.mentions}:
            codes += module.definitions.get(mention, [])
        strings = {string.partition(":")[0] for code in codes for string in code.contents.strings}
        names = {_absolute(f"{dots}{string}", module.package) for string in strings for dots in ("", ".")}
        modules = {n: m for n in sorted(names) if _MODULE_NAME.fullmatch(n) and (m := self._module(n))}
        defining = [n for n, candidate in modules.items() if candidate.defines(chain[0])]
        for candidate in defining:
            self._ask(candidate, *chain)
        if not defining and not found:
            for candidate in modules:
                self._ask(candidate)

    def _module(self, name: str) -> _Module | None:
        """A module of ours; None of any other."""
        if name not in self.modules:
            spec = self._spec(name)
            path = spec.origin or "" if spec and spec.has_location else ""
            is_package = spec is not None and spec.submodule_search_locations is not None
            self.modules[name] = None if spec is None else _parse(name, path, is_package)
        return self.modules[name]

    def _spec(self, name: str) -> ModuleSpec | None:
        """Where a module of ours is; None of any other."""
        if name not in self.specs:
            self.specs[name] = self._find(*name.rpartition(".")[::2])
        return self.specs[name]

    def _find(self, parent: str, tail: str) -> ModuleSpec | None:
        if not parent:
            is_ours = tail in self.ours or (self.folders and self._folders(tail) & self.folders)
            return _top_level(tail) if is_ours else None
        above = self._spec(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        # Under its last name alone: of a dotted one, a namespace package would want the parent in sys.modules.
        return PathFinder.find_spec(tail, list(above.submodule_search_locations))

    @staticmethod
    def _folders(top: str) -> set[str]:
        """Folders that hold a top-level module or package, unless they hold installed libraries."""
        spec = _top_level(top)
        if spec is None:
            return set()
        paths = spec.submodule_search_locations or ([spec.origin] if spec.origin and spec.has_location else [])
        folders = {os.path.dirname(os.path.realpath(path)) for path in paths}
        return {folder for folder in folders if os.path.basename(folder) not in _LIBRARIES}


def _top_level(name: str) -> ModuleSpec | None:
    """A top-level module, which Python finds without importing anything."""
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # no name, or a module in sys.modules that has no spec
        return None


def _digest(codes: Iterable[_Code]) -> str:
    return hashlib.blake2b(b"".join(code.contents.digest for code in codes), digest_size=6).hexdigest()
