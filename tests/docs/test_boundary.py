"""The boundary with Redis: one package imports its client, and commands stand in the read path and the write path alone."""

import ast
import re
from pathlib import Path

import pytest

from sidedata.redis.exchange import READS
from sidedata.redis.gateway import Commands, Gateway
from tests.support.paths import ROOT
from tests.support.repository.syntax import imported, modules, tops, tree

PACKAGES = ("sidedata", "ingest", "service")
GATEWAY = ROOT / "sidedata" / "redis"
WITH_COMMANDS = (GATEWAY, ROOT / "sidedata" / "reads", ROOT / "sidedata" / "writes")
COMMAND_METHODS = {name for protocol in (Commands, Gateway) for name in vars(protocol) if name[0] != "_"} - {"aclose"}
LIST_OF_READS = GATEWAY / "exchange.py"
# Words in the commands of the read path that are no commands.
OPTIONS = {"BLOCK", "COUNT", "LIMIT", "SAMPLES", "STREAMS", "USAGE", "WITHSCORES"}
# Modules of `sidedata/redis/` that may be imported from outside of the two paths; the others send commands.
OPEN_MODULES = {"gateway", "replies", "client", "server"}
# Methods of the same names on objects that are no gateway, by file.
OTHER_METHODS = {
    ("sidedata/cli/commands/inspect.py", "context.command"): "a command of the command line",
    ("sidedata/embedded/server.py", "self._process.poll"): "a process of the operating system",
    ("sidedata/producer/lanes.py", "self.batch"): "the entries of one request",
    ("sidedata/producer/sender.py", "lane.batch"): "the same",
    ("sidedata/producer/sync.py", "loop.call"): "a call to the thread of an event loop",
}
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
    """The places in a file that name a method which sends a command: called, awaited, passed on or returned."""
    name = str(path.relative_to(ROOT))
    nodes = list(ast.walk(tree(path)))
    # `@click.command()` is no command to Redis.
    decorators = {
        id(part)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for decorator in node.decorator_list
        for part in ast.walk(decorator)
    }
    return [
        f"{name}:{node.lineno} names {ast.unparse(node)}"
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in CLIENT_METHODS | COMMAND_METHODS
        if id(node) not in decorators and (name, ast.unparse(node)) not in OTHER_METHODS
    ]


def test_a_sent_command_is_found() -> None:
    """The search finds the commands of the read path, every method of the gateway, and a command that is not awaited at once."""
    assert len(sent_commands(ROOT / "sidedata" / "reads" / "workflow_parts.py")) >= 3
    assert {"command", "batch", "poll", "call", "call_and_wait", "primaries", "time_ms"} <= COMMAND_METHODS
    assert any("primaries" in place for place in sent_commands(ROOT / "sidedata" / "reads" / "servers.py"))


def test_every_exception_has_its_place() -> None:
    """No exception outlives the code that it was made for."""
    unused = [
        (name, text)
        for name, text in OTHER_METHODS
        if not any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == text for node in ast.walk(tree(ROOT / name))
        )
    ]
    assert not unused


@pytest.mark.parametrize("package", PACKAGES)
def test_commands_stand_in_the_read_path_and_the_write_path(package: str) -> None:
    """Outside of `reads/`, `writes/` and `redis/` no code sends a command."""
    assert not [call for path in modules(package) if not lies_in(path, WITH_COMMANDS) for call in sent_commands(path)]


def test_what_sends_commands_is_imported_on_the_two_paths_alone() -> None:
    """Outside of them the gateway's package serves for its types, to open a gateway, and to ask if a server is well."""
    prefix = "sidedata.redis."
    importers = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in product_files()
        if not lies_in(path, WITH_COMMANDS)
        for name in imported(path)
        if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] not in OPEN_MODULES
    }
    assert not importers


def words_in_capitals(*folders: Path) -> set[str]:
    """The words in capitals that stand as strings in some folders, as commands and their options do."""
    files = [path for path in modules("sidedata") if lies_in(path, folders) and path != LIST_OF_READS]
    constants = [node.value for path in files for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    return {value for value in constants if isinstance(value, str) and re.fullmatch("[A-Z]{3,}", value)}


def test_every_command_of_the_read_path_is_repeated_after_a_broken_connection() -> None:
    """The commands that a gateway repeats are those of the read path and some of others: none is missing, none is superfluous."""
    of_reads = words_in_capitals(ROOT / "sidedata" / "reads") - OPTIONS
    assert len(of_reads) > 20
    assert of_reads <= READS
    assert words_in_capitals(*WITH_COMMANDS) >= READS


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
