"""The synchronous producer: the same promises without an event loop, across threads, forks and the interpreter's end."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from sidedata import BufferFull, DeliveryFailed, InvalidEvent, Limits, ProducerError, SyncProducer
from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.senders.producers import entries, installed, seen

SLOW = Limits(linger_seconds=3600)

PROGRAM = """
import os, sys, threading
from datetime import UTC, datetime
from sidedata import Limits, SyncProducer

producer = SyncProducer(sys.argv[1], limits=Limits(linger_seconds=3600))

def seen(visitor):
    return {
        "type": "page_view", "organization_id": sys.argv[2], "workflow_id": sys.argv[3],
        "visitor_id": visitor, "session_id": visitor, "timestamp": datetime.now(UTC),
    }
"""
FORK = """
producer.send(seen("before"))
producer.send_nowait(seen("parent's"))
children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        assert producer.waiting == 0
        producer.send(seen(f"child {number}"))
        producer.send_nowait(seen(f"child {number} later"))
        producer.flush()
        threads = {thread.name for thread in threading.enumerate()}
        sys.exit(0 if threads == {"MainThread", "sidedata-producer"} else 3)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
producer.send(seen("after"))
producer.close()
"""
EXIT = """
producer.send_nowait(seen("last"))
"""


def program(url: str, text: str) -> None:
    """Run a program that has a producer, in a process of its own; it writes nothing to stderr."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM + text, url, ORG, PAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def sent_visitors(url: str) -> list[str]:
    """Visitors of all events in the stream, sorted."""
    async with installed(url) as pipe:
        return sorted(event["visitor_id"] for batch in await entries(pipe.client) for event in batch)


@pytest.fixture
async def url(redis_url: str) -> str:
    """The address of an installation of four partitions, as a user who may produce."""
    async with installed(redis_url):
        return as_user("operator", redis_url)


async def test_events_are_sent_without_a_loop(url: str, redis_url: str) -> None:
    """`send` returns when the event is in, `flush` when all are; the rest goes when it closes."""
    with SyncProducer(url, limits=SLOW) as producer:
        producer.send(seen("sent"))
        assert (producer.sent, producer.waiting) == (1, 0)
        producer.send_nowait(seen("flushed"))
        assert producer.waiting == 1
        producer.flush()
        assert await sent_visitors(redis_url) == ["flushed", "sent"]
        producer.send_nowait(seen("closed"))
        with pytest.raises(InvalidEvent):
            producer.send({"type": "page_view"})
        with pytest.raises(InvalidEvent):
            producer.send_nowait(b"{")
    assert await sent_visitors(redis_url) == ["closed", "flushed", "sent"]
    for call in (producer.send, producer.send_nowait):
        with pytest.raises(ProducerError, match="closed"):
            call(seen("late"))
    with pytest.raises(ProducerError, match="closed"):
        producer.flush()
    producer.close()


async def test_nothing_happens_before_the_first_event(redis_url: str) -> None:
    """So it may be made where there is no Redis yet; what is wrong is said at the first event, and mended later."""
    producer = SyncProducer(as_user("operator", redis_url))
    producer.flush()
    before = threading.active_count()
    with pytest.raises(ProducerError, match="no installation"):
        producer.send(seen("v"))
    assert threading.active_count() == before
    async with installed(redis_url):
        producer.send(seen("v"))
    producer.close()
    assert threading.active_count() == before
    with pytest.raises(ProducerError, match="address"):
        SyncProducer("http://localhost")


async def test_threads_share_it(url: str, redis_url: str) -> None:
    """Each event of each thread is in once, and one thread serves them all."""
    with SyncProducer(url) as producer:

        def send(number: int) -> None:
            for step in range(20):
                producer.send(seen(f"v{number}-{step}"))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert producer.sent == 160
    assert await sent_visitors(redis_url) == sorted(f"v{number}-{step}" for number in range(8) for step in range(20))


async def test_an_outage_ends_a_call_after_its_timeout(private_server: Callable[..., RedisServer]) -> None:
    """`send`, `flush` and `close` say what they don't know; a full buffer refuses at once."""
    server = private_server()
    async with installed(server.url):
        producer = SyncProducer(as_user("operator", server.url), limits=Limits(buffer_events=2, linger_seconds=0))
        producer.send(seen("v"))
        server.kill()
        with pytest.raises(DeliveryFailed, match=r"within 0\.1 seconds"):
            producer.send(seen("v"), timeout=0.1)
        producer.send_nowait(seen("v"))
        with pytest.raises(BufferFull):
            producer.send_nowait(seen("v"))
        with pytest.raises(DeliveryFailed, match="2 events still wait") as caught:
            producer.flush(timeout=0.1)
        assert caught.value.events == 2
        with pytest.raises(DeliveryFailed, match="1 event was not sent: Redis is out of reach"):
            producer.close(timeout=0.1)


async def test_a_child_begins_afresh_after_a_fork(url: str, redis_url: str) -> None:
    """As under gunicorn and Celery: it has a thread and a connection of its own, and sends nothing of the parent's."""
    program(url, FORK)
    children = [f"child {number}{later}" for number in range(3) for later in ("", " later")]
    assert await sent_visitors(redis_url) == sorted(["before", "parent's", "after", *children])


async def test_what_waits_is_sent_when_the_program_ends(url: str, redis_url: str) -> None:
    """Without `close`, as in a program that forgets it."""
    program(url, EXIT)
    assert await sent_visitors(redis_url) == ["last"]
