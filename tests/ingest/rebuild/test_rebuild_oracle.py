"""Rebuilds of random worlds against the brute-force oracle, which saw nothing but the archives."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidedata.ingest.archive.lines import read_lines
from sidedata.ingest.rebuild.rebuild import Rebuild
from tests.support.events import interaction, reached, view
from tests.support.oracle.compare import Tally
from tests.support.oracle.oracle import Oracle
from tests.support.oracle.replay import Replay
from tests.support.oracle.worlds import WORKFLOWS, ZONES, ExampleWorld, worlds
from tests.support.pipeline import Pipeline, pipeline
from tests.support.rebuilds import spoil
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user


async def rebuilt(url: str, world: ExampleWorld, zones: Mapping[str, str], tally: Tally) -> None:
    """A world that happens, is spoilt, is rebuilt in these zones, and goes on; an oracle that saw nothing but the archives."""
    async with pipeline(url, partitions=world.partitions) as pipe:
        replay = Replay(pipe, world, tally)
        first = Oracle(zones=dict(world.zones), kinds=dict(world.registered), partitions=world.partitions)
        for organization, zone in world.zones.items():
            await pipe.organization(zone, organization)
        for (organization, workflow), kind in world.registered.items():
            await pipe.workflow(workflow, kind, organization)
        for batch in world.batches:
            await replay.push(batch, first)
        await pipe.drain()
        oracle = Oracle(zones=dict(zones), kinds=dict(first.kinds), partitions=world.partitions)
        asked = [question for question in world.questions if question[0] in zones]
        for question in asked:
            await pipe.ask(*question[1:], question[0])  # the service knows what is wrong, too
        for organization, zone in zones.items():
            entries = [one for batch in world.batches if batch.organization == organization for one in batch.entries]
            raws = [raw for one in entries for raw in ([one] if isinstance(one, bytes) else one)]
            archive = [line for line in read_lines(io.BytesIO(b"\n".join(raws)), world.partitions) if not line.problem]
            dead, known = len(oracle.dead), oracle.duplicates
            now = await pipe.now()
            for line in archive:
                if line.organization == organization:
                    await arrive(oracle, pipe, line.raw, f"{organization} {line.number}", now)
            if not any(event.organization == organization for event in oracle.events):
                assume(False)
            await spoil(pipe, organization)
            work = Rebuild(
                as_user("operator", pipe.client),
                pipe.settings,
                pipe.installation,
                organization,
                iter(archive),
                dry=False,
                timezone=zone,
            )
            report = await work.run()
            assert report.dead_letters == dict(Counter(reason for reason, _ in oracle.dead[dead:]))
            assert report.duplicates == oracle.duplicates - known
            # Those with ids come again, and others for the first time.
            again = [line.raw for line in archive if b'"id"' in line.raw and line.organization == organization]
            new = [
                interaction(now, "v1", organization_id=organization, workflow=WORKFLOWS[2]),
                view(now, "v0", organization_id=organization, workflow=WORKFLOWS[0]),
                reached(now, "v2", organization_id=organization),
            ]
            ids = await pipe.push(*again, *new, organization=organization)
            for raw, entry in zip([*again, *new], ids, strict=True):
                await arrive(oracle, pipe, raw, f"{entry}/0", await pipe.now())
        await pipe.drain()
        await replay.ask(oracle, asked)


async def arrive(oracle: Oracle, pipe: Pipeline, raw: bytes, entry: str, now: datetime) -> None:
    """Pass an event of the archive to the oracle, now."""
    organization = json.loads(raw)["organization_id"]
    entry_ms = int(now.timestamp() * 1000)
    oracle.arrive(raw, partition=pipe.partition(organization), entry_ms=entry_ms, entry=entry, now=now)


def test_a_rebuild_equals_the_oracle(redis_server: RedisServer) -> None:
    """Ten random worlds, in their zones or in others."""
    tally = Tally()

    @settings(max_examples=10)
    @given(world=worlds(), data=st.data())
    def compared(world: ExampleWorld, data: st.DataObject) -> None:
        zones = {one: data.draw(st.sampled_from([zone, zone, *ZONES])) for one, zone in world.zones.items()}
        redis_server.flush()
        asyncio.run(rebuilt(redis_server.url, world, zones, tally))

    compared()
    assert tally.nine_in_ten(), tally
