"""The search that coverage leads (`make fuzz`) in what can be tested without atheris."""

import ast
from pathlib import Path

from tests.fuzz import coverage, readers


def test_the_search_is_led_by_the_packages_of_the_readers() -> None:
    """The instrumented packages are those that the readers import; with stale names the search would be blind."""
    tree = ast.parse(Path(readers.__file__).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {module.partition(".")[0] for module in modules} - {"tests"} == set(coverage.OURS)


def test_every_target_is_a_reader() -> None:
    """Each target of the search names a function of the readers."""
    assert all(callable(getattr(readers, target, None)) for target in coverage.TARGETS)
