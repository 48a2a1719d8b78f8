"""The findings of `sidedata doctor`: none in a sound installation, and each problem by its name."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.ingest.dead_letters import mark_seen
from sidedata.ingest.worker.worker import Worker
from sidedata.inspect import doctor
from sidedata.inspect import server_findings as doctor_redis
from sidedata.inspect.doctor import examine
from sidedata.inspect.finding import Finding
from sidedata.inspect.settings_findings import settings_findings
from sidedata.reads.servers import ServerFacts
from sidedata.schema import keys
from sidedata.settings import Settings
from tests.support.constants import ORG, SECRET
from tests.support.events import view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import eventually

KEEPING = ("--appendonly", "yes")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look follows soon."""
    monkeypatch.setattr(doctor, "_TICK_SECONDS", 0.0)


async def found(pipe: Pipeline, **settings: Any) -> dict[str, Finding]:  # noqa: ANN401 - settings
    """The findings by name; of several with one name the worst."""
    chosen = msgspec.structs.replace(pipe.settings, **settings)
    findings = await examine(as_user("operator", pipe.client), chosen, {})
    return {each.name: each for each in sorted(findings, key=lambda finding: finding.problem)}


def problems(findings: dict[str, Finding]) -> set[str]:
    """The names of those that somebody should do something about; each says what."""
    wrong = {name for name, finding in findings.items() if finding.problem}
    assert all(findings[name].advice for name in wrong)
    return wrong


@asynccontextmanager
async def working(pipe: Pipeline) -> AsyncIterator[None]:
    """A worker that owns all partitions."""
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings).run(stop))

    async def owned() -> bool:
        leases = [keys.keyspace(partition).lease for partition in range(pipe.installation.partitions)]
        return bool(await pipe.client.exists(*leases) == len(leases))

    try:
        await eventually(owned)
        yield
    finally:
        stop.set()
        await running


async def test_a_sound_installation_has_no_problem(private_server: Callable[..., RedisServer]) -> None:
    """With a worker that owns everything and events applied."""
    async with pipeline(private_server(*KEEPING).url, partitions=4) as pipe, working(pipe):
        await pipe.apply(view(await pipe.now()))
        findings = await found(pipe)
        assert problems(findings) == set()
        assert findings["installation"].detail == "4 partitions, schema 1, the secret fits"
        assert "leases" in findings
        assert "keys" in findings


async def test_without_workers_nobody_owns_anything(private_server: Callable[..., RedisServer]) -> None:
    """Said after a second look only; what waits is late, and persistence is off."""
    async with pipeline(private_server("--appendonly", "no").url, partitions=4, lease_ms=1000) as pipe:
        await pipe.push(view(await pipe.now()), entry_id="1000-1")
        findings = await found(pipe)
        assert problems(findings) == {"leases", "streams", "persistence"}
        assert findings["leases"].detail == "no worker owns any partition"
        assert findings["streams"].status == "failed"
        assert "late: partition 1" in findings["streams"].detail


async def test_an_owner_without_a_heartbeat_is_found(redis_url: str) -> None:
    """Its partitions are named."""
    async with pipeline(redis_url, partitions=4, lease_ms=1000) as pipe:
        for partition in range(4):
            await pipe.client.set(keys.keyspace(partition).lease, "a ghost" if partition == 2 else "alive", px=60_000)
        await pipe.client.zadd(keys.WORKERS, {"alive": (await pipe.now()).timestamp() * 1000 + 60_000})
        findings = await found(pipe)
        assert findings["leases"].detail == "an owner that is not alive has partition 2"


async def test_too_long_a_backlog_is_found(redis_url: str) -> None:
    """Where HTTP ingest refuses already."""
    async with pipeline(redis_url, partitions=4, lease_ms=100) as pipe:
        await pipe.push(*[view(await pipe.now())] * 3)
        findings = await found(pipe, backlog_limit=2)
        assert "over SIDEDATA_BACKLOG_LIMIT: partition 1" in findings["streams"].detail


@pytest.mark.holds("8.8")
async def test_new_dead_letters_are_found_and_old_ones_counted(redis_url: str) -> None:
    """Those that were not seen fail, by reason; the others are a warning."""
    async with pipeline(redis_url, partitions=4, lease_ms=100) as pipe:
        await pipe.client.xadd(keys.keyspace(0).dead, {"reason": "too_old"}, id="1000-1")
        assert (await found(pipe))["dead letters"].status == "failed"
        await mark_seen(as_user("operator", pipe.client), pipe.installation)
        seen = (await found(pipe))["dead letters"]
        assert seen.status == "warning"
        assert "`sidedata dead drop --all`" in seen.advice
        await pipe.apply(b"7")
        finding = (await found(pipe))["dead letters"]
        assert (finding.status, finding.detail) == ("failed", "2, some of them not seen (invalid_event)")


