"""The embedded Redis: started once, shared by processes, stopped by the last, never a second on the same data."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sidedata.embedded.data_directory import data_directory, embedded_secret, socket_path
from sidedata.embedded.server import redis_url
from sidedata.errors import StopError
from sidedata.settings import Settings
from tests.support.paths import ROOT
from tests.support.redis.client import connect

# A process of its own that enters, says its address, and leaves when its input ends.
USER = """
import asyncio, sys
from sidedata.embedded.server import redis_url
from sidedata.settings import Settings
async def main():
    async with redis_url(Settings(data_dir=sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without an address, with data in a directory of the test."""
    return Settings(data_dir=str(tmp_path / "data"))


async def ask(url: str, question: Callable[..., Awaitable[Any]]) -> Any:  # noqa: ANN401 - as untyped as the client
    """Send a command to that address and return the reply."""
    client = connect(url, timeout=5)
    try:
        return await question(client)
    finally:
        await client.aclose()


async def process_id(url: str) -> int:
    """Which process serves that address."""
    return int((await ask(url, lambda client: client.info("server")))["process_id"])


async def gone(pid: int) -> None:
    """Return when there is no such process any more."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


def open_to_others(directory: Path) -> list[str]:
    """List the files of a directory with rights for others than their owner, the directory itself included."""
    return [str(path) for path in [directory, *directory.rglob("*")] if stat.S_IMODE(path.stat().st_mode) & 0o077]


def user(settings: Settings) -> tuple[subprocess.Popen[str], str]:
    """Another process that uses the embedded Redis, and the address that it was given."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, settings.data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def test_an_address_in_the_settings_is_used_as_it_is() -> None:
    """With SIDEDATA_REDIS_URL nothing is started."""
    async with redis_url(Settings(redis_url="redis://elsewhere:1", data_dir="/nowhere")) as url:
        assert url == "redis://elsewhere:1"


async def test_data_outlive_the_server(settings: Settings) -> None:
    """Data is there when the server is started again, and the server ends with its only user."""
    async with redis_url(settings) as url:
        pid = await process_id(url)
        await ask(url, lambda client: client.set("sd:test", "kept"))
    await gone(pid)
    async with redis_url(settings) as url:
        assert await ask(url, lambda client: client.get("sd:test")) == b"kept"


async def test_it_appends_to_a_file_and_never_evicts(settings: Settings) -> None:
    """The server runs as the contract needs it."""
    async with redis_url(settings) as url:
        configuration = await ask(url, lambda client: client.config_get("*"))
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": "", "port": "0"}
    assert {name: configuration[name] for name in wanted} == wanted


async def test_only_its_user_can_get_at_the_data(settings: Settings) -> None:
    """The directory, the socket and the append-only file are their user's alone."""
    async with redis_url(settings) as url:
        await ask(url, lambda client: client.set("sd:test", 1))
        assert open_to_others(Path(settings.data_dir)) == []


async def test_processes_share_one_server_and_the_last_stops_it(settings: Settings) -> None:
    """A second user attaches; when the one that started it leaves, the server goes on until the second has left."""
    other, url = user(settings)
    try:
        async with redis_url(settings) as own:
            pid = await process_id(url)
            assert own == url
            other.communicate()
            assert await process_id(own) == pid
        await gone(pid)
    finally:
        other.kill()
        other.communicate()


async def test_many_at_once_start_one_server(settings: Settings) -> None:
    """However many come at the same moment, all get the same server."""

    async def use() -> int:
        async with redis_url(settings) as url:
            pid = await process_id(url)
            await everybody.wait()
            return pid

    everybody = asyncio.Barrier(5)
    pids = await asyncio.gather(*(use() for _ in range(5)))
    assert len(set(pids)) == 1
    await gone(pids[0])


async def test_a_server_left_behind_is_used_and_stopped(settings: Settings) -> None:
    """After a SIGKILL of its user the server is still there; the next user attaches to it and stops it at the end."""
    other, url = user(settings)
    pid = await process_id(url)
    other.kill()
    other.communicate()
    async with redis_url(settings) as own:
        assert await process_id(own) == pid
    await gone(pid)


async def test_a_killed_server_is_started_again(settings: Settings) -> None:
    """A server that was killed leaves a socket and a lock file behind, and neither is in the way."""
    other, url = user(settings)
    await ask(url, lambda client: client.set("sd:test", "kept"))
    pid = await process_id(url)
    os.kill(pid, signal.SIGKILL)
    try:
        async with redis_url(settings) as own:
            assert await ask(own, lambda client: client.get("sd:test")) == b"kept"
            assert await process_id(own) != pid
            other.communicate()
    finally:
        other.kill()
        other.communicate()


async def test_a_failed_start_shows_the_last_line_of_the_log(settings: Settings) -> None:
    """The error contains the last words of the server."""
    directory = data_directory(Path(settings.data_dir))
    (directory / "appendonly.aof").write_text("no such thing as an append-only file\n")
    (directory / "appendonlydir").write_text("nor is this a directory\n")
    with pytest.raises(StopError, match=r"(?i)didn't start: .*(append|aof)"):
        async with redis_url(settings):
            pytest.fail("it started on a broken file")


async def test_without_a_server_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on PATH nor in a wheel: the error names both remedies."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(StopError, match=r"sidedata\[embedded\].* install redis-server .* SIDEDATA_REDIS_URL"):
        async with redis_url(settings):
            pytest.fail("there is nothing to start")


async def test_a_long_path_moves_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no socket of that length, it is in a private directory, where others find it."""
    long = Settings(data_dir=str(tmp_path / ("long " * 25)))
    async with redis_url(long) as url:
        assert len(url) < 108
        monkeypatch.setenv("TMPDIR", "/elsewhere")  # another process may have another idea of where that is
        async with redis_url(long) as other:
            assert other == url
            assert await ask(other, lambda client: client.ping())


def test_a_socket_is_not_put_where_others_could_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """If somebody made the short directory first, open to others, it is refused."""
    # Pytest's own directories may be too long for a socket themselves.
    with tempfile.TemporaryDirectory(prefix="sidedata-test-") as temporary:
        monkeypatch.setattr("tempfile.tempdir", temporary)
        directory = Path(temporary) / ("x" * 100)
        short = socket_path(directory).parent
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
        short.chmod(0o755)
        with pytest.raises(StopError, match="not a private directory"):
            socket_path(directory)


def test_the_secret_is_made_once(settings: Settings) -> None:
    """The same secret comes back every time, from a file that only its user can read; a given one is used as it is."""
    secret = embedded_secret(settings)
    path = Path(settings.data_dir) / "secret"
    assert len(secret) >= 43
    assert embedded_secret(settings) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert embedded_secret(Settings(secret="given", data_dir="/nowhere")) == "given"  # noqa: S106 - a secret for a test
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_an_emptied_secret_is_not_replaced(settings: Settings) -> None:
    """A new secret would count every visitor again, so an empty file needs an operator."""
    embedded_secret(settings)
    (Path(settings.data_dir) / "secret").write_text("")
    with pytest.raises(StopError, match="is empty"):
        embedded_secret(settings)


def test_a_directory_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    """A file where the directory should be is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StopError, match="SIDEDATA_DATA_DIR"):
        data_directory(tmp_path / "file" / "data")
