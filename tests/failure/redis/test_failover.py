"""A master dies after any byte that it sent: what its replica then holds is of one instant, and nothing counts twice."""

import bisect
import json
import random
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
import redis

from sidedata.clock import SystemClock
from sidedata.ingest.apply.partition import Partition, live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.lease import acquire
from sidedata.redis.gateway import Gateway, OnSent
from sidedata.redis.replies import Reply, Word
from sidedata.redis.scripts import Script
from sidedata.redis.standalone import StandaloneGateway
from sidedata.schema.keys import keyspace
from sidedata.service.report.reports import Reports
from sidedata.settings import Settings
from sidedata.writes.append import append
from tests.support.constants import ORG
from tests.support.events import POPUP, bought, interaction, reached, started, triggered
from tests.support.oracle.instant import held
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import applied_entries
from tests.support.redis.client import Client, connect
from tests.support.redis.replicas import Recorder, everything, take_over
from tests.support.redis.servers import RedisServer

ROUNDS = 12
AGAIN = 6  # of the takeovers, after which everything is sent again
MOST_SECONDS = 15.0  # of the takeovers; on Redis all of them take 3
SETTINGS: dict[str, Any] = {"partitions": 1, "batch_events": 15, "lease_ms": 600_000}


class Moments:
    """All that a master held, after each script that it ran."""

    def __init__(self, server: RedisServer) -> None:
        self.admin = redis.Redis.from_url(server.url)
        self.offsets: list[int] = []
        self._states: list[dict[bytes, Any]] = []

    def note(self) -> None:
        """Record the present state; the master sends nothing but writes, so its offset is that of the last one."""
        offset = int(self.admin.info("replication")["master_repl_offset"])
        if not self.offsets or offset > self.offsets[-1]:
            self.offsets.append(offset)
            self._states.append(everything(self.admin))

    def at(self, offset: int) -> dict[bytes, Any]:
        """The state of a replica that received the stream up to that offset."""
        return self._states[bisect.bisect_right(self.offsets, offset) - 1]


def happenings(chance: random.Random, numbers: Sequence[int]) -> list[bytes]:
    """Events of all types that interaction workflows know, of a few visitors, with these numbers as ids."""
    made = []
    for number in numbers:
        at = datetime.now(UTC) - timedelta(minutes=chance.randrange(90))
        named = {"visitor": f"v{chance.randrange(8)}", "id": f"id-{number}"}
        kind = chance.choice((started, interaction, triggered, reached, bought))
        made.append(bought(at, "1.25", **named) if kind is bought else kind(at, **named))
    return made


async def work(pipe: Pipeline, chance: random.Random, sent: list[bytes]) -> None:
    """Appends and batches by turns, some events sent again, some that are invalid; `sent` gets each event once."""
    for _ in range(ROUNDS):
        for _ in range(chance.randrange(1, 4)):
            again = chance.sample(sent, min(len(sent), chance.randrange(4)))
            fresh = happenings(chance, range(len(sent), len(sent) + chance.randrange(1, 12)))
            sent += fresh
            await append(pipe.client, keyspace(0), [*again, *fresh, *[b"{}"] * chance.randrange(2)], 1000)
        await pipe.drain()


@pytest.mark.holds("2.3.3")
async def test_a_replica_that_takes_over_is_of_one_instant(
    private_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stream, cursor, counters, state and deduplication ids are those before or after a script, whatever byte came last.

    And when all is sent again, each event has counted once.
    """
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")  # noqa: T201 - to repeat what failed
    chance = random.Random(seed)
    master, replica = private_server("--repl-ping-replica-period", "3600"), private_server()
    moments = Moments(master)
    sent: list[bytes] = []
    run = StandaloneGateway.call

    async def noted(
        gateway: StandaloneGateway,
        script: Script,
        names: Sequence[str | bytes],
        args: Sequence[Word] = (),
        on_sent: OnSent | None = None,
    ) -> Reply:
        reply = await run(gateway, script, names, args, on_sent=on_sent)
        moments.note()
        held(moments.admin, 0, ORG, sent)
        return reply

    async with pipeline(master.url, **SETTINGS) as pipe:
        with Recorder(master.url) as recorded:
            moments.note()
            monkeypatch.setattr(StandaloneGateway, "call", noted)
            await work(pipe, chance, sent)
            monkeypatch.undo()
            recorded.until(moments.offsets[-1])
    assert held(moments.admin, 0, ORG, sent) == sent
    ends = [offset - recorded.begin for offset in moments.offsets]
    within = [chance.randrange(before + 1, after) for before, after in pairwise(ends)]
    admin = redis.Redis.from_url(replica.url)
    # A replica of Valkey 9 notices the end of a copy once a second, so all lengths would take minutes.
    limit = time.monotonic() + MOST_SECONDS
    for length in chance.sample([*ends, *within], len(ends) + len(within)):
        if time.monotonic() > limit:
            break
        take_over(admin, recorded, length)
        assert everything(admin) == moments.at(recorded.begin + length), length
    for length in chance.sample(within, AGAIN):
        take_over(admin, recorded, length)
        before = held(admin, 0, ORG, sent)
        async with pipeline(replica.url, **SETTINGS) as pipe:
            await append(pipe.client, keyspace(0), sent, 1000)
            await pipe.drain()
        assert held(admin, 0, ORG, sent) == sent, f"{len(before)} of {len(sent)} had been applied at {length}"
    admin.close()
    moments.admin.close()


class Either:
    """A gateway to the server that its user takes for the master."""

    def __init__(self, master: Client) -> None:
        self.master = master

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a method of that server's gateway
        return getattr(self.master.gateway, name)


async def owner(master: Client, settings: Settings) -> Partition:
    """The partition's next owner, on that server."""
    taken = await acquire(master, settings, 0, "worker", force=True)
    assert taken is not None
    return live_partition(master, settings, 1, taken, Metrics())


async def test_what_a_deposed_master_said_is_forgotten(private_server: Callable[..., RedisServer]) -> None:
    """A service that has read what an old master took in after its replica took over, and is lost, shows none of it later.

    A master that was frozen may serve workers and services for a moment before it hears that it is none any more.
    """
    old, new = private_server(), private_server()
    of_old, of_new = (redis.Redis.from_url(server.url) for server in (old, new))
    async with pipeline(old.url, **SETTINGS) as pipe:
        hours = [datetime.now(UTC) - timedelta(hours=ago) for ago in (6, 5, 4)]
        named = [started(at, id=f"id-{number}") for number, at in enumerate([*hours, hours[0], *hours])]
        await append(pipe.client, keyspace(0), named[:3], 1000)
        await pipe.drain()
        with Recorder(old.url) as recorded:
            take_over(of_new, recorded, 0)
        replica = connect(new.url, timeout=10)
        either = Either(replica)
        reports = Reports(cast("Gateway", either), pipe.installation, pipe.settings, SystemClock())
        owners = {client: await owner(client, pipe.settings) for client in (replica, pipe.client)}

        async def applied(master: Client, *events: bytes) -> None:
            await append(master, keyspace(0), events, 1000)
            assert await applied_entries(owners[master]) == 1

        async def answer() -> int:
            now = datetime.now(UTC)
            reply = await reports.answer(ORG, POPUP, now - timedelta(days=1), now)
            return int(json.loads(reply.body)["started_workflows_count"])

        try:
            await applied(replica, *named[3:5])
            either.master = pipe.client
            await applied(pipe.client, named[5])
            assert await answer() == 4
            either.master = replica
            await applied(replica, named[6])
            assert await answer() == 6
        finally:
            await replica.aclose()
    for admin in (of_old, of_new):
        admin.close()
