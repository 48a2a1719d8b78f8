"""Passwords, tokens and secrets stand in no log, error, metric or process title."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from sidedata.cli.command_line import without_flags
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG
from tests.support.processes.service import QUERY, SIDEDATA, WORKFLOWS
from tests.support.processes.serving import address, serving, status
from tests.support.redis.client import connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user

PASSWORD = "pass-42-word"  # noqa: S105 - of a server that lives for one test
INSTALLATION_SECRET = "installation-secret-4711"  # noqa: S105 - the same


@pytest.mark.undeployed("it logs in as Redis's default user, which is off there")
async def test_neither_log_nor_error_nor_metric_names_a_secret(private_server: Callable[..., RedisServer]) -> None:
    """With the right password, with a wrong one, and when Redis dies: the token, the secret and the password stay inside."""
    server = private_server()
    server._admin.config_set("requirepass", PASSWORD)
    path = server.url.removeprefix("unix://")
    right, wrong = f"unix://:{PASSWORD}@{path}", f"unix://:{PASSWORD}-wrong@{path}"
    client = connect(right, timeout=5)
    token, _ = await create_token(as_user("operator", client), ORG, ["reports"])
    await client.aclose()
    said = b""
    async with serving(right, SIDEDATA_SECRET=INSTALLATION_SECRET, SIDEDATA_LOG_LEVEL="DEBUG") as process:
        base = await address(process)
        async with aiohttp.ClientSession() as http:
            assert await status(http, base, token) == 200
            assert await status(http, base, token, f"{WORKFLOWS}?token={token}") == 400
            assert await status(http, base, token + "x") == 401
            server.kill()
            assert await status(http, base, token, f"{SIDEDATA}?{QUERY}") == 503
            async with http.get(f"{base}/metrics") as answer:
                said += await answer.read()
            async with http.get(f"{base}/readyz") as answer:
                said += await answer.read()
        process.terminate()
        out, err = await process.communicate()
        said += out + err
    server.start()
    server._admin.config_set("requirepass", PASSWORD)
    async with serving(wrong, SIDEDATA_SECRET=INSTALLATION_SECRET) as process:
        out, err = await process.communicate()
        assert process.returncode == 1
        said += out + err
    said += repr(Settings(redis_url=right, secret=INSTALLATION_SECRET)).encode()
    said += repr(connect(right, timeout=1)).encode()
    for secret in (token, INSTALLATION_SECRET, PASSWORD):
        assert secret.encode() not in said, secret
    server._admin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    "flags", [[], ["--secret", INSTALLATION_SECRET], [f"--secret={INSTALLATION_SECRET}"]], ids=["", "flag", "joined"]
)
async def test_no_process_title_names_a_secret(tmp_path: Path, flags: list[str]) -> None:
    """Of the whole tree of `sidedata up`: what opens doors stands where no list of processes shows it, a flag's value too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidedata.cli.main", "up", "--data-dir", str(tmp_path / "d"), *flags),
        env={
            **os.environ,
            "SIDEDATA_REDIS_URL": "",
            "SIDEDATA_SECRET": "" if flags else INSTALLATION_SECRET,
            "SIDEDATA_PORT": "0",
            "SIDEDATA_WORKER_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = b""
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while b"listening" not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line
        titles = [path.read_bytes() for path in family(process.pid)]
        assert len(titles) >= 4  # Redis, service and worker beside it
    finally:
        process.terminate()
        said += (await process.communicate())[0]
    assert INSTALLATION_SECRET.encode() not in b"".join(titles) + said


@pytest.mark.undeployed("it logs in as Redis's default user, which is off there")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_an_address_with_a_password_leaves_the_command_line(private_server: Callable[..., RedisServer]) -> None:
    """A worker that got it as a flag works with it, and its own title no longer has it."""
    server = private_server()
    server._admin.config_set("requirepass", PASSWORD)
    url = f"unix://:{PASSWORD}@{server.url.removeprefix('unix://')}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidedata.cli.main", "worker", "--redis-url", url, "--worker-port", "0"),
        env={**os.environ, "SIDEDATA_REDIS_URL": "", "SIDEDATA_SECRET": INSTALLATION_SECRET},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    client = connect(url, timeout=5)
    try:
        async with asyncio.timeout(30):
            while not await client.exists(keys.WORKERS):  # noqa: ASYNC110 - a key can only be asked for
                await asyncio.sleep(0.05)
        title = family(process.pid)[0].read_bytes()
        assert title.endswith(b"worker\0--worker-port\x000\0")
    finally:
        await client.aclose()
        process.terminate()
        await process.wait()
        server._admin.close()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["serve", "--secret", "s", "--port", "1"], ["serve", "--port", "1"]),
        (["serve", "--secret=s", "--host", "s"], ["serve", "--host", "s"]),
        (["push", "--secret"], ["push", "--secret"]),
        (["push", "s", "--secret", "x"], ["push", "s", "--secret", "x"]),
    ],
)
def test_only_the_flag_and_its_value_leave(words: list[str], left: list[str]) -> None:
    """Whatever else is on the command line stays as it was."""
    assert without_flags(words, {"secret": "s"}) == left


def family(root: int) -> list[Path]:
    """The command lines of a process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    members = {root}
    while more := {child for child, parent in parents.items() if parent in members} - members:
        members |= more
    return [Path(f"/proc/{member}/cmdline") for member in members]
