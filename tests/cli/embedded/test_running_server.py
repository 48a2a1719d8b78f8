"""Commands without an address: they find the server that `up` and `demo` run, and neither start nor create anything."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from sidedata.embedded.data_directory import embedded_secret
from sidedata.embedded.server import attach, redis_url
from sidedata.errors import StopError
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.processes.command_line import LIMIT_SECONDS
from tests.support.redis.client import connect

pytestmark = [
    pytest.mark.usefixtures("no_settings"),
    pytest.mark.undeployed("the embedded server is started as `sidedata up` starts it"),
]

WORKFLOW = "1b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a23"
COMMANDS = [
    "serve --port 0",
    "serve --port 0 --processes 2",
    "worker --worker-port 0",
    f"token create --org {ORG} --scope reports",
    "token list",
    "token revoke 0123456789abcdef",
    "inspect",
    "inspect --json",
    "inspect key sd:config",
    "doctor",
    f"org show {ORG}",
    f"org set {ORG} --timezone Europe/Helsinki",
    f"workflow show {ORG} {WORKFLOW}",
    f"workflow set {ORG} {WORKFLOW} --kind interaction",
    "dead list",
    "dead show 0-1",
    "dead replay --all",
    "dead drop --all --yes",
    "dead seen",
    f"purge --org {ORG}",
    "push events.ndjson",
    f"rebuild --org {ORG} events.ndjson --dry-run",
    f"traffic --org {ORG} --pages {WORKFLOW} --interactions {WORKFLOW}",
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without an address, with data in a directory of the test."""
    return Settings(data_dir=str(tmp_path / "data"))


def sidedata(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, because `serve` and `worker` set up the logging of theirs."""
    return subprocess.run(
        [sys.executable, "-m", "sidedata.cli.main", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def names(settings: Settings) -> list[str]:
    """The names of all files of the data directory."""
    return sorted(path.name for path in Path(settings.data_dir).rglob("*"))


@pytest.mark.holds("8.5")
@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_server_a_command_says_where_it_looked(command: str, tmp_path: Path) -> None:
    """Exit status 1 and one line that names the directory; nothing is created, not even the directory."""
    (tmp_path / "events.ndjson").write_text("{}\n")
    done = sidedata(*command.split(), directory=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert str(tmp_path / ".sidedata") in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["events.ndjson"]


@pytest.mark.holds("8.5")
async def test_a_server_that_has_ended_is_not_started_again(settings: Settings) -> None:
    """The data of an earlier `up` stay as they are."""
    async with redis_url(settings):
        pass
    before = names(settings)
    done = await asyncio.to_thread(sidedata, "token", "list", "--data-dir", settings.data_dir)
    assert done.returncode == 1
    assert settings.data_dir in done.stderr
    assert names(settings) == before


@pytest.mark.holds("8.5")
async def test_the_running_server_is_found_with_its_secret(settings: Settings) -> None:
    """By the directory alone; a secret of the settings comes before the one kept there."""
    secret = embedded_secret(settings)
    async with redis_url(settings) as url:
        async with attach(settings) as attached:
            assert (attached.redis_url, attached.secret) == (url, secret)
        async with attach(Settings(data_dir=settings.data_dir, secret="given")) as attached:  # noqa: S106 - a test's
            assert attached.secret == "given"  # noqa: S105 - a test's
        client = connect(url, timeout=5)
        assert await client.ping()  # the first one is still there
        await client.aclose()


async def test_without_a_secret_there_none_is_generated(settings: Settings) -> None:
    """A directory whose `up` was given the secret holds none, and a command does not invent another."""
    async with redis_url(settings), attach(settings) as attached:
        assert attached.secret == ""
    assert not (Path(settings.data_dir) / "secret").exists()


async def test_an_address_in_the_settings_is_used_as_it_is() -> None:
    """With SIDEDATA_REDIS_URL no directory is looked at, and none is needed."""
    async with attach(Settings(redis_url="redis://elsewhere:1", data_dir="/nowhere")) as attached:
        assert (attached.redis_url, attached.secret) == ("redis://elsewhere:1", "")


async def test_a_directory_that_cannot_be_read_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's directory is not mistaken for one without a server."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sidedata.embedded.lock_file.LockFile.is_held", staticmethod(refuse))
    with pytest.raises(StopError, match="can't be used: Permission denied"):
        async with attach(settings):
            pytest.fail("it can't be read")


@pytest.mark.holds("8.5")
async def test_commands_beside_a_running_server_use_it(settings: Settings) -> None:
    """A token that a command creates is in the running server, and a second `serve` answers from it."""
    embedded_secret(settings)
    beside = ("--data-dir", settings.data_dir)
    async with redis_url(settings) as url:
        created = await asyncio.to_thread(sidedata, "token", "create", "--org", ORG, "--scope", "reports", *beside)
        assert created.returncode == 0, created.stderr
        client = connect(url, timeout=5)
        assert await client.hlen("sd:config")
        assert [key async for key in client.scan_iter("sd:token*")]
        await client.aclose()
        service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sidedata.cli.main", "serve", "--port", "0", *beside, stdout=subprocess.PIPE
        )
        try:
            assert service.stdout is not None
            assert b"listening" in await service.stdout.readline()
        finally:
            service.terminate()
            assert await asyncio.wait_for(service.wait(), LIMIT_SECONDS) == 0
