"""Old hours in the sparse form, through the whole pipeline: every answer stays, late events count, and memory falls."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from sidedata.errors import LeaseLostError
from sidedata.ingest.compaction.compaction import Pace
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.schema import keys
from sidedata.writes.buckets.compaction import store_sparse
from tests.support.compactions import (
    DENSE,
    SPARSE,
    answers,
    apply,
    busy_hour,
    compaction,
    encodings,
    hour,
    run_pass,
    run_to_the_end,
    take,
)
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import Client
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user


async def stored(client: Client) -> dict[str, tuple[int, int]]:
    """Bytes and expiry in ms of each sketch of an hour."""
    found = {}
    for key in await encodings(client):
        expiry = (await client.time())[0] * 1000 + await client.pttl(key)
        found[key] = (await client.memory_usage(key), expiry)
    return found


async def revisions(client: Client) -> list[object]:
    """All records of workflows, the cursor's revision included."""
    keyspace = keys.keyspace(keys.partition_of(ORG, 2))
    records = [await client.hgetall(keyspace.workflow(ORG, workflow)) for workflow in (PAGES, POPUP)]
    return [*records, await client.hget(keyspace.cursor, "revision")]


async def test_no_answer_changes(pipe: Pipeline) -> None:
    """Reports, timelines and their tags are the same to the byte; keys keep their expiry, and records their revision."""
    now = await pipe.now()
    await apply(pipe, [*busy_hour(hour(now, 3)), *busy_hour(hour(now, 8), 1_000, 900)])
    before, memory, records = await answers(pipe, now), await stored(pipe.client), await revisions(pipe.client)
    dense = {key for key, encoding in (await encodings(pipe.client)).items() if encoding == DENSE}
    assert len(dense) == 5, "visitors and sessions of the page, visitors of the dialogue, two sketches of a goal"
    metrics = Metrics()
    await run_pass(pipe, metrics)
    assert set((await encodings(pipe.client)).values()) == {SPARSE}
    after = await stored(pipe.client)
    assert after.keys() == memory.keys()
    for key, (size, expiry) in memory.items():
        assert abs(after[key][1] - expiry) < 1_500
        assert after[key][0] < 0.5 * size if key in dense else after[key][0] == size
    assert await revisions(pipe.client) == records
    assert await answers(pipe, now) == before
    assert metrics.registry.get_sample_value("sidedata_sketches_compacted_total") == 5
    assert (metrics.registry.get_sample_value("sidedata_compacted_bytes_total") or 0) > 5 * 6_000


async def test_a_late_event_in_such_an_hour_counts(redis_server: RedisServer) -> None:
    """The answers are those of the same events without a compaction; the next pass makes the hour sparse again."""
    found: list[list[tuple[int, str, str]]] = []
    now: datetime | None = None
    for with_compaction in (False, True):
        redis_server.flush()
        async with pipeline(redis_server.url, partitions=1) as pipe:
            now = now or await pipe.now()
            await apply(pipe, busy_hour(hour(now, 3)))
            if with_compaction:
                await run_pass(pipe)
            await apply(pipe, busy_hour(hour(now, 3), 2_200, 300))
            found.append([(status, "", body) for status, _, body in await answers(pipe, now)])
            assert DENSE in (await encodings(pipe.client)).values()
            await run_pass(pipe)
            assert set((await encodings(pipe.client)).values()) == {SPARSE}
            assert [(status, "", body) for status, _, body in await answers(pipe, now)] == found[-1]
    assert found[0] == found[1]


async def test_recent_hours_and_days_stay_dense(pipe: Pipeline) -> None:
    """An hour of a day that ended less than 24 hours ago is left alone, and so are days."""
    now = await pipe.now()
    await apply(pipe, [*busy_hour(now - timedelta(hours=2)), *busy_hour(hour(now, 3), 5_000)])
    await run_pass(pipe)
    found = {key: encoding for key, encoding in (await encodings(pipe.client)).items() if PAGES in key}
    recent = {f":{now - timedelta(days=days):%Y-%m-%d}" for days in (0, 1)}
    assert {encoding for key, encoding in found.items() if any(day in key for day in recent)} == {DENSE}
    assert {encoding for key, encoding in found.items() if not any(day in key for day in recent)} == {SPARSE}
    assert DENSE in (await encodings(pipe.client, "day")).values()


