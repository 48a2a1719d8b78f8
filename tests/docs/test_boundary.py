"""The boundary with Redis: one package imports its client, and commands stand in the read path and the write path alone."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.repository.syntax import imported, modules, tops, tree

PACKAGES = ("sidedata", "ingest", "service")
GATEWAY = ROOT / "sidedata" / "redis"
WITH_COMMANDS = (GATEWAY, ROOT / "sidedata" / "reads", ROOT / "sidedata" / "writes")
COMMAND_METHODS = {"command", "batch", "poll", "call", "call_and_wait"}  # all of them are awaited
# redis-py's own methods for commands that sidedata uses; a caller of one bypasses the gateway.
CLIENT_METHODS = {
    "hget",
    "hset",
    "hgetall",
    "hmget",
    "xadd",
    "xread",
    "xrange",
    "xlen",
    "zadd",
    "pfadd",
    "pfcount",
    "evalsha",
}


def product_files() -> list[Path]:
    """All Python files that are installed."""
    return [path for package in PACKAGES for path in modules(package)]


def lies_in(path: Path, folders: tuple[Path, ...]) -> bool:
    """Tell if a file lies in one of the folders."""
    return any(path.is_relative_to(folder) for folder in folders)


def test_the_client_is_imported_in_one_package() -> None:
    """redis-py and hiredis are imported in `sidedata/redis/` and nowhere else."""
    importers = {
        str(path.relative_to(ROOT))
        for path in product_files()
        if not lies_in(path, (GATEWAY,)) and {"redis", "hiredis"} & tops(imported(path))
    }
    assert not importers


def sent_commands(path: Path) -> list[str]:
    """The calls in a file that send a command."""
    awaited = {id(node.value) for node in ast.walk(tree(path)) if isinstance(node, ast.Await)}
    return [
        f"{path.relative_to(ROOT)}:{node.lineno} calls .{node.func.attr}()"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in CLIENT_METHODS or (node.func.attr in COMMAND_METHODS and id(node) in awaited)
    ]


def test_a_sent_command_is_found() -> None:
    """The search below finds the commands of the read path, so it would find others."""
    assert len(sent_commands(ROOT / "sidedata" / "reads" / "workflow_parts.py")) >= 3


@pytest.mark.parametrize("package", PACKAGES)
def test_commands_stand_in_the_read_path_and_the_write_path(package: str) -> None:
    """Outside of `reads/`, `writes/` and `redis/` no code sends a command."""
    assert not [call for path in modules(package) if not lies_in(path, WITH_COMMANDS) for call in sent_commands(path)]


def test_no_reply_is_untyped() -> None:
    """`Any` stands in no signature of the gateway and of what sends commands."""
    untyped = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in product_files()
        if lies_in(path, WITH_COMMANDS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name) and node.id == "Any"
    }
    assert not untyped
