"""Upgrades from a version whose records hold no tables, in both orders, on machines with older zone data than the package."""

from collections.abc import Iterator
from datetime import timedelta, tzinfo

import pytest

from sidedata.calendar import reporting
from sidedata.ingest.apply.partition import live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import view
from tests.support.pipeline import pipeline
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR
from tests.support.zones.upgrades import (
    HALF_HOUR,
    WHOLE_HOUR,
    before_the_upgrade,
    leave_cursor,
    machine_zone,
    without_tables,
)
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life, seam_of


@pytest.fixture(autouse=True)
def _fresh_zones() -> Iterator[None]:
    """No zone of a test stays in the caches of the process."""
    yield
    reporting.reporting_zone.cache_clear()


async def test_services_first(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """New services and workers show the old version's numbers until the last old worker has gone, and then the right ones."""
    async with before_the_upgrade(redis_url, monkeypatch) as (world, case, _):
        pipe, now = world.pipe, world.now
        await world.check(case.old)
        await world.send(life(now, days=5, seed=2, each=4))
        await world.check(case.old)
        assert pipe.rulebook is not None
        pipe.rulebook.old_workers = False
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new)


@pytest.mark.parametrize("known", [True, False], ids=["old rules known", "old rules gone"])
async def test_workers_first(redis_url: str, monkeypatch: pytest.MonkeyPatch, *, known: bool) -> None:
    """After the adoption an old service goes on with its own numbers, new events included, and a new one has the right ones.

    On the day of the change alone, which both cuts begin at the same instant, the old service shows the day as it is cut now.
    """
    async with before_the_upgrade(redis_url, monkeypatch) as (world, case, zone):
        pipe, now = world.pipe, world.now
        change = now - timedelta(days=20)
        with without_tables(zone):
            await world.check(case.old)
            assert pipe.rulebook is not None
            pipe.rulebook.old_workers = False
            if known:
                pipe.rulebook = case.both_releases(pipe.settings)
            await pipe.drain()
            assert (await world.rules()).release == NEW
            await world.check(case.old, besides=change)
            await world.send(life(now, days=18, seed=2))  # into days that were cut again, and days that had no events
            await world.check(case.old, besides=change)
        assert world.tally.nine_in_ten()
        await check_upgraded(redis_url, world, case.new)


