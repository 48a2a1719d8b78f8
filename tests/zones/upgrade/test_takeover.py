"""The worker process's part: all organizations are compared without traffic, next to workers that know no tables."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from sidedata.ingest.worker.worker import Worker
from sidedata.ingest.zones.rulebook import is_old_worker
from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR, eventually
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life

SECONDS = 15.0


@asynccontextmanager
async def working(pipe: Pipeline) -> AsyncIterator[Worker]:
    """A worker with the pipeline's zone data."""
    stop = asyncio.Event()
    worker = Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings, rulebook=pipe.rulebook)
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await task


async def release_of(pipe: Pipeline, organization: str = ORG) -> str:
    """The release of the stored table; empty for none."""
    record = keys.keyspace(pipe.partition(organization)).organization(organization)
    return (await pipe.client.hget(record, "rules") or b" ").decode().split(" ")[0]


@pytest.mark.holds("1.1.3")
async def test_a_thousand_organizations_without_traffic(redis_url: str) -> None:
    """Within 15 seconds after a worker has taken the partitions all of them have the newest rules."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        case = Case(now, 27, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        old = case.rulebook(OLD, pipe.settings).candidates(NAME, int(now.timestamp()))[0].encode()
        organizations = [str(UUID(int=0xABC << 96 | number)) for number in range(1_000)]
        batch = pipe.client.pipeline(transaction=False)
        for organization in organizations:
            record = keys.keyspace(pipe.partition(organization)).organization(organization)
            batch.hset(record, mapping={"timezone": NAME, "rules": old, "has_events": "1", "since": "1"})
        await batch.execute()
        pipe.rulebook = case.rulebook(NEW, pipe.settings)

        async def adopted() -> bool:
            releases = [await pipe.client.hget(keys.keyspace(number).cursor, "zones") for number in range(4)]
            return releases == [NEW.encode()] * 4

        async with working(pipe):
            await eventually(adopted, SECONDS, "all partitions are compared")
        assert {await release_of(pipe, organization) for organization in organizations} == {NEW}


async def test_days_are_not_cut_beside_a_worker_without_tables(redis_url: str) -> None:
    """While one of those is alive the stored cut stays, and answers are right by it; afterwards the newest rules are adopted."""
    async with pipeline(redis_url, partitions=1, lease_ms=1000) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=33, each=4))
        pipe.rulebook = case.rulebook(NEW, pipe.settings)

        silent = asyncio.Event()

        async def beating() -> None:
            # Not cancelled: on Python 3.11 redis-py can lose a cancellation.
            while not silent.is_set():
                await pipe.client.zadd("sd:workers", {"zz-7-0a1b2c": int(time.time() * 1000)})
                await asyncio.sleep(0.05)

        async def owned() -> bool:
            return await pipe.client.get(keys.keyspace(0).lease) is not None

        async def adopted() -> bool:
            return await release_of(pipe) == NEW

        beats = asyncio.create_task(beating())
        await asyncio.sleep(0.1)
        async with working(pipe) as worker:
            assert not is_old_worker(worker.name)
            await eventually(owned, 5, "the partition is owned")
            await asyncio.sleep(1)
            assert await release_of(pipe) == OLD
            await world.check(case.old)
            silent.set()
            await beats
            await eventually(adopted, SECONDS, "the rules are adopted")
        await world.check(case.new)


async def test_an_open_dashboard_gets_the_new_numbers(redis_url: str) -> None:
    """A stream that is open during an adoption sends them; a worker adopts by itself."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -4 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=33))
        path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/live"
        # West of UTC today's date may have no event yet.
        start, end = (f"{(now + timedelta(days=days)).date()}" for days in (-3, 2))
        async with pipe.http.get(f"{path}?start={start}&end={end}") as stream:
            assert stream.headers["Sidedata-Zone-Rules"] == OLD
            first = await event(stream.content)
            pipe.rulebook = case.rulebook(NEW, pipe.settings)
            async with working(pipe):
                async with asyncio.timeout(SECONDS * TIME_FACTOR):
                    second = await event(stream.content)
        assert first != second
        assert (await pipe.ask(PAGES, start, end)).text == second
        await world.check(case.new)


async def event(content: asyncio.StreamReader | object) -> str:
    """The data of the next event `sidedata`."""
    name = ""
    while True:
        line = (await content.readline()).decode().rstrip("\n")  # type: ignore[union-attr]
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: ") and name == "sidedata":
            return line.removeprefix("data: ")
