"""Conditions in which Redis refuses commands: each is named with its remedy, and reads are distinguished from writes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import redis
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.errors import StoreUnavailableError
from sidedata.inspect.doctor import examine
from sidedata.inspect.health import Check, redis_checks
from sidedata.redis.client import connect
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.events import POPUP, started
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.refusing import refusing
from tests.support.redis.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.undeployed("the conditions are set up by commands that deploy/ allows to nobody")
INGEST = f"/api/ingest/v1/orgs/{ORG}/events"


class Expected(NamedTuple):
    """The expected message of a condition: the check, its status for a service, and words of its detail and advice."""

    check: str
    status: str
    detail: str
    advice: str
    report: int


CONDITIONS = {
    "MISCONF": Expected("writes", "warning", "can't save", "free space", 200),
    "OOM": Expected("writes", "warning", "full", "maxmemory", 200),
    "NOREPLICAS": Expected("writes", "warning", "too few replicas", "min-replicas-to-write", 200),
    "READONLY": Expected("role", "failed", "replica", "point SIDEDATA_REDIS_URL to the master", 503),
    "BUSY": Expected("redis", "failed", "script", "SCRIPT KILL", 503),
    "NOAUTH": Expected("redis", "failed", "login", "password into SIDEDATA_REDIS_URL", 503),
    "NOPERM": Expected("redis", "failed", "refused a command", "deploy/users.acl", 503),
}


async def _misconf(admin: Any, server: RedisServer) -> None:  # noqa: ANN401 - an untyped client
    (server.directory / "broken").mkdir()  # a file can't take the place of a directory
    admin.config_set("save", "3600 1000000")  # Redis 6.2 takes only one `save` of a command line
    admin.bgsave()
    await eventually(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")


async def _busy(admin: Any, server: RedisServer) -> None:  # noqa: ANN401 - an untyped client
    admin.config_set("lua-time-limit", 20)  # the name on Redis 6.2, an alias later
    spinning = redis.Redis.from_url(server.url, protocol=2, socket_timeout=0.1)
    with contextlib.suppress(redis.TimeoutError):
        spinning.eval("while true do end", 0)
    spinning.close()


def _config(name: str, value: object) -> Callable[[Any, RedisServer], Awaitable[None]]:
    async def configure(admin: Any, _: RedisServer) -> None:  # noqa: ANN401 - an untyped client
        admin.config_set(name, value)

    return configure


async def _readonly(admin: Any, _: RedisServer) -> None:  # noqa: ANN401 - an untyped client
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")


async def _noauth(admin: Any, _: RedisServer) -> None:  # noqa: ANN401 - an untyped client
    admin.config_set("requirepass", "secret-4711")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def _noperm(admin: Any, _: RedisServer) -> None:  # noqa: ANN401 - an untyped client
    admin.execute_command("ACL", "SETUSER", "admin", "on", "nopass", "~*", "+@all")
    admin.execute_command("AUTH", "admin", "x")
    admin.execute_command("ACL", "SETUSER", "default", "-@all", "+info")


SET_UP = {
    "MISCONF": _misconf,
    "OOM": _config("maxmemory", 1),
    "NOREPLICAS": _config("min-replicas-to-write", 1),
    "READONLY": _readonly,
    "BUSY": _busy,
    "NOAUTH": _noauth,
    "NOPERM": _noperm,
}


@asynccontextmanager
async def condition(name: str, server: RedisServer, **settings: Any) -> AsyncIterator[Pipeline]:  # noqa: ANN401
    """An installation with an event in it whose Redis then comes into a condition."""
    async with pipeline(server.url, partitions=1, **settings) as pipe:
        await pipe.apply(started(await pipe.now()))
        admin: Any = redis.Redis.from_url(server.url, protocol=2, single_connection_client=True)
        try:
            await SET_UP[name](admin, server)
            yield pipe
        finally:
            if name == "BUSY":
                admin.execute_command("SCRIPT", "KILL")
            admin.close()


@pytest.fixture
def server(private_server: Callable[..., RedisServer]) -> RedisServer:
    """A server whose next snapshot can be made to fail."""
    return private_server("--dbfilename", "broken", "--save", "3600 1000000")


async def report(pipe: Pipeline, hours: int = 24) -> tuple[int, str]:
    """A report's status and body, asked once."""
    now = datetime.now(UTC)
    interval = {"start": (now - timedelta(hours=hours)).isoformat(), "end": now.isoformat()}
    path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{POPUP}/sidedata/"
    async with pipe.http.post(path, json={"interval": interval}) as heard:
        return heard.status, await heard.text()