async def test_keys_that_should_not_be_there_are_found(redis_url: str) -> None:
    """A bucket that was made to persist, a name of another program, a partition beyond the last."""
    async with pipeline(redis_url, partitions=4, lease_ms=100) as pipe:
        await pipe.apply(view(await pipe.now()))
        bucket = (await pipe.client.keys(f"sd:{{1}}:day:{ORG}:*:visitors"))[0].decode()
        for make, what in (
            (pipe.client.persist(bucket), f"1 of 1[0-9] sampled keys should end and have no TTL: {bucket}"),
            (pipe.client.set("sd:cache", 1), "are none that sidedata makes: sd:cache"),
            (
                pipe.client.xadd(keys.keyspace(9).events, {"event": "{}"}),
                r"partitions that don't exist: sd:\{9\}:events",
            ),
        ):
            await make
            findings = [
                each
                for each in await examine(as_user("operator", pipe.client), pipe.settings, {})
                if each.name == "keys" and each.problem
            ]
            assert any(re.search(what.replace("{1}", r"\{1\}"), each.detail) for each in findings), findings


async def test_another_installations_settings_are_found(redis_url: str) -> None:
    """Number of partitions, secret, schema; each by itself."""
    async with pipeline(redis_url, partitions=4, lease_ms=100) as pipe:
        assert "has 4" in (await found(pipe, partitions=5))["installation"].detail
        assert "SIDEDATA_SECRET" in (await found(pipe, secret="quite another secret"))["installation"].detail  # noqa: S106
        assert "not compared" in (await found(pipe, secret=""))["installation"].detail
        await pipe.client.hset(keys.CONFIG, "schema", 99)
        assert "schema 99" in (await found(pipe))["installation"].detail


async def test_an_empty_redis_stays_empty(redis_url: str) -> None:
    """No installation is found, and none is made."""
    client = connect(redis_url, timeout=5)
    try:
        findings = await examine(as_user("operator", client), Settings(redis_url=redis_url, secret=SECRET), {})
        assert (findings[-1].name, findings[-1].detail) == ("installation", "there is none in this Redis")
        assert await client.dbsize() == 0
    finally:
        await client.aclose()


async def test_redis_itself_is_looked_at(private_server: Callable[..., RedisServer]) -> None:
    """Nearly full, evicting, without the replicas that are asked for."""
    server = private_server("--maxmemory-policy", "allkeys-lru", "--appendonly", "no")
    async with pipeline(server.url, partitions=4, lease_ms=1000) as pipe:
        await pipe.client.set("ballast", b"x" * 10_000_000)
        used = (await pipe.client.info("memory"))["used_memory"]
        await pipe.client.config_set("maxmemory", round(used * 1.05))
        findings = await found(pipe, wait_replicas=1)
        assert {"maxmemory-policy", "memory", "replicas", "persistence"} <= problems(findings)


@pytest.mark.parametrize(
    ("ahead", "status"), [(0.0, "ok"), (5.0, "warning"), (-5.0, "warning"), (3600.0, "failed"), (-3600.0, "failed")]
)
async def test_a_clock_that_is_off_is_found(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, ahead: float, status: str
) -> None:
    """This machine's against Redis's, in either direction."""
    real = time.time
    async with pipeline(redis_url, partitions=4, lease_ms=1000) as pipe:
        monkeypatch.setattr(time, "time", lambda: real() + ahead)
        assert (await doctor_redis._clock(pipe.client)).status == status


@pytest.mark.parametrize(
    ("version", "status"), [("6.0.16", "failed"), ("6.2.0", "ok"), ("10.1.0", "ok"), ("", "unknown")]
)
def test_old_versions_are_found(version: str, status: str) -> None:
    """6.2 is the oldest that does."""
    assert doctor_redis._version([ServerFacts(version=version or None)]).status == status


@pytest.mark.parametrize("settings", [{"secret": "short"}, {"affect_hours": 72}, {"lease_ms": 500}])
def test_strange_settings_are_found(settings: dict[str, Any]) -> None:
    """Allowed, and hardly meant."""
    assert [finding.status for finding in settings_findings(Settings(**settings), {})] == ["warning"]


def test_the_command_says_what_to_do(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 and advice where there are problems, in words or as JSON; a Redis that isn't there is one."""
    monkeypatch.delenv("SIDEDATA_SECRET", raising=False)
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", redis_url))
    said = CliRunner().invoke(cli, ["doctor"])
    assert said.exit_code == 1
    assert "failed   installation: there is none in this Redis\n         → start a service" in said.stdout
    away = CliRunner().invoke(cli, ["doctor", "--json", "--redis-url", "redis://127.0.0.1:1"])
    assert away.exit_code == 1
    report = json.loads(away.stdout)
    assert report["problems"] == 1
    assert report["findings"][-1]["name"] == "redis"


def test_variables_that_nobody_reads_are_told() -> None:
    """With the setting that they resemble; those of tests and of other programs are none of its business."""
    environ = {
        "SIDEDATA_KEEP_DAY_DAY": "1",
        "SIDEDATA_XYZZY": "",
        "SIDEDATA_PORT": "1",
        "SIDEDATA_TEST_X": "",
        "HOME": "",
    }
    findings = settings_findings(Settings(), environ)
    assert [(finding.status, finding.detail.split()[0]) for finding in findings] == [
        ("warning", "SIDEDATA_KEEP_DAY_DAY"),
        ("warning", "SIDEDATA_XYZZY"),
    ]
    assert findings[0].advice == "SIDEDATA_KEEP_DAY_DAYS may be meant"
    assert "README" in findings[1].advice
