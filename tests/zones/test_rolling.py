"""Upgrades from a version whose records hold no tables, in both orders, on machines with older zone data than the package."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from sidedata.calendar import reporting
from sidedata.calendar.rules import UNKNOWN, read_rules
from sidedata.calendar.zones import Zone
from sidedata.ingest.apply import owner_cache
from sidedata.schema import keys
from sidedata.service.report import workflow_cache
from sidedata.service.report.overview import overviews
from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.files import HOUR, second
from tests.support.zones.worlds import NAME, NEW, Case, ZoneWorld, life

SPAN = second("2024-01-01"), second("2031-01-01")


@pytest.fixture(autouse=True)
def _fresh_zones() -> Iterator[None]:
    """No zone of a test stays in the caches of the process."""
    yield
    reporting.reporting_zone.cache_clear()


def machine_zone(monkeypatch: pytest.MonkeyPatch, case: Case) -> Zone:
    """Let this machine's `zoneinfo` have the old rules; returns the zone by which a version without tables cuts and reads."""
    zone = Zone(read_rules(NAME, UNKNOWN, case.old, *SPAN), case.old)
    reporting.reporting_zone.cache_clear()
    for module in (reporting, owner_cache):
        monkeypatch.setattr(module, "zone", lambda _: zone)
    return zone


async def before_the_upgrade(pipe: Pipeline, world: ZoneWorld, case: Case) -> None:
    """A month of events that workers of the old version have applied."""
    await pipe.organization(NAME)
    await pipe.client.hdel(keys.keyspace(0).organization(ORG), "rules")
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    pipe.rulebook.old_workers = True  # beside them a new worker does as they do
    await world.send(life(world.now, days=33))
    assert "rules" not in await world.record()


async def visitors(pipe: Pipeline, now: datetime, days: int) -> int:
    """The visitors of a local day, by its distance in days."""
    day = now.date() - timedelta(days=days)
    reply = await pipe.ask(PAGES, f"{day}", f"{day + timedelta(days=1)}")
    return int(reply.json["unique_visitors_count"])


async def test_services_first(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """New services and workers show the old version's numbers until the last old worker has gone, and then the right ones."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        case = Case(now, 20, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        machine_zone(monkeypatch, case)
        world = ZoneWorld(pipe, now)
        await before_the_upgrade(pipe, world, case)
        await world.check(case.old)
        await world.send(life(now, days=5, seed=2, each=4))
        await world.check(case.old)
        assert pipe.rulebook is not None
        pipe.rulebook.old_workers = False
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new)


async def test_workers_first(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old service shows its own numbers until days are cut again; then those before the change, and too little since it."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        case = Case(now, 20, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        zone = machine_zone(monkeypatch, case)
        world = ZoneWorld(pipe, now)
        await before_the_upgrade(pipe, world, case)
        for module in (workflow_cache, overviews):  # it knows no tables
            monkeypatch.setattr(module, "reporting_zone", lambda *_: zone)
        await world.check(case.old)
        before = [await visitors(pipe, now, days) for days in (25, 10)]
        assert pipe.rulebook is not None
        pipe.rulebook.old_workers = False
        await pipe.drain()
        assert (await world.rules()).release == NEW
        after = [await visitors(pipe, now, days) for days in (25, 10)]
        assert after[0] == before[0] > 0
        assert after[1] == 0 < before[1], "the reason why services go first"

        monkeypatch.setattr(workflow_cache, "reporting_zone", reporting.reporting_zone)
        monkeypatch.setattr(overviews, "reporting_zone", reporting.reporting_zone)
        async with pipeline(redis_url, partitions=1) as upgraded:
            fresh = ZoneWorld(upgraded, now)
            fresh.oracle = world.oracle
            await fresh.check(case.new)