@pytest.mark.holds("9.2")
@pytest.mark.parametrize("name", CONDITIONS)
async def test_a_condition_is_named_with_its_remedy(server: RedisServer, name: str) -> None:
    """By readiness of service and worker, and by the doctor; a reader's 503 does not speak of writes."""
    expected = CONDITIONS[name]
    async with condition(name, server) as pipe:
        async with pipe.http.get("/readyz") as heard:
            body = await heard.json(content_type=None)
            assert heard.status == (503 if expected.status == "failed" else 200), body
        (check,) = [check for check in body["checks"] if check["name"] == expected.check]
        assert check["status"] == expected.status
        assert expected.detail in check["detail"]
        assert expected.advice in check["advice"]
        assert any(expected.advice in warning for warning in body["warnings"])

        worker = {check.name: check for check in await redis_checks(pipe.client.gateway, 1)}
        assert worker[expected.check].status == "failed"
        findings = {finding.name: finding for finding in await examine(pipe.client.gateway, pipe.settings, {})}
        assert findings[expected.check].status == "failed"
        assert expected.advice in findings[expected.check].advice

        status, text = await report(pipe)
        assert status == expected.report, text
        if status == 503:
            assert "take writes" not in text
        async with pipe.http.post(INGEST, data=started(datetime.now(UTC)), headers=_NDJSON) as heard:
            assert heard.status == 503
            assert heard.headers["Retry-After"]


_NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.mark.parametrize("name", ["MISCONF", "OOM", "NOREPLICAS"])
@pytest.mark.parametrize("command", [("status",), ("inspect",), ("inspect", "key", "sd:config")])
async def test_operators_see_an_installation_without_writes(
    server: RedisServer, name: str, command: tuple[str, ...]
) -> None:
    """The commands that look answer, though Redis refuses PING like a write; `status` names the condition."""
    async with condition(name, server) as pipe:
        await asyncio.to_thread(_look, server.url, command, CONDITIONS[name].detail if command == ("status",) else "")
        assert (await report(pipe))[0] == 200


def _look(url: str, command: tuple[str, ...], detail: str) -> None:
    result = CliRunner(env={"SIDEDATA_REDIS_URL": url}).invoke(cli, command)
    assert result.exit_code == 0, result.stderr
    assert detail in result.stdout


@pytest.mark.parametrize("name", ["MISCONF", "OOM", "NOREPLICAS"])
async def test_reports_go_on_without_writes_and_with_a_rate_limit(server: RedisServer, name: str) -> None:
    """Where only writes fail, requests can't be counted, and each of them is answered."""
    async with condition(name, server, rate_limit=2) as pipe:
        answers = await asyncio.gather(*(report(pipe, hours) for hours in range(1, 11)))
        assert {status for status, _ in answers} == {200}


@pytest.mark.parametrize(
    "said", ["LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down"]
)
async def test_conditions_of_a_server_that_starts(said: str) -> None:
    """A server that loads its data, or a replica that lost its master, is named as such."""
    async with refusing(lambda _: said) as port:
        url = f"redis://127.0.0.1:{port}"
        gateway = connect(url, timeout=1)
        try:
            (check,) = await redis_checks(gateway, 1)
            name = {"LOADING": "loading", "MASTERDOWN": "role"}[said.split(maxsplit=1)[0]]
            assert (check.name, check.status) == (name, "failed")
            assert check.advice
            assert name in {finding.name for finding in await examine(gateway, Settings(redis_url=url, secret="s"), {})}  # noqa: S106
        finally:
            await gateway.aclose()


@pytest.mark.parametrize(
    "said",
    [
        "ERR Script attempted to access a non local key in a cluster node script: 5ef1, on @user_script:3.",
        "ERR Unable to execute command 'exists' in script because undeclared keys were accessed during rehashing of the slot",
    ],
)
async def test_a_script_whose_keys_are_moving_is_a_retry(said: str) -> None:
    """Redis up to 7.2 says the one, later ones may say the other; the slot arrives elsewhere in a moment."""
    async with refusing(lambda _: said) as port:
        gateway = connect(f"redis://127.0.0.1:{port}", timeout=1)
        try:
            with pytest.raises(StoreUnavailableError) as refusal:
                await gateway.command("GET", "n")
            assert refusal.value.code == "TRYAGAIN"
        finally:
            await gateway.aclose()


async def test_writes_are_unknown_without_the_right(server: RedisServer) -> None:
    """A user that may not add to any stream learns nothing of writes, and is ready."""
    async with pipeline(server.url, partitions=1) as pipe:
        await pipe.client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read", "+info", "+ping")
        gateway = connect(f"unix://reader:x@{server.url.removeprefix('unix://')}", timeout=2)
        try:
            checks: dict[str, Check] = {check.name: check for check in await redis_checks(gateway, 1)}
            assert checks["writes"].status == "unknown"
            assert checks["role"].status == "ok"
        finally:
            await gateway.aclose()
