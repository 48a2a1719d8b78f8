"""Processes on machines with other zone data: services, and a rebuild, read and cut by the stored table alone."""

import io

import pytest

from sidedata.calendar import reporting
from sidedata.ingest.archive.lines import read_lines
from sidedata.ingest.rebuild import rebuild
from sidedata.ingest.rebuild.rebuild import Rebuild
from tests.support.constants import ORG
from tests.support.pipeline import pipeline
from tests.support.redis.users import as_user
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, day_buckets, life, old_scene


@pytest.mark.holds("1.1.1")
async def test_the_machine_of_a_service_does_not_matter(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services, one with zone data in which the zone is another one altogether, give the same answers."""
    async with old_scene(redis_url, 27) as (world, case):
        pipe, now = world.pipe, world.now
        await world.send(life(now, days=33))
        await world.check(case.old)
        strange = case.rulebook(NEW, pipe.settings)
        monkeypatch.setattr(reporting, "ZoneInfo", lambda _: case.new)
        reporting.zone_of.cache_clear()
        reporting.reporting_zone.cache_clear()
        async with pipeline(redis_url, partitions=1) as other:
            second = ZoneWorld(other, now)
            second.oracle = world.oracle
            await second.check(case.old)
        assert pipe.rulebook is not None
        assert strange.retention == pipe.rulebook.retention
    reporting.zone_of.cache_clear()
    reporting.reporting_zone.cache_clear()


async def test_a_rebuild_from_a_host_with_other_rules(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cuts by the table in the record, whatever its host has."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        raws = life(now, days=33)
        await world.send(raws)
        before, record = await day_buckets(pipe), await world.record()
        sources = case.rulebook(OLD, pipe.settings)._sources
        monkeypatch.setattr(rebuild, "process_sources", lambda: sources)
        lines = read_lines(io.BytesIO(b"\n".join(raws)), 1)
        client = as_user("operator", pipe.client)
        await Rebuild(client, pipe.settings, pipe.installation, ORG, lines, dry=False).run()
        assert await day_buckets(pipe) == before
        assert (await world.record())["rules"] == record["rules"]
        await world.check(case.new)
