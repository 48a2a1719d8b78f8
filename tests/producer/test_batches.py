"""The Python producer: nothing waits for it, and each event counts once, whatever becomes of Redis."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidedata import BufferFull, DeliveryFailed, InvalidEvent, Limits, Producer, ProducerError
from sidedata.producer.encode import encode, new_id
from sidedata.producer.sender import Sender
from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import PAGES, view
from tests.support.redis.client import lossy
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user, login
from tests.support.senders.producers import DISTANT_ORG, entries, installed, seen
from tests.support.waiting import eventually

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_events_go_in_batches_with_ids(redis_url: str) -> None:
    """A whole batch at once, the rest a moment later, in order; ids are added where there are none and kept where there are."""
    async with (
        installed(redis_url) as pipe,
        Producer(as_user("operator", redis_url), limits=Limits(batch_events=3, linger_seconds=0.05)) as producer,
    ):
        for number in range(3):
            producer.send_nowait(seen(f"v{number}"))
        producer.send_nowait(json.dumps({**seen("v3", timestamp=NOW.isoformat()), "id": "mine"}).encode())
        producer.send_nowait(json.dumps({**seen("v4", timestamp=NOW.isoformat()), "id": None}).encode())
        producer.send_nowait(seen("w", organization_id=uuid.UUID(DISTANT_ORG)))
        assert producer.waiting == 6

        async def sent() -> bool:
            return producer.sent == 6

        await eventually(sent)
        batches = await entries(pipe.client)
        assert [[event["visitor_id"] for event in batch] for batch in batches] == [["v0", "v1", "v2"], ["v3", "v4"]]
        ids = [event["id"] for batch in batches for event in batch]
        assert ids[3] == "mine"
        assert len(set(ids)) == 5
        assert [[event["visitor_id"] for event in batch] for batch in await entries(pipe.client, DISTANT_ORG)] == [
            ["w"]
        ]


async def test_what_waits_is_sent_when_it_closes(redis_url: str) -> None:
    """However long a batch would have waited for company."""
    async with installed(redis_url) as pipe:
        async with Producer(as_user("operator", redis_url), limits=Limits(linger_seconds=3600)) as producer:
            producer.send_nowait(seen("v"))
        assert (producer.sent, producer.waiting) == (1, 0)
        assert len(await entries(pipe.client)) == 1
        with pytest.raises(ProducerError, match="closed"):
            producer.send_nowait(seen("v"))


async def test_putting_never_waits_and_ends_at_a_full_buffer(private_server: Callable[..., RedisServer]) -> None:
    """With Redis standing still thousands are taken at once, and the first too many is refused in plain words."""
    server = private_server()
    async with installed(server.url) as pipe:
        async with Producer(
            as_user("operator", server.url), limits=Limits(buffer_events=5_000, linger_seconds=0)
        ) as producer:
            server.freeze()
            start = asyncio.get_running_loop().time()
            for number in range(5_000):
                producer.send_nowait(seen(f"v{number}"))
            assert asyncio.get_running_loop().time() - start < 5
            with pytest.raises(BufferFull, match="5000 events wait to be sent"):
                producer.send_nowait(seen("one too many"))
            waiting = asyncio.create_task(producer.room())
            await asyncio.sleep(0)
            assert not waiting.done()
            server.thaw()
            await waiting
            producer.send_nowait(seen("now there is room"))
        assert producer.sent == 5_001
        assert sum(map(len, await entries(pipe.client))) == 5_001


async def test_bytes_are_bounded_too(redis_url: str) -> None:
    """Large events fill the buffer sooner; one is taken always."""
    async with (
        installed(redis_url),
        Producer(as_user("operator", redis_url), limits=Limits(buffer_bytes=1_000)) as producer,
    ):
        producer.send_nowait(seen("v", note="x" * 2_000))
        with pytest.raises(BufferFull):
            producer.send_nowait(seen("v"))


async def test_each_event_counts_once_though_redis_restarts(private_server: Callable[..., RedisServer]) -> None:
    """Killed again and again while events are put, some batches in and their replies lost: the numbers are exact."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    visitors = 600
    async with installed(server.url) as pipe:
        start = (await pipe.now()).replace(minute=0, second=0, microsecond=0)
        async with Producer(
            as_user("operator", server.url), limits=Limits(batch_events=7, linger_seconds=0.001)
        ) as producer:
            for number in range(visitors):
                producer.send_nowait(seen(f"v{number}"))
                await asyncio.sleep(0)
                if number % 150 == 100:
                    # Not its answer but its death comes next: what was written is there afterwards.
                    server.freeze()
                    await asyncio.sleep(0.01)
                    server.kill()
                    server.start()
        assert (producer.sent, producer.waiting) == (visitors, 0)
        await pipe.drain()
        applied = [await pipe.client.hget(keys.keyspace(partition).cursor, "events") for partition in range(4)]
        assert sum(int(count or 0) for count in applied) == visitors
        answer = (await pipe.ask(PAGES, start.isoformat(), (await pipe.now() + timedelta(days=1)).isoformat())).json
        assert answer["unique_visitors_count"] == pytest.approx(visitors, rel=0.03)
        assert await pipe.reasons() == []


