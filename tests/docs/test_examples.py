"""The examples on the pages, run in order by a reader's own means, where `sidedata up` runs.

What is marked `<!-- tested -->` is run; what stands behind a colon there must be in its output. The reader takes a moment
between two examples, so what one sent is applied before the next one asks.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from sidedata.schema import keys
from sidedata.settings import PREFIX
from sidedata.writes.tokens import create_token
from tests.support.paths import ROOT
from tests.support.redis.client import connect
from tests.support.repository.examples import ORGANIZATIONS, PROGRAMS
from tests.support.repository.pages import Block, blocks

pytestmark = pytest.mark.undeployed("`sidedata up` brings a Redis of its own")
LIMIT_SECONDS = 30.0
PARTITIONS = 16
USUAL_ADDRESS = "http://127.0.0.1:8080"
IDS = {"PAGES": "1b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a23", "POPUP": "2b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a25"}
NEEDED = ("bash", "curl", "gzip", "redis-cli")
# What a shell block exports is there for those after it.
_KEEP = '\nenv -0 > "$EXPORTED"\n'


class Reader:
    """Somebody with a terminal, who follows a page in the directory where `sidedata up` runs."""

    def __init__(self, address: str, environment: Mapping[str, str], directory: Path) -> None:
        socket = directory / ".sidedata" / "redis.sock"
        self.client = redis.Redis(unix_socket_path=str(socket))
        self._directory = directory
        self._address = address
        self._environment = {**environment, **IDS, "EXPORTED": str(directory / "exported"), "BASE": address}
        self._environment["SIDEDATA_REDIS_URL"] = f"unix://{socket}"

    def begin(self, page: str) -> None:
        """Take the page's organization and a token for it."""

        async def token() -> str:
            client = connect(self._environment["SIDEDATA_REDIS_URL"], timeout=5)
            try:
                return (await create_token(client, ORGANIZATIONS[page], ["reports", "ingest"]))[0]
            finally:
                await client.aclose()

        self._environment |= {"ORG": ORGANIZATIONS[page], "TOKEN": asyncio.run(token())}

    def run(self, block: Block) -> None:
        """Run an example and hold it to what it should print."""
        shell = block.language == "sh"
        text = block.text.replace(USUAL_ADDRESS, self._address)  # the usual port may be taken
        done = subprocess.run(
            PROGRAMS[block.language],
            input=text + _KEEP if shell else text,
            text=True,
            capture_output=True,
            env=self._environment,
            cwd=self._directory,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {done.stderr}"
        assert (block.prints or "") in done.stdout, f"{block} printed {done.stdout!r} {done.stderr!r}"
        if shell:
            kept = Path(self._environment["EXPORTED"]).read_text(encoding="utf-8").split("\0")
            self._environment |= dict(line.split("=", 1) for line in kept if line)

    def wait(self) -> None:
        """Until all that was sent is applied."""
        limit = time.monotonic() + LIMIT_SECONDS
        while any(self.client.xlen(keys.keyspace(partition).events) for partition in range(PARTITIONS)):
            assert time.monotonic() < limit, "the worker doesn't apply what was sent"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with everything at hand: `sidedata up`, and the tools on PATH."""
    directory = tmp_path_factory.mktemp("reader")
    with ExitStack() as stack:
        tools = directory / "tools"
        tools.mkdir()
        scripts = Path(sys.executable).parent
        path = os.pathsep.join([str(tools), str(scripts), os.environ.get("PATH", os.defpath)])
        missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
        if missing:
            pytest.skip(f"not on PATH: {', '.join(missing)}")
        script(tools / "redis-cli", f'"{shutil.which("redis-cli", path=path)}" -s "{directory}/.sidedata/redis.sock"')
        script(tools / "sidedata", f'"{sys.executable}" -m sidedata.cli.main')
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {"PATH": path}
        made = Reader(start(stack, directory, environment), environment, directory)
        stack.callback(made.client.close)
        yield made


def script(path: Path, command: str) -> None:
    """A program that runs another one with arguments of its own first."""
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def start(stack: ExitStack, directory: Path, environment: Mapping[str, str]) -> str:
    """Start `sidedata up`, which is stopped at the end; where it says that it is."""
    log = stack.enter_context((directory / "up.log").open("w", encoding="utf-8"))
    process = subprocess.Popen(
        [sys.executable, "-m", "sidedata.cli.main", "up", "--port", "0", "--worker-port", "0"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        cwd=directory,
    )

    def stop() -> None:
        process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)

    stack.callback(stop)
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"sidedata is up on ([^\s,]+)", line):
            return found[1]
    raise AssertionError((directory / "up.log").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted(ORGANIZATIONS))
def test_examples_do_what_they_say(reader: Reader, page: str) -> None:
    """All examples of a page, one after the other, print what they should and leave no dead letter behind."""
    reader.begin(page)
    examples = [block for block in blocks(ROOT / page) if block.prints is not None]
    assert len(examples) > 5
    for block in examples:
        if block.language == "js" and not new_node():
            continue
        reader.run(block)
        reader.wait()
    assert [reader.client.xrange(keys.keyspace(partition).dead) for partition in range(PARTITIONS)] == [[]] * PARTITIONS


def new_node() -> bool:
    """Tell if Node 18 or a newer one is on PATH."""
    node = shutil.which("node")
    if node is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS).stdout
    return int(said.lstrip("v").split(".")[0]) >= 18
