"""Which code computes a system's numbers: every definition that its `compute` reaches, by digest.

Source files are found and parsed, never imported. Comments, docstrings and formatting don't count, nor does code
that `compute` can't reach. Where a name may stand for several things, all of them count. What is reached by no
name is not seen: functions that a decorator or a base class of ours puts in a table, for one.
"""

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec, PathFinder

from pipeline.digest import digest_of
from pipeline.systems.source import ON_IMPORT, Chain, Code, Import, Module, absolute, chain_of, parsed

_BINARY = "(binary)"
_MODULE_NAME = re.compile(r"\w+(\.\w+)*")
_LIBRARIES = {"site-packages", "dist-packages"}


def code_version(module: str) -> dict[str, str]:
    """Digest of every definition that the `compute` of a system reaches, in code that is ours.

    Ours are `sim`, `pipeline`, the top-level package of the system's module, and all modules and packages beside
    that, unless they are in a folder of installed libraries.

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


def modules_searched(module: str) -> dict[str, str]:
    """Modules of ours, written in Python, through which `code_version` finds what a system reaches.

    After an edit they are all to be imported anew: a module that defines nothing may still hand on what it imported.

    Args:
        module: dotted name of the system's module.

    Returns:
        Dotted name → source file, "" where there is none.

    Raises:
        ModuleNotFoundError, SyntaxError, OSError: as `code_version` does.
    """
    search = _Search(module)
    search.version()
    names = sorted(name for name, found in search.modules.items() if found is not None and not found.binary)
    return {name: spec.origin or "" for name in names if (spec := search.specs[name]) is not None}


def may_define(module: str, name: str) -> bool:
    """Whether a module's file binds a name, as far as that can be seen without importing it.

    Args:
        module: dotted name.
        name: of what is looked for.

    Returns:
        False where it does not, True where it does or may: by `import *`, or in a compiled extension.

    Raises:
        ModuleNotFoundError, SyntaxError, OSError: as `code_version` does.
    """
    found = _Search(module).found()
    return bool(found.binary) or found.defines(name) or found.defines("*")


def digest_of_version(version: Mapping[str, str]) -> int:
    """One 64-bit number for a `code_version`, whatever the order of its names."""
    return digest_of(repr(dict(sorted(version.items()))).encode())


class _Search:
    """From a system's `compute` to all that it reaches.

    A question is a module and names joined by dots: what does `kuramoto.learn` mean in sim? Without names it asks
    for the whole module. Its answer counts definitions and asks further questions.
    """

    def __init__(self, system: str) -> None:
        self.system = system
        self.specs: dict[str, ModuleSpec | None] = {}
        self.modules: dict[str, Module | None] = {}
        self.pending: list[tuple[str, Chain]] = []
        self.reached: dict[tuple[str, str], str] = {}
        top = system.partition(".")[0]
        self.ours = {"sim", "pipeline", top}
        self.folders = self._folders(top)

    def found(self) -> Module:
        """The system's module."""
        module = self._module(self.system)
        if module is None:
            raise ModuleNotFoundError(f"{self.system}: no module of this name", name=self.system)
        return module

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
        module = self.found()
        statements = [code.node for code in module.definitions.get("SYSTEM", [])]
        calls = [node for top in statements for node in ast.walk(top) if isinstance(node, ast.Call)]
        computes = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "compute"]
        codes = [Code(compute, module.package) for compute in computes]
        self._ask(self.system, ON_IMPORT)
        for code in codes:
            self._follow(self.system, module, code)
        if not all(chain_of(compute) for compute in computes):
            self.reached[self.system, "SYSTEM.compute"] = _digest(codes)
        if not computes:
            has_system = module.defines("SYSTEM") or module.defines("*")
            self._ask(self.system, *(["SYSTEM"] if has_system else []))

    def _answer(self, name: str, chain: Chain) -> None:
        module = self._module(name)
        if module is None:
            return
        self._ask(name, ON_IMPORT)
        if module.binary:
            self.reached[name, _BINARY] = module.binary
        elif not chain:
            for defined in {*module.definitions, *module.imports}:
                self._ask(name, *([defined] if defined != "*" else []))
        elif chain == (ON_IMPORT,):
            self._run(name, module)
        else:
            self._look_up(name, module, chain)

    def _ask(self, module: str, *chain: str) -> None:
        self.pending.append((module, chain))

    def _run(self, name: str, module: Module) -> None:
        """What runs when a module is imported: its statements, its packages' and those of modules it imports.

        The imports of `pipeline` aren't followed here: each of its modules imports many that compute nothing.
        """
        self._count(name, module, ON_IMPORT)
        self._ask(name.rpartition(".")[0], ON_IMPORT)
        if name.partition(".")[0] != "pipeline":
            for imports in module.imports.values():
                self._run_imported(imports)

    def _run_imported(self, imports: Iterable[Import]) -> None:
        for imported in imports:
            self._ask(imported.runs, ON_IMPORT)
            self._ask(".".join((imported.module, *imported.chain)), ON_IMPORT)

    def _count(self, name: str, module: Module, label: str) -> None:
        if label in module.definitions and (name, label) not in self.reached:
            codes = module.definitions[label]
            self.reached[name, label] = _digest(codes)
            for code in codes:
                self._follow(name, module, code)

    def _follow(self, name: str, module: Module, code: Code) -> None:
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

    def _ask_imported(self, imports: Iterable[Import], rest: Chain) -> None:
        for imported in imports:
            self._ask(imported.module, *imported.chain, *rest)
            if not imported.chain and not rest:
                self._ask(imported.runs)

    def _ask_beyond(self, name: str, module: Module, chain: Chain) -> bool:
        """Ask where a name may be that a module doesn't define: star imports and submodules, if there is one."""
        for star in module.imports.get("*", ()):
            self._ask(star.module, *chain)
        submodule = f"{name}.{chain[0]}"
        found = self._spec(submodule) is not None
        if found:
            self._ask(submodule, *chain[1:])
        return found

    def _look_up(self, name: str, module: Module, chain: Chain) -> None:
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

    def _ask_lazily(self, name: str, module: Module, chain: Chain, found: bool) -> None:
        """Ask the modules that `__getattr__`, and what it mentions, name in strings, for a name; else for all."""
        codes = list(module.definitions["__getattr__"])
        for mention in {mention[0] for code in codes for mention in code.contents.mentions}:
            codes += module.definitions.get(mention, [])
        strings = {string.partition(":")[0] for code in codes for string in code.contents.strings}
        names = {absolute(f"{dots}{string}", module.package) for string in strings for dots in ("", ".")}
        modules = {n: m for n in sorted(names) if _MODULE_NAME.fullmatch(n) and (m := self._module(n))}
        defining = [n for n, candidate in modules.items() if candidate.defines(chain[0])]
        for candidate in defining:
            self._ask(candidate, *chain)
        if not defining and not found:
            for candidate in modules:
                self._ask(candidate)

    def _module(self, name: str) -> Module | None:
        """A module of ours; None of any other."""
        if name not in self.modules:
            spec = self._spec(name)
            path = spec.origin or "" if spec and spec.has_location else ""
            is_package = spec is not None and spec.submodule_search_locations is not None
            self.modules[name] = None if spec is None else parsed(name, path, is_package)
        return self.modules[name]

    def _spec(self, name: str) -> ModuleSpec | None:
        """Where a module of ours is; None of any other."""
        if name not in self.specs:
            self.specs[name] = self._find(*name.rpartition(".")[::2])
        return self.specs[name]

    def _find(self, parent: str, tail: str) -> ModuleSpec | None:
        if not parent:
            is_ours = tail in self.ours or (self.folders and self._folders(tail) & self.folders)
            return top_level(tail) if is_ours else None
        above = self._spec(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        # Under its last name alone: of a dotted one, a namespace package would want the parent in sys.modules.
        return PathFinder.find_spec(tail, list(above.submodule_search_locations))

    @staticmethod
    def _folders(top: str) -> set[str]:
        """Folders that hold a top-level module or package, unless they hold installed libraries."""
        spec = top_level(top)
        if spec is None:
            return set()
        paths = spec.submodule_search_locations or ([spec.origin] if spec.origin and spec.has_location else [])
        folders = {
            os.path.dirname(found) for path in paths for found in (os.path.abspath(path), os.path.realpath(path))
        }
        return {folder for folder in folders if os.path.basename(folder) not in _LIBRARIES}


def top_level(name: str) -> ModuleSpec | None:
    """Where Python would find a top-level module now, without importing anything.

    `importlib.util.find_spec` would tell where a module that is imported already was found then.

    Args:
        name: without dots.

    Returns:
        Its spec, None if there is no such module.
    """
    if not name:
        return None
    specs = (finder.find_spec(name, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next((spec for spec in specs if spec is not None), None)


def _digest(codes: Iterable[Code]) -> str:
    return hashlib.blake2b(b"".join(code.contents.digest for code in codes), digest_size=6).hexdigest()
