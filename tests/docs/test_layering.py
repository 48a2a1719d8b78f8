"""The rules of imports, read from the syntax trees: service -> sidedata <- ingest, and some modules do no I/O at all."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.repository.syntax import imported, modules, tree

PACKAGES = ("sidedata", "sidedata.ingest", "sidedata.service")
FOREIGN = {
    "sidedata": {"sidedata.ingest", "sidedata.service"},
    "sidedata.ingest": {"sidedata.service"},
    "sidedata.service": {"sidedata.ingest"},
}
CORE = [
    "sidedata/calendar/rules.py",
    "sidedata/calendar/zones.py",
    "sidedata/calendar/tiling.py",
    "sidedata/sketches/hyperloglog.py",
    "ingest/dedup/bloom.py",
    "ingest/dedup/deduplicator.py",
    "ingest/dedup/id_filters.py",
    "ingest/apply/planner.py",
    "ingest/apply/rollup.py",
    "ingest/apply/attribution.py",
    "service/report/assemble.py",
    "service/report/plan.py",
]
IMPURE = {"sidedata.redis", "sidedata.reads", "sidedata.writes", "sidedata.clock"}
WORLDLY = {"redis", "asyncio", "aiohttp", "socket", "time", "uvloop", "subprocess", "threading", "random", "secrets"}
CLOCKS = {"now", "utcnow", "today"}  # the others are in modules that no pure one imports


def is_pure(path: Path) -> bool:
    """Tell if a module's docstring says that it is pure, without exception."""
    return re.search(r"\bPure(\.|:| data\.)", ast.get_docstring(tree(path)) or "") is not None


def name_of(path: Path) -> str:
    """A file's dotted name; `service/` and `ingest/` are imported through the links in `sidedata/`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("sidedata", *parts) if parts[0] in {"service", "ingest"} else parts).removesuffix(".__init__")


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


def scripts() -> list[Path]:
    """The Lua scripts of the gateway."""
    return sorted((ROOT / "sidedata" / "redis" / "scripts").rglob("*.lua"))


def test_no_two_scripts_have_one_name() -> None:
    """A script is loaded by its name alone, from any folder."""
    names = [path.name for path in scripts()]
    assert len(names) > 15, "the scripts were not found"
    assert len(names) == len(set(names))


def test_no_folder_holds_more_than_ten_files() -> None:
    """A subject fits in ten files; the top of the shared package and the pages are excepted."""
    crowded = {
        str(folder.relative_to(ROOT)): len(files)
        for package in PACKAGES
        for folder in {path.parent for path in [*modules(package), *scripts()]} - {ROOT / "sidedata"}
        if len(
            files := [
                path
                for path in folder.iterdir()
                if path.is_file() and path.suffix != ".so" and path.name != "__init__.py"
            ]
        )
        > 10
    }
    assert not crowded


def pure_modules() -> list[Path]:
    """The modules that say that they are pure."""
    found = [path for package in PACKAGES for path in modules(package) if is_pure(path)]
    assert len(found) > 50, "the modules were not found"
    return found


def test_the_core_is_pure() -> None:
    """Calendar, sketches, roll-up, attribution and the assembly of answers say that they are pure."""
    assert {ROOT / name for name in CORE} <= set(pure_modules())


def test_pure_modules_touch_no_world() -> None:
    """A pure module imports nothing that does I/O, waits or is random."""
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in pure_modules()
        for name in imported(path)
        if name.partition(".")[0] in WORLDLY or crosses(name, IMPURE)
    }
    assert not crossings


def test_pure_modules_never_ask_for_the_time() -> None:
    """A pure module gets the time as an argument."""
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in pure_modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert not asked


def is_test(module: str) -> bool:
    """Tell if a dotted name is that of a file of tests or fixtures, or of something in one."""
    return any(part == "conftest" or part.startswith("test_") for part in module.split("."))


def test_no_test_imports_a_test() -> None:
    """Code that two files of tests share stands in tests/support/, or in the folder of the program that they test."""
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("tests")
        for name in imported(path)
        if name.startswith("tests.") and is_test(name)
    }
    assert not crossings


def test_the_folders_of_tests_import_nothing_from_one_another() -> None:
    """A folder of tests imports itself, tests/support/ and the folders of programs."""
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in sorted(folders)
        for path in modules(f"tests/{folder}")
        for name in imported(path)
        if name.startswith("tests.") and name.split(".")[1] in folders - {folder}
    }
    assert not crossings


def test_support_imports_nothing_of_the_tests_but_itself() -> None:
    """The shared code of tests imports no test and no program among the tests."""
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("tests/support")
        for name in imported(path)
        if name.startswith("tests.") and name != "tests.support" and not name.startswith("tests.support.")
    }
    assert not crossings
