"""`send` and `flush`: done when the events are in the stream, with room made by waiting, and with failures raised to callers."""

import asyncio
import contextlib
import os
from collections.abc import Callable

import pytest

from sidedata import BufferFull, DeliveryFailed, InvalidEvent, Limits, Producer, ProducerError
from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.senders.producers import DISTANT_ORG, entries, installed, seen
from tests.support.waiting import eventually

SLOW = Limits(linger_seconds=3600)


async def test_a_sent_event_is_in_the_stream(redis_url: str) -> None:
    """At once, however long others would linger; events that are sent together share entries."""
    async with installed(redis_url) as pipe, Producer(as_user("operator", redis_url), limits=SLOW) as producer:
        await producer.send(seen("first"))
        assert len(await entries(pipe.client)) == 1
        await asyncio.gather(*(producer.send(seen(f"v{number}")) for number in range(400)))
        batches = await entries(pipe.client)
        assert sum(map(len, batches)) == 401
        assert len(batches) <= 3
        assert (producer.sent, producer.waiting) == (401, 0)


async def test_flush_waits_for_what_was_taken_before(redis_url: str) -> None:
    """Of all partitions; the futures of `send_nowait` are done then."""
    async with installed(redis_url) as pipe, Producer(as_user("operator", redis_url), limits=SLOW) as producer:
        taken = [producer.send_nowait(seen("v", organization_id=org)) for org in (ORG, DISTANT_ORG, ORG)]
        await producer.flush()
        assert all(future.done() for future in taken)
        assert [len(batch) for batch in await entries(pipe.client)] == [2]
        await producer.flush()  # nothing waits


async def test_an_invalid_event_takes_no_neighbour_along(redis_url: str) -> None:
    """It is refused before it is in any batch."""
    async with installed(redis_url) as pipe, Producer(as_user("operator", redis_url), limits=SLOW) as producer:
        sending = [producer.send(event) for event in (seen("v0"), seen("v1", timestamp="now"), seen("v2"))]
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), InvalidEvent, type(None)]
        (batch,) = await entries(pipe.client)
        assert [event["visitor_id"] for event in batch] == ["v0", "v2"]


async def test_send_waits_for_room_and_nowait_is_refused_meanwhile(private_server: Callable[..., RedisServer]) -> None:
    """In the order of the calls, each sent once."""
    server = private_server()
    limits = Limits(buffer_events=2, linger_seconds=0)
    async with installed(server.url) as pipe, Producer(as_user("operator", server.url), limits=limits) as producer:
        server.freeze()
        sending = [asyncio.create_task(producer.send(seen(f"v{number}"))) for number in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(BufferFull):
            producer.send_nowait(seen("not taken"))
        assert producer.waiting == 2
        sending[5].cancel()
        server.thaw()
        done = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(each) for each in done if each is not None] == [asyncio.CancelledError]
        sent = [event["visitor_id"] for batch in await entries(pipe.client) for event in batch]
        assert sent == [f"v{number}" for number in range(10) if number != 5]


async def test_a_cancelled_event_that_lingers_is_withdrawn(redis_url: str) -> None:
    """Neither sent nor reported as lost."""
    async with installed(redis_url) as pipe, Producer(as_user("operator", redis_url), limits=SLOW) as producer:
        producer.send_nowait(seen("gone")).cancel()
        producer.send_nowait(seen("stays"))
        await producer.flush()
        assert [[event["visitor_id"] for event in batch] for batch in await entries(pipe.client)] == [["stays"]]
        assert (producer.sent, producer.waiting) == (1, 0)


async def test_a_failure_is_that_of_its_events_alone(private_server: Callable[..., RedisServer]) -> None:
    """After as many attempts as allowed they fail; later ones go when Redis is back, and each loss is reported once."""
    server = private_server()
    limits = Limits(attempts=1, linger_seconds=0)
    async with (
        installed(server.url),
        Producer(as_user("operator", server.url), limits=limits, partitions=4) as producer,
    ):
        server.kill()
        with pytest.raises(DeliveryFailed, match="the event was not sent: Redis is out of reach"):
            await producer.send(seen("v"))
        await producer.flush()  # its caller knows
        producer.send_nowait(seen("v"))
        producer.send_nowait(seen("v"))
        with pytest.raises(DeliveryFailed, match="2 events were not sent: Redis is out of reach") as caught:
            await producer.flush()
        assert caught.value.events == 2
        server.start()
        await producer.send(seen("v"))
        await producer.flush()
        assert (producer.sent, producer.waiting) == (1, 0)


async def test_callers_that_wait_learn_that_it_was_closed(private_server: Callable[..., RedisServer]) -> None:
    """Those in the buffer and those that wait for room."""
    server = private_server()
    async with installed(server.url):
        producer = Producer(as_user("operator", server.url), limits=Limits(buffer_events=1))
        await producer.start()
        server.kill()
        sending = [asyncio.create_task(producer.send(seen(f"v{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        await producer.close(timeout=0)
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeliveryFailed] * 3
        with pytest.raises(ProducerError, match="closed"):
            await producer.send(seen("v"))
        await producer.close()


async def test_one_partition_s_backlog_holds_up_no_other_sender(redis_url: str) -> None:
    """A `send` to it waits for the workers, one to another partition is done."""
    async with installed(redis_url) as pipe:
        for _ in range(3):
            await pipe.client.xadd(keys.keyspace(pipe.partition(ORG)).events, {"event": "{}"})
        async with Producer(as_user("operator", redis_url), limits=Limits(backlog_limit=1)) as producer:
            waits = asyncio.create_task(producer.send(seen("waits")))
            await producer.send(seen("goes", organization_id=DISTANT_ORG))
            assert not waits.done()
            await pipe.client.delete(keys.keyspace(pipe.partition(ORG)).events)
            await waits


async def test_nothing_works_before_the_start(redis_url: str) -> None:
    """And starting twice is starting once."""
    async with installed(redis_url):
        producer = Producer(as_user("operator", redis_url))
        with pytest.raises(ProducerError, match="not started"):
            producer.send_nowait(seen("v"))
        assert (producer.sent, producer.waiting) == (0, 0)
        async with producer:
            await producer.start()
            await producer.send(seen("v"))
            assert producer.sent == 1


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost", "redis://localhost:port", "redis://h?protocol=x"])
def test_an_address_that_can_not_be_read_is_refused(url: str) -> None:
    """In the producer's own words: a program that uses it need not know sidedata's settings."""
    with pytest.raises(ProducerError, match="the address of Redis") as caught:
        Producer(url)
    assert "SIDEDATA" not in str(caught.value)


async def test_after_a_fork_it_says_so(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection and the loop are the parent's, so nothing is sent over them."""
    async with installed(redis_url), Producer(as_user("operator", redis_url)) as producer:
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: -1)
            with pytest.raises(ProducerError, match="fork"):
                await producer.send(seen("v"))
        await producer.send(seen("v"))


async def test_room_comes_as_events_go(private_server: Callable[..., RedisServer]) -> None:
    """Waiting for room lets a batch go that would have lingered."""
    server = private_server()
    limits = Limits(buffer_events=3, linger_seconds=3600)
    async with installed(server.url), Producer(as_user("operator", server.url), limits=limits) as producer:
        for number in range(10):
            await producer.room()
            producer.send_nowait(seen(f"v{number}"))

        async def most() -> bool:
            return producer.sent >= 7

        await eventually(most)
        with contextlib.suppress(BufferFull):
            producer.send_nowait(seen("v"))
