"""Filters of ids: they spare Redis the look-up of new ids, and an id counts once whatever happened to them."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from sidedata.ingest.dedup import deduplicator as dedup
from sidedata.ingest.dedup import id_filters
from sidedata.ingest.dedup.id_filters import FilterMemory, IdFilters
from sidedata.operations import Operations
from sidedata.schema import keys
from sidedata.schema.values import IdPositions
from sidedata.settings import Settings
from tests.support.events import started
from tests.support.figures import starts
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import killed_at

KEYSPACE = keys.keyspace(0)
HISTORY = 1000


@pytest_asyncio.fixture
async def pipe(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipeline]:
    """An installation of one partition, with layers of 64, 512 and 4,096 ids and segments of 128."""
    monkeypatch.setattr(dedup, "_FIRST_SETS", 4)
    monkeypatch.setattr(dedup, "_FILL", 16)
    monkeypatch.setattr(id_filters, "_SEGMENT_IDS", 128)
    async with pipeline(redis_url, partitions=1) as opened:
        yield opened


async def send(pipe: Pipeline, first: int, end: int, **settings: int) -> int:
    """Let a new owner apply events with these ids; returns the number of sets that it asks."""
    now = await pipe.now()
    for at in range(first, end, 100):
        await pipe.push([started(now, id=f"{n}") for n in range(at, min(at + 100, end))])
    await pipe.client.config_resetstat()
    await pipe.drain(**settings)
    stats = await pipe.client.info("commandstats")
    return int(stats.get("cmdstat_smismember", {}).get("calls", 0))


async def applied(pipe: Pipeline) -> int:
    """The number of events applied."""
    now: datetime = await pipe.now()
    return await starts(pipe, interval=((now - timedelta(days=9)).isoformat(), (now + timedelta(days=1)).isoformat()))


async def filter_keys(pipe: Pipeline, kind: str) -> list[str]:
    """The keys of that kind, by the number of their segment."""
    found = [key.decode() async for key in pipe.client.scan_iter(f"{KEYSPACE.prefix}ids:*:{kind}:*")]
    return sorted(found, key=lambda key: int(key.rpartition(":")[2]))


async def test_new_ids_are_not_looked_up_in_their_sets(pipe: Pipeline) -> None:
    """Each new owner finds new ids by the filters, and ids that were sent again in their sets; filters expire as sets do."""
    await send(pipe, 0, 110)
    await send(pipe, 110, 450)
    await send(pipe, 450, HISTORY, batch_events=50)
    assert await send(pipe, HISTORY, HISTORY + 500) < 100
    assert await send(pipe, HISTORY + 500, HISTORY + 600, batch_events=20) < 100
    assert await send(pipe, 0, HISTORY + 600) > 200
    assert await send(pipe, 0, HISTORY + 600, batch_events=20) > 200
    assert await applied(pipe) == HISTORY + 600
    full, recent = await filter_keys(pipe, "filter"), await filter_keys(pipe, "fingerprints")
    assert [key.rpartition(":")[2] for key in full + recent] == [f"{n}" for n in range(13)]
    ttl = await pipe.client.ttl((await filter_keys(pipe, "2"))[0])
    assert {key for key in full + recent if abs(await pipe.client.ttl(key) - ttl) > 5} == set()


async def drop_recent(pipe: Pipeline) -> None:
    """Lose the segment that is not full."""
    await pipe.client.delete((await filter_keys(pipe, "fingerprints"))[-1])


async def drop_filter(pipe: Pipeline) -> None:
    """Lose the filter of a full segment."""
    await pipe.client.delete((await filter_keys(pipe, "filter"))[2])


async def cut_recent(pipe: Pipeline) -> None:
    """Lose the last id of the segment that is not full."""
    key = (await filter_keys(pipe, "fingerprints"))[-1]
    ttl = await pipe.client.ttl(key)
    await pipe.client.set(key, (await pipe.client.get(key))[:-4], ex=ttl)


async def older_version(pipe: Pipeline) -> None:
    """Let a version without filters own the partition for a while, and apply 10 events."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(IdFilters, "add", lambda *_: None)
        await send(pipe, HISTORY, HISTORY + 10)


