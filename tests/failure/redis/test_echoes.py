"""Servers that repeat what they don't understand, and servers that lack commands: no password leaves, and reports go on."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain

import aiohttp
import pytest

from sidedata.clock import SystemClock
from sidedata.redaction import first_line
from sidedata.redis.client import connect
from sidedata.service.report.reports import NoSuchWorkflowError, Reports
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES
from tests.support.processes.service import WORKFLOWS
from tests.support.processes.serving import address, serving
from tests.support.redis.forwarder import forwarding
from tests.support.redis.refusing import Refusal, refusing
from tests.support.redis.servers import RedisServer

PASSWORD = "Geheim/4711 x'y"  # noqa: S105 - of a server that lives for one test
ENCODED = "Geheim%2F4711%20x%27y"
SHAPES: dict[str, Refusal] = {
    "redis": lambda words: f"ERR unknown command '{words[0]}', with args beginning with: {_quoted(words)}",
    "redis 6": lambda words: f"ERR unknown command `{words[0]}`, with args beginning with: {_quoted(words)}",
    "a proxy": lambda words: f"ERR unsupported request {' '.join(words)}",
    "a login": lambda words: f"WRONGPASS no such login: {' '.join(words)}",
    "no right": lambda words: f"NOPERM not allowed: {' '.join(words)}",
    "another code": lambda words: f"DENIED {words[-1]} by rule 7",
    "loading": lambda words: f"LOADING and can't take {' '.join(words)}",
}


def _quoted(words: object) -> str:
    return " ".join(f"'{word}'" for word in list(words)[1:])  # type: ignore[call-overload] # a list of words


async def outputs(url: str) -> list[bytes]:
    """All that a service and some commands tell of a server: answers, pages, metrics, logs."""
    commands = (["doctor"], ["doctor", "--json"], ["inspect"], ["worker"])
    said = await asyncio.gather(_outputs_of_service(url), *(_outputs_of(url, words) for words in commands))
    return list(chain.from_iterable(said))


async def _outputs_of_service(url: str) -> list[bytes]:
    said: list[bytes] = []
    async with serving(url, SIDEDATA_LOG_LEVEL="DEBUG") as process:
        base = await asyncio.wait_for(_address(process), 30)
        if base:
            async with aiohttp.ClientSession(base, headers={"Authorization": "Token x"}) as http:
                for path in ("/readyz", "/livez", "/metrics", WORKFLOWS, "/dashboard"):
                    async with http.get(path) as heard:
                        said.append(await heard.read() + repr(heard.headers).encode())
            process.terminate()
        said += list(await process.communicate())
    return said


async def _outputs_of(url: str, words: list[str]) -> list[bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidedata.cli.main", *words),
        env={
            **os.environ,
            "SIDEDATA_REDIS_URL": url,
            "SIDEDATA_SECRET": SECRET,
            "SIDEDATA_WORKER_PORT": "0",
            "SIDEDATA_LOG_LEVEL": "DEBUG",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    reading = asyncio.create_task(process.communicate())
    done, _ = await asyncio.wait([reading], timeout=4)
    if not done:
        process.kill()
    return list(await reading)


async def _address(process: asyncio.subprocess.Process) -> str:
    """The service's address; "" if it ended instead, as it does for a refusal that lasts."""
    try:
        return await address(process)
    except AssertionError:
        return ""


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_output_repeats_a_password(shape: str) -> None:
    """Whatever a server says of HELLO, AUTH or another command, nothing that people or logs see has the password in it."""
    async with refusing(SHAPES[shape]) as port:
        said = await outputs(f"redis://u:{ENCODED}@127.0.0.1:{port}")
        everything = b"\n".join(said)
        assert b"Redis" in everything
        for form in (PASSWORD, ENCODED, PASSWORD.replace("'", "\\'"), "Geheim"):
            assert form.encode() not in everything, [text for text in said if form.encode() in text]


@pytest.mark.undeployed("its users are those of deploy/")
@pytest.mark.parametrize("missing", [("HELLO",), ("HELLO", "CLIENT"), ("HELLO", "CLIENT", "INFO", "CONFIG")])
async def test_servers_that_lack_commands_work(
    private_server: Callable[..., RedisServer], missing: tuple[str, ...]
) -> None:
    """A proxy or server without HELLO, without CLIENT, and without INFO serves reports with no setting of its own."""
    server = private_server(*(word for name in missing for word in ("--rename-command", name, "")))
    server._admin.config_set("requirepass", "secret-4711") if "CONFIG" not in missing else None
    login = "redis://:secret-4711@" if "CONFIG" not in missing else "redis://"
    async with forwarding(server.url) as forwarder:
        gateway = connect(forwarder.url.replace("redis://", login), timeout=2)
        settings = Settings(secret=SECRET)
        try:
            reports = Reports(gateway, await open_installation(gateway, settings), settings, SystemClock())
            now = datetime.now(UTC)
            with pytest.raises(NoSuchWorkflowError):
                await reports.answer(ORG, PAGES, now - timedelta(days=1), now)
            assert b"HELLO" not in forwarder.sent
        finally:
            await gateway.aclose()


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("NOPERM this user has no permissions to run the 'config|get' command", "run the command config|get"),
        ("NOPERM this user has no permissions to access one of the keys used as arguments", "keys of the command"),
        ("ERR ACL failure in script: The user executing the script can't run this command", "may not run this command"),
        ("ERR unknown command 'get' with args beginning with: 'hunter2'", "unknown command"),
        ("ERR no permissions to run the 'hunter2' command", "no permissions to run the '…'"),
        ("ERR can't access 'hunter2'", "ERR can"),
    ],
)
def test_sentences_of_redis_stay_whole(sentence: str, shown: str) -> None:
    """The name of a command and the reason are read to the end, and data behind a quotation mark are not."""
    text = first_line(Exception(sentence))
    assert shown in text
    assert "hunter2" not in text
