"""Operators against workers: a purge under load, and a registration in the instant of the first event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sidedata.calendar.zones import zone
from sidedata.errors import SidedataError
from sidedata.ingest.purge.purge import Purge
from sidedata.ingest.worker import worker
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import POPUP, bought, interaction, started, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user
from tests.support.waiting import eventually

HELSINKI = "Europe/Helsinki"


@asynccontextmanager
async def working(pipe: Pipeline) -> AsyncIterator[None]:
    """A worker meanwhile, which finishes before the end."""
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def starts(pipe: Pipeline, organization: str) -> int | None:
    """Count the applied `workflow_started` events; None for an organization without the workflow."""
    now = await pipe.now()
    reply = await pipe.ask(POPUP, (now - timedelta(days=3)).isoformat(), now.isoformat(), organization)
    return None if reply.status == 404 else int(reply.json["started_workflows_count"])


def events(organization: str, n: int, now: datetime) -> list[bytes]:
    """One of several types, with ids."""
    fields = {"organization_id": organization}
    return [
        started(now, f"v{n}", id=f"s{n}", **fields),
        interaction(now, f"v{n}", id=f"i{n}", **fields),
        bought(now, "1.5", visitor=f"v{n}", id=f"b{n}", **fields),
        view(now, f"v{n}", id=f"p{n}", **fields),
    ]


async def test_a_purge_under_load_takes_one_organization_and_nothing_of_another(redis_url: str) -> None:
    """Two share a partition and send all the while; what is purged can come again with its ids, the other lost nothing."""
    async with pipeline(redis_url, partitions=1, batch_events=50) as pipe:
        now = await pipe.now()

        async def load() -> None:
            for n in range(300):
                await pipe.push([*events(ORG, n, now), *events(OTHER_ORG, n, now)])

        async def purges() -> None:
            for _ in range(5):
                await Purge(
                    as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False
                ).run()
                await asyncio.sleep(0.02)

        async with working(pipe):
            await asyncio.gather(load(), purges())
        await pipe.drain()
        assert await starts(pipe, OTHER_ORG) == 300
        await Purge(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False).run()
        assert await starts(pipe, ORG) is None
        assert [key async for key in pipe.client.scan_iter(match=f"*{ORG}*")] == []
        for n in range(300):
            await pipe.push(events(ORG, n, now))
        await pipe.drain()
        assert await starts(pipe, ORG) == 300
        assert await pipe.letters() == []


async def test_a_zone_set_at_the_first_event_is_the_zone_of_its_buckets(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever comes first, the zone on record is the one by which days were cut; refused is refused."""
    monkeypatch.setattr(worker, "_BLOCK_MS", 20)
    async with pipeline(redis_url, partitions=1) as pipe, working(pipe):
        now = await pipe.now()
        outcomes = set()
        for n in range(60):
            organization = str(UUID(int=n + 1))
            raw = started(now, organization_id=organization)

            async def register(organization: str, n: int) -> None:
                await asyncio.sleep(n % 12 / 2_000)
                with suppress(SidedataError):
                    await pipe.organization(HELSINKI, organization)

            await asyncio.gather(pipe.push(raw, organization=organization), register(organization, n))
            await eventually(pipe.is_drained)
            name = (await pipe.client.hget(keys.keyspace(0).organization(organization), "timezone")).decode()
            day = zone(name).day(int(now.timestamp())).start
            assert await pipe.client.exists(f"{keys.keyspace(0).bucket(organization, POPUP, 'day', day)}counts"), (
                organization,
                name,
            )
            outcomes.add(name)
        assert outcomes <= {"UTC", HELSINKI}
        assert HELSINKI in outcomes
