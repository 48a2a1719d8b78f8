"""The whole way as the users of deploy/users.acl: an operator prepares, a producer sends, a worker applies, the service answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest

from sidedata import failpoints
from sidedata.ingest import dead_letters as dead
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.purge.purge import Purge
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.ingest.worker.worker import Worker
from sidedata.inspect.overview import read_overview
from sidedata.metrics import new_registry
from sidedata.reads.tokens import list_tokens
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings
from sidedata.writes.append import append
from sidedata.writes.installation import open_installation
from sidedata.writes.records import set_organization, set_workflow
from sidedata.writes.tokens import create_token, revoke_token
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES, POPUP, interaction, reached, rfc3339, started, triggered, view
from tests.support.processes.service import application, session
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import login, password
from tests.support.waiting import eventually

BASE = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows"


class Parts(NamedTuple):
    """Everybody at work, each with the user of its own."""

    operator: Client
    producer: Client
    installation: Installation
    settings: Settings
    worker: Worker
    http: aiohttp.ClientSession


@asynccontextmanager
async def at_work(guarded: RedisServer) -> AsyncIterator[Parts]:
    """An empty server, a worker and a service; the service comes first and so fixes the installation's facts."""
    settings = Settings(secret=SECRET, rate_limit=1000)
    async with AsyncExitStack() as stack:

        def client(user: str) -> Client:
            made = connect(login(guarded.url, user, password(user)), timeout=5)
            stack.push_async_callback(made.aclose)
            return made

        admin = client("admin")
        await admin.flushall()
        await admin.execute_command("ACL LOG", "RESET")
        serving = client("service")
        installation = await open_installation(serving, settings, require_secret=True)
        working = client("worker")
        worker = Worker(
            working,
            await open_installation(working, settings, require_secret=True),
            settings,
            Metrics(new_registry()),
        )
        stop = asyncio.Event()
        work = asyncio.create_task(worker.run(stop))
        operator = client("operator")
        token, _ = await create_token(operator, None, ["reports", "ingest"])
        try:
            http = await stack.enter_async_context(session(application(serving, installation, settings), token))
            yield Parts(operator, client("producer"), installation, settings, worker, http)
        finally:
            stop.set()
            await work


async def applied(parts: Parts) -> None:
    """Wait until nothing waits to be applied."""

    async def empty() -> bool:
        return not (await read_overview(parts.operator, parts.installation, parts.settings)).lag_entries

    await eventually(empty, what="all is applied")


async def asked(parts: Parts, path: str, **query: str) -> Any:  # noqa: ANN401 - whatever was answered
    """A GET answered 200."""
    async with parts.http.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def rebuilt_twice(parts: Parts, now: datetime) -> None:
    """An operator rebuilds, and then dies in the midst of a swap: the worker ends it."""

    def rebuild() -> Rebuild:
        archive = [view(now, "v9", id="z"), interaction(now, id="i"), reached(now, id="r")]
        lines = iter([Line(n, raw, organization=ORG) for n, raw in enumerate(archive)])
        return Rebuild(parts.operator, parts.settings, parts.installation, ORG, lines, dry=False)

    assert (await rebuild().run()).swapped
    work = rebuild()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(failpoints, "armed", _dies_in_a_swap)
        with contextlib.suppress(_DiedError):
            await work.run()
    assert not work.report.swapped
    cursor = keys.keyspace(parts.installation.partition_of(ORG)).cursor

    async def swapped() -> bool:
        return not await parts.operator.hexists(cursor, "swap")

    await eventually(swapped, what="the worker has ended the swap")


class _DiedError(Exception):
    """Stands for a process that is no more."""


def _dies_in_a_swap(place: str) -> None:
    if place == "after_swap_begin":
        raise _DiedError


async def test_everybody_can_do_their_work(guarded: RedisServer) -> None:
    """Events of a producer and over HTTP, answers, lists, readiness, dead letters, tokens, rebuild, purge: none is refused."""
    now = datetime.now(UTC)
    interval = {"start": rfc3339(now - timedelta(hours=2)), "end": rfc3339(now + timedelta(hours=1))}
    async with at_work(guarded) as parts:
        operator, installation = parts.operator, parts.installation
        await set_organization(operator, installation, ORG, "Europe/Helsinki")
        await set_workflow(operator, installation, ORG, POPUP, "interaction", "Pop-up")
        partition = installation.partition_of(ORG)

        stream = keys.keyspace(partition).events
        await parts.producer.xadd(stream, {"event": view(now, "v1", id="a")})
        await parts.producer.xadd(stream, {"event": view(now, "v1", id="a")})
        await parts.producer.xadd(stream, {"events": b"[" + b",".join([view(now, "v2"), interaction(now)]) + b"]"})
        await parts.producer.xadd(stream, {"event": b"no JSON"})
        await append(operator, keyspace(partition), [reached(now)], 1000)
        body = b"[" + b",".join([started(now), triggered(now)]) + b"]"
        path = f"/api/ingest/v1/orgs/{ORG}/events"
        async with parts.http.post(path, data=body, headers={"Content-Type": "application/json"}) as response:
            assert response.status == 202, await response.text()
        await applied(parts)

        pages = await asked(parts, f"{BASE}/{PAGES}/sidedata/", **interval)
        assert (pages["unique_visitors_count"], pages["unique_sessions_count"]) == (2, 1)
        popup = await asked(parts, f"{BASE}/{POPUP}/sidedata/", **interval)
        assert popup["started_workflows_count"] == 1
        assert [goal["metrics"]["events_count"] for goal in popup["triggered_goals"]] == [1]
        assert [goal["metrics"]["events_count"] for goal in popup["affected_goals"]] == [1]
        assert {item["id"] for item in await asked(parts, f"{BASE}/")} == {PAGES, POPUP}
        readiness = await asked(parts, "/readyz")
        assert {check["status"] for check in readiness["checks"]} == {"ok"}, readiness

        overview = await read_overview(operator, installation, parts.settings)
        assert (overview.workers, overview.dead_letters) == (1, 1)
        [letter] = [letter async for letter in dead.read_all(operator, installation)]
        assert await dead.replay(operator, installation, letter.id)
        await applied(parts)
        [record] = await list_tokens(operator)

        async def noted() -> bool:
            return (await list_tokens(operator))[0].used_at is not None

        await eventually(noted, what="the use of the token is noted")
        await rebuilt_twice(parts, now)
        assert (await asked(parts, f"{BASE}/{PAGES}/sidedata/", **interval))["unique_visitors_count"] == 1
        await Purge(operator, parts.settings, installation, ORG, PAGES, dry=False).run()
        purged = await Purge(operator, parts.settings, installation, ORG, None, dry=False).run()
        assert purged.keys > 0
        assert await revoke_token(operator, record.id)

    # Redis keeps a list of what it refused; clients that send their name by a command of 7.2 don't matter here.
    admin = connect(guarded.url, timeout=5)
    try:
        refused = [
            entry
            for entry in await admin.execute_command("ACL LOG")
            if _text(entry, "username") in ("service", "worker", "operator")
            and _text(entry, "object") != "client|setinfo"
        ]
    finally:
        await admin.aclose()
    assert not refused


def _text(entry: Any, field: str) -> str:  # noqa: ANN401 - a reply, in one of two forms
    found = entry[field] if field in entry else entry[field.encode()]
    return found.decode() if isinstance(found, bytes) else str(found)
