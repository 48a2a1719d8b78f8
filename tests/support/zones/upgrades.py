"""An installation before an upgrade from a version without tables, and the machines and services of that version."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest

from sidedata.calendar import reporting
from sidedata.calendar.rules import UNKNOWN, read_rules
from sidedata.calendar.zones import Zone
from sidedata.ingest.apply import owner_cache
from sidedata.schema import keys
from sidedata.service.report import workflow_cache
from sidedata.service.report.overview import overviews
from tests.support.constants import ORG
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.files import HOUR, second
from tests.support.zones.worlds import NAME, NEW, Case, ZoneWorld, life

_SPAN = second("2024-01-01"), second("2031-01-01")
# Offsets of a zone: first, and since a change by the older and by the newer release.
WHOLE_HOUR = -7 * HOUR, -8 * HOUR, -7 * HOUR
HALF_HOUR = 5 * HOUR, 5 * HOUR, 5 * HOUR + 1800  # hours begin at other instants, too


def machine_zone(monkeypatch: pytest.MonkeyPatch, case: Case) -> Zone:
    """Let this machine's `zoneinfo` have the old rules; returns the zone by which a version without tables cuts and reads."""
    zone = Zone(read_rules(NAME, UNKNOWN, case.old, *_SPAN), case.old)
    reporting.reporting_zone.cache_clear()
    for module in (reporting, owner_cache):
        monkeypatch.setattr(module, "zone", lambda _: zone)
    return zone


@asynccontextmanager
async def before_the_upgrade(
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    offsets: tuple[int, int, int] = WHOLE_HOUR,
    *,
    silent_days: int = 7,
) -> AsyncIterator[tuple[ZoneWorld, Case, Zone]]:
    """A month of events that workers of the old version have applied, but none in the last days; with `machine_zone`."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        case = Case(now, 20, *offsets)
        zone = machine_zone(monkeypatch, case)
        world = ZoneWorld(pipe, now)
        await pipe.organization(NAME)
        await pipe.client.hdel(keys.keyspace(0).organization(ORG), "rules")
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        pipe.rulebook.old_workers = True  # beside them a new worker does as they do
        await world.send(life(now - timedelta(days=silent_days), days=33 - silent_days))
        assert "rules" not in await world.record()
        await leave_cursor(pipe)
        yield world, case, zone


async def leave_cursor(pipe: Pipeline) -> None:
    """Leave the partition's cursor as the old version does: with a fence, without what it does not know."""
    cursor = keys.keyspace(0).cursor
    await pipe.client.hdel(cursor, "zones", "newest_zones", "former_until")
    await pipe.client.hsetnx(cursor, "fence", "1")


@contextmanager
def without_tables(zone: Zone) -> Iterator[None]:
    """Let services cut by that zone, whatever the records hold, as those of the old version do."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (workflow_cache, overviews):
            patch.setattr(module, "reporting_zone", lambda *_: zone)
        yield
