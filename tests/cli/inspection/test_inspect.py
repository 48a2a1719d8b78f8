"""The operators' view of an installation: keys in words, and memory by kind."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import redis

from sidedata.errors import StopError
from sidedata.inspect.keys.explain import Explanation, explain
from sidedata.inspect.keys.values import VALUES
from sidedata.inspect.samples import read_memory
from sidedata.reads.keys.samples import sample_names
from sidedata.schema import keys
from sidedata.schema.key_names import parse
from sidedata.schema.table import KEYS
from tests.support.constants import ORG
from tests.support.events import GOAL_2, PAGES, POPUP, bought, interaction, reached, started, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.command_line import Sidedata
from tests.support.redis.client import connect
from tests.support.redis.cluster import Cluster
from tests.support.redis.users import as_user

ZONE = "Asia/Kathmandu"
NEW_YEAR = 1_767_225_600  # of 2026, by UTC: no day of that zone begins there


async def filled(pipe: Pipeline) -> datetime:
    """Events of all types, three of each, and a dead letter; when they were."""
    await pipe.organization(ZONE)
    await pipe.workflow(PAGES, "page_navigation")
    at = await pipe.now() - timedelta(minutes=30)
    raws: list[bytes] = []
    for number in range(3):
        visitor = f"v{number}"
        raws += [view(at, visitor, f"s{number}", id=f"view-{number}"), started(at, visitor), interaction(at, visitor)]
        raws += [triggered(at, visitor), reached(at, visitor, GOAL_2), bought(at, "1.5", visitor=visitor)]
    await pipe.apply(raws, b"7")
    return at


async def explanation(pipe: Pipeline, key: str) -> dict[str, str]:
    """The explanation of a key, by heading."""
    explanation: Explanation = await explain(as_user("operator", pipe.client), pipe.installation, pipe.settings, key)
    return dict(explanation.rows)


async def test_every_stored_key_is_explained(redis_url: str) -> None:
    """No key of a store with all kinds of events raises, and each says what it holds and how long it lives."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await filled(pipe)
        seen = set()
        async for page in sample_names(pipe.client, 10_000):
            for key in page:
                rows = await explanation(pipe, key)
                assert {"holds", "TTL", "memory"} <= set(rows), key
                parsed = parse(key)
                assert parsed is not None
                seen.add(parsed.kind)
        others = {"workers", "rate", "dead index", "dead rewrite", "lease", "tokens used", "shadow", "swap"}
        assert seen >= set(KEYS) - others - {"id fingerprints", "id filter"}


def test_every_kind_of_key_has_its_words() -> None:
    """The table of values has a row for each row of the grammar."""
    assert set(VALUES) == set(KEYS)


async def test_a_bucket_is_told_by_the_organizations_clock(redis_url: str) -> None:
    """Partition, workflow, local day and the values that the events produced."""
    async with pipeline(redis_url, partitions=4) as pipe:
        at = await filled(pipe)
        local = at + timedelta(hours=5, minutes=45)
        midnight = datetime(local.year, local.month, local.day, tzinfo=UTC) - timedelta(hours=5, minutes=45)
        partition = pipe.partition(ORG)
        start = int(midnight.timestamp())
        rows = await explanation(pipe, f"{keys.keyspace(partition).bucket(ORG, PAGES, 'day', start)}visitors")
        assert rows["partition"] == f"{partition} of 4"
        assert rows["organization"] == f"{ORG} ({ZONE})"
        assert rows["bucket"].startswith(f"local day from {local:%a %Y-%m-%d} 00:00:00+05:45 to ")
        assert rows["visitors"] == "about 3 (±0.81 %)"
        assert re.match(r"40\d days", rows["TTL"])
        counts = await explanation(pipe, f"{keys.keyspace(partition).bucket(ORG, POPUP, 'day', start)}counts")
        assert counts["started"] == "3"
        assert counts["purchases EUR"] == "4.5000"


