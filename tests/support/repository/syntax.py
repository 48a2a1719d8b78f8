"""Syntax trees and imports of the repository's Python files."""

import ast
import gc
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT


def modules(package: str) -> list[Path]:
    """All Python files of a package, given by its path or its name; links inside of the shared package are left out."""
    return sorted((ROOT / package.removeprefix("sidedata.")).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree, made with the collector of garbage at rest.

    Now and then Python 3.11.7 said SystemError, "AST constructor recursion depth mismatch" (CPython's issue 106905): it keeps one
    count for all trees, and what a collection finalizes may make another one, as a traceback does for its carets.
    """
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it, through importlib too if the name is constant."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT).parts[: -node.level or None][:-1]) if node.level > 1 else ""
            if node.level == 1:
                package = ".".join(path.relative_to(ROOT).parts[:-1])
            base = ".".join(part for part in (package, node.module or "") if part)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"import_module", "__import__"}:
                found.add(str(node.args[0].value))
    return found


def tops(names: set[str]) -> set[str]:
    """The first parts of dotted names."""
    return {name.split(".")[0] for name in names}
