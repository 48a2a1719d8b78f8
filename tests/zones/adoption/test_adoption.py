"""The adoption of newer rules through the real pipeline: every answer held against brute force by the rules that hold then."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, day_buckets, life, seam_of

CASES = {
    "east": (27, -7 * HOUR, -8 * HOUR, -7 * HOUR),
    "west": (20, HOUR, HOUR, 0),
    "far": (12, -7 * HOUR, -8 * HOUR, -5 * HOUR),
    "old east": (50, -7 * HOUR, -8 * HOUR, -7 * HOUR),
    "old west": (60, HOUR, HOUR, 0),
    "half": (20, 5 * HOUR, 5 * HOUR, 5 * HOUR + 1800),
}


@pytest.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation of two partitions."""
    async with pipeline(redis_url, partitions=2) as made:
        await made.organization(NAME)
        yield made


@pytest.mark.parametrize("name", CASES)
async def test_answers_are_those_of_the_rules_in_the_record(pipe: Pipeline, name: str) -> None:
    """Before an adoption by the old rules, after it by the new ones from the seam on, with late and live events on top."""
    now = await pipe.now()
    case = Case(now, *CASES[name])
    world = ZoneWorld(pipe, now)
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    await world.send(life(now))
    assert (await world.rules()).release == OLD
    await world.check(case.old)

    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    await pipe.drain()
    assert (await world.rules()).release == NEW
    zone = await seam_of(world, case)
    await world.check(zone)

    await world.send(life(await pipe.now(), days=33, seed=2, each=4))
    await world.check(zone)
    assert world.tally.nine_in_ten()


@pytest.mark.parametrize("name", ["east", "west", "far"])
@pytest.mark.holds("1.1.5")
async def test_an_adoption_equals_a_fresh_installation(pipe: Pipeline, redis_url: str, name: str) -> None:
    """Where all changed days have their hours, day for day the same counts, fields and sketches."""
    now = await pipe.now()
    case = Case(now, *CASES[name])
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    await ZoneWorld(pipe, now).send(life(now, days=33))
    old = await day_buckets(pipe)
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    await pipe.drain()
    adopted = await day_buckets(pipe)
    await pipe.client.flushall()
    async with pipeline(redis_url, partitions=2) as fresh:
        await fresh.organization(NAME)
        fresh.rulebook = pipe.rulebook
        await ZoneWorld(fresh, now).send(life(now, days=33))
        assert adopted == await day_buckets(fresh)
    assert adopted != old


async def test_two_adoptions_in_turn(pipe: Pipeline) -> None:
    """A second release arrives after the first one was adopted, with a change of its own."""
    now = await pipe.now()
    first, second = Case(now, *CASES["east"]), Case(now, 10, -7 * HOUR, -7 * HOUR, -6 * HOUR)
    world = ZoneWorld(pipe, now)
    pipe.rulebook = first.rulebook(OLD, pipe.settings)
    await world.send(life(now, days=33))
    pipe.rulebook = first.rulebook(NEW, pipe.settings)
    await world.send(life(now, days=3, seed=4))
    await world.check(first.new)
    pipe.rulebook = second.rulebook("2098c", pipe.settings)
    await pipe.drain()
    assert (await world.rules()).release == "2098c"
    await world.check(second.new)


@pytest.mark.parametrize("seed", range(6))
async def test_random_changes(pipe: Pipeline, seed: int) -> None:
    """Offsets of whole hours that change at a random day equal brute force, under the seam where hours have gone."""
    dice = random.Random(seed)
    now = await pipe.now()
    first, old, new = (HOUR * dice.randint(-10, 12) for _ in range(3))
    case = Case(now, dice.randint(1, 75), first, old, new)
    world = ZoneWorld(pipe, now)
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    await world.send(life(now, seed=seed, each=4))
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    await world.send(life(now, days=2, seed=100 + seed, each=4))
    assert (await world.rules()).release == NEW
    await world.check(await seam_of(world, case))


@pytest.mark.holds("1.1.2")
async def test_an_older_release_changes_nothing(pipe: Pipeline) -> None:
    """A partition that goes to and fro between workers of two releases is adopted once."""
    now = await pipe.now()
    case = Case(now, *CASES["east"])
    world = ZoneWorld(pipe, now)
    for release in (OLD, NEW):
        pipe.rulebook = case.rulebook(release, pipe.settings)
        await world.send(life(now, days=33) if release == OLD else [])
    record = await world.record()
    buckets = await day_buckets(pipe)
    for release in (OLD, NEW, OLD):
        pipe.rulebook = case.rulebook(release, pipe.settings)
        await pipe.drain()
    assert await world.record() == record
    assert await day_buckets(pipe) == buckets
    await world.send(life(await pipe.now(), days=5, seed=3))
    await world.check(case.new)


async def test_the_header_etag_and_answers_change_together(pipe: Pipeline) -> None:
    """A service with answers of the old cut shows none afterwards; release and seam stand in the header, with 304 too."""
    now = await pipe.now()
    case = Case(now, *CASES["old east"])
    world = ZoneWorld(pipe, now)
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    await world.send(life(now))
    query = f"start={now.date()}&end={(now + timedelta(days=30)).date()}"
    path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/?{query}"
    async with pipe.http.get(path) as before:
        assert before.headers["Sidedata-Zone-Rules"] == OLD
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    await pipe.drain()
    since = (await world.rules()).since
    headers = {"If-None-Match": before.headers["ETag"]}
    async with pipe.http.get(path, headers=headers) as after:
        assert after.status == 200
        assert after.headers["Sidedata-Zone-Rules"] == f"{NEW}; since={since}"
    headers = {"If-None-Match": after.headers["ETag"]}
    async with pipe.http.get(path, headers=headers) as same:
        assert same.status == 304
        assert same.headers["Sidedata-Zone-Rules"] == f"{NEW}; since={since}"


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", ["east", "west"])
async def test_a_record_without_a_table_gets_the_one_that_explains_its_days(
    pipe: Pipeline, name: str, *, mixed: bool
) -> None:
    """Days that an old version cut by one release, or by two, are cut by the newest afterwards."""
    now = await pipe.now()
    case = Case(now, *CASES[name])
    world = ZoneWorld(pipe, now)
    record = pipe_record(pipe)
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    raws = life(now, days=33)
    await world.send(raws[::2])
    if mixed:  # another process of the old version cuts by the new rules, under the same record
        await pipe.client.hset(record, "rules", pipe_rules(case, pipe, now))
        await pipe.client.hincrby(record.partition("organization")[0] + "cursor", "records", 1)
    await world.send(raws[1::2])
    await pipe.client.hdel(record, "rules")
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    await pipe.drain()
    await world.check(case.new)
    assert (await world.rules()).release == NEW


def pipe_record(pipe: Pipeline) -> str:
    """The key of the organization's record."""
    return f"sd:{{{pipe.partition(ORG)}}}:organization:{ORG}"


def pipe_rules(case: Case, pipe: Pipeline, now: object) -> str:
    """The newer table, under the older release's name."""
    newest = case.rulebook(NEW, pipe.settings).candidates(NAME, int(now.timestamp()))[0]  # type: ignore[attr-defined]
    return newest._replace(release=OLD).encode()
