"""Generations of ids: where one begins, and that every id of the one before is found."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
import pytest_asyncio

from sidedata.ingest.dedup import deduplicator as dedup
from sidedata.ingest.dedup.deduplicator import Deduplicator
from sidedata.ingest.dedup.id_filters import FilterMemory
from sidedata.operations import Operations
from sidedata.schema import keys
from sidedata.schema.values import IdPositions, id_positions
from sidedata.settings import Settings
from tests.support.events import started
from tests.support.figures import starts
from tests.support.pipeline import Pipeline, pipeline

KEYSPACE = keys.keyspace(0)
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation of one partition."""
    async with pipeline(redis_url, partitions=1) as opened:
        yield opened


def layers(names: Sequence[str | int], generation: int) -> set[str]:
    """The layers of a generation whose sets are named."""
    named = (text.split(":") for text in names if isinstance(text, str) and text.startswith(f"{KEYSPACE.prefix}ids:"))
    return {parts[4] for parts in named if parts[3] == str(generation) and parts[4].isdecimal()}


def test_a_generation_begins_at_the_layer_of_the_last_one() -> None:
    """With two million ids of the day before, a new id goes to the third layer, and no look-up asks the layers before it."""
    deduplicator = Deduplicator(KEYSPACE, 24, {19_999: IdPositions(0, 2_000_000)}, FilterMemory(Settings()))
    operations = Operations(KEYSPACE, NOW_MS // 1000, {})
    deduplicator.add(operations, [1, 2, 3], NOW_MS)
    assert layers(operations.keys, 20_000) == {"2"}
    deduplicator.record([1, 2, 3], NOW_MS, appended=True)
    queries = deduplicator.queries([4])
    assert layers(queries, 20_000) == {"2"}
    assert layers(queries, 19_999) == {"0", "1", "2"}


def test_a_generation_after_a_quiet_one_begins_small() -> None:
    """The number of ids decides, not the layer that the day before began with."""
    first = dedup.first_position(2)
    deduplicator = Deduplicator(KEYSPACE, 24, {19_999: IdPositions(first, first + 1_000)}, FilterMemory(Settings()))
    operations = Operations(KEYSPACE, NOW_MS // 1000, {})
    deduplicator.add(operations, [1], NOW_MS)
    assert layers(operations.keys, 20_000) == {"0"}


async def test_ids_of_both_generations_count_once(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids in three layers of a generation, and in the one after it, are found by each new owner."""
    now = await pipe.now()
    monkeypatch.setattr(dedup, "_FIRST_SETS", 4)
    monkeypatch.setattr(dedup, "_FILL", 16)  # layers of 64, 512 and 4,096 ids
    await pipe.apply(*([started(now, id=f"{n}") for n in range(at, at + 100)] for at in range(0, 300, 100)))
    await pipe.apply([started(now, id=f"{n}") for n in range(300, 1000)])
    await pipe.apply([started(now, id=f"{n}") for n in range(1000, 1010)])
    await end_generation(pipe)
    events = [started(now, id=f"{n}") for n in range(1100)]
    for _ in range(2):
        await pipe.apply(events[:600])
        await pipe.apply(events[600:])
    year = ((now - timedelta(days=360)).isoformat(), (now + timedelta(days=1)).isoformat())
    assert await starts(pipe, interval=year) == 1100
    cursor = {name.decode(): text.decode() for name, text in (await pipe.client.hgetall(KEYSPACE.cursor)).items()}
    assert sorted(positions.number for positions in id_positions(cursor).values()) == [90, 1010]
    assert [positions.first for positions in id_positions(cursor).values() if positions.number == 90] == [64 + 512]


async def end_generation(pipe: Pipeline) -> None:
    """Rename the current generation to the one before."""
    client = pipe.client
    fields = {name.decode(): text.decode() for name, text in (await client.hgetall(KEYSPACE.cursor)).items()}
    (generation,) = id_positions(fields)
    async for key in client.scan_iter(f"{KEYSPACE.prefix}ids:{generation}:*"):
        await client.rename(key, key.decode().replace(f":{generation}:", f":{generation - 1}:"))
    await client.hset(KEYSPACE.cursor, f"ids:{generation - 1}", fields[f"ids:{generation}"])
    await client.hdel(KEYSPACE.cursor, f"ids:{generation}")