async def test_what_a_rebuild_has_built_is_told_as_what_it_stands_for(redis_url: str) -> None:
    """A sketch of a shadow by its visitors, a swap by its steps."""
    async with pipeline(redis_url, partitions=4) as pipe:
        shadow = keys.Keyspace(3, "0a1b2c3d")
        sketch = f"{shadow.bucket(ORG, PAGES, 'day', NEW_YEAR)}visitors"
        await pipe.client.pfadd(sketch, "a", "b")
        await pipe.client.expire(sketch, 1000)
        rows = await explanation(pipe, sketch)
        assert rows["stands for"] == sketch.replace("rebuild:0a1b2c3d:", "")
        assert rows["visitors"] == "about 2 (±0.81 %)"
        await pipe.client.rpush(keys.keyspace(3).swap("0a1b2c3d"), "one", "two")
        assert (await explanation(pipe, keys.keyspace(3).swap("0a1b2c3d")))["steps"] == "2 are left"


async def test_what_is_wrong_with_a_key_is_said(redis_url: str) -> None:
    """A stray partition, a start that the zone doesn't have, a life without an end, another type, a name of others."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await filled(pipe)
        own = pipe.partition(ORG)
        foreign = await explanation(pipe, keys.keyspace((own + 1) % 4).organization(ORG))
        assert f"it belongs to partition {own}" in foreign["organization"]
        assert foreign["stored"].startswith("nothing")
        odd = f"{keys.keyspace(own).bucket(ORG, PAGES, 'day', NEW_YEAR)}counts"
        await pipe.client.hset(odd, "started", 1)
        rows = await explanation(pipe, odd)
        assert "the zone was another one" in rows["bucket"]
        assert "should end" in rows["TTL"]
        await pipe.client.set(keys.keyspace(0).cursor, "text")
        with pytest.raises(StopError, match="something else wrote it"):
            await explanation(pipe, keys.keyspace(0).cursor)
        with pytest.raises(StopError, match="no key of sidedata"):
            await explanation(pipe, "cache:1")


async def test_memory_adds_up(redis_url: str) -> None:
    """All keys looked at: kinds and workflows sum up to Redis's own sizes; fewer: the whole is estimated."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await filled(pipe)
        memory = await read_memory(pipe.client, 10_000)
        sizes = [
            await pipe.client.memory_usage(key, samples=0) for page in [await pipe.client.keys("*")] for key in page
        ]
        assert (memory.sampled, memory.keys) == (len(sizes), len(sizes))
        assert memory.estimated_bytes == sum(sizes) == sum(kind.bytes for kind in memory.by_kind)
        assert {flow.workflow: flow.kind for flow in memory.workflows} == {
            PAGES: "page_navigation",
            POPUP: "interaction",
        }
        some = await read_memory(pipe.client, 10, workflows=1)
        assert some.sampled == 10
        assert sum(kind.estimated_keys for kind in some.by_kind) == pytest.approx(len(sizes), abs=10)


@pytest.mark.timeout(120)
async def test_a_cluster_is_sampled_whole() -> None:
    """Every master gives its share."""
    cluster = Cluster()
    try:
        cluster.start()
        client = connect(cluster.url, timeout=10)
        try:
            for partition in range(30):
                await client.hset(keys.keyspace(partition).cursor, "events", partition)
            memory = await read_memory(client, 1000)
            assert [(kind.kind, kind.keys) for kind in memory.by_kind] == [("cursor", 30)]
            assert len([key async for page in sample_names(client, 15) for key in page]) == 15
        finally:
            await client.aclose()
    finally:
        cluster.close()


def stored_fields(kind: str) -> set[str]:
    """The fields that the table of keys names for a hash, a generation's by its number; another hash's stand in parentheses."""
    names = re.sub(r"\([^)]*\)", "", KEYS[kind].holds)
    return {name.replace("<generation>", "20785") for name in re.findall(r"`([a-z_]+(?::<generation>)?)`", names)}


@pytest.mark.parametrize("kind", ["cursor", "organization", "workflow"])
async def test_every_field_of_a_record_is_explained(redis_url: str, kind: str) -> None:
    """The words of a record change with each field that the table of keys names."""
    async with pipeline(redis_url, partitions=4) as pipe:
        space = keys.keyspace(pipe.partition(ORG))
        records = {"organization": space.organization(ORG), "workflow": space.workflow(ORG, PAGES)}
        key = records.get(kind, space.cursor)
        table = f"2026f {ZONE}; 2025-10-01 +0545; 2027-01-01"
        texts = {"timezone": ZONE, "rules": table, "former": f"{NEW_YEAR} {table}", "recut": "0a1b2c3d 1767225600"}
        stored = {field: texts.get(field, "1795474800") for field in stored_fields(kind)}
        assert len(stored) >= 5
        await pipe.client.hset(key, mapping=stored)
        whole = await explanation(pipe, key)
        for field, value in stored.items():
            await pipe.client.hdel(key, field)
            words = await explanation(pipe, key)
            assert {**words, "memory": whole["memory"]} != whole, field
            await pipe.client.hset(key, field, value)


