"""Any order, any repetition, any number of workers: the same events give byte-identical answers."""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidedata.ingest.worker import worker
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import (
    GOAL,
    GOAL_2,
    PAGES,
    POPUP,
    POPUP_2,
    bought,
    interaction,
    reached,
    started,
    triggered,
    view,
)
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user

PARTITIONS = 4
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)
THIRD_ORG = str(UUID(int=7))
ORGANIZATIONS = (ORG, OTHER_ORG, THIRD_ORG)


def history(choose: random.Random, now: datetime) -> list[tuple[str, bytes]]:
    """Events of three organizations with ids of their own, many of them 24 hours apart, give or take a millisecond."""
    made: list[tuple[str, bytes]] = []
    for organization in ORGANIZATIONS:
        for n in range(choose.randint(5, 25)):
            base = now - timedelta(hours=choose.choice([1, 5, 30, 49, 200, 1_000]), minutes=choose.randint(0, 59))
            visitor = f"v{choose.randint(0, 3)}"
            fields = {"organization_id": organization, "session": f"s{choose.randint(0, 5)}"}
            edge = choose.choice([-DAY - MS, -DAY, -DAY + MS, timedelta(0), MS, -MS])
            raws = [
                bought(base, choose.choice(["0.1", "19.99", '"0.0001"']), visitor=visitor, id=f"{n}b", **fields),
                interaction(base + edge, visitor, id=f"{n}i", workflow=choose.choice([POPUP, POPUP_2]), **fields),
                interaction(base - DAY / 2, visitor, id=f"{n}j", workflow=POPUP, **fields),
                reached(base, visitor, choose.choice([GOAL, GOAL_2]), f"name {n}", id=f"{n}g", **fields),
                triggered(base + edge, visitor, GOAL, f"name {n % 3}", id=f"{n}t", **fields),
                started(base, visitor, id=f"{n}s", **fields),
                view(base + edge, visitor, id=f"{n}v", **fields),
            ]
            made += [(organization, raw) for raw in choose.sample(raws, choose.randint(1, len(raws)))]
    return made


async def answers(pipe: Pipeline, now: datetime) -> list[str]:
    """Every workflow of every organization over several intervals, as text."""
    texts: list[str] = []
    for organization in ORGANIZATIONS:
        for workflow in (PAGES, POPUP, POPUP_2):
            for start, end in ((60, 0), (3, 0), (10, 1), (0.3, 0)):
                interval = ((now - timedelta(days=start)).isoformat(), (now - timedelta(days=end)).isoformat())
                texts.append((await pipe.ask(workflow, *interval, organization)).text)
    return texts


@dataclass
class Staff:
    """Workers of this process that come and go."""

    pipe: Pipeline
    members: list[tuple[asyncio.Task[None], asyncio.Event, Client]]

    def join(self) -> None:
        """One more."""
        client, stop = connect(as_user("worker", self.pipe.settings.redis_url), timeout=5), asyncio.Event()
        running = Worker(client, self.pipe.installation, self.pipe.settings).run(stop)
        self.members.append((asyncio.create_task(running), stop, client))

    async def leave(self) -> None:
        """The longest-serving one goes."""
        task, stop, client = self.members.pop(0)
        stop.set()
        await task
        await client.aclose()


async def arrive(pipe: Pipeline, events: list[tuple[str, bytes]], choose: random.Random, now: datetime) -> None:
    """The events in another order, some twice, in entries of any size, to one to four workers, with questions in between."""
    events = [*events, *choose.sample(events, len(events) // 3)]
    choose.shuffle(events)
    staff = Staff(pipe, [])
    staff.join()
    while events:
        size = choose.choice([1, 1, 3, 20])
        chunk, events = events[:size], events[size:]
        for organization in ORGANIZATIONS:
            raws = [raw for owner, raw in chunk if owner == organization]
            if raws:
                await pipe.push(raws if len(raws) > 1 else raws[0], organization=organization)
        dice = choose.random()
        if dice < 0.1 and len(staff.members) < 4:
            staff.join()
        elif dice < 0.15 and len(staff.members) > 1:
            await staff.leave()
        elif dice < 0.3:
            await asyncio.sleep(0.01)
            await answers(pipe, now)
    limit = time.monotonic() + 20
    while any([await pipe.client.xlen(keys.keyspace(partition).events) for partition in range(PARTITIONS)]):
        assert time.monotonic() < limit, "entries are left"
        await asyncio.sleep(0.01)
    while staff.members:
        await staff.leave()


async def both_ways(server: RedisServer, seed: int) -> None:
    """In order, each event an entry, one worker's pass; then in any order. The answers must not differ in a byte."""
    choose = random.Random(seed)
    async with pipeline(server.url, partitions=PARTITIONS) as plain:
        now = await plain.now()
        events = history(choose, now)
        for organization, raw in events:
            await plain.push(raw, organization=organization)
        await plain.drain()
        expected = await answers(plain, now)
    server.flush()
    async with pipeline(server.url, partitions=PARTITIONS, batch_events=choose.choice([1, 7, 5_000])) as pipe:
        await arrive(pipe, events, choose, now)
        assert await answers(pipe, now) == expected
    async with pipeline(server.url, partitions=PARTITIONS) as fresh:
        assert await answers(fresh, now) == expected, "a service that knows nothing yet says the same"


@pytest.mark.holds("2.3.4")
def test_any_order_and_repetition_gives_the_same_bytes(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten histories, each in order and in another order under workers that come and go."""
    monkeypatch.setattr(worker, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(worker, "_BLOCK_MS", 20)

    @settings(max_examples=10)
    @given(seed=st.integers(0, 2**32))
    def compared(seed: int) -> None:
        redis_server.flush()
        asyncio.run(both_ways(redis_server, seed))

    compared()
