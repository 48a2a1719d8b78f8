"""A service, workers and producers on a Redis Cluster, and what its nodes hold."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp

from sidedata.errors import StoreUnavailableError
from sidedata.ingest.worker.worker import Worker
from sidedata.redis.redis_errors import translated
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from sidedata.writes.tokens import create_token
from tests.support.constants import SECRET
from tests.support.events import POPUP, event
from tests.support.oracle.compare import Tally, compare
from tests.support.oracle.instant import held
from tests.support.oracle.oracle import Oracle
from tests.support.processes.service import application, session
from tests.support.redis.client import Client, connect
from tests.support.redis.cluster import Cluster, Node, slot_of
from tests.support.waiting import TIME_FACTOR, eventually

PARTITIONS = 8
# One organization in each partition, by its number.
ORGANIZATIONS = {
    keys.partition_of(organization, PARTITIONS): organization
    for organization in (f"dddddddd-0000-4000-8000-{number:012}" for number in range(100))
}
GOAL = {"uuid": "33333333-0000-4000-8000-00000000000d", "name": "Goal"}


def happening(organization: str, number: int, at: datetime | None = None) -> bytes:
    """An event that happens now, with an id; of the kinds that visitors' state, sketches and counts are made of."""
    kind = ("workflow_started", "interaction", "goal_reached")[number % 3] if at else "workflow_started"
    fields: dict[str, Any] = {"goal": GOAL} if kind == "goal_reached" else {"workflow": POPUP}
    moment = at or datetime.now(UTC)
    return event(kind, moment, organization_id=organization, visitor=f"v{number % 40}", id=f"id-{number}", **fields)


class TimedReply:
    """An answer and how long it took."""

    def __init__(self, status: int, body: bytes, seconds: float) -> None:
        self.status = status
        self.body = body
        self.seconds = seconds

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was answered
        """The body."""
        return json.loads(self.body)


async def ask(http: aiohttp.ClientSession, partition: int, hours: int = 24) -> TimedReply:
    """The last hours of the partition's organization."""
    now = datetime.now(UTC)
    interval = {"start": (now - timedelta(hours=hours)).isoformat(), "end": (now + timedelta(minutes=5)).isoformat()}
    path = f"/api/reporting/workflow/v1/orgs/{ORGANIZATIONS[partition]}/workflows/{POPUP}/sidedata/"
    start = time.monotonic()
    async with http.post(path, json={"interval": interval}) as response:
        body = await response.read()
    return TimedReply(response.status, body, time.monotonic() - start)


