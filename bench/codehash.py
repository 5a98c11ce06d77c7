"""A hash of the code behind a class: its module, the modules it imports, and the versions of installed libraries.

Comments, docstrings and layout do not count, nor what is imported for type checkers alone or what a package above
loads on demand, so that editing them does not make a night's results stale.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import sysconfig
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, Final

OWN_PACKAGES: Final = frozenset({"separators", "taggers", "ontology"})
"""Packages of ours that can change what a separator returns; hashed by source wherever they are installed."""


class CodeChangedError(RuntimeError):
    """A module was edited after this process imported it, so that its file no longer says what runs."""


def code_hash(kind: type, *more: str) -> str:
    """SHA-256 over the code that the class's module and ``more`` modules can reach by import statements.

    Modules are followed by their source wherever they lie outside the installed libraries (beside the plug-in, in a
    checkout, in an editable install), and so are our own; of an installed library the version counts. Nothing is
    imported to find out.

    Raises:
        CodeChangedError: the class's code was edited since this process first asked for its hash, and the class is
            still the old one.
    """
    module = kind.__module__
    sources: dict[str, str] = {}
    libraries: set[str] = set()
    if _source(module) is None:  # defined in a notebook or a shell: its own text is all there is
        try:
            sources[module] = inspect.getsource(kind)
        except (OSError, TypeError):
            sources[module] = uuid.uuid4().hex  # code that cannot be seen is never taken for unchanged
    own = OWN_PACKAGES | {name.partition(".")[0] for name in (module, *more)}
    find, lies_outside = cache(_source), cache(_lies_outside_libraries)  # for this once: files come and go
    seen: set[_Wanted] = set()
    waiting: list[_Wanted] = [(name, True) for name in (module, *more)]
    waiting += [(name, False) for one in (module, *more) for name in _parents(one)]
    while waiting:
        name, itself = wanted = waiting.pop()
        path = None if wanted in seen else find(name)
        seen.add(wanted)
        if path is None:
            continue
        stat = path.stat()
        read = _read(path, name, stat.st_mtime_ns, stat.st_size)
        sources[name] = read.text
        for imported in read.lazily | read.always if itself else read.always:
            top = imported.base.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            if top in own or lies_outside(top):
                waiting += imported.modules(find)
            else:
                libraries.add(top)
    described = [f"{name}\n{sources[name]}" for name in sorted(sources)]
    described += [f"{name} {_version(name)}" for name in sorted(libraries)]
    digest = hashlib.sha256("\n".join(described).encode()).hexdigest()
    _refuse_if_edited_after_import(kind, digest)
    return digest


_FIRST_SEEN: Final[dict[str, tuple[type, str]]] = {}


def _refuse_if_edited_after_import(kind: type, digest: str) -> None:
    name = f"{kind.__module__}:{kind.__qualname__}"
    seen, first = _FIRST_SEEN.setdefault(name, (kind, digest))
    if first == digest:
        return
    if seen is kind:
        raise CodeChangedError(f"{name}: its code was edited after it was imported; start a new process")
    _FIRST_SEEN[name] = (kind, digest)  # reloaded: another class stands under the name


def _spec(name: str) -> ModuleSpec | None:
    """Where a module lies, found without importing its parents, as ``importlib.util.find_spec`` would."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    full = ""
    for part in name.split("."):
        full = f"{full}.{part}" if full else part
        try:
            spec = PathFinder.find_spec(full, path)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _source(name: str) -> Path | None:
    """The module's source file; None for names that are no module (``from a import function``) or have no source."""
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _lies_outside_libraries(top: str) -> bool:
    source = _source(top)
    if source is None:
        return False
    return not any(source.resolve().is_relative_to(folder) for folder in _library_folders())


@cache
def _library_folders() -> tuple[Path, ...]:
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in names)


_Wanted = tuple[str, bool]
"""A module, and whether it is imported for itself: of the packages above it, what they load on demand is not used."""


@dataclass(frozen=True)
class _Import:
    """``from base import names``, or ``import base`` without names; ``base`` is absolute."""

    base: str
    names: tuple[str, ...] = ()

    def modules(self, find: Callable[[str], Path | None]) -> list[_Wanted]:
        """What it runs: the modules themselves, and the packages above them."""
        inner = [f"{self.base}.{name}" for name in self.names if find(f"{self.base}.{name}") is not None]
        itself = len(inner) < len(self.names) or not self.names
        above = [(name, False) for name in _parents(self.base)]
        # ``import a.b`` binds the name a.
        bound = [] if self.names else [(self.base.partition(".")[0], True)]
        return [*((name, True) for name in inner), (self.base, itself), *above, *bound]


@dataclass(frozen=True)
class _Read:
    """A module's syntax as text, and its imports: those that ``__getattr__`` of a package makes on demand apart."""

    text: str
    always: frozenset[_Import]
    lazily: frozenset[_Import]


@cache
def _read(path: Path, module: str, mtime_ns: int, size: int) -> _Read:
    """What counts of a module's file; time and size are there for the cache's sake."""
    tree = _WithoutIdle().visit(ast.parse(path.read_bytes()))
    on_demand = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "__getattr__"]
    always = [one for one in tree.body if one not in on_demand]
    home = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return _Read(ast.dump(tree), frozenset(_imports(always, home)), frozenset(_imports(on_demand, home)))


class _WithoutIdle(ast.NodeTransformer):
    """Takes out what never runs: docstrings, and imports for type checkers alone."""

    def visit(self, node: ast.AST) -> Any:
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return super().visit(node)

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        name = getattr(node.test, "id", getattr(node.test, "attr", None))
        return node.orelse if name == "TYPE_CHECKING" else node


def _imports(nodes: Sequence[ast.AST], home: str) -> Iterator[_Import]:
    for node in (inner for one in nodes for inner in ast.walk(one)):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield _Import(base, tuple(alias.name for alias in node.names))


def _parents(name: str) -> list[str]:
    """``a`` and ``a.b`` of ``a.b.c``: importing it runs them all."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


@cache
def _version(library: str) -> str:
    for distribution in _distributions().get(library, ()):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"
