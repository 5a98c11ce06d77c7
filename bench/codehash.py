"""A hash of the code behind a class: its module, the modules it imports, and the versions of installed libraries.

Comments, docstrings and layout do not count, so that editing them does not make a night's results stale.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Final

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
    waiting = [module, *more]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        path = _source(name)
        if path is None:
            continue
        stat = path.stat()
        tree = _tree(path, stat.st_mtime_ns, stat.st_size)
        sources[name] = ast.dump(tree)
        for imported in _imports(tree, name, package=path.name == "__init__.py"):
            top = imported.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            if top in own or _lies_outside_libraries(top):
                waiting += _with_parents(imported)
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


@cache
def _tree(path: Path, mtime_ns: int, size: int) -> ast.Module:
    """The file's syntax tree without docstrings; time and size are there for the cache's sake."""
    tree = ast.parse(path.read_bytes())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module, module: str, *, package: bool) -> Iterator[str]:
    home = module if package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = home.split(".")[: len(home.split(".")) - (node.level - 1)]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> list[str]:
    """``a.b.c`` and its packages: importing it runs them all."""
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _version(library: str) -> str:
    for distribution in _distributions().get(library, ()):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"
