"""A hash of the code behind an object: its module, the modules of its own packages it imports, and library versions.

Comments, docstrings and layout do not count, so that editing them does not make a night's results stale.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import uuid
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Final

OWN_PACKAGES: Final = frozenset({"separators", "taggers", "ontology"})
"""Packages of ours that can change what a separator returns."""


def code_hash(kind: type, *more: str) -> str:
    """SHA-256 over the code that the class's module and ``more`` modules can reach by import statements.

    Followed are modules of their own top-level packages and of :data:`OWN_PACKAGES`; of other libraries the version
    counts.
    """
    module = kind.__module__
    sources: dict[str, str] = {}
    if _tree(module) is None:  # defined in a notebook or a shell: its own text is all there is
        try:
            sources[module] = inspect.getsource(kind)
        except (OSError, TypeError):
            sources[module] = uuid.uuid4().hex  # code that cannot be seen is never taken for unchanged
    own = OWN_PACKAGES | {name.partition(".")[0] for name in (module, *more)}
    libraries: set[str] = set()
    waiting = [module, *more]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        tree = _tree(name)
        if tree is None:
            continue
        sources[name] = ast.dump(tree)
        for imported in _imports(tree, name):
            top = imported.partition(".")[0]
            if top in own:
                waiting.append(imported)
            elif top not in sys.stdlib_module_names:
                libraries.add(top)
    described = [f"{name}\n{sources[name]}" for name in sorted(sources)]
    described += [f"{name} {_version(name)}" for name in sorted(libraries)]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()


@cache
def _tree(module: str) -> ast.Module | None:
    """The module's syntax tree without docstrings; None for names that are no module (``from a import function``)."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    tree = ast.parse(Path(spec.origin).read_bytes())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module, module: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, _package_of(module))
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _package_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        return module
    return module.rpartition(".")[0]


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