@pytest.mark.parametrize("other", ["an owner", "a commit"])
async def test_it_is_refused_after(pipe: Pipeline, other: str) -> None:
    """Another owner came, or a commit of the same owner that is not in the cursor it knows: nothing is written."""
    now = await pipe.now()
    await apply(pipe, busy_hour(hour(now, 3)))
    ownership = await take(pipe)
    if other == "an owner":
        await take(pipe, "another")
    else:
        await pipe.client.hset(ownership.keyspace.cursor, "entry", "9999999999999-0")
    under_way = compaction(pipe, ownership)
    with pytest.raises(LeaseLostError):
        await run_to_the_end(under_way, pipe)
    assert DENSE in (await encodings(pipe.client)).values()
    assert not await pipe.client.hexists(ownership.keyspace.cursor, "compacted")


async def test_an_expired_sketch_stays_away(pipe: Pipeline) -> None:
    """A key that is gone when the sparse form is written is not made again, without a TTL least of all."""
    ownership = await take(pipe)
    await store_sparse(as_user("worker", pipe.client), ownership, {f"{ownership.keyspace.prefix}hour:x:visitors": b"x"})
    assert await pipe.client.exists(f"{ownership.keyspace.prefix}hour:x:visitors") == 0


@pytest.mark.parametrize(
    ("last", "runs"), [(None, True), (-25, True), (-23, False), (30, True)], ids=["never", "old", "recent", "future"]
)
async def test_a_pass_begins_once_a_day(pipe: Pipeline, last: int | None, runs: bool) -> None:  # noqa: FBT001 - a parameter
    """By Redis's clock, under any owner; a mark from the future, of a clock that was set back, counts for nothing."""
    now = await pipe.now()
    await apply(pipe, busy_hour(hour(now, 3)))
    ownership = await take(pipe)
    cursor = ownership.keyspace.cursor
    if last is not None:
        await pipe.client.hset(cursor, "compacted", int((now + timedelta(hours=last)).timestamp() * 1000))
    mark = await pipe.client.hget(cursor, "compacted")
    under_way = compaction(pipe, ownership)
    for _ in range(30):
        await under_way.run_piece()
    assert (await pipe.client.hget(cursor, "compacted") != mark) == runs
    assert (DENSE not in (await encodings(pipe.client)).values()) == runs


async def test_a_key_of_another_type_stops_the_pass_and_no_event(
    pipe: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis refuses the read; that is logged, and the partition's events go on."""
    now = await pipe.now()
    await apply(pipe, busy_hour(hour(now, 3)))
    key = next(key for key in await encodings(pipe.client) if PAGES in key)
    await pipe.client.delete(key)
    await pipe.client.rpush(key, "no sketch")
    under_way = compaction(pipe, await take(pipe))
    for _ in range(30):
        await under_way.run_piece()
    assert sum("old hours keep their memory" in record.getMessage() for record in caplog.records) == 1
    await apply(pipe, busy_hour(hour(now, 1), visitors=1))


async def test_it_frees_memory_at_the_limit(private_server: Callable[..., RedisServer]) -> None:
    """Where Redis refuses writes for want of memory the sparse forms are written all the same.

    To record the end of the pass takes memory: that is refused, and the partition stays with its owner.
    """
    server = private_server("--maxmemory-policy", "noeviction")
    async with pipeline(server.url, partitions=1) as pipe:
        now = await pipe.now()
        await apply(pipe, busy_hour(hour(now, 3)))
        ownership = await take(pipe)
        await pipe.client.config_set("maxmemory", 1)
        under_way = compaction(pipe, ownership)
        for _ in range(30):
            await under_way.run_piece()
        await pipe.client.config_set("maxmemory", 0)
        assert set((await encodings(pipe.client)).values()) == {SPARSE}
        assert not await pipe.client.hexists(ownership.keyspace.cursor, "compacted")
        await lease.release(as_user("worker", pipe.client), ownership)


def test_pieces_take_a_twentieth_of_the_time() -> None:
    """After a piece comes a rest, for all partitions of the worker; no two pieces run at once."""
    pace = Pace()
    assert pace.begin(100.0)
    assert not pace.begin(100.0), "one is running"
    pace.end(100.0, 100.01)
    assert not pace.begin(100.2)
    assert pace.begin(100.22)
