"""Which test holds which paragraph of docs/CONTRACT.md: `python -m tests.support.repository.contract` prints it.

A test says so by `@pytest.mark.holds("2.3.1", "2.3.2")`. Paragraphs without a test are listed as not held.
"""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.repository.syntax import modules, tree

PAGE = ROOT / "docs/CONTRACT.md"
_PARAGRAPH = re.compile(r"^(?:\| )?\*\*(\d+(?:\.\d+){1,2})\*\*[ |]*(.*)$", re.MULTILINE)
_SHOWN = 90  # characters of a paragraph, one line on a terminal


def paragraphs() -> list[tuple[str, str]]:
    """Number and first line of every paragraph, in the order of the page."""
    return [(match[1], match[2]) for match in _PARAGRAPH.finditer(PAGE.read_text(encoding="utf-8"))]


def section_of(number: str) -> str:
    """The section of a paragraph: 2.3 of 2.3.1, 2 of 2.0.1, 4 of 4.1."""
    section = number.rpartition(".")[0]
    return section.removesuffix(".0")


def marks(path: Path) -> list[tuple[str, str]]:
    """Name of a test and number of a paragraph, for each paragraph that a test of the file says it holds."""
    return [
        (node.name, str(argument.value) if isinstance(argument, ast.Constant) else ast.unparse(argument))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.holds"
        for argument in decorator.args
    ]


def holders() -> dict[str, list[str]]:
    """The tests of each paragraph that any test says it holds, by number."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in modules("tests"):
        for name, number in marks(path):
            found[number].append(f"{path.relative_to(ROOT)}::{name}")
    return found


def main() -> int:
    """Print every paragraph with its tests, and how many are held."""
    tests = holders()
    numbers = paragraphs()
    for number, text in numbers:
        first = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        sys.stdout.write(f"{number}  {first}\n")
        sys.stdout.writelines(f"        {test}\n" for test in tests.get(number, ["not held by a test"]))
    held = sum(number in tests for number, _ in numbers)
    sys.stdout.write(f"{held} of {len(numbers)} paragraphs are held by tests\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