async def test_days_apart_by_part_of_an_hour(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days tell offsets that no machine has any more, and keep them: new rules that move hours begin at the next hour."""
    async with before_the_upgrade(redis_url, monkeypatch, HALF_HOUR) as (world, case, _):
        pipe, now = world.pipe, world.now
        assert pipe.rulebook is not None
        pipe.rulebook.old_workers = False
        await world.send(life(now, days=18, seed=2))
        rules = await world.rules()
        assert (rules.release, rules.offset(int(now.timestamp()))) == (NEW, HALF_HOUR[1])
        await world.check(await seam_of(world, case))
        assert world.tally.nine_in_ten()


async def test_workers_first_where_no_day_tells(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without events since the change an old service gets new events by the older release of the worker's machine."""
    async with before_the_upgrade(redis_url, monkeypatch, silent_days=22) as (world, case, zone):
        pipe, now = world.pipe, world.now
        pipe.rulebook = case.both_releases(pipe.settings)
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.send(life(now, days=18, seed=2))
        with without_tables(zone):
            await world.check(case.old, besides=now - timedelta(days=20))
        await check_upgraded(redis_url, world, case.new)


async def check_upgraded(redis_url: str, world: ZoneWorld, zone: tzinfo) -> None:
    """Hold the answers of a new service, with caches of its own, against the oracle by these rules."""
    async with pipeline(redis_url, partitions=1) as upgraded:
        fresh = ZoneWorld(upgraded, world.now)
        fresh.oracle = world.oracle
        await fresh.check(zone)


@pytest.mark.parametrize(
    ("known", "offsets"),
    [("by the machine", WHOLE_HOUR), ("by another organization", WHOLE_HOUR), ("by the machine", HALF_HOUR)],
)
async def test_first_event_after_the_upgrade(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, known: str, offsets: tuple[int, int, int]
) -> None:
    """An old service also sees an organization whose first event comes after the upgrade, late and live events included.

    The worker knows the table before from its machine's older data, or from days of another organization of the zone.
    """
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        case = Case(now, 20, *offsets)
        zone = machine_zone(monkeypatch, case)
        world = ZoneWorld(pipe, now)
        if known == "by the machine":
            await leave_cursor(pipe)
            pipe.rulebook = case.both_releases(pipe.settings)
        else:
            await pipe.organization(NAME, OTHER_ORG)
            await pipe.client.hdel(keys.keyspace(0).organization(OTHER_ORG), "rules")
            pipe.rulebook = case.rulebook(NEW, pipe.settings)
            pipe.rulebook.old_workers = True
            await pipe.apply([raw.replace(ORG.encode(), OTHER_ORG.encode()) for raw in life(now, days=24, each=4)])
            await leave_cursor(pipe)
            pipe.rulebook.old_workers = False
            await pipe.apply(view(now, organization_id=OTHER_ORG))
        await pipe.organization(NAME)
        await world.send(life(now, days=24))
        await world.send(life(now, days=18, seed=2))
        await world.send(life(now - timedelta(days=5), days=2, seed=3, each=300))  # the same visitors in all hours
        assert (await world.rules()).release == NEW
        with without_tables(zone):
            await world.check(case.old, besides=now - timedelta(days=20))
        assert world.tally.nine_in_ten()
        await check_upgraded(redis_url, world, case.new)


async def test_rules_that_come_within_the_day(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first table with the old service's offsets, and newer rules an hour later: the old service goes on with its own numbers."""
    async with before_the_upgrade(redis_url, monkeypatch) as (world, case, zone):
        pipe, now = world.pipe, world.now
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await pipe.drain()
        assert (await world.rules()).release == OLD
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        await world.send(life(now, days=18, seed=2))
        assert (await world.rules()).release == NEW
        with without_tables(zone):
            await world.check(case.old, besides=now - timedelta(days=20))
        await check_upgraded(redis_url, world, case.new)


async def test_installations_that_began_with_tables(redis_url: str) -> None:
    """No day is cut twice where no version without tables has owned the partition, whatever older data the machine has."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        case = Case(now, 20, *WHOLE_HOUR)
        pipe.rulebook = case.both_releases(pipe.settings)
        await pipe.organization(NAME)
        world = ZoneWorld(pipe, now)
        await world.send(life(now, days=24))
        assert "former" not in await world.record()
        assert await pipe.client.hget(keys.keyspace(0).cursor, "former_until") == b"0"
        await world.check(case.new)


async def test_the_upgrade_ends_a_day_after_the_comparison(redis_url: str) -> None:
    """The day counts from the first comparison of all organizations; after it, first events go into the days of the table alone."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now, cursor = await pipe.now(), keys.keyspace(0).cursor
        await leave_cursor(pipe)
        # A partition that was taken first while old workers were alive.
        await pipe.client.hset(cursor, "former_until", "1")
        rulebook = Case(now, 20, *WHOLE_HOUR).both_releases(pipe.settings)
        owned = await lease.acquire(as_user("worker", pipe.client), pipe.settings, 0, "w-z1", force=True)
        assert owned is not None
        partition = live_partition(as_user("worker", pipe.client), pipe.settings, 1, owned, Metrics(), rulebook)
        rulebook.old_workers = True
        await partition.finish_comparison(NEW)
        assert await pipe.client.hmget(cursor, "zones", "former_until") == [None, b"1"]
        rulebook.old_workers = False
        await partition.finish_comparison(NEW)
        [zones, until] = await pipe.client.hmget(cursor, "zones", "former_until")
        assert zones == NEW.encode()
        assert 0 <= int(until) - int(now.timestamp()) - 86_400 < 600 * TIME_FACTOR
        pipe.rulebook = rulebook
        await pipe.organization(NAME)
        await pipe.client.hset(cursor, "former_until", str(int(now.timestamp())))
        await pipe.apply(view(now))
        assert "former" not in await ZoneWorld(pipe, now).record()
