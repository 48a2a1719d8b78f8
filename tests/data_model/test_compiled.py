"""The build that the tests run on: pure Python, or the modules that `setup.py` names compiled."""

import ast
import importlib
import os
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.repository.syntax import tree

COMPILES = os.environ.get("SIDEDATA_TEST_COMPILED") == "1"


def compiled_modules() -> list[str]:
    """The list of `setup.py`."""
    (names,) = (
        node.value
        for node in tree(ROOT / "setup.py").body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    )
    return [str(name) for name in ast.literal_eval(names)]


def test_all_modules_of_the_list_are_compiled_or_none() -> None:
    """`make test-compiled` runs on compiled modules alone, and `make test` on none."""
    named = compiled_modules()
    assert len(named) > 10
    for name in named:
        module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
        assert module.__file__ is not None
        assert (Path(module.__file__).suffix != ".py") == COMPILES, module.__file__


def test_no_compiled_module_defines_a_coroutine() -> None:
    """Mypyc throws into a cancelled one in a way that Python 3.12 and newer warn of, and will refuse."""
    for name in compiled_modules():
        assert not [node.name for node in ast.walk(tree(ROOT / name)) if isinstance(node, ast.AsyncFunctionDef)], name


def test_no_compiled_module_defines_a_struct() -> None:
    """A struct would lose its options there, such as `frozen` and `gc`: mypyc ignores them, so the builds would differ."""
    for name in compiled_modules():
        bases = {
            ast.unparse(base)
            for node in ast.walk(tree(ROOT / name))
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        }
        assert not bases & {"Struct", "msgspec.Struct"}, name
