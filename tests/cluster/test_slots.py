"""Slots of a Redis Cluster: where keys are, redirections, moves, and commands that are sent once."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from sidedata import failpoints
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.reads.workflow_parts import read
from sidedata.redis.redis_errors import translated
from sidedata.redis.scripts import Script
from sidedata.schema import keys
from sidedata.schema.bucket_fields import BucketField
from sidedata.schema.keys import keyspace
from sidedata.writes.append import append
from tests.support.events import POPUP
from tests.support.pipeline import pipeline
from tests.support.redis.client import connect
from tests.support.redis.cluster import Cluster, Node, slot_of
from tests.support.redis.cluster_life import ORGANIZATIONS, PARTITIONS, ask, happening
from tests.support.waiting import TIME_FACTOR, eventually


@pytest.mark.holds("2.1.7")
async def test_keys_of_a_partition_share_a_slot(cluster: Cluster) -> None:
    """Every key names its partition in braces, but for those of the installation; and each is where that says."""
    async with pipeline(cluster.url, partitions=PARTITIONS) as pipe:
        for organization in ORGANIZATIONS.values():
            await pipe.apply(happening(organization, 0), [b"{"], organization=organization)
        partitions: dict[int, set[int]] = {}
        for node in cluster.running():
            for raw in node.admin.scan_iter():
                name = raw.decode()
                tag = re.match(r"sd:\{(\d+)\}:", name)
                if tag is None:
                    assert name in {keys.CONFIG, keys.TOKENS, keys.WORKERS}
                else:
                    partitions.setdefault(int(tag[1]), set()).add(slot_of(name))
        assert set(partitions) == set(range(PARTITIONS))
        assert all(len(slots) == 1 for slots in partitions.values())


async def test_ask_is_followed_by_many_at_once(cluster: Cluster) -> None:
    """While a slot moves its new keys are made on the new node, by however many connections."""
    stream = keys.keyspace(3).events
    slot = slot_of(stream)
    client = connect(cluster.url, timeout=5)
    try:
        await asyncio.gather(*(client.ping() for _ in range(5)))
        target = next(node for node in map(cluster.master_of, (0, 16383)) if node is not cluster.master_of(slot))
        source = cluster.begin_move(slot, target)
        await asyncio.gather(*(append(client, keyspace(3), [b"{}"], 1000) for _ in range(64)))
        assert await client.command("XLEN", stream) == 64
        assert await client.batch([("XLEN", stream), ("GET", "{3}")]) == [64, None]
        await append(client, keyspace(3), [b"{}"], 1000, wait_replicas=1)
        while cluster.move_keys(slot, source, target):
            pass
        cluster.end_move(slot, target)
        await append(client, keyspace(3), [b"{}"], 1000, wait_replicas=1)
        assert await client.command("XLEN", stream) == 66
    finally:
        await client.aclose()


async def test_a_caller_hears_that_a_script_is_on_its_way(cluster: Cluster) -> None:
    """Once for a script that its node knows, twice for one that has to be sent again as text."""
    client = connect(cluster.url, timeout=5)
    try:
        unknown = Script.of(f"return {time.time_ns()}")
        for sent in (2, 1):
            heard: list[str] = []
            await client.call(unknown, [keyspace(3).cursor], on_sent=partial(heard.append, "sent"))
            assert heard == ["sent"] * sent
    finally:
        await client.aclose()


async def test_a_bucket_on_its_way_is_no_empty_bucket(cluster: Cluster) -> None:
    """Until all of a slot has moved its reports are refused: half of the keys would make half of an answer."""
    organization = ORGANIZATIONS[3]
    async with pipeline(cluster.url, partitions=PARTITIONS) as pipe:
        await pipe.apply([happening(organization, n) for n in range(20)], organization=organization)
        slot = slot_of(keys.keyspace(3).events)
        target = next(node for node in map(cluster.master_of, (0, 16383)) if node is not cluster.master_of(slot))
        source = cluster.begin_move(slot, target)
        records = [keys.keyspace(3).workflow(organization, POPUP), keys.keyspace(3).organization(organization)]
        records.append(keys.keyspace(3).changes(organization, POPUP))
        source.admin.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *records)
        day = int(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
        with pytest.raises(StoreUnavailableError):
            await read(
                *(pipe.client, pipe.installation, organization, POPUP),
                revision=None,
                names=None,
                missing=[BucketField("day", day, "visitors")],
                open_fields=[],
                goals=[],
            )
        assert (await ask(pipe.http, 3)).status == 503
        while cluster.move_keys(slot, source, target):
            pass
        cluster.end_move(slot, target)
        assert (await ask(pipe.http, 3)).json["started_workflows_count"] == 20


async def test_a_rebuild_swaps_all_or_nothing_of_a_slot(cluster: Cluster) -> None:
    """It stays in its slot; while that moves a step is refused whole, and once it has moved the next owner ends the swap."""
    organization = ORGANIZATIONS[3]
    async with pipeline(cluster.url, partitions=PARTITIONS) as pipe:
        raws = [happening(organization, n) for n in range(20)]
        await pipe.apply(raws[:10], organization=organization)
        span = (await pipe.now() - timedelta(days=1)).isoformat(), (await pipe.now() + timedelta(days=1)).isoformat()
        before = (await pipe.ask(POPUP, *span, organization)).text

        def rebuild(archive: list[bytes]) -> Rebuild:
            lines = iter([Line(n, raw, organization=organization) for n, raw in enumerate(archive)])
            return Rebuild(pipe.client, pipe.settings, pipe.installation, organization, lines, dry=False)

        await rebuild(raws).run()
        after = (await pipe.ask(POPUP, *span, organization)).text
        assert after != before
        slot = slot_of(keys.keyspace(3).events)
        target = next(node for node in map(cluster.master_of, (0, 16383)) if node is not cluster.master_of(slot))
        moving: list[Node] = []

        def begins_to_move(place: str) -> None:
            if place == "after_swap_begin":
                moving.append(cluster.begin_move(slot, target))
                cluster.move_keys(slot, moving[0], target)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(failpoints, "armed", begins_to_move)
            with pytest.raises(StoreUnavailableError):
                await rebuild(raws[:10]).run()
        while cluster.move_keys(slot, moving[0], target):
            pass
        cluster.end_move(slot, target)
        assert (await pipe.ask(POPUP, *span, organization)).text in (before, after)
        await pipe.drain()
        assert (await pipe.ask(POPUP, *span, organization)).text == before
        assert not await pipe.client.hexists(keys.keyspace(3).cursor, "swap")


@pytest.mark.alone
async def test_a_command_is_sent_once(cluster: Cluster) -> None:
    """The caller gets a time-out as an error: a command sent again by the client would count twice."""
    stream = keys.keyspace(3).events
    master = cluster.master_of(slot_of(stream))
    client = connect(cluster.url, timeout=0.3)
    try:
        await append(client, keyspace(3), [b"{}"], 1000)
        master.freeze()
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await append(client, keyspace(3), [b"{}"], 1000)
        assert time.monotonic() - start < 0.6 * TIME_FACTOR
        master.thaw()

        async def both() -> bool:
            return int(str(await client.command("XLEN", stream))) >= 2

        await eventually(both)
        assert await client.xlen(stream) == 2
    finally:
        master.thaw()
        await client.aclose()


async def test_what_is_no_cluster_is_named(cluster: Cluster, redis_url: str) -> None:
    """A closed port: retry. A wrong password, a Redis that is no cluster: stop."""
    assert redis_url
    port = cluster.nodes[0].port
    for url, error in (
        ("redis+cluster://127.0.0.1:1", StoreUnavailableError),
        (f"redis+cluster://someone:wrong@127.0.0.1:{port}", StopError),
    ):
        client = connect(url, timeout=1)
        try:
            with pytest.raises(error), translated():
                await client.get(keys.CONFIG)
        finally:
            await client.aclose()