@dataclass
class Life:
    """A service and two workers on a cluster, and a producer for each of some partitions."""

    cluster: Cluster
    client: Client
    installation: Installation
    http: aiohttp.ClientSession
    sent: dict[int, list[bytes]] = field(default_factory=dict)  # by partition, every event once
    accepted: dict[int, set[int]] = field(default_factory=dict)  # which of them were acknowledged
    refused: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, partition: int, events: list[bytes]) -> TimedReply:
        """Send events over HTTP."""
        path = f"/api/ingest/v1/orgs/{ORGANIZATIONS[partition]}/events"
        headers = {"Content-Type": "application/x-ndjson"}
        start = time.monotonic()
        async with self.http.post(path, data=b"\n".join(events), headers=headers) as response:
            body = await response.read()
        return TimedReply(response.status, body, time.monotonic() - start)

    async def send(self, partition: int, events: list[bytes]) -> None:
        """Send events until they are acknowledged; after a 503 they may be in already, so they have ids."""

        async def accepted(some: list[bytes]) -> bool:
            reply = await self.post(partition, some)
            assert reply.status in {202, 503}, reply.body
            return reply.status == 202

        for first in range(0, len(events), 1000):
            await eventually(partial(accepted, events[first : first + 1000]))

    async def produce(self, partition: int, *, again: bool) -> None:
        """Send ten events at a time until `stop`; refused ones are sent `again`, or not."""
        sent, accepted = self.sent.setdefault(partition, []), self.accepted.setdefault(partition, set())
        while not self.stop.is_set():
            numbers = range(len(sent), len(sent) + 10)
            batch = [happening(ORGANIZATIONS[partition], n, datetime.now(UTC)) for n in numbers]
            sent += batch
            while True:
                reply = await self.post(partition, batch)
                if reply.status == 202:
                    accepted.update(numbers)
                    break
                assert reply.status == 503, reply.body
                self.refused += 1
                await asyncio.sleep(0.05)
                if not again:
                    break
            await asyncio.sleep(0.005)

    async def applied(self) -> None:
        """Wait until nothing waits in the streams."""

        async def empty() -> bool:
            try:
                with translated():
                    return not any([await self.client.xlen(keys.keyspace(partition).events) for partition in self.sent])
            except StoreUnavailableError:
                return False

        await eventually(empty)

    async def held(self, partition: int) -> list[bytes]:
        """The events that count, by what the partition's master holds in one instant, all of which agrees."""
        admin = self.cluster.master_of(slot_of(keys.keyspace(partition).events)).admin
        return await asyncio.to_thread(held, admin, partition, ORGANIZATIONS[partition], self.sent[partition])

    async def equals_the_oracle(self, partition: int, events: list[bytes]) -> None:
        """The answer is that to these events."""
        oracle = Oracle(partitions=PARTITIONS)
        now = datetime.now(UTC)
        for number, raw in enumerate(events):
            entry_ms = int(now.timestamp() * 1000)
            oracle.arrive(raw, partition=partition, entry_ms=entry_ms, entry=str(number), now=now)
        assert oracle.dead == []
        await recovered(self, partition)
        reply = await ask(self.http, partition)
        now = datetime.now(UTC)
        start, end = now - timedelta(hours=24), now + timedelta(minutes=5)
        expected, _ = oracle.answer(ORGANIZATIONS[partition], POPUP, start, end, now)
        compare(reply.json, expected, Tally())


@asynccontextmanager
async def life(cluster: Cluster, **settings: Any) -> AsyncIterator[Life]:  # noqa: ANN401 - as settings have it
    """Two workers and a service, as their processes make them."""
    chosen = Settings(redis_url=cluster.url, secret=SECRET, partitions=PARTITIONS, **settings)
    clients = [connect(cluster.url, timeout=seconds) for seconds in (2.0, 2.0, 0.8)]
    stop = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    try:
        installation = await open_installation(clients[0], chosen)
        token, _ = await create_token(clients[0], None, ["reports", "ingest"])
        tasks += [asyncio.create_task(Worker(client, installation, chosen).run(stop)) for client in clients[:2]]
        async with session(application(clients[2], installation, chosen), token) as http:
            yield Life(cluster, clients[0], installation, http)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        for client in clients:
            await client.aclose()


@asynccontextmanager
async def load(running: Life, *partitions: int, again: bool = True) -> AsyncIterator[None]:
    """Producers meanwhile; then they stop and everything is applied."""
    producers = [asyncio.create_task(running.produce(partition, again=again)) for partition in partitions]
    try:
        yield
        running.stop.set()
        await asyncio.gather(*producers)
    finally:
        for producer in producers:
            producer.cancel()
        await asyncio.gather(*producers, return_exceptions=True)
    await running.applied()


async def started(running: Life, partition: int, least: int) -> None:
    """Wait until that number of events is in the answer."""

    async def there() -> bool:
        reply = await ask(running.http, partition)
        return reply.status == 200 and reply.json["started_workflows_count"] >= least

    await eventually(there)


def behind(master: Node, replica: Node) -> int:
    """Bytes that the replica has not had yet."""
    ahead = int(master.admin.info("replication")["master_repl_offset"])
    return ahead - int(replica.admin.info("replication")["slave_repl_offset"])


async def recovered(running: Life, partition: int) -> None:
    """Wait for an answer again; until then it is a 503, each time within a second."""

    async def answered() -> bool:
        reply = await ask(running.http, partition)
        assert reply.status in {200, 503}
        assert reply.seconds < 1.0 * TIME_FACTOR
        return reply.status == 200

    await eventually(answered)
