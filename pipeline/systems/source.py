"""Source files as statements, by the names that they define and by what they mention; read, never imported."""

import ast
import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

Chain = tuple[str, ...]
"""Names joined by dots: `sim.kuramoto.learn`."""

ON_IMPORT = ""
"""Label of the statements that run on import and define no name."""
_IGNORED_FIELDS = {"ctx", "kind", "type_comment"}
_NOT_ON_IMPORT = re.compile(r"(\w+\.)?TYPE_CHECKING|__name__ == '__main__'")
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Import(NamedTuple):
    """A name that an import statement binds."""

    name: str
    """"*" for a star, "" for `import_module("…")`."""
    module: str
    chain: Chain
    """What the name stands for: this attribute of the module; of no length: the module."""
    runs: str
    """The module that is imported: a.b for `import a.b`, which binds a."""


def _imports(node: ast.AST, package: str) -> Iterator[Import]:
    """What an import statement in a module of a package binds."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            yield Import(alias.asname or module, module, (), alias.name)
    elif isinstance(node, ast.ImportFrom):
        module = absolute("." * node.level + (node.module or ""), package)
        for alias in node.names:
            yield Import(alias.asname or alias.name, module, (alias.name,), module)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.args[0].value
        if chain_of(node.func)[-1:] in {("import_module",), ("__import__",)} and isinstance(name, str):
            module = absolute(name, package)
            yield Import("", module, (), module)


def absolute(name: str, package: str) -> str:
    """A module's full name from one that may begin with dots.

    Args:
        name: as an import statement has it.
        package: of the module that imports; "" for none.

    Returns:
        The full name; "" if the dots lead out of all packages.
    """
    bare = name.lstrip(".")
    up = len(name) - len(bare)
    parents = package.split(".") if package else []
    if up == 0 or up > len(parents):
        return bare if up == 0 else ""
    return ".".join([*parents[: len(parents) - up + 1], *filter(None, [bare])])


def chain_of(node: ast.AST) -> Chain:
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
    imports: list[Import]
    strings: set[str]


class Code:
    """A statement or expression of a module, read when it is first reached.

    Args:
        node: the statement or expression.
        package: of the module; "" for none.
    """

    def __init__(self, node: ast.AST, package: str) -> None:
        self.node = node
        self.package = package

    @cached_property
    def contents(self) -> _Contents:
        """What the statement says, mentions and imports."""
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
            elif isinstance(item, ast.Name | ast.Attribute) and (chain := chain_of(item)):
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


def _tree(source: bytes, path: str) -> ast.Module:
    try:
        return ast.parse(source, path)
    except SyntaxError as error:  # without a file for null bytes
        error.filename = error.filename or path
        raise


class Module:
    """Statements of a module's file by the names that they define, and what its imports bind.

    Args:
        name: dotted name.
        path: of its file; "" for a namespace package.
        is_package: whether it may have submodules.

    Raises:
        SyntaxError, OSError: the file can't be parsed or read.
    """

    def __init__(self, name: str, path: str, is_package: bool) -> None:
        self.package = name if is_package else name.rpartition(".")[0]
        self.definitions: dict[str, list[Code]] = {}
        self.imports: dict[str, list[Import]] = {}
        self.binary = _file_digest(path) if path and not path.endswith(".py") else ""
        if path.endswith(".py"):
            self._read(path)

    def _read(self, path: str) -> None:
        source = Path(path).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `\s` in a docstring: Python tells it when it imports the module
            tree = _tree(source, path)
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
            code = Code(statement, self.package)
            for label in labels:
                self.definitions.setdefault(label, []).append(code)

    def _add_globals(self, statement: ast.stmt) -> None:
        """A function counts under the names that it declares global."""
        nodes = list(ast.walk(statement))
        names = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
        if names:
            self._add(statement, names)
            self._bind(i for node in nodes for i in _imports(node, self.package) if i.name in names)

    def _bind(self, imports: Iterable[Import]) -> None:
        for imported in imports:
            self.imports.setdefault(imported.name, []).append(imported)

    def defines(self, name: str) -> bool:
        """Whether a name is defined or imported here."""
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
    """Labels of a statement beside the names that it binds: names whose objects it changes, or `ON_IMPORT`.

    `f.x = 1` and `@f.register` count with f if the module defines it, `@overload(f)` too, else on import.
    """
    found: set[str] = set()
    for node in _at_module_level(statement):
        if isinstance(node, _DEFINITIONS):
            attached = set(_attached_to(node))
            found |= attached & defined
            if attached - defined or (node.name == "_" and not attached):
                found.add(ON_IMPORT)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            root = _root(node)
            found.add(root if root in defined else ON_IMPORT)
        elif isinstance(node, ast.Expr | ast.Delete) and not _does_nothing(node):
            found.add(ON_IMPORT)
    return found if found or names else {ON_IMPORT}


def _attached_to(definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[str]:
    """Names to which decorators attach a definition: f of `@overload(f)` and of `@f.register`."""
    for decorator in definition.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(function, ast.Attribute) and function.attr == "register":
            yield _root(function)
        elif isinstance(decorator, ast.Call) and chain_of(function)[-1:] != ("partial",):
            yield from (_root(argument) for argument in decorator.args[:1] if chain_of(argument))


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _file_digest(path: str) -> str:
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=6).hexdigest()


_known: dict[tuple[str, str], tuple[str, Module]] = {}
"""(module, path) → digest of the file when it was parsed, and the module: times and sizes may stay as they were."""


def parsed(name: str, path: str, is_package: bool) -> Module:
    """A module's statements, parsed again only if its file has changed.

    Args:
        name: dotted name.
        path: of its file; "" for a namespace package, which has no statements.
        is_package: whether it may have submodules.

    Returns:
        The module.

    Raises:
        SyntaxError, OSError: the file can't be parsed or read.
    """
    if not path:
        return Module(name, path, is_package)
    digest = _file_digest(path)
    known = _known.get((name, path))
    if known is None or known[0] != digest:
        known = _known[name, path] = digest, Module(name, path, is_package)
    return known[1]
