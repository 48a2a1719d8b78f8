"""Who may import whom, read from the syntax trees: service -> sidedata <- ingest, and some modules do no I/O at all."""

import ast
import gc
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sidedata", "sidedata.ingest", "sidedata.service")
FOREIGN = {
    "sidedata": {"sidedata.ingest", "sidedata.service"},
    "sidedata.ingest": {"sidedata.service"},
    "sidedata.service": {"sidedata.ingest"},
}
PURE = [
    "sidedata/calendar/zones.py",
    "sidedata/calendar/tiling.py",
    "sidedata/hyperloglog.py",
    "sidedata/schema/key_names.py",
    "ingest/apply/rollup.py",
    "ingest/apply/attribution.py",
    "service/report/assemble.py",
    "service/report/plan.py",
    "service/report/requirements.py",
]
WORLDLY = {"redis", "asyncio", "aiohttp", "socket", "time", "uvloop", "subprocess", "threading", "random", "secrets"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}


def modules(package: str) -> list[Path]:
    """All Python files of a package, in the folder that holds them; links inside of the shared package are left out."""
    folder = ROOT / package.removeprefix("sidedata.")
    return sorted(path for path in folder.rglob("*.py") if not path.parent.is_symlink())


def name_of(path: Path) -> str:
    """A file's dotted name; `service/` and `ingest/` are imported through the links in `sidedata/`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("sidedata", *parts) if parts[0] in {"service", "ingest"} else parts).removesuffix(".__init__")


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


def crosses(name: str, packages: set[str]) -> bool:
    """Tell if a module's name lies in one of the packages."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_stands_below_them(package: str) -> None:
    """`service` and `ingest` import `sidedata` and never each other; the shared package neither; none imports tests or bench."""
    assert modules(package), "the package is empty"
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if crosses(name, FOREIGN[package] | {"tests", "bench"})
    }
    assert not crossings


def test_no_module_has_two_names() -> None:
    """`service` and `ingest` are imported as `sidedata.service` and `sidedata.ingest` everywhere, so each module is loaded once."""
    aliases = {
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in ("sidedata", "service", "ingest", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path)
        if crosses(name, {"service", "ingest", "store"})
    }
    assert not aliases


def folder_imports() -> dict[str, set[str]]:
    """The folders that the files of each folder import from; a file at the top of a package stands for itself."""
    files = {name_of(path): path for package in PACKAGES for path in modules(package)}
    folders = {
        name: name if path.name == "__init__.py" or name.rpartition(".")[0] in PACKAGES else name.rpartition(".")[0]
        for name, path in files.items()
    }
    graph: dict[str, set[str]] = {folder: set() for folder in folders.values()}
    for name, path in files.items():
        graph[folders[name]].update(folders[found] for found in imported(path) if found in files)
        graph[folders[name]].discard(folders[name])
    return graph


def test_no_folders_import_each_other_in_a_circle() -> None:
    """The folders have an order: none imports a folder that leads back to it."""
    graph = folder_imports()
    assert len(graph) > 15, "the folders were not found"
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from error


def test_no_folder_holds_more_than_ten_files() -> None:
    """A subject fits in ten files; the top of the shared package and the pages are excepted."""
    crowded = {
        str(folder.relative_to(ROOT)): len(files)
        for package in PACKAGES
        for folder in {path.parent for path in modules(package)} - {ROOT / "sidedata"}
        if len(files := [path for path in folder.glob("*.py") if path.name != "__init__.py"]) > 10
    }
    assert not crowded


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_touch_no_world(module: str) -> None:
    """What is called pure imports nothing that does I/O, waits or throws dice."""
    assert not tops(imported(ROOT / module)) & WORLDLY


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_never_ask_for_the_time(module: str) -> None:
    """What is called pure gets the time as an argument."""
    asked = [
        f"{module}:{node.lineno}"
        for node in ast.walk(tree(ROOT / module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert not asked