async def test_a_batch_that_is_sent_twice_counts_once(redis_url: str) -> None:
    """The reply was lost, the write was not: the same ids go again."""
    async with installed(redis_url) as pipe:
        sender = Sender(lossy(pipe.client, 2), Limits())
        for number in range(5):
            sender.put_nowait(encode(seen(f"v{number}")).raw, pipe.partition(ORG))
        await sender.close()
        first, second, third = await entries(pipe.client)
        assert first == second == third
        assert sender.sent == 5
        await pipe.drain()
        assert await pipe.client.hget(keys.keyspace(pipe.partition(ORG)).cursor, "events") == b"5"


async def test_a_full_backlog_is_waited_for_and_holds_up_no_other(redis_url: str) -> None:
    """Events of another partition go on; those go when the workers have caught up."""
    async with installed(redis_url) as pipe:
        for _ in range(3):
            await pipe.push(view(NOW))
        async with Producer(
            as_user("operator", redis_url), limits=Limits(backlog_limit=1, linger_seconds=0)
        ) as producer:
            producer.send_nowait(seen("waits"))
            producer.send_nowait(seen("goes", organization_id=DISTANT_ORG))

            async def one() -> bool:
                return producer.sent == 1

            await eventually(one)
            assert len(await entries(pipe.client, DISTANT_ORG)) == 1
            await pipe.client.delete(keys.keyspace(pipe.partition(ORG)).events)
        assert producer.sent == 2


async def test_a_user_who_may_only_append_can_use_it(redis_url: str) -> None:
    """With a number of partitions and without a backlog limit, it sends nothing but XADD."""
    async with installed(redis_url) as pipe:
        secret = uuid.uuid4().hex
        await pipe.client.execute_command(
            "ACL", "SETUSER", "appender", "on", f">{secret}", "resetkeys", "~sd:{*}:events", "-@all", "+xadd"
        )
        url = login(redis_url, "appender", secret)
        async with Producer(url, limits=Limits(backlog_limit=None), partitions=4) as producer:
            producer.send_nowait(seen("v"))
        assert len(await entries(pipe.client)) == 1
        with pytest.raises(DeliveryFailed, match="1 event was not sent: Redis refused"):
            async with Producer(url, partitions=4) as producer:
                producer.send_nowait(seen("v"))
        with pytest.raises(ProducerError, match="refused"):
            async with Producer(url):
                pass
        await pipe.client.execute_command("ACL", "DELUSER", "appender")


async def test_closing_in_vain_says_what_is_lost(private_server: Callable[..., RedisServer]) -> None:
    """After as many attempts as were asked for, or when the time is over."""
    server = private_server()
    async with installed(server.url):
        producer = Producer(as_user("operator", server.url), limits=Limits(attempts=2, linger_seconds=0))
        await producer.start()
        patient = Producer(as_user("operator", server.url), limits=Limits(linger_seconds=0))
        await patient.start()
        server.kill()
        producer.send_nowait(seen("v"))
        patient.send_nowait(seen("v"))
        with pytest.raises(DeliveryFailed, match="1 event was not sent: Redis is out of reach"):
            await producer.close()
        with pytest.raises(DeliveryFailed, match="1 event was not sent: Redis is out of reach"):
            await patient.close(timeout=0.2)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "page_view"},
        {"organization_id": 7},
        b"",
        b"[]",
        b"{",
        b'{"organization_id": 7}',
        b"\xff",
        {"organization_id": ORG, "x": "y" * 20_000},
    ],
)
async def test_what_can_be_no_event_is_refused_at_once(redis_url: str, event: dict[str, Any] | bytes) -> None:
    """No JSON object, no organization, or too large."""
    async with installed(redis_url), Producer(as_user("operator", redis_url)) as producer:
        with pytest.raises(InvalidEvent):
            producer.send_nowait(event)
        assert producer.waiting == 0


async def test_it_wants_an_installation(redis_url: str) -> None:
    """In an empty Redis the number of streams is unknown."""
    with pytest.raises(ProducerError, match="no installation"):
        async with Producer(as_user("operator", redis_url)):
            pass


def test_new_ids_are_uuids_of_version_7() -> None:
    """In order of time, and none twice."""
    ids = [uuid.UUID(new_id()) for _ in range(2_000)]
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == len(ids)
    times = [each.int >> 80 for each in ids]
    assert times == sorted(times)
    assert abs(times[-1] / 1000 - datetime.now(UTC).timestamp()) < 60
