"""Time: what is kept for how long, key by key, and hours whose count stands though the sketch behind it has gone."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from sidedata.ingest.apply.partition import live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.lease import acquire
from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import GOAL, PAGES, POPUP, bought, interaction, started, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import applied_entries
from tests.support.redis.users import as_user

HOUR, DAY = 3_600, 86_400


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps nothing for latecomers."""
    async with pipeline(redis_url, partitions=1, keep_late_hours=0) as opened:
        yield opened


async def hourly_visitors(pipe: Pipeline, at: datetime) -> list[int]:
    """The hourly visitors of the day of an instant, those above zero."""
    day = at.date().isoformat()
    reply = await pipe.ask(PAGES, f"{day}T00:00:00Z", f"{day}T23:59:59Z")
    assert reply.status == 200, reply.text
    return [value for value, _ in reply.json["timeframe_stat"]["hour_in_day"] if value]


@pytest.mark.holds("5.8")
async def test_an_hour_whose_sketch_has_gone_is_sealed(pipe: Pipeline) -> None:
    """Of two batches the first counts and its sketch goes at once; the second is too old, rather than a wrong count."""
    old = (await pipe.now() - timedelta(days=40)).replace(hour=12, minute=30)
    await pipe.apply(view(old, "v1"), view(old, "v2"))
    assert await hourly_visitors(pipe, old) == [2]
    hour = f"{keys.keyspace(0).bucket(ORG, PAGES, 'hour', int(old.timestamp()) // HOUR * HOUR)}visitors"
    assert not await pipe.client.exists(hour)
    late = view(old, "v3", id="late")
    await pipe.apply(late, view(old + timedelta(hours=1), "v3"))
    assert [(letter.reason, letter.fields["event"]) for letter in await pipe.letters()] == [("too_old", late)]
    assert await hourly_visitors(pipe, old) == [2, 1], "another hour of the same day is open"
    await pipe.apply(late)
    assert await pipe.reasons() == ["too_old", "too_old"], "a dead-lettered event may be sent again with its id"


@pytest.mark.holds("5.8")
async def test_an_owner_notices_that_an_hour_was_sealed(pipe: Pipeline) -> None:
    """The commit looks itself: what an owner remembers of an hour is no proof that its sketch is still there."""
    recent = await pipe.now() - timedelta(days=3)
    taken = await acquire(as_user("worker", pipe.client), pipe.settings, 0, "owner", force=True)
    assert taken is not None
    partition = live_partition(as_user("worker", pipe.client), pipe.settings, 1, taken, Metrics())
    await pipe.push(view(recent, "v1"))
    assert await applied_entries(partition) == 1
    hour = f"{keys.keyspace(0).bucket(ORG, PAGES, 'hour', int(recent.timestamp()) // HOUR * HOUR)}visitors"
    assert await pipe.client.delete(hour) == 1
    await pipe.push(view(recent, "v2"))
    assert await applied_entries(partition) == 1
    assert await pipe.reasons() == ["too_old"]


async def test_a_date_beyond_the_calendar_is_a_letter(pipe: Pipeline) -> None:
    """An entry's id may lie in the year 9999; no zone has a local time there, and the worker does not stop for it."""
    await pipe.push(view("9999-12-31T23:59:59Z"), entry_id="253402300799000-0")
    await pipe.drain()
    assert await pipe.reasons() == ["in_future"]


async def test_one_batch_is_no_latecomer_to_itself(pipe: Pipeline) -> None:
    """A thousand views of an old hour in one batch all count, in one entry or in many."""
    old = (await pipe.now() - timedelta(days=40)).replace(hour=12, minute=30)
    await pipe.apply(*[[view(old, f"v{n}-{m}") for m in range(10)] for n in range(4)])
    assert await hourly_visitors(pipe, old) == [40]
    assert await pipe.letters() == []


@pytest.mark.holds("5.8")
async def test_events_of_interaction_workflows_are_never_sealed(pipe: Pipeline) -> None:
    """They go to the day, as often as they come."""
    old = (await pipe.now() - timedelta(days=40)).replace(hour=12, minute=30)
    for n in range(3):
        await pipe.apply(interaction(old, f"v{n}"), started(old, f"v{n}"))
    reply = await pipe.ask(POPUP, old.date().isoformat(), (old + timedelta(days=1)).date().isoformat())
    assert reply.json["started_workflows_count"] == 3
    assert reply.json["unique_visitors_count"] == 3
    assert await pipe.letters() == []


@pytest.mark.holds("2.3.6")
async def test_days_end_by_the_clock_of_redis(pipe: Pipeline) -> None:
    """The last local day kept takes events, the one before takes none."""
    oldest = (await pipe.now() - timedelta(days=400)).replace(hour=0, minute=0, second=0, microsecond=0)
    await pipe.apply(started(oldest), started(oldest - timedelta(microseconds=1)))
    assert await pipe.reasons() == ["too_old"]


def ttls_of_buckets(key: str, now: int, late: int) -> tuple[float, float] | None:
    """Between which TTLs a bucket's key must lie; None for other keys."""
    found = re.match(r"sd:\{0\}:(5min|hour|day):[^:]+:[^:]+:(\d{4}-\d\d-\d\dT\d\d:\d\dZ)", key)
    if found is None:
        return None
    start = int(datetime.fromisoformat(found[2]).timestamp())
    kept, around = {"5min": (48 * HOUR, HOUR), "hour": (35 * DAY, DAY), "day": (400 * DAY, DAY)}[found[1]]
    # Until the whole coarser bucket around it is older than that, and an hour for readers whose clock is behind; an hour has
    # another one, because newer rules of the zone may move its day.
    end = start // around * around + around + kept + (2 * HOUR if found[1] == "hour" else HOUR)
    if found[1] != "5min":
        end = max(end, now + late)
    return end - now - 5, end - now + 5


@pytest.mark.holds("5.1", "5.2", "5.3", "5.5", "5.6")
async def test_every_kind_of_key_lives_as_long_as_the_table_says(redis_url: str) -> None:
    """Buckets by their end and their last event, the rest by the time of the commit."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        for age in (timedelta(minutes=5), timedelta(hours=47), timedelta(days=20), timedelta(days=36, hours=1)):
            at = now - age
            await pipe.apply(
                view(at, id=f"a{age}"), started(at), interaction(at), triggered(at), bought(at, "1.5", id=f"b{age}")
            )
        seconds = int(now.timestamp())
        spans = {
            "changes": (2 * DAY - 10, 2 * DAY + 600),
            "visitor": (2 * DAY, 2 * DAY + HOUR),
            "goal": (402 * DAY, 405 * DAY),
            "ids": (DAY, 2 * DAY + HOUR),
        }
        seen = set()
        async for raw in pipe.client.scan_iter():
            key = raw.decode()
            kind = key.split(":")[2] if key.startswith("sd:{0}:") else key
            ttl = await pipe.client.ttl(key)
            lower, upper = ttls_of_buckets(key, seconds, 48 * HOUR) or spans.get(kind, (-1, -1))
            assert lower <= ttl <= upper, (key, ttl, lower, upper)
            seen.add(kind)
        assert {"5min", "hour", "day", "changes", "visitor", "goal", "ids"} <= seen
        assert GOAL in "".join([key.decode() async for key in pipe.client.scan_iter(match="*triggered*")])
