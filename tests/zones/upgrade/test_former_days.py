"""The days of the cut before a first table: until when they stay, and what becomes of them meanwhile."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidedata.calendar.rules import read_rules
from sidedata.calendar.slots import FormerSlots, Slots
from sidedata.calendar.zones import Zone
from sidedata.ingest.archive.lines import read_lines
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.schema import keys
from sidedata.schema.values import FormerCut
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user
from tests.support.zones.files import HOUR, made_zone, second, zone_bytes
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, day_buckets, life, rulebook_of

DAY = 86_400
RAWS_DAYS = 20
STRAY_GOAL = "33333333-0000-4000-8000-0000000000ff"


@asynccontextmanager
async def adopted(redis_url: str) -> AsyncIterator[tuple[ZoneWorld, Case, list[bytes]]]:
    """Three weeks of events of a version without tables, cut again after the upgrade."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        raws = life(now, days=RAWS_DAYS, each=6)
        await world.send(raws)
        await pipe.client.hdel(record(pipe), "rules")
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        assert (await world.rules()).release == NEW
        yield world, case, raws


def record(pipe: Pipeline) -> str:
    """The key of the organization's record."""
    return keys.keyspace(pipe.partition(ORG)).organization(ORG)


async def former_days(pipe: Pipeline, world: ZoneWorld) -> set[str]:
    """The day keys at whose start no day begins by the stored table."""
    zone = Zone(await world.rules())
    starts = {key: key.split(":day:")[1].split(":", 2)[2][:17] for key in await day_buckets(pipe)}
    return {key for key, start in starts.items() if zone.day(at := second(start)).start != at}


async def test_they_expire_within_a_day(redis_url: str) -> None:
    """Days of the cut before live for a day at most, and so do those that are written later; the others live on."""
    async with adopted(redis_url) as (world, _, _raws):
        pipe = world.pipe
        await world.send(life(world.now, days=10, seed=2, each=6))
        former = await former_days(pipe, world)
        assert len({key.split(":")[5] for key in former}) >= 2
        assert len(former) > 50
        for key in await day_buckets(pipe):
            assert (0 < await pipe.client.ttl(key) <= DAY) == (key in former), key


async def test_after_a_day_no_more_are_written(redis_url: str) -> None:
    """When its time is over the record forgets the cut, and events go into the days of the stored table alone."""
    async with adopted(redis_url) as (world, case, _):
        pipe = world.pipe
        for key in await former_days(pipe, world):
            await pipe.client.delete(key)
        cut = FormerCut.decode((await world.record())["former"])
        await pipe.client.hset(record(pipe), "former", cut._replace(until=int(world.now.timestamp())).encode())
        await world.send(life(world.now, days=10, seed=2, each=6))
        assert not await former_days(pipe, world)
        await world.check(case.new)
        assert "former" not in await world.record()


async def test_rules_that_come_back_replace_them(redis_url: str) -> None:
    """A release with the offsets from before, within the day: days have what their hours have, not what was left at their keys."""
    async with adopted(redis_url) as (world, case, _):
        pipe = world.pipe
        await world.send(life(world.now, days=10, seed=2, each=6))
        stray = {key for key in await former_days(pipe, world) if key.endswith("counts") and POPUP in key}
        for key in stray:
            await pipe.client.hset(key, f"triggered:{STRAY_GOAL}", 5)
            await pipe.client.pfadd(key.removesuffix("counts") + f"triggered:{STRAY_GOAL}:visitors", "nobody")
        assert stray
        pipe.rulebook = rulebook_of("2098c", zone_bytes(case.first, case.old_changes), pipe.settings)
        await world.send(life(world.now, days=10, seed=3, each=6))
        assert (await world.rules()).release == "2098c"
        await world.check(case.old)
        assert not [key for key in await day_buckets(pipe) if STRAY_GOAL in key]
        former = await former_days(pipe, world)
        for key in await day_buckets(pipe):
            assert await pipe.client.ttl(key) > DAY, key
        assert not former, "no process asks for the days of the release in between"


async def test_a_rebuild_takes_them_away(redis_url: str) -> None:
    """They count as no difference; the rebuild deletes them and the record's field."""
    async with adopted(redis_url) as (world, case, raws):
        pipe = world.pipe
        operator = as_user("operator", pipe.client)

        async def rebuild(*, dry: bool) -> None:
            archive = read_lines(io.BytesIO(b"\n".join(raws) + b"\n"), pipe.installation.partitions)
            report = await Rebuild(operator, pipe.settings, pipe.installation, ORG, archive, dry=dry).run()
            assert {one.workflow for one in report.workflows} == {PAGES, POPUP}
            assert [(one.differing, one.stored == one.rebuilt) for one in report.workflows] == [(0, True)] * 2

        await rebuild(dry=True)
        assert await former_days(pipe, world)
        await rebuild(dry=False)
        assert not await former_days(pipe, world)
        assert "former" not in await world.record()
        await world.check(case.new)


def test_slots_of_the_cut_before() -> None:
    """By the offsets before; none at a start that a day of the stored table has, and none later."""
    span = second("2025-01-01"), second("2028-01-01")
    old = made_zone(-7 * HOUR, [("2026-11-01T09:00", -8 * HOUR)], NAME)
    new = made_zone(-7 * HOUR, [], NAME)
    before, zone = (Zone(read_rules(NAME, release, rules, *span), rules) for release, rules in ((OLD, old), (NEW, new)))
    former, slots = FormerSlots(before, zone, until=1000), Slots(zone)
    late, early = slots.at(second("2026-11-20T07:30")), slots.at(second("2026-10-20T07:30"))
    found = former.at(late, 999)
    assert found is not None
    assert (found.slot.day.start, found.slot.hour.index) == (second("2026-11-19T08:00"), 23)
    assert (found.day_differs, found.hour_differs) == (True, False)
    assert late.day.start == second("2026-11-20T07:00")
    assert former.at(late, 1000) is None
    assert former.at(early, 999) is None
    assert former.at(slots.at(second("2026-11-02T07:30")), 999) is None, (
        "the 25th hour of 1 November, whose key is that day's"
    )


def test_slots_of_a_cut_by_other_parts_of_an_hour() -> None:
    """Hours differ, too: on the day of the change, which both tables begin at the same instant, these alone."""
    span = second("2025-01-01"), second("2028-01-01")
    old = made_zone(5 * HOUR, [], NAME)
    new = made_zone(5 * HOUR, [("2026-11-01T09:00", 5 * HOUR + 1800)], NAME)
    before, zone = (Zone(read_rules(NAME, release, rules, *span), rules) for release, rules in ((OLD, old), (NEW, new)))
    former, slots = FormerSlots(before, zone, until=1000), Slots(zone)
    found = former.at(slots.at(second("2026-11-20T07:40")), 999)
    assert found is not None
    assert (found.slot.day.start, found.slot.hour.start) == (second("2026-11-19T19:00"), second("2026-11-20T07:00"))
    assert (found.day_differs, found.hour_differs) == (True, True)
    found = former.at(slots.at(second("2026-11-01T12:10")), 999)
    assert found is not None
    assert (found.day_differs, found.hour_differs) == (False, True)
    assert former.at(slots.at(second("2026-11-01T03:10")), 999) is None
