"""Adoptions that are killed at any point, with another owner afterwards: each answer is by the old rules or by the new ones."""

import pytest

from sidedata import failpoints
from sidedata.ingest.ownership import lease
from tests.support.pipeline import pipeline
from tests.support.processes.workers import killed_at
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, day_buckets, life, old_scene


@pytest.mark.parametrize("point", ["before_swap", "after_swap_begin", "after_swap_step", "after_swap"])
@pytest.mark.holds("1.1.5")
async def test_killed_anywhere_old_or_new(redis_url: str, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """All answers are right by one of the two releases at every point, and by the new one once there is another owner."""

    async def never(*_: object) -> None:
        return

    monkeypatch.setattr(lease, "release", never)
    async with old_scene(redis_url, 12) as (world, case):
        pipe, now = world.pipe, world.now
        await world.send(life(now, days=33, each=6))
        await world.check(case.old)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        kills = 0
        passages = 1
        while passages:
            with killed_at(point, passages) as death:
                await pipe.drain()
            kills += death.happened
            # The next owner dies at its own first step, too.
            passages = 1 if death.happened and point == "after_swap_step" else 0
            is_new = (await world.rules()).release == NEW
            await world.check(case.new if is_new else case.old)
        assert kills
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new)
        adopted = await day_buckets(pipe)
        left_over = [key async for key in pipe.client.scan_iter(match="sd:{0}:swap:*")]
        assert all([await pipe.client.ttl(key) > 0 for key in left_over])
        assert not left_over or point == "before_swap"
        await pipe.client.flushall()
    async with pipeline(redis_url, partitions=1) as fresh:
        await fresh.organization(NAME)
        fresh.rulebook = case.rulebook(NEW, fresh.settings)
        await ZoneWorld(fresh, now).send(life(now, days=33, each=6))
        assert adopted == await day_buckets(fresh)


@pytest.mark.parametrize("point", failpoints.ADOPTION_POINTS)
async def test_killed_around_a_table_that_changes_no_day(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Rules that differ in the future alone are adopted by the next owner, if they were not before."""

    async def never(*_: object) -> None:
        return

    monkeypatch.setattr(lease, "release", never)
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, -30, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=33, each=6))
        before = await day_buckets(pipe)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        with killed_at(point, 1) as death:
            await pipe.drain()
        assert death.happened
        await pipe.drain()
        assert (await world.rules()).release == NEW
        assert await day_buckets(pipe) == before
        await world.check(case.new)
