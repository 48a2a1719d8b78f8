"""The names of keys and fields come from the schema: no other code writes a part of one or cuts one at its colons."""

import ast
import re
from pathlib import Path

import pytest

from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS, KEYS
from tests.support.paths import ROOT
from tests.support.repository.syntax import modules, tree

PACKAGES = ("sidedata", "ingest", "service")
SCHEMA = ROOT / "sidedata" / "schema"
# Words that stand before a colon in names of keys, besides those of the table, and in names of fields.
LEVELS = {"5min", "hour", "day"}
FIELDS = {"interaction", "triggered", "affected", "purchases"}
WORDS = LEVELS | FIELDS | {word for key in KEYS.values() for word in key.pattern.split(":") if word.isidentifier()}
FRAGMENT = re.compile(rf"\b(?:{'|'.join(sorted(WORDS))}):(?=[^\s]|$)|:(?:{'|'.join(sorted(WORDS))})$|visitors@")
ENDS = {BUCKET_VISITORS, BUCKET_SESSIONS, BUCKET_COUNTS}
CUTS = {"split", "rsplit", "partition", "rpartition", "index", "find"}
# Files that cut other texts at colons, or show a name to people.
CUTTING = {
    "sidedata/failpoints.py": "a setting of tests",
    "sidedata/reads/servers.py": "lines of INFO",
}
SHOWING = {"sidedata/inspect/doctor.py": "advice that speaks of `sd:\u2026`"}


def product_files() -> list[Path]:
    """The Python files that are installed, without the schema."""
    return [path for package in PACKAGES for path in modules(package) if not path.is_relative_to(SCHEMA)]


def fragments(source: ast.Module) -> list[str]:
    """The literals, docstrings excepted, that hold a part of a key's or a field's name."""
    docstrings = {id(node.value) for node in ast.walk(source) if isinstance(node, ast.Expr)}
    texts = [
        (node.lineno, node.value.decode(errors="replace") if isinstance(node.value, bytes) else node.value)
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docstrings
    ]
    # In a bucket the last word follows a prefix without a colon of its own.
    ends = [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(source)
        if isinstance(node, ast.JoinedStr) and len(node.values) > 1
        if isinstance(node.values[-1], ast.Constant) and node.values[-1].value in ENDS
    ]
    return [f"{line}: {text!r}" for line, text in texts if FRAGMENT.search(text)] + [
        f"{line}: {end}" for line, end in ends
    ]


def cuts(source: ast.Module) -> list[str]:
    """The calls that cut a text at a colon."""
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CUTS
        if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value in (":", b":", "Z:", b"Z:")
    ]


@pytest.mark.parametrize(
    "line",
    [
        'f"sd:{{{partition}}}:events"',
        'f"{prefix}*:hour:{organization}"',
        'f"goal:{key}"',
        'name.startswith(b"interaction:")',
        'name.endswith(":counts")',
        'f"visitors@{hour:02}"',
        'f"{prefix}counts"',
    ],
)
def test_a_fragment_is_found(line: str) -> None:
    """The search finds the ways in which names were written by hand before."""
    assert fragments(ast.parse(f"name = {line}"))


def test_a_cut_is_found() -> None:
    """The search finds names that are taken apart by hand."""
    assert len(cuts(ast.parse('a, b = name.split(":", 3)\nc = name.partition(b":")'))) == 2


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_written_by_hand(package: str) -> None:
    """Names of keys and fields are built by the schema."""
    found = {str(path.relative_to(ROOT)): fragments(tree(path)) for path in product_files()}
    written = {name: literals for name, literals in found.items() if literals and name.startswith(package)}
    assert written.keys() == {name for name in SHOWING if name.startswith(package)}, written


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_cut_by_hand(package: str) -> None:
    """Names of keys and fields are parsed by the schema."""
    found = {str(path.relative_to(ROOT)): cuts(tree(path)) for path in product_files()}
    cutting = {name: places for name, places in found.items() if places and name.startswith(package)}
    assert cutting.keys() == {name for name in CUTTING if name.startswith(package)}, cutting