async def test_the_form_of_a_sketch_is_told(redis_url: str) -> None:
    """Sparse with a few members, dense with thousands, and its size."""
    async with pipeline(redis_url, partitions=4) as pipe:
        few, many = (
            f"{keys.keyspace(0).bucket(ORG, PAGES, 'day', at)}visitors" for at in (NEW_YEAR, NEW_YEAR + 86_400)
        )
        await pipe.client.pfadd(few, "a", "b")
        await pipe.client.pfadd(many, *map(str, range(5_000)))
        assert re.match(r"sparse, \d\d bytes", (await explanation(pipe, few))["form"])
        assert (await explanation(pipe, many))["form"] == "dense, 12,304 bytes"


async def test_filters_of_ids_are_told(redis_url: str) -> None:
    """By generation and segment: how many ids have fingerprints there, and the size of a filter."""
    async with pipeline(redis_url, partitions=4) as pipe:
        recent, full = keys.keyspace(0).id_fingerprints(20785, 3), keys.keyspace(0).id_filter(20785, 2)
        await pipe.client.set(recent, b"\x01\x02\x03\x04" * 5)
        await pipe.client.set(full, bytes(2048))
        rows = await explanation(pipe, recent)
        assert (rows["segment"], rows["ids"]) == ("3", "5")
        rows = await explanation(pipe, full)
        assert (rows["segment"], rows["size"]) == ("2", "2,048 bytes")


async def test_a_day_of_the_table_before_is_told(redis_url: str) -> None:
    """A day that begins where none begins by the stored table names the table before, while the record holds that."""
    async with pipeline(redis_url, partitions=4) as pipe:
        space = keys.keyspace(pipe.partition(ORG))
        await pipe.organization(ZONE)
        day = f"{space.bucket(ORG, PAGES, 'day', NEW_YEAR)}counts"
        await pipe.client.hset(day, "visitors", 1)
        assert "the zone was another one" in (await explanation(pipe, day))["bucket"]
        former = f"{NEW_YEAR} 2025b {ZONE}; 2025-10-01 +00; 2027-01-01"
        await pipe.client.hset(space.organization(ORG), "former", former)
        bucket = (await explanation(pipe, day))["bucket"]
        assert bucket.startswith("local day from Thu 2026-01-01 00:00:00+00:00 to Fri 2026-01-02")
        assert "by the table before" in bucket


# --- the command ------------------------------------------------------------------------------------------------------


def test_inspect_key_from_outside(sidedata: Sidedata, redis_url: str) -> None:
    """Words for people, JSON for scripts, 1 where the key is missing, 2 where a flag stands in the wrong place."""
    assert "16" in sidedata("inspect", "key", "sd:config").stdout
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.keyspace(3).lease, "worker-a", px=60_000)
    rows = dict(json.loads(sidedata("inspect", "key", keys.keyspace(3).lease, "--json").stdout)["rows"])
    assert rows["owner"] == "worker-a"
    missing = sidedata("inspect", "key", keys.keyspace(4).lease)
    assert missing.exit_code == 1
    assert "no worker owns the partition" in missing.stdout
    assert sidedata("inspect", "--json", "key", "sd:config").exit_code == 2


def test_inspect_memory_from_outside(sidedata: Sidedata) -> None:
    """A table for people, and in JSON beside what was there before."""
    sidedata("inspect")
    assert "config" in sidedata("inspect", "--memory", "--workflows").stdout
    fields = json.loads(sidedata("inspect", "--memory", "--json").stdout)
    assert {"lag_entries", "dead_letters", "partitions", "workers", "states", "memory", "workflows"} <= set(fields)
    assert fields["memory"][0]["kind"] == "config"