async def older_version_for_long(pipe: Pipeline) -> None:
    """Let that version fill whole segments."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(IdFilters, "add", lambda *_: None)
        await send(pipe, HISTORY, HISTORY + 300)


@pytest.mark.holds("2.3.1")
@pytest.mark.parametrize("spoil", [drop_recent, drop_filter, cut_recent, older_version, older_version_for_long])
async def test_incomplete_filters_are_not_trusted(pipe: Pipeline, spoil: Callable[[Pipeline], Awaitable[None]]) -> None:
    """With ids that no filter holds, whichever owner comes later counts each id once."""
    await send(pipe, 0, HISTORY)
    await spoil(pipe)
    stored = [await pipe.client.get(key) for key in await filter_keys(pipe, "fingerprints")]
    for end in (HISTORY + 300, HISTORY + 550, HISTORY + 600):
        assert await send(pipe, 0, end, batch_events=200) > 200
        assert await applied(pipe) == end
    assert [await pipe.client.get(key) for key in await filter_keys(pipe, "fingerprints")] == stored, (
        "given up for good"
    )


@pytest.mark.undeployed("it changes the rights of the user that is off there")
async def test_an_account_without_the_right_to_append_goes_on(pipe: Pipeline) -> None:
    """Ids are looked up in their sets as before, with one refused command an owner; the right does not make gaps complete."""
    await send(pipe, 0, HISTORY)
    await pipe.client.execute_command("ACL", "SETUSER", "default", "-append")
    try:
        await send(pipe, HISTORY, HISTORY + 300, batch_events=10)
        refused = (await pipe.client.info("commandstats"))["cmdstat_append"]["rejected_calls"]
        assert refused == 1
        assert await send(pipe, 0, HISTORY + 320, batch_events=10) > 200
    finally:
        await pipe.client.execute_command("ACL", "SETUSER", "default", "+append")
    await send(pipe, 0, HISTORY + 600)
    assert await applied(pipe) == HISTORY + 600


async def test_filters_beyond_the_memory_are_given_up(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner with memory for two filters gives the generation up at the third, and each id counts once."""
    monkeypatch.setattr(FilterMemory, "is_full", lambda memory: sum(user.number for user in memory._users) >= 2)
    await send(pipe, 0, HISTORY, batch_events=50)
    assert len(await filter_keys(pipe, "filter")) == 2
    await send(pipe, 0, HISTORY + 100)
    await pipe.drain(id_filters_mb=0)
    assert await applied(pipe) == HISTORY + 100


@pytest.mark.holds("2.3.1")
@pytest.mark.parametrize("point", ["after_look_up", "after_plan", "before_commit", "after_commit"])
async def test_a_killed_owner_leaves_complete_filters(pipe: Pipeline, point: str) -> None:
    """Wherever an owner dies, the next one trusts the filters, and each id counts once."""
    await send(pipe, 0, 300)
    for end in (420, 540, 700):
        with killed_at(point, 2) as death:
            await send(pipe, 0, end, batch_events=50)
        assert death.happened
        await pipe.drain()
        assert await applied(pipe) == end
    assert await send(pipe, 700, 750) < 50


def test_a_refused_owner_gives_up_later_generations_too() -> None:
    """Once it may not append, an owner appends nothing to the next generation, and looks all ids of it up in their sets."""
    filters = IdFilters(KEYSPACE, FilterMemory(Settings()), 0, {})
    filters.begin(7)
    filters.record(7, 0, [1], appended=False)
    filters.begin(8)
    filters.add(operations := Operations(KEYSPACE, 0, {}), 8, 0, [2], 1_000)
    filters.record(8, 0, [2], appended=True)
    assert not operations.binaries
    assert filters.possible(8, [3]) == [3]


def test_a_full_filter_takes_few_other_ids_for_its_own() -> None:
    """It holds each of its own ids, and one in 150 others at most."""
    rng = random.Random(1)
    filters = IdFilters(KEYSPACE, FilterMemory(Settings()), 0, {})
    own = [rng.getrandbits(63) for _ in range(1 << 17)]
    filters.begin(7)
    filters.add(operations := Operations(KEYSPACE, 0, {}), 7, 0, own, 1_000)
    filters.record(7, 0, own, appended=True)
    assert operations.keys == [f"{KEYSPACE.prefix}ids:7:fingerprints:0", f"{KEYSPACE.prefix}ids:7:filter:0"]
    later = IdFilters(KEYSPACE, FilterMemory(Settings()), 0, {7: IdPositions(0, len(own))})
    later.load(operations.binaries)
    others = [rng.getrandbits(63) for _ in range(100_000)]
    for owner in (filters, later):
        assert owner.possible(7, own) == own
        assert len(owner.possible(7, others)) < 667
