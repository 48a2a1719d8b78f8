"""Who may import whom, read from the syntax trees: service -> store <- ingest, and some modules do no I/O at all."""

import ast

import pytest

from tests.support.paths import ROOT
from tests.support.repository.syntax import imported, modules, tops, tree

ALLOWED = {
    "store": {"store"},
    "ingest": {"ingest", "store"},
    "service": {"service", "store"},
}
OURS = {"store", "ingest", "service", "tests", "bench"}
PURE = [
    "store/zones.py",
    "store/cover.py",
    "store/sketch.py",
    "store/keyname.py",
    "ingest/aggregate.py",
    "ingest/attribution.py",
    "service/assemble.py",
]
WORLDLY = {"redis", "asyncio", "aiohttp", "socket", "time", "uvloop", "subprocess", "threading", "random", "secrets"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_import_only_what_stands_below_them(package: str) -> None:
    """`service` and `ingest` import `store` and never each other; `store` neither; nobody imports tests or bench."""
    assert modules(package), "the package is empty"
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in tops(imported(path)) & OURS - ALLOWED[package]
    }
    assert not crossings


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


def is_test(module: str) -> bool:
    """Whether a dotted name is that of a file of tests or fixtures, or of something in one."""
    return any(part == "conftest" or part.startswith("test_") for part in module.split("."))


def test_no_test_imports_a_test() -> None:
    """What two files of tests need stands in tests/support/, or in the folder of the program that they test."""
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
    """What tests share knows no test and no program among the tests."""
    crossings = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("tests/support")
        for name in imported(path)
        if name.startswith("tests.") and name != "tests.support" and not name.startswith("tests.support.")
    }
    assert not crossings
